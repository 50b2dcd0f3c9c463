"""Endless batches whose order and augmentation are pure functions of (seed, step).

The stream repeats the source, each epoch in a new order unless shuffle is off; batches run across the ends of
epochs. The item at position p is jittered by a generator seeded with (seed, p). Batch `step` is batch_size items
from position step * batch_size on, and each process makes its part: a run may stop on 8 processes and go on on 1.
With `crops` a place of the batch shows the same picture in so many steps, each time jittered anew, and then the next
one that is its turn; the places change at different steps, so that a batch holds as many pictures as it has places.
Pixels that are made of floats, such as drawn edges, are equal on one machine with one installation.
"""

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol

import grain
import numpy as np

from gan_jax.data.transforms import Transform

__all__ = ["Source", "batches", "chosen"]
__dir__ = __all__.copy


class Source(Protocol):
    """Random access to pairs or images; see `gan_jax.data.sources`.

    One with `parts`, sources themselves, gives items that are made of one of each: the order of each part is its own,
    and so is its jitter.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> dict[str, Any]: ...


class _Stream:
    """This process's images, in order, without an end, `chunk` of them at a time."""

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        transform: Transform,
        process: tuple[int, int],
        shuffle: bool,
        crops: int,
        chunk: int,
    ) -> None:
        self.seed, self.transform, self.crops, self.chunk = seed, transform, crops, chunk
        self.batch_size, (self.index, self.count) = batch_size, process
        self.parts = _parts(source)
        self.orders = [_order(len(part), (seed + number) % 2**32, shuffle) for number, part in enumerate(self.parts)]
        self.places = [_Place() for _ in range(batch_size // self.count)]

    def __len__(self) -> int:
        return 2**62  # Grain wants a length

    def __getitem__(self, k: int) -> list[dict[str, np.ndarray]]:
        return [self._image(k * self.chunk + i) for i in range(self.chunk)]

    def _image(self, k: int) -> dict[str, np.ndarray]:
        share = self.batch_size // self.count
        step, offset = divmod(k, share)
        place = self.index * share + offset
        # Each place is ahead of the one before, so that decoding is spread over the steps.
        ahead = place * max(self.crops // self.batch_size, 1) % self.crops
        turn = (step + ahead) // self.crops

        def read() -> list[dict[str, Any]]:
            position = turn * self.batch_size + place
            return [part[order[position]] for part, order in zip(self.parts, self.orders, strict=True)]

        items = read() if self.crops == 1 else self.places[offset].show(turn, read)
        return _item(items, self.transform, np.random.default_rng((self.seed, step * self.batch_size + place)))


class _Place:
    """A place of the batch, which keeps what it shows: threads that make crops of it read it once."""

    def __init__(self) -> None:
        self._lock, self._turn = threading.Lock(), -1
        self._items: list[dict[str, Any]] = []

    def show(self, turn: int, read: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        with self._lock:
            if turn > self._turn:
                self._items, self._turn = read(), turn
            if turn == self._turn:
                return self._items
        return read()  # in a thread that others overtook


def _parts(source: Source) -> Sequence[Source]:
    return getattr(source, "parts", (source,))


def _order(length: int, seed: int, shuffle: bool) -> Any:
    """Indices without an end, each epoch in another order."""
    epoch = grain.MapDataset.range(length)
    return (epoch.seed(seed).shuffle() if shuffle else epoch).repeat()


def _item(items: Iterable[dict[str, Any]], transform: Transform, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: value for item in items for name, value in transform(item, rng).items()}


def batches(
    source: Source,
    *,
    batch_size: int,
    seed: int,
    transform: Transform,
    shuffle: bool = True,
    crops: int = 1,
    start: int = 0,
    process: tuple[int, int] = (0, 1),
    threads: int = 4,
) -> Generator[dict[str, np.ndarray], None, None]:
    """Batches start, start + 1, ... of uint8 [batch_size / count, H, W, C] for `process` (index, count).

    Without `shuffle` every epoch has the source's own order. A picture is read once for `crops` steps, and a batch's
    pictures are kept in memory between them. Threads decode ahead of use, until the iterator is closed or collected.
    Raises ValueError for a batch_size that the processes cannot share evenly and, from next(), for an image that
    cannot be used.
    """
    if batch_size % process[1]:
        raise ValueError(f"batch_size {batch_size} is not a multiple of {process[1]} processes; make it one.")
    share = batch_size // process[1]
    # To hand a small image from thread to thread takes longer than to read it: each thread makes its part of a batch.
    chunk = max(size for size in range(1, max(share // threads, 1) + 1) if share % size == 0)
    chunks = share // chunk
    stream = grain.MapDataset.source(_Stream(source, batch_size, seed, transform, process, shuffle, crops, chunk))
    # Two batches ahead, and never an idle thread.
    reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2 * chunks, 2 * threads))
    parts = stream[start * chunks :].to_iter_dataset(reading)
    return _closing(iter(parts.batch(chunks, batch_fn=_stack)))


def _closing(iterator: Any) -> Generator[dict[str, np.ndarray], None, None]:
    try:
        yield from iterator
    finally:  # after an error too, whose traceback keeps the iterator alive
        iterator.close()


def chosen(source: Source, count: int, transform: Transform) -> list[dict[str, np.ndarray]]:
    """The same items at each call: `count` of them spread evenly over the source, or all if it has fewer."""
    count = min(count, len(source))
    rows = [[k * len(part) // count for part in _parts(source)] for k in range(count)]
    return [
        _item(
            (part[i] for part, i in zip(_parts(source), indices, strict=True)),
            transform,
            np.random.default_rng(indices[0]),
        )
        for indices in rows
    ]


def _stack(parts: list[list[dict[str, np.ndarray]]]) -> dict[str, np.ndarray]:
    pairs = list(itertools.chain.from_iterable(parts))
    for name in pairs[0]:
        shapes = sorted({pair[name].shape for pair in pairs})
        if len(shapes) > 1:
            raise ValueError(
                f"{name} images of one batch have different shapes, {shapes[0]} and {shapes[1]}; "
                "use a --preprocess that makes them equal, or --batch_size 1."
            )
    return {name: np.stack([pair[name] for pair in pairs]) for name in pairs[0]}
