"""The loop: batches, steps, callbacks, checkpoints, stop signals. It knows no algorithm and no device."""

import contextlib
import dataclasses
import datetime
import itertools
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from gan_jax.method import Batch, Method, State
from gan_jax.training import checkpoint, parallel, processes
from gan_jax.training.checkpoint import Checkpoints, Restored

__all__ = ["Meter", "Periodic", "StopSignals", "exit_code", "fit", "start", "train"]
__dir__ = __all__.copy


class Periodic(NamedTuple):
    """A callback `call(step, state)` after every `steps` steps and after the last one.

    It returns None, or the state to go on with.
    """

    steps: int
    call: Callable[[int, State], State | None]


class Meter(Protocol):
    """What the loop tells whoever reports on it."""

    def step(self, step: int, metrics: dict[str, float], waited: float) -> None:
        """One step's metrics and the seconds spent waiting for its batch; called while the next step runs."""

    def pause(self, seconds: float) -> None:
        """Seconds that were not training: events and saving."""


class StopSignals:
    """Within this context the signals that end a session set `received`; a second Ctrl-C interrupts at once.

    These are Ctrl-C, SIGTERM, SIGHUP of a closed terminal, SIGXCPU of spent time, and `extra`, "USR1" for instance. One
    that is ignored, as nohup has it, stays so.
    """

    def __init__(self, extra: str | None = None) -> None:
        names = ["SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", *([f"SIG{extra}"] if extra else [])]
        known = [getattr(signal, name) for name in names if hasattr(signal, name)]  # not every system has all
        self._numbers = [number for number in known if signal.getsignal(number) != signal.SIG_IGN]

    def __enter__(self) -> "StopSignals":
        self.received: str | None = None
        self._before = {number: signal.signal(number, self._receive) for number in self._numbers}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = _CTRL_C if number == signal.SIGINT else signal.Signals(number).name
        if signal.SIGINT in self._numbers:
            signal.signal(signal.SIGINT, signal.default_int_handler)


_CTRL_C = "Ctrl-C"


def exit_code(received: str) -> int:
    """That of a program which a signal has ended, as shells have it: 143 of SIGTERM."""
    return 128 + (signal.SIGINT if received == _CTRL_C else signal.Signals[received])


def start(
    method: Method, example: Mapping[str, np.ndarray], restored: Restored | None, *, seed: int, mesh: Mesh
) -> Restored:
    """What a checkpoint restored, made whole, or without one a new state at step 0 from `seed` and an example batch."""
    arguments = jax.random.key(seed), dict(example)
    if restored is None:
        return Restored(0, parallel.compile_init(method, mesh)(*arguments), {})
    if not jax.tree.leaves(getattr(restored.state, "frozen", None)):
        return restored
    frozen = parallel.compile_frozen(method, mesh)(*arguments)
    return restored._replace(state=dataclasses.replace(restored.state, frozen=frozen))


def fit(
    method: Method,
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    steps: int,
    seed: int = 0,
    mesh: Mesh | None = None,
    log: Callable[[int, dict[str, float]], object] = lambda step, metrics: None,
    every: Sequence[Periodic] = (),
    checkpoints: str | Path | None = None,
    save_every: int = 1000,
) -> State:
    """Trains a method for `steps` steps, a batch each, and returns the state: a training without a command line.

    `batches` are as `pipeline.batches` makes them, from step 0 on; `seed` chooses the initial weights and the noise.
    `mesh` is of all devices unless given, each with its share of every batch. `log(step, metrics)` hears of each step,
    and `every` has what is to be done at intervals. With a folder of `checkpoints` the state is saved there after
    every `save_every` steps and the last one, and the same call goes on from the newest, past the batches before it.
    Within `joining.joined` each process gives its share of every batch.
    Raises ValueError where batches end early or do not split over the devices, and FloatingPointError as `train` does.
    """
    mesh = parallel.data_mesh() if mesh is None else mesh
    if parallel.processes(mesh) > processes.count():
        raise ValueError(
            "the devices are those of several processes; join them by training.joining.joined in place of "
            "jax.distributed.initialize."
        )
    batches = iter(batches)
    first = _next(batches, 1, steps)
    parallel.require_divisible(len(next(iter(first.values()))) * parallel.processes(mesh), mesh)
    with contextlib.nullcontext() if checkpoints is None else Checkpoints(checkpoints) as saved:
        restored = saved.restore(parallel.abstract_state(method, first, mesh), warnings.warn) if saved else None
        begin = start(method, first, restored, seed=seed, mesh=mesh)
        return train(
            method,
            itertools.islice(itertools.chain([first], batches), begin.step, None),
            begin,
            steps=steps,
            mesh=mesh,
            every=every,
            checkpoints=saved,
            save_every=save_every,
            meter=_Listener(log),
        )


class _Listener(NamedTuple):
    """A meter that passes the metrics on."""

    log: Callable[[int, dict[str, float]], object]

    def step(self, step: int, metrics: dict[str, float], waited: float) -> None:
        del waited
        self.log(step, metrics)

    def pause(self, seconds: float) -> None:
        del seconds


def train(
    method: Method,
    batches: Iterator[Mapping[str, np.ndarray]],
    begin: Restored,
    *,
    steps: int,
    mesh: Mesh,
    how: parallel.How = "jit",
    accumulate: int = 1,
    every: Sequence[Periodic] = (),
    checkpoints: Checkpoints | None,
    save_every: int | datetime.timedelta,
    keep_every: int | None = None,
    before_save: Callable[[int, State], object] = lambda step, state: None,
    extra: Callable[[], dict[str, Any]] = dict,
    meter: Meter,
    stopped: Callable[[], bool] = lambda: False,
) -> State:
    """Trains from `begin` until `steps` steps in all, or until `stopped()` after one, and returns the state.

    Where the mesh is of several processes' devices they end after the same step, soon after `stopped()` in one of them.
    `batches` begins with the batch of step `begin.step`; each is read and sent to the devices while the step before it
    runs. The state is saved after every `save_every` steps or whenever so much time has passed, and always after the
    last step; `before_save(step, state)` is called first, and `extra()` saved beside it.
    Saves go on while the next steps run, and end with the block of `checkpoints`.
    Raises FloatingPointError at the first metric that is not finite, or where a state to be used or saved is not;
    what was written before stays. Raises ValueError where the batches end early, OSError where a save has failed.
    """
    step_fn = parallel.compile_step(method, mesh, how=how, accumulate=accumulate)
    state, unread, upcoming = begin.state, None, None
    alone = parallel.processes(mesh) == 1
    wishes = _Wishes(alone, save_every, stopped, begin.step)

    for step in range(begin.step + 1, steps + 1):
        batch, waited = upcoming or _send(batches, step, steps, mesh, wishes)
        if isinstance(batch, Exception):
            raise batch
        if checkpoints is not None:
            checkpoints.check()
        if not alone and step == begin.step + 1:
            step_fn.lower(state, batch).compile()
            processes.gather(None)  # in the first collective Gloo waits for the others for half a minute only
        state, metrics = step_fn(state, batch)
        upcoming = _send(batches, step + 1, steps, mesh, wishes) if step < steps and not wishes.stop else None
        if unread is not None:
            wishes.heard(unread[0], _read(meter, *unread))
        unread = (step, metrics, waited)

        last = step == steps or wishes.stop
        due = [event for event in every if step % event.steps == 0 or step == steps]
        save = last or wishes.save or (keep_every is not None and step % keep_every == 0)
        save = save or (isinstance(save_every, int) and step % save_every == 0)
        if due or save:
            wishes.heard(unread[0], _read(meter, *unread))
            unread, before = None, time.perf_counter()
            checkpoint.require_finite(step, state)  # nothing is made of a state that is broken
            for event in due:
                replaced = event.call(step, state)
                state = state if replaced is None else replaced
            if save and checkpoints is not None:
                before_save(step, state)
                checkpoints.save(step, state, extra())
                wishes.saved(step)
            meter.pause(time.perf_counter() - before)
        if last:
            break
    return state


class _Wishes:
    """What this process, or with several one of them, wishes all to do after a step: clocks and stop signals differ.

    Several tell each other by the batches, and hear by the metrics, which are read late.
    """

    def __init__(
        self, alone: bool, save_every: int | datetime.timedelta, stopped: Callable[[], bool], step: int
    ) -> None:
        self._alone, self._save_every, self._stopped = alone, save_every, stopped
        self.saved(step)

    def saved(self, step: int) -> None:
        """A save of that step has begun."""
        self._at, self._step, self._all = time.monotonic(), step, 0

    def mine(self) -> int:
        """What this process wishes now."""
        timed = (
            not isinstance(self._save_every, int) and time.monotonic() - self._at >= self._save_every.total_seconds()
        )
        return parallel.STOP if self._stopped() else parallel.SAVE if timed else 0

    def heard(self, step: int, wish: int) -> None:
        """What one of several wished when it sent the batch of that step."""
        if wish != parallel.SAVE or step > self._step + 1:  # else it was sent before the last save
            self._all = max(wish, self._all)

    @property
    def stop(self) -> bool:
        """Whether all stop after this step."""
        return self._now() == parallel.STOP

    @property
    def save(self) -> bool:
        """Whether all save after this step."""
        return self._now() == parallel.SAVE

    def _now(self) -> int:
        return self.mine() if self._alone else self._all


def _next(batches: Iterator[Mapping[str, np.ndarray]], step: int, steps: int) -> Mapping[str, np.ndarray]:
    try:
        return next(batches)
    except StopIteration:
        raise ValueError(f"the batches end before step {step} of {steps}; give an iterator without an end.") from None


def _send(
    batches: Iterator[Mapping[str, np.ndarray]], step: int, steps: int, mesh: Mesh, wishes: "_Wishes"
) -> tuple[Batch | Exception, float]:
    """A step's batch on the devices, or why there is none, to be raised at that step; and the seconds in waiting."""
    before = time.perf_counter()
    try:
        batch = _next(batches, step, steps)
        waited = time.perf_counter() - before
        return parallel.global_batch(batch, mesh, signal=wishes.mine()), waited
    except Exception as error:
        return error, 0.0


def _read(meter: Meter, step: int, metrics: Mapping[str, jax.Array], waited: float) -> int:
    """Tells the meter of a step; returns what the processes, where there are several, are asked to do after one."""
    values = {name: float(value) for name, value in jax.device_get(dict(metrics)).items()}
    signal = int(values.pop(parallel.SIGNAL, 0.0))
    for name, value in values.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{name} is {value} at step {step}; training stops, the last checkpoint is kept. "
                "Lower the learning rate, or look at the images of this step's batch."
            )
    meter.step(step, values, waited)
    return signal
