"""The flags that every experiment has, and how a command line is read."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import optax
import tyro

from gan_jax import schedules
from gan_jax.data import transforms
from gan_jax.terminal import commandline
from gan_jax.training import parallel
from gan_jax.training.config import RunConfig, require_at_least, require_finite

__all__ = [
    "USUAL",
    "Config",
    "EpochConfig",
    "ImageConfig",
    "IterationConfig",
    "Preset",
    "SizeFlag",
    "adam",
    "rmsprop",
]
__dir__ = __all__.copy

# Beside the run's own: whether dataroot holds the same images is told by their fingerprint.
_FREE_TO_CHANGE = {
    "dataroot",
    "dataroot_lq",
    "from_epoch",
    "init_critic",
    "init_generator",
    "max_dataset_size",
    "preset",
    "save_checkpoint_freq",
    "save_epoch_freq",
    "tfds_dir",
    "vgg_file",
}

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


def _read_size(words: list[str]) -> transforms.Size:
    try:
        sides = [int(side) for side in words[0].lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise ValueError(f"got {words[0]}; wanted one whole number, or HEIGHTxWIDTH.")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


SizeFlag = Annotated[
    transforms.Size,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="N|HEIGHTxWIDTH",
        instance_from_str=_read_size,
        is_instance=lambda value: isinstance(value, int | tuple),
        str_from_instance=lambda size: [transforms.shown(size)],
    ),
]


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """The flags that every experiment has; an experiment's own configuration extends them."""

    dataroot: commandline.Place | None = None
    """Folder of training images, or builtin:embedded for the set that the program draws itself."""
    max_dataset_size: int | None = None
    """Use only so many images of each split."""
    lr: float = 2e-4
    """Learning rate of Adam."""
    beta1: float = 0.5
    """Adam's decay of the gradient's average."""
    ema_decay: float | None = None
    """Export a moving average of the generator with this decay, 0.999 for instance."""
    statistics_batch: int | None = None
    """Images that share batch norm statistics: the whole batch unless given; 1 is the paper's pix2pix."""

    def schedule(self, steps_per_epoch: int) -> optax.Schedule:
        """The learning rate by step."""
        raise NotImplementedError

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise."""
        return super().free_to_change(begun) | _FREE_TO_CHANGE

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("max_dataset_size", "statistics_batch"):
            if getattr(self, name) is not None:
                require_at_least(self, name, 1)
        require_finite(self, "lr")
        for name in ("beta1", "ema_decay"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise ValueError(f"--{name} is {getattr(self, name)}; wanted at least 0 and less than 1.")
        if self.statistics_batch is not None and self.batch_size % self.statistics_batch:
            raise ValueError(
                f"--statistics_batch is {self.statistics_batch}; wanted a divisor of --batch_size {self.batch_size}."
            )


@dataclasses.dataclass(frozen=True)
class EpochConfig(Config):
    """The flags of experiments that count epochs, as pytorch-CycleGAN-and-pix2pix does."""

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

    def keep_every(self, steps_per_epoch: int) -> int | None:
        """Steps between the checkpoints that stay beside the newest; None where none do."""
        return None if self.save_epoch_freq is None else self.save_epoch_freq * steps_per_epoch

    @property
    def obeys_validation(self) -> bool:
        """Whether the learning rate falls when validation no longer improves."""
        return self.lr_policy == "plateau"

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise; more epochs, where rates allow it."""
        free = super().free_to_change(begun)
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
        require_at_least(self, "lr_decay_iters", 1)
        for name in ("n_epochs", "n_epochs_decay"):
            require_at_least(self, name, 0)
        for name in ("save_epoch_freq", "from_epoch"):
            if getattr(self, name) is not None:
                require_at_least(self, name, 1)
        if self.from_epoch is not None and self.from_step is not None:
            raise ValueError("--from_epoch and --from_step both say where to go on from; give one of them.")
        if self.n_epochs + self.n_epochs_decay == 0:
            raise ValueError("--n_epochs and --n_epochs_decay are both 0; wanted at least one epoch.")


@dataclasses.dataclass(frozen=True)
class IterationConfig(Config):
    """The flags of experiments that count iterations, as BasicSR does."""

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

    def schedule(self, steps_per_epoch: int) -> optax.Schedule:
        """The learning rate by step."""
        del steps_per_epoch
        if self.periods:
            return schedules.cosine_restarts(self.lr, self.eta_min, self.periods)
        return schedules.multi_step(self.lr, self.milestones, self.gamma)

    def keep_every(self, steps_per_epoch: int) -> int | None:
        """Steps between the checkpoints that stay beside the newest; None where none do."""
        del steps_per_epoch
        return self.save_checkpoint_freq

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise; more iterations among them."""
        longer = self.total_iter > begun["total_iter"]
        return super().free_to_change(begun) | ({"total_iter"} if longer else set())

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "total_iter", 1)
        if self.save_checkpoint_freq is not None:
            require_at_least(self, "save_checkpoint_freq", 1)
        if self.periods and self.milestones:
            raise ValueError("--periods and --milestones both say how the learning rate changes; give one of them.")
        if any(step < 1 for step in self.periods) or sorted(set(self.milestones)) != list(self.milestones):
            raise ValueError("--periods wants steps of at least 1, and --milestones steps that grow.")
        if not 0 < self.gamma <= 1 or not 0 <= self.eta_min < self.lr:
            raise ValueError(
                f"--gamma is {self.gamma} and --eta_min {self.eta_min}; wanted more than 0 up to 1, and less than --lr."
            )


@dataclasses.dataclass(frozen=True)
class ImageConfig(EpochConfig):
    """The flags of image-to-image experiments: which images, and what is done to them before the networks."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which side of a pair is the input."""
    derive: transforms.Derive | None = None
    """Make the input from the photograph: dataroot then holds photographs alone."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """Resize to load_size (or scale to that width) and crop, only one of both, or neither."""
    load_size: SizeFlag = 286
    """Side that images are resized to before the crop, or the width that they are scaled to."""
    crop_size: SizeFlag = 256
    """Side of the training images."""
    no_flip: bool = False
    """Do not mirror training images at random."""
    input_nc: Literal[1, 3] | None = None
    """Channels of the input; 1 with --derive gray or edges, 3 otherwise."""
    output_nc: Literal[1, 3] = 3
    """Channels of the output."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "derive", transforms.spelled(self.derive))

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("load_size", "crop_size"):
            if min(transforms.height_width(getattr(self, name))) < 1:
                raise ValueError(f"--{name} is {transforms.shown(getattr(self, name))}; wanted at least 1.")


def adam(config: Config, steps_per_epoch: int, *, beta2: float = 0.999) -> optax.GradientTransformation:
    """Adam as the flags ask for it, for one network."""
    tx = optax.adam(config.schedule(steps_per_epoch), b1=config.beta1, b2=beta2, eps=1e-8)
    return parallel.pmean_gradients(tx) if config.parallel == "pmap" else tx


def rmsprop(config: Config, steps_per_epoch: int) -> optax.GradientTransformation:
    """RMSProp at the rate that the flags ask for, as torch has it, for one network."""
    tx = optax.rmsprop(config.schedule(steps_per_epoch), decay=0.99, eps=1e-8, eps_in_sqrt=False)
    return parallel.pmean_gradients(tx) if config.parallel == "pmap" else tx
