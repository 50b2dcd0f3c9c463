"""Decoded images kept for the next epoch, in memory or in files: large photographs are decoded once.

What is kept does not change what is read, nor the order. No element is given up for another: in a random order none is
sooner read again.
"""

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import sources

__all__ = ["Cached", "cached"]
__dir__ = __all__.copy


class _Room:
    """Bytes that several sources share, and where their files are."""

    def __init__(self, budget: int, folder: Path | None) -> None:
        self.folder, self.names = folder, itertools.count()
        self._left, self._lock = budget, threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True


class _File(NamedTuple):
    """An array in a file of its bytes alone: Python 3.11 cannot parse the header of a .npy file in several threads.

    (CPython issue 106905: SystemError "AST constructor recursion depth mismatch".)
    """

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        # The file is mapped: of a large image a crop reads only its rows.
        return np.memmap(self.path, self.dtype, "r", shape=self.shape)


class Cached:
    """A source whose elements are kept as they come, as long as there is room."""

    def __init__(self, source: Any, room: _Room) -> None:
        self._source, self._room = source, room
        self._kept: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return repr(self._source)

    @property
    def kept(self) -> int:
        """How many elements are kept."""
        return len(self._kept)

    def __getitem__(self, i: int) -> dict[str, Any]:
        i = int(i)
        known = self._kept.get(i)
        if known is not None:
            return {k: v.read() if isinstance(v, _File) else v for k, v in known.items()}
        item = self._source[i]
        if self._room.take(sum(value.nbytes for value in item.values() if isinstance(value, np.ndarray))):
            with suppress(OSError):  # a full disk: it is read anew
                self._kept[i] = self._stored(item)
        return item

    def _stored(self, item: dict[str, Any]) -> dict[str, Any]:
        folder = self._room.folder
        if folder is None:
            return item
        stored: dict[str, Any] = {}
        for key, value in item.items():
            if isinstance(value, np.ndarray):
                stored[key] = _File(folder / str(next(self._room.names)), value.dtype, value.shape)
                stored[key].path.write_bytes(np.ascontiguousarray(value))
            else:
                stored[key] = value
        return stored


@contextmanager
def cached(source: Any, budget: int, *, folder: str | Path | None = None) -> Iterator[Any]:
    """Within this context a source keeps up to `budget` bytes of elements, in memory or in a folder, deleted behind it.

    Of a source with parts each part keeps its own.
    """
    place = None if folder is None else Path(folder)
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)  # what a kill left
        place.mkdir(parents=True)
    room = _Room(budget, place)
    try:
        if hasattr(source, "parts"):
            yield sources.UnpairedDataset(*(Cached(part, room) for part in source.parts))
        else:
            yield Cached(source, room)
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
