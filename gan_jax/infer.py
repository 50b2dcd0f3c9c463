"""Generators at work: pictures of any size in, pictures out.

Dropout is the generator's noise, chosen by a seed and a sample number: sample k of a seed is one dropout mask for each
image size, the same whatever is computed beside it. Sample 0 is what `translate` gives.
"""

import dataclasses
import functools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from gan_jax import image, networks
from gan_jax.data import pictures
from gan_jax.generator import Generator

# What a picture of standard deviations shows is this many times as large: a trained pix2pix varies by 1 to 10 levels.
# Fixed, so that pictures can be compared, and ten, so that they can be read.
STD_SCALE = 10

_AT_ONCE = 8  # images of an array that are on the device together
_AHEAD = 8  # pictures that may wait in memory to be computed or written


class Job(NamedTuple):
    """One picture to translate."""

    input: Path
    output: Path


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


def translate(generator: Generator, images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The generator's pictures for uint8 images [N, H, W, C] or [H, W, C]; same dtype, height and width out.

    Sides that the network cannot take are padded by reflection and cropped back. Every image is normalised alone
    and gets the same noise, which `seed` chooses: an output does not depend on the images beside it.
    Raises TypeError for another dtype and ValueError for another shape or channel count, or for a critic.
    """
    return _translate(on_device(generator), images, _noise(seed, 0))


def samples(generator: Generator, images: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """`count` pictures for each image, by the noise of dropout: `translate` with a first axis [count].

    Sample k depends on its image, the seed and k alone. Raises what `translate` raises, and ValueError for a count
    below 1 or where dropout is off, since all samples would be equal.
    """
    _require_noise(generator, count)
    generator = on_device(generator)
    return np.stack([_translate(generator, images, _noise(seed, k)) for k in range(count)])


def plan(inputs: Sequence[Path], output: Path, *, samples: int | None = None) -> list[Job]:
    """What to read and where to write: PNGs below the folder `output`, relative paths kept.

    One picture may also be written to a file that `output` names. Raises FileNotFoundError for an input without
    pictures, and ValueError where two outputs would have one name, an output would replace an input, or `output` is a
    file that should be a folder.
    """
    jobs = _jobs(inputs, output)
    originals = {job.input.resolve() for job in jobs}
    for path in (path for job in jobs for path in outputs(job, samples=samples)):
        if path.resolve() in originals:
            raise ValueError(f"{path} is one of the inputs and would be overwritten; write to another folder.")
    return jobs


def outputs(job: Job, *, samples: int | None = None) -> list[Path]:
    """All that `translate_files` writes for a job: its output, or the samples, their mean and standard deviation.

    For a.png those are a_sample_0.png ... (equally many digits each), a_mean.png and a_std.png.
    """
    if samples is None:
        return [job.output]
    digits = len(str(samples - 1))
    names = [*(f"sample_{k:0{digits}}" for k in range(samples)), "mean", "std"]
    return [job.output.with_name(f"{job.output.stem}_{name}{job.output.suffix}") for name in names]


def _jobs(inputs: Sequence[Path], output: Path) -> list[Job]:
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix.lower() in pictures.EXTENSIONS:
        return [Job(inputs[0], output)]
    if output.is_file():
        raise ValueError(f"{output} is a file; wanted a folder to write to, or one .png for one picture.")
    jobs: dict[Path, Job] = {}
    for root in inputs:
        if not root.exists():
            raise FileNotFoundError(f"{root} does not exist; name a picture or a folder of pictures.")
        names = [root.name] if root.is_file() else pictures.list_pictures(root)
        whole_root, whole_output = root.resolve(), output.resolve()
        for name in names:
            source = root if root.is_file() else root / name
            if whole_root in whole_output.parents and whole_output in (whole_root / name).parents:
                continue  # an earlier call wrote it below its own input
            target = output / Path(name).with_suffix(".png")
            if target in jobs:
                raise ValueError(
                    f"{jobs[target].input} and {source} would both be written to {target}; "
                    "rename one, or translate them into two folders."
                )
            jobs[target] = Job(source, target)
    return list(jobs.values())


def translate_files(
    generator: Generator, jobs: Sequence[Job], *, batch_size: int = 1, seed: int = 0, samples: int | None = None
) -> list[str]:
    """Translates files, reading and writing while the device computes; says of each job that failed why it did.

    Pictures are turned upright and brought to the generator's channels, 1 or 3, as training does. At most `batch_size`
    pictures of one padded size are computed together.

    With `samples` each picture gives the files that `outputs` names: samples 0, 1, ... of the seed, and each pixel's
    and channel's mean and population standard deviation over the 8-bit samples. The latter is written STD_SCALE times
    as large, in levels, up to 255. Memory does not grow with `samples`.

    Raises ValueError for a critic, for a generator whose channels no picture has, and as `samples` does.
    """
    _require_generator(generator)
    _require_picture_channels(generator)
    if samples is not None:
        _require_noise(generator, samples)
    generator = on_device(generator)
    failures: dict[Job, str] = {}
    buckets: dict[tuple[int, int], list[tuple[Job, np.ndarray]]] = {}
    writing: deque[tuple[Job, Path, Future]] = deque()

    def settle(most: int) -> None:
        while len(writing) > most:
            job, path, written = writing.popleft()
            try:
                written.result()
            except (ValueError, OSError) as error:
                cause = getattr(error, "strerror", None) or error
                failures.setdefault(job, f"{path} cannot be written ({cause}); make room, or write to another folder.")

    def compute(bucket: list[tuple[Job, np.ndarray]]) -> None:
        images = [picture for _, picture in bucket]
        # A short batch is filled up, so that every batch of a size runs the same program.
        filled = images + images[:1] * (batch_size - len(images))
        paths = [outputs(job, samples=samples) for job, _ in bucket]
        try:
            for column, made in enumerate(_results(generator, filled, seed, samples)):
                for (job, _), files, picture in zip(bucket, paths, made, strict=False):
                    writing.append((job, files[column], pool.submit(pictures.save, files[column], picture)))
                settle(_AHEAD)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            for job, _ in bucket:
                failures.setdefault(job, f"{job.input} does not fit into the device's memory; scale it down.")

    with ThreadPoolExecutor(2) as pool:
        for job, reading in _ahead(pool, jobs, generator.spec.in_channels):
            try:
                picture = reading.result()
            except (ValueError, OSError) as error:
                failures[job] = str(error)
                continue
            size = _padded_size(picture.shape[0], picture.shape[1], generator.spec.size_multiple)
            bucket = buckets.setdefault(size, [])
            bucket.append((job, picture))
            if len(bucket) == batch_size:
                compute(buckets.pop(size))
            elif sum(map(len, buckets.values())) > 2 * max(batch_size, _AHEAD):
                compute(buckets.pop(max(buckets, key=lambda size: len(buckets[size]))))
        for bucket in buckets.values():
            compute(bucket)
        settle(0)
    return list(failures.values())


def _ahead(pool: ThreadPoolExecutor, jobs: Sequence[Job], channels: int) -> Iterator[tuple[Job, Future]]:
    """Each job with its picture being read, a few pictures ahead."""
    reading: deque[tuple[Job, Future]] = deque()
    for job in jobs:
        reading.append((job, pool.submit(pictures.read, job.input, channels)))
        if len(reading) > _AHEAD:
            yield reading.popleft()
    yield from reading


def _require_generator(generator: Generator) -> None:
    if generator.spec.kind != "generator":
        raise ValueError(f"the file holds a {generator.spec.kind}; wanted a generator: name its file or the run.")


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


def _translate(generator: Generator, images: np.ndarray, noise: jax.Array) -> np.ndarray:
    """`translate` with noise from a key."""
    _require_generator(generator)
    images = np.asarray(images)
    channels = generator.spec.in_channels
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}; wanted uint8.")
    if images.ndim not in (3, 4) or images.shape[-1] != channels or 0 in images.shape:
        raise ValueError(
            f"images have shape {images.shape}; this generator wants [N, H, W, {channels}] or [H, W, {channels}]."
        )
    if images.ndim == 3:
        return _translate_each(generator, [images], noise)[0]
    parts = (images[i : i + _AT_ONCE] for i in range(0, len(images), _AT_ONCE))
    return np.concatenate([np.stack(_translate_each(generator, list(part), noise)) for part in parts])


def _translate_each(generator: Generator, images: Sequence[np.ndarray], noise: jax.Array) -> list[np.ndarray]:
    """Outputs for images [H, W, C] that have one padded size."""
    spec = generator.spec
    key = noise if spec.dropout else None
    batch = np.stack([pictures.pad(picture, spec.size_multiple) for picture in images])
    ranges = (spec.input_range, spec.output_range)
    made = np.asarray(_forward(generator.module, spec.norm == "image", ranges, generator.variables, batch, key))
    return [
        output[: picture.shape[0] * spec.scale, : picture.shape[1] * spec.scale]
        for output, picture in zip(made, images, strict=True)
    ]


def _results(
    generator: Generator, images: Sequence[np.ndarray], seed: int, samples: int | None
) -> Iterator[list[np.ndarray]]:
    """What `outputs` names, in that order, each for all the images [H, W, C] of one padded size."""
    if samples is None:
        yield _translate_each(generator, images, _noise(seed, 0))
        return
    # Sums of whole numbers are exact, so neither picture depends on the order of the samples.
    totals: list[Any] = [0] * len(images)
    squares: list[Any] = [0] * len(images)
    for k in range(samples):
        made = _translate_each(generator, images, _noise(seed, k))
        yield made
        levels = [picture.astype(np.int64) for picture in made]
        totals = [total + x for total, x in zip(totals, levels, strict=True)]
        squares = [square + x * x for square, x in zip(squares, levels, strict=True)]
    yield [_rounded(total / samples) for total in totals]
    yield [
        _rounded(STD_SCALE * np.sqrt(samples * square - total * total) / samples)
        for total, square in zip(totals, squares, strict=True)
    ]


def _rounded(levels: Any) -> np.ndarray:
    return np.floor(np.minimum(levels, 255.0) + 0.5).astype(np.uint8)


def _padded_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """The sides that an image is padded to: the next multiples."""
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


# The module is a frozen dataclass, so that the program compiled for one shape serves every later call.
@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _forward(
    module: Any,
    own_statistics: bool,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    variables: dict,
    images_u8: jax.Array,
    key: jax.Array | None,
) -> jax.Array:
    network = networks.from_linen(module)
    ours = (-1.0, 1.0)

    def one(picture: jax.Array) -> jax.Array:
        batch = _moved(image.to_float(picture)[None], ours, ranges[0])
        output, _ = network.apply(variables["params"], variables["stats"], batch, train=own_statistics, key=key)
        return image.to_uint8(_moved(output[0], ranges[1], ours))

    return jax.vmap(one)(images_u8)


def _moved(x: jax.Array, old: tuple[float, float], new: tuple[float, float]) -> jax.Array:
    """Values of one range in another."""
    return x if old == new else new[0] + (x - old[0]) * ((new[1] - new[0]) / (old[1] - old[0]))
