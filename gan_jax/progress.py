"""What a run says while it trains: a live line on a terminal, plain lines elsewhere, and log.jsonl."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Log:
    """A run's log.jsonl: one JSON object a line."""

    def __init__(self, path: Path, *, keep_through: int) -> None:
        """Opens the log and cuts it back to the rows up to step `keep_through`, where training goes on."""
        rows = [row for row in read_log(path) if row["step"] <= keep_through]
        unfinished = path.with_name(path.name + ".tmp")
        unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows))
        unfinished.replace(path)
        self._path = path

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Appends one row, on disk when this returns."""
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The rows of a log.jsonl; a last row that a kill cut short is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


class Meter:
    """Averages what the steps report, logs and shows it every `print_freq` steps."""

    def __init__(
        self, log: Log, *, start: int, steps: int, steps_per_epoch: int, batch_size: int, print_freq: int
    ) -> None:
        self._log, self._steps, self._steps_per_epoch = log, steps, steps_per_epoch
        self._batch_size, self._print_freq = batch_size, print_freq
        self._sums: dict[str, float] = {}
        self._count, self._waited, self._since = 0, 0.0, time.perf_counter()
        self._paused = 0.0
        self._first = self._since
        self._start = start
        self._console = Console(file=sys.stdout)
        self._bar = Progress(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=start, losses="compiling ...")

    def __enter__(self) -> "Meter":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def pause(self, seconds: float) -> None:
        """Takes time that was not training (validation, saving) out of the throughput."""
        self._paused += seconds

    def step(self, step: int, metrics: dict[str, float], waited: float) -> None:
        """Takes one step's metrics and the seconds that it waited for its batch."""
        self._count += 1
        self._waited += waited
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._bar.update(self._task, completed=step)
        if step % self._print_freq == 0 or step == self._steps:
            self._flush(step)

    def _flush(self, step: int) -> None:
        now = time.perf_counter()
        seconds = max(now - self._since - self._paused, 1e-9)
        means = {name: total / self._count for name, total in sorted(self._sums.items())}
        epoch = step / self._steps_per_epoch
        speed, wait = self._count * self._batch_size / seconds, min(self._waited / seconds, 1.0)
        row = {
            "epoch": round(epoch, 3),
            "images_per_s": round(speed, 2),
            "data_wait": round(wait, 4),
            **means,
        }
        self._log.write("train", step, row)
        losses = " ".join(f"{name.removeprefix('loss/')} {value:.3f}" for name, value in means.items())
        text = f"epoch {epoch:.2f} | {speed:.1f} images/s | waiting for data {wait:.0%} | {losses}"
        if self._console.is_terminal:
            self._bar.update(self._task, losses=text)
        else:
            done = step - self._start
            to_go = (now - self._first) / done * (self._steps - step)
            self.say(f"step {step}/{self._steps} | to go {_clock(to_go)} | {text}")
        self._sums, self._count, self._waited, self._paused, self._since = {}, 0, 0.0, 0.0, now


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
