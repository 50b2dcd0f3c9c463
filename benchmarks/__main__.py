"""gan_jax beside PyTorch, on the same networks, steps and files; wants the `bench` and `photos` extras.

    python -m benchmarks --list
    python -m benchmarks pix2pix-256-b1 infer-unet-256 --rounds 3
    python -m benchmarks --compile --out benchmarks/results

docs/performance.md says how to read the table.
"""

import argparse
import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is for both sides

import jax

from benchmarks import report
from benchmarks.cases import CASES, Case
from benchmarks.timing import in_turns

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what is measured; all cases unless given")
    parser.add_argument("--list", action="store_true", help="print the cases and do nothing else")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each program, at least (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="try torch.compile too; it wants a C++ compiler")
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
    import torch  # here: --list goes without the extra

    from benchmarks import floors

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    machine, around, results = floors.measured(device), report.surroundings(), {}
    for name in options.cases or CASES:
        result = results[name] = _measure(name, CASES[name], rounds=options.rounds, compiled=options.compile)
        print(f"{name:22}{result.ratio:6.2f}", file=sys.stderr, flush=True)
        gc.collect()
        jax.clear_caches()
        if options.out is not None:  # after each: a long run that is ended leaves what it has
            report.write(options.out, device, results, machine, around)
    print(report.table(list(results.values()), machine, around), end="")
    return 0


def _measure(name: str, case: Case, *, rounds: int, compiled: bool) -> report.Result:
    from benchmarks import floors

    ours, theirs = ({k: make() for k, make in variants.items()} for variants in (case.ours(), case.torch(compiled)))
    first_of_ours, first_of_theirs = next(iter(ours.values())), next(iter(theirs.values()))
    for program in theirs.values():
        if program.parameters != first_of_ours.parameters:
            raise AssertionError(
                f"{name}: parameters are {first_of_ours.parameters} here and {program.parameters} in PyTorch."
            )
    times = in_turns(
        {**{("gan_jax", k): p for k, p in ours.items()}, **{("torch", k): p for k, p in theirs.items()}}, rounds=rounds
    )
    return report.Result(
        case.title,
        {variant: times["gan_jax", variant] for variant in ours},
        {variant: times["torch", variant] for variant in theirs},
        floors.flops(first_of_theirs) if first_of_ours.parameters else 0,
        first_of_ours.traffic,
    )


if __name__ == "__main__":
    sys.exit(main())
