"""Photographs of high resolution, alone and with low resolution beside them."""

import numpy as np
import pytest

from gan_jax.data import image_files, scan, super_resolution
from gan_jax.data.demo import skimage_photos


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(folder, sizes, suffix=""):
    for i, (height, width) in enumerate(sizes):
        image_files.save(folder / f"{i:04}{suffix}.png", random_image(height, width, i))


def shrink(photo):
    return photo[::2, ::2]


def test_split_folders_stand_in_for_each_other(tmp_path):
    write(tmp_path / "train", [(20, 24)] * 3)
    write(tmp_path / "test", [(20, 24)])
    opened = {
        split: super_resolution.open_split(tmp_path, split, scale=2, channels=3) for split in ("train", "val", "test")
    }
    assert {split: len(source) for split, source in opened.items()} == {"train": 3, "val": 1, "test": 1}
    assert opened["val"].folders == (tmp_path / "test",)
    item = opened["train"][2]
    assert item["name"] == "0002"
    np.testing.assert_array_equal(item["target"], random_image(20, 24, 2))
    assert len(super_resolution.open_split(tmp_path, "train", scale=2, channels=3, limit=2)) == 2


def test_of_a_plain_folder_a_tenth_is_held_out(tmp_path):
    write(tmp_path, [(12, 12)] * 10)
    train, test = (super_resolution.open_split(tmp_path, split, scale=2, channels=1) for split in ("train", "test"))
    assert (len(train), len(test)) == (9, 1)
    assert not set(train.files) & set(test.files)
    assert train[0]["target"].shape == (12, 12, 1)
    assert train.fingerprint != test.fingerprint


def test_div2k_as_it_is_unpacked(tmp_path):
    for split in ("train", "valid"):
        write(tmp_path / f"DIV2K_{split}_HR", [(25, 22)] * 2)
        write(tmp_path / f"DIV2K_{split}_LR_bicubic" / "X4", [(6, 5)] * 2, "x4")
    source = super_resolution.open_split(tmp_path, "val", low_root=tmp_path, scale=4, channels=3)
    assert scan.check_headers(source, smallest=11) == source.notes == ()
    assert [low for _, low in source.files] == ["0000x4.png", "0001x4.png"]
    assert source[1]["source"].shape == (6, 5, 3)
    assert str(tmp_path / "DIV2K_valid_LR_bicubic" / "X4") in repr(source)


def test_what_is_left_out_is_said(tmp_path):
    write(tmp_path / "train", [(12, 12)] * 2)
    write(tmp_path / "lr", [(6, 6)] * 2)
    write(tmp_path / "more", [(12, 12)])
    (tmp_path / "train" / "raw.heic").write_bytes(b"x")
    unread, beside = super_resolution.open_split(tmp_path, "train", scale=2, channels=3).notes
    assert unread.startswith(f"{tmp_path / 'train'}: left out ")
    assert beside.endswith("what is beside them is not read: lr, more.")
    source = super_resolution.open_split(tmp_path, "train", low_root=tmp_path / "lr", scale=2, channels=3)
    assert source.notes[1].endswith("what is beside them is not read: more.")


def test_what_cannot_be_used_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        super_resolution.open_split(tmp_path / "none", "train", scale=2, channels=3)
    write(tmp_path / "hr", [(20, 24), (10, 30)])
    write(tmp_path / "lr", [(10, 12), (5, 14)])
    with pytest.raises(ValueError, match="30x10; wanted at least 16 on each side"):
        scan.check_headers(
            super_resolution.HighResImages((tmp_path / "hr",), [("0000.png",), ("0001.png",)], 3, 2), smallest=16
        )
    both = super_resolution.HighResImages((tmp_path / "hr", tmp_path / "lr"), [("0001.png", "0001.png")], 3, 2)
    with pytest.raises(ValueError, match=r"low resolution 14x5; wanted 15x5 at --scale 2"):
        scan.check_headers(both, smallest=4)
    (tmp_path / "lr" / "0000.png").unlink()
    (tmp_path / "lr" / "0001.png").unlink()
    write(tmp_path / "lr", [(5, 5)], "x9")
    with pytest.raises(ValueError, match=r"has no image 000[01] or 000[01]x2; 1 are missing"):
        super_resolution.open_split(tmp_path / "hr", "train", low_root=tmp_path / "lr", scale=2, channels=3)
    write(tmp_path / "only" / "val", [(5, 5)])
    with pytest.raises(FileNotFoundError, match="no folder train"):
        super_resolution.open_split(tmp_path / "only", "train", scale=2, channels=3)


def test_crops_of_both_resolutions_show_the_same_place():
    target = random_image(41, 52)
    small = shrink(super_resolution.mod_cropped(target, 2))
    cut = super_resolution.crop(16, 2, flip=True)
    seen = set()
    for seed in range(12):
        result = cut({"name": "a", "target": target, "source": small}, np.random.default_rng(seed))
        assert (result["target"].shape, result["source"].shape) == ((16, 16, 3), (8, 8, 3))
        # Turned back or not, each small pixel is one of the four that it stands for.
        blocks = result["target"].reshape(8, 2, 8, 2, 3)
        assert (blocks == result["source"][:, None, :, None]).all(axis=-1).any(axis=(1, 3)).all()
        seen.add(result["target"].tobytes())
    assert len(seen) == 12
    still = super_resolution.crop(40, 2, flip=False)(
        {"name": "a", "target": target[:40, :40]}, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(still["target"], target[:40, :40])
    with pytest.raises(ValueError, match="a is 52x41; wanted at least 64"):
        super_resolution.crop(64, 2, flip=True)({"name": "a", "target": target}, np.random.default_rng(0))


def test_whole_images_get_a_low_resolution_where_they_have_none():
    target = random_image(21, 33)
    result = super_resolution.whole(2, shrink)({"target": target}, np.random.default_rng(0))
    assert (result["target"].shape, result["source"].shape) == ((20, 32, 3), (10, 16, 3))
    given = super_resolution.whole(2, shrink)({"target": target, "source": target[:10, :16]}, np.random.default_rng(0))
    np.testing.assert_array_equal(given["source"], target[:10, :16])


def test_the_installed_photographs_keep_their_size():
    assert (skimage_photos.installed() / "chelsea.png").is_file()
    source = super_resolution.SkimagePhotos("test")
    assert [source[i]["name"] for i in range(len(source))] == ["chelsea", "coffee"]
    assert source[0]["target"].shape == (300, 451, 3)
    enlarged = super_resolution.BicubicUpsampled(source, 2, lambda photo: 255 - photo)
    assert len(enlarged) == 2
    np.testing.assert_array_equal(enlarged[0]["source"], 255 - source[0]["target"][:, :450])
    assert enlarged.fingerprint == f"{source!r} x2"


def test_files_are_shrunk_and_those_that_cannot_be_are_named(tmp_path):
    image_files.save(tmp_path / "a.png", random_image(9, 12))
    image_files.save(tmp_path / "b.png", random_image(1, 12))
    jobs = [(tmp_path / name, tmp_path / "out" / name) for name in ("a.png", "b.png", "c.png")]
    small, missing = super_resolution.shrink_files(jobs, 2, shrink)
    np.testing.assert_array_equal(image_files.read(tmp_path / "out" / "a.png", 3), shrink(random_image(9, 12)[:8]))
    assert "b.png is smaller than --scale 2" in small
    assert "c.png" in missing
