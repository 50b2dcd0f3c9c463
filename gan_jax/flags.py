"""The flags that every experiment has, how a command line is read, and the schedules that flags name."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

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
    return read(default(read(default(None)).preset))


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
