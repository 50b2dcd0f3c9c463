"""A trace of some steps of a run: what the host and the devices do at each moment."""

import time
from pathlib import Path

import jax

from gan_jax.training.meter import Meter

__all__ = ["Profiled"]
__dir__ = __all__.copy

_WARM_UP = 2  # steps before the trace: the first holds the compilation


class Profiled:
    """A meter that has jax.profiler trace so many steps, a few after the start, and says where the trace is.

    It hears of a step when the next one runs: the trace also holds parts of the steps beside those that are asked for.
    """

    def __init__(self, meter: Meter, folder: str | Path, *, start: int, steps: int) -> None:
        self._meter, self._folder = meter, Path(folder)
        self._begin, self._end = start + _WARM_UP, start + _WARM_UP + 1 + steps
        self._step, self._running = start, False

    def __enter__(self) -> "Profiled":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running:
            self._write()
        elif self._step < self._begin:
            self._meter.say(f"no step was traced: the run ended before --profile begins, after step {self._begin}")

    def step(self, step: int, metrics: dict[str, float], waited: float) -> None:
        """Tells the meter, and begins or ends the trace."""
        self._meter.step(step, metrics, waited)
        self._step = step
        if step == self._begin:
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        elif step == self._end:
            self._write()

    def pause(self, seconds: float) -> None:
        """Tells the meter."""
        self._meter.pause(seconds)

    def _write(self) -> None:
        before = time.perf_counter()
        self._running = False
        try:
            jax.profiler.stop_trace()
        except jax.errors.JaxRuntimeError as error:
            problem = str(error).splitlines()[0]
            self._meter.say(f"the trace cannot be written to {self._folder} ({problem}); training goes on without it")
        else:
            traced = f"steps {self._begin + 2} to {self._step}"
            self._meter.say(f"a trace of {traced} is in {self._folder}; TensorBoard and ui.perfetto.dev show it")
        self._meter.pause(time.perf_counter() - before)
