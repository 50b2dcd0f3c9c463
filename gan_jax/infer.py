"""Generators at work: pictures of any size in, pictures out."""

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

_AT_ONCE = 8  # images of an array that are on the device together
_AHEAD = 8  # pictures that may wait in memory to be computed or written


class Job(NamedTuple):
    """One picture to translate."""

    input: Path
    output: Path


def translate(generator: Generator, images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The generator's pictures for uint8 images [N, H, W, C] or [H, W, C]; same dtype, height and width out.

    Sides that the network cannot take are padded by reflection and cropped back. Every image is normalised alone
    and gets the same noise, which `seed` chooses: an output does not depend on the images beside it.
    Raises TypeError for another dtype and ValueError for another shape or channel count.
    """
    images = np.asarray(images)
    channels = generator.spec.in_channels
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}; wanted uint8.")
    if images.ndim not in (3, 4) or images.shape[-1] != channels or 0 in images.shape:
        raise ValueError(
            f"images have shape {images.shape}; this generator wants [N, H, W, {channels}] or [H, W, {channels}]."
        )
    if images.ndim == 3:
        return _translate_each(generator, [images], seed)[0]
    parts = (images[i : i + _AT_ONCE] for i in range(0, len(images), _AT_ONCE))
    return np.concatenate([np.stack(_translate_each(generator, list(part), seed)) for part in parts])


def plan(inputs: Sequence[Path], output: Path) -> list[Job]:
    """What to read and where to write: PNGs below the folder `output`, relative paths kept.

    One picture may also be written to a file that `output` names. Raises FileNotFoundError for an input without
    pictures, and ValueError where two outputs would have one name or an output would replace an input.
    """
    jobs = _jobs(inputs, output)
    originals = {job.input.resolve() for job in jobs}
    for job in jobs:
        if job.output.resolve() in originals:
            raise ValueError(f"{job.output} is one of the inputs and would be overwritten; write to another folder.")
    return jobs


def _jobs(inputs: Sequence[Path], output: Path) -> list[Job]:
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix.lower() in pictures.EXTENSIONS:
        return [Job(inputs[0], output)]
    jobs: dict[Path, Job] = {}
    for root in inputs:
        if not root.exists():
            raise FileNotFoundError(f"{root} does not exist; name a picture or a folder of pictures.")
        names = [root.name] if root.is_file() else pictures.list_pictures(root)
        for name in names:
            source = root if root.is_file() else root / name
            if output != root and output in source.parents:
                continue  # an earlier call wrote it below its own input
            target = output / Path(name).with_suffix(".png")
            if target in jobs:
                raise ValueError(
                    f"{jobs[target].input} and {source} would both be written to {target}; "
                    "rename one, or translate them into two folders."
                )
            jobs[target] = Job(source, target)
    return list(jobs.values())


def translate_files(generator: Generator, jobs: Sequence[Job], *, batch_size: int = 1, seed: int = 0) -> list[str]:
    """Translates files, reading and writing while the device computes; returns why some could not be.

    Pictures are turned upright and brought to the generator's channels as training does. At most `batch_size`
    pictures of one padded size are computed together.
    """
    failures: list[str] = []
    buckets: dict[tuple[int, int], list[tuple[Job, np.ndarray]]] = {}
    writing: deque[tuple[Job, Future]] = deque()

    def settle(most: int) -> None:
        while len(writing) > most:
            job, written = writing.popleft()
            try:
                written.result()
            except OSError as error:
                failures.append(f"{job.output} cannot be written: {error}")

    def compute(bucket: list[tuple[Job, np.ndarray]]) -> None:
        images = [picture for _, picture in bucket]
        # A short batch is filled up, so that every batch of a size runs the same program.
        filled = images + images[:1] * (batch_size - len(images))
        try:
            outputs = _translate_each(generator, filled, seed)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            failures.extend(f"{job.input} does not fit into the device's memory; scale it down" for job, _ in bucket)
            return
        for (job, _), picture in zip(bucket, outputs, strict=False):
            writing.append((job, pool.submit(pictures.save, job.output, picture)))
        settle(_AHEAD)

    with ThreadPoolExecutor(2) as pool:
        for job, reading in _ahead(pool, jobs, generator.spec.in_channels):
            try:
                picture = reading.result()
            except (ValueError, OSError) as error:
                failures.append(str(error))
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
    return failures


def _ahead(pool: ThreadPoolExecutor, jobs: Sequence[Job], channels: int) -> Iterator[tuple[Job, Future]]:
    """Each job with its picture being read, a few pictures ahead."""
    reading: deque[tuple[Job, Future]] = deque()
    for job in jobs:
        reading.append((job, pool.submit(pictures.read, job.input, channels)))
        if len(reading) > _AHEAD:
            yield reading.popleft()
    yield from reading


def _translate_each(generator: Generator, images: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Outputs for images [H, W, C] that have one padded size."""
    spec = generator.spec
    if spec.kind != "generator":
        raise ValueError(f"the file holds a {spec.kind}; wanted a generator.")
    key = jax.random.key(seed) if spec.dropout else None
    batch = np.stack([_pad(picture, spec.size_multiple) for picture in images])
    outputs = np.asarray(_forward(generator.module, spec.norm == "image", generator.variables, batch, key))
    return [
        output[: picture.shape[0] * spec.scale, : picture.shape[1] * spec.scale]
        for output, picture in zip(outputs, images, strict=True)
    ]


def _padded_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """The sides that an image is padded to: the next multiples."""
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def _pad(picture: np.ndarray, multiple: int) -> np.ndarray:
    height, width = picture.shape[:2]
    below, right = np.subtract(_padded_size(height, width, multiple), (height, width))
    # A single row or column has nothing to reflect.
    mode: Literal["reflect", "edge"] = "reflect" if min(height, width) > 1 else "edge"
    return np.pad(picture, ((0, below), (0, right), (0, 0)), mode=mode)


# The module is a frozen dataclass, so that the program compiled for one shape serves every later call.
@functools.partial(jax.jit, static_argnums=(0, 1))
def _forward(
    module: Any, own_statistics: bool, variables: dict, images_u8: jax.Array, key: jax.Array | None
) -> jax.Array:
    network = networks.from_linen(module)

    def one(picture: jax.Array) -> jax.Array:
        batch = image.to_float(picture)[None]
        output, _ = network.apply(variables["params"], variables["stats"], batch, train=own_statistics, key=key)
        return image.to_uint8(output[0])

    return jax.vmap(one)(images_u8)
