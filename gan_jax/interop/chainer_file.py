"""Chainer's .npz snapshots as numpy arrays, by the names that `chainer.serializers.save_npz` gives them."""

import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

__all__ = ["ChainerFileError", "is_snapshot", "load"]
__dir__ = __all__.copy

_MOST = 1032  # deflate makes a file at most so many times as small
_DAMAGE = (
    ArithmeticError, EOFError, LookupError, MemoryError, NotImplementedError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class ChainerFileError(ValueError):
    """A file that cannot be read as a snapshot; the message is one sentence."""


def is_snapshot(path: str | Path) -> bool:
    """Whether a file is a zip archive of arrays: a trainer's snapshot_iter_1000 has no extension to tell it by."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except FileNotFoundError:
        raise
    except _DAMAGE:
        return False


def load(path: str | Path) -> dict[str, np.ndarray | None]:
    """{"layer/W": array, ...} of a .npz file; None for what is no array of numbers but Python objects.

    So Chainer writes a parameter that never got its shape. Nothing is unpickled. Raises FileNotFoundError where there
    is no file and ChainerFileError, a ValueError, for one that is damaged or no .npz.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                if not entries or not all(entry.filename.endswith(".npy") for entry in entries):
                    raise ChainerFileError(f"{path} is no .npz file: it holds other things than arrays.")
                return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
        except ChainerFileError:
            raise
        except _DAMAGE as error:
            what = f"{error}".splitlines()[0].rstrip(".") if f"{error}" else type(error).__name__
            raise ChainerFileError(f"{path} is damaged or no .npz file ({what}); copy it again.") from None


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray | None:
    with archive.open(entry) as file:
        version = npy.read_magic(file)  # type: ignore[arg-type]
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read_header is None:
            raise ValueError(f"{entry.filename} has the unknown version {version}")
        shape, fortran, dtype = read_header(file)  # type: ignore[arg-type]
        if dtype.hasobject:
            return None
        count = math.prod(shape)
        if min(shape, default=0) < 0 or count * dtype.itemsize > _MOST * max(entry.compress_size, 1):
            raise ValueError(f"{entry.filename} is cut short")
        array = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
        file.read()  # to the end, where the checksum is compared
    return array.reshape(shape, order="F" if fortran else "C")
