"""Several processes as one run: how many there are, which this one is, and what they agree on.

Every process runs the same program with the same control flow. What is said and written is said and written by the
first; what the others must know of it comes through `once`, and what each has a share of through `gather` and `spread`.
All of it goes through the key-value store of jax.distributed's coordinator: no device waits, and signals are heard.
With one process nothing is sent, and every function does what its plain counterpart does. `joining` makes them several.
"""

import itertools
import os
import pickle
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax

__all__ = [
    "Group",
    "count",
    "first",
    "gather",
    "index",
    "once",
    "require_same",
    "require_shared",
    "spread",
    "use",
]
__dir__ = __all__.copy

_SEEN = 5.0  # seconds in which a network's file system must show what another host wrote
_FEW = 4  # differences that a refusal lists
_A = TypeVar("_A")


class Group:
    """The processes of a run, as one of them knows them: by their number, its own, and the store of their values."""

    def __init__(self, count: int, index: int, client: Any) -> None:
        self.count, self.index, self.client = count, index, client
        self.rounds = itertools.count()
        self.alone = False  # in `once`: what is called there is called by one process


_group: Group | None = None


def use(group: Group | None) -> None:
    """Makes this process one of a group from here on, or with None the only one."""
    global _group
    _group = group


def count() -> int:
    """Processes of this run."""
    return 1 if _group is None else _group.count


def index() -> int:
    """This process's number among them, from 0 on."""
    return 0 if _group is None else _group.index


def first() -> bool:
    """Whether this is the process that writes. No communication may depend on it."""
    return index() == 0


def gather(value: Any) -> list[Any]:
    """Every process's value, in their order; all call it, at the same points of the program."""
    if _group is None or _group.alone:
        return [value]
    client, number = _group.client, next(_group.rounds)
    client.key_value_set_bytes(f"gan_jax/{number}/{index()}", pickle.dumps(value))
    # Nobody is two rounds behind: who has a value of this round has read those of the round before.
    if number >= 2:
        client.key_value_delete(f"gan_jax/{number - 2}/{index()}")
    return [
        value if process == index() else pickle.loads(_get(client, f"gan_jax/{number}/{process}"))
        for process in range(count())
    ]


def _get(client: Any, key: str) -> bytes:
    """Waits for a value as long as it takes, in pieces, between which Python's signals are handled."""
    while True:
        try:
            return client.blocking_key_value_get_bytes(key, 1000)
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise


def once(call: Callable[[], _A]) -> _A:
    """What `call` returns or raises in the first process, the only one that calls it; the others wait for it.

    Within the call there is one process: `spread` and the others ask nobody.
    """
    if _group is None or _group.alone:
        return call()
    outcome: tuple[Any, Exception | None] = (None, None)
    if first():
        _group.alone = True
        try:
            outcome = call(), None
        except Exception as error:
            outcome = None, error
        finally:
            _group.alone = False
    result, raised = gather(outcome)[0]
    if raised is not None:
        raise raised
    return result


def spread(call: Callable[..., _A], *items: Sequence[Any]) -> list[_A]:
    """`list(map(call, *items))`, of which each process calls its share and all get the whole."""
    if _group is None or _group.alone:
        return [call(*arguments) for arguments in zip(*items, strict=True)]
    length = len(items[0])
    mine = [call(*(sequence[k] for sequence in items)) for k in range(index(), length, count())]
    shares = gather(mine)
    return [shares[k % count()][k // count()] for k in range(length)]


def require_same(values: Mapping[str, Any]) -> None:
    """Raises ValueError in every process where one has other values than the first, naming them."""
    everyones = gather(dict(values))
    for process, theirs in enumerate(everyones):
        names = [name for name in {**everyones[0], **theirs} if everyones[0].get(name) != theirs.get(name)]
        if names:
            shown = [f"{name} is {everyones[0].get(name)} in process 0, {theirs.get(name)} there" for name in names]
            more = [f"... ({len(names)} differences in all)"] if len(names) > _FEW else []
            raise ValueError(
                f"process {process} was started otherwise than process 0: {'; '.join([*shown[:_FEW], *more])}. Give "
                "all processes the same command, program and data."
            )


def require_shared(folder: str | Path) -> None:
    """Raises ValueError in every process where one does not see the folder in which the first writes."""
    if _group is None:
        return
    token = Path(folder) / once(lambda: _token(Path(folder)))
    end = time.monotonic() + _SEEN
    while not (seen := token.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    blind = [host for host in gather(None if seen else f"process {index()} on {socket.gethostname()}") if host]
    once(lambda: token.unlink(missing_ok=True))
    if blind:
        raise ValueError(
            f"{', '.join(blind)} does not see what process 0 writes to {folder}; give a --checkpoints_dir that all "
            "hosts share."
        )


def _token(folder: Path) -> str:
    name = f".{os.urandom(8).hex()}.part"
    (folder / name).touch()
    return name
