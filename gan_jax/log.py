"""A run's log.jsonl: one JSON object a line, of a kind and a step."""

import json
import time
from pathlib import Path
from typing import Any

from gan_jax import files

__all__ = ["Log", "read_log"]
__dir__ = __all__.copy


class Log:
    """A run's log.jsonl: one JSON object a line, each with the seconds that the run has trained so far."""

    def __init__(self, path: str | Path | None, *, keep_through: int) -> None:
        """Opens the log, and cuts it back to the rows up to step `keep_through`, where training goes on.

        None is no log: nothing is written.
        """
        self._path = None if path is None else Path(path)
        if path is None:
            return
        path = Path(path)
        rows = [row for row in read_log(path) if row["step"] <= keep_through]
        files.write(path, "".join(json.dumps(row) + "\n" for row in rows))
        # Rows of before the seconds were logged have none.
        self._began = time.perf_counter() - max((row.get("seconds", 0.0) for row in rows), default=0.0)

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Appends one row, on disk when this returns."""
        if self._path is None:
            return
        seconds = round(time.perf_counter() - self._began, 2)
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, "step": step, "seconds": seconds, **values}) + "\n")


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a log.jsonl; a last row that a kill cut short is left out. Raises ValueError for another damage."""
    path = Path(path)
    rows = []
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append({**row, "kind": str(row["kind"]), "step": int(row["step"])})
        except (ValueError, KeyError, TypeError, OverflowError):
            if number < len(lines):
                raise ValueError(f"line {number} of {path} is damaged; remove that line.") from None
    return rows
