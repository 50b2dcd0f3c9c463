"""pix2pix as a super-resolver, beside bicubic, SRResNet and SRGAN: one table and one image.

pix2pix takes the low resolution enlarged by bicubic for its input. All learn from the same photographs, and are scored
on others by the protocol of super-resolution.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from gan_jax.data import super_resolution as data
from gan_jax.data.pipeline import Source
from gan_jax.recipes import comparison, srgan, stages, super_resolution, translators
from gan_jax.training import run
from gan_jax.training.experiment import Experiment

__all__ = ["blurred", "opener", "upscale"]
__dir__ = __all__.copy


def upscale(config: translators.Config, experiment: Callable[..., Experiment]) -> int:
    """Trains SRResNet, SRGAN and pix2pix below the folder of `config`, and compares them; returns the exit code.

    A run that is finished is not run again.
    """
    theirs = dataclasses.replace(
        srgan.PRESETS["demo"],
        preset="demo",
        name="super_resolution",
        checkpoints_dir=config.folder,
        dataroot=config.dataroot,
        seed=config.seed,
    )
    ours = dataclasses.replace(config, name="pix2pix", checkpoints_dir=config.folder)
    ours.check()
    if config.dry_run:
        return run.execute(ours, experiment(ours, open_split=opener(theirs)))
    code = stages.train(theirs, srgan.experiment) or run.execute(ours, experiment(ours, open_split=opener(theirs)))
    if code:
        return code
    folders = {"SRResNet": theirs.folder / "srresnet", "SRGAN": theirs.folder / "srgan", "pix2pix": ours.folder}
    comparison.show(theirs, folders, config.folder)
    return 0


def opener(config: super_resolution.PhotographFlags) -> Callable[[Any, str], Source | None]:
    """Opens the photographs of super-resolution as pairs for image-to-image networks."""

    def open_split(_: Any, split: str) -> Source | None:
        photographs = super_resolution.open_split(config, split)
        return None if photographs is None else data.BicubicUpsampled(photographs, config.scale, blurred(config))

    return open_split


def blurred(config: super_resolution.PhotographFlags) -> data.Shrink:
    """A photograph uint8 [H, W, C] shrunk, and enlarged again by bicubic."""
    shrink = super_resolution.shrink(config)
    return lambda photo: super_resolution.enlarge(shrink(photo), config.scale)
