"""Prepared data sets: what training makes of them is what it makes of the folder."""

import dataclasses
import hashlib
import itertools
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from gan_jax.data import (
    image_files,
    labeled,
    layouts,
    pipeline,
    prepare,
    records,
    super_resolution,
    tfds_source,
    transforms,
)


def picture(seed, height=20, width=24, channels=3):
    """Smooth, so that JPEG and resizing leave something of it."""
    rng = np.random.default_rng(seed)
    waves = np.add.outer(np.arange(height) * rng.uniform(2, 9), np.arange(width) * rng.uniform(2, 9))
    return ((waves[..., None] * rng.uniform(0.5, 2, channels)) % 256).astype(np.uint8)


@pytest.fixture
def pairs(tmp_path):
    for split, count in (("train", 12), ("test", 3)):
        for k, side in enumerate("AB"):
            for i in range(count):
                path = tmp_path / "pairs" / f"{split}{side}" / f"{i:02d}.png"
                image_files.save(path, picture(1000 * k + i, 20 + i % 3, 24))
    return tmp_path / "pairs"


def made(source, transform, count=4, process=(0, 1)):
    batches = pipeline.batches(source, batch_size=4, seed=3, transform=transform, threads=1, process=process)
    taken = list(itertools.islice(batches, count))
    batches.close()
    return {name: np.stack([batch[name] for batch in taken]) for name in taken[0]}


def equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


SIZES = {"load_size": 18, "crop_size": 16}
CHANNELS = {"source_channels": 3, "target_channels": 3}


@pytest.mark.parametrize("stored", ["pixels", "encoded"])
def test_batches_of_prepared_pairs_are_those_of_the_folder(pairs, tmp_path, stored):
    summary = prepare.prepare(pairs, tmp_path / "out", prepare.Settings("pairs", stored=stored, **SIZES))
    assert summary.counts == {"train": 12, "test": 3}
    transform = transforms.jitter("resize_and_crop", **SIZES)
    whole = transforms.whole("resize_and_crop", **SIZES)
    for direction in ("AtoB", "BtoA"):
        options = {"direction": direction, **CHANNELS}
        folder = layouts.open_pairs(pairs, "train", **options)
        there = tfds_source.open_pairs(tmp_path / "out", "train", **options)
        equal(made(there, transform), made(folder, transform))
        # Each process makes its part of the same batch.
        halves = [made(there, transform, process=(k, 2)) for k in range(2)]
        equal({name: np.concatenate([half[name] for half in halves], 1) for name in halves[0]}, made(folder, transform))
        for split in ("val", "test"):
            scored, of_folder = (
                tfds_source.open_pairs(tmp_path / "out", split, **options),
                layouts.open_pairs(pairs, split, **options),
            )
            assert [scored[i]["name"] for i in range(3)] == ["00", "01", "02"]
            equal(whole(scored[1], None), whole(of_folder[1], None))


def test_derived_pairs_are_made_once(tmp_path):
    folder = tmp_path / "photos"
    for i in range(8):
        image_files.save(folder / "train" / f"{i}.jpg", picture(i))
    settings = prepare.Settings("pairs", derive="edges", source_channels=1, **SIZES)
    prepare.prepare(folder, tmp_path / "out", settings)
    there = tfds_source.open_pairs(tmp_path / "out", "train", source_channels=1, target_channels=3)
    of_folder = layouts.open_pairs(folder, "train", derive="edges", source_channels=1, target_channels=3)
    derive = transforms.deriver("edges", 1)
    equal(
        made(there, transforms.jitter("resize_and_crop", **SIZES)),
        made(of_folder, transforms.jitter("resize_and_crop", derive=derive, **SIZES)),
    )
    with pytest.raises(ValueError, match=r"has pairs; --derive gray makes them"):
        tfds_source.open_pairs(tmp_path / "out", "train", derive="gray", **CHANNELS)


def test_unpaired_images_keep_their_sides(pairs, tmp_path):
    shutil.rmtree(pairs / "testB")
    (pairs / "trainB" / "00.png").rename(pairs / "trainB" / "alone.png")
    assert prepare.kind_of(pairs) == "unpaired"
    summary = prepare.prepare(pairs, tmp_path / "out", prepare.Settings("unpaired", **SIZES))
    assert summary.counts == {"trainA": 12, "trainB": 12, "testA": 3}
    for side in ("A", "B"):
        there = tfds_source.open_side(tmp_path / "out", "train", side, key=side, channels=3)
        folder = layouts.open_side(pairs, "train", side, key=side, channels=3)
        transform = transforms.jitter("resize_and_crop", **SIZES)
        equal(made(there, transform), made(folder, transform))
    assert len(tfds_source.open_side(tmp_path / "out", "val", "A", key="A", channels=1)) == 3
    assert tfds_source.open_side(tmp_path / "out", "val", "B", key="B", channels=3) is None


def test_classes_and_their_limit(tmp_path):
    for i in range(10):
        for name in ("cat", "dog"):
            image_files.save(tmp_path / "animals" / name / f"{i}.png", picture(i))
    assert prepare.kind_of(tmp_path / "animals") == "classes"
    prepare.prepare(tmp_path / "animals", tmp_path / "out", prepare.Settings("classes", size=8))
    there = tfds_source.open_labeled(tmp_path / "out", "train", channels=3)
    folder = labeled.open_folder(tmp_path / "animals", "train", channels=3)
    assert there.classes == folder.classes == ("cat", "dog")
    fitted = labeled.fitted(8, 3, flip=True)
    equal(made(there, fitted), made(folder, fitted))
    few = tfds_source.open_labeled(tmp_path / "out", "train", channels=1, limit=4)
    of_folder = labeled.open_folder(tmp_path / "animals", "train", channels=1, limit=4)
    assert [few[i]["label"] for i in range(4)] == of_folder.labels == [0, 0, 0, 1]
    assert few[0]["image"].shape == (8, 8, 1)


def test_photographs_keep_their_files_and_their_low_resolution(tmp_path):
    for i in range(6):
        image_files.save(tmp_path / "high" / "train" / f"{i}.jpg", picture(i, 40, 48))
        image_files.save(tmp_path / "low" / "train" / f"{i}x4.png", picture(i, 10, 12))
    assert prepare.kind_of(tmp_path / "high") == "photographs"
    settings = prepare.Settings("photographs", low=tmp_path / "low")
    assert settings.form.stored == "encoded"
    summary = prepare.prepare(tmp_path / "high", tmp_path / "out", settings)
    assert summary.encoded < summary.pixels
    content = (tmp_path / "high/train/3.jpg").read_bytes()
    assert any(content in path.read_bytes() for path in (tmp_path / "out").glob("out-train*"))
    there = tfds_source.open_resolutions(tmp_path / "out", "train", channels=3)
    folder = super_resolution.open_split(tmp_path / "high", "train", low_root=tmp_path / "low", scale=4, channels=3)
    crop = super_resolution.crop(16, 4, flip=True)
    equal(made(there, crop), made(folder, crop))
    with pytest.raises(ValueError, match="an image 48 wide or 40 high; wanted at least 64: prepare larger ones"):
        tfds_source.open_resolutions(tmp_path / "out", "train", smallest=64)


def test_edges_of_tiles_are_those_of_basicsr():
    """By its own loop, and numbers worked out by hand."""
    assert super_resolution.edges_of_tiles(1000, 480, 240) == [0, 240, 480, 520]
    assert super_resolution.edges_of_tiles(1000, 480, 240, thin=39) == [0, 240, 480, 520]
    assert super_resolution.edges_of_tiles(1000, 480, 240, thin=40) == [0, 240, 480]
    assert super_resolution.edges_of_tiles(480, 480, 240) == [0]
    with pytest.raises(ValueError, match="a side of 40 pixels is shorter than the tile's 480"):
        super_resolution.edges_of_tiles(40, 480, 240)


def test_tiles_are_named_after_their_places(tmp_path):
    high, low = picture(0, 42, 52), picture(1, 10, 13)
    for split in ("train", "test"):
        image_files.save(tmp_path / "high" / split / "0.png", high)
        image_files.save(tmp_path / "low" / split / "0.png", low)
    settings = prepare.Settings("photographs", low=tmp_path / "low", tile=24, step=16)
    summary = prepare.prepare(tmp_path / "high", tmp_path / "out", settings)
    assert summary.counts == {"train": 6, "test": 1}
    tiles = tfds_source.open_resolutions(tmp_path / "out", "train")
    places = {(top, left): tiles[3 * i + j] for i, top in enumerate((0, 16)) for j, left in enumerate((0, 16, 28))}
    for (top, left), item in places.items():
        assert item["name"] == f"0_y{top:04d}_x{left:04d}"
        np.testing.assert_array_equal(item["target"], high[top : top + 24, left : left + 24])
        y, x = top // 4, left // 4
        np.testing.assert_array_equal(item["source"], low[y : y + 6, x : x + 6])
    assert tfds_source.open_resolutions(tmp_path / "out", "test")[0]["target"].shape == (42, 52, 3)
    with pytest.raises(ValueError, match=r"0.png is 52x42; wanted at least the tile's 48 on each side"):
        prepare.prepare(tmp_path / "high", tmp_path / "none", prepare.Settings("photographs", tile=48))
    with pytest.raises(ValueError, match=r"tile 22, step 16, thin 0; wanted .* and multiples of 4"):
        prepare.prepare(tmp_path / "high", tmp_path / "none", dataclasses.replace(settings, tile=22))
    with pytest.raises(ValueError, match="tile cuts photographs that keep their sizes"):
        prepare.prepare(tmp_path / "high", tmp_path / "none", prepare.Settings("pairs", tile=24))


def test_files_that_decoders_read_differently_are_written_anew(tmp_path):
    folder = tmp_path / "photos"
    image_files.save(folder / "gray.png", picture(0, channels=1))
    turned = image_files.ImageFile(picture(1))
    image_files.save_image_file(folder / "alpha.png", turned._replace(alpha=picture(2, channels=1)))
    image_files.save(folder / "bitmap.bmp", picture(3))
    image_files.save(folder / "plain.png", picture(4))
    prepare.prepare(folder, tmp_path / "out", prepare.Settings("photographs"))
    for split in ("train", "test"):
        there = tfds_source.open_resolutions(tmp_path / "out", split, channels=3)
        of_folder = super_resolution.open_split(folder, split, scale=4, channels=3)
        for i in range(len(of_folder)):
            assert there[i]["name"] == of_folder[i]["name"]
            np.testing.assert_array_equal(there[i]["target"], of_folder[i]["target"])


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_bytes_do_not_depend_on_processes_and_tfds_reads_them(pairs, tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(prepare, "_SHARD", 4000)  # two records
    settings = prepare.Settings("pairs", **SIZES)
    for workers in (1, 2):
        summary = prepare.prepare(pairs, tmp_path / f"{workers}" / "out", settings, workers=workers)
        assert (summary.shards, summary.made) == (8, 8)
    assert digests(tmp_path / "1/out") == digests(tmp_path / "2/out")
    split = tfds.builder_from_directory(tmp_path / "1/out").as_data_source("train")
    assert (len(split), split[3]["A"].shape, split[3]["name"]) == (12, (18, 18, 3), b"03")
    manifest = json.loads((tmp_path / "1/out/manifest.json").read_text())
    shard = manifest["splits"]["train"]["shards"][0]
    assert shard["sha256"] == digests(tmp_path / "1/out")[shard["file"]]


def test_a_second_call_makes_nothing_and_other_settings_are_refused(pairs, tmp_path):
    settings = prepare.Settings("pairs", **SIZES)
    prepare.prepare(pairs, tmp_path / "out", settings)
    before = digests(tmp_path / "out")
    assert prepare.prepare(pairs, tmp_path / "out", settings).made == 0
    assert digests(tmp_path / "out") == before
    with pytest.raises(ValueError, match="has a data set of other images or other settings; name another folder"):
        prepare.prepare(pairs, tmp_path / "out", prepare.Settings("pairs", load_size=20, crop_size=16))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ValueError, match="full is a folder with other things in it"):
        prepare.prepare(pairs, tmp_path / "full", settings)
    with pytest.raises(ValueError, match="workers is 0; wanted at least 1"):
        prepare.prepare(pairs, tmp_path / "none", settings, workers=0)


def test_a_killed_call_is_gone_on_with(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_SHARD", 4000)
    settings = prepare.Settings("pairs", **SIZES)
    prepare.prepare(pairs, tmp_path / "whole" / "out", settings)
    program = (
        "import sys\nfrom gan_jax.data import prepare\nprepare._SHARD = 4000\n"
        "def said(done, of):\n    done == 3 and __import__('os').kill(__import__('os').getpid(), 9)\n"
        f"prepare.prepare({str(pairs)!r}, {str(tmp_path / 'out')!r}, prepare.Settings('pairs', **{SIZES}), said=said)"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match="is a data set that is not finished; give the command again"):
        tfds_source.find(str(tmp_path / "out"))
    with pytest.raises(ValueError, match="was begun with other images or other settings"):
        prepare.prepare(pairs, tmp_path / "out", prepare.Settings("pairs", load_size=20, crop_size=16))
    first = min((tmp_path / "out").glob("out-train*"))
    written = first.stat().st_mtime_ns
    assert prepare.prepare(pairs, tmp_path / "out", settings).made == 5
    assert first.stat().st_mtime_ns == written
    assert digests(tmp_path / "out") == digests(tmp_path / "whole" / "out")


def test_beam_is_an_extra(pairs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r"--beam wants Apache Beam: pip install 'gan_jax\[beam\]'"):
        prepare.prepare(pairs, tmp_path / "out", prepare.Settings("pairs", **SIZES), beam=[])


def test_a_process_ends_with_the_one_that_asked_for_it(pairs, tmp_path):
    """Else it would write the file that the next call writes."""
    program = (
        "import os, sys, time\nfrom pathlib import Path\nfrom gan_jax.data import prepare\n"
        f"parts = prepare._opened({str(pairs)!r}, prepare.Settings('pairs', **{SIZES}))\n"
        f"work = prepare._Work(parts, parts['train'].settings.form, Path({str(tmp_path)!r}))\n"
        "work.write(prepare._Job('train', 0, 2, 'file'), parent=1 + os.getppid())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 1
    assert not (tmp_path / "file").exists()


def test_damage_is_said(pairs, tmp_path):
    prepare.prepare(pairs, tmp_path / "out", prepare.Settings("pairs", **SIZES))
    shard = next((tmp_path / "out").glob("out-train*"))
    content = shard.read_bytes()
    shard.write_bytes(content[:1000] + bytes(100) + content[1100:])
    there = tfds_source.open_pairs(tmp_path / "out", "train", **CHANNELS)
    with pytest.raises(ValueError, match=r"record . of train in .*out cannot be read; prepare the data set again"):
        [there[i] for i in range(len(there))]


def test_features_are_told_without_opening(pairs, tmp_path):
    prepare.prepare(pairs, tmp_path / "out", prepare.Settings("pairs", **SIZES))
    assert tfds_source.find(str(tmp_path / "out")) == str(tmp_path / "out")
    assert tfds_source.find(str(pairs)) is None
    assert tfds_source.has(str(tmp_path / "out"), "A", "B")
    assert not tfds_source.has(str(tmp_path / "out"), "lr")
    assert not tfds_source.has("tfds:nothing", "lr")
    val, test = (tfds_source.open_pairs(tmp_path / "out", split, **CHANNELS) for split in ("val", "test"))
    train = tfds_source.open_pairs(tmp_path / "out", "train", **CHANNELS)
    assert val.fingerprint == test.fingerprint != train.fingerprint


def test_records_and_their_files(tmp_path):
    form = records.Form((("image", 3),), "encoded", ("a", "b"))
    item = {"name": "x", "image": picture(0), "label": 1}
    record = records.serialized(form, item)
    assert image_files.png(picture(0)) in record
    assert list(records.write_shard(tmp_path / "set-train.array_record-00000-of-00001", [record])) == [len(record)]
    records.write_info(tmp_path, "set", form, {"train": records.Part([1], len(record))}, "one picture")
    there = tfds_source.open_labeled(tmp_path, "train")
    assert there[0]["label"] == 1
    np.testing.assert_array_equal(there[0]["image"], picture(0))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_images_that_cannot_be_decoded_are_named(pairs, tmp_path, monkeypatch, workers):
    for i in (2, 5, 7, 9, 11):
        path = pairs / "trainB" / f"{i:02d}.png"
        path.write_bytes(path.read_bytes()[:-30])  # the header is whole
    monkeypatch.setattr(prepare, "_SHARD", 4 * 18 * 18 * 6)  # several
    settings = prepare.Settings("pairs", load_size=18, crop_size=16)
    words = r"trainB/02\.png is damaged.* 4 more cannot be used: 05, 07, 09, \.\.\. \(4 in all\)\.$"
    with pytest.raises(ValueError, match=words):
        prepare.prepare(pairs, tmp_path / "out", settings, workers=workers)
    for path in (pairs / "trainB").iterdir():
        path.write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"00\.png is damaged"):
        prepare.prepare(pairs, tmp_path / "out2", settings)


def test_a_photograph_that_cannot_be_decoded_is_named_once_for_all_its_tiles(tmp_path):
    for i in range(3):
        image_files.save(tmp_path / "photos" / "train" / f"{i}.png", picture(i, 40, 48))
    path = tmp_path / "photos" / "train" / "1.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"1\.png is damaged or not an image; replace or remove it\.$"):
        prepare.prepare(tmp_path / "photos", tmp_path / "out", prepare.Settings("photographs", tile=16))
