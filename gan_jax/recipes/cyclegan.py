r"""CycleGAN on two folders of images, or on the embedded facades by day and by night.

    gan-jax train cyclegan demo
    gan-jax train cyclegan --dataroot datasets/horse2zebra --name horse2zebra
    gan-jax train cyclegan --dataroot datasets/facades --dataset_mode aligned --cycle forward

The defaults are those of pytorch-CycleGAN-and-pix2pix, whose command lines work as they stand. PRESET `demo` trains on
the embedded data in minutes on two CPU cores; horse2zebra, apple2orange, summer2winter_yosemite, maps, facades,
monet2photo and the other data sets of the paper are found below datasets/.
"""

import dataclasses
from typing import Literal

from gan_jax.methods.cyclegan import cyclegan
from gan_jax.recipes import adversarial, bands, flags, pairs, presets, pytorch_compat, translators, unpaired
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import run
from gan_jax.training.config import require_at_least, require_finite
from gan_jax.training.experiment import Experiment

__all__ = ["PRESETS", "RECIPE", "Config", "build", "experiment", "main"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Config(translators.Config):
    """CycleGAN's own flags."""

    preset: flags.Preset = None
    """demo: the embedded day and night, minutes on two CPU cores. Or a data set of the paper."""
    dataset_mode: Literal["unaligned", "aligned"] = "unaligned"
    """unaligned: two folders. aligned: pairs, which are trained on apart, and scored."""
    gan_mode: adversarial.GanMode = "lsgan"
    """Adversarial loss: wasserstein clips the critics' weights, wgangp penalizes their gradients; none trains on the
    cycles alone."""
    cycle: Literal["both", "forward", "backward", "none"] = "both"
    """Cycles with a weight: forward is A to B to A."""
    lambda_A: float = 10.0  # noqa: N815 - the PyTorch code's flag
    """Weight of the forward cycle."""
    lambda_B: float = 10.0  # noqa: N815 - the PyTorch code's flag
    """Weight of the backward cycle."""
    lambda_identity: float = 0.5
    """Weight of the identity loss, relative to that of the cycle of the same images."""
    pool_size: int = 50
    """Images that each critic's fakes are drawn from; 0 shows it the latest."""
    netG: translators.NetG | None = "resnet_9blocks"  # noqa: N815 - the PyTorch code's flag
    """Generator."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """Norm of all networks."""
    no_dropout: bool = True
    """Train and test without dropout."""

    @property
    def cycle_weights(self) -> tuple[float, float]:
        """Those of the forward and the backward cycle."""
        forward, backward = self.cycle in ("both", "forward"), self.cycle in ("both", "backward")
        return self.lambda_A * forward, self.lambda_B * backward

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_finite(self, "lambda_A", "lambda_B", "lambda_identity", zero=True)
        require_at_least(self, "pool_size", 0)
        if self.gan_mode == "none" and not any(self.cycle_weights):
            raise ValueError("--gan_mode none without a cycle leaves no loss; give one of them.")
        if self.derive:
            raise ValueError(f"--derive {self.derive} makes pairs; use pix2pix for them.")
        for name in ("init_generator", "init_critic"):
            if getattr(self, name):
                raise ValueError(f"--{name} starts one network, and CycleGAN has two of each; leave it out.")
        if self.bands is None:
            self.check_identity()

    def check_identity(self) -> None:
        """Raises ValueError where the identity loss would compare images of other channels."""
        counts = self.input_channels, self.output_channels
        if self.lambda_identity and any(self.cycle_weights) and counts[0] != counts[1]:
            raise ValueError(
                f"the identity loss compares images of {counts[0]} and {counts[1]} channels; give --lambda_identity 0."
            )


PRESETS = {name: Config(preset=name, **given) for name, given in presets.CYCLEGAN.items()}


def experiment(config: Config) -> Experiment:
    """The experiment that a configuration means."""
    pairs.require_dataroot(config, PRESETS)
    unpaired.require_unpacked(config, config.preset)
    train = unpaired.training(config, config.dataset_mode)
    arrays = bands.arrays(config, train, ("A", "B"))
    config = bands.counted(config, arrays)
    config.check_identity()
    tasks = unpaired.tasks(config, config.dataset_mode, arrays)
    if config.lr_policy == "plateau" and any(task.target is None for task in tasks.values()):
        raise ValueError("--lr_policy plateau watches scores, which images without counterparts lack; take linear.")
    channels = {"A": config.input_channels, "B": config.output_channels}
    generator_modules = {f"{a}to{b}": translators.generator_module(config, channels[b]) for a, b in ("AB", "BA")}
    critic = translators.critic_module(config)
    per_epoch = run.steps_per_epoch(config, len(train))
    forward, backward = config.cycle_weights
    method = cyclegan(
        *(translators.fresh(config, module) for module in (*generator_modules.values(), critic, critic)),
        generator_tx=flags.adam(config, per_epoch),
        critic_tx=config.critic_tx(flags.adam(config, per_epoch)),
        adversarial=config.adversarial,
        cycle_a_weight=forward,
        cycle_b_weight=backward,
        identity_weight=config.lambda_identity,
        pool_size=config.pool_size,
        penalty_weight=config.penalty_weight,
        ema_decay=config.ema_decay,
    )
    whole_batch = config.needs_whole_batch
    if config.pool_size and config.gan_mode != "none":
        whole_batch.append("image pools (--pool_size 0 turns them off)")
    return translators.experiment(
        config,
        "cyclegan",
        method,
        generators={name: (net, channels[name[0]]) for name, net in generator_modules.items()},
        critics={f"critic_{kind}": (critic, count) for kind, count in channels.items()},
        train=train,
        tasks=tasks,
        needs_whole_batch=whole_batch,
        arrays=arrays,
    )


RECIPE = Recipe(__doc__, Config, PRESETS, experiment, rows=pytorch_compat.TRAIN_CYCLEGAN)
build, main = RECIPE.build, RECIPE.main
