"""Pictures through a generator: whole or in tiles, turned eight ways, brought to another size, and checked.

Where a picture is cut into tiles the result is that of the whole picture, up to rounding: every tile comes with as much
around it as the network sees. Norms by the picture's own statistics take them from the whole picture: they are gathered
one norm after the other, each from all tiles with the norms before it frozen. For L norms that takes L passes, each
through the layers in front of the norm, and then the pass for the picture itself.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import image
from gan_jax.data import pictures
from gan_jax.generator import Generator
from gan_jax.infer import compiled, memory, tiles
from gan_jax.networks import windowed

__all__ = ["Failure", "Options", "each", "final_sides", "in_float32", "padded_size", "resized"]
__dir__ = __all__.copy

# So many pixels are computed whole without asking what they take.
_SMALL = 2**16
# An accelerator's convolutions count elements in 32 bits.
_MOST_BYTES = 4 * 2**31
_STRIP = 64  # rows that are resized or rounded at once
_LEAST = 64  # a tile that memory alone decides on is no smaller


class Options(NamedTuple):
    """How pictures are computed, beside what the generator's file says.

    `tile`: input pixels along a tile's side; 0 takes every picture whole, None as much as memory allows.
    `outscale`: the final side over the input's, by bicubic after the network; None is the generator's scale.
    `self_ensemble`: the mean over eight ways to turn and mirror the picture.
    """

    tile: int | None = None
    outscale: float | None = None
    self_ensemble: bool = False


class Failure(ValueError):  # noqa: N818 - what a picture meets with
    """Why a picture, or one of several, has no output: the end of a sentence that names the picture."""


class _NotFiniteError(Exception):
    pass


def _nothing(words: str) -> None:
    pass


def each(
    generator: Generator,
    images: Sequence[np.ndarray],
    noise: jax.Array,
    options: Options,
    *,
    say: Callable[[str], None] = _nothing,
) -> list[np.ndarray]:
    """Outputs for images [H, W, C] of one padded size, uint8 or uint16, in the same dtype.

    `say` is told what else there is to know, in sentences. Raises Failure where an image does not fit into memory or an
    output is not finite, after one more try in float32 if the network computes in fewer digits; give each image alone
    then.
    """
    try:
        return _each(generator, images, noise, options, say)
    except _NotFiniteError:
        exact = in_float32(generator)
        if exact is None or len(images) > 1:
            raise Failure("has an output that is not finite; see whether the generator is damaged.") from None
    say("the output was not finite and is computed again in float32.")
    try:
        return _each(exact, images, noise, options, say)
    except _NotFiniteError:
        raise Failure("has an output that is not finite, in float32 too; the generator may be damaged.") from None


def in_float32(generator: Generator) -> Generator | None:
    """The generator computing in float32, or None if it does already."""
    architecture = generator.spec.architecture
    if architecture.get("dtype", "float32") == "float32":
        return None
    spec = dataclasses.replace(generator.spec, architecture={**architecture, "dtype": "float32"})
    return generator._replace(spec=spec)


def final_sides(picture: np.ndarray, scale: int, outscale: float | None) -> tuple[int, int]:
    """An output's height and width: `scale` times the input's, or `outscale` times, rounded, and at least 1."""
    height, width = (max(int(np.floor(side * (outscale or scale) + 0.5)), 1) for side in picture.shape[:2])
    return height, width


def resized(picture: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Floats [H, W, C] in [-1, 1] by bicubic to [*shape, C], rounded to `dtype`; a strip of rows at a time."""
    made = np.empty((*shape, picture.shape[2]), dtype)
    if picture.shape[:2] == shape:
        for row in range(0, shape[0], _STRIP):
            made[row : row + _STRIP] = _rounded(picture[row : row + _STRIP], dtype)
        return made
    (rows, row_weights), (columns, column_weights) = (
        image.resampling_weights(old, new) for old, new in zip(picture.shape, shape, strict=False)
    )
    for row in range(0, shape[0], _STRIP):
        strip = rows[row : row + _STRIP]
        first = strip.min()
        narrow = _mixed(picture[first : strip.max() + 1].swapaxes(0, 1), columns, column_weights).swapaxes(0, 1)
        made[row : row + _STRIP] = _rounded(_mixed(narrow, strip - first, row_weights[row : row + _STRIP]), dtype)
    return made


def _mixed(array: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Along the first axis, the sums of the entries at places [new, taps] by weights [new, taps]."""
    # Tap by tap, for a gather of all taps would be that many times as large.
    shape = (-1, *[1] * (array.ndim - 1))
    return sum(
        array[places[:, tap]] * weights[:, tap].astype(np.float32).reshape(shape) for tap in range(places.shape[1])
    )


def _rounded(picture: np.ndarray, dtype: np.dtype) -> np.ndarray:
    half = np.iinfo(dtype).max / 2
    return np.floor((np.clip(picture, -1.0, 1.0) + 1.0) * half + 0.5).astype(dtype)


def _each(
    generator: Generator,
    images: Sequence[np.ndarray],
    noise: jax.Array,
    options: Options,
    say: Callable[[str], None],
) -> list[np.ndarray]:
    dtype, spec = images[0].dtype, generator.spec
    if not options.self_ensemble and options.outscale is None:
        return _computed(generator, images, noise, options.tile, dtype, say)
    ways = range(8 if options.self_ensemble else 1)
    made = _computed(generator, images, noise, options.tile, np.dtype(np.float32), say)
    for way in ways[1:]:
        # What there is to say of the upright picture has been said.
        turned = _computed(generator, [_turned(x, way) for x in images], noise, options.tile, made[0].dtype, _nothing)
        for total, one in zip(made, turned, strict=True):
            total += _turned_back(one, way)
    for total in made:
        total /= len(ways)
    shapes = [final_sides(x, spec.scale, options.outscale) for x in images]
    return [resized(total, shape, dtype) for total, shape in zip(made, shapes, strict=True)]


def _turned(picture: np.ndarray, way: int) -> np.ndarray:
    """One of the eight ways to see a picture: quarters of a turn, of the picture or its mirror image."""
    return np.ascontiguousarray(np.rot90(picture[:, ::-1] if way >= 4 else picture, way % 4))


def _turned_back(picture: np.ndarray, way: int) -> np.ndarray:
    upright = np.rot90(picture, -(way % 4))
    return upright[:, ::-1] if way >= 4 else upright


def _computed(
    generator: Generator,
    images: Sequence[np.ndarray],
    noise: jax.Array,
    tile: int | None,
    dtype: np.dtype,
    say: Callable[[str], None],
) -> list[np.ndarray]:
    """What the network makes of each image, in `dtype`; float32 is in [-1, 1], neither clipped nor rounded."""
    if len(images) == 1:
        return [_one(generator, images[0], noise, tile, dtype, say)]
    sides = padded_size(images[0], generator.spec.size_multiple)
    together = len(images) if sides[0] * sides[1] <= _SMALL else _that_fit(generator, sides)
    if together < 2 or tile:
        return [_one(generator, picture, noise, tile, dtype, say) for picture in images]
    parts = [images[i : i + together] for i in range(0, len(images), together)]
    try:
        return [made for part in parts for made in _whole(generator, part, noise, dtype)]
    except jax.errors.JaxRuntimeError as error:
        if not _exhausted(error):
            raise
    return [_one(generator, picture, noise, tile, dtype, say) for picture in images]


def _one(
    generator: Generator,
    picture: np.ndarray,
    noise: jax.Array,
    tile: int | None,
    dtype: np.dtype,
    say: Callable[[str], None],
) -> np.ndarray:
    """One image, in smaller and smaller tiles until it fits."""
    spec = generator.spec
    sides = padded_size(picture, spec.size_multiple)
    chosen = _chosen_tile(generator, sides, tile, say)
    while True:
        try:
            if chosen is None:
                return _whole(generator, [picture], noise, dtype)[0]
            return _tiled(generator, picture, noise, chosen, dtype)
        except jax.errors.JaxRuntimeError as error:
            if not _exhausted(error):
                raise
        chosen = tiles.halved(*sides, chosen, _halo(generator), spec.size_multiple)
        if chosen is None:
            raise Failure("does not fit into the device's memory; scale it down.")


def _exhausted(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error)


def padded_size(picture: np.ndarray, multiple: int) -> tuple[int, int]:
    """The height and width that an image is padded to: the next multiples."""
    height, width = picture.shape[:2]
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def _halo(generator: Generator) -> int:
    return windowed.reach(generator.module, generator.spec.in_channels, generator.spec.scale)


def _own_norms(generator: Generator) -> tuple[int, ...]:
    """The widths of the norms that take their statistics from the picture."""
    return windowed.norm_widths(generator.module, generator.spec.in_channels, generator.spec.norm == "image")


def _that_fit(generator: Generator, sides: tuple[int, int]) -> int:
    """How many images of these padded sides the device has room for."""
    pixel = windowed.bytes_a_pixel(generator.module, generator.spec.in_channels)
    # Tiles cost a network with statistics of the picture many passes, and any other next to nothing.
    budget = min(memory.budget(generous=bool(_own_norms(generator))), _MOST_BYTES)
    return int(budget / (pixel * sides[0] * sides[1]))


def _chosen_tile(
    generator: Generator, sides: tuple[int, int], tile: int | None, say: Callable[[str], None]
) -> int | None:
    """The tile for an image of these padded sides; None takes it whole."""
    spec = generator.spec
    if tile == 0 or max(sides) <= (tile or 0):
        return None
    if tile is None:
        if sides[0] * sides[1] <= _SMALL or _that_fit(generator, sides):
            return None
        pixel = windowed.bytes_a_pixel(generator.module, spec.in_channels)
        budget = min(memory.budget(generous=False), _MOST_BYTES)
        tile = tiles.within(budget, pixel, _halo(generator), spec.size_multiple, least=_LEAST)
    if not tiles.covers(*sides, tile, _halo(generator), spec.size_multiple):
        return tile
    say(
        f"{spec.architecture['name']} sees {_halo(generator)} pixels to each side, so that a picture of "
        f"{sides[1]}x{sides[0]} is computed whole."
    )
    return None


def _whole(generator: Generator, images: Sequence[np.ndarray], noise: jax.Array, dtype: np.dtype) -> list[np.ndarray]:
    spec = generator.spec
    batch = np.stack([pictures.pad(picture, spec.size_multiple) for picture in images])
    key = noise if spec.dropout else None
    made, finite = compiled.of_whole(
        generator.module, compiled.traits(spec, str(dtype)), generator.variables, batch, key
    )
    if not finite:
        raise _NotFiniteError
    # What comes from the device cannot be written to.
    made = np.array(made) if dtype == np.float32 else np.asarray(made)
    return [
        output[: picture.shape[0] * spec.scale, : picture.shape[1] * spec.scale]
        for output, picture in zip(made, images, strict=True)
    ]


def _tiled(generator: Generator, picture: np.ndarray, noise: jax.Array, tile: int, dtype: np.dtype) -> np.ndarray:
    spec, scale = generator.spec, generator.spec.scale
    padded = pictures.pad(picture, spec.size_multiple)
    wanted = compiled.traits(spec, str(dtype), sides=padded.shape[:2])
    key = noise if spec.dropout else None
    across = [tiles.spans(side, tile, _halo(generator), spec.size_multiple) for side in padded.shape[:2]]
    places = [(rows, columns) for rows in across[0] for columns in across[1]]

    def window(rows: tiles.Span, columns: tiles.Span) -> compiled.Window:
        offset = np.array([rows.start, columns.start])
        core = np.array([[rows.core_start, rows.core_stop], [columns.core_start, columns.core_stop]]) - offset[:, None]
        return compiled.Window(padded[None, rows.start : rows.stop, columns.start : columns.stop], offset, core)

    statistics: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in _own_norms(generator):
        made = (
            compiled.moments(generator.module, wanted, generator.variables, window(*place), statistics, key)
            for place in places
        )
        moments = tiles.merged([tiles.Moments(*jax.device_get(part)) for part in _one_ahead(made)])
        statistics.append((moments.mean.astype(np.float32), (moments.squares / moments.values).astype(np.float32)))

    canvas = np.empty((picture.shape[0] * scale, picture.shape[1] * scale, spec.out_channels), dtype)
    made = (
        compiled.of_window(generator.module, wanted, generator.variables, window(*place), statistics, key)
        for place in places
    )
    for (rows, columns), (output, finite) in zip(places, _one_ahead(made), strict=True):
        if not finite:
            raise _NotFiniteError
        core = canvas[tiles.scaled_core(rows, scale), tiles.scaled_core(columns, scale)]
        top, left = (rows.core_start - rows.start) * scale, (columns.core_start - columns.start) * scale
        core[...] = np.asarray(output)[top : top + core.shape[0], left : left + core.shape[1]]
    return canvas


def _one_ahead(made: Iterator[Any]) -> Iterator[Any]:
    """The same, each asked for before the one in front of it is used: the device computes while the host copies."""
    waiting: deque[Any] = deque()
    for one in made:
        waiting.append(one)
        if len(waiting) == 2:
            yield waiting.popleft()
    yield from waiting
