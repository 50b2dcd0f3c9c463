import collections
import gc
import itertools
import threading
import time

import numpy as np
import pytest

from gan_jax.data import image_files, layouts, pipeline, scan, sources, transforms


class Numbers:
    """Image i is all i; an image in `bad` cannot be read."""

    def __init__(self, count, bad=()):
        self.count, self.bad = count, bad

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if i in self.bad:
            raise ValueError(f"{i}.png is damaged; replace it.")
        # Uneven, so that threads overtake each other.
        time.sleep(0.002 * (i % 3))
        image = np.full((4, 6, 1), i, np.uint8)
        return {"name": str(i), "source": image, "target": image + 100}


def numbered(pair, rng):
    """Shows the image's number and, in the target's corner, what was drawn for it."""
    target = pair["target"].copy()
    target[0, 0] = rng.integers(256)
    return {"source": pair["source"], "target": target}


def take(count, length=23, seed=7, **options):
    iterator = pipeline.batches(Numbers(length), batch_size=4, seed=seed, transform=numbered, **options)
    taken = [next(iterator) for _ in range(count)]
    iterator.close()
    return taken


def assert_equal(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        for name in ("source", "target"):
            np.testing.assert_array_equal(x[name], y[name])


def order(taken):
    return [int(image[0, 0, 0]) for batch in taken for image in batch["source"]]


def test_batches_are_stacked_uint8_images():
    batch = take(1)[0]
    assert {name: (array.shape, array.dtype) for name, array in batch.items()} == {
        "source": ((4, 4, 6, 1), np.uint8),
        "target": ((4, 4, 6, 1), np.uint8),
    }


def test_resumed_stream_is_the_uninterrupted_one():
    whole = take(14)
    for start in (1, 5, 6, 12):  # an epoch ends within batch 5
        assert_equal(take(2, start=start), whole[start : start + 2])


def test_two_processes_make_the_batches_of_one():
    whole = take(12)
    parts = [take(12, process=(index, 2)) for index in range(2)]
    joined = [{name: np.concatenate([a[name], b[name]]) for name in a} for a, b in zip(*parts, strict=True)]
    assert_equal(joined, whole)


def test_order_does_not_depend_on_threads():
    assert_equal(take(12, threads=1), take(12, threads=4))


def test_every_epoch_is_another_permutation_and_nothing_is_dropped():
    numbers = order(take(23))  # four epochs of 23
    epochs = [numbers[k : k + 23] for k in range(0, 92, 23)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4


def test_unshuffled_epochs_keep_the_order_of_the_source_and_still_resume():
    whole = take(12, shuffle=False)  # two epochs of 23 and two images
    assert order(whole) == [*range(23), *range(23), 0, 1]
    assert_equal(take(3, start=5, shuffle=False), whole[5:8])
    assert_equal(take(12, shuffle=False, threads=1), whole)
    parts = [take(12, process=(index, 2), shuffle=False) for index in range(2)]
    joined = [{name: np.concatenate([a[name], b[name]]) for name in a} for a, b in zip(*parts, strict=True)]
    assert_equal(joined, whole)
    # What is drawn for an image differs between epochs and between seeds.
    draws = [int(image[0, 0, 0]) for batch in whole for image in batch["target"]]
    assert draws[:23] != draws[23:46]
    assert order(take(12, shuffle=False, seed=8)) == order(whole)
    assert [int(p[0, 0, 0]) for batch in take(12, shuffle=False, seed=8) for p in batch["target"]] != draws


def test_seed_decides_order_and_augmentation():
    assert order(take(5)) != order(take(5, seed=8))
    draws = [int(image[0, 0, 0]) for batch in take(23) for image in batch["target"]]
    assert len(set(draws)) > 50


class Counted(Numbers):
    """Says how often each image was read."""

    def __init__(self, count):
        super().__init__(count)
        self.read = collections.Counter()

    def __getitem__(self, i):
        self.read[int(i)] += 1
        return super().__getitem__(i)


@pytest.mark.parametrize("crops", [2, 4, 6, 16])
def test_crops_of_an_image_come_from_one_reading_of_it(crops):
    source = Counted(23)
    iterator = pipeline.batches(source, batch_size=4, seed=7, transform=numbered, crops=crops, threads=1)
    taken = list(itertools.islice(iterator, 5 * crops))
    iterator.close()
    ahead = 2 + 1  # batches, read but not asked for
    shown = np.reshape(order(taken), (5 * crops, 4))
    drawn = np.stack([batch["target"][:, 0, 0, 0] for batch in taken])
    first = order(take(12))  # of places that show an image for one step
    for place in range(4):
        turns = [(next(steps), 1 + len(list(steps))) for _, steps in itertools.groupby(shown[:, place])]
        assert [image for image, _ in turns] == first[place::4][: len(turns)]
        assert all(steps == crops for _, steps in turns[1:-1])
        assert turns[0][1] == crops - place * max(crops // 4, 1) % crops
        assert len(set(drawn[:crops, place])) > crops // 2
    # Not all places change at once.
    assert max((shown[1:] != shown[:-1]).sum(axis=1)) <= -(-4 // crops)
    assert source.read.total() <= 4 + (5 * crops + ahead) * 4 // crops + 4


def test_a_stream_of_crops_resumes_and_is_shared_by_processes():
    whole = take(14, crops=3)
    assert_equal(take(14, crops=3, threads=1), whole)
    for start in (1, 5, 6, 12):
        assert_equal(take(2, crops=3, start=start), whole[start : start + 2])
    parts = [take(14, crops=3, process=(index, 4)) for index in range(4)]
    joined = [
        {name: np.concatenate([part[name] for part in step]) for name in step[0]} for step in zip(*parts, strict=True)
    ]
    assert_equal(joined, whole)


def test_source_of_one_image_fills_a_batch():
    assert order(take(2, length=1)) == [0] * 8


def test_batch_that_processes_cannot_share_is_refused_at_once():
    with pytest.raises(ValueError, match="batch_size 4 is not a multiple of 3 processes"):
        pipeline.batches(Numbers(9), batch_size=4, seed=0, transform=numbered, process=(0, 3))


@pytest.mark.parametrize("crops", [1, 2])
def test_error_of_a_thread_surfaces_with_its_own_message(crops):
    iterator = pipeline.batches(Numbers(9, bad=(5,)), batch_size=4, seed=0, transform=numbered, crops=crops)
    with pytest.raises(ValueError, match="damaged") as caught:
        list(itertools.islice(iterator, 6))
    assert str(caught.value) == "5.png is damaged; replace it."


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_image_cut_off_behind_its_header_is_named_by_the_threads(tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = tmp_path / "train" / name
    image_files.save(file, noise)
    file.write_bytes(file.read_bytes()[:3000])
    source = layouts.open_pairs(tmp_path, "train", derive="blur", source_channels=3, target_channels=3)
    scan.check_headers(source)
    transform = transforms.jitter("crop", load_size=32, crop_size=32)
    with pytest.raises(ValueError, match="damaged") as caught:
        next(pipeline.batches(source, batch_size=2, seed=0, transform=transform))
    assert str(caught.value) == f"{file} is damaged or not an image; replace or remove it."


def test_image_too_small_is_named_by_the_threads():
    transform = transforms.jitter("crop", load_size=5, crop_size=5)
    with pytest.raises(ValueError, match=r"^0: an image 6 wide and 4 high is smaller than crop_size 5; use") as caught:
        next(pipeline.batches(Numbers(1), batch_size=2, seed=0, transform=transform))
    assert "\n" not in str(caught.value)


def remaining(before):
    """Threads that are there since before, after some time to end."""
    deadline = time.monotonic() + 2
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    return set(threading.enumerate()) - before


@pytest.mark.parametrize("way", ["close", "collect", "unused"])
def test_abandoned_iterator_stops_its_threads(way):
    gc.collect()
    before = set(threading.enumerate())
    iterator = pipeline.batches(Numbers(9), batch_size=4, seed=0, transform=numbered)
    if way != "unused":
        next(iterator)
        assert set(threading.enumerate()) - before
    if way == "close":
        iterator.close()
    del iterator
    gc.collect()
    assert not remaining(before)


def test_failed_iterator_stops_its_threads_while_its_error_is_kept():
    gc.collect()
    before = set(threading.enumerate())
    iterator = pipeline.batches(Numbers(9, bad=range(9)), batch_size=4, seed=0, transform=numbered)
    with pytest.raises(ValueError, match="damaged") as caught:
        next(iterator)
    assert not remaining(before)
    assert caught.tb


def test_chosen_pairs_are_spread_evenly_and_always_the_same():
    def numbers(count, source=20):
        pairs = pipeline.chosen(Numbers(source), count, numbered)
        return order([{name: np.stack([pair[name] for pair in pairs]) for name in pairs[0]}])

    assert numbers(4) == [0, 5, 10, 15]
    assert numbers(8, source=3) == [0, 1, 2]
    assert_equal(*(pipeline.chosen(Numbers(20), 4, numbered) for _ in range(2)))


def test_images_of_different_sizes_cannot_be_one_batch():
    class Growing(Numbers):
        def __getitem__(self, i):
            image = np.zeros((4 + i, 6, 3), np.uint8)
            return {"name": str(i), "source": image, "target": image}

    def whole(pair, rng):
        return {"source": pair["source"], "target": pair["target"]}

    together = pipeline.batches(Growing(2), batch_size=2, seed=0, transform=whole, shuffle=False)
    with pytest.raises(ValueError, match=r"source images.*\(4, 6, 3\) and \(5, 6, 3\)"):
        next(together)
    together.close()
    same = transforms.center("crop", load_size=4, crop_size=4)
    assert {pair["target"].shape for pair in pipeline.chosen(Growing(2), 2, same)} == {(4, 4, 3)}
    alone = pipeline.batches(Growing(3), batch_size=1, seed=0, transform=whole, shuffle=False)
    assert [next(alone)["target"].shape for _ in range(3)] == [(1, 4, 6, 3), (1, 5, 6, 3), (1, 6, 6, 3)]
    alone.close()


class Kind(Numbers):
    """Image i of one kind is all i."""

    def __init__(self, count, key):
        super().__init__(count)
        self.key = key

    def __getitem__(self, i):
        return {"name": str(i), self.key: super().__getitem__(i)["source"]}


def drawn(item, rng):
    """The image's number, and what was drawn for it beside it."""
    (key,) = item.keys() - {"name"}
    return {key: np.concatenate([item[key][:1, :1], np.full((1, 1, 1), rng.integers(256), np.uint8)])}


def take_unpaired(count, lengths=(7, 4), **options):
    both = sources.UnpairedDataset(*(Kind(length, key) for length, key in zip(lengths, "AB", strict=True)))
    iterator = pipeline.batches(both, **{"batch_size": 2, "seed": 7, "transform": drawn} | options)
    taken = [next(iterator) for _ in range(count)]
    iterator.close()
    return {key: np.concatenate([batch[key] for batch in taken])[..., 0, 0] for key in "AB"}


def test_unpaired_parts_have_orders_and_jitter_of_their_own():
    taken = take_unpaired(14)
    for key, length in (("A", 7), ("B", 4)):
        epochs = taken[key][:, 0].reshape(-1, length)
        assert all(sorted(epoch) == list(range(length)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > 1
    assert (taken["A"][:, 1] != taken["B"][:, 1]).mean() > 0.9
    crops = take_unpaired(56, crops=4)
    for key, length in (("A", 7), ("B", 4)):
        _, times = np.unique(crops[key][:, 0], return_counts=True)
        assert times.size == length
        assert np.ptp(times) <= 8
    # Of one length, too, no image always meets the same other one.
    same = take_unpaired(14, lengths=(4, 4))
    assert (same["A"][:, 0] != same["B"][:, 0]).any()


def test_a_resumed_unpaired_stream_is_the_uninterrupted_one():
    whole = take_unpaired(10)
    for start in (1, 4, 7):
        rest = take_unpaired(2, start=start)
        for key in "AB":
            np.testing.assert_array_equal(rest[key], whole[key][2 * start : 2 * start + 4])


def test_unpaired_in_the_sources_own_order_and_chosen():
    taken = take_unpaired(4, shuffle=False)
    assert taken["A"][:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert taken["B"][:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    both = sources.UnpairedDataset(Kind(7, "A"), Kind(4, "B"))
    picked = pipeline.chosen(both, 3, drawn)
    assert [int(item[key][0, 0, 0]) for item in picked for key in "AB"] == [0, 0, 2, 1, 4, 2]
