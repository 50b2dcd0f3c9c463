"""What a run says while it trains: a bar on a terminal or in a notebook, lines everywhere, and rows of its log."""

import io
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gan_jax.log import Log
from gan_jax.terminal import console
from gan_jax.training.diagnostics import Monitor

__all__ = ["Meter"]
__dir__ = __all__.copy

_INTERVAL = 0.5  # seconds between a notebook's bars
_WAITING, _FEWEST_STEPS = 0.3, 20  # the share of the time from which waiting for data is said; steps that tell it


class Meter:
    """Averages what the steps report, logs and shows it every `print_freq` steps, and warns of what `monitor` hears.

    Where much of the time goes into waiting for data, what `on_waiting` makes of its share is said once, as a warning.
    """

    def __init__(
        self,
        log: Log,
        *,
        start: int,
        steps: int,
        steps_per_epoch: int,
        batch_size: int,
        print_freq: int,
        monitor: Monitor,
        on_waiting: Callable[[float], str],
    ) -> None:
        self._log, self._steps, self._steps_per_epoch = log, steps, steps_per_epoch
        self._batch_size, self._print_freq, self._on_waiting = batch_size, print_freq, on_waiting
        self._monitor = monitor
        self._sums: dict[str, float] = {}
        self._count, self._timed, self._waited, self._paused = 0, 0, 0.0, 0.0
        self._paused_in_all = 0.0
        # Both begin with the end of the first step: it holds the compilation.
        self._entered = time.perf_counter()
        self._since: float | None = None
        self._first: tuple[int, float] | None = None
        self._last = start
        self._warned, self._window = False, (0, 0.0, 0.0)  # steps, seconds that they waited and seconds in all
        notebook = Console().is_jupyter
        # A notebook's kernel asks for colors by FORCE_COLOR; a bar's codes of the cursor would be garbage there.
        plain = {"force_jupyter": False, "force_terminal": False} if notebook else {}
        self._console = Console(file=sys.stdout, **plain)  # type: ignore[arg-type]
        self._bar = Progress(
            TextColumn("{task.completed}/{task.total}{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            TextColumn("epoch {task.fields[epoch]:.2f}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(" compiling", total=steps, completed=start, epoch=start / steps_per_epoch)
        self._cell = _Cell(self._bar) if notebook else None

    def __enter__(self) -> "Meter":
        self._bar.start()
        self._entered = time.perf_counter()
        if self._last < self._steps:
            self.say("compiling the training step, which takes 10 to 60 seconds, and more for large networks")
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            if self._count:
                self._flush(self._last)
            if self._first is not None and self._paused_in_all:
                share = self._paused_in_all / (time.perf_counter() - self._first[1])
                self.say(f"validation and saving took {share:.0%} of the time since step {self._first[0]}")
        finally:
            self._bar.stop()
            if self._cell is not None:
                self._cell.show()

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def log(self, kind: str, step: int, values: dict[str, Any], words: str | None = None) -> None:
        """Logs a row, says it in words, and warns of what has come true with it."""
        self._log.write(kind, step, values)
        if words is not None:
            self.say(f"step {step}{words}")
        for finding in self._monitor.hear(kind, step, values):
            self._warn(step, finding.text, rule=finding.rule)

    def _warn(self, step: int, text: str, **more: str) -> None:
        self._log.write("warning", step, {**more, "text": text})
        self.say(f"step {step} warning: {text}")

    def pause(self, seconds: float) -> None:
        """Takes time that was not training out of the throughput."""
        self._paused += seconds
        self._paused_in_all += seconds

    def step(self, step: int, metrics: dict[str, float], waited: float) -> None:
        """Takes one step's metrics and the seconds that it waited for its batch."""
        self._count, self._last = self._count + 1, step
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self._since is None:
            self._since = time.perf_counter()
            self._first = (step, self._since)
            self._bar.update(self._task, description="")
            self.say(f"step {step} is done after {self._since - self._entered:.0f} s, with what was compiled for it")
        else:
            self._timed += 1
            self._waited += waited
        self._bar.update(self._task, completed=step, epoch=step / self._steps_per_epoch)
        if self._cell is not None and time.perf_counter() - self._cell.at > _INTERVAL:
            self._cell.show()
        if step % self._print_freq == 0 or step == self._steps:
            self._flush(step)

    def _flush(self, step: int) -> None:
        assert self._since is not None
        assert self._first is not None
        now = time.perf_counter()
        whole = max(now - self._since, 1e-9)
        seconds = max(whole - self._paused, 1e-9)
        means = {name: total / self._count for name, total in sorted(self._sums.items())}
        epoch = step / self._steps_per_epoch
        speed, wait = self._timed * self._batch_size / seconds, min(self._waited / seconds, 1.0)
        row = {
            "epoch": round(epoch, 3),
            "images_per_s": round(speed, 2),
            "data_wait": round(wait, 4),
            "paused": round(min(self._paused / whole, 1.0), 4),
            **means,
        }
        first, began = self._first
        to_go = (now - began) / (step - first) * (self._steps - step) if step > first else math.nan
        losses = " ".join(f"{name.removeprefix('loss/')} {value:.3f}" for name, value in means.items())
        steps, waited, timed = self._window
        self._window = (steps + self._timed, waited + self._waited, timed + seconds)
        # Before anything that may fail: what is left here would be logged again at the end.
        self._sums, self._count, self._timed, self._waited, self._paused, self._since = {}, 0, 0, 0.0, 0.0, now
        self.log(
            "train",
            step,
            row,
            f"/{self._steps} | epoch {epoch:.2f} | to go {console.clock(to_go)} | {speed:.1f} images/s | "
            f"waiting for data {wait:.0%} | {losses}",
        )
        self._warn_of_waiting(step)

    def _warn_of_waiting(self, step: int) -> None:
        steps, waited, seconds = self._window
        if self._warned or steps < _FEWEST_STEPS:
            return
        self._window = (0, 0.0, 0.0)
        share = min(waited / seconds, 1.0)
        if share > _WAITING:
            self._warned = True
            self._warn(step, self._on_waiting(share))


class _Cell:
    """A line in a notebook's cell that shows a bar, and is written over. Rich's own wants widgets."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self.at = bar, -math.inf
        self._place: Any = None  # a handle of IPython's

    def show(self) -> None:
        """Shows the bar as it is now."""
        from IPython.display import display  # which a notebook has

        self.at = time.perf_counter()
        screen = io.StringIO()
        Console(file=screen, width=120, force_jupyter=False, force_terminal=False).print(self._bar.get_renderable())
        line = {"text/plain": screen.getvalue().rstrip()}
        if self._place is None:
            self._place = display(line, raw=True, display_id=True)
        else:
            self._place.update(line, raw=True)
