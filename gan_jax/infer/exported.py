"""Generators for elsewhere: StableHLO, ONNX, and a folder for Hugging Face, each loaded again and compared.

What is exported is all that `translate` does to an array: padding, ranges, each image's own statistics, clipping and
the crop are inside. Dropout is off, since noise has no place in a file; convolutions are in their plain form.
"""

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from gan_jax import files, folders
from gan_jax import model as models
from gan_jax.infer import arrays, compiled
from gan_jax.model import Model, ModelSpec
from gan_jax.networks import convolution

__all__ = ["DifferentError", "Exported", "Format", "load", "original", "program", "write", "write_folder"]
__dir__ = __all__.copy

Format = Literal["stablehlo", "onnx"]
_PLATFORMS = ("cpu", "cuda", "tpu")
_SIZES = ((32, 48), (67, 45), (96, 96))  # of the comparison, where any size goes in: less and more than is padded
_IMAGES = 3
_LEVELS = 1  # by which outputs of uint8 may differ: two programs round otherwise
_TOLERANCE = 1e-4  # of outputs in [0, 1]
_FIXED = 256  # the side of images where it must be one
_Call = Callable[[np.ndarray], np.ndarray]


class DifferentError(ValueError):
    """What was written does not compute what the generator does."""


class Exported(NamedTuple):
    """What was written, and what came of the comparison."""

    sizes: str  # of the images that go in: any, or multiples of a number, or one
    bytes: int
    difference: float  # the largest, in [0, 1] or in levels of uint8
    seconds: tuple[float, float]  # of the original and of the file, an image of the last size, after the first call
    note: str = ""  # why not any size, where none was asked for


def write_folder(path: str | Path, generator: Model, card: str) -> Path:
    """Writes a new folder as Hugging Face has them: model.safetensors, config.json, and the card as README.md.

    The weights' file is one of ours and says all that the other two do. Returns its path. Raises ValueError where
    something is at that place already, and DifferentError, leaving nothing, where what is read back is another model.
    """
    path = Path(path)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise ValueError(f"{path} is there already, and its card may say what yours does not; name a new folder.")
    spec = generator.spec
    config = {
        "model_type": folders.MODEL_TYPE,
        "architectures": [spec.architecture["name"]],
        "gan_jax": models.described(spec),
    }
    part = path.with_name(files.part_name(path.name))
    shutil.rmtree(part, ignore_errors=True)
    try:
        models.save(part / "model.safetensors", generator)
        files.write(part / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
        files.write(part / "README.md", card)
        _require_same(models.load(part), generator, path)
        part.replace(path)
    except OSError as error:
        if error.filename is not None:
            error.filename = str(path)
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path / "model.safetensors"


def _require_same(read: Model, generator: Model, path: Path) -> None:
    """Raises DifferentError where a model that was read back is not, bit for bit, the one that was written."""
    same = models.described(read.spec) == models.described(generator.spec)
    leaves, wanted = (jax.tree_util.tree_leaves_with_path(model.variables) for model in (read, generator))
    arrays = ((place, np.asarray(leaf)) for place, leaf in leaves)
    pairs = zip(arrays, wanted, strict=False)
    if (
        not same
        or len(leaves) != len(wanted)
        or not all(
            place == other and np.array_equal(array, leaf, equal_nan=True) for (place, array), (other, leaf) in pairs
        )
    ):
        raise DifferentError(f"{path} is not written: what is read back is another model.")


class _Sizes(NamedTuple):
    """Images that a file takes: in words, as symbols of `jax.export`, and those of the comparison."""

    words: str
    sides: str
    tried: Sequence[tuple[int, int]]


def program(generator: Model, *, uint8: bool) -> Callable[[jax.Array], jax.Array]:
    """A function of images [N, H, W, C], floats in [0, 1] or `uint8`, that gives outputs of the same kind.

    Raises ValueError for a critic and for a generator that starts from latents.
    """
    arrays.require_generator(generator)
    spec, variables = generator.spec, generator.variables
    if uint8 and spec.bands is not None:
        raise ValueError(
            "this generator makes arrays of channels; leave out uint8: 0 and 1 are the ends of their ranges."
        )
    if spec.architecture.get("dropout"):  # off: converters know no layer of it
        spec = dataclasses.replace(spec, architecture={**spec.architecture, "dropout": 0.0})
    signature = compiled.signature(spec, "uint8" if uint8 else "float32")

    def translated(images: jax.Array) -> jax.Array:
        height, width = images.shape[1:3]
        x = images if uint8 else images * 2.0 - 1.0
        for axis in (1, 2):
            x = _padded(x, axis, spec.size_multiple)
        outputs, _ = compiled.whole(spec.module, signature, variables, x, None)
        outputs = outputs[:, : height * spec.scale, : width * spec.scale]
        return outputs if uint8 else jnp.clip((outputs + 1.0) / 2.0, 0.0, 1.0)

    return translated


def original(generator: Model, *, uint8: bool) -> _Call:
    """The same function, compiled for this machine: what a file is compared with."""
    # Weights go in as arguments: as constants XLA would fold them into whatever is made of them, slowly.
    compute = jax.jit(lambda variables, images: program(generator._replace(variables=variables), uint8=uint8)(images))
    variables = jax.device_put(generator.variables)
    return lambda images: np.asarray(compute(variables, images))


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
    """Writes a generator for other programs, and reads it back to compare; for images of any size unless one is given.

    What does not trace for any size is written for sides that need no padding, or else for 256x256; `note` says why.
    Raises DifferentError where the file's outputs are not the generator's, and then leaves none; ValueError where a
    package is missing, with its name, and for a critic or a generator that starts from latents.
    """
    path = Path(path)
    arrays.require_generator(generator)
    content, sizes, note = _made(generator, form, uint8, size)
    with files.unfinished(path) as part:
        part.write_bytes(content)
        difference, seconds = _compared(generator, load(part, form), uint8, sizes)
        allowed = float(_LEVELS) if uint8 else _TOLERANCE
        if not difference <= allowed:
            raise DifferentError(
                f"{path} is not written: its outputs differ from the generator's by {difference:.2g}, more than "
                f"{allowed:g}; give a --size, or another --format."
            )
    return Exported(sizes.words, len(content), difference, seconds, note)


def _made(generator: Model, form: Format, uint8: bool, size: int | None) -> tuple[bytes, _Sizes, str]:
    """A file's content, what it takes, and why that is not any size, where it was not asked to be one."""
    make = _stablehlo if form == "stablehlo" else _onnx
    why = ""
    *tries, last = _tries(generator.spec, size)
    for sizes in tries:
        try:
            return make(generator, uint8, sizes), sizes, why
        except _MissingError:
            raise
        except Exception as error:  # of any kind: what a converter cannot do ends somewhere inside of it
            why = why or f"it cannot be written for any size ({_line(error)}); --size N gives another"
    try:
        return make(generator, uint8, last), last, why
    except _MissingError:
        raise
    except Exception as error:
        name = generator.spec.architecture["name"]
        raise ValueError(f"this {name} cannot be written as {form} ({_line(error)}); take another --format.") from error


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120].rstrip(".")


def _tries(spec: ModelSpec, size: int | None) -> list[_Sizes]:
    multiple = spec.size_multiple
    fixed = _FIXED if size is None else size
    one = _Sizes(f"{fixed}x{fixed}", f"{fixed}, {fixed}", ((fixed, fixed),) * _IMAGES)
    if size is not None:
        return [one]
    even = _Sizes(
        f"multiples of {multiple}",
        f"{multiple}*h, {multiple}*w",
        [tuple(multiple * -(-side // multiple) for side in sides) for sides in _SIZES],  # type: ignore[misc]
    )
    return [_Sizes("any", "h, w", _SIZES), *([even] if multiple > 1 else []), one]


def _struct(spec: ModelSpec, uint8: bool, sizes: _Sizes) -> jax.ShapeDtypeStruct:
    """What goes in: any number of images."""
    least = ["h >= 16", "w >= 16"] if sizes.sides == "h, w" else []
    shape = jax_export.symbolic_shape(f"n, {sizes.sides}, {spec.in_channels}", constraints=least)
    return jax.ShapeDtypeStruct(shape, np.uint8 if uint8 else np.float32)


def _stablehlo(generator: Model, uint8: bool, sizes: _Sizes) -> bytes:
    with convolution.plain():
        traced = jax_export.export(jax.jit(program(generator, uint8=uint8)), platforms=_PLATFORMS)
        return bytes(traced(_struct(generator.spec, uint8, sizes)).serialize())


class _MissingError(ValueError):
    pass


def _onnx(generator: Model, uint8: bool, sizes: _Sizes) -> bytes:
    try:
        import jax2onnx
        import onnxruntime  # noqa: F401 - which compares, later
    except ImportError:
        raise _MissingError(
            "ONNX files want jax2onnx and onnxruntime: pip install 'gan_jax[export]' and, without its dependencies, "
            "jax2onnx==0.17.1 (constraints/export.txt says why)."
        ) from None
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it warns of every shape that it does not know
    with convolution.plain():
        file = jax2onnx.to_onnx(
            program(generator, uint8=uint8),
            [_struct(generator.spec, uint8, sizes)],
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
        raise ValueError(f"{path} is no whole {form} file ({_line(error)}); write it anew.") from None


def _compared(generator: Model, call: _Call, uint8: bool, sizes: _Sizes) -> tuple[float, tuple[float, float]]:
    """The largest difference over images of ramps and noise, and the seconds of the last image either way."""
    worst, seconds = 0.0, (0.0, 0.0)
    ours = original(generator, uint8=uint8)
    for images in _images(generator.spec.in_channels, sizes.tried):
        given = images if uint8 else images.astype(np.float32) / 255
        wanted, got = ours(given), call(given)
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            return float("inf"), seconds
        worst = max(worst, float(np.abs(wanted.astype(np.float64) - got).max()))
        seconds = _seconds(ours, given), _seconds(call, given)
    return worst, seconds


def _images(channels: int, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ramps = [np.add.outer(np.linspace(0, 127, height), np.linspace(0, 128, width)) for height, width in sizes]
    noise = [rng.uniform(-60, 60, (1, *ramp.shape, channels)) for ramp in ramps]
    return [
        np.clip(ramp[None, ..., None] + part, 0, 255).astype(np.uint8) for ramp, part in zip(ramps, noise, strict=True)
    ]


def _seconds(call: _Call, images: np.ndarray) -> float:
    began = time.perf_counter()
    call(images)
    return time.perf_counter() - began
