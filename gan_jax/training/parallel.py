"""Devices: the one place that knows of meshes, shardings and replicas, be the devices of one process or of several.

A step is compiled in one of two ways. `jit` over a mesh is the single-device program, whatever the device count.
Under `pmap` each device is a replica that steps with its share of the batch; gradients, statistics and metrics are
averaged over the replicas.

Where the devices are those of several processes, each sends its share of a batch, and with it whether it was told to
stop: the step's metrics say to all of them at the same step whether one was. It rides with the metrics, so it takes no
program, no transfer and no wait of its own.
"""

import collections
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

from gan_jax.method import Batch, Draws, Key, Method, Metrics, NetState, State, accumulating, train_step

__all__ = [
    "SAVE",
    "SIGNAL",
    "STOP",
    "How",
    "abstract_state",
    "compile_frozen",
    "compile_init",
    "compile_step",
    "data_mesh",
    "global_batch",
    "local",
    "pmean_gradients",
    "processes",
    "require_divisible",
    "require_even",
    "require_replicable",
]
__dir__ = __all__.copy

_REPLICAS = "replicas"  # pmap's axis
SIGNAL = "signal"  # of a batch of several processes, and of its metrics: what they are asked to do after a step
SAVE, STOP = 1, 2
How = Literal["jit", "pmap"]


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of one axis, "data", over the given devices or all of them."""
    devices = jax.devices() if devices is None else list(devices)
    if len({device.process_index for device in devices}) > 1:
        # The order of the batch: each process reads rows that follow one another.
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        return Mesh(np.array(ordered), ("data",), axis_types=(AxisType.Auto,))
    # Auto: JAX's default, Explicit, refuses reshapes across the batch (pixel shuffle, statistics groups).
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def processes(mesh: Mesh) -> int:
    """Processes whose devices are in a mesh; of chips that are not here, this one."""
    return min(jax.process_count(), len({device.process_index for device in mesh.devices.flat}))


def local(tree: Any) -> Any:
    """A tree that every device holds whole, as this process's own: what it computes with it concerns no other."""
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x, tree)


def _replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of a tree that every device holds whole."""
    return NamedSharding(mesh, P())


def _on_cpu(mesh: Mesh) -> bool:
    return bool(mesh.devices.flat[0].platform == "cpu")


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


def require_even(mesh: Mesh) -> None:
    """Raises ValueError where the processes do not all have the same number of devices in a mesh."""
    numbers = collections.Counter(device.process_index for device in mesh.devices.flat)
    if len({*numbers.values()}) > 1 or len(numbers) < jax.process_count():
        shown = ", ".join(str(numbers[process]) for process in range(jax.process_count()))
        raise ValueError(f"the processes have {shown} devices; wanted the same number in each.")


def global_batch(batch: Mapping[str, np.ndarray], mesh: Mesh, *, signal: int = 0) -> Batch:
    """This process's share of a batch on the host -> the global batch, split over the devices by its first axis.

    `signal` tells the other processes, where there are some, what this one asks for: SAVE or STOP.
    """
    put = functools.partial(jax.make_array_from_process_local_data, NamedSharding(mesh, P("data")))
    if processes(mesh) > 1:
        batch = {**batch, SIGNAL: np.full(mesh.local_mesh.size, signal, np.float32)}
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
    options = {"xla_backend_optimization_level": 0} if _on_cpu(mesh) else None
    return jax.jit(init, out_shardings=_replicated(mesh), compiler_options=options)


@functools.lru_cache(maxsize=1)  # a method that is trained with several seeds is compiled once
def compile_step(method: Method, mesh: Mesh, *, how: How = "jit", accumulate: int = 1) -> Any:
    """The compiled step, (state, global batch) -> (state, metrics).

    It consumes the state it is given: the memory is used again. For "pmap" the method's optax transformations must
    be `pmean_gradients` of them. With `accumulate`, for "jit" alone, each gradient is the mean of those of so many
    parts of the batch, computed one after another. `require_replicable` says what is wrong under either.
    """
    if how == "pmap":
        step = _pmapped(method, mesh)
    elif accumulate > 1:
        step = _over(mesh, _accumulated(method, mesh, accumulate))
    else:
        step = _over(mesh, functools.partial(train_step, _with_split_draws(method, mesh)))
    return jax.jit(
        step if processes(mesh) == 1 else _signaling(step),
        in_shardings=(_replicated(mesh), NamedSharding(mesh, P("data"))),
        out_shardings=_replicated(mesh),
        donate_argnums=0,
    )


def _over(mesh: Mesh, step: Any) -> Any:
    """A step whose convolutions know of the mesh: on CPUs they go by a device's images."""

    def over_mesh(state: State, batch: Batch) -> tuple[State, Metrics]:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return step(state, batch)

    return over_mesh


def _signaling(step: Any) -> Any:
    """A step whose metrics have the greatest of the signals that the processes sent with their shares of the batch."""

    def signaling(state: State, batch: Batch) -> tuple[State, Metrics]:
        images = {name: array for name, array in batch.items() if name != SIGNAL}
        state, metrics = step(state, images)
        return state, {**metrics, SIGNAL: jnp.max(batch[SIGNAL])}

    return signaling


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
    if processes(mesh) > 1:
        # There `jax.pmap` takes and gives a process's own share alone; of the global batch, it is this.
        return jax.shard_map(
            functools.partial(_replica_step, method),
            mesh=Mesh(mesh.devices, (_REPLICAS,), axis_types=(AxisType.Auto,)),
            in_specs=(P(), P(_REPLICAS)),
            out_specs=P(),
            check_vma=False,
        )
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


def _accumulated(method: Method, mesh: Mesh, parts: int) -> Any:
    """The step whose gradients are means over parts of the batch: `_replica_step` vmapped over them."""
    members = jax.vmap(functools.partial(_replica_step, method), in_axes=(None, 0), out_axes=None, axis_name=_REPLICAS)

    def part(x: jax.Array) -> jax.Array:
        # Each device's share is cut, so that no image moves to another device.
        shares = x.reshape(mesh.size, parts, -1, *x.shape[1:])
        return shares.swapaxes(0, 1).reshape(parts, -1, *x.shape[1:])

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        with accumulating("unrolled" if _on_cpu(mesh) else "loop"):
            return members(state, jax.tree.map(part, dict(batch)))

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
    batch_size: int,
    mesh: Mesh,
    networks: Mapping[str, Mapping[str, Any]],
    *,
    whole_batch: Iterable[str] = (),
    accumulate: int = 1,
) -> None:
    """Raises ValueError where parts of the batch would not compute what the whole batch means.

    They are the shares of pmap's replicas, or the parts of which a device's share is made where it is to `accumulate`.
    `networks` are descriptions by name; `whole_batch` names, in words, what else looks at the batch as a whole.
    """
    if mesh.size * accumulate == 1:
        return
    flag, instead = (
        ("--parallel pmap", "use --parallel jit") if accumulate == 1 else ("--accumulate", "leave --accumulate out")
    )
    for reason in whole_batch:
        raise ValueError(f"{flag} cannot be right with {reason}, which looks at the whole batch; {instead}.")
    if batch_size % (mesh.size * accumulate):
        raise ValueError(
            f"--accumulate {accumulate}: batch_size {batch_size} does not split evenly into {accumulate} parts on each "
            f"of {mesh.size} devices; wanted a multiple of {mesh.size * accumulate}."
        )
    share, place = batch_size // (mesh.size * accumulate), "a device has" if accumulate == 1 else "a part of it has"
    for name, fields in networks.items():
        if "statistics_batch" not in fields or fields.get("norm", "batch") != "batch":
            continue
        group = fields["statistics_batch"]
        if group is None or share % group:
            shared = "of the whole batch" if group is None else f"of groups of {group}"
            raise ValueError(
                f"{flag}: the {name}'s batch norm has statistics {shared}, and {place} {share} of {batch_size} images; "
                f"give a --statistics_batch that divides {share}, or {instead}."
            )


def abstract_state(method: Method, batch: Mapping[str, np.ndarray], mesh: Mesh) -> Any:
    """Shapes, dtypes and shardings of a state, without computing one: what a checkpoint is read into."""
    shapes = jax.eval_shape(method.init, jax.random.key(0), dict(batch))
    everywhere = _replicated(mesh)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere), shapes)
