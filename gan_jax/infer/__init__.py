"""Generators at work: pictures of any size in, pictures out, in folders and in arrays.

Dropout is the generator's noise, chosen by a seed and a sample number: sample k of a seed is one dropout mask for each
image size, the same whatever is computed beside it. Sample 0 is what `translate` gives.
"""

import dataclasses
import os
import re
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from gan_jax import errors, files
from gan_jax.data import finding, high_bit_depth, pictures
from gan_jax.generator import Generator
from gan_jax.infer import engine

__all__ = [
    "STD_SCALE",
    "Job",
    "names_a_file",
    "on_device",
    "outputs",
    "plan",
    "samples",
    "translate",
    "translate_files",
    "with_options",
]
__dir__ = __all__.copy

# What a picture of standard deviations shows is this many times as large: a trained pix2pix varies by 1 to 10 levels.
# Fixed, so that pictures can be compared, and ten, so that they can be read.
STD_SCALE = 10

_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")  # and not the end of v1.2
_AT_ONCE = 8  # images of an array that are on the device together
_AHEAD = 8  # pictures that may wait in memory to be computed or written,
_WAITING_BYTES = 2**28  # and their bytes, however many they are, if more than one


class Job(NamedTuple):
    """One picture to translate."""

    input: str | Path
    output: str | Path
    frame: int | None = None  # of an animation or a document; the first, said, where none was chosen


def with_options(
    generator: Generator, *, dropout: bool | None = None, norm: Literal["image", "running"] | None = None
) -> Generator:
    """The generator with its dropout or its norm's statistics at test time other than its file says; None keeps them.

    Raises ValueError for a critic, for dropout without dropout layers and for "running" without running statistics.
    """
    _require_generator(generator)
    spec = generator.spec
    name = spec.architecture["name"]
    if dropout and not _has_dropout_layers(generator):
        raise ValueError(f"dropout cannot be on: this {name} has no dropout layers; leave that option out.")
    if norm == "running" and not generator.variables["stats"]:
        raise ValueError(f'norm cannot be "running": this {name} has no running statistics; leave that option out.')
    dropout = spec.dropout if dropout is None else dropout
    return generator._replace(spec=dataclasses.replace(spec, dropout=dropout, norm=norm or spec.norm))


def translate(
    generator: Generator,
    images: np.ndarray,
    *,
    seed: int = 0,
    tile: int | None = None,
    outscale: float | None = None,
    self_ensemble: bool = False,
) -> np.ndarray:
    """The generator's pictures for images [N, H, W, C] or [H, W, C], uint8 or uint16; same dtype, sides by its scale.

    Sides that the network cannot take are padded by reflection and cropped back. Every image is normalised alone
    and gets the same noise, which `seed` chooses: an output does not depend on the images beside it, but for rounding.

    Images that do not fit into memory are computed in tiles, with the result of the whole but for rounding: `tile`
    input pixels a side, 0 for the whole, None for what memory allows. `outscale` is the final side over the input's,
    by bicubic; `self_ensemble` takes the mean over eight ways to turn the image (Timofte et al. 2016, "Seven Ways to
    Improve Example-Based Single Image Super Resolution", 3.6).

    Raises TypeError for another dtype and ValueError for another shape or channel count, for a critic, and where an
    output is not finite; warns where it was finite in float32 alone.
    """
    options = engine.Options(tile, outscale, self_ensemble)
    return _translate(on_device(generator), images, _noise(seed, 0), options)


def samples(generator: Generator, images: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """`count` pictures for each image, by the noise of dropout: `translate` with a first axis [count].

    Sample k depends on its image, the seed and k alone, but for rounding. Raises what `translate` raises, and
    ValueError for a count below 1 or where dropout is off, since all samples would be equal.
    """
    _require_noise(generator, count)
    generator = on_device(generator)
    return np.stack([_translate(generator, images, _noise(seed, k), engine.Options()) for k in range(count)])


def plan(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    samples: int | None = None,
    suffix: str = "",
    extension: str | None = ".png",
    frame: int | Literal["all"] | None = None,
) -> list[Job]:
    """What to read and where to write: below the folder `output`, relative paths kept.

    `inputs` are pictures and folders, or one of them. Names get the `suffix` and the `extension`, or keep their own
    where that is None and can be written. One picture may also be written to a file that `output` names. Of pictures
    with several frames the chosen one is taken, or each for itself: a.gif then gives a_frame_0.png, a_frame_1.png, ...
    Raises FileNotFoundError for an input without pictures, and ValueError where two outputs would have one name, an
    output would replace an input or has a name that no file can have, or `output` is a file that should be a folder.
    """
    given = [inputs] if isinstance(inputs, str | Path) else inputs
    jobs = _jobs([Path(root) for root in given], Path(output), suffix, extension, frame)
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
    inputs: Sequence[Path], output: Path, suffix: str, extension: str | None, frame: int | Literal["all"] | None
) -> list[Job]:
    if names_a_file(inputs, output):
        if len(inputs) > 1 or not inputs[0].is_file():
            if not all(root.exists() for root in inputs):
                raise FileNotFoundError(f"{_missing(inputs)} does not exist; name a picture or a folder of pictures.")
            raise ValueError(f"{output} is the name of one picture and {inputs[0]} may give several; name a folder.")
        pictures.require_written(output)
        jobs = _frames(inputs[0], output, frame)
        if len(jobs) > 1:
            raise ValueError(f"{inputs[0]} has {len(jobs)} frames and {output} takes one; name a folder.")
        return [job._replace(output=output) for job in jobs]
    if output.is_file():
        raise ValueError(f"{output} is a file; wanted a folder to write to, or one .png for one picture.")
    planned: dict[Path, Job] = {}
    for root in inputs:
        if not root.exists():
            raise FileNotFoundError(f"{root} does not exist; name a picture or a folder of pictures.")
        names = [root.name] if root.is_file() else finding.list_pictures(root)
        whole_root, whole_output = root.resolve(), output.resolve()
        for name in names:
            source = root if root.is_file() else root / name
            if whole_root in whole_output.parents and whole_output in (whole_root / name).parents:
                continue  # an earlier call wrote it below its own input
            for job in _frames(source, output / _output_name(name, suffix, extension), frame):
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
    """Whether an output is called as a file rather than as a folder: as a picture or, for one picture, as any file."""
    output = Path(output)
    if output.is_dir():
        return False
    one = len(inputs) == 1 and Path(inputs[0]).is_file()
    return output.name.lower().endswith(finding.KNOWN) or (one and bool(_EXTENSION.fullmatch(output.suffix)))


def _missing(inputs: Sequence[Path]) -> Path:
    return next(root for root in inputs if not root.exists())


def _output_name(name: str, suffix: str, extension: str | None) -> str:
    stem, own = os.path.splitext(name)
    if extension is None:
        extension = own if own.lower() in pictures.WRITTEN else ".png"
    return f"{stem}{suffix}{extension}"


def _frames(source: Path, output: Path, frame: int | Literal["all"] | None) -> list[Job]:
    """A job for the frame of a file that is wanted, or one for each that it has."""
    if frame != "all":
        return [Job(source, output, frame)]
    count = pictures.count_frames(source)
    if count == 1:
        return [Job(source, output)]
    digits = len(str(count - 1))
    names = (f"{output.stem}_frame_{k:0{digits}}{output.suffix}" for k in range(count))
    return [Job(source, output.with_name(name), k) for k, name in enumerate(names)]


def translate_files(
    generator: Generator,
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

    Pictures are turned upright and brought to the generator's channels, 1 or 3, as training does; 16 bits stay 16.
    Alpha is kept: a generator that enlarges enlarges it too, as a grey picture, and colours that it hides are replaced
    by the nearest seen ones. So are the colour profile and what EXIF says of the picture. `half` takes that half of
    each picture, of pairs side by side; `quality` is that of `pictures.save_image_file`. At most `batch_size` pictures
    of one padded size are computed together; `tile`, `outscale` and `self_ensemble` are those of `translate`. `say` is
    told, in a sentence, what is not a failure and yet worth knowing, `progress` how many jobs of how many are done.

    With `samples` each picture gives the files that `outputs` names: samples 0, 1, ... of the seed, and each pixel's
    and channel's mean and population standard deviation over the samples in levels. The latter is written STD_SCALE
    times as large, up to the highest level. Memory does not grow with `samples`.

    Raises ValueError for a critic, for a generator whose channels no picture has, and as `samples` does.
    """
    _require_generator(generator)
    _require_picture_channels(generator)
    if samples is not None:
        _require_noise(generator, samples)
    generator = on_device(generator)
    options = engine.Options(tile, outscale, self_ensemble)
    failures: dict[Job, str] = {}
    buckets: dict[tuple, list[tuple[Job, pictures.ImageFile]]] = {}
    writing: deque[tuple[Job, Path, Future]] = deque()
    waiting_bytes: deque[int] = deque()
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(jobs))

    def settle(most: int, most_bytes: int) -> None:
        while len(writing) > most or (len(writing) > 1 and sum(waiting_bytes) > most_bytes):
            job, path, written = writing.popleft()
            waiting_bytes.popleft()
            try:
                written.result()
            except (ValueError, OSError, ImportError) as error:
                cause = getattr(error, "strerror", None) or str(error).rstrip(".")
                advice = f"; {errors.remedy(error)}" if isinstance(error, OSError) else ""
                failures.setdefault(job, f"{path} cannot be written ({cause}){advice}.")

    def compute(bucket: list[tuple[Job, pictures.ImageFile]], batch_size: int) -> None:
        # A short batch is filled up, so that every batch of a size runs the same program.
        photographs = [photograph for _, photograph in bucket]
        images = [photograph.pixels for photograph in photographs + photographs[:1] * (batch_size - len(bucket))]
        paths = [outputs(job, samples=samples) for job, _ in bucket]

        def tell(words: str) -> None:
            say(f"{bucket[0][0].input}: {words}")

        try:
            alphas = [_alpha(generator, photograph, options) for photograph in photographs]
            for column, made in enumerate(_results(generator, images, seed, samples, options, tell)):
                for (job, read), alpha, targets, pixels in zip(bucket, alphas, paths, made, strict=False):
                    made_one = read._replace(pixels=pixels, alpha=alpha)
                    written = pool.submit(high_bit_depth.save, targets[column], made_one, quality=quality)
                    writing.append((job, targets[column], written))
                    waiting_bytes.append(pixels.nbytes)
                settle(_AHEAD, _WAITING_BYTES)
            advance(len(bucket))
        except engine.Failure as failure:
            if len(images) == 1:
                failures.setdefault(bucket[0][0], f"{bucket[0][0].input} {failure}")
                advance(1)
            else:
                for one in bucket:
                    compute([one], 1)

    with ThreadPoolExecutor(2) as pool:
        for job, reading in _ahead(pool, jobs, generator.spec.in_channels, half):
            try:
                photograph = reading.result()
            except (ValueError, OSError, ImportError) as error:
                failures[job] = str(error)
                advance(1)
                continue
            if photograph.frames > 1 and job.frame is None:
                say(
                    f"{job.input} has {photograph.frames} frames, of which the first is taken; --frame N takes another "
                    "one, --frame all each for itself."
                )
            kind = (engine.padded_size(photograph.pixels, generator.spec.size_multiple), photograph.pixels.dtype)
            bucket = buckets.setdefault(kind, [])
            bucket.append((job, photograph))
            if len(bucket) == batch_size:
                compute(buckets.pop(kind), batch_size)
            elif sum(map(len, buckets.values())) > 2 * max(batch_size, _AHEAD):
                compute(buckets.pop(max(buckets, key=lambda kind: len(buckets[kind]))), batch_size)
        for bucket in buckets.values():
            compute(bucket, batch_size)
        settle(0, 0)
    return list(failures.values())


def _ahead(
    pool: ThreadPoolExecutor, jobs: Sequence[Job], channels: int, half: Literal["left", "right"] | None
) -> Iterator[tuple[Job, Future]]:
    """Each job with its picture being read, a few pictures ahead, or a single one where they are large."""
    reading: deque[tuple[Job, Future]] = deque()
    most = 1
    for job in jobs:
        reading.append((job, pool.submit(_read, job, channels, half)))
        while len(reading) > most:
            done = reading.popleft()
            if done[1].exception() is None:
                most = min(_AHEAD, max(1, _WAITING_BYTES // done[1].result().pixels.nbytes))
            yield done
    yield from reading


def _read(job: Job, channels: int, half: Literal["left", "right"] | None) -> pictures.ImageFile:
    """A job's picture as the generator is to see it."""
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
    return photograph._replace(pixels=pictures.seen_colours(photograph.pixels, photograph.alpha))


def _alpha(generator: Generator, photograph: pictures.ImageFile, options: engine.Options) -> np.ndarray | None:
    """The alpha of the output: the picture's own, enlarged by the generator where that enlarges."""
    alpha, spec = photograph.alpha, generator.spec
    if alpha is None:
        return None
    height, width = engine.final_sides(alpha, spec.scale, options.outscale)
    if (alpha == alpha[0, 0]).all():
        return np.broadcast_to(alpha[0, 0], (height, width, 1))
    if spec.scale > 1:
        as_grey = np.repeat(alpha, spec.in_channels, axis=2)
        return pictures.in_channels(engine.each(generator, [as_grey], _noise(0, 0), options)[0], 1)
    if (height, width) == alpha.shape[:2]:
        return alpha
    half = np.iinfo(alpha.dtype).max / 2
    return engine.resized((alpha / half - 1.0).astype(np.float32), (height, width), alpha.dtype)


def _require_generator(generator: Generator) -> None:
    if generator.spec.kind != "generator":
        raise ValueError(f"the file holds a {generator.spec.kind}; wanted a generator: name its file or the run.")
    if generator.spec.latent is not None:
        name = generator.spec.architecture["name"]
        raise ValueError(f"this {name} makes pictures from latents, not from pictures; use gan-jax sample.")


def _require_picture_channels(generator: Generator) -> None:
    channels = (generator.spec.in_channels, generator.spec.out_channels)
    if not set(channels) <= {1, 3}:
        raise ValueError(
            f"the generator turns {channels[0]} channels into {channels[1]} and picture files have 1 or 3; "
            "give it arrays, from Python."
        )


def _require_noise(generator: Generator, count: int) -> None:
    _require_generator(generator)
    if count < 1:
        raise ValueError(f"{count} samples are asked for; wanted at least 1.")
    if not _has_dropout_layers(generator):
        raise ValueError("the generator has no dropout layers, so that all samples would be equal; ask for no samples.")
    if not generator.spec.dropout:
        raise ValueError("dropout is off, so that all samples would be equal; turn dropout on, or ask for no samples.")


def on_device(generator: Generator) -> Generator:
    """The same generator, whose variables do not travel to the device with every call."""
    return generator._replace(variables=jax.device_put(generator.variables))


def _has_dropout_layers(generator: Generator) -> bool:
    """Architectures with dropout layers have its rate as the field `dropout`; at 0 they leave the layers out."""
    return bool(generator.spec.architecture.get("dropout"))


def _noise(seed: int, sample: int) -> jax.Array:
    key = jax.random.key(seed)
    return jax.random.fold_in(key, sample) if sample else key


def _translate(generator: Generator, images: np.ndarray, noise: jax.Array, options: engine.Options) -> np.ndarray:
    """`translate` with noise from a key."""
    _require_generator(generator)
    images = np.asarray(images)
    channels = generator.spec.in_channels
    if images.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"images are {images.dtype}; wanted uint8 or uint16.")
    if images.ndim not in (3, 4) or images.shape[-1] != channels or 0 in images.shape:
        raise ValueError(
            f"images have shape {images.shape}; this generator wants [N, H, W, {channels}] or [H, W, {channels}]."
        )
    if images.ndim == 3:
        return _each_or_alone(generator, [images], noise, options)[0]
    parts = (images[i : i + _AT_ONCE] for i in range(0, len(images), _AT_ONCE))
    return np.concatenate([np.stack(_each_or_alone(generator, list(part), noise, options)) for part in parts])


def _each_or_alone(
    generator: Generator, images: Sequence[np.ndarray], noise: jax.Array, options: engine.Options
) -> list[np.ndarray]:
    def warn(words: str) -> None:
        warnings.warn(words, RuntimeWarning, stacklevel=5)

    try:
        return engine.each(generator, images, noise, options, say=warn)
    except engine.Failure as failure:
        if len(images) == 1:
            raise ValueError(f"an image {failure}") from None
    return [_each_or_alone(generator, [picture], noise, options)[0] for picture in images]


def _results(
    generator: Generator,
    images: Sequence[np.ndarray],
    seed: int,
    samples: int | None,
    options: engine.Options,
    say: Callable[[str], None],
) -> Iterator[list[np.ndarray]]:
    """What `outputs` names, in that order, each for all the images [H, W, C] of one padded size."""
    if samples is None:
        yield engine.each(generator, images, _noise(seed, 0), options, say=say)
        return
    # Sums of whole numbers are exact, so neither picture depends on the order of the samples.
    totals: list[Any] = [0] * len(images)
    squares: list[Any] = [0] * len(images)
    for k in range(samples):
        made = engine.each(generator, images, _noise(seed, k), options, say=say)
        yield made
        levels = [picture.astype(np.int64) for picture in made]
        totals = [total + x for total, x in zip(totals, levels, strict=True)]
        squares = [square + x * x for square, x in zip(squares, levels, strict=True)]
    yield [_rounded(total / samples, images[0].dtype) for total in totals]
    yield [
        _rounded(STD_SCALE * np.sqrt(samples * square - total * total) / samples, images[0].dtype)
        for total, square in zip(totals, squares, strict=True)
    ]


def _rounded(levels: Any, dtype: np.dtype) -> np.ndarray:
    return np.floor(np.minimum(levels, np.iinfo(dtype).max) + 0.5).astype(dtype)
