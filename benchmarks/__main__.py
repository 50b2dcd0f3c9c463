"""gan_jax beside PyTorch, on the same networks, steps and files; wants the `bench` and `photos` extras.

    python -m benchmarks --list
    python -m benchmarks pix2pix-256-b1 infer-unet-256 --rounds 3
    python -m benchmarks --compile --out benchmarks/results

docs/performance.md says how to read the table.
"""

import argparse
import gc
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is for both sides

import jax

from benchmarks import memory, report
from benchmarks.cases import CASES
from benchmarks.timing import Case, in_turns, require_same_networks

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
    import torch  # here: --list goes without the extra

    from benchmarks import floors

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    machine, around, results = floors.measured(device), report.surroundings("jax", "torch"), {}
    for name in options.cases or CASES:
        result = results[name] = _measure(CASES[name], rounds=options.rounds, compiled=options.compile)
        gc.collect()
        jax.clear_caches()
        if options.memory and result.flops:
            sides = {"ours": result.ours, "theirs": result.theirs}
            ours, theirs = (memory.peak(name, side, report.best(variants)[0]) for side, variants in sides.items())
            result = results[name] = result._replace(memory=(ours, theirs))
        print(f"{name:22}{result.ratio:6.2f}", file=sys.stderr, flush=True)
        if options.out is not None:  # after each: a long run that is ended leaves what it has
            report.write(options.out, device, results, machine, around)
    print(report.table(list(results.values()), machine, around), end="")
    return 0


def _measure(case: Case, *, rounds: int, compiled: bool) -> report.Result:
    from benchmarks import floors

    sides = {"ours": case.ours(), "theirs": case.theirs(compiled)}
    programs = {(side, name): make() for side, variants in sides.items() for name, make in variants.items()}
    first, *_ = (program for (side, _), program in programs.items() if side == "ours")
    plain, *_ = (program for (side, _), program in programs.items() if side == "theirs")
    for program in programs.values():
        require_same_networks(first, program)
    times = in_turns(programs, rounds=rounds)
    return report.Result(
        case.title,
        **{side: {name: times[side, name] for name in variants} for side, variants in sides.items()},
        flops=floors.flops(plain) if plain.parameters else 0,
        traffic=first.traffic,
    )


if __name__ == "__main__":
    sys.exit(main())
