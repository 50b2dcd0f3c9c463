r"""DCGAN, with and without classes, on a folder of images, on a data set of TFDS, or on the embedded shapes.

    gan-jax train dcgan demo
    gan-jax train dcgan --dataroot photos --name photos --size 64
    gan-jax train dcgan --dataroot animals --conditional        # animals/cat/*.png, animals/dog/*.png
    gan-jax train dcgan cifar10

The defaults are those of the DCGAN example of PyTorch. PRESET `demo` trains a conditional DCGAN on the embedded shapes
in minutes on two CPU cores; `paper` has the paper's settings; mnist, fashion_mnist and cifar10 are conditional.
"""

import dataclasses
from typing import Literal

from gan_jax import networks
from gan_jax.methods.dcgan import dcgan
from gan_jax.recipes import adversarial, flags, presets, samplers
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import run
from gan_jax.training.experiment import Experiment

__all__ = ["PRESETS", "RECIPE", "Config", "build", "experiment", "main"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Config(adversarial.R1Flags, samplers.Config):
    """DCGAN's own flags."""

    preset: flags.Preset = None
    """demo: the embedded shapes, minutes on two CPU cores. pytorch: the defaults. Or paper, mnist, fashion_mnist,
    cifar10."""
    gan_mode: Literal["vanilla", "minimax", "lsgan", "hinge", "relativistic"] = "vanilla"
    """Adversarial loss."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        self.check_r1(self.norm)


PRESETS = {name: Config(preset=name, **given) for name, given in presets.DCGAN.items()}


def experiment(config: Config) -> Experiment:
    """The experiment that a configuration means."""
    parts = samplers.open_parts(config, critic_norm=config.norm)
    per_epoch = run.steps_per_epoch(config, len(parts.train))
    game = adversarial.ADVERSARIAL_LOSSES[config.gan_mode]
    method = dcgan(
        networks.from_linen(parts.generator),
        networks.from_linen(parts.critic),
        generator_tx=flags.adam(config, per_epoch),
        critic_tx=flags.adam(config, per_epoch),
        latent_size=config.nz,
        latent=config.latent,
        adversarial=game,
        conditional=config.conditional,
        r1_weight=config.lambda_r1,
        ema_decay=config.ema_decay,
    )
    whole_batch = adversarial.whole_batch(config.gan_mode)
    return samplers.experiment(config, parts, "dcgan", method, needs_whole_batch=whole_batch, game=game)


RECIPE = Recipe(__doc__, Config, PRESETS, experiment)
build, main = RECIPE.build, RECIPE.main
