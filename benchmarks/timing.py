"""Programs timed in turns, one at a time, so that whatever else the machine does slows all of them alike."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

__all__ = ["Case", "Program", "Times", "Variants", "in_turns", "require_same_networks"]

_REST = 0.02  # seconds in which the threads of one library stop looking for work before the other's turn
_ENOUGH = 1.0  # seconds of a round: programs that take less have more rounds, up to ten times as many
_Name = TypeVar("_Name")


class Program(NamedTuple):
    """One unit of work: a training step, a batch of images."""

    run: Callable[[], object]  # returns when it is done
    parameters: Mapping[str, int] = {}  # of each network
    traffic: int = 0  # bytes that it must read and write at the least
    traced: Callable[[], Any] | None = None  # what JAX compiles of it, where it is JAX's


Variants = Mapping[str, Callable[[], Program]]  # by name, made when they are asked for; the fastest counts


class Case(NamedTuple):
    """The same work, done by gan_jax and by another program."""

    title: str
    ours: Callable[[], Variants]
    theirs: Callable[[bool], Variants]  # whether torch.compile is tried too


class Times(NamedTuple):
    """Seconds of a program's runs: their quartiles, how many there were, and the first, in which it is compiled."""

    first: float
    lower: float
    median: float
    upper: float
    runs: int

    @classmethod
    def of(cls, first: float, seconds: list[float]) -> "Times":
        quartiles = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
        return cls(first, *quartiles, len(seconds))


def require_same_networks(ours: Program, theirs: Program) -> None:
    """Raises ValueError where the two have other networks, or networks of other numbers of parameters."""
    if ours.parameters != theirs.parameters:
        raise ValueError(
            f"the parameters of the networks are {dict(ours.parameters)} on our side and {dict(theirs.parameters)} on "
            "the other; state the same networks."
        )


def in_turns(programs: Mapping[_Name, Program], *, rounds: int) -> dict[_Name, Times]:
    """Every program's times: two runs of each for itself, then `rounds` rounds with one of each."""
    first = {name: _seconds(program) for name, program in programs.items()}
    second = sum(_seconds(program) for program in programs.values())
    rounds *= max(1, min(10, round(_ENOUGH / second)))
    seconds: dict[_Name, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            seconds[name].append(_seconds(program))
    return {name: Times.of(first[name], seconds[name]) for name in programs}


def _seconds(program: Program) -> float:
    gc.collect()
    time.sleep(_REST)
    begun = time.perf_counter()
    program.run()
    return time.perf_counter() - begun
