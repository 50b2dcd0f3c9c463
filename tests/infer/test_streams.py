"""Reading ahead, batches and writing behind, without a network."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from gan_jax.data.image_files import ImageFile
from gan_jax.infer import streams


def photograph(nbytes=4):
    return ImageFile(np.zeros((1, nbytes, 1), np.uint8))


class Idle:
    """A pool that works when it is asked for a result: what is submitted and not done is what waits."""

    def __init__(self):
        self.waiting = []

    def submit(self, call, *arguments):
        future = Future()

        def result(timeout=None):
            self.waiting.remove(future)
            return call(*arguments)

        future.result = result
        self.waiting.append(future)
        return future


def test_images_are_read_in_order_whichever_is_ready_first():
    first_may_end = threading.Event()

    def read(job):
        if job == 0:
            assert first_may_end.wait(10)
        else:
            first_may_end.set()
        return photograph(job + 1)

    with ThreadPoolExecutor(2) as pool:
        read_images = list(streams.read_ahead(pool, range(20), read, pytest.fail))
    assert [(job, image.pixels.nbytes) for job, image in read_images] == [(job, job + 1) for job in range(20)]


@pytest.mark.parametrize(("nbytes", "most"), [(4, streams._AHEAD), (100, 3), (300, 1), (10**6, 1)])
def test_as_many_are_read_ahead_as_few_bytes_allow(monkeypatch, nbytes, most):
    monkeypatch.setattr(streams, "_WAITING_BYTES", 300)
    pool, ahead = Idle(), []
    for _ in streams.read_ahead(pool, range(20), lambda _: photograph(nbytes), pytest.fail):
        ahead.append(len(pool.waiting))
    assert len(ahead) == 20
    assert max(ahead) == most
    assert ahead[-1] == 0


def test_a_file_that_cannot_be_read_stops_no_other():
    failures = []

    def read(job):
        if job in (0, 3, 4):
            raise (ValueError, OSError, ImportError)[job % 3](f"no {job}")
        return photograph()

    ready = streams.read_ahead(Idle(), range(6), read, lambda job, error: failures.append((job, str(error))))
    assert [job for job, _ in ready] == [1, 2, 5]
    assert failures == [(0, "no 0"), (3, "no 3"), (4, "no 4")]
    with pytest.raises(ZeroDivisionError):  # which no file is to blame for
        list(streams.read_ahead(Idle(), [0], lambda job: 1 // job, pytest.fail))


def test_nothing_to_read_is_nothing():
    assert list(streams.read_ahead(Idle(), [], pytest.fail, pytest.fail)) == []
    assert list(streams.batches_by_size([], pytest.fail, 3)) == []


def test_batches_are_of_one_size_and_full_while_there_are_enough():
    batches = list(streams.batches_by_size("aAbBcaCC", str.isupper, 3))
    assert list(map("".join, batches)) == ["abc", "ABC", "a", "C"]


def test_a_batch_is_given_as_soon_as_it_is_full():
    seen = []

    def coming():
        for image in "aAab":
            seen.append(image)
            yield image

    batches = streams.batches_by_size(coming(), str.isupper, 2)
    assert next(batches) == ["a", "a"]
    assert seen == ["a", "A", "a"]
    assert list(batches) == [["A"], ["b"]]
    assert list(streams.batches_by_size("aA", str.isupper, 1)) == [["a"], ["A"]]


def test_many_sizes_do_not_fill_the_memory():
    waiting = most = 0

    def coming():
        nonlocal waiting, most
        for number in range(100):
            waiting += 1
            most = max(most, waiting)
            yield number

    sizes = {7: 6, 8: 6}  # two of one size: the fullest bucket goes first
    batches = []
    for batch in streams.batches_by_size(coming(), lambda number: sizes.get(number, number), 4):
        batches.append(batch)
        waiting -= len(batch)
    assert sorted(number for batch in batches for number in batch) == list(range(100))
    assert batches[0] == [6, 7, 8]
    assert most == 2 * streams._AHEAD + 1


def test_what_is_written_is_written_in_order_and_to_its_path(tmp_path):
    saved = []
    with ThreadPoolExecutor(1) as pool:
        writer = streams.WriteBehind(pool, lambda path, image: saved.append((path, image)), pytest.fail)
        images = [photograph() for _ in range(30)]
        for number, image in enumerate(images):
            writer.put(number, str(tmp_path / f"{number}.png"), image)
        writer.finish()
    assert [path.name for path, _ in saved] == [f"{number}.png" for number in range(30)]
    assert all(kept is given for (_, kept), given in zip(saved, images, strict=True))


@pytest.mark.parametrize(("nbytes", "most"), [(4, streams._AHEAD), (100, 3), (10**6, 1)])
def test_few_images_wait_to_be_written(monkeypatch, nbytes, most):
    monkeypatch.setattr(streams, "_WAITING_BYTES", 300)
    pool, counts = Idle(), []
    writer = streams.WriteBehind(pool, lambda path, image: None, pytest.fail)
    for number in range(20):
        writer.put(number, "x.png", photograph(nbytes))
        counts.append(len(pool.waiting))
    assert max(counts) == most
    writer.finish()
    assert pool.waiting == []


def test_a_file_that_cannot_be_written_stops_no_other():
    saved, failures = [], []

    def save(path, image):
        if path.name == "1.png":
            raise OSError("full")
        saved.append(path.name)

    writer = streams.WriteBehind(Idle(), save, lambda job, path, error: failures.append((job, path.name, str(error))))
    for number in range(3):
        writer.put(number, f"{number}.png", photograph())
    writer.finish()
    assert (saved, failures) == (["0.png", "2.png"], [(1, "1.png", "full")])
