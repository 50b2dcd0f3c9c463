"""A process that becomes one of several: its place, how it joins them by jax.distributed, and how all of them end."""

import atexit
import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax

from gan_jax import errors
from gan_jax.terminal import console
from gan_jax.training import processes

__all__ = ["FLAGS", "LOST", "Place", "found", "joined", "leave"]
__dir__ = __all__.copy

FLAGS = ("coordinator", "coordinator_timeout", "num_processes", "process_id")  # what a run is told of its processes
LOST = 3  # the exit code of a process that ends because another has ended or hangs
_SILENT = 60  # seconds without a sign of life after which a process counts as lost
_EACH = 10.0  # seconds between lines that say what is waited for
_GRACE = 5.0  # seconds in which the others hear why a process ends, and in which a lost connection is explained
_SAME = 1.0  # seconds after which a process that has not met with the error of another will not meet with it
_GO_ON = "the same command goes on from the last checkpoint"


class Place(NamedTuple):
    """One process's place among those of a run."""

    coordinator: str  # HOST:PORT of process 0
    processes: int
    process: int
    local_devices: Sequence[int] | None = None  # those it shall use, where several processes share a machine's


class _Member(processes.Group):
    """This process among the others: what it shows of them, and whether it or they are ending."""

    def __init__(self, place: Place, client: Any, held: console.Held) -> None:
        super().__init__(place.processes, place.process, client)
        self.held = held
        self.broken = False  # by an error, of which the others hear
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.on_abort: Any = None  # alive as long as the system may call it


_member: _Member | None = None


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
    global _member
    with console.own_stdout(shown=place.process == 0), console.own_stderr() as held:
        _member = _start(place, timeout, held)
        processes.use(_member)
        try:
            yield
        except BaseException as error:
            if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
                time.sleep(_GRACE)  # if another says why, that is said here
                _end(_member, f"the connection to another process is lost ({_line(error)}); {_GO_ON}")
            _member.broken = True
            # A traceback ends here too: an orderly end would wait for the others.
            atexit.register(os._exit, 1)
            _tell(_member, error)
            raise
        processes.gather(None)  # the coordinator ends last
        _member.ending.set()


def leave(code: int) -> int:
    """The exit code of a process that was `joined`, which it leaves: at once after an error, else when all do."""
    global _member
    if _member is None:
        return code
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if _member.broken:
        os._exit(code)
    jax.distributed.shutdown()
    _member = None
    processes.use(None)
    return code


def _start(place: Place, timeout: int, held: console.Held) -> _Member:
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

    member = _Member(place, distributed.global_state.client, held)
    _on_abort(member)
    threading.Thread(target=_listen, args=(member,), daemon=True).start()
    return member


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


def _on_abort(member: _Member) -> None:
    """Has a sentence said, and an exit code of ours, where JAX aborts because it lost the coordinator or a process.

    That happens in a thread of C++, whose handler is called there and then; one of Python's would be called too late.
    """

    def aborted(number: int) -> None:
        del number
        said = member.held.text()
        if not said or _GIVEN_UP in said:
            _end(
                member,
                "JAX gives up, as it does where another process has ended or was silent for "
                f"{_SILENT} seconds; {_GO_ON}",
            )
        _say(said)  # an abort of another kind, which takes its course

    member.on_abort = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)
    system = ctypes.CDLL(None)
    system.signal.restype, system.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    system.signal(signal.SIGABRT, ctypes.cast(member.on_abort, ctypes.c_void_p))


def _end(member: _Member, words: str) -> None:
    """Ends this process because of another, once."""
    if member.lock.acquire(blocking=False):
        _say(f"error: {words}.")
        os._exit(LOST)


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(words, file=sys.stderr, flush=True)


def _listen(member: _Member) -> None:
    """Ends this process when another tells that it ends by an error; shows what libraries write to stderr."""
    while not member.broken and not member.ending.is_set():
        member.held.pass_on()
        try:
            words = member.client.blocking_key_value_get(_ENDED, 1000)
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):  # the connection is lost, of which JAX says more
                time.sleep(_SAME)
            continue
        time.sleep(_SAME)
        if not member.broken and not member.ending.is_set():
            _end(member, words)


_ENDED = "gan_jax/ended"
_GIVEN_UP = "JAX distributed service detected fatal errors"  # what JAX says to stderr, before pages of others' words


def _tell(member: _Member, error: BaseException) -> None:
    """Tells the others why this process ends, and gives them time to hear it where they would lose the coordinator."""
    interrupted = isinstance(error, KeyboardInterrupt)
    why = "interrupted" if interrupted else errors.in_words(error) if isinstance(error, Exception) else repr(error)
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # another was first
        who = f"process {member.index} on {socket.gethostname()}"
        member.client.key_value_set(_ENDED, f"{who} ended: {why.strip().rstrip('.')}; {_GO_ON}")
    if member.index == 0:
        time.sleep(min(_GRACE, 2.0))


def _line(error: BaseException) -> str:
    """The first line of an error that comes from elsewhere."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200].strip().rstrip(".")
