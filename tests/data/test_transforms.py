import json
import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from gan_jax import image
from gan_jax.data import transforms

GOLDEN = Path(__file__).parent.parent / "golden" / "transforms"
SHAPES = {"scale_width": (40, 48), "none": (40, 48)}  # of pair(), with load_size 44, crop_size 32, multiples of 8
CASES = json.loads((GOLDEN / "cases.json").read_text())["cases"]


def ramp(height, width, channels=3):
    """Every pixel tells its place."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, x + y], axis=-1)[..., :channels].astype(np.uint8)


def pair(height=40, width=50):
    return {"name": "a", "source": ramp(height, width), "target": 255 - ramp(height, width)}


@pytest.mark.parametrize("name", CASES)
def test_geometry_reproduces_the_pytorch_code(name):
    case = CASES[name]
    options, (left, top) = case["options"], case["params"]["crop_pos"]
    photo = np.asarray(Image.open(GOLDEN / "photo.png").convert("RGB"))
    if case["grayscale"]:
        photo = transforms.gray(photo)
    sizes = {flag: options[flag] for flag in ("load_size", "crop_size")}
    plan = transforms.PREPROCESS[options["preprocess"]](**sizes, multiple=4)
    height, width = plan(photo.shape[:2], transforms.CENTER).size
    *_, crop_height, crop_width = plan(photo.shape[:2], transforms.CENTER).crop
    # The middle of the interval of fractions that stands for this position.
    down, right = (top + 0.5) / (height - crop_height + 1), (left + 0.5) / (width - crop_width + 1)
    geometry = plan(photo.shape[:2], transforms.Draw(down, right, case["params"]["flip"]))
    out = transforms.apply({"source": photo, "target": photo}, geometry)
    expected = np.load(GOLDEN / "expected.npz")[f"{name}_u8"]
    np.testing.assert_array_equal(out["source"], expected.reshape(*case["out_shape"][1:], -1))
    np.testing.assert_array_equal(out["source"], out["target"])


def test_golden_cases_cover_every_preprocess():
    assert {case["options"]["preprocess"] for case in CASES.values()} == set(transforms.PREPROCESS)


# Which part of which size each preprocess takes


@pytest.mark.parametrize(
    ("preprocess", "size", "geometry"),
    [
        (transforms.resize_and_crop, (90, 60), ((40, 50), (10, 10, 20, 30))),
        (transforms.crop, (41, 60), ((41, 60), (11, 15, 20, 30))),
        (transforms.scale_width_and_crop, (90, 60), ((75, 50), (28, 10, 20, 30))),
        (transforms.scale_width_and_crop, (10, 60), ((20, 50), (0, 10, 20, 30))),
        (transforms.scale_width, (90, 60), ((72, 48), (0, 0, 72, 48))),  # 75x50 in multiples of 8
        (transforms.scale_width, (10, 60), ((16, 48), (0, 0, 16, 48))),  # 20 is halfway: to the even multiple
        (transforms.none, (85, 60), ((88, 64), (0, 0, 88, 64))),
        (transforms.none, (3, 12), ((8, 16), (0, 0, 8, 16))),  # at least one multiple; 1.5 of them become 2
    ],
)
def test_geometry_with_rectangles(preprocess, size, geometry):
    load = 50 if preprocess in (transforms.scale_width, transforms.scale_width_and_crop) else (40, 50)
    plan = preprocess(load_size=load, crop_size=(20, 30), multiple=8)
    assert plan(size, transforms.CENTER) == transforms.Geometry(*geometry, mirror=False)
    assert plan(size, transforms.CENTER._replace(mirror=True)) == transforms.Geometry(*geometry, mirror=True)


def test_an_int_is_a_square():
    assert transforms.height_width(3) == (3, 3)
    assert transforms.height_width((3, 4)) == (3, 4)
    for preprocess in ("resize_and_crop", "crop"):
        make = transforms.PREPROCESS[preprocess]
        one, two = make(load_size=38, crop_size=32), make(load_size=(38, 38), crop_size=(32, 32))
        assert one((40, 50), transforms.CENTER) == two((40, 50), transforms.CENTER)


@pytest.mark.parametrize("preprocess", transforms.PREPROCESS)
def test_both_images_get_one_crop_and_one_mirror(preprocess):
    transform = transforms.jitter(preprocess, load_size=44, crop_size=32, multiple=8)
    seen = set()
    for seed in range(20):
        out = transform(pair(), np.random.default_rng(seed))
        # Pillow's rounding need not commute with 255 - x.
        np.testing.assert_allclose(out["source"].astype(int), 255 - out["target"].astype(int), atol=1)
        assert out["source"].shape == out["target"].shape == (*SHAPES.get(preprocess, (32, 32)), 3)
        seen.add(out["source"].tobytes())
    # Without a crop there is the mirror alone.
    assert len(seen) == 2 if preprocess in SHAPES else len(seen) > 10


def test_draws_are_fair_and_crops_reach_every_border():
    rng = np.random.default_rng(0)
    draws = [transforms.draw(rng, flip=True) for _ in range(1000)]
    assert 430 < sum(at.mirror for at in draws) < 570
    plan = transforms.resize_and_crop(load_size=35, crop_size=32)
    boxes = [plan((9, 9), at).crop for at in draws]
    assert {box[0] for box in boxes} == {box[1] for box in boxes} == {0, 1, 2, 3}


def test_jitter_mirrors_only_if_asked():
    transform = transforms.jitter("crop", load_size=40, crop_size=32, flip=False)
    for seed in range(10):
        columns = transform(pair(), np.random.default_rng(seed))["source"][0, :, 1].astype(int)
        assert (np.diff(columns) == 1).all()


@pytest.mark.parametrize(
    ("preprocess", "size", "cut"),
    [
        ("resize_and_crop", (24, 32), np.s_[:]),
        ("crop", (40, 50), np.s_[8:32, 9:41]),
        ("scale_width_and_crop", (36, 45), np.s_[6:30, 7:39]),
        ("scale_width", (36, 45), np.s_[:]),
        ("none", (40, 50), np.s_[:]),
    ],
)
def test_center_is_the_whole_image_or_its_middle(preprocess, size, cut):
    transform = transforms.center(preprocess, load_size=45, crop_size=(24, 32))
    out = transform(pair(), np.random.default_rng(0))
    for name in ("source", "target"):
        np.testing.assert_array_equal(out[name], transforms.resize(pair()[name], *size)[cut])


@pytest.mark.parametrize(
    ("preprocess", "size"),
    [
        ("resize_and_crop", (24, 32)),
        ("crop", (40, 50)),
        ("none", (40, 50)),
        ("scale_width", (36, 45)),
        ("scale_width_and_crop", (36, 45)),
    ],
)
def test_scored_images_are_resized_but_never_cropped_nor_rounded(preprocess, size):
    out = transforms.whole(preprocess, load_size=45, crop_size=(24, 32))(pair(), np.random.default_rng(0))
    for name in ("source", "target"):
        np.testing.assert_array_equal(out[name], transforms.resize(pair()[name], *size))


# What is refused


@pytest.mark.parametrize(
    ("preprocess", "load", "crop", "message"),
    [
        ("resize_and_crop", 30, 32, "crop_size 32 is larger than load_size 30, the size .* load_size of at least 32"),
        ("resize_and_crop", 286, (256, 300), "crop_size 256x300 is larger than load_size 286, .* at least 256x300"),
        ("resize_and_crop", (40, 50), (50, 40), "crop_size 50x40 is larger than load_size 40x50"),
        ("scale_width_and_crop", 31, (64, 32), "crop_size 64x32 is larger than load_size 31, the width .* at least 32"),
        ("scale_width_and_crop", (40, 50), 32, "load_size 40x50 has two sides, .*; use load_size 50"),
        ("scale_width", (40, 50), 32, "load_size 40x50 has two sides, .*; use load_size 50"),
    ],
)
def test_sizes_that_exclude_each_other_are_refused_before_any_image(preprocess, load, crop, message):
    with pytest.raises(ValueError, match=f"^{message}[^.]*\\.$"):
        transforms.jitter(preprocess, load_size=load, crop_size=crop)


@pytest.mark.parametrize(("crop", "shown"), [(41, "41"), ((41, 30), "41x30"), ((30, 51), "30x51")])
def test_image_smaller_than_the_crop_is_named(crop, shown):
    with pytest.raises(ValueError, match=f"a: an image 50 wide and 40 high is smaller than crop_size {shown}; use"):
        transforms.jitter("crop", load_size=50, crop_size=crop)(pair(), np.random.default_rng(0))


@pytest.mark.parametrize("preprocess", transforms.PREPROCESS)
def test_images_of_two_sizes_are_refused(preprocess):
    uneven = pair() | {"source": ramp(60, 50)}
    with pytest.raises(ValueError, match="a: source is 50x60 and target is 50x40; give both one size"):
        transforms.jitter(preprocess, load_size=40, crop_size=32)(uneven, np.random.default_rng(0))


def test_source_is_derived_between_resizing_and_cropping():
    sizes = []

    def derive(photo):
        sizes.append(photo.shape)
        return photo[..., :1]

    photo = {"name": "a", "target": ramp(80, 90)}
    jitter = transforms.jitter("resize_and_crop", load_size=40, crop_size=32, derive=derive)
    out = jitter(photo, np.random.default_rng(0))
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


def test_gray_is_the_luma_of_pillow():
    photo = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    luma = transforms.gray(photo)
    np.testing.assert_array_equal(luma[..., 0], np.asarray(Image.fromarray(photo).convert("L")))
    np.testing.assert_array_equal(transforms.gray(luma), luma)


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
    np.testing.assert_array_equal(transforms.edges(transforms.gray(photo)), lines)


def test_edges_are_relative_to_the_image_and_ignore_noise():
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
    plan = transforms.crop(load_size=999, crop_size=8)
    assert plan(size, at) == transforms.Geometry(size, (0, 0, 8, 8), False)
    last = at._replace(top=0.999, left=0.999, mirror=True)
    assert plan(size, last) == transforms.Geometry(size, (2, 12, 8, 8), True)


def test_derived_sources_have_names():
    assert set(transforms.DERIVE) == set(map(transforms.spelled, get_args(transforms.Derive)))
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    channels = {name: derive(photo).shape[2] for name, derive in transforms.DERIVE.items()}
    assert channels == {"gray": 1, "edges": 1, "blur": 3, "mosaic": 3, "lab": 1}
    assert all(transforms.derived_channels(name) == count for name, count in channels.items())
    assert (transforms.derived_channels(None), transforms.derived_channels("grey")) == (3, 1)
    assert all(derive(photo[..., :1]).shape == (20, 30, 1) for derive in transforms.DERIVE.values())


def test_blur_is_a_gaussian_of_two_pixels_in_each_channel():
    photo = np.zeros((41, 51, 3), np.uint8)
    photo[:, 25:, 0] = 200
    photo[20:, :, 1] = 200
    photo[..., 2] = 77
    out = transforms.blur(photo)
    # A step's blur is the normal distribution's integral; the kernel ends after 3 sigma.
    step = [100 * (1 + math.erf((x - 24.5) / (2 * math.sqrt(2)))) for x in range(51)]
    np.testing.assert_allclose(out[7, :, 0], step, atol=1.5)
    np.testing.assert_array_equal(out[:, 30, 1], out[20, 5:46, 0])
    assert (out[..., 2] == 77).all()


def test_mosaic_is_the_mean_of_blocks_short_ones_included():
    photo = np.random.default_rng(0).integers(0, 256, (19, 29, 3), np.uint8)
    out = transforms.mosaic(photo)
    assert out.shape == photo.shape
    assert out.dtype == np.uint8
    for top in (0, 8, 16):
        for left in (0, 8, 16, 24):
            block = np.s_[top : top + 8, left : left + 8]
            mean = np.rint(photo[block].mean((0, 1)))
            np.testing.assert_array_equal(out[block], np.broadcast_to(mean, out[block].shape))


def test_sizes_are_shown_as_they_are_typed():
    assert (transforms.shown(256), transforms.shown((256, 512))) == ("256", "256x512")


def test_whole_images_are_padded_by_reflection_to_what_the_network_takes():
    """Rounded to a multiple of 4 as the PyTorch code resizes them, then padded: no stretch to a distant multiple."""
    transform = transforms.jitter("none", load_size=1, crop_size=1, flip=False, multiple=32)
    out = transform(pair(), np.random.default_rng(0))["target"]
    inside = transforms.resize(pair()["target"], 40, 48)
    assert out.shape == (64, 64, 3)
    np.testing.assert_array_equal(out[:40, :48], inside)
    np.testing.assert_array_equal(out[40:, :48], inside[-2:-26:-1])
    np.testing.assert_array_equal(out[:40, 48:], inside[:, -2:-18:-1])


def test_an_item_of_one_image_is_jittered_as_a_pair_is():
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    jitter = transforms.jitter("resize_and_crop", load_size=36, crop_size=32)
    one = jitter({"name": "a", "B": photo}, np.random.default_rng(3))
    both = jitter({"name": "a", "source": photo, "target": photo}, np.random.default_rng(3))
    assert set(one) == {"B"}
    np.testing.assert_array_equal(one["B"], both["target"])


def test_a_source_that_is_there_is_not_derived():
    jitter = transforms.jitter("crop", load_size=32, crop_size=32, derive=transforms.deriver("blur", 3))
    plain = transforms.jitter("crop", load_size=32, crop_size=32)
    result, expected = (transform(pair(), np.random.default_rng(0)) for transform in (jitter, plain))
    assert result.keys() == expected.keys()
    np.testing.assert_array_equal(result["source"], expected["source"])


def test_a_word_makes_sources_of_the_channels_that_are_asked_for():
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    assert transforms.deriver(None, 3) is None
    for word in transforms.DERIVE:
        assert [transforms.deriver(word, channels)(photo).shape for channels in (1, 3)] == [(20, 30, 1), (20, 30, 3)]
    np.testing.assert_array_equal(transforms.deriver("gray", 1)(photo), transforms.gray(photo))


def test_there_is_one_spelling_of_gray():
    assert [transforms.spelled(word) for word in ("gray", "gray", "edges", None)] == ["gray", "gray", "edges", None]


def test_the_equally_light_gray_has_the_lightness_of_the_color():
    """To half a level, which the rounding of a gray leaves; grays are their own."""
    colors = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    gray = transforms.equally_light(colors)
    assert (gray.shape, gray.dtype) == ((40, 40, 1), np.uint8)
    ours, theirs = (np.asarray(image.rgb_to_lab(rgb))[..., 0] for rgb in (np.repeat(gray, 3, axis=2), colors))
    levels = np.asarray(image.rgb_to_lab(np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)))[:, 0, 0]
    np.testing.assert_array_less(np.abs(ours - theirs), 0.5 * np.diff(levels).max() + 1e-3)
    grays = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(transforms.equally_light(grays), grays)
    np.testing.assert_array_equal(transforms.equally_light(np.repeat(grays, 3, axis=2)), grays)


def test_a_size_is_read_as_it_is_shown():
    for size in (256, (256, 512)):
        assert transforms.read_size(transforms.shown(size)) == size
    for text in ("big", "1x2x3", ""):
        with pytest.raises(ValueError, match="wanted one whole number, or HEIGHTxWIDTH"):
            transforms.read_size(text)


@pytest.mark.parametrize("preprocess", sorted(transforms.PREPROCESS))
def test_crops_of_resized_images_are_those_of_the_images(preprocess):
    photo = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
    sizes = {"load_size": 36, "crop_size": 20}
    once = transforms.resized(preprocess, **sizes, derive=transforms.gray)({"name": "x", "target": photo}, None)
    assert once["source"].shape[2] == 1
    jitter = transforms.jitter(preprocess, **sizes, multiple=4, derive=transforms.gray)
    for seed in range(3):
        expected = jitter({"name": "x", "target": photo}, np.random.default_rng(seed))
        given = jitter({"name": "x", **once}, np.random.default_rng(seed))
        np.testing.assert_array_equal(given["source"], expected["source"])
        np.testing.assert_array_equal(given["target"], expected["target"])
