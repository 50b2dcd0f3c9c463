"""Files: written whole or not at all, under names of any bytes that the system allows."""

import errno
import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["is_part", "locked", "part_name", "require_possible", "shown", "unfinished", "user_cache", "write"]
__dir__ = __all__.copy

_LONGEST_NAME = 255  # bytes, where the system does not say
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}  # of some shared file systems
_LONGEST_EXTENSION = 16  # of what a writer may look at to choose its format


@contextmanager
def unfinished(path: str | Path) -> Iterator[Path]:
    """Where to write what shall become `path` when it is whole; gone if the block fails. Folders above are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(part_name(path.name))
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(part)):
            error.filename = str(path)  # the name that means something to its reader
        raise
    finally:  # on a full disk it would take the room of another
        part.unlink(missing_ok=True)


def part_name(name: str) -> str:
    """The hidden name, short whatever the length of `name`, of a file that is not whole yet; with the extension."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    extension = os.path.splitext(name)[1]
    return f".{digest}.part{extension if len(os.fsencode(extension)) <= _LONGEST_EXTENSION else ''}"


def is_part(name: str) -> bool:
    """Whether a name is that of a file which a kill left unfinished; earlier versions called them .tmp."""
    return name.endswith((".part", ".tmp")) or os.path.splitext(name)[0].endswith(".part")


def write(path: str | Path, content: str | bytes) -> None:
    """Writes a file whole or not at all; text as UTF-8, in which names of files keep their bytes.

    Raises OSError where the system refuses.
    """
    content = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    with unfinished(path) as part:
        part.write_bytes(content)


@contextmanager
def locked(lock: str | Path, run: str) -> Iterator[None]:
    """Within this context no other program trains `run`: a file, in a folder that is there, says who does.

    A lock dies with its owner. Where a file system has no locks there is none. Raises ValueError, naming the other,
    while there is one.
    """
    lock = Path(lock)
    file = _owned(lock, run)
    try:
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def _owned(lock: Path, run: str) -> int:
    """The descriptor of the lock's file, which is ours until it is closed."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 1000).decode(errors="replace") or "another process"
            os.close(file)
            raise ValueError(f"{owner} is training {run}; wait for it, stop it, or take another --name.") from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return file
            os.close(file)
            raise
        # Its last owner may have removed the file meanwhile: others then look at another one.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(lock)):
                return file
        os.close(file)


def user_cache() -> Path:
    """The folder of what is kept for the next time, and may be deleted: $XDG_CACHE_HOME/gan_jax or ~/.cache/gan_jax."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "gan_jax")


def shown(name: str | Path) -> str:
    """A name in characters that any page or table takes: what is no text, or would move the cursor, is escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def require_possible(path: str | Path) -> None:
    """Raises ValueError where the file system can hold no file or folder of that path's names: they are too long."""
    path = Path(path)
    missing = [path]
    while not os.path.exists(missing[-1].parent) and missing[-1].parent != missing[-1]:
        missing.append(missing[-1].parent)
    longest = _LONGEST_NAME
    with suppress(OSError, ValueError, AttributeError):
        longest = os.pathconf(missing[-1].parent, "PC_NAME_MAX")
    for name in (part.name for part in missing):
        if (length := len(os.fsencode(name))) > longest:
            raise ValueError(
                f"a file or folder called {shown(name)[:40]}... cannot be made: its name has {length} bytes, and the "
                f"file system takes {longest}; give a shorter name."
            )
