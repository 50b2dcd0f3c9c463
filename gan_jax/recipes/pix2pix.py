r"""pix2pix on a folder of pairs, on photographs, or on the embedded facades.

    gan-jax train pix2pix demo
    gan-jax train pix2pix --dataroot datasets/facades --name facades --direction BtoA
    gan-jax train pix2pix --dataroot datasets/photos --derive gray --preprocess crop --crop_size 64
    gan-jax train pix2pix ablate
    gan-jax train pix2pix upscale

The defaults are those of pytorch-CycleGAN-and-pix2pix, whose command lines work as they stand. PRESET `demo` trains on
the embedded data in minutes on two CPU cores; facades, edges2shoes, edges2handbags, maps, cityscapes, day2night and
colorize are the paper's; `ablate` runs the paper's ablations at the demo's scale and prints its tables; `upscale`
compares pix2pix with bicubic, SRResNet and SRGAN as a super-resolver of photographs.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from gan_jax.data.pipeline import Source
from gan_jax.methods.pix2pix import pix2pix
from gan_jax.recipes import adversarial, bands, flags, pairs, pix2pix_ablation, pix2pix_upscale, presets, translators
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import run
from gan_jax.training.config import require_finite
from gan_jax.training.experiment import Experiment

__all__ = ["PRESETS", "RECIPE", "Config", "build", "experiment", "main"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Config(adversarial.R1Flags, translators.Config):
    """pix2pix's own flags."""

    preset: flags.Preset = None
    """demo: the embedded facades, minutes on two CPU cores. ablate: the paper's tables. upscale: pix2pix beside SRGAN.
    Or a data set of the paper."""
    dataset_mode: Literal["aligned", "single"] | None = None
    """aligned: pairs. single: photographs, with --derive. Said by --derive unless given, and the images are looked
    at before the first step."""
    unconditional: bool = False
    """Hide the input from the critic: the paper's GAN instead of its cGAN."""
    lambda_L1: float = 100.0  # noqa: N815 - the PyTorch code's flag
    """Weight of the L1 loss."""
    lambda_L2: float = 0.0  # noqa: N815 - beside lambda_L1
    """Weight of the L2 loss."""

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise; --derive says what is computed."""
        return super().free_to_change(begun) | {"dataset_mode"}

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        self.check_r1(self.norm)
        if self.lambda_r1 and self.gan_mode == "none":
            raise ValueError(
                "--lambda_r1 penalizes the critic, and --gan_mode none trains without; leave out one of them."
            )
        self.check_mode(self.dataset_mode)
        require_finite(self, "lambda_L1", "lambda_L2", zero=True)
        if self.gan_mode == "none" and self.lambda_L1 == self.lambda_L2 == 0:
            raise ValueError("--gan_mode none with --lambda_L1 0 and --lambda_L2 0 leaves no loss; give one of them.")


PRESETS = {name: Config(preset=name, **given) for name, given in presets.PIX2PIX.items()}


def _open_split(config: Config, split: str) -> Source | None:
    return pairs.open_split(config, split, guessed=config.dataset_mode is None)


def experiment(config: Config, open_split: Callable[[Config, str], Source | None] = _open_split) -> Experiment:
    """The experiment that a configuration means, on the pairs that `open_split` opens."""
    pairs.require_dataroot(config, PRESETS)
    train, val, test = (open_split(config, split) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    arrays = bands.arrays(config, train)
    for split, images in (("validation", val), ("the test", test)):
        bands.require_alike(arrays, split, images)
    config = bands.counted(config, arrays)
    made = 2 if config.colors else config.output_channels
    generator, critic = translators.generator_module(config, made), translators.critic_module(config)
    per_epoch = run.steps_per_epoch(config, len(train))
    method = pix2pix(
        translators.started(config, generator, "generator"),
        translators.started(config, critic, "critic"),
        generator_tx=flags.adam(config, per_epoch),
        critic_tx=config.critic_tx(flags.adam(config, per_epoch)),
        adversarial=config.adversarial,
        l1_weight=config.lambda_L1,
        l2_weight=config.lambda_L2,
        conditional=not config.unconditional,
        penalty_weight=config.penalty_weight,
        r1_weight=config.lambda_r1,
        ema_decay=config.ema_decay,
        colors=config.colors,
    )
    return translators.experiment(
        config,
        "pix2pix",
        method,
        generators={"generator": (generator, config.input_channels)},
        critics={"critic": (critic, made + (0 if config.unconditional else config.input_channels))},
        train=train,
        tasks={"generator": pairs.task(config, train, val, test, arrays)},
        needs_whole_batch=config.needs_whole_batch,
        arrays=arrays,
    )


def _train(config: Config) -> int:
    if config.preset == "ablate":
        return pix2pix_ablation.ablate(config, experiment)
    if config.preset == "upscale":
        return pix2pix_upscale.upscale(config, experiment)
    return run.execute(config, experiment(config))


RECIPE = Recipe(__doc__, Config, PRESETS, experiment, train=_train)
build, main = RECIPE.build, RECIPE.main
