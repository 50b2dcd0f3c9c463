"""A run's log.jsonl: one JSON object a line, of a kind and a step."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gan_jax import files

__all__ = ["Also", "Log", "number", "read_log"]
__dir__ = __all__.copy


class Also(Protocol):
    """What takes a log's numbers and its run's images beside it."""

    def scalars(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of one row."""

    def picture(self, name: str, step: int, image_u8: Any) -> None:
        """Takes one image, uint8 [H, W, 1 or 3]."""


class Log:
    """A run's log.jsonl: one JSON object a line, each with the seconds that the run has trained so far."""

    def __init__(self, path: str | Path | None, *, keep_through: int, also: Also | None = None) -> None:
        """Opens the log, and cuts it back to the rows up to step `keep_through`, where training goes on.

        None is no log: nothing is written. `also` takes each new row too.
        """
        self._path, self._also = None if path is None else Path(path), also
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
        if self._also is not None:
            numbers = {key: number(value) for key, value in {**values, "seconds": seconds}.items()}
            known = {key: value for key, value in numbers.items() if value is not None}
            if len(known) > 1:  # more than the time
                self._also.scalars(kind, step, known)

    def picture(self, name: str, step: int, image_u8: Any) -> None:
        """Gives an image, uint8 [H, W, 1 or 3], to what also takes rows; the log itself holds none."""
        if self._path is not None and self._also is not None:
            self._also.picture(name, step, image_u8)


def number(value: object) -> float | None:
    """A JSON number, or one of the strings that stand for those JSON lacks; None for anything else."""
    if isinstance(value, str) and value.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


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
