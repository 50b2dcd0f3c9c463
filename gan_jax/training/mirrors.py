"""A run whose folder or data is in a bucket: brought to each host before, and sent from it meanwhile."""

import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from gan_jax import buckets, files
from gan_jax.training import processes
from gan_jax.training.config import RunConfig

__all__ = ["apart", "brought", "placed", "settle"]
__dir__ = __all__.copy

_C = TypeVar("_C", bound=RunConfig)
_mirror: buckets.Mirror | None = None  # that of this process's run, where this process keeps it


def placed(config: _C) -> _C:
    """A configuration with the folders that stand for them in place of addresses. Raises ValueError as `here` does."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    paths = {name: value for name, value in values.items() if isinstance(value, str | Path)}
    changed: dict[str, Any] = {name: type(value)(buckets.here(str(value))) for name, value in paths.items()}
    return dataclasses.replace(config, **changed)


@contextlib.contextmanager
def brought(config: RunConfig) -> Iterator[None]:
    """Within this context what is at addresses of a configuration is here, and what its run writes is sent.

    Of several processes on a host one does it for all. Raises ValueError while another program here trains the run, and
    OSError where a bucket cannot be read or written.
    """
    global _mirror
    values = [getattr(config, field.name) for field in dataclasses.fields(config) if field.name != "checkpoints_dir"]
    data = [value for value in values if isinstance(value, str | Path) and buckets.address(value)]
    writes = buckets.address(config.folder) is not None and not config.dry_run
    if not data and not writes:
        yield
        return
    me = (socket.gethostname(), str(config.folder.absolute()))
    if processes.gather(me).index(me) == processes.index():
        for path in data:
            buckets.bring(path)
        _mirror = buckets.Mirror(config.folder, leads=processes.first()) if writes else None
    with contextlib.ExitStack() as held:
        held.callback(_forget)
        if writes:
            processes.once(lambda: held.enter_context(_locked(config)))
        processes.once(_begin)
        _follow()
        if _mirror is not None:
            held.enter_context(_mirror.sending())
        yield


def _locked(config: RunConfig) -> contextlib.AbstractContextManager[None]:
    """Before anything is brought over what is here: beside the folder, which need not be there."""
    config.checkpoints_dir.mkdir(parents=True, exist_ok=True)
    return files.locked(config.checkpoints_dir / f".{config.name}.lock", f"the run {buckets.address(config.folder)}")


def _forget() -> None:
    global _mirror
    _mirror = None


def apart(config: RunConfig) -> bool:
    """Whether each host has a folder of its own of a run, and the first process alone saves it."""
    return buckets.address(config.folder) is not None and processes.count() > 1


def settle() -> None:
    """Returns when every process sees what the first has written."""
    if processes.count() > 1:
        processes.once(_send)
        _follow()


def _begin() -> None:
    if _mirror is not None:
        _mirror.begin()


def _send() -> None:
    if _mirror is not None:
        _mirror.send()


def _follow() -> None:
    """Brings what the first has sent to the other hosts."""
    if not processes.first():
        _begin()
    processes.gather(None)
