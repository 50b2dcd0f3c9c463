"""The seam between Flax and the rest: a network is two pure functions over plain trees."""

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin

import flax.linen as nn
import jax
import jax.numpy as jnp

if TYPE_CHECKING:  # a fifth of a second, for those alone who use it
    from flax import nnx

__all__ = [
    "Network",
    "Params",
    "Stats",
    "difference",
    "from_linen",
    "from_nnx",
    "rematerialized",
    "require_known_values",
    "with_weights",
]
__dir__ = __all__.copy

Params = Any  # tree of the arrays that gradients flow to
Stats = Any  # tree of the arrays that they do not: running statistics of batch norm, vectors of spectral norm

_again = contextvars.ContextVar("_again", default=False)


class Network(NamedTuple):
    """A network as a pair of pure functions.

    init: (key, *inputs) -> (params, stats).
    apply: (params, stats, *inputs, train, key=None) -> (output, new stats). `train` means the statistics of the
    batch, and running statistics updated; dropout is active if and only if `key` is given.
    """

    init: Callable[..., tuple[Params, Stats]]
    apply: Callable[..., tuple[Any, Stats]]


@contextlib.contextmanager
def rematerialized() -> Iterator[None]:
    """Passes of networks traced inside keep their inputs alone, and are computed again where their gradient is due.

    A step then holds what one pass leaves for its gradient, not what all of its passes do.
    """
    token = _again.set(True)
    try:
        yield
    finally:
        _again.reset(token)


def _computed_again(apply: Callable[..., tuple[Any, Stats]]) -> Callable[..., tuple[Any, Stats]]:
    """The `apply` of a network, as it is outside of `rematerialized`."""

    def either(
        params: Params, stats: Stats, *inputs: jax.Array, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, Stats]:
        def once(params: Params, stats: Stats, key: jax.Array | None, *inputs: jax.Array) -> tuple[Any, Stats]:
            return apply(params, stats, *inputs, train=train, key=key)

        return (jax.checkpoint(once) if _again.get() else once)(params, stats, key, *inputs)

    return either


def from_linen(module: nn.Module) -> Network:
    """The network of a Linen module whose `__call__` takes a keyword `train`.

    Raises ValueError where a field has none of the values that its annotation, a Literal, allows.
    """
    require_known_values(module)

    def init(key: jax.Array, *inputs: jax.Array) -> tuple[Params, Stats]:
        stats = dict(module.init(key, *inputs, train=False))
        return stats.pop("params"), stats

    def apply(
        params: Params, stats: Stats, *inputs: jax.Array, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, Stats]:
        output, new_stats = module.apply(
            {"params": params, **stats},
            *inputs,
            train=train,
            rngs=None if key is None else {"dropout": key},
            mutable=list(stats) if train else [],
        )
        return output, dict(new_stats) if train else stats

    return Network(init, _computed_again(apply))


def from_nnx(factory: "Callable[[nnx.Rngs], nnx.Module]") -> Network:
    """The network of the NNX module that `factory` makes of its random streams: `from_nnx(lambda rngs: UNet(3, rngs))`.

    The module is called with the inputs alone. `train` and `key` set the attributes by which NNX's layers know them,
    `use_running_average` and `deterministic`; what is neither a parameter nor a random stream is its statistics.
    """
    from flax import nnx

    stats_of = nnx.Not(nnx.Any(nnx.Param, nnx.RngState))
    graph, random, *_ = nnx.split(nnx.eval_shape(lambda: factory(nnx.Rngs(0))), nnx.RngState, ...)
    streams, structure = jax.tree.flatten(nnx.to_pure_dict(random))

    def init(key: jax.Array, *inputs: jax.Array) -> tuple[Params, Stats]:
        del inputs  # NNX modules know their shapes
        module = factory(nnx.Rngs(key))
        return nnx.to_pure_dict(nnx.state(module, nnx.Param)), nnx.to_pure_dict(nnx.state(module, stats_of))

    def apply(
        params: Params, stats: Stats, *inputs: jax.Array, train: bool, key: jax.Array | None = None
    ) -> tuple[Any, Stats]:
        source = jax.random.key(0) if key is None else key  # nothing is drawn of it without a key
        fresh = [
            jax.random.split(jax.random.fold_in(source, number), stream.shape)
            if jnp.issubdtype(stream.dtype, jax.dtypes.prng_key)
            else jnp.zeros(stream.shape, stream.dtype)  # how often it was drawn from
            for number, stream in enumerate(streams)
        ]
        module: Any = nnx.merge(graph, params, stats, jax.tree.unflatten(structure, fresh))
        module.set_attributes(use_running_average=not train, deterministic=key is None, raise_if_not_found=False)
        output = module(*inputs)
        return output, nnx.to_pure_dict(nnx.state(module, stats_of))

    return Network(init, _computed_again(apply))


def require_known_values(module: nn.Module) -> None:
    """Raises ValueError where a field has none of the values that its annotation, a Literal, allows."""
    for field in dataclasses.fields(module):  # type: ignore[arg-type]
        value, known = getattr(module, field.name), get_args(field.type)
        if get_origin(field.type) is Literal and value not in known:
            name = f"{type(module).__name__}'s {field.name}"
            raise ValueError(f"{name} is {value!r}; wanted one of {', '.join(map(repr, known))}.")


def with_weights(network: Network, params: Params, stats: Stats) -> Network:
    """The same network, whose `init` returns copies of these trees: fine-tuning.

    Raises ValueError, from `init`, where their structure or shapes are not the network's own.
    """

    def init(key: jax.Array, *inputs: jax.Array) -> tuple[Params, Stats]:
        expected = jax.eval_shape(network.init, key, *inputs)
        if reason := difference((params, stats), expected):
            raise ValueError(
                f"the given weights do not fit this network: {reason}; "
                "give weights of the same architecture and fields."
            )
        return jax.tree.map(jax.numpy.copy, (params, stats))

    return Network(init, network.apply)


def difference(got: tuple[Params, Stats], expected: tuple[Params, Stats]) -> str | None:
    """The first array, in words, that is not of the shape wanted, or is in one of the two alone; None if all agree."""
    shapes = [
        {
            jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
            for path, leaf in jax.tree_util.tree_leaves_with_path({"params": params, "stats": stats})
        }
        for params, stats in (got, expected)
    ]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        if shapes[0].get(name) != shapes[1].get(name):
            return f"{name} has shape {shapes[0].get(name)}, wanted {shapes[1].get(name)}"
    return None
