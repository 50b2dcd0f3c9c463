"""Buckets: folders at an address, gs://bucket/path for instance, and the folder of this machine that stands for each.

What is read is brought here first; what is written here is sent there by a thread meanwhile, and the rest at the end.
Addresses are those that fsspec knows, each with the package that it wants.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan_jax import files

__all__ = ["Mirror", "address", "bring", "here"]
__dir__ = __all__.copy

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.+)")  # pathlib makes one slash of two
_MARK = ".sent.json"
_EACH = 10.0  # seconds between two times of sending
_EXTRAS = {"gs": "gan_jax[gs]", "gcs": "gan_jax[gs]"}
_Stamp = list[int]  # time and size of a file here


def here(path: str) -> str:
    """The folder of this machine that stands for an address; a path that is no address comes back as it is.

    Raises ValueError where the address is of a kind that is not known here.
    """
    found = _ADDRESS.fullmatch(path)
    if found is None or os.path.lexists(f"{found[1]}:"):
        return path
    import fsspec

    try:
        fsspec.get_filesystem_class(found[1])
    except (ImportError, ValueError) as error:
        instead = f"pip install '{_EXTRAS[found[1]]}'" if found[1] in _EXTRAS else "give a folder or a gs:// address"
        raise ValueError(f"{found[1]}://{found[2]} cannot be reached ({error}); {instead}.") from None
    return str(_root() / found[1] / found[2].rstrip("/"))


def address(folder: str | Path) -> str | None:
    """The address for which a folder of this machine stands; None where it stands for none."""
    with contextlib.suppress(ValueError):
        scheme, *rest = Path(folder).absolute().relative_to(_root()).parts
        return f"{scheme}://{'/'.join(rest)}"
    return None


def _root() -> Path:
    return files.user_cache().absolute() / "buckets"


def bring(path: str | Path) -> None:
    """Brings the file or folder at an address to the path that stands for it; a file of the same size stays.

    Raises FileNotFoundError where nothing is there, OSError where it cannot be read, ValueError for other paths.
    """
    bucket = _Bucket(path)
    sizes = bucket.sizes()
    if not sizes:
        raise FileNotFoundError(f"there is nothing at {bucket.address}; give the address of a file or a folder.")
    for name, size in sizes.items():
        file = bucket.folder / name
        if not file.is_file() or file.stat().st_size != size:
            bucket.get(name)


class _Bucket:
    """What is at the address for which a folder of this machine stands; names are relative to both."""

    def __init__(self, folder: str | Path) -> None:
        import fsspec

        found = address(folder)
        if found is None:
            raise ValueError(f"{folder} stands for no address; wanted a folder below {_root()}.")
        self.folder, self.address = Path(folder), found
        with self.in_words("reached"):
            self._system, self._path = fsspec.core.url_to_fs(self.address)
        package = type(self._system).__module__.partition(".")[0]
        logging.getLogger(package).setLevel(logging.CRITICAL)  # tracebacks of what is raised too

    @contextlib.contextmanager
    def in_words(self, done: str) -> Iterator[None]:
        """Makes one kind of error of all that storage systems raise, whose classes have nothing in common."""
        try:
            yield
        except Exception as error:
            why = (str(error).splitlines() or [""])[0][:200].strip().rstrip(".") or type(error).__name__
            raise OSError(f"{self.address} cannot be {done} ({why}); the same command tries it again.") from error

    def sizes(self) -> dict[str, int]:
        """Bytes of every file; that of a single file under the name of nothing."""
        with self.in_words("read"):
            self._system.invalidate_cache()
            found = self._system.find(self._path, detail=True)
        return {name[len(self._path) :].lstrip("/"): int(entry["size"]) for name, entry in found.items()}

    def read(self, name: str) -> bytes | None:
        """What is in a file; None where there is none."""
        with self.in_words("read"):
            try:
                return bytes(self._system.cat_file(self._at(name)))
            except FileNotFoundError:
                return None

    def get(self, name: str) -> None:
        """Brings a file."""
        with self.in_words("read"), files.unfinished(self.folder / name) as part:
            self._system.get_file(self._at(name), os.fspath(part))

    def put(self, name: str) -> None:
        """Sends a file; one that is gone by now is not sent."""
        with self.in_words("written"), contextlib.suppress(FileNotFoundError):
            self._system.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
            self._system.put_file(os.fspath(self.folder / name), self._at(name))

    def remove(self, name: str) -> None:
        """Removes a file there."""
        with self.in_words("written"), contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}".rstrip("/")


class Mirror:
    """A run's folder of this machine and the bucket's for which it stands: equal when it begins and when it ends.

    A file in both says who sent last. Where that was this machine, what it has is as new or newer: nothing of a run
    that was killed before it could send is lost.
    """

    def __init__(self, folder: str | Path, *, leads: bool = True) -> None:
        """Of several machines that train one run one `leads`, and the others only add.

        Raises ValueError where the folder stands for no address.
        """
        self._bucket, self._folder, self._leads = _Bucket(folder), Path(folder), leads
        self._sent: dict[str, _Stamp] = {}  # what the bucket has: the stamps that these files had here
        self._by = self._tried = ""  # what the mark there says, or says if the last attempt to write it came through
        self._once = threading.Lock()

    def begin(self) -> None:
        """Makes the folder what the bucket has, unless it is newer. Raises OSError where the bucket cannot be read."""
        content, mine = self._bucket.read(_MARK), _marked(self._folder / _MARK)
        sizes = self._bucket.sizes()
        if not sizes and self._leads:
            self._claim()
        elif content is not None and _by(content) in (mine.get("by"), mine.get("after")):
            self._by, self._sent = _by(content), mine["sent"]
        else:
            shutil.rmtree(self._folder, ignore_errors=True)
            for name in sizes:
                if name != _MARK:
                    self._bucket.get(name)
            self._by, self._sent = _by(content), _stamps(self._folder)
            self._remember(self._by, after=self._by)

    def send(self) -> None:
        """Sends what is new, in the order in which it was written, and removes there what is removed here.

        Raises OSError where the bucket cannot be written, or where another machine has begun to.
        """
        with self._once:
            stamps = _stamps(self._folder)
            new = sorted((stamp, name) for name, stamp in stamps.items() if self._sent.get(name) != stamp)
            gone = [name for name in self._sent if name not in stamps] if self._leads else []
            if not new and not gone:
                return
            if self._leads:
                content = self._bucket.read(_MARK)
                if content is not None and _by(content) not in (self._by, self._tried):
                    raise OSError(f"another machine writes to {self._bucket.address}; end one of the two.")
            for stamp, name in new:
                self._bucket.put(name)
                self._sent[name] = stamp
            for name in gone:
                self._bucket.remove(name)
                del self._sent[name]
            if self._leads:
                self._claim()

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Within this context a thread sends what is new every few seconds, and at its end everything is sent.

        What cannot be sent is said once and tried again. Raises OSError where it cannot be at the end.
        """
        over, said = threading.Event(), False

        def attempt() -> None:
            nonlocal said
            try:
                self.send()
            except OSError as error:
                if not said:
                    print(f"note: {error}", file=sys.stderr, flush=True)
                said = True

        def send() -> None:
            while not over.wait(_EACH):
                attempt()

        thread = threading.Thread(target=send, name="bucket", daemon=True)
        thread.start()
        last = attempt  # what ends the block by an error comes first
        try:
            yield
            last = self.send
        finally:
            over.set()
            thread.join()
            last()

    def _claim(self) -> None:
        """Writes there that this machine sent last; if that fails, what stood there still counts."""
        self._tried = uuid.uuid4().hex
        self._remember(self._tried, after=self._by)
        self._bucket.put(_MARK)
        self._by = self._tried

    def _remember(self, by: str, *, after: str) -> None:
        files.write(self._folder / _MARK, json.dumps({"by": by, "after": after, "sent": self._sent}))


def _by(mark: bytes | None) -> str:
    try:
        return str(json.loads(mark or b"")["by"])
    except (ValueError, KeyError, TypeError):
        return ""


def _marked(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Time and size of the files below a folder; not of hidden ones, which are this machine's own."""
    stamps = {}
    for parent, children, names in os.walk(folder):
        children[:] = [child for child in children if "orbax-checkpoint-tmp" not in child]
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                state = os.stat(os.path.join(parent, name))
                if not name.startswith("."):
                    stamps[Path(parent, name).relative_to(folder).as_posix()] = [state.st_mtime_ns, state.st_size]
    return stamps
