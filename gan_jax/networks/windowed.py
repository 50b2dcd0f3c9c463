"""A network on a window of its image: what it would draw from the whole image, statistics and dropout, is given.

With that, and a margin as wide as the network's receptive radius, a window's outputs are the whole image's.
"""

import contextlib
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxprs_in_params

from gan_jax.networks import architecture, convolution
from gan_jax.networks.layers import NORM_EPS, BatchNorm, Conv, ConvTranspose, InstanceNorm, LayerNorm
from gan_jax.networks.network import Params, Stats, from_linen

__all__ = ["StageReach", "activation_bytes_per_pixel", "apply_tile", "norm_widths", "receptive_radius", "stage_reaches"]
__dir__ = __all__.copy

# A network that reaches farther sees everything, as far as anybody's memory is concerned.
_LARGEST_RADIUS = 4096


def apply_tile(
    module: nn.Module,
    params: Params,
    stats: Stats,
    x: jax.Array,
    *,
    own_statistics: bool,
    statistics: Sequence[tuple[jax.Array, jax.Array]] = (),
    key: jax.Array | None = None,
    place: tuple[tuple[int, int], jax.Array] | None = None,
) -> tuple[jax.Array, list[jax.Array]]:
    """A window [1, H, W, C] -> the output, and the inputs of all norms by the image's own statistics, in order.

    Norm i of these is given the mean and the variance statistics[i], each [C]; behind the last one given, values are
    the window's alone. These norms are instance norms, layer norms and, with `own_statistics`, batch norms. Dropout is
    active where there is a `key`; `place` is the sides of the image whose mask it is, and where in it [2] the window
    begins.
    """
    inputs: list[jax.Array] = []

    def intercept(call: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        layer = context.module
        if isinstance(layer, InstanceNorm | LayerNorm) or (own_statistics and isinstance(layer, BatchNorm)):
            inputs.append(args[0])
            as_alone = call(*args, **kwargs)
            if len(inputs) > len(statistics):
                return as_alone
            return _normalized(layer, args[0], *statistics[len(inputs) - 1]).astype(as_alone.dtype)
        if isinstance(layer, nn.Dropout) and place is not None:
            return args[0] * _part_of_mask(call, args[0], x.shape, *place)
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        output, _ = from_linen(module).apply(params, stats, x, train=False, key=key)
    return output, inputs


def _normalized(layer: nn.Module, x: jax.Array, mean: jax.Array, variance: jax.Array) -> jax.Array:
    if isinstance(layer, LayerNorm):  # all channels are one group, whose moments follow from theirs
        variance = variance.mean() + mean.var()
        mean = mean.mean()
    normalized = (x - mean) * lax.rsqrt(variance + NORM_EPS)
    if isinstance(layer, InstanceNorm):
        return normalized
    return normalized * layer.get_variable("params", "scale") + layer.get_variable("params", "bias")


def _part_of_mask(call: Any, x: jax.Array, window: tuple, whole: tuple[int, int], offset: jax.Array) -> jax.Array:
    """The window's part of the mask that `call` draws for a whole feature map, 0 or 1 / (1 - rate)."""
    n, height, width, channels = x.shape
    mask = call(jnp.ones((n, height * whole[0] // window[1], width * whole[1] // window[2], channels), x.dtype))
    row, column = (offset[axis] * x.shape[1 + axis] // window[1 + axis] for axis in range(2))
    return lax.dynamic_slice(mask, (0, row, column, 0), x.shape)


@functools.lru_cache
def norm_widths(module: nn.Module, channels: int, own_statistics: bool) -> tuple[int, ...]:
    """The channels of each norm by the image's own statistics, in order, for images of so many channels."""
    shapes = _variable_shapes(module, channels)
    x = jax.ShapeDtypeStruct((1, *_probe(module), channels), jnp.float32)
    _, inputs = jax.eval_shape(
        lambda params, stats, x: apply_tile(module, params, stats, x, own_statistics=own_statistics), *shapes, x
    )
    return tuple(array.shape[-1] for array in inputs)


@functools.lru_cache
def receptive_radius(module: nn.Module, channels: int) -> int:
    """How many input pixels beside a cut at a multiple of `size_multiple` have outputs that depend on what is beyond.

    Found by trying: where an input of zeros, and of ones beyond the cut, gives something else than zeros.
    """
    if hasattr(module, "width"):
        module = module.clone(width=1)  # no network sees farther for being wide
    params, stats = _variable_shapes(module, channels)
    call = lambda variables, x: from_linen(module).apply(*variables, x, train=False)[0]  # noqa: E731
    return _radius(call, (params, stats), (channels,), module.size_multiple, _probe(module)[0])  # type: ignore[attr-defined]


def _radius(call: Any, variables: Any, channels: Sequence[int], multiple: int, height: int) -> int:
    """That of call(variables, *inputs), whose inputs have so many channels and all change at the cut."""
    filled = jax.tree.map(lambda leaf: np.full(leaf.shape, float(leaf.ndim == 4), leaf.dtype), variables)

    def intercept(call: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        if isinstance(context.module, InstanceNorm | LayerNorm | BatchNorm):
            return args[0]
        array = call(*args, **kwargs)
        # Zero or one after each convolution, so that what comes from afar neither fades nor grows.
        return (array > 0).astype(array.dtype) if isinstance(context.module, Conv | ConvTranspose) else array

    @jax.jit
    def reached(x: jax.Array) -> jax.Array:
        with nn.intercept_methods(intercept):
            output = call(filled, *(x.repeat(count, axis=-1) for count in channels))
        columns, side = (output != 0).any(axis=(0, 1, 3)), x.shape[2]
        return columns.reshape(side, -1).any(axis=1) if columns.size >= side else columns.repeat(side // columns.size)

    half = multiple * -(-32 // multiple)
    while half <= _LARGEST_RADIUS:
        x = np.zeros((1, height, 2 * half, 1), np.float32)
        x[:, :, :half] = 1.0
        farthest = int(max(reached(x)[half:].sum(), reached(x[:, :, ::-1])[:half].sum()))
        if farthest < half:
            return farthest
        half *= 2
    return _LARGEST_RADIUS


class StageReach(NamedTuple):
    """What a stage of a network needs and gives, in pixels of its input."""

    multiple: int  # what the sides of its input, and where its windows begin, must be a multiple of
    radius: int
    bytes_per_pixel: float
    sides: tuple[int, int]  # an output of this side for an input of that
    channels: int  # of its output


@functools.lru_cache
def stage_reaches(module: architecture.Architecture, channels: int) -> tuple[StageReach, ...]:
    """Those of all stages, for images of so many channels."""
    reaches: list[StageReach] = []
    for stage in module.stages:
        given = (reaches[-1].channels, reaches[0].channels) if reaches else (channels,)
        reaches.append(_stage_reach(stage.module, given, 1 if reaches else module.size_multiple))
    return tuple(reaches)


@functools.lru_cache
def _stage_reach(module: nn.Module, channels: tuple[int, ...], multiple: int) -> StageReach:
    side = multiple * -(-16 // multiple)
    inputs = [jax.ShapeDtypeStruct((1, side, side, count), jnp.float32) for count in channels]
    output, variables = jax.eval_shape(module.init_with_output, jax.random.key(0), *inputs)
    with contextlib.nullcontext() if jax.default_backend() == "cpu" else convolution.plain():
        program = jax.make_jaxpr(module.apply)(variables, *inputs).jaxpr
    radius = _radius(module.apply, variables, [spec.shape[-1] for spec in inputs], multiple, side)
    return StageReach(multiple, radius, _peak(program) / side**2, (output.shape[1], side), output.shape[-1])


@functools.lru_cache
def activation_bytes_per_pixel(module: nn.Module, channels: int) -> float:
    """Device memory for each input pixel, weights apart: the most bytes of feature maps that are needed at one time."""
    height, width = _probe(module)
    x = jax.ShapeDtypeStruct((1, height, width, channels), jnp.float32)
    apply = lambda variables, x: from_linen(module).apply(*variables, x, train=False)[0]  # noqa: E731
    # Where there is no CPU, its forms of convolutions need no memory.
    with contextlib.nullcontext() if jax.default_backend() == "cpu" else convolution.plain():
        program = jax.make_jaxpr(apply)(_variable_shapes(module, channels), x).jaxpr
    return _peak(program) / (height * width)


def _peak(program: Any) -> int:
    """The most bytes of intermediate values that are alive at one time, each until its last use; within calls too."""
    last_use = {id(value): step for step, equation in enumerate(program.eqns) for value in equation.invars}
    sizes = {id(value): _bytes(value) for equation in program.eqns for value in equation.outvars}
    alive = most = 0
    for step, equation in enumerate(program.eqns):
        inside = max((_peak(part) for part in jaxprs_in_params(equation.params)), default=0)
        outputs = sum(map(_bytes, equation.outvars))
        most = max(most, alive + max(inside, outputs))
        alive += outputs
        alive -= sum(
            sizes.get(place, 0) for place in {id(value) for value in equation.invars} if last_use[place] == step
        )
    return most


def _bytes(value: Any) -> int:
    return value.aval.size * value.aval.dtype.itemsize


def _probe(module: nn.Module) -> tuple[int, int]:
    """Sides that the network takes."""
    multiple = module.size_multiple  # type: ignore[attr-defined]
    return (multiple * -(-16 // multiple),) * 2


def _variable_shapes(module: nn.Module, channels: int) -> tuple[Params, Stats]:
    tree, _ = architecture.shapes(module, channels)
    return tree["params"], tree["stats"]
