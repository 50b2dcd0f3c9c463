"""A run that shows what it would be and writes nothing: one step of it here, or compiled for chips elsewhere."""

import json
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from gan_jax.terminal.console import clock
from gan_jax.training import parallel, topology
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment

__all__ = ["dry_run", "on_slice"]
__dir__ = __all__.copy


def dry_run(
    config: RunConfig,
    experiment: Experiment,
    description: dict[str, Any],
    example: Mapping[str, np.ndarray],
    mesh: Mesh,
) -> int:
    """Prints a run's description, and the metrics, memory and time of one step; returns the exit code."""
    print(json.dumps(description, indent=2))
    state = parallel.compile_init(experiment.method, mesh)(jax.random.key(config.seed), dict(example))
    batch = parallel.global_batch(example, mesh)
    before = time.perf_counter()
    step_fn = parallel.compile_step(experiment.method, mesh, how=config.parallel, accumulate=config.accumulate)
    step = step_fn.lower(state, batch).compile()
    compiled = time.perf_counter()
    state, metric_values = step(state, batch)
    jax.block_until_ready(state)
    begun = time.perf_counter()
    jax.block_until_ready(step(state, batch))
    seconds = time.perf_counter() - begun
    values = {name: float(value) for name, value in metric_values.items() if name != parallel.SIGNAL}
    memory = step.memory_analysis()
    megabytes = (memory.argument_size_in_bytes + memory.temp_size_in_bytes) / 2**20
    print(f"one step: {', '.join(f'{name} {value:.4f}' for name, value in sorted(values.items()))}")
    print(f"memory of a step on each device: {megabytes:.0f} MiB; compiled in {compiled - before:.1f} s")
    steps = description["steps"]
    print(f"a step takes {seconds:.2g} s here: {steps:,} take {clock(steps * seconds)}, validation and saving apart")
    print("dry run: nothing was written.")
    return 0


def on_slice(
    config: RunConfig,
    experiment: Experiment,
    description: dict[str, Any],
    example: Mapping[str, np.ndarray],
    there: topology.Slice,
    mesh: Mesh,
) -> int:
    """Prints a run's description, and what a step asks of each chip of a slice; returns 1 where it does not fit."""
    print(json.dumps(description | {"device": f"{len(there.devices)} x {there.devices[0].device_kind}"}, indent=2))
    images = config.images_per_step / mesh.size
    share = {"images": images, "nbytes": sum(array.nbytes for array in example.values()) / mesh.size}
    count = len(there.devices)
    where = (
        f"each of {mesh.size} chips" if mesh.size > 1 else f"one of its {count} chips" if count > 1 else "its one chip"
    )
    print(f"compiling a step for {there.name}, a batch of {images:g} on {where}: it takes minutes", flush=True)
    before = time.perf_counter()
    try:
        step = topology.compiled(experiment.method, example, mesh, how=config.parallel)
        asked = topology.analyzed(step, there.chip)
        topology.require_fitting(asked, there.chip)
    except topology.TooLargeError as error:
        print(f"it does not fit: {error} Take a smaller --batch_size or --remat.")
        return 1
    said = topology.versions(there.kind)
    print(f"compiled in {time.perf_counter() - before:.0f} s, not run: {said}. A step asks of each chip:")
    print(*topology.lines(asked, there.chip, chips=mesh.size, **share), sep="\n")
    print("dry run: nothing was written.")
    return 0
