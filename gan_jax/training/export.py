"""What a run leaves of a state: its generators and critics, the last ones and those that it keeps."""

import dataclasses
import shutil
from pathlib import Path

from gan_jax import folders, model
from gan_jax.folders import RunFolder
from gan_jax.method import State
from gan_jax.model import Model
from gan_jax.training import parallel
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment

__all__ = ["files", "generators", "keep", "thin_out", "write"]
__dir__ = __all__.copy


def generators(experiment: Experiment, state: State, step: int) -> dict[str, Model]:
    """What a state after so many steps would leave as generators, by name."""
    return _networks(experiment, state, step, "generator")


def _networks(experiment: Experiment, state: State, step: int, kind: str) -> dict[str, Model]:
    """The networks of a kind, as files hold them."""
    nets = experiment.method.networks(parallel.local(state))
    return {
        name: Model(dataclasses.replace(spec, step=step), nets[name].variables)
        for name, spec in experiment.specs.items()
        if spec.kind == kind
    }


def files(config: RunConfig, experiment: Experiment, *, best: bool = False) -> dict[str, Path]:
    """Where each generator is written."""
    names = [name for name, spec in experiment.specs.items() if spec.kind == "generator"]
    run = RunFolder(config.folder)
    return {name: run.model(name if len(names) > 1 else "", best=best) for name in names}


def write(folder: str | Path, config: RunConfig, experiment: Experiment, state: State, step: int) -> None:
    """Writes the generators of a state and its critics, which `--init_critic` takes."""
    models = generators(experiment, state, step)
    for name, path in files(config, experiment).items():
        model.save(Path(folder) / path.name, models[name])
    for name, critic in _networks(experiment, state, step, "critic").items():
        model.save(Path(folder) / RunFolder(config.folder).model(name).name, critic)


def keep(folder: str | Path, config: RunConfig, experiment: Experiment, state: State) -> None:
    """Writes a folder with all that the run's holds of generators and critics after a step, whole or not at all."""
    folder = Path(folder)
    unfinished = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write(unfinished, config, experiment, state, int(state.step))
    for best in files(config, experiment, best=True).values():
        # One that a kill left behind may be of a later step.
        if best.exists() and model.load(best).spec.step <= int(state.step):
            shutil.copy(best, unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def thin_out(run: RunFolder, newest: int | None) -> None:
    """Deletes what a run holds of generators of recent steps that are not among its `newest`; all of them for None."""
    stay = () if newest is None else folders.kept(run.path)[-newest:]
    for path in run.recent.glob("*"):
        if not path.name.isdigit() or int(path.name) not in stay:
            shutil.rmtree(path)
