"""The seam between Flax and the rest: a network is two pure functions over plain trees."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax

Params = Any  # tree of the arrays that gradients flow to
Stats = Any  # tree of the arrays that they do not: running statistics of batch norm


class Network(NamedTuple):
    """A network as a pair of pure functions.

    init: (key, *inputs) -> (params, stats).
    apply: (params, stats, *inputs, train, key=None) -> (output, new stats). `train` means the statistics of the
    batch, and running statistics updated; dropout is active if and only if `key` is given.
    """

    init: Callable[..., tuple[Params, Stats]]
    apply: Callable[..., tuple[Any, Stats]]


def from_linen(module: nn.Module) -> Network:
    """The network of a Linen module whose `__call__` takes a keyword `train`."""

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

    return Network(init, apply)


def starting_from(network: Network, params: Params, stats: Stats) -> Network:
    """The same network, whose `init` returns copies of these trees: fine-tuning.

    Raises ValueError, from `init`, where their structure or shapes are not the network's own.
    """

    def init(key: jax.Array, *inputs: jax.Array) -> tuple[Params, Stats]:
        wanted = jax.eval_shape(network.init, key, *inputs)
        _require_same_leaves({"params": params, "stats": stats}, {"params": wanted[0], "stats": wanted[1]})
        return jax.tree.map(jax.numpy.copy, (params, stats))

    return Network(init, network.apply)


def _require_same_leaves(got: Any, wanted: Any) -> None:
    shapes = [
        {
            jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (got, wanted)
    ]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        if shapes[0].get(name) != shapes[1].get(name):
            raise ValueError(
                f"the given weights do not fit this network: {name} has shape {shapes[0].get(name)}, "
                f"wanted {shapes[1].get(name)}; give weights of the same architecture and fields."
            )
