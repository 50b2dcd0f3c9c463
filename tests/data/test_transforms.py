import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import transforms

GOLDEN = Path(__file__).parent.parent / "golden" / "transforms"
CASES = json.loads((GOLDEN / "cases.json").read_text())["cases"]


def ramp(height, width, channels=3):
    """Every pixel tells its place."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, x + y], axis=-1)[..., :channels].astype(np.uint8)


def pair(height=40, width=50):
    return {"name": "a", "source": ramp(height, width), "target": 255 - ramp(height, width)}


@pytest.mark.parametrize("name", CASES)
def test_geometry_reproduces_the_incumbent(name):
    case = CASES[name]
    options, (left, top) = case["options"], case["params"]["crop_pos"]
    photo = np.asarray(Image.open(GOLDEN / "photo.png").convert("RGB"))
    if case["grayscale"]:
        photo = transforms.grey(photo)
    load, crop = options["load_size"], options["crop_size"]
    resized = options["preprocess"] == "resize_and_crop"
    height, width = (load, load) if resized else photo.shape[:2]
    # The middle of the interval of fractions that stands for this position.
    at = transforms.Draw((top + 0.5) / (height - crop + 1), (left + 0.5) / (width - crop + 1), case["params"]["flip"])
    plan = transforms.PREPROCESS[options["preprocess"]]
    geometry = plan(photo.shape[:2], at, load_size=load, crop_size=crop)
    out = transforms.apply({"source": photo, "target": photo}, geometry)
    expected = np.load(GOLDEN / "expected.npz")[f"{name}_u8"]
    np.testing.assert_array_equal(out["source"], expected.reshape(crop, crop, -1))
    np.testing.assert_array_equal(out["source"], out["target"])


@pytest.mark.parametrize("preprocess", transforms.PREPROCESS)
def test_both_pictures_get_one_crop_and_one_mirror(preprocess):
    transform = transforms.jitter(preprocess, load_size=38, crop_size=32)
    seen = set()
    for seed in range(20):
        out = transform(pair(), np.random.default_rng(seed))
        # Pillow's rounding need not commute with 255 - x.
        np.testing.assert_allclose(out["source"].astype(int), 255 - out["target"].astype(int), atol=1)
        assert out["source"].shape == out["target"].shape == (32, 32, 3)
        seen.add(out["source"].tobytes())
    assert len(seen) > 10


def test_draws_are_fair_and_crops_reach_every_border():
    rng = np.random.default_rng(0)
    draws = [transforms.draw(rng, flip=True) for _ in range(1000)]
    assert 430 < sum(at.mirror for at in draws) < 570
    boxes = [transforms.resize_and_crop((9, 9), at, load_size=35, crop_size=32).crop for at in draws]
    assert {box[0] for box in boxes} == {box[1] for box in boxes} == {0, 1, 2, 3}


def test_jitter_mirrors_only_if_asked():
    transform = transforms.jitter("crop", load_size=40, crop_size=32, flip=False)
    for seed in range(10):
        columns = transform(pair(), np.random.default_rng(seed))["source"][0, :, 1].astype(int)
        assert (np.diff(columns) == 1).all()


def test_centre_resizes_the_whole_picture_or_cuts_its_middle():
    rng = np.random.default_rng(0)
    whole = transforms.centre("resize_and_crop", crop_size=32)(pair(), rng)
    np.testing.assert_array_equal(whole["source"], transforms.resize(pair()["source"], 32, 32))
    middle = transforms.centre("crop", crop_size=32)(pair(), rng)
    np.testing.assert_array_equal(middle["source"], pair()["source"][4:36, 9:41])


def test_scored_pictures_are_resized_or_stay_whole():
    rng = np.random.default_rng(0)
    for preprocess, size in (("resize_and_crop", 32), ("crop", None)):
        out = transforms.whole(preprocess, crop_size=32)(pair(), rng)
        expected = transforms.resize(pair()["target"], *((size, size) if size else (40, 50)))
        np.testing.assert_array_equal(out["target"], expected)


def test_crop_larger_than_load_size_names_the_remedy():
    transform = transforms.jitter("resize_and_crop", load_size=30, crop_size=32)
    with pytest.raises(ValueError, match=r"a: crop_size 32 is larger than load_size 30.*at least 32"):
        transform(pair(), np.random.default_rng(0))


def test_picture_smaller_than_the_crop_is_named():
    with pytest.raises(ValueError, match="a: a picture of 50x40 pixels is smaller than crop_size 41"):
        transforms.jitter("crop", load_size=50, crop_size=41)(pair(), np.random.default_rng(0))


@pytest.mark.parametrize("preprocess", transforms.PREPROCESS)
def test_pictures_of_two_sizes_are_refused(preprocess):
    uneven = pair() | {"source": ramp(60, 50)}
    with pytest.raises(ValueError, match="a: source is 50x60 and target is 50x40; give both one size"):
        transforms.jitter(preprocess, load_size=40, crop_size=32)(uneven, np.random.default_rng(0))


def test_source_is_derived_between_resizing_and_cropping():
    sizes = []

    def derive(photo):
        sizes.append(photo.shape)
        return photo[..., :1]

    photo = {"name": "a", "derive": derive, "target": ramp(80, 90)}
    out = transforms.jitter("resize_and_crop", load_size=40, crop_size=32)(photo, np.random.default_rng(0))
    assert sizes == [(40, 40, 3)]
    np.testing.assert_array_equal(out["source"], out["target"][..., :1])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_resize_treats_channels_alone(channels):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels), np.uint8)
    out = transforms.resize(image, 24, 18)
    assert out.shape == (24, 18, channels)
    assert out.dtype == np.uint8
    alone = Image.fromarray(image[..., 0]).resize((18, 24), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(out[..., 0], np.asarray(alone))
    assert transforms.resize(image, 20, 30) is image


def test_grey_is_the_luma_of_pillow():
    photo = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    luma = transforms.grey(photo)
    np.testing.assert_array_equal(luma[..., 0], np.asarray(Image.fromarray(photo).convert("L")))
    np.testing.assert_array_equal(transforms.grey(luma), luma)


def test_edges_are_thin_black_lines_around_a_shape():
    photo = np.full((64, 64, 3), 200, np.uint8)
    photo[16:48, 16:48] = (160, 60, 20)
    lines = transforms.edges(photo)
    assert lines.shape == (64, 64, 1)
    assert set(np.unique(lines)) == {0, 255}
    black = lines[..., 0] == 0
    # One pixel wide on each side of the square, and nothing elsewhere.
    assert black[32].sum() == black[:, 32].sum() == 2
    assert set(np.flatnonzero(black[32])) <= {15, 16, 47, 48}
    assert 100 < black.sum() < 140
    np.testing.assert_array_equal(transforms.edges(transforms.grey(photo)), lines)


def test_edges_are_relative_to_the_picture_and_ignore_noise():
    photo = np.zeros((64, 64, 1), np.uint8)
    photo[16:48, 16:48] = 40
    dim, bright = transforms.edges(photo), transforms.edges(photo * 4)
    np.testing.assert_array_equal(dim, bright)
    noise = 128 + np.random.default_rng(0).integers(-2, 3, (64, 64, 1))
    assert (transforms.edges(noise.astype(np.uint8)) == 255).all()


def test_edges_join_weak_lines_to_strong_ones_only():
    weak = np.zeros((5, 9), bool)
    weak[1, :6] = weak[3, 7:] = True
    strong = np.zeros_like(weak)
    strong[1, 0] = True
    joined = transforms._connected(strong, weak)
    assert joined[1, :6].all()
    assert joined.sum() == 6


def test_plateau_of_two_equal_pixels_gives_one_line():
    strength = np.tile(np.array([0, 1, 1, 0], np.float32), (4, 1))
    ridge = transforms._ridges(strength, np.ones_like(strength), np.zeros_like(strength))
    assert (ridge.sum(axis=1) == 1).all()


def test_crop_keeps_the_scale_and_reaches_both_ends():
    size, at = (10, 20), transforms.Draw(0.0, 0.0, False)
    first = transforms.crop(size, at, load_size=999, crop_size=8)
    last = transforms.crop(size, at._replace(top=0.999, left=0.999, mirror=True), load_size=999, crop_size=8)
    assert first == transforms.Geometry(size, (0, 0, 8, 8), False)
    assert last == transforms.Geometry(size, (2, 12, 8, 8), True)
