"""Initial weights other than an architecture's own, as pytorch-CycleGAN-and-pix2pix offers them."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn import initializers
from jax.typing import DTypeLike

from gan_jax.networks.layers import BatchNorm, Conv, ConvTranspose, Dense, Upsample, icnr
from gan_jax.networks.network import Network, Params, Stats, from_linen

__all__ = ["InitName", "initialized"]
__dir__ = __all__.copy

InitName = Literal["normal", "xavier", "kaiming", "orthogonal"]
_Init = Callable[..., jax.Array]


def initialized(module: nn.Module, init_type: InitName, gain: float) -> Network:
    """The network of a Linen module, whose kernels start as torch's functions for these names would draw them.

    Those are normal_, xavier_normal_, kaiming_normal_ and orthogonal_; kernels are those of convolutions, transposed
    ones and fully connected layers. `gain` is normal's deviation and the factor of xavier and orthogonal; kaiming has a
    gain of its own. The scale of batch norm starts as N(1, gain), biases as 0. Raises ValueError for another name, and
    as `from_linen` does.
    """
    if init_type not in get_args(InitName):
        raise ValueError(f"init_type is {init_type!r}; wanted one of {', '.join(get_args(InitName))}.")
    network = from_linen(module)

    def init(key: jax.Array, *inputs: jax.Array) -> tuple[Params, Stats]:
        own, weights = jax.random.split(key)
        draws = _draws(module, init_type, gain, own, *inputs)
        params, stats = network.init(own, *inputs)
        leaves, tree = jax.tree_util.tree_flatten_with_path(params)
        drawn = []
        for number, (place, leaf) in enumerate(leaves):
            draw = draws.get(tuple(key.key for key in place))
            drawn.append(leaf if draw is None else draw(jax.random.fold_in(weights, number), leaf.shape, leaf.dtype))
        params = jax.tree.unflatten(tree, drawn)
        # Once more, now that the kernels are others: spectral norm's vectors start at theirs.
        _, stats = module.apply({"params": params}, *inputs, train=False, mutable=list(stats), rngs={"params": own})
        return params, dict(stats)

    return network._replace(init=init)


def _draws(
    module: nn.Module, init_type: InitName, gain: float, key: jax.Array, *inputs: jax.Array
) -> dict[tuple[str, ...], _Init]:
    """What draws each parameter that has an initialization here, by its place; nothing is computed."""
    by_path: dict[tuple[str, ...], _Init] = {}

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        layer, output = context.module, call(*args, **kwargs)
        if isinstance(layer, Conv | Dense):
            by_path[*layer.path, "kernel"] = _kernel(init_type, gain, transposed=False)
        elif isinstance(layer, ConvTranspose):
            by_path[*layer.path, "kernel"] = _kernel(init_type, gain, transposed=True)
        elif isinstance(layer, Upsample) and layer.kind == "pixel_shuffle" and layer.icnr:
            # After its convolution, whose parameters are at the same place.
            by_path[*layer.path, "kernel"] = icnr(_kernel(init_type, gain, transposed=False), layer.factor)
        elif isinstance(layer, BatchNorm):
            by_path[*layer.path, "scale"] = lambda key, shape, dtype: 1.0 + gain * jax.random.normal(key, shape, dtype)
        return output

    with nn.intercept_methods(note):
        jax.eval_shape(lambda: module.init(key, *inputs, train=False))
    return by_path


def _kernel(init_type: InitName, gain: float, *, transposed: bool) -> _Init:
    """Draws a kernel [..., I, O]. torch stores that of a transposed convolution as [I, O, ...] and takes O for its
    inputs.
    """
    inputs, outputs = (-1, -2) if transposed else (-2, -1)
    if init_type == "orthogonal":
        return initializers.orthogonal(gain, column_axis=outputs)
    if init_type == "normal":
        return initializers.normal(gain)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
        area = math.prod(shape[:-2])
        fan_in, fan_out = area * shape[inputs], area * shape[outputs]
        variance = 2.0 / fan_in if init_type == "kaiming" else gain**2 * 2.0 / (fan_in + fan_out)
        return math.sqrt(variance) * jax.random.normal(key, shape, dtype)

    return init
