"""The peak memory of one program of a case, in a process of its own.

python -m benchmarks.memory CASE ours|theirs VARIANT
"""

import resource
import subprocess
import sys

from benchmarks.cases import CASES

__all__ = ["peak"]

_RUNS = 3


def peak(case: str, side: str, variant: str) -> int:
    """Bytes that a program takes at its peak beside what its process has after the imports: its resident memory."""
    command = [sys.executable, "-m", "benchmarks.memory", case, side, variant]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _resident() -> int:
    """The most bytes that this process had so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(case: str, side: str, variant: str) -> None:
    """Prints the bytes."""
    if side == "theirs":
        from benchmarks import torch_steps  # noqa: F401 - an import that counts to neither side
    variants = CASES[case].ours() if side == "ours" else CASES[case].theirs("compile" in variant)
    before = _resident()
    program = variants[variant]()
    for _ in range(_RUNS):
        program.run()
    print(_resident() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
