"""Reports: static HTML pages that need nothing but themselves, of a run's folder, or of several side by side.

Everything that comes from those files is escaped. Equal files give equal bytes with one installation:
no times and no random names.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from gan_jax import files
from gan_jax.folders import RunFolder
from gan_jax.report import page, read

__all__ = ["write", "write_together"]
__dir__ = __all__.copy


def write(run: str | Path) -> Path:
    """Write `run/report.html`, in one move, from whatever the run's folder holds so far; returns its path.

    Raises FileNotFoundError where `run` is not a run's folder, ValueError where a file in it is broken.
    """
    text = page.render(read.read_run(run)).encode("utf-8", "backslashreplace")  # names may hold bytes that are no text
    report = RunFolder(run).report
    files.write(report, text)
    return report


def write_together(path: str | Path, runs: Sequence[str | Path]) -> Path:
    """Write one page of several runs, called by their folders, to `path`; returns it. Raises as `write` does."""
    folders = [Path(os.path.abspath(run)) for run in runs]
    above = os.path.commonpath([folder.parent for folder in folders])
    by_name = {Path(os.path.relpath(folder, above)).as_posix(): folder for folder in folders}
    text = page.render_together({name: read.read_run(folder) for name, folder in by_name.items()})
    files.write(path, text.encode("utf-8", "backslashreplace"))
    return Path(path)
