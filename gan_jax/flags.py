"""The flags that every experiment has, how a command line is read, and the schedules that flags name."""

import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import optax
import tyro

Preset = Annotated[str | None, tyro.conf.Positional]


@dataclasses.dataclass(frozen=True)
class Config:
    """The flags that every experiment has; an experiment's own configuration extends them."""

    dataroot: str | None = None
    """Folder of training pictures, or "embedded" for the set that the program draws itself."""
    name: str = "experiment_name"
    """Name of the run: its folder under checkpoints_dir, and its generator file."""
    checkpoints_dir: Path = Path("checkpoints")
    """Where the folders of runs are."""
    batch_size: int = 1
    """Images a step, over all devices together."""
    n_epochs: int = 100
    """Epochs at the full learning rate."""
    n_epochs_decay: int = 100
    """Epochs after those, in which the learning rate falls linearly to zero."""
    lr: float = 2e-4
    """Learning rate of Adam."""
    beta1: float = 0.5
    """Adam's decay of the gradient's average."""
    seed: int = 0
    """Chooses the initial weights, the order of the data, the jitter and the dropout."""
    print_freq: int = 100
    """Steps between lines of the log."""
    val_freq: int = 1000
    """Steps between validations, each with samples of the fixed batch."""
    save_latest_freq: int = 5000
    """Steps between checkpoints."""
    num_threads: int = 4
    """Threads that read and decode pictures."""
    dry_run: bool = False
    """Show the resolved recipe, shapes, parameter counts and memory, run one step, write nothing."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.checkpoints_dir / self.name


@dataclasses.dataclass(frozen=True)
class ImageConfig(Config):
    """The flags of image-to-image experiments: which pictures, and what is done to them before the networks."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which side of a pair is the input."""
    derive: Literal["grey", "edges"] | None = None
    """Make the input from the photograph: dataroot then holds photographs alone."""
    preprocess: Literal["resize_and_crop", "crop"] = "resize_and_crop"
    """Resize to load_size and crop, or crop at the pictures' own scale."""
    load_size: int = 286
    """Side that pictures are resized to before the crop."""
    crop_size: int = 256
    """Side of the training pictures."""
    no_flip: bool = False
    """Do not mirror training pictures at random."""
    input_nc: Literal[1, 3] | None = None
    """Channels of the input; 1 with --derive, 3 otherwise."""
    output_nc: Literal[1, 3] = 3
    """Channels of the output."""


def parse(default: Callable[[str | None], Any], arguments: list[str] | None, description: str) -> Any:
    """The configuration that a command line means: flags and an optional preset in any order.

    `default(preset)` is the configuration that flags are laid over; its class has a positional `preset`.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = (tyro.conf.FlagCreatePairsOff,)

    def read(config: Any) -> Any:
        return tyro.cli(
            type(config),
            args=arguments,
            default=config,
            description=description,
            config=options,
            use_underscores=True,
        )

    # The first reading only tells the preset; the second lays the flags over what the preset says.
    config = read(default(read(default(None)).preset))
    check(config)
    return config


def check(config: Config) -> None:
    """Raises ValueError where a flag that all experiments have holds what no run can have."""
    for name in ("batch_size", "print_freq", "val_freq", "save_latest_freq", "num_threads"):
        require_at_least(config, name, 1)
    if isinstance(config, ImageConfig):
        require_at_least(config, "load_size", 1)
        require_at_least(config, "crop_size", 1)
    for name in ("n_epochs", "n_epochs_decay", "seed"):
        require_at_least(config, name, 0)
    if config.seed >= 2**32:
        raise ValueError(f"--seed is {config.seed}; wanted less than 2**32.")
    if config.n_epochs + config.n_epochs_decay == 0:
        raise ValueError("--n_epochs and --n_epochs_decay are both 0; wanted at least one epoch.")
    if not 0 < config.lr < math.inf:
        raise ValueError(f"--lr is {config.lr}; wanted a finite number above 0.")
    if not 0 <= config.beta1 < 1:
        raise ValueError(f"--beta1 is {config.beta1}; wanted at least 0 and less than 1.")
    if config.name in ("", ".", "..") or Path(config.name).name != config.name or config.name.endswith("_best"):
        raise ValueError(
            f"--name is {config.name!r}; wanted the name of one folder, without separators and not ending in _best."
        )


def require_at_least(config: Config, name: str, least: int) -> None:
    """Raises ValueError where the flag `name` is less than `least`."""
    if getattr(config, name) < least:
        raise ValueError(f"--{name} is {getattr(config, name)}; wanted at least {least}.")


def linear_schedule(config: Config, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate by step: constant for n_epochs, then falling linearly over n_epochs_decay.

    It changes once an epoch, to lr (1 - max(0, e + 1 - n_epochs) / (n_epochs_decay + 1)) in epoch e from 0 on, as in
    pytorch-CycleGAN-and-pix2pix.
    """

    def schedule(count: jax.Array) -> jax.Array:
        epoch = count // steps_per_epoch
        past = jax.numpy.maximum(0, epoch + 1 - config.n_epochs)
        return config.lr * (1.0 - past / (config.n_epochs_decay + 1))

    return schedule
