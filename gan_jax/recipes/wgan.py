r"""WGAN and WGAN-GP on a folder of images, on a data set of TFDS, on the embedded shapes, or on points in the plane.

    gan-jax train wgan demo
    gan-jax train wgan ring
    gan-jax train wgan --dataroot photos --name photos --size 64
    gan-jax train wgan --dataroot photos --name clipped --clip 0.01 --lr 5e-5

Without a flag it is WGAN-GP as its paper has it; with --clip and its lower rate it is WGAN. PRESET `demo` trains
WGAN-GP on the embedded shapes in minutes on two CPU cores; `ring` compares a GAN, WGAN, WGAN-GP and the Sinkhorn
divergence on eight Gaussians; `wgan` has the settings of WGAN's paper; mnist and cifar10 are data sets of TFDS.
"""

import dataclasses
import math

from gan_jax import networks
from gan_jax.method import clip_weights
from gan_jax.methods.wgan import wgan
from gan_jax.networks import layers
from gan_jax.recipes import flags, presets, ring, samplers
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import processes, run
from gan_jax.training.config import require_at_least
from gan_jax.training.experiment import Experiment

__all__ = ["PRESETS", "RECIPE", "Config", "build", "experiment", "main"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Config(samplers.Config):
    """WGAN's own flags."""

    preset: flags.Preset = None
    """demo: the embedded shapes, minutes on two CPU cores. ring: points in the plane. wgan, mnist, cifar10."""
    lr: float = 1e-4
    """Learning rate of Adam, or with --clip of RMSProp, for which WGAN's paper has 5e-5."""
    beta1: float = 0.0
    """Adam's decay of the gradient's average."""
    beta2: float = 0.9
    """Adam's decay of the gradient's square."""
    n_critic: int = 5
    """Critic steps a generator step, each on a batch of its own."""
    lambda_gp: float = 10.0
    """Weight of the gradient penalty."""
    clip: float | None = None
    """Clip the critic's weights to [-CLIP, CLIP] after each of its steps, in place of the penalty: 0.01 in WGAN."""
    norm_d: layers.NormName | None = None
    """Norm of the critic: none under the penalty, which batch norm would spoil, and otherwise the generator's."""

    @property
    def images_per_step(self) -> int:
        """A batch for each critic step."""
        return self.n_critic * self.batch_size

    @property
    def critic_norm(self) -> layers.NormName:
        """Norm of the critic, said or not."""
        return self.norm_d or ("none" if self.clip is None else self.norm)

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "n_critic", 1)
        if not 0 < self.lambda_gp < math.inf:
            raise ValueError(
                f"--lambda_gp is {self.lambda_gp}; wanted a finite number above 0, or --clip in its place."
            )
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise ValueError(f"--clip is {self.clip}; wanted a finite number above 0.")
        if self.clip is None and self.norm_d == "batch":
            raise ValueError(
                "--norm_d batch: the penalty is on the critic's gradient at each image alone, and batch norm mixes "
                "images; give --norm_d layer, instance or none, or --clip in place of the penalty."
            )
        if not 0 <= self.beta2 < 1:
            raise ValueError(f"--beta2 is {self.beta2}; wanted at least 0 and less than 1.")


PRESETS = {name: Config(preset=name, **given) for name, given in presets.WGAN.items()}


def experiment(config: Config) -> Experiment:
    """The experiment that a configuration means."""
    parts = samplers.open_parts(config, critic_norm=config.critic_norm)
    per_epoch = run.steps_per_epoch(config, len(parts.train))
    if config.clip is None:
        generator_tx = critic_tx = flags.adam(config, per_epoch, beta2=config.beta2)
    else:
        generator_tx = flags.rmsprop(config, per_epoch)
        critic_tx = clip_weights(generator_tx, config.clip)
    method = wgan(
        networks.from_linen(parts.generator),
        networks.from_linen(parts.critic),
        generator_tx=generator_tx,
        critic_tx=critic_tx,
        latent_size=config.nz,
        latent=config.latent,
        n_critic=config.n_critic,
        penalty_weight=config.lambda_gp if config.clip is None else 0.0,
        conditional=config.conditional,
        ema_decay=config.ema_decay,
    )
    return samplers.experiment(config, parts, "wgan" if config.clip else "wgan_gp", method)


def _train(config: Config) -> int:
    if config.preset == "ring":
        ring.require_nothing_else(config, PRESETS["ring"])
        return processes.once(lambda: ring.compare(config.folder, dry_run=config.dry_run))
    return run.execute(config, experiment(config))


RECIPE = Recipe(__doc__, Config, PRESETS, experiment, train=_train)
build, main = RECIPE.build, RECIPE.main
