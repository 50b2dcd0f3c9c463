"""Real-ESRGAN's degradations against BasicSR's functions and torch's resizing (tests/golden/degradations)."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax import blur, degrade
from gan_jax.jpeg import diff_jpeg
from gan_jax.second_order import (
    FIRST,
    KERNELS,
    MODES,
    SECOND,
    SecondOrder,
    Stage,
    gaussian_noise,
    interpolate,
    photons,
    poisson_counts,
    poisson_noise,
)

GOLDEN = Path(__file__).parent / "golden" / "degradations"
ARRAYS = np.load(GOLDEN / "arrays.npz")
CASES = json.loads((GOLDEN / "cases.json").read_text())
RESIZED = np.load(GOLDEN / "interpolate.npz")
RESIZINGS = json.loads((GOLDEN / "interpolate.json").read_text())["cases"]
KEY = jax.random.key(0)


@jax.jit
def resized_in_part(photo, mode, sides, new_sides, steps):
    """In an array of 24x24, with what is not the image around it."""
    padded = jnp.pad(photo, [(0, 24 - photo.shape[0]), (0, 24 - photo.shape[1]), (0, 0)], constant_values=7.0)
    return interpolate(padded, (24, 24), mode=mode, sides=sides, new_sides=new_sides, steps=steps)


@pytest.mark.parametrize("name", RESIZINGS)
def test_resizing_is_torchs_in_an_array_of_its_size_and_in_part_of_a_larger_one(name):
    case, expected, photo = RESIZINGS[name], RESIZED[name], RESIZED["photo_u8"] / np.float32(255)
    mode, shape = MODES.index(case["mode"]), expected.shape[:2]
    factor = case.get("scale_factor")
    steps = (1.0 / factor,) * 2 if factor else tuple(old / new for old, new in zip(photo.shape, shape, strict=False))
    whole = interpolate(photo, shape, mode=mode, steps=steps if factor else None)
    part = resized_in_part(photo, mode, photo.shape[:2], shape, steps)[: shape[0], : shape[1]]
    # float32 positions: their digits end at 1e-6 of a pixel.
    np.testing.assert_allclose(whole, expected, atol=2e-6, rtol=0)
    np.testing.assert_allclose(part, expected, atol=2e-6, rtol=0)
    if factor:
        assert tuple(int(side * factor) for side in photo.shape[:2]) == shape


def hwc(images):
    return images.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", CASES["noise"])
def test_noise_is_basicsrs(name):
    """Of given draws: an image with gray noise takes the first channel's."""
    case, photos = CASES["noise"][name], ARRAYS["noise_photos_u8"] / np.float32(255)
    gray = np.array(case["gray_noise"]) > 0
    draws = hwc(ARRAYS[case["draws"][-1]]).copy()
    draws[gray, ..., :1] = hwc(ARRAYS[case["draws"][0]].reshape(-1, 1, *draws.shape[1:3]))[-1:] if gray.any() else 0
    amounts = np.float32(case["sigma" if case["kind"] == "gaussian" else "scale"])
    if case["kind"] == "gaussian":
        noisy = jax.vmap(lambda x, draw, sigma, gray: gaussian_noise(x, draw, sigma=sigma, gray=gray))
    else:
        levels, white = jax.vmap(lambda x, gray: photons(x, gray=gray))(photos, gray)
        for i, is_gray in enumerate(gray):
            rates = ARRAYS[case["rates"][0 if is_gray else -1]].transpose(0, 2, 3, 1)[i]
            np.testing.assert_allclose(levels[i] / 255.0 * white[i], np.broadcast_to(rates, levels[i].shape), rtol=1e-6)
        noisy = jax.vmap(lambda x, counts, scale, gray: poisson_noise(x, counts, scale=scale, gray=gray))
    got = np.asarray(noisy(photos, draws, amounts, gray))
    if case["rounds"]:
        got = np.round(255 * got) / 255
    np.testing.assert_allclose(got, hwc(ARRAYS[case["out"]]), atol=2e-7, rtol=0)


def test_counts_are_poissons():
    """scipy's quantiles; a float32 sum of probabilities decides a few of 25600 otherwise, by one."""
    levels, uniform = np.repeat(np.arange(256), 100), np.random.default_rng(0).random(25600, dtype=np.float32)
    counts = jax.jit(poisson_counts)
    for white in (2, 64, 256):
        got, expected = counts(uniform, levels, white), scipy.stats.poisson.ppf(uniform, levels / 255 * white)
        assert np.abs(got - expected).max() <= 1
        assert (got != expected).mean() < 1e-3
    most = counts(np.full(256, np.nextafter(np.float32(1), 0)), np.arange(256), 256)
    assert most[0] == 0
    assert most.max() < 256 + 16 * 7


PHOTO = np.random.default_rng(0).integers(0, 256, (24, 32, 1)).repeat(3, -1)
SMALL = SecondOrder(2)
DRAW, APPLY = jax.jit(SMALL.draw), jax.jit(SMALL.apply)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_chain_in_arrays_of_one_size_is_the_chain_in_those_of_each_step(seed):
    """Every part is the reference's (above); here none of them sees what lies outside of the image."""
    draws, x = DRAW(jax.random.key(seed)), PHOTO / np.float32(255)
    # Both orders, and each kind of noise in both stages.
    draws = draws._replace(
        jpeg_last=np.bool(seed),
        first=draws.first._replace(gaussian=np.bool(seed), factor=np.float32([0.4, 1.4][seed])),
        second=draws.second._replace(gaussian=np.bool(not seed), factor=np.float32([1.1, 0.6][seed])),
    )
    first_sides, second_sides = (
        tuple(int(np.floor(np.float32(side) * stage.factor)) for side in sides)
        for stage, sides in ((draws.first, (24, 32)), (draws.second, (12, 16)))
    )

    def noisy(x, stage, largest):
        uniform = jax.random.uniform(stage.noise, largest, minval=np.finfo(np.float32).tiny)[: x.shape[0], : x.shape[1]]
        counts = poisson_counts(uniform, *photons(x, gray=stage.gray))
        normal = gaussian_noise(x, jax.scipy.special.ndtri(uniform), sigma=stage.sigma, gray=stage.gray)
        poisson = poisson_noise(x, counts, scale=stage.poisson_scale, gray=stage.gray)
        return jnp.where(stage.gaussian, normal, poisson)

    @jax.jit
    def chain(x, draws):
        first, second = draws.first, draws.second
        x = interpolate(blur.filter2d(x, first.kernel), first_sides, mode=first.mode, steps=(1 / first.factor,) * 2)
        x = diff_jpeg(noisy(x, first, (36, 48, 3)), first.quality)
        x = interpolate(blur.filter2d(x, second.kernel), second_sides, mode=second.mode)
        x = noisy(x, second, (14, 19, 3))
        if seed:
            x = blur.filter2d(interpolate(x, (12, 16), mode=draws.mode), draws.sinc)
            return diff_jpeg(jnp.clip(x, 0, 1), second.quality)
        return blur.filter2d(interpolate(diff_jpeg(x, second.quality), (12, 16), mode=draws.mode), draws.sinc)

    got, x = APPLY(x, draws), chain(x, draws)
    # Where a count, a level or a coefficient is at a half, a block of 16x16 may be another.
    assert (np.abs(got - x) > 1e-4).mean() < 0.05


def test_draws_are_as_likely_and_as_large_as_the_table_says():
    draws = jax.jit(jax.vmap(SecondOrder(4).draw))(jax.random.split(KEY, 1000))
    for stage, table in ((draws.first, FIRST), (draws.second, SECOND)):
        kernels = np.asarray(stage.kernel)
        np.testing.assert_allclose(kernels.sum((1, 2)), 1.0, atol=1e-4)
        # 1000 draws: one standard deviation of a share is 0.016 at most.
        assert (stage.factor > 1).mean() == pytest.approx(table.resize_probabilities[0], abs=0.06)
        assert (stage.factor < 1).mean() == pytest.approx(table.resize_probabilities[1], abs=0.06)
        assert stage.gaussian.mean() == pytest.approx(table.gaussian_probability, abs=0.06)
        assert stage.gray.mean() == pytest.approx(table.gray_probability, abs=0.06)
        pulses = kernels[:, 10, 10] == 1.0
        assert pulses.mean() == pytest.approx(1 - table.blur_probability, abs=0.06)
        # Only a sinc goes below zero.
        assert (kernels.min((1, 2)) < -1e-6).mean() == pytest.approx(
            table.sinc_probability * table.blur_probability, abs=0.06
        )
        sizes = ((kernels != 0).any(1).sum(1))[~pulses]
        assert sizes.max() == 21
        for name, limits in (
            ("factor", table.factor),
            ("sigma", table.gaussian_sigma),
            ("poisson_scale", table.poisson_scale),
            ("quality", table.quality),
        ):
            values = np.asarray(getattr(stage, name))
            span = limits[1] - limits[0]
            assert limits[0] <= values.min() < limits[0] + 0.02 * span
            assert limits[1] - 0.02 * span < values.max() <= limits[1]
        assert np.bincount(stage.mode).tolist() == pytest.approx([1000 / 3] * 3, rel=0.2)
    assert draws.jpeg_last.mean() == pytest.approx(0.5, abs=0.06)
    assert (draws.sinc[:, 10, 10] == 1.0).mean() == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("channels", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_images_are_degraded_each_by_itself_and_as_the_key_says(channels):
    flat = np.stack([PHOTO, PHOTO]).astype(np.uint8)[..., :channels]
    degrading = jax.jit(SMALL)
    low = degrading(flat, KEY)
    assert (low.shape, low.dtype) == ((2, 12, 16, channels), np.uint8)
    np.testing.assert_array_equal(degrading(flat, KEY), low)
    assert (low[0] != low[1]).mean() > 0.5
    assert (degrading(flat, jax.random.key(1)) != low).mean() > 0.5


def still(draws):
    """Draws by which nothing happens but the scale, by areas, and a JPEG of the best quality."""
    pulse = np.zeros((21, 21), np.float32)
    pulse[10, 10] = 1.0
    calm = {"kernel": pulse, "mode": np.int32(0), "factor": np.float32(1), "gaussian": np.bool(True)}
    calm |= {"sigma": np.float32(0), "quality": np.float32(99.9)}
    first, second = draws.first._replace(**calm), draws.second._replace(**calm)
    return draws._replace(first=first, second=second, mode=np.int32(0), sinc=pulse)


def test_where_nothing_is_drawn_nothing_happens_but_the_scale():
    means = (PHOTO / 255.0).reshape(12, 2, 16, 2, 3).mean((1, 3))
    got = APPLY(PHOTO / np.float32(255), still(DRAW(KEY)))
    # The colors' sides are halved in JPEG; PHOTO is gray.
    np.testing.assert_allclose(got, means, atol=2 / 255)


def test_an_image_in_part_of_an_array_is_that_image():
    draws = still(DRAW(KEY))._replace(sinc=DRAW(jax.random.key(2)).sinc)
    padded = np.pad(PHOTO / np.float32(255), [(0, 8), (0, 16), (0, 0)], constant_values=0.9)
    part = APPLY(padded, draws, sides=(24, 32))[:12, :16]
    # Where a coefficient is at a half, a block of 16x16 may be another.
    assert (np.abs(part - APPLY(PHOTO / np.float32(255), draws)) > 1e-4).mean() < 0.05


def test_plain_data_says_all_of_it():
    described = degrade.describe(SecondOrder(2, second=Stage(factor=(0.5, 1.5))))
    assert json.loads(json.dumps(described)) == described
    assert described["name"] == "second_order"
    assert degrade.build(described) == SecondOrder(2, second=Stage(factor=(0.5, 1.5)))
    with pytest.raises(ValueError, match=r"no degradation can be built from .*'color'"):
        degrade.build({"name": "second_order", "color": 3})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"blur_probability": 1.5}, "probabilities of 0 to 1"),
        ({"kernel_probabilities": (0.5, 0.5)}, "6 kernels' and 3 resizings'"),
        ({"resize_probabilities": (0.5, 0.5, 0.5)}, "choices that sum to 1"),
        ({"gaussian_sigma": (3.0, 1.0)}, r"ranges \(low, high\) from 0 on"),
        ({"sigma": (0.0, 1.0)}, "a sigma above 0"),
        ({"factor": (0.0, 1.0)}, "a factor from above 0 to 1"),
        ({"quality": (50.0, 100.0)}, "a quality of 1 to below 100"),
    ],
)
def test_tables_that_make_no_sense_are_refused(fields, expected):
    with pytest.raises(ValueError, match=expected):
        dataclasses.replace(FIRST, **fields)


def test_what_cannot_be_degraded_is_refused():
    with pytest.raises(ValueError, match="the scale is 0"):
        SecondOrder(0)
    with pytest.raises(TypeError, match=r"images are int32; wanted uint8 or floats in \[0, 255\]"):
        SMALL(np.zeros((24, 36, 3), np.int32), KEY)
    with pytest.raises(ValueError, match=r"images are 24x35; a degradation of scale 2 wants multiples of it"):
        SMALL(np.zeros((24, 35, 3), np.uint8), KEY)
    with pytest.raises(ValueError, match="images have 4 channels; these degradations want 1 or 3"):
        SMALL(np.zeros((24, 36, 4), np.uint8), KEY)
    with pytest.raises(ValueError, match="images are 6x6; resizing would leave nothing"):
        SMALL(np.zeros((6, 6, 3), np.uint8), KEY)


def test_the_table_is_the_published_one():
    assert len(FIRST.kernel_probabilities) == len(KERNELS)
    assert (
        dataclasses.replace(
            FIRST,
            blur_probability=0.8,
            sigma=(0.2, 1.5),
            resize_probabilities=(0.3, 0.4, 0.3),
            factor=(0.3, 1.2),
            gaussian_sigma=(1.0, 25.0),
            poisson_scale=(0.05, 2.5),
        )
        == SECOND
    )
