"""What a training method is: a few pure functions and the state that they thread."""

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import flax.struct
import jax
import jax.extend as jex
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from gan_jax.networks import network as networks
from gan_jax.networks.network import Network, Params, Stats

__all__ = [
    "Batch",
    "Draws",
    "GANState",
    "GeneratorState",
    "Key",
    "Method",
    "Metrics",
    "NetState",
    "State",
    "Variables",
    "accumulating",
    "clip_weights",
    "gradient",
    "rematerialized",
    "rounded_once",
    "scale_rates",
    "train_step",
]
__dir__ = __all__.copy

Key = jax.Array  # a typed PRNG key
Batch = Mapping[str, ArrayLike]  # uint8 [N, H, W, C] images (and integer labels) under the method's names
State = Any  # one frozen tree a method, with at least `step` and `key`
Draws = Any  # everything random in one step, as data
Metrics = dict[str, jax.Array]  # scalar by name
_ACCUMULATING: contextvars.ContextVar[str | None] = contextvars.ContextVar("accumulating", default=None)
_ROUNDING = contextvars.ContextVar("rounding", default=False)


@contextlib.contextmanager
def accumulating(how: Literal["loop", "unrolled"] = "loop") -> Iterator[None]:
    """Within this context a vmapped `NetState.gradient` is one, the mean of what it maps, computed one by one.

    That is a loop; "unrolled" it takes longer to compile, and a CPU's fast convolutions, which loops lack.
    """
    token = _ACCUMULATING.set(how)
    try:
        yield
    finally:
        _ACCUMULATING.reset(token)


Variables = dict[str, Any]  # {"params": ..., "stats": ...}


def gradient(
    loss: Callable[..., tuple[jax.Array, Any]], params: Params, *arguments: Any
) -> tuple[tuple[jax.Array, Any], Params]:
    """((value, auxiliary), gradient) of `loss(params, *arguments)`, which gives (value, auxiliary)."""
    seen = jax.tree.map(_rounded, params) if _ROUNDING.get() else params
    values, grads = jax.value_and_grad(loss, has_aux=True)(seen, *arguments)
    return values, jax.tree.map(lambda grad, param: grad.astype(param.dtype), grads, params)


def _rounded(param: jax.Array) -> jax.Array:
    """A kernel in bfloat16; vectors, among them a norm's scale, stay as they are."""
    return param.astype(jnp.bfloat16) if param.ndim > 1 and param.dtype == jnp.float32 else param


@flax.struct.dataclass
class NetState:
    """All that one trained network carries from step to step."""

    params: Params
    stats: Stats
    opt: optax.OptState
    lr_scale: jax.Array  # scalar on top of the schedule; 1 unless a plateau lowered it
    ema: Variables | None = None  # exponential moving average of parameters and statistics, if wanted

    @classmethod
    def create(
        cls, network: Network, tx: optax.GradientTransformation, key: Key, *inputs: jax.Array, ema: bool = False
    ) -> "NetState":
        """The state of a network before its first step; with `ema`, a moving average begins at its first values."""
        params, stats = network.init(key, *inputs)
        # A copy: a donated state must not hold one buffer twice.
        average = jax.tree.map(jnp.copy, {"params": params, "stats": stats}) if ema else None
        return cls(params, stats, tx.init(params), jnp.ones(()), average)

    @property
    def variables(self) -> Variables:
        """What a file holds of it: the moving average if there is one, else the parameters and statistics."""
        return {"params": self.params, "stats": self.stats} if self.ema is None else self.ema

    def gradient(
        self, loss: Callable[..., tuple[jax.Array, Any]], *arguments: Any
    ) -> tuple[tuple[jax.Array, Any], Params]:
        """`gradient` at its parameters; where steps accumulate, that of all members."""

        def compute(params: Params) -> Any:
            return gradient(loss, params, *arguments)

        return _mean_of_members(compute, self.params) if _ACCUMULATING.get() is not None else compute(self.params)

    def apply_gradients(
        self, tx: optax.GradientTransformation, grads: Params, stats: Stats, *, ema_decay: float | None = None
    ) -> "NetState":
        """One optimizer step down `grads`, with the new `stats`: the one place that applies a gradient.

        `ema_decay` is that of the moving average, for a state that was created with one.
        """
        updates, opt = tx.update(grads, self.opt, self.params)
        params = optax.apply_updates(self.params, jax.tree.map(lambda update: self.lr_scale * update, updates))
        average = self.ema
        if ema_decay is not None:
            average = optax.incremental_update({"params": params, "stats": stats}, average, 1.0 - ema_decay)
        return NetState(params, stats, opt, self.lr_scale, average)


@flax.struct.dataclass(kw_only=True)
class GeneratorState:
    """What the training of one generator carries from step to step."""

    step: jax.Array = flax.struct.field(default_factory=lambda: jnp.zeros((), jnp.int32))  # updates made so far
    key: Key  # constant: each step folds its number in
    generator: NetState


@flax.struct.dataclass(kw_only=True)
class GANState(GeneratorState):
    """What the training of a generator and a critic carries from step to step."""

    critic: NetState


def _mean_of_members(compute: Callable[[Params], Any], params: Params) -> Any:
    """`compute(params)`, which gives (values, gradient); under vmap the mean gradient, without the mapped axis.

    Members are computed one after another, so that the memory of one is used again by the next.
    """
    # What `compute` closes over, batches and noise, becomes arguments: those are what vmap maps.
    closed, shapes = jax.make_jaxpr(compute, return_shape=True)(params)
    structure = jax.tree.structure(shapes)

    def member(captured: list[Any], params: Params) -> Any:
        program = jex.core.ClosedJaxpr(closed.jaxpr, captured)
        return jax.tree.unflatten(structure, jex.core.jaxpr_as_fun(program)(*jax.tree.leaves(params)))

    computed = jax.custom_batching.custom_vmap(member)

    @computed.def_vmap
    def one_after_another(members: int, mapped: Any, captured: list[Any], params: Params) -> Any:
        if any(jax.tree.leaves(mapped[1])):
            raise ValueError("a method that accumulates gradients lets each of its parameters have one value.")

        def step(total: Params, given: list[Any]) -> tuple[Params, Any]:
            each = iter(given)
            # Nothing is added, but for an order that a compiler keeps: a member begins when the one before has ended.
            nothing = 0.0 * sum(leaf.ravel()[0] for leaf in jax.tree.leaves(total))
            after = jax.tree.map(lambda p: p + nothing.astype(p.dtype), params)
            inputs = [next(each) if is_mapped else x for x, is_mapped in zip(captured, mapped[0], strict=True)]
            values, gradient = member(inputs, after)
            return jax.tree.map(jnp.add, total, gradient), values

        zeros = jax.tree.map(jnp.zeros_like, params)
        each = [x for x, is_mapped in zip(captured, mapped[0], strict=True) if is_mapped]
        total, stacked = jax.lax.scan(step, zeros, each, length=members, unroll=_ACCUMULATING.get() == "unrolled")
        mean = jax.tree.map(lambda x: x / members, total)
        return (stacked, mean), (jax.tree.map(lambda _: True, stacked), jax.tree.map(lambda _: False, mean))

    return computed(closed.consts, params)


def clip_weights(tx: optax.GradientTransformation, limit: float) -> optax.GradientTransformation:
    """`tx` whose steps end with every parameter clipped to [-limit, limit]: the critic's optimizer of WGAN.

    Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1, line 7.
    """

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = tx.update(grads, state, params)
        return jax.tree.map(lambda p, u: jnp.clip(p + u, -limit, limit) - p, params, updates), state

    return optax.GradientTransformation(tx.init, update)


def _networks(state: State) -> dict[str, NetState]:
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: net for name, net in fields.items() if isinstance(net, NetState)}


class Method(NamedTuple):
    """A training method, as optax's GradientTransformation is an optimizer.

    init: (key, batch) -> state.
    draw: (key, batch) -> draws; all randomness of a step comes from here.
    update: (state, batch, draws) -> (state, metrics); one step for the global batch, deterministic.
    networks: state -> {name: NetState}; every network that it trains, generators and critics, by its field's name.
    """

    init: Callable[[Key, Batch], State]
    draw: Callable[[Key, Batch], Draws]
    update: Callable[[State, Batch, Draws], tuple[State, Metrics]]
    networks: Callable[[State], Mapping[str, NetState]] = _networks


def train_step(method: Method, state: State, batch: Batch) -> tuple[State, Metrics]:
    """One step. Its randomness follows from the state's constant key and step, so a resumed run draws the same."""
    key = jax.random.fold_in(state.key, state.step)
    return method.update(state, batch, method.draw(key, batch))


def rematerialized(method: Method) -> Method:
    """The method with less memory and more work: see `networks.rematerialized`. Its gradients are the same."""

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        with networks.rematerialized():
            return method.update(state, batch, draws)

    return method._replace(update=update)


def rounded_once(method: Method) -> Method:
    """The method whose kernels become bfloat16 before its networks' passes, where layers would round them in each.

    So the gradients of a network's passes are added up before they go over the links between devices; where each pass
    rounds, XLA for TPUs sends each by itself. The sum is in bfloat16, as its terms are.
    """

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        token = _ROUNDING.set(True)
        try:
            return method.update(state, batch, draws)
        finally:
            _ROUNDING.reset(token)

    return method._replace(update=update)


def scale_rates(state: State, factor: float) -> State:
    """The state with every network's learning rate times `factor`, on top of the schedule."""

    def scaled(node: Any) -> Any:
        return dataclasses.replace(node, lr_scale=factor * node.lr_scale) if isinstance(node, NetState) else node

    return jax.tree.map(scaled, state, is_leaf=lambda node: isinstance(node, NetState))
