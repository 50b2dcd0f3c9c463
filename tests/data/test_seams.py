"""Pairs side by side and single photographs: told apart on real photographs, at the sides that people have."""

import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import image_files, seams, transforms
from gan_jax.data.demo import facades as demo_facades
from gan_jax.data.demo import skimage_photos

ASPECTS = {"3:4": 3 / 4, "1:1": 1, "4:3": 4 / 3, "3:2": 3 / 2, "16:9": 16 / 9, "2:1": 2}


@pytest.fixture(scope="module")
def photographs():
    pytest.importorskip("skimage", reason="the photos extra")
    files = [file for files in skimage_photos.SPLITS.values() for file in files]
    more = ("brick.png", "camera.png", "coins.png", "grass.png", "gravel.png", "moon.png")
    folder = skimage_photos.installed()
    return [image_files.read(folder / file, 3) for file in (*files, *more) if (folder / file).exists()]


def cut(image_u8, aspect, height=96):
    """The largest middle part of that aspect, at that height."""
    rows, columns = image_u8.shape[:2]
    wide, high = min(columns, int(rows * aspect)), min(rows, int(columns / aspect))
    top, left = (rows - high) // 2, (columns - wide) // 2
    return transforms.resize(image_u8[top : top + high, left : left + wide], height, 2 * round(height * aspect / 2))


def beside(a, b):
    return np.concatenate([np.repeat(a, 3 // a.shape[2], axis=2), np.repeat(b, 3 // b.shape[2], axis=2)], axis=1)


def as_jpeg(image_u8, quality=60):
    content = io.BytesIO()
    Image.fromarray(image_u8).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def centered(ink, ground=255, side=64):
    """A thing in the middle of a plain ground."""
    image_u8 = np.full((side, side, 3), ground, np.uint8)
    image_u8[side // 4 : -side // 4, side // 4 : -side // 4] = ink
    return image_u8


@pytest.mark.parametrize("aspect", ASPECTS)
def test_photographs_are_no_pairs(photographs, aspect):
    cuts = [cut(photograph, ASPECTS[aspect]) for photograph in photographs]
    assert seams.look_like_pairs(cuts) is False
    assert seams.look_like_pairs(map(as_jpeg, cuts)) is False


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("derive", transforms.DERIVE)
def test_what_is_made_of_photographs_beside_them_are_pairs(photographs, aspect, derive):
    result = [cut(photograph, ASPECTS[aspect]) for photograph in photographs]
    pairs = [beside(transforms.DERIVE[derive](target), target) for target in result]
    assert seams.look_like_pairs(pairs) is True
    assert seams.look_like_pairs([beside(target, transforms.DERIVE[derive](target)) for target in result]) is True
    # A lossy format smooths a seam: it may leave the question open, and never answers it wrongly.
    assert seams.look_like_pairs(map(as_jpeg, pairs)) is not False


def test_labels_maps_and_photographs_are_pairs():
    facades = demo_facades.Facades("train", 16, 64)
    assert seams.look_like_pairs(beside(facades[i]["source"], facades[i]["target"]) for i in range(16)) is True
    assert seams.look_like_pairs(facades[i]["target"] for i in range(16)) is False
    rng = np.random.default_rng(0)
    aerial = [transforms.resize(rng.integers(40, 160, (16, 16, 3), np.uint8), 64, 64) for _ in range(8)]
    assert seams.look_like_pairs(beside(image, np.full((64, 64, 3), 235, np.uint8)) for image in aerial) is True


def test_where_a_plain_ground_has_no_seam_the_sides_tell():
    drawn, painted = centered(0), centered((120, 80, 40))
    assert seams.jump(beside(drawn, painted)) is None
    assert seams.look_like_pairs([beside(drawn, painted)] * 4) is True
    assert seams.look_like_pairs([beside(drawn, painted)[:, 16:-16]] * 4) is None  # halves of 3:4
    assert seams.look_like_pairs([centered(0, 254), painted[:, :, :1]]) is False
    wide = [np.concatenate([image] * 2, axis=1) for image in (drawn, painted)]
    assert seams.look_like_pairs([beside(*wide)]) is True  # halves of 2:1
    assert seams.look_like_pairs([]) is None
    assert seams.jump(np.zeros((8, 4, 3), np.uint8)) is None


def test_a_folder_is_judged_by_a_sample_of_what_can_be_read(tmp_path):
    facades = demo_facades.Facades("train", 20, 32)
    for i in range(20):
        image_files.save(tmp_path / "pairs" / f"{i:02d}.png", beside(facades[i]["source"], facades[i]["target"]))
        image_files.save(tmp_path / "single" / f"{i:02d}.png", facades[i]["target"])
        image_files.save(tmp_path / "wide" / f"{i:02d}.png", facades[i]["target"][:16])  # 2:1, and no seam
    files = {name: sorted((tmp_path / name).iterdir()) for name in ("pairs", "single", "wide")}
    assert len(list(seams.sample(files["pairs"]))) == 16
    files["pairs"][0].write_bytes(b"no picture")
    assert len(list(seams.sample(files["pairs"]))) == 15
    assert {name: seams.hold_pairs(paths) for name, paths in files.items()} == {
        "pairs": True, "single": False, "wide": False,
    }  # fmt: skip
    assert not seams.hold_pairs([])
    assert not seams.hold_pairs([tmp_path / "none.png"])
    (note,) = seams.notes(tmp_path / "pairs", files["pairs"])
    assert note.endswith("pairs look like A and B side by side, and are read as one image each.")
    assert seams.notes(tmp_path / "single", files["single"]) == ()
