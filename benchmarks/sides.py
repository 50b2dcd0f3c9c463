"""The two sides of a case, each in a process of its own, as its users have it.

So neither meets the other's threads, nor what the other has the C library do.

    python -m benchmarks.sides CASE ours|theirs compile|eager

answers lines like `["run", VARIANT]` in JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from benchmarks.cases import CASES
from benchmarks.timing import Program, Variants
from gan_jax import host_memory

__all__ = ["Side", "prepared", "started"]


class Side(NamedTuple):
    """Its programs by the names of its variants, which run in another process, and what is asked there of a variant."""

    programs: dict[str, Program]
    flops: Callable[[str], int]  # of PyTorch's: what it multiplies and adds
    profile: Callable[[str], tuple[dict[str, float], dict[str, int]]]  # seconds by kind; of ours, what each multiplies


@contextmanager
def started(case: str, side: str, *, compiled: bool) -> Iterator[Side]:
    """A side, "ours" or "theirs", as long as it is wanted; raises CalledProcessError where its process fails."""
    command = [sys.executable, "-m", "benchmarks.sides", case, side, "compile" if compiled else "eager"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def answer() -> Any:
            if line := answers.readline():
                return json.loads(line)
            raise subprocess.CalledProcessError(process.wait(), command)

        def ask(task: str, variant: str) -> Any:
            print(json.dumps([task, variant]), file=requests, flush=True)
            return answer()

        programs = {name: Program(partial(ask, "run", name), *facts) for name, *facts in answer()}
        yield Side(programs, partial(ask, "flops"), partial(ask, "profile"))


def prepared(case: str, side: str, *, compiled: bool) -> Variants:
    """A side's programs in this process, which is made ready as those of the side's users are."""
    if side == "ours":
        host_memory.keep()  # as `gan-jax` does
        return CASES[case].ours()
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return CASES[case].theirs(compiled)


def main(case: str, side: str, how: str) -> None:
    """Answers as long as it is asked."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what programs print is no answer

    def answer(value: Any) -> None:
        print(json.dumps(value), file=answers, flush=True)

    programs = {name: make() for name, make in prepared(case, side, compiled=how == "compile").items()}
    answer([(name, program.parameters, program.traffic) for name, program in programs.items()])
    for line in sys.stdin:
        task, variant = json.loads(line)
        if task == "flops":
            from benchmarks import floors

            answer(floors.flops(programs[variant]))
        elif task == "profile":
            from benchmarks import profiles

            program = programs[variant]
            ours = program.traced is not None
            answer(
                (profiles.ours(program), profiles.flops_by_kind(program)) if ours else (profiles.theirs(program), {})
            )
        else:
            programs[variant].run()
            answer(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
