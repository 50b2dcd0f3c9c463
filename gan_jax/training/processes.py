"""Processes: several of them as one run, joined by jax.distributed; what they agree on, and how all of them end.

Every process runs the same program with the same control flow. What is said and written is said and written by the
first; what the others must know of it comes through `once`, and what each has a share of through `gather` and `spread`.
All of it goes through the key-value store of jax.distributed's coordinator: no device waits, and signals are heard.
With one process nothing is sent, and every function does what its plain counterpart does.
"""

import atexit
import contextlib
import ctypes
import errno
import itertools
import os
import pickle
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax

from gan_jax import errors
from gan_jax.terminal import console

__all__ = [
    "FLAGS",
    "LOST",
    "Place",
    "count",
    "first",
    "found",
    "gather",
    "index",
    "joined",
    "leave",
    "once",
    "require_same",
    "require_shared",
    "spread",
]
__dir__ = __all__.copy

FLAGS = ("coordinator", "coordinator_timeout", "num_processes", "process_id")  # what a run is told of its processes
LOST = 3  # the exit code of a process that ends because another has ended or hangs
_SILENT = 60  # seconds without a sign of life after which a process counts as lost
_EACH = 10.0  # seconds between lines that say what is waited for
_GRACE = 5.0  # seconds in which the others hear why a process ends, and in which a lost connection is explained
_SAME = 1.0  # seconds after which a process that has not met with the error of another will not meet with it
_FEW = 4  # differences that a refusal lists
_A = TypeVar("_A")
_GO_ON = "the same command goes on from the last checkpoint"


class Place(NamedTuple):
    """One process's place among those of a run."""

    coordinator: str  # HOST:PORT of process 0
    processes: int
    process: int
    local_devices: Sequence[int] | None = None  # those it shall use, where several processes share a machine's


class _Group:
    """What this process knows of the run's processes."""

    def __init__(self, place: Place, client: Any, held: console.Held) -> None:
        self.place, self.client = place, client
        self.held = held
        self.rounds = itertools.count()
        self.alone = False  # in `once`: what is called there is called by one process
        self.broken = False  # by an error, of which the others hear
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.on_abort: Any = None  # alive as long as the system may call it


_group: _Group | None = None


def count() -> int:
    """Processes of this run."""
    return 1 if _group is None else _group.place.processes


def index() -> int:
    """This process's number among them, from 0 on."""
    return 0 if _group is None else _group.place.process


def first() -> bool:
    """Whether this is the process that writes. No communication may depend on it."""
    return index() == 0


def found(coordinator: str | None, num_processes: int | None, process_id: int | None) -> Place | None:
    """The place that flags give, or else the one that JAX finds: TPU pods, Slurm, Kubernetes, Open MPI.

    None where there is one process. Raises ValueError for flags without the others, and for numbers that cannot be.
    """
    flags = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    if missing := [f"--{name}" for name, value in flags.items() if value is None]:
        if len(missing) < len(flags):
            raise ValueError(
                f"{' and '.join(missing)} missing: give --coordinator HOST:PORT --num_processes N --process_id I "
                "together, or none of them where a cluster says it."
            )
        return _detected()
    assert coordinator is not None
    assert num_processes is not None
    assert process_id is not None
    if num_processes < 1 or not 0 <= process_id < num_processes:
        raise ValueError(
            f"--num_processes is {num_processes} and --process_id {process_id}; wanted at least 1 process, numbered "
            "from 0 on."
        )
    return None if num_processes == 1 else Place(coordinator, num_processes, process_id)


def _detected() -> Place | None:
    from jax._src import clusters  # no public function tells without starting

    with warnings.catch_warnings():  # on any Kubernetes, where the package that JAX asks there is not installed
        warnings.simplefilter("ignore")
        try:
            detected = clusters.ClusterEnv.auto_detect_unset_distributed_params(None, None, None, None, None, None)
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(
                f"this looks like a cluster, and JAX finds no place in it ({_line(error)}); give --coordinator "
                "HOST:PORT --num_processes N --process_id I."
            ) from None
    coordinator, number, process, devices = detected
    if coordinator is None or number is None or process is None or number == 1:
        return None
    return Place(str(coordinator), int(number), int(process), devices)


@contextlib.contextmanager
def joined(place: Place | None, *, timeout: int = 300) -> Iterator[None]:
    """Within this context the process is one of several, where it has a place; it begins before any device is touched.

    Only the first process's stdout is shown, and nothing of what libraries write there beside Python; what they write
    to stderr is shown seconds later, but for the last words of a process that ends because of another. An error here is
    told to the others, and `leave` ends the process. Raises ValueError where the processes do not come together within
    `timeout` seconds.
    """
    if place is None:
        yield
        return
    global _group
    with console.own_stdout(shown=place.process == 0), console.own_stderr() as held:
        _group = _start(place, timeout, held)
        try:
            yield
        except BaseException as error:
            if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
                time.sleep(_GRACE)  # if another says why, that is said here
                _end(_group, f"the connection to another process is lost ({_line(error)}); {_GO_ON}")
            _group.broken = True
            # A traceback ends here too: an orderly end would wait for the others.
            atexit.register(os._exit, 1)
            _tell(_group, error)
            raise
        gather(None)  # the coordinator ends last
        _group.ending.set()


def leave(code: int) -> int:
    """The exit code of a process that was `joined`, which it leaves: at once after an error, else when all do."""
    global _group
    if _group is None:
        return code
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if _group.broken:
        os._exit(code)
    jax.distributed.shutdown()
    _group = None
    return code


def _start(place: Place, timeout: int, held: console.Held) -> _Group:
    deadline = time.monotonic() + timeout
    _wait_for_coordinator(place, timeout, deadline)
    # SIGTERM is ours: the loop saves and ends at a step that all agree on.
    jax.config.update("jax_enable_preemption_service", False)
    connected = threading.Event()
    waiting = threading.Thread(target=_wait_for_all, args=(place, timeout, deadline, connected), daemon=True)
    waiting.start()
    try:
        jax.distributed.initialize(
            place.coordinator,
            place.processes,
            place.process,
            place.local_devices,
            cluster_detection_method="deactivate",
            # Ours comes first: where JAX's own runs out it aborts the process.
            initialization_timeout=max(round(deadline - time.monotonic()), 1) + 60,
            heartbeat_timeout_seconds=_SILENT,
        )
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(
            f"process {place.process} cannot join the others at {place.coordinator} ({_line(error)}); see that each of "
            f"{place.processes} processes has a --process_id of its own."
        ) from None
    finally:
        connected.set()
        waiting.join()
    from jax._src import distributed  # the key-value store has no public name

    group = _Group(place, distributed.global_state.client, held)
    _on_abort(group)
    threading.Thread(target=_listen, args=(group,), daemon=True).start()
    return group


def _wait_for_coordinator(place: Place, timeout: int, deadline: float) -> None:
    """Returns when process 0 listens, or for process 0 when it could. Raises ValueError where neither will be."""
    host, colon, port = place.coordinator.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ValueError(f"--coordinator is {place.coordinator}; wanted HOST:PORT of process 0, as in host0:9876.")
    try:
        socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(
            f"--coordinator {place.coordinator}: the name {host} is not known here ({error.strerror}); give the name "
            "or the address of the host of process 0."
        ) from None
    if place.process == 0:
        return _require_free(int(port))
    began = said = time.monotonic()
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return None
        except OSError as error:
            why = (os.strerror(error.errno) if error.errno else str(error)).lower()
        now = time.monotonic()
        if now >= deadline:
            raise ValueError(
                f"process 0 does not answer at {place.coordinator} after {timeout} seconds ({why}); start it there, or "
                "give its --coordinator."
            )
        if now - said >= _EACH:
            said = now
            _say(f"waiting for process 0 at {place.coordinator}, {now - began:.0f} s of {timeout} ({why})")
        time.sleep(0.2)


def _require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            why = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror
            raise ValueError(
                f"process 0 cannot listen at port {port} ({why}); give a --coordinator with another."
            ) from None


def _wait_for_all(place: Place, timeout: int, deadline: float, connected: threading.Event) -> None:
    """Says every ten seconds that the processes are waited for, and ends this one when time is out."""
    began = time.monotonic()
    while not connected.wait(min(_EACH, max(deadline - time.monotonic(), 0.1))):
        if (now := time.monotonic()) >= deadline:
            _say(
                f"error: {place.processes} processes have not joined at {place.coordinator} after {timeout} seconds; "
                "start all with the same --coordinator and --num_processes, each with a --process_id of its own."
            )
            os._exit(2)
        _say(
            f"waiting for {place.processes} processes to join at {place.coordinator}, {now - began:.0f} s of {timeout}"
        )


def _on_abort(group: _Group) -> None:
    """Has a sentence said, and an exit code of ours, where JAX aborts because it lost the coordinator or a process.

    That happens in a thread of C++, whose handler is called there and then; one of Python's would be called too late.
    """

    def aborted(number: int) -> None:
        del number
        said = group.held.text()
        if not said or _GIVEN_UP in said:
            _end(
                group,
                "JAX gives up, as it does where another process has ended or was silent for "
                f"{_SILENT} seconds; {_GO_ON}",
            )
        _say(said)  # an abort of another kind, which takes its course

    group.on_abort = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)
    system = ctypes.CDLL(None)
    system.signal.restype, system.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    system.signal(signal.SIGABRT, ctypes.cast(group.on_abort, ctypes.c_void_p))


def _end(group: _Group, words: str) -> None:
    """Ends this process because of another, once."""
    if group.lock.acquire(blocking=False):
        _say(f"error: {words}.")
        os._exit(LOST)


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(words, file=sys.stderr, flush=True)


def _listen(group: _Group) -> None:
    """Ends this process when another tells that it ends by an error; shows what libraries write to stderr."""
    while not group.broken and not group.ending.is_set():
        group.held.pass_on()
        try:
            words = group.client.blocking_key_value_get(_ENDED, 1000)
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):  # the connection is lost, of which JAX says more
                time.sleep(_SAME)
            continue
        time.sleep(_SAME)
        if not group.broken and not group.ending.is_set():
            _end(group, words)


_ENDED = "gan_jax/ended"
_GIVEN_UP = "JAX distributed service detected fatal errors"  # what JAX says to stderr, before pages of others' words


def _tell(group: _Group, error: BaseException) -> None:
    """Tells the others why this process ends, and gives them time to hear it where they would lose the coordinator."""
    interrupted = isinstance(error, KeyboardInterrupt)
    why = "interrupted" if interrupted else errors.in_words(error) if isinstance(error, Exception) else repr(error)
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # another was first
        who = f"process {group.place.process} on {socket.gethostname()}"
        group.client.key_value_set(_ENDED, f"{who} ended: {why.strip().rstrip('.')}; {_GO_ON}")
    if group.place.process == 0:
        time.sleep(min(_GRACE, 2.0))


def _line(error: BaseException) -> str:
    """The first line of an error that comes from elsewhere."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200].strip().rstrip(".")


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
    end = time.monotonic() + _GRACE  # what a network's file system takes to show it
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
