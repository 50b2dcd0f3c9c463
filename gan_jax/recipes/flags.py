"""The flags that every experiment has, in groups, and the optimizers that they ask for."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import optax
import tyro

from gan_jax import schedules
from gan_jax.data import transforms
from gan_jax.training import parallel
from gan_jax.training.config import RunConfig, Settings, require_at_least, require_finite
from gan_jax.values import read_range

__all__ = [
    "USUAL",
    "Config",
    "EpochConfig",
    "EpochFlags",
    "ExperimentFlags",
    "IterationConfig",
    "IterationFlags",
    "Preset",
    "RangeFlag",
    "SizeFlag",
    "adam",
    "rmsprop",
]
__dir__ = __all__.copy

# What --help of a training command shows; --help_all shows the rest too.
USUAL = {
    "batch_size",
    "checkpoints_dir",
    "clip",
    "conditional",
    "crop_size",
    "dataroot",
    "dataset_mode",
    "derive",
    "direction",
    "dry_run",
    "ema_decay",
    "gan_mode",
    "gt_size",
    "init_generator",
    "lambda_L1",
    "lambda_identity",
    "load_size",
    "lr",
    "n_critic",
    "n_epochs",
    "n_epochs_decay",
    "name",
    "netG",
    "no_flip",
    "preprocess",
    "print_freq",
    "save_latest_freq",
    "scale",
    "seed",
    "size",
    "stage",
    "total_iter",
    "val_freq",
    "vgg_file",
}
Preset = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET]")]


SizeFlag = Annotated[
    transforms.Size,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="N|HEIGHTxWIDTH",
        instance_from_str=lambda words: transforms.read_size(words[0]),
        is_instance=lambda value: isinstance(value, int | tuple),
        str_from_instance=lambda size: [transforms.shown(size)],
    ),
]


RangeFlag = Annotated[
    tuple[float, float] | None,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="LOW:HIGH",
        instance_from_str=lambda words: None if words == ["None"] else read_range(words[0]),
        is_instance=lambda value: value is None or (isinstance(value, tuple) and len(value) == 2),
        str_from_instance=lambda found: ["None" if found is None else f"{found[0]:.17g}:{found[1]:.17g}"],
    ),
]


@dataclasses.dataclass(frozen=True)
class ExperimentFlags(Settings):
    """The flags of training itself, which every experiment has."""

    lr: float = 2e-4
    """Learning rate of Adam."""
    beta1: float = 0.5
    """Adam's decay of the gradient's average."""
    ema_decay: float | None = None
    """Export a moving average of the generator with this decay, 0.999 for instance."""
    statistics_batch: int | None = None
    """Images that share batch norm statistics: the whole batch unless given; 1 is the paper's pix2pix."""

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise; every recipe has a preset."""
        return super().free_to_change(begun) | {"preset"}

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "statistics_batch", 1)
        require_finite(self, "lr")
        for name in ("beta1", "ema_decay"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise ValueError(f"--{name} is {getattr(self, name)}; wanted at least 0 and less than 1.")

    def check_statistics(self, batch_size: int) -> None:
        """Raises ValueError where a batch is not made of whole groups that share statistics."""
        if self.statistics_batch is not None and batch_size % self.statistics_batch:
            raise ValueError(
                f"--statistics_batch is {self.statistics_batch}; wanted a divisor of --batch_size {batch_size}."
            )


@dataclasses.dataclass(frozen=True)
class EpochFlags(Settings):
    """The flags of a run that counts epochs, as pytorch-CycleGAN-and-pix2pix does."""

    n_epochs: int = 100
    """Epochs at the full learning rate."""
    n_epochs_decay: int = 100
    """Epochs after those; with the linear policy the learning rate falls to zero in them."""
    lr_policy: schedules.Policy = "linear"
    """How the learning rate changes: plateau lowers it when validation no longer improves."""
    lr_decay_iters: int = 50
    """Epochs between the steps of the step policy."""
    save_epoch_freq: int | None = None
    """Keep the checkpoint and the generators of every so many epochs, beside the newest."""
    from_epoch: int | None = None
    """As from_step, by epoch."""

    def steps(self, steps_per_epoch: int) -> int:
        """Training steps of the whole run."""
        return steps_per_epoch * (self.n_epochs + self.n_epochs_decay)

    def keep_every(self, steps_per_epoch: int) -> int | None:
        """Steps between the checkpoints that stay beside the newest; None where none do."""
        return None if self.save_epoch_freq is None else self.save_epoch_freq * steps_per_epoch

    @property
    def obeys_validation(self) -> bool:
        """Whether the learning rate falls when validation no longer improves."""
        return self.lr_policy == "plateau"

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise; more epochs, where rates allow it."""
        free = super().free_to_change(begun) | {"from_epoch", "save_epoch_freq"}
        if begun["lr_policy"] == "plateau":
            free.remove("val_freq")  # it says when the rate may fall
        # Where the rate of an epoch does not depend on how many there are, their number says only where the run ends.
        length, longer = begun["n_epochs"] + begun["n_epochs_decay"], self.n_epochs + self.n_epochs_decay
        grows = schedules.grows(begun["lr_policy"], begun["n_epochs_decay"])
        if longer > length and grows and schedules.grows(self.lr_policy, self.n_epochs_decay):
            free |= {"n_epochs", "n_epochs_decay"}
        return free

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("n_epochs", "n_epochs_decay"):
            require_at_least(self, name, 0)
        for name in ("lr_decay_iters", "save_epoch_freq", "from_epoch"):
            require_at_least(self, name, 1)
        if self.n_epochs + self.n_epochs_decay == 0:
            raise ValueError("--n_epochs and --n_epochs_decay are both 0; wanted at least one epoch.")


@dataclasses.dataclass(frozen=True)
class IterationFlags(Settings):
    """The flags of a run that counts iterations, as BasicSR does."""

    total_iter: int = 100_000
    """Training steps of the whole run."""
    milestones: tuple[int, ...] = ()
    """Steps after which the learning rate is multiplied by gamma."""
    gamma: float = 0.5
    """Factor of the milestones."""
    periods: tuple[int, ...] = ()
    """Steps of the cosine's periods; the rate starts anew with each. None: no cosine."""
    eta_min: float = 1e-7
    """Learning rate at the end of a period."""
    save_checkpoint_freq: int | None = None
    """Keep the checkpoint and the generators of every so many steps, beside the newest."""

    def steps(self, steps_per_epoch: int) -> int:
        """Training steps of the whole run."""
        del steps_per_epoch
        return self.total_iter

    def keep_every(self, steps_per_epoch: int) -> int | None:
        """Steps between the checkpoints that stay beside the newest; None where none do."""
        del steps_per_epoch
        return self.save_checkpoint_freq

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise; more iterations among them."""
        free = super().free_to_change(begun) | {"save_checkpoint_freq"}
        return free | {"total_iter"} if self.total_iter > begun["total_iter"] else free

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("total_iter", "save_checkpoint_freq"):
            require_at_least(self, name, 1)
        if self.periods and self.milestones:
            raise ValueError("--periods and --milestones both say how the learning rate changes; give one of them.")
        if any(step < 1 for step in self.periods) or sorted(set(self.milestones)) != list(self.milestones):
            raise ValueError("--periods wants steps of at least 1, and --milestones steps that grow.")

    def check_factors(self, lr: float) -> None:
        """Raises ValueError where the learning rate would rise."""
        if not 0 < self.gamma <= 1 or not 0 <= self.eta_min < lr:
            raise ValueError(
                f"--gamma is {self.gamma} and --eta_min {self.eta_min}; wanted more than 0 up to 1, and less than --lr."
            )


@dataclasses.dataclass(frozen=True)
class EpochConfig(EpochFlags, ExperimentFlags, RunConfig):
    """A run of epochs: its groups of flags, and what they say together."""

    def schedule(self, steps_per_epoch: int) -> optax.Schedule:
        """The learning rate by step."""
        return schedules.learning_rate(
            self.lr_policy,
            lr=self.lr,
            n_epochs=self.n_epochs,
            n_epochs_decay=self.n_epochs_decay,
            step_epochs=self.lr_decay_iters,
            steps_per_epoch=steps_per_epoch,
        )

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        self.check_statistics(self.batch_size)
        if self.from_epoch is not None and self.from_step is not None:
            raise ValueError("--from_epoch and --from_step both say where to go on from; give one of them.")


@dataclasses.dataclass(frozen=True)
class IterationConfig(IterationFlags, ExperimentFlags, RunConfig):
    """A run of iterations: its groups of flags, and what they say together."""

    def schedule(self, steps_per_epoch: int) -> optax.Schedule:
        """The learning rate by step."""
        del steps_per_epoch
        if self.periods:
            return schedules.cosine_restarts(self.lr, self.eta_min, self.periods)
        return schedules.multi_step(self.lr, self.milestones, self.gamma)

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        self.check_statistics(self.batch_size)
        self.check_factors(self.lr)


Config = EpochConfig | IterationConfig  # that of every experiment


def adam(config: Config, steps_per_epoch: int, *, beta2: float = 0.999) -> optax.GradientTransformation:
    """Adam as the flags ask for it, for one network."""
    # XLA makes (m + g) / 2 of m / 2 + g / 2, and computes it twice, from a copy of m: on a CPU, Adam then takes 2.5
    # times as long. The next float is no half.
    beta1 = float(np.nextafter(np.float32(0.5), np.float32(1))) if config.beta1 == 0.5 else config.beta1
    tx = optax.adam(config.schedule(steps_per_epoch), b1=beta1, b2=beta2, eps=1e-8)
    return parallel.pmean_gradients(tx) if config.parallel == "pmap" else tx


def rmsprop(config: Config, steps_per_epoch: int) -> optax.GradientTransformation:
    """RMSProp at the rate that the flags ask for, as torch has it, for one network."""
    tx = optax.rmsprop(config.schedule(steps_per_epoch), decay=0.99, eps=1e-8, eps_in_sqrt=False)
    return parallel.pmean_gradients(tx) if config.parallel == "pmap" else tx
