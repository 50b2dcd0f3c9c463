"""Super-resolution in two stages: SRResNet, and the SRGAN that goes on from it."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from gan_jax.recipes import enlargers
from gan_jax.training import run
from gan_jax.training.experiment import Experiment

__all__ = ["runs", "train"]
__dir__ = __all__.copy

_C = TypeVar("_C", bound=enlargers.Config)


def runs(config: _C) -> list[_C]:
    """The runs of a configuration: itself, or two below its folder, of which the second starts from the first."""
    if config.stage != "both":
        return [config]
    first = dataclasses.replace(config, stage="srresnet", name="srresnet", checkpoints_dir=config.folder)
    # A dry run has not written the first.
    start = None if config.dry_run else str(first.folder)
    second = dataclasses.replace(first, **first.of_second, name="srgan", init_generator=start)
    return [first, second]


def train(config: _C, experiment: Callable[[_C], Experiment]) -> int:
    """Trains all stages; returns the exit code."""
    config.check()
    if config.stage == "both":
        config.content_network(config.dtype)  # what it lacks is said now, not after the first stage
    for stage in runs(config):
        if config.stage == "both":
            print(f"\nstage {stage.stage}")
        elif stage.init_generator is None and stage.stage == "srgan":
            print("starting SRGAN from nothing: the paper starts from SRResNet, --init_generator FILE.")
        code = run.execute(stage, experiment(stage))
        if code:
            return code
    return 0
