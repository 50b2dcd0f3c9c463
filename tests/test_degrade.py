"""Degradations against MATLAB's algorithm (tests/golden/imresize) and numpy."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import degrade
from gan_jax.degrade import Degradation

GOLDEN = Path(__file__).parent / "golden"
KEY = jax.random.key(0)
NOISE = np.random.default_rng(0).integers(0, 256, (2, 24, 36, 3), dtype=np.uint8)


@pytest.mark.parametrize(("name", "scale"), [("half", 2), ("third", 3), ("quarter", 4)])
def test_bicubic_is_matlabs_in_8_bits(name, scale):
    case = np.load(GOLDEN / "imresize" / f"{name}.npz")
    got = Degradation("bicubic", scale)(255 * case["input"], KEY)
    expected = np.clip(255 * case["out_f64"], 0, 255)
    assert got.dtype == jnp.uint8
    # Rounded: within half a level, and 1e-4 for float32.
    np.testing.assert_allclose(got, expected, atol=0.5 + 1e-4, rtol=0)


def test_area_is_the_mean_of_each_block_and_nearest_one_pixel_of_it():
    for scale in (2, 3, 4):
        blocks = NOISE.reshape(2, 24 // scale, scale, 36 // scale, scale, 3)
        area = Degradation("area", scale)(NOISE, KEY)
        np.testing.assert_allclose(area, blocks.mean(axis=(2, 4)), atol=0.5 + 1e-4, rtol=0)
        nearest = Degradation("nearest", scale)(NOISE, KEY)
        np.testing.assert_array_equal(nearest, NOISE[:, scale // 2 :: scale, scale // 2 :: scale])


def test_bilinear_and_lanczos_widen_with_the_scale():
    """Away from the borders: weights at pixel centers of MATLAB's kernels, stretched by the scale of 2."""
    distances = np.arange(-5.5, 6.0) / 2
    for name, kernel, reach in (
        ("bilinear", np.maximum(1 - np.abs(distances), 0), 2),
        ("lanczos", np.where(np.abs(distances) < 3, np.sinc(distances) * np.sinc(distances / 3), 0), 6),
    ):
        weights = kernel[6 - reach : 6 + reach] / kernel.sum()
        got = Degradation(name, 2)(NOISE, KEY)[:, 6, 9]
        window = NOISE[:, 13 - reach : 13 + reach, 19 - reach : 19 + reach].astype(np.float64)
        expected = np.clip(np.einsum("nhwc,h,w->nc", window, weights, weights), 0, 255)
        np.testing.assert_allclose(got, expected, atol=0.5 + 1e-4, rtol=0)


def test_blur_is_a_gaussian_and_every_scaleth_pixel_from_the_first():
    kernel = np.exp(-0.5 * (np.hypot(*np.mgrid[-3:4, -3:4]) / 1.6) ** 2)
    padded = np.pad(NOISE.astype(np.float64), [(0, 0), (3, 3), (3, 3), (0, 0)], mode="reflect")
    expected = np.zeros((2, 8, 12, 3))
    for row in range(8):
        for column in range(12):
            window = padded[:, 3 * row : 3 * row + 7, 3 * column : 3 * column + 7]
            expected[:, row, column] = np.einsum("nhwc,hw->nc", window, kernel / kernel.sum())
    got = Degradation("blur", 3, kernel_size=7, sigma=1.6)(NOISE, KEY)
    np.testing.assert_allclose(got, expected, atol=0.5 + 1e-4, rtol=0)


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "lanczos", "area", "nearest", "blur"])
def test_a_flat_image_stays(name):
    fields = {"kernel_size": 13, "sigma": 1.6} if name == "blur" else {}
    flat = np.full((1, 16, 12, 3), 77, np.uint8)
    np.testing.assert_array_equal(Degradation(name, 4, **fields)(flat, KEY), flat[:, :4, :3])


def test_softening_is_a_gaussian_in_front_of_the_downscaler():
    photo = np.random.default_rng(0).uniform(0, 255, (40, 40, 1)).astype(np.float32)
    soft = Degradation("nearest", 1, soften=1.2)(photo, KEY)
    taps = np.exp(-0.5 * (np.arange(-4, 5) / 1.2) ** 2)
    padded = np.pad(photo[..., 0], 4, mode="reflect")
    rows = sum(tap * padded[i : i + 40] for i, tap in enumerate(taps / taps.sum()))
    expected = sum(tap * rows[:, i : i + 40] for i, tap in enumerate(taps / taps.sum()))
    np.testing.assert_allclose(soft[..., 0], expected, atol=0.51)  # half a level of rounding
    drawn = Degradation("nearest", 1, soften=(0.0, 2.0))(np.stack([photo] * 8), KEY)
    assert len({float(np.std(one)) for one in drawn}) > 4  # each image draws its own; the least soft ones are equal


def test_a_share_of_the_images_is_clean():
    photos = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    mixed = Degradation("bicubic", 2, jpeg=30, soften=1.0, clean=0.25)(photos, KEY)
    clean = Degradation("bicubic", 2)(photos, KEY)
    spoilt = Degradation("bicubic", 2, jpeg=30, soften=1.0)(photos, KEY)
    is_clean, is_spoilt = ((mixed == other).all(axis=(1, 2, 3)) for other in (clean, spoilt))
    np.testing.assert_array_equal(is_clean, ~is_spoilt)
    assert 6 <= is_clean.sum() <= 26  # 16 expected, with a deviation of 3.5


def test_noise_has_its_deviation_follows_from_the_key_and_works_under_jit_and_vmap():
    gray = np.full((3, 64, 64, 3), 128, np.uint8)
    degradation = Degradation("area", 1, noise=6.0)
    step = jax.jit(degradation)
    noisy = np.float64(step(gray, KEY))
    # 12288 values: one standard deviation of the estimate is 0.04; rounding adds 1/12 to the variance.
    np.testing.assert_allclose(noisy.std(axis=(1, 2, 3)), np.hypot(6.0, 12**-0.5), atol=0.2)
    np.testing.assert_allclose(noisy.mean(axis=(1, 2, 3)), 128, atol=0.3)
    np.testing.assert_array_equal(step(gray, KEY), noisy)
    assert (step(gray, jax.random.key(1)) != noisy).mean() > 0.8
    own = np.float64(jax.jit(Degradation("area", 1, noise=(0.0, 20.0)))(gray, KEY)).std(axis=(1, 2, 3))
    assert len(set(own.round(1))) == 3  # each image draws its own
    keys = jax.random.split(KEY, 2)
    for each, most in (
        # One level where a sum in another order falls on the other side of a half.
        (Degradation("bicubic", 2, noise=(0.0, 9.0)), 0.02),
        # A block of 16x16 of an image's 24x36 pixels where a luma (a multiple of 0.001) or a coefficient is at a half.
        (Degradation("area", 1, jpeg=(20, 90)), 0.25),
    ):
        together = jax.jit(jax.vmap(each))(NOISE, keys)
        alone = jnp.stack([jax.jit(each)(image, key) for image, key in zip(NOISE, keys, strict=True)])
        assert (together != alone).mean() < most


@pytest.mark.parametrize(
    "degradation",
    [
        Degradation(),
        Degradation("blur", 3, 7, 1.6, noise=(0.0, 5.0)),
        Degradation("area", 2, jpeg=(30, 95)),
        Degradation("bicubic", 2, soften=(0.0, 0.8), clean=0.5),
    ],
)
def test_plain_data_says_all_of_a_degradation(degradation):
    described = degrade.describe(degradation)
    assert json.loads(json.dumps(described)) == described
    assert degrade.build(described) == degradation


def test_the_data_of_the_default_and_of_an_unknown_field():
    assert degrade.describe(Degradation()) == {"name": "bicubic", "scale": 4, "noise": 0.0, "jpeg": None}
    with pytest.raises(ValueError, match=r"no degradation can be built from .*'color'"):
        degrade.build({"color": 3})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "cubic"}, "a name among bicubic, bilinear"),
        ({"scale": 0}, "a scale of 1 or more"),
        ({"name": "blur", "sigma": 1.0}, "a kernel_size and a sigma"),
        ({"sigma": 1.0}, 'kernel_size and sigma of "blur"'),
        ({"name": "blur", "sigma": 1.0, "kernel_size": 4}, "an odd kernel_size"),
        ({"name": "blur", "sigma": 0.0, "kernel_size": 3}, "a sigma above 0"),
        ({"noise": -1.0}, "noise of 0 or more"),
        ({"noise": (5.0, 1.0)}, "noise of 0 or more"),
        ({"jpeg": 0}, "a JPEG quality of 1 to 100"),
        ({"jpeg": (50, 101)}, "a JPEG quality of 1 to 100"),
        ({"subsampling": "4:1:1"}, 'subsampling "4:2:0" or "4:4:4"'),
        ({"soften": (0.5, 0.2)}, "soften of 0 or more"),
        ({"name": "blur", "sigma": 1.0, "kernel_size": 3, "soften": 1.0}, 'no soften beside "blur"'),
        ({"clean": 1.0}, "a clean share"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields, expected):
    with pytest.raises(ValueError, match=expected):
        Degradation(**fields)


def test_sides_that_the_scale_does_not_divide_are_refused():
    with pytest.raises(TypeError, match=r"images are uint16; wanted uint8 or floats in \[0, 255\]"):
        Degradation(scale=2)(NOISE.astype(np.uint16), KEY)
    with pytest.raises(ValueError, match=r"images are 24x36; a degradation of scale 5 wants multiples of it: image\."):
        Degradation(scale=5)(NOISE, KEY)


def test_an_image_is_degraded_on_the_host_always_alike():
    result = degrade.Degradation("area", 2, noise=3.0)
    photo = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    first = degrade.on_host(result, photo)
    assert (first.shape, first.dtype) == ((4, 3, 3), np.uint8)
    np.testing.assert_array_equal(first, degrade.on_host(result, photo))


def test_images_of_many_sizes_are_degraded_on_the_host_in_arrays_of_one(monkeypatch):
    monkeypatch.setattr(degrade, "_BLOCK", 32)
    second_order, programs = degrade.SecondOrder(2), degrade._in_part._cache_size()
    for size in ((32, 28), (24, 32)):
        photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        low = degrade.on_host(second_order, photo)
        assert (low.shape, low.dtype) == ((size[0] // 2, size[1] // 2, 3), np.uint8)
        np.testing.assert_array_equal(low, degrade.on_host(second_order, photo))
        assert (low != degrade.on_host(second_order, photo[:, ::-1])[:, ::-1]).mean() > 0.5  # another image
    assert degrade._in_part._cache_size() == programs + 1
    with pytest.raises(ValueError, match="images are 25x24; a degradation of scale 2 wants multiples"):
        degrade.on_host(second_order, np.zeros((25, 24, 3), np.uint8))
