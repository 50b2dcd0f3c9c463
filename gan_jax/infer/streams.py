"""Images on their way through a device that is never to wait: read ahead, gathered into batches, written behind."""

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Generic, TypeVar

from gan_jax.data.image_files import ImageFile

__all__ = ["WriteBehind", "batches_by_size", "read_ahead"]
__dir__ = __all__.copy

_AHEAD = 8  # images that may wait in memory to be computed or written,
_WAITING_BYTES = 2**28  # and their bytes, however many they are, if more than one
_ERRORS = (ValueError, OSError, ImportError)  # what is wrong with a file; any other is a fault of this program

_Job = TypeVar("_Job")
_Image = TypeVar("_Image")


def read_ahead(
    pool: Executor,
    jobs: Iterable[_Job],
    read: Callable[[_Job], ImageFile],
    failed: Callable[[_Job, Exception], None],
) -> Iterator[tuple[_Job, ImageFile]]:
    """Each job with what `read` gives of it in the pool, in order: a few ahead, or a single one where they are large.

    A job whose image cannot be read is left out, and `failed` is told why.
    """
    coming, reading, most = iter(jobs), deque[tuple[_Job, Future]](), 1
    while True:
        more = itertools.islice(coming, max(most + 1 - len(reading), 0))
        reading.extend((job, pool.submit(read, job)) for job in more)
        if not reading:
            return
        job, future = reading.popleft()
        try:
            photograph = future.result()
        except _ERRORS as error:
            failed(job, error)
            continue
        most = min(_AHEAD, max(1, _WAITING_BYTES // photograph.pixels.nbytes))
        yield job, photograph


def batches_by_size(
    images: Iterable[_Image], size: Callable[[_Image], Hashable], batch_size: int
) -> Iterator[list[_Image]]:
    """Images of one size together, `batch_size` at most; fewer at the end, and where too many sizes are waiting."""
    buckets: dict[Hashable, list[_Image]] = {}
    for image in images:
        kind = size(image)
        bucket = buckets.setdefault(kind, [])
        bucket.append(image)
        if len(bucket) == batch_size:
            yield buckets.pop(kind)
        elif sum(map(len, buckets.values())) > 2 * max(batch_size, _AHEAD):
            yield buckets.pop(max(buckets, key=lambda kind: len(buckets[kind])))
    yield from buckets.values()


class WriteBehind(Generic[_Job]):
    """Saves images in a pool, while few of them wait in memory: `put` waits where there are too many.

    Where one cannot be written `failed` is told which and why. `finish` waits for all.
    """

    def __init__(
        self,
        pool: Executor,
        save: Callable[[Path, ImageFile], None],
        failed: Callable[[_Job, Path, Exception], None],
    ) -> None:
        self._pool, self._save, self._failed = pool, save, failed
        self._writing: deque[tuple[_Job, Path, int, Future]] = deque()

    def put(self, job: _Job, path: str | Path, photograph: ImageFile) -> None:
        """Has a job's image written to a path."""
        path = Path(path)
        future = self._pool.submit(self._save, path, photograph)
        self._writing.append((job, path, photograph.pixels.nbytes, future))
        while len(self._writing) > _AHEAD or (len(self._writing) > 1 and self._bytes() > _WAITING_BYTES):
            self._settle_oldest()

    def finish(self) -> None:
        """Waits until all is written."""
        while self._writing:
            self._settle_oldest()

    def _bytes(self) -> int:
        return sum(nbytes for _, _, nbytes, _ in self._writing)

    def _settle_oldest(self) -> None:
        job, path, _, future = self._writing.popleft()
        try:
            future.result()
        except _ERRORS as error:
            self._failed(job, path, error)
