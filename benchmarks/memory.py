"""The peak memory of one program of a case, in a process of its own.

python -m benchmarks.memory CASE ours|theirs VARIANT
"""

import subprocess
import sys
from pathlib import Path

from benchmarks import sides

__all__ = ["peak"]

_RUNS = 3


def peak(case: str, side: str, variant: str) -> int:
    """Bytes that a program takes at its peak beside what its process has after the imports: its resident memory."""
    command = [sys.executable, "-m", "benchmarks.memory", case, side, variant]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _resident() -> int:
    """The most bytes that this process had so far, as Linux counts them; getrusage would count its parent's too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def main(case: str, side: str, variant: str) -> None:
    """Prints the bytes."""
    variants = sides.prepared(case, side, compiled="compile" in variant)
    before = _resident()  # imports count to neither side
    program = variants[variant]()
    for _ in range(_RUNS):
        program.run()
    print(_resident() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
