"""Terminals: streams that print names of any bytes and outlive their terminal, counts of long work, and times."""

import codecs
import errno
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

__all__ = ["Count", "Held", "Lasting", "clock", "lasting_streams", "lost", "own_stderr", "own_stdout"]
__dir__ = __all__.copy

_NAMES = "gan_jax.names"  # the error handler below, as codecs know it
_STDOUT, _STDERR = 1, 2  # their descriptors, whatever Python's streams are
_INTERVAL = 60.0  # seconds between lines of a count that is not on a terminal


def _as_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """What an encoding cannot say: bytes of a file's name as they are, any other character escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first = error.object[error.start]
    if "\udc80" <= first <= "\udcff":
        return bytes([ord(first) - 0xDC00]), error.start + 1
    return first.encode("unicode_escape"), error.start + 1


codecs.register_error(_NAMES, _as_bytes)


class Lasting:
    """A stream whose reader may go away or whose disk may be full: what is written then goes nowhere.

    `lost` is why something did not arrive; a reader that wanted no more, `| head`, is no loss.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Writes, or not."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._bury(error)
        return len(text)

    def flush(self) -> None:
        """Flushes, or not."""
        try:
            self._stream.flush()
        except OSError as error:
            self._bury(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _bury(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            self.lost = self.lost or error
        # What is still in its buffer, and what libraries write beside Python, must go somewhere too.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Within this context stdout and stderr are `Lasting` and print any file's name; closed ones go nowhere."""
    before = sys.stdout, sys.stderr
    opened = [open(os.devnull, "w") if stream is None else None for stream in before]  # noqa: SIM115 - closed below
    streams = [Lasting(stream or nowhere) for stream, nowhere in zip(before, opened, strict=True)]
    for stream in streams:
        with suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors=_NAMES)
    sys.stdout, sys.stderr = streams  # type: ignore[assignment]
    try:
        yield
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = before
        for nowhere in opened:
            if nowhere is not None:
                nowhere.close()


@contextmanager
def own_stdout(*, shown: bool) -> Iterator[None]:
    """Within this context what libraries write to stdout beside Python goes nowhere; not `shown`, Python's does too."""
    before = sys.stdout
    before.flush()
    with ExitStack() as opened:
        nowhere = opened.enter_context(open(os.devnull, "w"))
        sys.stdout = _own(before, opened) if shown else nowhere
        _lead(_STDOUT, nowhere.fileno(), opened)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stdout = before


class Held:
    """What libraries have written to stderr beside Python, in a file that Python's stderr does not lead to."""

    def __init__(self, file: Any) -> None:
        self._file, self._shown, self._seen = file, 0, 0

    def text(self) -> str:
        """What has not been shown."""
        with suppress(ValueError):  # closed
            return self._between(self._shown, self._size())
        return ""

    def pass_on(self) -> None:
        """Shows on Python's stderr what was there at the last call: a first line waits for those that follow it."""
        with suppress(ValueError):  # closed
            shown, self._shown, self._seen = self._shown, self._seen, self._size()
            sys.stderr.write(self._between(shown, self._shown))
            sys.stderr.flush()

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _between(self, begin: int, end: int) -> str:
        return os.pread(self._file.fileno(), end - begin, begin).decode(errors="replace")


@contextmanager
def own_stderr() -> Iterator[Held]:
    """Within this context what libraries write to stderr beside Python is held; at its end what was not shown is."""
    before, linux = sys.stderr, hasattr(os, "memfd_create")  # which alone has files without a folder
    before.flush()
    with ExitStack() as opened:
        file = opened.enter_context(open(os.memfd_create("stderr") if linux else os.devnull, "rb"))
        held = Held(file)
        sys.stderr = _own(before, opened)
        if linux:
            _lead(_STDERR, file.fileno(), opened)
        try:
            yield held
        finally:
            held.pass_on()
            held.pass_on()
            sys.stderr = before


def _own(stream: Any, opened: ExitStack) -> Any:
    """A stream of Python's alone that leads where `stream` does; the very stream where that is no file of libraries."""
    with suppress(AttributeError, OSError, ValueError):
        copy = os.dup(stream.fileno())
        own = open(copy, "w", buffering=1, encoding=stream.encoding, errors=_NAMES)  # noqa: SIM115 - entered
        return Lasting(opened.enter_context(own))
    return stream


def _lead(descriptor: int, to: int, opened: ExitStack) -> None:
    """Has a descriptor lead elsewhere until `opened` ends."""
    with suppress(OSError):  # closed
        kept = os.dup(descriptor)
        opened.callback(os.close, kept)
        opened.callback(os.dup2, kept, descriptor)
        os.dup2(to, descriptor)


def lost() -> OSError | None:
    """Why something printed on a lasting stdout did not arrive; None where all did."""
    sys.stdout.flush()
    return getattr(sys.stdout, "lost", None)


class Count:
    """How far a long piece of work is, on stderr: on a terminal a line that is written over, else one each minute."""

    def __init__(self, what: str) -> None:
        self._what, self._began = what, time.monotonic()
        self._last = self._began
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        """Called after each piece."""
        now = time.monotonic()
        words = f"{self._what} {done}/{total}"
        if done and done < total:
            words += f", {clock((now - self._began) / done * (total - done))} to go"
        if sys.stderr.isatty():
            self._open = done < total
            print(f"\r{words:<60}", end="" if self._open else "\n", file=sys.stderr, flush=True)
        elif now - self._last > _INTERVAL and done < total:
            self._last = now
            print(words, file=sys.stderr, flush=True)

    def end_line(self) -> None:
        """Ends the line that is written over, before something else is printed."""
        if self._open:
            self._open = False
            print(file=sys.stderr)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, to the nearest; "?" where they are NaN, not known."""
    if math.isnan(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
