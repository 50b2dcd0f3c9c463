"""A run's report: one static HTML page that needs nothing but itself, written from the run's folder.

Everything that comes from those files is escaped. Equal files give equal bytes with one installation:
no times and no random names.
"""

from pathlib import Path

from gan_jax import files
from gan_jax.folders import RunFolder
from gan_jax.report import page, read

__all__ = ["write"]
__dir__ = __all__.copy


def write(run: str | Path) -> Path:
    """Write `run/report.html`, in one move, from whatever the run's folder holds so far; returns its path.

    Raises FileNotFoundError where `run` is not a run's folder, ValueError where a file in it is broken.
    """
    text = page.render(read.read_run(run)).encode("utf-8", "backslashreplace")  # names may hold bytes that are no text
    report = RunFolder(run).report
    files.write(report, text)
    return report
