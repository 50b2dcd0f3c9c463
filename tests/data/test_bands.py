"""Folders of arrays of channels as sources, and through the transformations: no bit is lost, no kind is mixed."""

import itertools
import shutil

import numpy as np
import pytest

from gan_jax.data import (
    caching,
    checking,
    finding,
    image_files,
    layouts,
    pipeline,
    prepare,
    rasters,
    scan,
    sources,
    splitting,
    tfds_source,
    transforms,
)
from gan_jax.values import Values, values_of

OPTIONS = {"source_channels": None, "target_channels": None, "bands": "samples"}
ANY = {"key": "A", "channels": None, "bands": "samples"}


def array(seed, channels=5, dtype="uint16", size=(20, 24)):
    """Smooth, with all bits in use."""
    rng = np.random.default_rng(seed)
    waves = np.add.outer(np.arange(size[0]) * rng.uniform(0.02, 0.1), np.arange(size[1]) * rng.uniform(0.02, 0.1))
    floats = 0.5 + 0.45 * np.sin(waves[..., None] * rng.uniform(1, 3, channels) + rng.uniform(0, 6, channels))
    return (floats - 0.5).astype(dtype) * 80 if dtype == "float32" else (floats * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture
def root(tmp_path):
    """Five channels of 16 bits, and one of floats in .npy."""
    for split, count in (("train", 6), ("test", 2)):
        for i in range(count):
            seed = i if split == "train" else 100 + i
            rasters.write(tmp_path / "set" / f"{split}A" / f"{i}.tif", array(seed), "samples")
            rasters.write(tmp_path / "set" / f"{split}B" / f"{i}.npy", array(10 + seed, 1, "float32"), "samples")
    return tmp_path / "set"


def test_pairs_have_the_channels_and_the_dtypes_of_their_files(root):
    pairs = layouts.open_pairs(root, "train", **OPTIONS)
    assert pairs.kinds == {"source": ("uint16", 5), "target": ("float32", 1)}
    np.testing.assert_array_equal(pairs[3]["source"], array(3))
    np.testing.assert_array_equal(pairs[3]["target"], array(13, 1, "float32"))
    assert scan.check_headers(pairs) == ()
    assert "samples as channels" in repr(pairs)
    back = layouts.open_pairs(root, "train", direction="BtoA", **OPTIONS)
    assert back.kinds == {"target": ("uint16", 5), "source": ("float32", 1)}
    np.testing.assert_array_equal(back[3]["target"], array(3))
    one = sources.OneSide(pairs, "target", "B")
    assert one.kinds == {"B": ("float32", 1)}
    side = layouts.open_side(root, "train", "A", **ANY)
    assert sources.UnpairedDataset(side, one).kinds == {"A": ("uint16", 5), "B": ("float32", 1)}
    np.testing.assert_array_equal(side[2]["A"], array(2))
    assert "samples as channels" in repr(side)


def test_without_bands_npy_files_say_what_reads_them(root):
    with pytest.raises(FileNotFoundError, match=r"trainB are \.npy; --bands samples reads them"):
        finding.list_images(root / "trainB")
    with pytest.raises(FileNotFoundError, match=r"that end in \.tif \.tiff \.npy"):
        finding.list_images(root / "trainC", extensions=finding.RASTERS)


@pytest.mark.parametrize("name", ["trainA/1.tif", "trainB/1.npy"])
def test_one_file_of_another_kind_is_named(root, name):
    rasters.write(root / name, array(0, 4), "samples")
    with pytest.raises(ValueError, match=rf"{name} is uint16 in 4 channels, and most images beside it are \w+ in"):
        scan.check_headers(layouts.open_pairs(root, "train", **OPTIONS))


def test_one_damaged_file_is_named_and_what_is_known_of_one_way_to_read_is_not_of_another(root):
    pairs = layouts.open_pairs(root, "train", **OPTIONS)
    for _ in range(2):  # the second time from the cache
        scan.check_headers(pairs)
    as_pages = layouts.open_pairs(root, "train", **OPTIONS | {"bands": "pages"})
    with pytest.raises(ValueError, match=r"0\.tif has 5 samples a pixel.* 5 more cannot be used"):
        scan.check_headers(as_pages)
    path = root / "trainA" / "4.tif"
    path.write_bytes(path.read_bytes()[:999])
    with pytest.raises(ValueError, match=r"4\.tif is cut off"):
        scan.check_headers(pairs)


def test_images_side_by_side_are_not_read_as_channels(tmp_path):
    image_files.save(tmp_path / "train" / "a.png", np.zeros((8, 16, 3), np.uint8))
    with pytest.raises(ValueError, match="has no folders of A and of B, from which --bands reads"):
        layouts.open_pairs(tmp_path, "train", **OPTIONS)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_resizing_keeps_depth_and_every_channel_for_itself(dtype):
    image = array(0, 5, dtype)
    resized = transforms.resize(image, 13, 17)
    assert (resized.shape, resized.dtype) == ((13, 17, 5), image.dtype)
    for channel in range(5):
        np.testing.assert_array_equal(
            resized[..., channel], transforms.resize(image[..., channel : channel + 1], 13, 17)[..., 0]
        )
    flat = np.full((9, 9, 2), 40_001 if dtype == "uint16" else 0.1, dtype)
    np.testing.assert_array_equal(transforms.resize(flat, 5, 7), np.full((5, 7, 2), flat[0, 0, 0], dtype))
    # Finer than 8 bits: within a level of what the same bicubic makes of the upper byte, and with more values.
    if dtype == "uint16":
        coarse = transforms.resize((image >> 8).astype(np.uint8), 13, 17).astype(float) * 256 + 127.5
        assert np.abs(resized - coarse).max() < 2 * 256
        assert len(np.unique(resized)) > 2 * len(np.unique(coarse))
    else:
        ramp = np.linspace(-1, 1, 64, dtype=np.float32)[None, :, None].repeat(4, axis=0)
        np.testing.assert_allclose(np.diff(transforms.resize(ramp, 4, 32)[0, 4:-4, 0]), 2 / 31.5, atol=1e-6)


def test_crops_and_mirrors_keep_every_bit_and_networks_see_their_range(root):
    pairs = layouts.open_pairs(root, "train", **OPTIONS)
    values = {"source": values_of("uint16"), "target": Values("float32", -40.0, 40.0)}
    raw = transforms.jitter("crop", load_size=20, crop_size=16)
    seen = transforms.normalized(raw, values)
    for i in range(6):
        kept, batch = (transform(pairs[i], np.random.default_rng(i)) for transform in (raw, seen))
        levels = {key: set(pairs[i][key].ravel().tolist()) for key in kept}
        for key in kept:
            assert set(kept[key].ravel().tolist()) <= levels[key]
            assert batch[key].dtype == np.float32
            assert np.abs(batch[key]).max() <= 1.0
            np.testing.assert_allclose(values[key].from_network(batch[key]), kept[key], atol=1e-5, rtol=0)
        np.testing.assert_array_equal(values["source"].from_network(batch["source"]), kept["source"])


def test_a_batch_goes_on_as_it_would_have_and_from_the_cache(root, tmp_path):
    pairs = layouts.open_pairs(root, "train", **OPTIONS)
    jitter = transforms.jitter("resize_and_crop", load_size=18, crop_size=16)
    transform = transforms.normalized(jitter, {"source": values_of("uint16"), "target": Values("float32", -40.0, 40.0)})

    def taken(source, start, count):
        stream = pipeline.batches(source, batch_size=4, seed=1, transform=transform, start=start, threads=2)
        batches = list(itertools.islice(stream, count))
        stream.close()
        return batches

    whole = taken(pairs, 0, 5)
    for folder in (None, tmp_path / "cache"):
        with caching.cached(pairs, 2**20, folder=folder) as kept:
            for expected, given in zip(whole, taken(kept, 0, 3) + taken(kept, 3, 2), strict=True):
                for key in expected:
                    np.testing.assert_array_equal(given[key], expected[key])


def test_training_from_prepared_arrays_is_training_from_the_folder(root, tmp_path):
    settings = prepare.Settings("pairs", load_size=18, crop_size=16, bands="samples")
    summary = prepare.prepare(root, tmp_path / "out", settings)
    assert (dict(summary.counts), summary.encoded) == ({"train": 6, "test": 2}, 0.0)
    assert summary.pixels == 18 * 18 * (5 * 2 + 4)
    folder = layouts.open_pairs(root, "train", **OPTIONS)
    there = tfds_source.open_pairs(tmp_path / "out", "train", **OPTIONS)
    assert there.kinds == folder.kinds
    jitter = transforms.jitter("resize_and_crop", load_size=18, crop_size=16)
    for i in range(6):
        expected, given = (jitter(source[i], np.random.default_rng(i)) for source in (folder, there))
        for key in expected:
            assert given[key].dtype == expected[key].dtype
            np.testing.assert_array_equal(given[key], expected[key])
    with pytest.raises(ValueError, match="was prepared with --bands samples; train on it likewise"):
        tfds_source.open_pairs(tmp_path / "out", "train", source_channels=3, target_channels=3)
    with pytest.raises(ValueError, match="one kind: convert them, or train from the folder"):
        prepare.prepare(root, tmp_path / "unpaired", prepare.Settings("unpaired", bands="samples"))
    for wrong in ({"kind": "photographs"}, {"kind": "pairs", "stored": "encoded"}):
        with pytest.raises(ValueError, match="bands are those of pairs and of unpaired images"):
            prepare.prepare(root, tmp_path / "x", prepare.Settings(**wrong, bands="samples"))


def test_unpaired_arrays_of_one_kind_are_prepared_too(tmp_path):
    for side, i in itertools.product("AB", range(3)):
        rasters.write(tmp_path / "set" / f"train{side}" / f"{side}{i}.tif", array(i, 2), "samples")
    assert prepare.kind_of(tmp_path / "set", "samples") == "unpaired"
    settings = prepare.Settings("unpaired", load_size=18, crop_size=16, bands="samples")
    prepare.prepare(tmp_path / "set", tmp_path / "out", settings)
    there = tfds_source.open_side(tmp_path / "out", "train", "B", **ANY)
    assert there.kinds == {"A": ("uint16", 2)}
    np.testing.assert_array_equal(there[1]["A"], transforms.resize(array(1, 2), 18, 18))


def test_pairs_of_arrays_are_split_together(root, tmp_path):
    for side in "AB":
        (root / f"train{side}").rename(root / side)
    for name in ("testA", "testB"):
        shutil.rmtree(root / name)
    counts = splitting.split(root, tmp_path / "out", val=0.3, test=0.3, bands="samples")
    assert sum(counts.values()) == 6
    for split, count in counts.items():
        names = [sorted(path.stem for path in (tmp_path / "out" / f"{split}{side}").glob("*")) for side in "AB"]
        assert names[0] == names[1]
        assert len(names[0]) == count


def test_arrays_that_are_nearly_plain_are_like_no_other(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(4):
        rasters.write(tmp_path / f"{i}.tif", rng.integers(0, 3, (20, 24, 2), dtype=np.uint16), "samples")
        rasters.write(tmp_path / f"{i}.npy", array(i, 2) // 60, "samples")
    rasters.write(tmp_path / "again.npy", array(3, 2) // 60 + 3, "samples")
    (fault,) = checking.check(tmp_path, bands="samples").faults
    assert (fault.kind, fault.files) == ("near-duplicates", (str(tmp_path / "3.npy"), str(tmp_path / "again.npy")))


def test_check_finds_what_is_wrong_with_arrays_and_nothing_else(root):
    assert checking.check(root, bands="samples").faults == []
    rasters.write(root / "trainA" / "1.tif", array(1, 4), "samples")
    rasters.write(root / "trainB" / "2.npy", np.full((20, 24, 1), np.nan, np.float32), "samples")
    rasters.write(root / "trainB" / "3.npy", array(13, 1, "float32", (20, 22)), "samples")
    rasters.write(root / "testA" / "0.tif", array(5), "samples")  # of training
    (root / "trainA" / "4.tif").unlink()
    report = checking.check(root, bands="samples")
    assert report.kind == "pairs"
    assert [(fault.kind, fault.files[0].rpartition("set/")[2]) for fault in report.faults] == [
        ("damaged", "trainB/2.npy"),
        ("mixed", "trainA/1.tif"),
        ("unmatched", "trainB/4.npy"),
        ("sizes", "trainA/3.tif"),
        ("leak", "testA/0.tif"),
    ]
    assert report.splits["train A"]["modes"] == {"uint16 in 5 channels": 4, "uint16 in 4 channels": 1}
    assert checking.contact_sheet(report, "samples").size == (6 * 168, 2 * 192)
    with pytest.raises(ValueError, match="arrays of channels have no low resolution"):
        checking.check(root, bands="samples", low_root=root)
