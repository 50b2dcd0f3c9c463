"""Validation while a run trains: scores and samples at intervals, the best generators so far, the plateau rule."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax import evaluate, model, schedules
from gan_jax.data import image_files
from gan_jax.folders import RunFolder
from gan_jax.log import Log
from gan_jax.method import State, scale_rates
from gan_jax.training import export, processes
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment
from gan_jax.training.meter import Meter

__all__ = ["Validation"]
__dir__ = __all__.copy


class Validation:
    """Scores and samples at intervals, the best generators so far, and the plateau rule."""

    def __init__(
        self,
        config: RunConfig,
        experiment: Experiment,
        log: Log,
        meter: Meter,
        before: Mapping[str, Any],
        *,
        begin: int,
    ) -> None:
        self._config, self._experiment, self._log, self._meter = config, experiment, log, meter
        self._lowest: float | None = before.get("lowest_loss")
        self._plateau = schedules.Plateau(*before.get("plateau", ()))
        for name, image in experiment.evaluator.references().items():
            self._save(name, image)
            log.picture(f"samples/{name}", begin, image)

    @property
    def extra(self) -> dict[str, Any]:
        """What a checkpoint must know of earlier validations."""
        return {"lowest_loss": self._lowest, "plateau": list(self._plateau)}

    def __call__(self, step: int, state: State) -> State | None:
        """Scores and shows the generators of a state; returns the one with lower rates where those are to fall."""
        generators = export.generators(self._experiment, state, step)
        scores, image = self._experiment.evaluator.validate(generators)
        self._save(f"step_{step:08d}", image)
        self._log.picture("samples/output", step, image)
        row = {name: evaluate.json_number(value) for name, value in scores.items()}
        words = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self._meter.log("validation", step, row, f" validation: {words or 'samples'}")
        loss = self._experiment.evaluator.selection_loss(scores)
        if loss is None:
            return None
        if self._lowest is None or loss < self._lowest:
            self._lowest = loss
            if processes.first():
                for name, path in export.files(self._config, self._experiment, best=True).items():
                    model.save(path, generators[name])
        # Not after the last step too, so that a run that goes on past it is the run that had more epochs.
        if not self._config.obeys_validation or step % self._config.val_freq:
            return None
        self._plateau, falls = self._plateau.after(loss)
        if not falls:
            return None
        self._meter.say(f"step {step}: validation no longer improves; learning rates x {schedules.PLATEAU_FACTOR}")
        return scale_rates(state, schedules.PLATEAU_FACTOR)

    def _save(self, name: str, image: np.ndarray) -> None:
        if processes.first():
            image_files.save(RunFolder(self._config.folder).samples / f"{name}.png", image)
