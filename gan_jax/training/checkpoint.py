"""Checkpoints of a run: save, verify, restore, fall back. The only file that knows Orbax.

Orbax commits a step by renaming its folder, but reads a flipped bit without complaint. So each committed step is
sealed by a file of digests, and a step that is not sealed or does not match its seal is never restored.
"""

import copy
import dataclasses
import errno
import functools
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from gan_jax import files
from gan_jax.training import processes

__all__ = ["Checkpoints", "Restored", "cut_back", "damage", "is_checkpoint", "latest_step", "require_finite"]
__dir__ = __all__.copy

_SEAL = "digests.json"
_REFUSALS = [os.strerror(n) for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO)]


class Restored(NamedTuple):
    """A state as it was saved after `step` steps, and the JSON values saved beside it."""

    step: int
    state: Any
    extra: dict[str, Any]


class _Kept(preservation_policy.PreservationPolicy):
    """Keeps the steps that a function names."""

    def __init__(self, keeps: Callable[[int], bool]) -> None:
        self._keeps = keeps

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """One answer for each checkpoint."""
        del context
        return [self._keeps(checkpoint.step) for checkpoint in checkpoints]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Orbax where a file is damaged, and its threads and TensorStore's, which say tracebacks on a full disk.

    After an error they stay silent: some threads end, and some tasks are collected, later.
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, ("absl", "asyncio"))}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    hook = sys.unraisablehook

    def but_for_late_news(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":  # which TensorStore wanted to tell of a write
            hook(unraisable)

    sys.unraisablehook = but_for_late_news
    yield
    sys.unraisablehook = hook
    for logger, level in levels.items():
        logger.setLevel(level)


class Checkpoints:
    """The checkpoints in a folder: the `newest`, two of them at least, and those that `keeps` names.

    Of several processes all write into one folder; or, `apart`, each has a folder, and the first alone writes.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        newest: int = 2,
        keeps: Callable[[int], bool] = lambda step: False,
        apart: bool = False,
    ) -> None:
        self._writes = processes.first() or not apart
        latest = preservation_policy.LatestN(newest)  # with two, one is whole at any moment
        # Named, they meet by the coordinator and not by a collective, which would mix with those of training.
        together = {processes.index()} if apart else set(range(processes.count()))
        meeting = ocp.options.MultiprocessingOptions(
            primary_host=None if apart else 0, active_processes=together if processes.count() > 1 else None
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=preservation_policy.AnyPreservationPolicy([latest, _Kept(keeps)]),
            enable_async_checkpointing=False,
            cleanup_tmp_directories=True,
            create=False,
            multiprocessing_options=meeting,
        )
        handlers = {
            "state": ocp.StandardCheckpointHandler(multiprocessing_options=meeting),
            "extra": ocp.JsonCheckpointHandler(multiprocessing_options=meeting),
        }
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        with _quiet():
            self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.finish()
        except Exception:
            if error is None:  # what ended the block comes first
                raise
        finally:
            self._writer.shutdown()
            self._manager.close()

    def save(self, step: int, state: Any, extra: dict[str, Any]) -> None:
        """Begins to write the state and `extra` as `step`, and returns when both are copied: the state may be consumed.

        What is `frozen` in the state, weights that training only reads, is left out. Where the system refuses, for want
        of room for instance, the checkpoints before stay, and `check`, `finish` or the next `save` raises OSError.
        """
        self.finish()
        if self._writes:
            self._pending = self._writer.submit(self._write, step, _on_host(_learned(state)), copy.deepcopy(extra))

    def check(self) -> None:
        """Raises what became of the last save if it has failed by now."""
        if self._pending is not None and self._pending.done():
            self.finish()

    def finish(self) -> None:
        """Returns when the last save is on disk and sealed, or raises what became of it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _write(self, step: int, state: Any, extra: dict[str, Any]) -> None:
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), extra=ocp.args.JsonSave(extra))
        try:
            with _quiet():
                self._manager.save(step, args=items, force=True)
                if processes.first():  # all have committed
                    self._seal(step)
        except (ValueError, OSError) as error:
            # TensorStore's errors are ValueErrors that hold the system's words in pages of others.
            cause = next((words for words in _REFUSALS if words in str(error)), None)
            if cause is None:
                raise
            raise OSError(
                f"the checkpoint of step {step} cannot be written to {self.folder} ({cause}); make room or allow it, "
                "and the same command goes on from the last checkpoint."
            ) from None

    @_quiet()
    def restore(self, abstract_state: Any, warn: Callable[[str], None]) -> Restored | None:
        """The newest whole checkpoint, on the shardings of `abstract_state`; None if there is none.

        A step that was cut short or damaged is named through `warn`, deleted, and the one before it is taken. What is
        `frozen` in the state is not in it: it comes back as `abstract_state` has it. Raises ValueError where the
        checkpoint holds another tree than `abstract_state`.
        """
        self.finish()
        # Another's folder of its own may hold what the first has gone back from.
        for step in processes.once(lambda: sorted(self._manager.all_steps(), reverse=True)):
            problem = processes.once(functools.partial(damage, self.folder / str(step)))
            if problem is None:
                learned = ocp.args.StandardRestore(_learned(abstract_state))
                items = ocp.args.Composite(state=learned, extra=ocp.args.JsonRestore())
                try:
                    restored = self._manager.restore(step, args=items)
                except ValueError as error:
                    if "tree structures do not match" not in str(error):
                        raise
                    raise ValueError(
                        f"the checkpoint {self.folder / str(step)} holds the state of another method, or of an earlier "
                        "version of this program; begin anew under another name."
                    ) from None
                state = _with_frozen(restored.state, getattr(abstract_state, "frozen", None))
                return Restored(step, state, restored.extra)
            warn(f"checkpoint {self.folder / str(step)} {problem}; it is deleted.")
            if self._writes:
                self._manager.delete(step)
            if not self._manager.all_steps():
                warn("no whole checkpoint is left; training begins anew.")
        return None

    def _seal(self, step: int) -> None:
        folder = self.folder / str(step)
        files.write(folder / _SEAL, json.dumps(_digests(folder), indent=1, sort_keys=True))


def _on_host(state: Any) -> Any:
    """A copy of a state: the next training step uses its memory again."""

    def copied(leaf: Any) -> Any:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # for which NumPy has no type
        return jnp.copy(leaf) if is_key else np.array(leaf)

    return jax.tree.map(copied, state)


def _learned(state: Any) -> Any:
    """The state without what training only reads, such as VGG's weights: that comes from its own file."""
    return _with_frozen(state, None)


def _with_frozen(state: Any, frozen: Any) -> Any:
    return dataclasses.replace(state, frozen=frozen) if hasattr(state, "frozen") else state


def cut_back(folder: str | Path, step: int) -> list[int]:
    """Deletes the checkpoints under a checkpoints folder that are newer than `step`; returns their steps."""
    folder = Path(folder)
    newer = sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit() and int(path.name) > step)
    for number in reversed(newer):  # a kill leaves the oldest, so that it is done again
        (folder / str(number) / _SEAL).unlink(missing_ok=True)
        shutil.rmtree(folder / str(number))
    return newer


def latest_step(folder: str | Path) -> int | None:
    """The newest committed step under a checkpoints folder, without opening it; None if there is none."""
    steps = [int(path.name) for path in Path(folder).glob("[0-9]*") if (path / _SEAL).exists()]
    return max(steps, default=None)


def is_checkpoint(folder: str | Path) -> bool:
    """Whether a folder is one committed step."""
    folder = Path(folder)
    return folder.name.isdigit() and (folder / "state").is_dir()


def damage(folder: str | Path) -> str | None:
    """What is wrong with one committed step, in words that follow its name; None if it is whole."""
    folder = Path(folder)
    try:
        sealed = json.loads((folder / _SEAL).read_text())
    except (FileNotFoundError, ValueError):
        return "was cut short"
    return None if sealed == _digests(folder) else "is damaged (its files do not match their digests)"


def _digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(_SEAL))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def require_finite(step: int, state: Any) -> None:
    """Raises FloatingPointError where the state after `step` steps holds a value that is not finite."""
    if not _all_finite(state):
        raise FloatingPointError(
            f"the state after step {step} holds values that are not finite; training stops, the last checkpoint is "
            "kept. Lower the learning rate, or look at the last rows of log.jsonl."
        )


@jax.jit
def _all_finite(state: Any) -> jax.Array:
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]))
