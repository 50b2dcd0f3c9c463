"""What a machine can do at best, and what a program asks of it."""

import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.report import Machine
from benchmarks.timing import Program

__all__ = ["flops", "measured"]

_SIDE, _FLOATS, _RUNS = 2048, 2**27, 7  # of the matrices; of the copied array, larger than most caches


def measured(device: str) -> Machine:
    """The rates of "cpu" or "cuda"; of the two libraries the one with the faster matrix product counts."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    matrix, array = torch.ones(_SIDE, _SIDE, device=device), torch.ones(_FLOATS, device=device)
    target = torch.empty_like(array)
    ours = jnp.ones((_SIDE, _SIDE))
    product = jax.jit(jnp.matmul)

    def theirs(run: Callable[[], object]) -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    seconds = min(
        _fastest(lambda: theirs(lambda: matrix @ matrix)),
        _fastest(lambda: jax.block_until_ready(product(ours, ours))),
    )
    copied = _fastest(lambda: theirs(lambda: target.copy_(array)))
    return Machine(2 * _SIDE**3 / seconds, 2 * array.nbytes / copied)


def _fastest(run: Callable[[], object]) -> float:
    run()
    seconds = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def flops(program: Program) -> int:
    """What a program of PyTorch multiplies and adds in one run, convolutions counted as they are defined.

    So counted, it does not depend on the form in which either side computes them.
    """
    with _Counter() as counter:
        program.run()
    return counter.total


class _Counter(TorchDispatchMode):
    """PyTorch's formulas by operation; its own FlopCounterMode follows modules too, which no gradient penalty bears."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **kwargs, out_val=output)
        return output
