"""The flags that every experiment has, and how a command line is read."""

import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import optax
import tyro

from gan_jax import generator, incumbent, parallel, schedules
from gan_jax.data import transforms

Preset = Annotated[str | None, tyro.conf.Positional]


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
    """Epochs after those; with the linear policy the learning rate falls to zero in them."""
    lr: float = 2e-4
    """Learning rate of Adam."""
    lr_policy: schedules.Policy = "linear"
    """How the learning rate changes: plateau lowers it when validation no longer improves."""
    lr_decay_iters: int = 50
    """Epochs between the steps of the step policy."""
    beta1: float = 0.5
    """Adam's decay of the gradient's average."""
    ema_decay: float | None = None
    """Export a moving average of the generator with this decay, 0.999 for instance."""
    statistics_batch: int | None = None
    """Images that share batch norm statistics: the whole batch unless given; 1 is the paper's pix2pix."""
    parallel: Literal["jit", "pmap"] = "jit"
    """jit: one program for the global batch. pmap: one replica a device; needs statistics_batch with batch norm."""
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
    max_dataset_size: int | None = None
    """Use only so many pictures of each split."""
    serial_batches: bool = False
    """Take training pictures in the order of their names, not shuffled."""
    dry_run: bool = False
    """Show the resolved recipe, shapes, parameter counts and memory, run one step, write nothing."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.checkpoints_dir / self.name

    def steps(self, steps_per_epoch: int) -> int:
        """Training steps of the whole run."""
        return steps_per_epoch * (self.n_epochs + self.n_epochs_decay)

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        for name in ("batch_size", "print_freq", "val_freq", "save_latest_freq", "num_threads", "lr_decay_iters"):
            require_at_least(self, name, 1)
        for name in ("max_dataset_size", "statistics_batch"):
            if getattr(self, name) is not None:
                require_at_least(self, name, 1)
        for name in ("n_epochs", "n_epochs_decay", "seed"):
            require_at_least(self, name, 0)
        if self.seed >= 2**32:
            raise ValueError(f"--seed is {self.seed}; wanted less than 2**32.")
        if self.n_epochs + self.n_epochs_decay == 0:
            raise ValueError("--n_epochs and --n_epochs_decay are both 0; wanted at least one epoch.")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"--lr is {self.lr}; wanted a finite number above 0.")
        for name in ("beta1", "ema_decay"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise ValueError(f"--{name} is {getattr(self, name)}; wanted at least 0 and less than 1.")
        if self.statistics_batch is not None and self.batch_size % self.statistics_batch:
            raise ValueError(
                f"--statistics_batch is {self.statistics_batch}; wanted a divisor of --batch_size {self.batch_size}."
            )
        if self.name in ("", ".", "..") or Path(self.name).name != self.name or self.name.endswith(generator.BESIDE):
            raise ValueError(
                f"--name is {self.name!r}; wanted the name of one folder, without separators and not ending in "
                f"{' or '.join(generator.BESIDE)}."
            )


@dataclasses.dataclass(frozen=True)
class ImageConfig(Config):
    """The flags of image-to-image experiments: which pictures, and what is done to them before the networks."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which side of a pair is the input."""
    derive: transforms.Derive | None = None
    """Make the input from the photograph: dataroot then holds photographs alone."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """Resize to load_size (or scale to that width) and crop, only one of both, or neither."""
    load_size: SizeFlag = 286
    """Side that pictures are resized to before the crop, or the width that they are scaled to."""
    crop_size: SizeFlag = 256
    """Side of the training pictures."""
    no_flip: bool = False
    """Do not mirror training pictures at random."""
    input_nc: Literal[1, 3] | None = None
    """Channels of the input; 1 with --derive grey or edges, 3 otherwise."""
    output_nc: Literal[1, 3] = 3
    """Channels of the output."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("load_size", "crop_size"):
            if min(transforms.height_width(getattr(self, name))) < 1:
                raise ValueError(f"--{name} is {transforms.shown(getattr(self, name))}; wanted at least 1.")


def parse(
    default: Callable[[str | None], Any],
    arguments: list[str] | None,
    description: str,
    rows: tuple[incumbent.Row, ...] = incumbent.TRAIN,
) -> Any:
    """The configuration that a command line means: flags and an optional preset in any order.

    `default(preset)` is the configuration that flags are laid over; its class has a positional `preset`. The flags
    of pytorch-CycleGAN-and-pix2pix are understood too, as `rows` say; what becomes of those that have no counterpart
    is printed.
    """
    arguments, lines = incumbent.read(sys.argv[1:] if arguments is None else arguments, rows)
    options = (tyro.conf.FlagCreatePairsOff,)

    def read(config: Any) -> Any:
        # A switch that a preset has turned on already may be given again.
        on = {f"--{field.name}" for field in dataclasses.fields(config) if getattr(config, field.name) is True}
        return tyro.cli(
            type(config),
            args=[argument for argument in arguments if argument.replace("-", "_").replace("__", "--", 1) not in on],
            default=config,
            description=description,
            config=options,
            use_underscores=True,
        )

    # The first reading only tells the preset; the second lays the flags over what the preset says.
    config = read(default(read(default(None)).preset))
    config.check()
    print(*lines, sep="\n", end="\n" if lines else "")
    return config


def require_at_least(config: Config, name: str, least: int) -> None:
    """Raises ValueError where the flag `name` is less than `least`."""
    if getattr(config, name) < least:
        raise ValueError(f"--{name} is {getattr(config, name)}; wanted at least {least}.")


def schedule(config: Config, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate by step that the flags ask for."""
    return schedules.learning_rate(
        config.lr_policy,
        lr=config.lr,
        n_epochs=config.n_epochs,
        n_epochs_decay=config.n_epochs_decay,
        step_epochs=config.lr_decay_iters,
        steps_per_epoch=steps_per_epoch,
    )


def adam(config: Config, steps_per_epoch: int) -> optax.GradientTransformation:
    """Adam as the flags ask for it, for one network."""
    tx = optax.adam(schedule(config, steps_per_epoch), b1=config.beta1, b2=0.999, eps=1e-8)
    return parallel.averaged(tx) if config.parallel == "pmap" else tx
