"""gan_jax beside PyTorch, on the same networks, steps and files; wants the `bench` and `photos` extras.

    python -m benchmarks --list
    python -m benchmarks pix2pix-256-b1 infer-unet-256 --rounds 3
    python -m benchmarks --compile --out benchmarks/results

docs/performance.md says how to read the table.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is for both sides

import jax

from benchmarks import memory, report, sides
from benchmarks.cases import CASES
from benchmarks.timing import in_turns, require_same_networks

__all__ = ["main"]

_COMPILERS = ("c++", "g++", "clang++")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what is measured; all cases unless given")
    parser.add_argument("--list", action="store_true", help="print the cases and do nothing else")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each program, at least (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="try torch.compile too; it wants a C++ compiler")
    parser.add_argument("--memory", action="store_true", help="find the peak memory too, on Linux")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the results there, as .json and .md")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measures case by case, and prints the table; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{name:22}{case.title}" for name, case in CASES.items()))
        return 0
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}; --list prints them.")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; wanted at least 1.")
    if options.compile and not any(map(shutil.which, _COMPILERS)):
        parser.error(f"--compile wants a C++ compiler, one of {', '.join(_COMPILERS)}; install one, or leave it out.")
    from benchmarks import floors  # here: --list goes without the extra

    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    machine, around, results = floors.measured(device), report.surroundings("jax", "torch"), {}
    for name in options.cases or CASES:
        result = results[name] = _measure(name, rounds=options.rounds, compiled=options.compile)
        if options.memory and result.flops:
            both = {"ours": result.ours, "theirs": result.theirs}
            ours, theirs = (memory.peak(name, side, report.best(variants)[0]) for side, variants in both.items())
            result = results[name] = result._replace(memory=(ours, theirs))
        print(f"{name:22}{result.ratio:6.2f}", file=sys.stderr, flush=True)
        if options.out is not None:  # after each: a long run that is ended leaves what it has
            report.write(options.out, device, results, machine, around)
    print(report.table(list(results.values()), machine, around), end="")
    return 0


def _measure(name: str, *, rounds: int, compiled: bool) -> report.Result:
    with sides.started(name, "ours", compiled=False) as ours, sides.started(name, "theirs", compiled=compiled) as other:
        both = {"ours": ours.programs, "theirs": other.programs}
        programs = {(side, variant): program for side in both for variant, program in both[side].items()}
        first, plain = (next(iter(side)) for side in both.values())
        for program in programs.values():
            require_same_networks(ours.programs[first], program)
        times = in_turns(programs, rounds=rounds)
        return report.Result(
            CASES[name].title,
            **{side: {variant: times[side, variant] for variant in both[side]} for side in both},
            flops=other.flops(plain) if other.programs[plain].parameters else 0,
            traffic=ours.programs[first].traffic,
        )


if __name__ == "__main__":
    sys.exit(main())
