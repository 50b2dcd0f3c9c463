"""Real-ESRGAN's training in minutes, beside the demonstration's SRGAN, which knows bicubic alone.

Both learn from the same photographs and are scored on others, which second-order degradations made small.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from gan_jax.recipes import comparison, enlargers, presets, stages
from gan_jax.training.experiment import Experiment

__all__ = ["real"]
__dir__ = __all__.copy

_C = TypeVar("_C", bound=enlargers.Config)


def real(config: _C, experiment: Callable[[_C], Experiment]) -> int:
    """Trains both stages of both below the folder of `config`, and compares them; returns the exit code.

    A run that is finished is not run again.
    """
    ours = dataclasses.replace(config, name="second_order", checkpoints_dir=config.folder)
    known = {name: presets.SRGAN["demo"].get(name, "bicubic") for name in ("downscale", "netD", "gan_weight")}
    theirs = dataclasses.replace(ours, name="bicubic", **known)
    if config.dry_run:
        return stages.train(ours, experiment)
    code = stages.train(theirs, experiment) or stages.train(ours, experiment)
    if code:
        return code
    folders = {
        "SRResNet of bicubic": theirs.folder / "srresnet",
        "SRGAN of bicubic": theirs.folder / "srgan",
        "SRResNet of second order": ours.folder / "srresnet",
        "SRGAN of second order": ours.folder / "srgan",
    }
    comparison.show(ours, folders, config.folder)
    return 0
