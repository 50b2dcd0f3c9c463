"""Caches of decoded images: what is read stays the same, and is decoded once."""

import collections
import itertools
import sys
from concurrent import futures

import numpy as np
import pytest

from gan_jax.data import caching, pipeline, sources


class Counting:
    """Ten images, and how often each was read."""

    def __init__(self, key="image"):
        self.read, self.key = collections.Counter(), key

    def __len__(self):
        return 10

    def __repr__(self):
        return f"Counting({self.key})"

    def __getitem__(self, i):
        self.read[i] += 1
        return {"name": str(i), self.key: np.full((4, 5, 3), i, np.uint8), "label": np.int32(i)}


def stream(source):
    batches = pipeline.batches(
        source,
        batch_size=5,
        seed=0,
        threads=2,
        transform=lambda item, rng: {k: v for k, v in item.items() if k != "name"},
    )
    taken = list(itertools.islice(batches, 6))
    batches.close()
    return {name: np.stack([batch[name] for batch in taken]) for name in taken[0]}


@pytest.mark.parametrize("place", ["ram", "disk"])
def test_batches_are_the_same_and_images_are_read_once(tmp_path, place):
    expected = stream(Counting())
    source = Counting()
    folder = tmp_path / "decoded" if place == "disk" else None
    if folder:
        folder.mkdir()
        (folder / "what a kill left").touch()
    with caching.cached(source, 10**6, folder=folder) as kept:
        for _ in range(2):
            given = stream(kept)
            for name in expected:
                np.testing.assert_array_equal(given[name], expected[name])
        assert max(source.read.values()) <= 2  # by two threads at once
        assert (len(kept), repr(kept), kept.kept) == (10, "Counting(image)", 10)
        if folder:
            assert len(list(folder.iterdir())) >= 10
    assert not (tmp_path / "decoded").exists()


def test_the_budget_is_that_of_all_parts():
    parts = Counting("A"), Counting("B")
    with caching.cached(sources.UnpairedDataset(*parts), 7 * 60) as both:
        for _ in range(3):
            for i in range(10):
                assert both[i].keys() == {"name", "A", "B", "label"}
        assert sum(part.kept for part in both.parts) == 7
        assert isinstance(both.parts[0], caching.Cached)
    assert sum(parts[0].read.values()) + sum(parts[1].read.values()) == 60 - 2 * 7


def test_a_full_disk_is_no_error(tmp_path):
    with caching.cached(Counting(), 10**6, folder=tmp_path / "decoded") as kept:
        (tmp_path / "decoded" / "0").symlink_to("/dev/full")
        assert kept[3]["label"] == 3
        assert kept.kept == 0


@pytest.fixture
def switching():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
def test_many_threads_read_the_files_at_once(tmp_path):
    with caching.cached(Counting(), 10**6, folder=tmp_path / "decoded") as kept:
        before = [kept[i] for i in range(10)]
        with futures.ThreadPoolExecutor(16) as pool:
            for i, item in enumerate(pool.map(lambda i: kept[i % 10], range(4000))):
                assert isinstance(item["image"], np.memmap)
                np.testing.assert_array_equal(item["image"], before[i % 10]["image"])
