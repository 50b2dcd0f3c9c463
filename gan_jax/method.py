"""What a training method is: a few pure functions and the state that they thread."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from gan_jax.networks.network import Network, Params, Stats

__all__ = [
    "Batch",
    "Draws",
    "Key",
    "Method",
    "Metrics",
    "NetState",
    "State",
    "Variables",
    "clipped",
    "require_lone_samples",
    "scale_rates",
    "train_step",
]
__dir__ = __all__.copy

Key = jax.Array  # a typed PRNG key
Batch = Mapping[str, ArrayLike]  # uint8 [N, H, W, C] images (and integer labels) under the method's names
State = Any  # one frozen tree a method, with at least `step` and `key`
Draws = Any  # everything random in one step, as data
Metrics = dict[str, jax.Array]  # scalar by name
Variables = dict[str, Any]  # {"params": ..., "stats": ...}


@flax.struct.dataclass
class NetState:
    """All that one trained network carries from step to step."""

    params: Params
    stats: Stats
    opt: optax.OptState
    lr_scale: jax.Array  # scalar on top of the schedule; 1 unless a plateau lowered it

    @classmethod
    def create(cls, network: Network, tx: optax.GradientTransformation, key: Key, *inputs: jax.Array) -> "NetState":
        """The state of a network before its first step."""
        params, stats = network.init(key, *inputs)
        return cls(params=params, stats=stats, opt=tx.init(params), lr_scale=jnp.ones(()))

    @property
    def variables(self) -> Variables:
        """What a generator's file holds of it."""
        return {"params": self.params, "stats": self.stats}

    def descend(self, tx: optax.GradientTransformation, grads: Params, stats: Stats) -> "NetState":
        """One optimizer step down `grads`, with the new `stats`: the one place that applies a gradient."""
        updates, opt = tx.update(grads, self.opt, self.params)
        updates = jax.tree.map(lambda update: self.lr_scale * update, updates)
        return NetState(optax.apply_updates(self.params, updates), stats, opt, self.lr_scale)


def clipped(tx: optax.GradientTransformation, limit: float) -> optax.GradientTransformation:
    """`tx` whose steps end with every parameter clipped to [-limit, limit]: the critic's optimizer of WGAN.

    Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1, line 7.
    """

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = tx.update(grads, state, params)
        return jax.tree.map(lambda p, u: jnp.clip(p + u, -limit, limit) - p, params, updates), state

    return optax.GradientTransformation(tx.init, update)


def require_lone_samples(critic: NetState) -> None:
    """Raises ValueError for a critic with batch norm, through which samples touch each other's logits."""
    if set(critic.stats) - {"spectral_norm"}:
        raise ValueError(
            "a gradient penalty holds for each sample alone, and the critic's batch norm mixes them; give the critic "
            "another norm, or none."
        )


class Method(NamedTuple):
    """A training method, as optax's GradientTransformation is an optimizer.

    init: (key, batch) -> state.
    draw: (key, batch) -> draws; all randomness of a step comes from here.
    update: (state, batch, draws) -> (state, metrics); one step for the global batch, deterministic.
    generators: state -> {name: variables}; what a run exports, moving averages where there are some.
    """

    init: Callable[[Key, Batch], State]
    draw: Callable[[Key, Batch], Draws]
    update: Callable[[State, Batch, Draws], tuple[State, Metrics]]
    generators: Callable[[State], Mapping[str, Variables]]


def train_step(method: Method, state: State, batch: Batch) -> tuple[State, Metrics]:
    """One step. Its randomness follows from the state's constant key and step, so a resumed run draws the same."""
    key = jax.random.fold_in(state.key, state.step)
    return method.update(state, batch, method.draw(key, batch))


def scale_rates(state: State, factor: float) -> State:
    """The state with every network's learning rate times `factor`, on top of the schedule."""

    def scaled(node: Any) -> Any:
        return dataclasses.replace(node, lr_scale=factor * node.lr_scale) if isinstance(node, NetState) else node

    return jax.tree.map(scaled, state, is_leaf=lambda node: isinstance(node, NetState))
