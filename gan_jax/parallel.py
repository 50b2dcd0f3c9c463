"""Devices: the one place that knows of meshes, shardings and processes."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from gan_jax.method import Batch, Method, train_step


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


def compile_init(method: Method, mesh: Mesh) -> Any:
    """The compiled `init`, (key, batch) -> state, the state on every device."""
    # It runs once: on CPU, optimizing the random number code takes 15 s and saves half a second.
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    options = {"xla_backend_optimization_level": 0} if on_cpu else None
    return jax.jit(method.init, out_shardings=_replicated(mesh), compiler_options=options)


def compile_step(method: Method, mesh: Mesh) -> Any:
    """The compiled step, (state, global batch) -> (state, metrics).

    It consumes the state it is given: the memory is used again.
    """
    return jax.jit(
        functools.partial(train_step, method),
        in_shardings=(_replicated(mesh), NamedSharding(mesh, P("data"))),
        out_shardings=_replicated(mesh),
        donate_argnums=0,
    )


def abstract_state(method: Method, batch: Mapping[str, np.ndarray], mesh: Mesh) -> Any:
    """Shapes, dtypes and shardings of a state, without computing one: what a checkpoint is read into."""
    shapes = jax.eval_shape(method.init, jax.random.key(0), dict(batch))
    everywhere = _replicated(mesh)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere), shapes)
