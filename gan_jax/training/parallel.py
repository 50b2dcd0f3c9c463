"""Devices: the one place that knows of meshes, shardings, replicas and processes.

A step is compiled in one of two ways. `jit` over a mesh is the single-device program, whatever the device count.
Under `pmap` each device is a replica that steps with its share of the batch; gradients, statistics and metrics are
averaged over the replicas.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from gan_jax.method import Batch, Draws, Key, Method, Metrics, NetState, State, train_step

__all__ = [
    "How",
    "abstract_state",
    "compile_frozen",
    "compile_init",
    "compile_step",
    "data_mesh",
    "global_batch",
    "pmean_gradients",
    "require_divisible",
    "require_replicable",
]
__dir__ = __all__.copy

_REPLICAS = "replicas"  # pmap's axis
How = Literal["jit", "pmap"]


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of one axis, "data", over the given devices or all of them."""
    devices = jax.devices() if devices is None else list(devices)
    # Auto: JAX's default, Explicit, refuses reshapes across the batch (pixel shuffle, statistics groups).
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def _replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of a tree that every device holds whole."""
    return NamedSharding(mesh, P())


def require_divisible(batch_size: int, mesh: Mesh) -> None:
    """Raises ValueError, naming the nearest sizes that fit, where a batch does not split evenly over the devices."""
    devices = mesh.size
    if batch_size % devices:
        below, above = batch_size // devices * devices, -(-batch_size // devices) * devices
        nearest = f"{below} or {above}" if below else f"{above}"
        raise ValueError(
            f"batch_size {batch_size} does not split evenly over {devices} devices; the nearest that does is "
            f"{nearest}. "
            "Fewer devices can be chosen too, by CUDA_VISIBLE_DEVICES for instance."
        )


def global_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> Batch:
    """This process's share of a batch on the host -> the global batch, split over the devices by its first axis."""
    put = functools.partial(jax.make_array_from_process_local_data, NamedSharding(mesh, P("data")))
    return jax.tree.map(put, dict(batch))


@functools.lru_cache(maxsize=1)
def compile_init(method: Method, mesh: Mesh) -> Any:
    """The compiled `init`, (key, batch) -> state, the state on every device."""
    return _compiled_once(method.init, mesh)


def compile_frozen(method: Method, mesh: Mesh) -> Any:
    """The compiled part of `init` that gives what a state holds `frozen`, (key, batch) -> it, on every device.

    A checkpoint leaves it out, so a resumed run takes it from here; nothing else of the state is computed.
    """
    return _compiled_once(lambda key, batch: method.init(key, batch).frozen, mesh)


def _compiled_once(init: Any, mesh: Mesh) -> Any:
    # It runs once: on CPU, optimizing the random number code takes 15 s and saves half a second.
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    options = {"xla_backend_optimization_level": 0} if on_cpu else None
    return jax.jit(init, out_shardings=_replicated(mesh), compiler_options=options)


@functools.lru_cache(maxsize=1)  # a method that is trained with several seeds is compiled once
def compile_step(method: Method, mesh: Mesh, *, how: How = "jit") -> Any:
    """The compiled step, (state, global batch) -> (state, metrics).

    It consumes the state it is given: the memory is used again. For "pmap" the method's optax transformations must
    be `pmean_gradients` of them, and `require_replicable` says what is wrong under it.
    """
    step = functools.partial(train_step, _with_split_draws(method, mesh)) if how == "jit" else _pmapped(method, mesh)
    return jax.jit(
        step,
        in_shardings=(_replicated(mesh), NamedSharding(mesh, P("data"))),
        out_shardings=_replicated(mesh),
        donate_argnums=0,
    )


def _with_split_draws(method: Method, mesh: Mesh) -> Method:
    """The method whose draws are split over the devices where they grow with the batch, as the batch is.

    Nothing ties a latent to an image: left to XLA, what is made of latents may be computed whole on every device.
    """

    def draw(key: Key, batch: Batch) -> Draws:
        twice = {
            name: jax.ShapeDtypeStruct((2 * x.shape[0], *x.shape[1:]), x.dtype)
            for name, x in jax.tree.map(jnp.asarray, dict(batch)).items()
        }

        def split(drawn: jax.Array, of_twice: jax.ShapeDtypeStruct) -> jax.Array:
            grows = [a != b and a % mesh.size == 0 for a, b in zip(drawn.shape, of_twice.shape, strict=True)]
            if not any(grows):
                return drawn
            axes = P(*("data" if axis else None for axis in grows))
            return lax.with_sharding_constraint(drawn, NamedSharding(mesh, axes))

        return jax.tree.map(split, method.draw(key, batch), jax.eval_shape(method.draw, key, twice))

    return method._replace(draw=draw)


def _pmapped(method: Method, mesh: Mesh) -> Any:
    """The step as a pmap of `_replica_step`; the state goes in and comes out without a device axis."""
    devices = list(mesh.devices.flat)
    replicas = jax.pmap(
        functools.partial(_replica_step, method),
        axis_name=_REPLICAS,
        in_axes=(None, 0),
        out_axes=None,  # every replica comes to the same state
        devices=devices,
    )

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        # Under jit this moves nothing: each device already holds its share.
        return replicas(state, jax.tree.map(lambda x: x.reshape(len(devices), -1, *x.shape[1:]), dict(batch)))

    return step


def _replica_step(method: Method, state: State, share: Batch) -> tuple[State, Metrics]:
    """One replica's step with its share of the batch, and with noise of its own."""
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), lax.axis_index(_REPLICAS))
    state, metrics = method.update(state, share, method.draw(key, share))

    def average_statistics(node: Any) -> Any:
        if not isinstance(node, NetState):
            return node
        average = node.ema and {**node.ema, "stats": lax.pmean(node.ema["stats"], _REPLICAS)}
        return dataclasses.replace(node, stats=lax.pmean(node.stats, _REPLICAS), ema=average)

    state = jax.tree.map(average_statistics, state, is_leaf=lambda node: isinstance(node, NetState))
    return state, lax.pmean(metrics, _REPLICAS)


def pmean_gradients(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """`tx` fed with the mean of the replicas' gradients: what an optimizer is under "pmap", and only there."""

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return tx.update(lax.pmean(grads, _REPLICAS), state, params)

    return optax.GradientTransformation(tx.init, update)


def require_replicable(
    batch_size: int, mesh: Mesh, networks: Mapping[str, Mapping[str, Any]], *, whole_batch: Iterable[str] = ()
) -> None:
    """Raises ValueError where replicas with a share of the batch each would not compute what the whole batch means.

    `networks` are descriptions by name; `whole_batch` names, in words, what else looks at the batch as a whole.
    """
    if mesh.size == 1:
        return
    for reason in whole_batch:
        raise ValueError(
            f"--parallel pmap cannot be right with {reason}, which looks at the whole batch; use --parallel jit."
        )
    share = batch_size // mesh.size
    for name, fields in networks.items():
        if "statistics_batch" not in fields or fields.get("norm", "batch") != "batch":
            continue
        group = fields["statistics_batch"]
        if group is None or share % group:
            shared = "of the whole batch" if group is None else f"of groups of {group}"
            raise ValueError(
                f"--parallel pmap: the {name}'s batch norm has statistics {shared}, and a device has {share} of "
                f"{batch_size} images; give a --statistics_batch that divides {share}, or use --parallel jit."
            )


def abstract_state(method: Method, batch: Mapping[str, np.ndarray], mesh: Mesh) -> Any:
    """Shapes, dtypes and shardings of a state, without computing one: what a checkpoint is read into."""
    shapes = jax.eval_shape(method.init, jax.random.key(0), dict(batch))
    everywhere = _replicated(mesh)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere), shapes)
