"""The folders that commands make: a run's, or one of several runs; and what a run keeps beside its newest state."""

import json
import os
from pathlib import Path
from typing import Any, Literal

from gan_jax import errors

__all__ = ["MODEL_TYPE", "RunFolder", "is_comparison", "is_export", "is_run", "kept", "kept_at", "last", "runs"]
__dir__ = __all__.copy

MODEL_TYPE = "gan_jax"  # of the config.json of an exported model, as Hugging Face calls it
_DEPTH = 3  # checkpoints/upscale/super_resolution/srgan


class RunFolder:
    """The names of a run's files. Nothing is read or made."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.log = self.path / "log.jsonl"
        self.samples = self.path / "samples"
        self.checkpoints = self.path / "checkpoints"
        self.kept = self.path / "kept"  # a folder of generators for each step that it keeps for ever
        self.recent = self.path / "recent"  # the same of the newest, which go when newer ones come
        self.lock = self.path / ".lock"  # there while the run is trained, and after a kill
        self.results = self.path / "results"
        self.profile = self.path / "profile"  # traces of steps
        self.report = self.path / "report.html"
        self.tensorboard = self.path / "tensorboard"
        self.wandb_id = self.path / "wandb" / "id"  # by which Weights & Biases knows the run

    def decoded(self, process: int) -> Path:
        """The folder of training images that a process has decoded, while the run is trained."""
        return self.path / f".decoded-{process}"

    def model(self, network: str = "", *, best: bool = False) -> Path:
        """The file of the only generator, or of the generator or critic of that name; the last one, or the best."""
        return self.path / f"{self.path.name}{network and '_'}{network}{'_best' if best else ''}.safetensors"


def is_run(folder: str | Path) -> bool:
    """Whether a folder is that of one run: it has a config.json, and is no exported model."""
    # Path.is_file raises where the folder may not be read.
    return os.path.isfile(RunFolder(folder).config) and not is_export(folder)


def is_export(folder: str | Path) -> bool:
    """Whether a folder is a model that was exported as Hugging Face has them."""
    return _config(Path(folder)).get("model_type") == MODEL_TYPE


def is_comparison(run: str | Path) -> bool:
    """Whether what has a config.json compares methods and saves none of them, as `wgan ring` does."""
    run = Path(run)
    config = _config(run)
    return "recipe" in config and "steps" not in config and not any(run.glob("*.safetensors"))


def runs(folder: str | Path) -> list[Path]:
    """The runs of a folder, in the order of their paths: itself where it is one, else all that are below it."""
    folder = Path(folder)
    if is_run(folder):
        return [folder]
    folders = []
    for parent, children, _ in os.walk(folder):
        below = [Path(parent, child) for child in children]
        folders += [child for child in below if is_run(child)]
        deepest = len(Path(parent).relative_to(folder).parts) + 1 == _DEPTH
        children[:] = [] if deepest else [child.name for child in below if not is_run(child)]
    return sorted(folders)


def last(folder: str | Path) -> Path:
    """The run that a folder stands for: itself, or of those below it the one that no other started from.

    Without runs below it is the folder itself. Raises ValueError where several of them are the last of their kind.
    """
    folder = Path(folder)
    if is_run(folder):
        return folder
    trained = [run for run in runs(folder) if not is_comparison(run)]
    ends = [run for run in trained if not any(_follows(other, run) for other in trained)]
    if trained and len(ends) != 1:
        shown = [run.relative_to(folder).as_posix() for run in trained]
        words = ", ".join(errors.few(shown)).rstrip(".")
        raise ValueError(f"{folder} holds several runs ({words}); name the folder of one.")
    return ends[0] if ends else folder


def _follows(run: Path, other: Path) -> bool:
    """Whether a run started from the generator of the other."""
    recipe = _config(run).get("recipe", {})
    start = recipe.get("init_generator")
    if run == other or not isinstance(start, str):
        return False
    # Where it was then; and beside the run, wherever both were moved to.
    beside = run.parent / os.path.relpath(start, recipe.get("checkpoints_dir", "."))
    here = Path(os.path.abspath(other))
    starts = [Path(os.path.abspath(path)) for path in (start, beside)]
    return any(start.is_relative_to(here) or here.is_relative_to(start) for start in starts)


def _config(run: Path) -> dict[str, Any]:
    """What a config.json says; nothing where it is damaged."""
    try:
        config = json.loads(RunFolder(run).config.read_bytes())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) and isinstance(config.get("recipe", {}), dict) else {}


def kept(run: str | Path) -> list[int]:
    """The steps whose generators a run keeps, beside its last and its best."""
    places = RunFolder(run).kept, RunFolder(run).recent
    return sorted({int(path.name) for place in places for path in place.glob("*") if path.name.isdigit()})


def kept_at(run: str | Path, number: int, *, unit: Literal["step", "epoch"] = "step", steps: int = 1) -> Path:
    """The folder of the generators that a run keeps of a step, or of an epoch of so many `steps`.

    Raises FileNotFoundError where it keeps none.
    """
    for place in (RunFolder(run).kept, RunFolder(run).recent):
        folder = place / str(number * steps)
        if folder.is_dir():
            return folder
    there = ", ".join(str(step // steps) for step in kept(run) if step % steps == 0)
    instead = (
        f"it keeps those of {unit} {there}: give one of them"
        if there
        else "a run keeps what --keep, --save_epoch_freq or --save_checkpoint_freq asks for while it trains"
    )
    raise FileNotFoundError(f"{run} keeps no generator of {unit} {number}; {instead}.")
