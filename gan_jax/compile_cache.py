"""Compiled programs on disk, so that a second start of a command compiles nothing: JAX's persistent cache, placed.

Only commands turn it on. XLA compiles for the very processor that it runs on, and a home folder may be that of several
machines: each kind of them has a folder of its own.
"""

import hashlib
import os
import platform
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import jax
import jaxlib

from gan_jax import files

__all__ = ["AUTO", "OFF", "enable"]
__dir__ = __all__.copy

AUTO, OFF = "auto", "none"  # in place of a folder
_LARGEST = 2**30  # bytes of all programs; a recipe has some megabytes
_SHORTEST = 0.1  # seconds of compiling that are worth a file
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Compiled programs of gan_jax, which may be deleted.\n"


def enable(place: str = AUTO) -> None:
    """Keeps programs below a folder, by AUTO below the user's cache folder, by OFF nowhere; `~` is understood.

    AUTO leaves alone what JAX was told by JAX_COMPILATION_CACHE_DIR or in Python. Beyond a gigabyte the programs that
    were not used for the longest time are deleted. A folder that cannot be written to is a note on stderr.
    """
    if place == OFF:
        jax.config.update("jax_compilation_cache_dir", None)
        return
    if place == AUTO and jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    root = files.user_cache() / "programs" if place == AUTO else Path(place).expanduser().absolute()
    folder = root / _kind_of_machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / "CACHEDIR.TAG", _TAG)
    except OSError as error:
        print(
            f"note: {folder} cannot be written to ({error.strerror}), so programs are compiled at each start; "
            f"--compile_cache FOLDER names another, --compile_cache {OFF} says that none is wanted.",
            file=sys.stderr,
        )
        return
    _shrink(root)
    # A program that cannot be read or kept, on a full disk for instance, is compiled.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SHORTEST)


def _kind_of_machine() -> str:
    """The name of a folder for the programs of processors with these instructions, by this version of XLA."""
    features = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next((line for line in lines if line.lower().startswith(("flags", "features"))), features)
    digest = hashlib.sha256(features.encode()).hexdigest()[:8]
    return f"{platform.machine()}-{digest}-jaxlib-{jaxlib.__version__}"


def _shrink(root: Path) -> None:
    """Deletes the programs that were not used for the longest time where all of them are too large."""
    programs = []
    for path in root.glob("*/*-cache"):
        with suppress(OSError):  # another process may delete it first
            status = path.stat()
            programs.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    size = sum(size for _, size, _ in programs)
    for _, own, path in sorted(programs):
        if size <= _LARGEST:
            break
        with suppress(OSError):
            path.unlink()
        size -= own
