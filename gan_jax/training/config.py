"""What a run is told: where its folder is, how many images a step has, and when it says and saves something."""

import dataclasses
import datetime
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gan_jax import files, model
from gan_jax.compile_cache import AUTO
from gan_jax.training import joining, loggers

__all__ = ["RunConfig", "Settings", "require_at_least", "require_finite"]
__dir__ = __all__.copy

# What decides what a run says, where it is and when it saves, but not what it computes.
_FREE_TO_CHANGE = {
    "cache",
    "cache_gib",
    "checkpoints_dir",
    "compile_cache",
    "dry_run",
    "from_step",
    "keep",
    "logger",
    "num_threads",
    "print_freq",
    "profile",
    "remat",
    "save_latest_freq",
    "stop_signal",
    "topology",
    "val_freq",
    *joining.FLAGS,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one subject, which check themselves. Groups of them are bases side by side of what has them all.

    A group derives from this class alone: fields that it inherited would overrule those of its neighbors. What two
    groups say only together is checked by what has both.
    """

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Settings in which a run that was `begun` with those may go on otherwise; with those of its neighbors."""
        del begun
        return set()

    def check(self) -> None:
        """Raises ValueError for what no run can have; a group calls that of its neighbors with super()."""


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """A run's settings. Those of an experiment extend them, and all its fields are what config.json calls its recipe.

    A subclass says how many `steps` there are and which it keeps.
    """

    name: str = "experiment_name"
    """Name of the run: its folder under checkpoints_dir, and its generator file."""
    checkpoints_dir: Path = Path("checkpoints")
    """Where the folders of runs are."""
    batch_size: int = 1
    """Images a step, over all devices together."""
    parallel: Literal["jit", "pmap"] = "jit"
    """jit: one program for the global batch. pmap: one replica a device; needs statistics_batch with batch norm."""
    accumulate: int = 1
    """Compute a batch's gradients in so many parts, one after another, in the memory of one; what looks at the batch as
    a whole cannot, and batch norm wants statistics_batch."""
    remat: bool = False
    """Compute each network's pass again where its gradient is due, which takes less memory and more time."""
    seed: int = 0
    """Chooses the initial weights, the order of the data, the jitter and the dropout."""
    print_freq: int = 100
    """Steps between lines of the log."""
    logger: Literal["tensorboard", "wandb"] | None = None
    """Log to TensorBoard's files in the run's folder, or to Weights & Biases, too; each wants the extra of its name."""
    val_freq: int = 1000
    """Steps between validations, each with samples of the fixed batch."""
    save_latest_freq: int | str = 5000
    """Steps between checkpoints, or minutes: 10m. --save_every is another name of it."""
    keep: int | None = None
    """Keep so many of the newest checkpoints, each with its generators, as --step and --from_step name them; two, and
    the last generators, unless given."""
    from_step: int | None = None
    """Go back to this step first, one that the run keeps; what is newer is deleted. Given again, it goes on."""
    num_threads: int = 4
    """Threads that read and decode images."""
    cache: Literal["none", "ram", "disk"] = "none"
    """Keep decoded training images for the next epoch, in memory or in the run's folder, as many as cache_gib holds."""
    cache_gib: float = 4.0
    """GiB that the cache may take, of each process."""
    crops_per_image: int = 1
    """Steps in which a decoded training image is used, each with a crop of its own; a batch's images stay in memory."""
    serial_batches: bool = False
    """Take training images in the order of their names, not shuffled."""
    stop_signal: Literal["USR1", "USR2"] | None = None
    """One more signal that saves and stops the run, as Ctrl-C, SIGTERM and a closed terminal do: USR1 is what Slurm
    sends with --signal=USR1@90."""
    compile_cache: str = AUTO
    """Folder that keeps compiled programs for the next start; auto: one in the user's cache folder, none: no folder."""
    profile: int | None = None
    """Trace so many steps by jax.profiler, a few after the start; TensorBoard and ui.perfetto.dev show what is in the
    run's folder `profile`."""
    coordinator: str | None = None
    """HOST:PORT of process 0, of several processes that train as one run; where a cluster says it, it is not given."""
    num_processes: int | None = None
    """With coordinator: how many processes there are."""
    process_id: int | None = None
    """With coordinator: which of them this is, from 0 on."""
    coordinator_timeout: int = 300
    """Seconds in which all processes must have been started."""
    dry_run: bool = False
    """Show the resolved recipe, shapes, parameter counts and memory, run one step, write nothing."""
    topology: str | None = None
    """With --dry_run: TPU chips or GPUs that are not here, v5e:16x16 or a100:1 for instance. The step is compiled for
    them, not run, and what it asks of each is shown; needs the extra tpu-compile or gpu-compile."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.checkpoints_dir / self.name

    @property
    def images_per_step(self) -> int:
        """Training images that a step takes: a batch, or several where a step has inner ones."""
        return self.batch_size

    @property
    def save_every(self) -> int | datetime.timedelta:
        """Steps or time between checkpoints. Raises ValueError where the setting is neither."""
        if isinstance(self.save_latest_freq, int):
            require_at_least(self, "save_latest_freq", 1)
            return self.save_latest_freq
        if not (minutes := re.fullmatch(r"([0-9]*\.?[0-9]+)m", self.save_latest_freq)) or not float(minutes[1]):
            raise ValueError(
                f"--save_latest_freq is {self.save_latest_freq}; wanted a number of steps, or minutes as in 10m."
            )
        return datetime.timedelta(minutes=float(minutes[1]))

    def steps(self, steps_per_epoch: int) -> int:
        """Training steps of the whole run."""
        raise NotImplementedError

    def keep_every(self, steps_per_epoch: int) -> int | None:
        """Steps between the checkpoints that stay beside the newest; None where none do."""
        raise NotImplementedError

    @property
    def obeys_validation(self) -> bool:
        """Whether the learning rate falls when validation no longer improves."""
        return False

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Settings in which a run that was `begun` with those may go on otherwise."""
        return super().free_to_change(begun) | _FREE_TO_CHANGE

    def check(self) -> None:
        """Raises ValueError for what no run can have."""
        super().check()
        for name in (
            "batch_size",
            "accumulate",
            "print_freq",
            "val_freq",
            "num_threads",
            "crops_per_image",
            "from_step",
            "profile",
            "coordinator_timeout",
        ):
            require_at_least(self, name, 1)
        if self.accumulate > 1 and self.parallel == "pmap":
            raise ValueError("--accumulate wants --parallel jit; leave one of them out.")
        _ = self.save_every  # which raises
        require_at_least(self, "keep", 2)  # one is whole while the next replaces the other
        require_at_least(self, "seed", 0)
        require_finite(self, "cache_gib")
        loggers.require(self.logger)
        if self.topology is not None and not self.dry_run:
            raise ValueError(f"--topology {self.topology} is of chips that are not here; give --dry_run with it.")
        if self.seed >= 2**32:
            raise ValueError(f"--seed is {self.seed}; wanted less than 2**32.")
        longest = f"{self.name}_AtoB_best.safetensors"
        try:
            files.require_possible(self.folder / longest)
        except ValueError as error:
            raise ValueError(f"--checkpoints_dir or --name: {error}") from None
        if self.name in ("", ".", "..") or Path(self.name).name != self.name or self.name.endswith(model.BESIDE):
            raise ValueError(
                f"--name is {self.name!r}; wanted the name of one folder, without separators and not ending in "
                f"{' or '.join(model.BESIDE)}."
            )


def require_at_least(config: Settings, name: str, least: int) -> None:
    """Raises ValueError where the setting `name` is less than `least`; None is a setting that is not given."""
    value = getattr(config, name)
    if value is not None and value < least:
        raise ValueError(f"--{name} is {value}; wanted at least {least}.")


def require_finite(config: Settings, *names: str, zero: bool = False) -> None:
    """Raises ValueError where a setting of `names` is not finite, or not above 0; with `zero` it may be 0."""
    for name in names:
        value = getattr(config, name)
        if not (value >= 0 if zero else value > 0) or value == math.inf:
            least = "of at least 0" if zero else "above 0"
            raise ValueError(f"--{name} is {value}; wanted a finite number {least}.")
