"""Generators as files for other programs: StableHLO and ONNX, each loaded again and compared with the original.

What is exported is all that `translate` does to an array: padding, ranges, each image's own statistics, clipping and the
crop are inside. Dropout is off, since noise has no place in a file; convolutions are in their plain form.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from gan_jax import files
from gan_jax.infer import arrays, compiled
from gan_jax.model import Model, ModelSpec
from gan_jax.networks import convolution

__all__ = ["Exported", "Format", "load", "program", "write"]
__dir__ = __all__.copy

Format = Literal["stablehlo", "onnx"]
_PLATFORMS = ("cpu", "cuda", "tpu")
_SIZES = ((32, 48), (67, 45), (96, 96))  # of the comparison, where any size goes in: less and more than is padded
_IMAGES = 3
_LEVELS = 1  # by which outputs of uint8 may differ: two programs round otherwise
_TOLERANCE = 1e-4  # of outputs in [0, 1]
_Call = Callable[[np.ndarray], np.ndarray]


class Exported(NamedTuple):
    """What was written, and what came of the comparison."""

    path: Path
    size: int | None  # None where images of any height and width go in, else the side of all
    bytes: int
    difference: float  # the largest, in [0, 1] or in levels of uint8
    allowed: float
    seconds: tuple[float, float]  # of the original and of the file, an image of the last size, after the first call
    note: str = ""  # why sizes are fixed, where they were not asked to be


def program(generator: Model, *, uint8: bool) -> Callable[[jax.Array], jax.Array]:
    """A function of images [N, H, W, C], floats in [0, 1] or `uint8`, that gives outputs of the same kind.

    Raises ValueError for a critic and for a generator that starts from latents.
    """
    arrays.require_generator(generator)
    spec, variables = generator.spec, generator.variables
    signature = compiled.signature(spec, "uint8" if uint8 else "float32")

    def translated(images: jax.Array) -> jax.Array:
        height, width = images.shape[1:3]
        x = images if uint8 else images * 2.0 - 1.0
        for axis in (1, 2):
            x = _padded(x, axis, spec.size_multiple)
        outputs, _ = compiled.apply_whole.__wrapped__(spec.module, signature, variables, x, None)
        outputs = outputs[:, : height * spec.scale, : width * spec.scale]
        return outputs if uint8 else jnp.clip((outputs + 1.0) / 2.0, 0.0, 1.0)

    return translated


def _padded(images: jax.Array, axis: int, multiple: int) -> jax.Array:
    """As `image_files.pad` pads, for sides that are known only when it runs."""
    side = images.shape[axis]
    if multiple == 1 or (isinstance(side, int) and side % multiple == 0):
        return images
    last = jnp.asarray(side, jnp.int32) - 1
    place = jnp.arange(-(-side // multiple) * multiple, dtype=jnp.int32) % jnp.maximum(2 * last, 1)
    return jnp.take(images, jnp.clip(jnp.where(place <= last, place, 2 * last - place), 0, last), axis=axis)


def write(
    path: str | Path, generator: Model, form: Format, *, uint8: bool = False, size: int | None = None
) -> Exported:
    """Writes a generator for other programs, and reads it back to compare; images of any size unless `size` is given.

    A network that only takes fixed sizes gets those of 256 pixels, and `note` says so. Raises ValueError where the
    file's outputs are not the generator's, and then leaves none; where a package is missing, with its name; and for a
    critic or a generator that starts from latents.
    """
    path = Path(path)
    spec = generator.spec
    still = arrays.with_options(generator, dropout=False) if spec.dropout else generator
    content, size, note = _in_any_size(still, form, uint8, size)
    with files.unfinished(path) as part:
        part.write_bytes(content)
        call = load(part, form)
        difference, seconds = _compared(still, call, uint8, size)
        allowed = float(_LEVELS) if uint8 else _TOLERANCE
        if not difference <= allowed:
            raise ValueError(
                f"{path} is not written: its outputs differ from the generator's by {difference:.2g}, more than "
                f"{allowed:g}; give a fixed --size, or another --format."
            )
    return Exported(path, size, len(content), difference, allowed, seconds, note)


def _in_any_size(generator: Model, form: Format, uint8: bool, size: int | None) -> tuple[bytes, int | None, str]:
    """A file's content, the side of its images where it is fixed, and why if it was not asked to be."""
    make = _stablehlo if form == "stablehlo" else _onnx
    if size is not None:
        return make(generator, uint8, size), size, ""
    try:
        return make(generator, uint8, None), None, ""
    except (TypeError, ValueError, NotImplementedError, jax.errors.JAXTypeError) as error:
        if isinstance(error, ValueError) and "pip install" in str(error):
            raise
        why = (str(error).splitlines() or [type(error).__name__])[0][:160].rstrip(".")
        note = (
            f"images of {_FIXED}x{_FIXED} alone: this network does not trace for any size ({why}); --size N is another"
        )
        return make(generator, uint8, _FIXED), _FIXED, note


_FIXED = 256


def _stablehlo(generator: Model, uint8: bool, size: int | None) -> bytes:
    with convolution.plain():
        traced = jax_export.export(jax.jit(program(generator, uint8=uint8)), platforms=_PLATFORMS)
        return bytes(traced(_struct(generator.spec, uint8, size)).serialize())


def _struct(spec: ModelSpec, uint8: bool, size: int | None) -> jax.ShapeDtypeStruct:
    """What goes in: any number of images, of any height and width unless there is a size."""
    sides = "h, w" if size is None else f"{size}, {size}"
    least = ["h >= 16", "w >= 16"] if size is None else []
    shape = jax_export.symbolic_shape(f"n, {sides}, {spec.in_channels}", constraints=least)
    return jax.ShapeDtypeStruct(shape, np.uint8 if uint8 else np.float32)


def _onnx(generator: Model, uint8: bool, size: int | None) -> bytes:
    try:
        import jax2onnx
    except ImportError:
        raise ValueError(
            "ONNX files want jax2onnx: pip install 'gan_jax[export]' and, without its dependencies, jax2onnx==0.17.1 "
            "(constraints/export.txt says why)."
        ) from None
    with convolution.plain():
        file = jax2onnx.to_onnx(
            program(generator, uint8=uint8),
            [_struct(generator.spec, uint8, size)],
            input_names=["images"],
            output_names=["outputs"],
        )
    return bytes(file.SerializeToString())


def load(path: str | Path, form: Format) -> _Call:
    """What a written file computes: a function of images [N, H, W, C], as `program` has them.

    Raises ValueError for a file that is damaged or of another form.
    """
    content = Path(path).read_bytes()
    try:
        if form == "stablehlo":
            exported = jax_export.deserialize(bytearray(content))
            return lambda images: np.asarray(exported.call(images))
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda images: np.asarray(session.run(None, {name: images})[0])
    except Exception as error:  # of any kind: what a damaged file raises is a matter of where it is damaged
        why = (str(error).splitlines() or [type(error).__name__])[0][:160].rstrip(".")
        raise ValueError(f"{path} is no whole {form} file ({why}); write it anew.") from None


def _compared(generator: Model, call: _Call, uint8: bool, size: int | None) -> tuple[float, tuple[float, float]]:
    """The largest difference over images of noise and of ramps, and the seconds of the last image either way."""
    worst, seconds = 0.0, (0.0, 0.0)
    ours = jax.jit(program(generator, uint8=uint8))
    for images in _images(generator.spec.in_channels, _SIZES if size is None else ((size, size),) * _IMAGES):
        given = images if uint8 else images.astype(np.float32) / 255
        wanted, got = np.asarray(ours(given)), call(given)
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            return float("inf"), seconds
        worst = max(worst, float(np.abs(wanted.astype(np.float64) - got).max()))
        seconds = _seconds(lambda given=given: np.asarray(ours(given))), _seconds(lambda given=given: call(given))
    return worst, seconds


def _images(channels: int, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ramps = [np.add.outer(np.linspace(0, 127, height), np.linspace(0, 128, width)) for height, width in sizes]
    noise = [rng.uniform(-60, 60, (1, *ramp.shape, channels)) for ramp in ramps]
    return [
        np.clip(ramp[None, ..., None] + part, 0, 255).astype(np.uint8) for ramp, part in zip(ramps, noise, strict=True)
    ]


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
