"""Arrays through a generator, and what a generator can be asked for."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Literal

import jax
import numpy as np

from gan_jax.infer import engine, memory
from gan_jax.model import Model

__all__ = [
    "noise_key",
    "on_device",
    "require_generator",
    "require_samples",
    "samples",
    "translate",
    "with_options",
]
__dir__ = __all__.copy

_AT_ONCE = 8  # images of an array that are on the device together


def with_options(
    generator: Model, *, dropout: bool | None = None, norm: Literal["image", "running"] | None = None
) -> Model:
    """The generator with its dropout or its norm's statistics at test time other than its file says; None keeps them.

    Raises ValueError for a critic, for dropout without dropout layers and for "running" without running statistics.
    """
    require_generator(generator)
    spec = generator.spec
    name = spec.architecture["name"]
    if dropout and not _has_dropout_layers(generator):
        raise ValueError(f"dropout cannot be on: this {name} has no dropout layers; leave that option out.")
    if norm == "running" and not generator.variables["stats"]:
        raise ValueError(f'norm cannot be "running": this {name} has no running statistics; leave that option out.')
    dropout = spec.dropout if dropout is None else dropout
    return generator._replace(spec=dataclasses.replace(spec, dropout=dropout, norm=norm or spec.norm))


def translate(
    generator: Model,
    images: np.ndarray,
    *,
    seed: int = 0,
    tile: int | None = None,
    outscale: float | None = None,
    self_ensemble: bool = False,
) -> np.ndarray:
    """The generator's images for images [N, H, W, C] or [H, W, C], uint8 or uint16; same dtype, sides by its scale.

    Those of a generator of arrays of channels have the dtype and units of its `input_values`, and of its
    `output_values`.

    Sides that the network cannot take are padded by reflection and cropped back. Every image is normalized alone
    and gets the same noise, which `seed` chooses: an output does not depend on the images beside it, but for rounding.

    Images that do not fit into memory are computed in tiles, with the result of the whole but for rounding: `tile`
    input pixels a side, 0 for the whole, None for what memory allows. `outscale` is the final side over the input's,
    by bicubic; `self_ensemble` takes the mean over eight ways to turn the image (Timofte et al. 2016, "Seven Ways to
    Improve Example-Based Single Image Super Resolution", 3.6).

    Raises TypeError for another dtype and ValueError for another shape or channel count, for a critic, and where an
    output is not finite; warns where it was finite in float32 alone.
    """
    require_generator(generator)
    return _samples(generator, images, 1, seed, engine.Options(tile, outscale, self_ensemble))[0]


def samples(generator: Model, images: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """`count` images for each image, by the noise of dropout: `translate` with a first axis [count].

    Sample k depends on its image, the seed and k alone, but for rounding. Raises what `translate` raises, and
    ValueError for a count below 1 or where dropout is off, since all samples would be equal.
    """
    require_generator(generator)
    require_samples(generator, count)
    return _samples(generator, images, count, seed, engine.Options())


def _samples(generator: Model, images: np.ndarray, count: int, seed: int, options: engine.Options) -> np.ndarray:
    """Samples 0, 1, ... of a seed: `translate` with a first axis [count]."""
    images = np.asarray(images)
    channels = generator.spec.in_channels
    seen, made = generator.spec.input_values, generator.spec.output_values
    wanted = ("uint8", "uint16") if seen is None else (seen.dtype,)
    if images.dtype not in wanted:
        raise TypeError(f"images are {images.dtype}; wanted {' or '.join(wanted)}.")
    if images.ndim not in (3, 4) or images.shape[-1] != channels or 0 in images.shape:
        raise ValueError(
            f"images have shape {images.shape}; this generator wants [N, H, W, {channels}] or [H, W, {channels}]."
        )
    batch = images if images.ndim == 4 else images[None]
    batch = batch if seen is None else seen.to_network(batch)
    generator = on_device(generator)
    planned = engine.plan(generator, batch.shape[1:3], options, memory.available_bytes)
    notes = [planned.note] if planned.note else []
    try:
        drawn = [_translated(planned, generator, batch, noise_key(seed, k), notes.append) for k in range(count)]
    finally:
        for note in notes:
            warnings.warn(note, RuntimeWarning, stacklevel=3)
    stacked = np.stack(drawn if images.ndim == 4 else [sample[0] for sample in drawn])
    return stacked if made is None else made.from_network(stacked)


def _translated(
    planned: engine.Plan, generator: Model, images: np.ndarray, noise: jax.Array, say: Callable[[str], None]
) -> np.ndarray:
    outputs: list[np.ndarray] = []
    for start in range(0, len(images), _AT_ONCE):
        part = list(images[start : start + _AT_ONCE])
        try:
            outputs += engine.run(planned, generator, part, noise, say=say)
        except engine.Failure:
            if len(part) == 1:
                raise
            for image in part:
                outputs += engine.run(planned, generator, [image], noise, say=say)
    return np.stack(outputs)


def require_generator(generator: Model) -> None:
    """Raises ValueError for a critic, and for a generator that starts from latents."""
    if generator.spec.kind != "generator":
        raise ValueError(f"the file holds a {generator.spec.kind}; wanted a generator: name its file or the run.")
    if generator.spec.latent is not None:
        name = generator.spec.architecture["name"]
        raise ValueError(f"this {name} makes images from latents, not from images; use gan-jax sample.")


def require_samples(generator: Model, count: int) -> None:
    """Raises ValueError for a count below 1, and where noise would change nothing: dropout is off, or not there."""
    if count < 1:
        raise ValueError(f"{count} samples are asked for; wanted at least 1.")
    if not _has_dropout_layers(generator):
        raise ValueError("the generator has no dropout layers, so that all samples would be equal; ask for no samples.")
    if not generator.spec.dropout:
        raise ValueError("dropout is off, so that all samples would be equal; turn dropout on, or ask for no samples.")


def on_device(generator: Model) -> Model:
    """The same generator, whose variables do not travel to the device with every call."""
    return generator._replace(variables=jax.device_put(generator.variables))


def _has_dropout_layers(generator: Model) -> bool:
    """Architectures with dropout layers have its rate as the field `dropout`; at 0 they leave the layers out."""
    return bool(generator.spec.architecture.get("dropout"))


def noise_key(seed: int, sample: int) -> jax.Array:
    """What dropout of a sample is drawn from."""
    key = jax.random.key(seed)
    return jax.random.fold_in(key, sample) if sample else key
