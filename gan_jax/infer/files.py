"""Image files through a generator: what is to be read and written, and the work."""

import functools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax import errors, files, image
from gan_jax.data import finding, high_bit_depth, image_files, rasters
from gan_jax.data.image_files import ImageFile
from gan_jax.infer import arrays, engine, memory
from gan_jax.infer.resize import final_sides, resized
from gan_jax.infer.streams import WriteBehind, batches_by_size, read_ahead
from gan_jax.model import Model, ModelSpec

__all__ = [
    "STD_SCALE",
    "Job",
    "names_a_file",
    "outputs",
    "plan",
    "require_image_channels",
    "translate_files",
]
__dir__ = __all__.copy

# What an image of standard deviations shows is this many times as large: a trained pix2pix varies by 1 to 10 levels.
# Fixed, so that images can be compared, and ten, so that they can be read.
STD_SCALE = 10

_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")  # and not the end of v1.2


class Job(NamedTuple):
    """One image to translate."""

    input: str | Path
    output: str | Path
    frame: int | None = None  # of an animation or a document; the first, said, where none was chosen


def plan(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    samples: int | None = None,
    suffix: str = "",
    extension: str | None = ".png",
    frame: int | Literal["all"] | None = None,
    bands: rasters.Bands | None = None,
) -> list[Job]:
    """What to read and where to write: below the folder `output`, relative paths kept.

    `inputs` are images and folders, or one of them. Names get the `suffix` and the `extension`, or keep their own
    where that is None and can be written. One image may also be written to a file that `output` names. Of images
    with several frames the chosen one is taken, or each for itself: a.gif then gives a_frame_0.png, a_frame_1.png, ...
    With `bands` the inputs are files of channels, of a generator that wants such.
    Raises FileNotFoundError for an input without images, and ValueError where two outputs would have one name, an
    output would replace an input or has a name that no file can have, or `output` is a file that should be a folder.
    """
    given = [inputs] if isinstance(inputs, str | Path) else inputs
    jobs = _jobs([Path(root) for root in given], Path(output), suffix, extension, frame, bands)
    originals = {Path(job.input).resolve() for job in jobs}
    for path in (path for job in jobs for path in outputs(job, samples=samples)):
        if path.resolve() in originals:
            raise ValueError(f"{path} is one of the inputs and would be overwritten; write to another folder.")
        files.require_possible(path)
    return jobs


def outputs(job: Job, *, samples: int | None = None) -> list[Path]:
    """All that `translate_files` writes for a job: its output, or the samples, their mean and standard deviation.

    For a.png those are a_sample_0.png ... (equally many digits each), a_mean.png and a_std.png.
    """
    output = Path(job.output)
    if samples is None:
        return [output]
    digits = len(str(samples - 1))
    names = [*(f"sample_{k:0{digits}}" for k in range(samples)), "mean", "std"]
    return [output.with_name(f"{output.stem}_{name}{output.suffix}") for name in names]


def _jobs(
    inputs: Sequence[Path],
    output: Path,
    suffix: str,
    extension: str | None,
    frame: int | Literal["all"] | None,
    bands: rasters.Bands | None,
) -> list[Job]:
    if names_a_file(inputs, output):
        if len(inputs) > 1 or not inputs[0].is_file():
            if not all(root.exists() for root in inputs):
                raise FileNotFoundError(f"{_missing(inputs)} does not exist; name an image or a folder of images.")
            raise ValueError(f"{output} is the name of one image and {inputs[0]} may give several; name a folder.")
        require_written = image_files.require_written if bands is None else rasters.require_written
        require_written(output)
        jobs = _frames(inputs[0], output, frame, bands)
        if len(jobs) > 1:
            raise ValueError(f"{inputs[0]} has {len(jobs)} frames and {output} takes one; name a folder.")
        return [job._replace(output=output) for job in jobs]
    if output.is_file():
        raise ValueError(f"{output} is a file; wanted a folder to write to, or one .png for one image.")
    planned: dict[Path, Job] = {}
    for root in inputs:
        if not root.exists():
            raise FileNotFoundError(f"{root} does not exist; name an image or a folder of images.")
        extensions = finding.EXTENSIONS if bands is None else finding.RASTERS
        names = [root.name] if root.is_file() else finding.list_images(root, extensions=extensions)
        whole_root, whole_output = root.resolve(), output.resolve()
        for name in names:
            source = root if root.is_file() else root / name
            if whole_root in whole_output.parents and whole_output in (whole_root / name).parents:
                continue  # an earlier call wrote it below its own input
            for job in _frames(source, output / _output_name(name, suffix, extension, bands), frame, bands):
                target = Path(job.output)
                if target in planned:
                    kept = Path(planned[target].input).suffix != source.suffix and extension is not None
                    raise ValueError(
                        f"{planned[target].input} and {source} would both be written to {target}; rename one, "
                        + ("translate them into two folders" if kept else "or translate them into two folders")
                        + (", or keep their extensions by --format same." if kept else ".")
                    )
                planned[target] = job
    return list(planned.values())


def names_a_file(inputs: Sequence[str | Path], output: str | Path) -> bool:
    """Whether an output is called as a file rather than as a folder: as an image or, for one image, as any file."""
    output = Path(output)
    if output.is_dir():
        return False
    one = len(inputs) == 1 and Path(inputs[0]).is_file()
    known = (*finding.KNOWN, *finding.RASTERS)
    return output.name.lower().endswith(known) or (one and bool(_EXTENSION.fullmatch(output.suffix)))


def _missing(inputs: Sequence[Path]) -> Path:
    return next(root for root in inputs if not root.exists())


def _output_name(name: str, suffix: str, extension: str | None, bands: rasters.Bands | None) -> str:
    stem, own = os.path.splitext(name)
    if extension is None:
        written, else_ = (image_files.WRITTEN, ".png") if bands is None else (rasters.WRITTEN, ".tif")
        extension = own if own.lower() in written else else_
    return f"{stem}{suffix}{extension}"


def _frames(source: Path, output: Path, frame: int | Literal["all"] | None, bands: rasters.Bands | None) -> list[Job]:
    """A job for the frame of a file that is wanted, or one for each that it has; its pages may be channels."""
    if bands is not None:
        return [Job(source, output)]
    if frame != "all":
        return [Job(source, output, frame)]
    count = image_files.count_frames(source)
    if count == 1:
        return [Job(source, output)]
    digits = len(str(count - 1))
    names = (f"{output.stem}_frame_{k:0{digits}}{output.suffix}" for k in range(count))
    return [Job(source, output.with_name(name), k) for k, name in enumerate(names)]


def translate_files(
    generator: Model,
    jobs: Sequence[Job],
    *,
    batch_size: int = 1,
    seed: int = 0,
    samples: int | None = None,
    tile: int | None = None,
    outscale: float | None = None,
    self_ensemble: bool = False,
    half: Literal["left", "right"] | None = None,
    quality: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Translates files, reading and writing while the device computes; says of each job that failed why it did.

    Images are turned upright and brought to the generator's channels, 1 or 3, as training does; 16 bits stay 16.
    Alpha is kept: a generator that enlarges enlarges it too, as a gray image, and colors that it hides are replaced
    by the nearest seen ones. So are the color profile and what EXIF says of the image. `half` takes that half of
    each image, of pairs side by side; `quality` is that of `image_files.save_image_file`. At most `batch_size` images
    of one padded size are computed together; `tile`, `outscale` and `self_ensemble` are those of `translate`. `say` is
    told, in a sentence, what is not a failure and yet worth knowing, `progress` how many jobs of how many are done.
    Of a generator of arrays of channels files have the channels and the numbers that its spec says, and so have those
    that are written; where a TIFF lies on the earth stays.

    With `samples` each image gives the files that `outputs` names: samples 0, 1, ... of the seed, and each pixel's
    and channel's mean and population standard deviation over the samples in levels. The latter is written STD_SCALE
    times as large, up to the highest level. Memory does not grow with `samples`.

    Raises ValueError for a critic, for a generator whose channels no image has, for `half` and `samples` of a generator
    of arrays of channels, and as `samples` does.
    """
    arrays.require_generator(generator)
    if generator.spec.bands is None:
        require_image_channels(generator)
    elif half is not None or samples is not None:
        raise ValueError("this generator makes arrays of channels; leave out half and samples.")
    if samples is not None:
        arrays.require_samples(generator, samples)
    generator = arrays.on_device(generator)
    spec, options = generator.spec, engine.Options(tile, outscale, self_ensemble)
    tally = _Tally(len(jobs), progress)
    # A colorizer sees the lightness of a color, which is not its luma.
    read: Callable[[Job], ImageFile] = functools.partial(
        _read, channels=3 if spec.colors else spec.in_channels, half=half
    )
    save: Callable[[Path, ImageFile], None] = functools.partial(high_bit_depth.save, quality=quality)
    if spec.bands is not None:
        same_size = spec.scale == 1 and outscale is None
        read = functools.partial(_read_array, spec=spec, same_size=same_size)
        save = functools.partial(_save_array, spec=spec)
    with ThreadPoolExecutor(2) as pool:
        writer = WriteBehind(pool, save, tally.unwritten)
        photographs = read_ahead(pool, jobs, read, tally.unread)
        for batch in batches_by_size(photographs, functools.partial(_kind, spec.size_multiple), batch_size):
            planned = engine.plan(generator, batch[0][1].pixels.shape[:2], options, memory.available_bytes)
            for note in _notes(batch, planned):
                say(note)
            _compute(planned, generator, batch, batch_size, seed, samples, writer, tally, say)
            tally.advance(len(batch))
        writer.finish()
    return list(tally.failures.values())


class _Tally:
    """How many jobs are done, and why some have failed."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._done, self._total, self._progress = 0, total, progress
        self.failures: dict[Job, str] = {}

    def advance(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)

    def fail(self, job: Job, words: str) -> None:
        self.failures.setdefault(job, words)

    def unread(self, job: Job, error: Exception) -> None:
        self.fail(job, str(error))
        self.advance(1)

    def unwritten(self, job: Job, path: Path, error: Exception) -> None:
        cause = getattr(error, "strerror", None) or str(error).rstrip(".")
        advice = f"; {errors.remedy(error)}" if isinstance(error, OSError) else ""
        self.fail(job, f"{path} cannot be written ({cause}){advice}.")


def _kind(multiple: int, one: tuple[Job, ImageFile]) -> tuple:
    """What images of a batch have in common."""
    pixels = one[1].pixels
    return image_files.padded_size(pixels.shape[:2], multiple), pixels.dtype


def _notes(batch: Sequence[tuple[Job, ImageFile]], planned: engine.Plan) -> Iterator[str]:
    """What there is to say of the images of a batch before they are computed."""
    for job, photograph in batch:
        if photograph.frames > 1 and job.frame is None:
            yield (
                f"{job.input} has {photograph.frames} frames, of which the first is taken; --frame N takes another "
                "one, --frame all each for itself."
            )
        if planned.note:
            yield f"{job.input}: {planned.note}"


def _compute(
    planned: engine.Plan,
    generator: Model,
    batch: Sequence[tuple[Job, ImageFile]],
    count: int,
    seed: int,
    samples: int | None,
    writer: WriteBehind[Job],
    tally: _Tally,
    say: Callable[[str], None],
) -> None:
    """Has every file of a batch written, computed `count` together; where that fails, each image's for itself."""
    # A short batch is filled up, so that every batch of a size runs the same program.
    photographs = [photograph for _, photograph in batch]
    images = [photograph.pixels for photograph in photographs + photographs[:1] * (count - len(batch))]
    paths = [outputs(job, samples=samples) for job, _ in batch]
    name = str(batch[0][0].input)
    try:
        alphas = [_alpha(planned, generator, photograph, name) for photograph in photographs]
        for column, results in enumerate(_results(planned, generator, images, name, seed, samples, say)):
            for (job, read), alpha, targets, pixels in zip(batch, alphas, paths, results, strict=False):
                writer.put(job, targets[column], read._replace(pixels=pixels, alpha=alpha))
    except engine.Failure as failure:
        if count == 1:
            tally.fail(batch[0][0], str(failure))
            return
        for one in batch:
            _compute(planned, generator, [one], 1, seed, samples, writer, tally, say)


def _results(
    planned: engine.Plan,
    generator: Model,
    images: Sequence[np.ndarray],
    name: str,
    seed: int,
    samples: int | None,
    say: Callable[[str], None],
) -> Iterator[list[np.ndarray]]:
    """What `outputs` names, in that order, each for all the images [H, W, C] of one padded size."""

    def tell(words: str) -> None:
        say(f"{name}: {words}")

    if samples is None:
        yield engine.run(planned, generator, images, arrays.noise_key(seed, 0), name=name, say=tell)
        return
    dtype = images[0].dtype
    # Sums of whole numbers are exact, so neither image depends on the order of the samples.
    totals: list[Any] = [0] * len(images)
    squares: list[Any] = [0] * len(images)
    for k in range(samples):
        drawn = engine.run(planned, generator, images, arrays.noise_key(seed, k), name=name, say=tell)
        yield drawn
        levels = [array.astype(np.int64) for array in drawn]
        totals = [total + x for total, x in zip(totals, levels, strict=True)]
        squares = [square + x * x for square, x in zip(squares, levels, strict=True)]
    yield [image.round_to(total / samples, dtype) for total in totals]
    yield [
        image.round_to(STD_SCALE * np.sqrt(samples * square - total * total) / samples, dtype)
        for total, square in zip(totals, squares, strict=True)
    ]


def _alpha(planned: engine.Plan, generator: Model, photograph: ImageFile, name: str) -> np.ndarray | None:
    """The alpha of the output: the image's own, enlarged by the generator where that enlarges."""
    alpha, spec = photograph.alpha, generator.spec
    if alpha is None:
        return None
    height, width = final_sides(alpha.shape, spec.scale, planned.options.outscale)
    if (alpha == alpha[0, 0]).all():
        return np.broadcast_to(alpha[0, 0], (height, width, 1))
    if spec.scale > 1:
        as_gray = np.repeat(alpha, spec.in_channels, axis=2)
        (enlarged,) = engine.run(planned, generator, [as_gray], arrays.noise_key(0, 0), name=name)
        return image_files.in_channels(enlarged, 1)
    if (height, width) == alpha.shape[:2]:
        return alpha
    half = np.iinfo(alpha.dtype).max / 2
    return resized((alpha / half - 1.0).astype(np.float32), (height, width), alpha.dtype)


def _read(job: Job, channels: int, half: Literal["left", "right"] | None) -> ImageFile:
    """A job's image as the generator is to see it."""
    photograph = high_bit_depth.read_image_file(job.input, channels, frame=job.frame or 0)
    if half is not None:
        width = photograph.pixels.shape[1]
        if width < 2:
            raise ValueError(f"{job.input} is {width} pixel wide and has no halves; leave it or --half out.")
        kept = slice(None, width // 2) if half == "left" else slice(width // 2, None)
        alpha = None if photograph.alpha is None else photograph.alpha[:, kept]
        photograph = photograph._replace(pixels=photograph.pixels[:, kept], alpha=alpha)
    if photograph.alpha is None:
        return photograph
    return photograph._replace(pixels=image_files.seen_colors(photograph.pixels, photograph.alpha))


def _read_array(job: Job, spec: ModelSpec, same_size: bool) -> ImageFile:
    """A job's array of channels as the network is to see it, float32 in [-1, 1]; with its place if that stays."""
    assert spec.bands is not None
    assert spec.input_values is not None
    array = rasters.read(job.input, spec.bands)
    wanted = rasters.Kind(spec.input_values.dtype, spec.in_channels)
    if (kind := rasters.kind_of(array)) != wanted:
        raise ValueError(f"{job.input} is {kind}, and this generator wants {wanted}; convert it.")
    return ImageFile(spec.input_values.to_network(array), place=rasters.place_of(job.input) if same_size else ())


def _save_array(path: Path, made: ImageFile, spec: ModelSpec) -> None:
    """Writes what the network made, float32 in [-1, 1], in the numbers and units that its spec says."""
    assert spec.bands is not None
    assert spec.output_values is not None
    rasters.write(path, spec.output_values.from_network(made.pixels), spec.bands, made.place)


def require_image_channels(generator: Model) -> None:
    """Raises ValueError for a generator of arrays of channels, and for one whose channels no image file has."""
    if generator.spec.bands is not None:
        raise ValueError("this generator makes arrays of channels, and images are given; name arrays, or another.")
    channels = (generator.spec.in_channels, generator.spec.out_channels)
    if not set(channels) <= {1, 3}:
        raise ValueError(
            f"the generator turns {channels[0]} channels into {channels[1]} and image files have 1 or 3; "
            "give it arrays, from Python."
        )
