"""Images through a generator: a `Plan` of how, made once for a size, and `run`, which follows it.

Where an image is cut into tiles the result is that of the whole image, up to rounding: every tile comes with as much
around it as the network sees. Norms by the image's own statistics take them from the whole image: they are gathered
one norm after the other, each from all tiles with the norms before it frozen. For L norms that takes L passes, each
through the layers in front of the norm, and then the pass for the image itself.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.data import image_files
from gan_jax.infer import compiled, memory, tiles
from gan_jax.infer.resize import final_sides, resized
from gan_jax.model import Model
from gan_jax.networks import windowed
from gan_jax.networks.architecture import Stage

__all__ = ["Failure", "Options", "Plan", "StageTiles", "in_float32", "plan", "rotate", "run", "unrotate"]
__dir__ = __all__.copy

# So many pixels are computed whole without asking what they take.
_SMALL = 2**16
# An accelerator's convolutions count elements in 32 bits.
_MOST_BYTES = 4 * 2**31
_LEAST = 64  # a tile that memory alone decides on is no smaller


class Options(NamedTuple):
    """How images are computed, beside what the generator's file says.

    `tile`: input pixels along a tile's side; 0 takes every image whole, None as much as memory allows.
    `outscale`: the final side over the input's, by bicubic after the network; None is the generator's scale.
    `self_ensemble`: the mean over eight ways to turn and mirror the image.
    """

    tile: int | None = None
    outscale: float | None = None
    self_ensemble: bool = False


class StageTiles(NamedTuple):
    """The tiles of one stage of a network that is computed stage by stage, of the input of that stage."""

    spans: tuple[tuple[tiles.Span, ...], ...]  # along the height and along the width
    grown: tuple[int, int]  # an output of this side for an input of that


class Plan(NamedTuple):
    """How images of one padded size are computed: all that is decided before the first pixel is."""

    padded: tuple[int, int]  # height and width that the network is given
    options: Options
    together: int | None = None  # images in one call of the network, at most; None: all that there are
    tile: int | None = None  # input pixels along a tile's side; None: the whole image
    spans: tuple[tuple[tiles.Span, ...], ...] = ()  # of the tiles, along the height and along the width
    norms: int = 0  # whose statistics are gathered over the tiles
    stages: tuple[StageTiles, ...] = ()  # in place of `spans`, of a network that has stages
    note: str | None = None  # a sentence for the user, where an option asks for what cannot be

    @property
    def transposed(self) -> "Plan":
        """The same for the images turned by a quarter."""
        stages = tuple(stage._replace(spans=stage.spans[::-1]) for stage in self.stages)
        return self._replace(padded=self.padded[::-1], spans=self.spans[::-1], stages=stages)


class Failure(ValueError):  # noqa: N818 - what an image meets with
    """Why an image, or one of several, has no output."""


class _NotFiniteError(Exception):
    pass


def plan(generator: Model, size: tuple[int, int], options: Options, budget: Callable[..., float]) -> Plan:
    """The plan for images of a height and width, or of any that are padded to the same.

    `budget(generous=)` is `memory.available_bytes`, which only large images ask.
    """
    module, spec = generator.module, generator.spec
    padded = image_files.padded_size(size, spec.size_multiple)
    whole = Plan(padded, options)
    if options.tile:
        return _in_tiles(generator, whole, options.tile) if max(padded) > options.tile else whole._replace(together=1)
    if padded[0] * padded[1] <= _SMALL:
        return whole
    pixel = windowed.activation_bytes_per_pixel(module, spec.in_channels)
    # Tiles cost a network with statistics of the image many passes, and any other next to nothing.
    room = min(budget(generous=_own_norms(generator) > 0), _MOST_BYTES)
    together = int(room / (pixel * padded[0] * padded[1]))
    if together or options.tile == 0:
        return whole._replace(together=max(together, 1))
    room = min(budget(generous=False), _MOST_BYTES)
    if _stages(generator):
        fitting = lambda at: tiles.within(room, at.bytes_per_pixel, at.radius, at.multiple, least=_LEAST)  # noqa: E731
        return _in_stages(generator, whole, fitting)
    tile = tiles.within(room, pixel, _halo(generator), spec.size_multiple, least=_LEAST)
    return _in_tiles(generator, whole, tile)


def _in_tiles(generator: Model, whole: Plan, tile: int) -> Plan:
    """The plan with tiles of that size, or without where one of them, with what it needs around it, is the whole."""
    if _stages(generator):
        return _in_stages(generator, whole, lambda at: tile)
    halo, multiple = _halo(generator), generator.spec.size_multiple
    if tiles.covers(*whole.padded, tile, halo, multiple):
        note = (
            f"{generator.spec.architecture['name']} sees {halo} pixels to each side, so that an image of "
            f"{whole.padded[1]}x{whole.padded[0]} is computed whole."
        )
        return whole._replace(together=1, note=note)
    rows, columns = (tuple(tiles.spans(side, tile, halo, multiple)) for side in whole.padded)
    return whole._replace(together=1, tile=tile, spans=(rows, columns), norms=_own_norms(generator))


def _in_stages(generator: Model, whole: Plan, tile_of: Callable[[windowed.StageReach], int]) -> Plan:
    """The plan with tiles of those sizes, stage by stage."""
    sides, stages = whole.padded, list[StageTiles]()
    reaches = windowed.stage_reaches(generator.module, generator.spec.in_channels)
    for at in reaches:
        rows, columns = (tuple(tiles.spans(side, tile_of(at), at.radius, at.multiple)) for side in sides)
        stages.append(StageTiles((rows, columns), at.sides))
        sides = (sides[0] * at.sides[0] // at.sides[1], sides[1] * at.sides[0] // at.sides[1])
    return whole._replace(together=1, tile=max(map(tile_of, reaches)), stages=tuple(stages))


def _smaller(planned: Plan, generator: Model) -> Plan | None:
    """The next plan for one image that takes less memory; None where there is none."""
    halo, multiple = 0 if _stages(generator) else _halo(generator), generator.spec.size_multiple
    tile = tiles.halved(*planned.padded, planned.tile, halo, multiple)
    return None if tile is None else _in_tiles(generator, planned, tile)


def _halo(generator: Model) -> int:
    return windowed.receptive_radius(generator.module, generator.spec.in_channels)


def _stages(generator: Model) -> tuple[Stage, ...]:
    """The parts that it is computed in where it is in tiles; a colorizer's last would need the image too."""
    return generator.module.stages if generator.spec.colors is None else ()


def _own_norms(generator: Model) -> int:
    """How many norms take their statistics from the image."""
    return len(windowed.norm_widths(generator.module, generator.spec.in_channels, generator.spec.norm == "image"))


def _nothing(words: str) -> None:
    pass


def run(
    planned: Plan,
    generator: Model,
    images: Sequence[np.ndarray],
    noise: jax.Array,
    *,
    name: str = "an image",
    say: Callable[[str], None] = _nothing,
) -> list[np.ndarray]:
    """Outputs for images [H, W, C] of the plan's padded size, uint8 or uint16, in the same dtype.

    float32 is in [-1, 1], what goes in and what comes out, which is neither clipped nor rounded.

    `say` is told, in a sentence, where an output had to be computed again. Raises Failure, which calls the image by
    its `name`, where it does not fit into memory or an output is not finite, after one more try in float32 if the
    network computes in fewer digits; give each of several images alone then.
    """
    try:
        return _outputs(planned, generator, images, noise, name)
    except _NotFiniteError:
        exact = in_float32(generator)
        if exact is None or len(images) > 1:
            raise Failure(f"{name} has an output that is not finite; see whether the generator is damaged.") from None
    say("the output was not finite and is computed again in float32.")
    planned = plan(exact, planned.padded, planned.options, memory.available_bytes)
    try:
        return _outputs(planned, exact, images, noise, name)
    except _NotFiniteError:
        raise Failure(
            f"{name} has an output that is not finite, in float32 too; the generator may be damaged."
        ) from None


def in_float32(generator: Model) -> Model | None:
    """The generator computing in float32, or None if it does already."""
    architecture = generator.spec.architecture
    if architecture.get("dtype", "float32") == "float32":
        return None
    spec = dataclasses.replace(generator.spec, architecture={**architecture, "dtype": "float32"})
    return generator._replace(spec=spec)


def _outputs(
    planned: Plan, generator: Model, images: Sequence[np.ndarray], noise: jax.Array, name: str
) -> list[np.ndarray]:
    """In the images' dtype and the final size, the mean over the orientations."""
    dtype, options = images[0].dtype, planned.options
    if not options.self_ensemble and options.outscale is None:
        return _computed(planned, generator, images, noise, dtype, name)
    orientations = range(8 if options.self_ensemble else 1)
    totals = _computed(planned, generator, images, noise, np.dtype(np.float32), name)
    for orientation in orientations[1:]:
        turned = planned.transposed if orientation % 2 else planned
        rotated = [rotate(image, orientation) for image in images]
        outputs = _computed(turned, generator, rotated, noise, np.dtype(np.float32), name)
        for total, output in zip(totals, outputs, strict=True):
            total += unrotate(output, orientation)
    for total in totals:
        total /= len(orientations)
    shapes = [final_sides(image.shape, generator.spec.scale, options.outscale) for image in images]
    return [resized(total, shape, dtype) for total, shape in zip(totals, shapes, strict=True)]


def rotate(image: np.ndarray, orientation: int) -> np.ndarray:
    """One of the eight ways to see an image [H, W, C]: quarters of a turn, of the image or its mirror image."""
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if orientation >= 4 else image, orientation % 4))


def unrotate(image: np.ndarray, orientation: int) -> np.ndarray:
    """The inverse of `rotate`."""
    upright = np.rot90(image, -(orientation % 4))
    return upright[:, ::-1] if orientation >= 4 else upright


def _computed(
    planned: Plan, generator: Model, images: Sequence[np.ndarray], noise: jax.Array, dtype: np.dtype, name: str
) -> list[np.ndarray]:
    """The network's outputs in `dtype`, in smaller and smaller parts until they fit into memory.

    float32 is in [-1, 1], neither clipped nor rounded.
    """
    key = noise if generator.spec.dropout else None
    outputs: list[np.ndarray] = []
    while len(outputs) < len(images):
        part = images[len(outputs) :][: planned.together]
        try:
            if planned.tile is None:
                outputs += _whole(generator, part, key, dtype)
            elif planned.stages:
                outputs += [_staged(planned, generator, image, dtype) for image in part]
            else:
                outputs += [_tiled(planned, generator, image, key, dtype) for image in part]
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
        else:
            continue
        smaller = planned._replace(together=1) if len(part) > 1 else _smaller(planned, generator)
        if smaller is None:
            raise Failure(f"{name} does not fit into the device's memory; scale it down.")
        planned = smaller
    return outputs


def _whole(generator: Model, images: Sequence[np.ndarray], key: jax.Array | None, dtype: np.dtype) -> list[np.ndarray]:
    spec = generator.spec
    batch = np.stack([image_files.pad(image, spec.size_multiple) for image in images])
    signature = compiled.signature(spec, str(dtype))
    outputs, finite = compiled.apply_whole(generator.module, signature, generator.variables, batch, key)
    if not finite:
        raise _NotFiniteError
    # What comes from the device cannot be written to.
    outputs = np.array(outputs) if dtype == np.float32 else np.asarray(outputs)
    return [
        output[: image.shape[0] * spec.scale, : image.shape[1] * spec.scale]
        for output, image in zip(outputs, images, strict=True)
    ]


def _tiled(planned: Plan, generator: Model, image: np.ndarray, key: jax.Array | None, dtype: np.dtype) -> np.ndarray:
    spec, scale = generator.spec, generator.spec.scale
    padded = image_files.pad(image, spec.size_multiple)
    signature = compiled.signature(spec, str(dtype), sides=planned.padded)
    places = [(rows, columns) for rows in planned.spans[0] for columns in planned.spans[1]]
    statistics: list[tuple[np.ndarray, np.ndarray]] = []

    def over_tiles(program: Callable[..., Any]) -> Iterator[Any]:
        """What a compiled program gives of each tile, with the statistics that are known by now."""
        return _one_ahead(
            program(generator.module, signature, generator.variables, _window(padded, *place), statistics, key)
            for place in places
        )

    for _ in range(planned.norms):
        moments = tiles.merged([tiles.Moments(*jax.device_get(part)) for part in over_tiles(compiled.moments)])
        statistics.append((moments.mean.astype(np.float32), (moments.squares / moments.values).astype(np.float32)))

    canvas = np.empty((image.shape[0] * scale, image.shape[1] * scale, spec.out_channels), dtype)
    for (rows, columns), (output, finite) in zip(places, over_tiles(compiled.apply_tile), strict=True):
        if not finite:
            raise _NotFiniteError
        core = canvas[tiles.scaled_core(rows, scale), tiles.scaled_core(columns, scale)]
        top, left = (rows.core_start - rows.start) * scale, (columns.core_start - columns.start) * scale
        core[...] = np.asarray(output)[top : top + core.shape[0], left : left + core.shape[1]]
    return canvas


def _staged(planned: Plan, generator: Model, image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Each stage over all of its tiles; what it gives, and what the first gave, waits on the host for the next."""
    spec, params = generator.spec, generator.variables["params"]
    signature = compiled.signature(spec, str(dtype))
    x, head = image_files.pad(image, spec.size_multiple), None
    for number, (stage, at) in enumerate(zip(_stages(generator), planned.stages, strict=True)):
        own = params[stage.name] if stage.name else params
        ends = number == 0, number == len(planned.stages) - 1
        places = [(rows, columns) for rows in at.spans[0] for columns in at.spans[1]]
        windows = ((_window(x, *place), None if head is None else _window(head, *place).images) for place in places)
        computed = _one_ahead(compiled.apply_stage(stage.module, signature, *ends, own, *window) for window in windows)
        x = _joined(computed, places, at, x.shape[:2])
        head = x if head is None else head
    return x[: image.shape[0] * spec.scale, : image.shape[1] * spec.scale]


def _joined(
    computed: Iterator[Any], places: Sequence[tuple[tiles.Span, tiles.Span]], at: StageTiles, sides: tuple[int, ...]
) -> np.ndarray:
    """The cores of what a stage gave of its tiles, side by side; `sides` are its input's."""
    canvas = np.empty(0)
    for place, (output, finite) in zip(places, computed, strict=True):
        if not finite:
            raise _NotFiniteError
        maps = np.asarray(output)
        if not canvas.size:
            canvas = np.empty((_grown(sides[0], at), _grown(sides[1], at), maps.shape[-1]), maps.dtype)
        (top, bottom, above), (left, right, beside) = (
            tuple(_grown(pixel, at) for pixel in (span.core_start, span.core_stop, span.start)) for span in place
        )
        canvas[top:bottom, left:right] = maps[top - above : bottom - above, left - beside : right - beside]
    return canvas


def _grown(pixel: int, at: StageTiles) -> int:
    """Where a place along a side of a stage's input lies in its output."""
    return pixel * at.grown[0] // at.grown[1]


def _window(padded: np.ndarray, rows: tiles.Span, columns: tiles.Span) -> compiled.Window:
    offset = np.array([rows.start, columns.start])
    core = np.array([[rows.core_start, rows.core_stop], [columns.core_start, columns.core_stop]]) - offset[:, None]
    return compiled.Window(padded[None, rows.start : rows.stop, columns.start : columns.stop], offset, core)


def _one_ahead(results: Iterator[Any]) -> Iterator[Any]:
    """The same, each asked for before the one in front of it is used: the device computes while the host copies."""
    waiting: deque[Any] = deque()
    for result in results:
        waiting.append(result)
        if len(waiting) == 2:
            yield waiting.popleft()
    yield from waiting
