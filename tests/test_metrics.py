"""Metrics against BasicSR's and scikit-image's numbers (tests/golden/metrics), and their properties."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import image, metrics

GOLDEN = Path(__file__).parent / "golden" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())["pairs"]
PAIRS = sorted(path.name.removesuffix("_a.png") for path in GOLDEN.glob("*_a.png"))


def read(name: str) -> np.ndarray:
    picture = np.asarray(Image.open(GOLDEN / name))
    return picture.reshape(1, *picture.shape[:2], -1)


@pytest.mark.parametrize("name", PAIRS)
def test_psnr_and_ssim_equal_the_float64_references(name):
    a, b = read(f"{name}_a.png"), read(f"{name}_b.png")
    expected = EXPECTED[name]["expected"]["rgb_crop0"]
    # The string "inf" reads as a number too.
    np.testing.assert_allclose(metrics.psnr(a, b), [float(expected["psnr_f64"])], rtol=1e-6)
    np.testing.assert_allclose(metrics.ssim(a, b), [expected["ssim_f64"]], atol=1e-5)


def test_values_are_per_image_and_in_order():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)
    noisy = images.copy()
    noisy[1] //= 2
    for metric in (metrics.psnr, metrics.ssim):
        together = metric(noisy, images)
        alone = np.concatenate([metric(noisy[i : i + 1], images[i : i + 1]) for i in range(3)])
        np.testing.assert_allclose(together, alone, rtol=1e-6)
        assert together[1] < together[0] == together[2]


def test_laplacian_energy_of_a_single_bright_pixel():
    picture = np.zeros((1, 5, 5, 1), np.uint8)
    picture[0, 2, 2] = 10
    # Over the 3x3 inner pixels: -40 at the pixel, 10 at its four neighbours.
    np.testing.assert_allclose(metrics.laplacian_energy(picture), [(40**2 + 4 * 10**2) / 9], rtol=1e-6)
    assert metrics.laplacian_energy(np.full((1, 4, 4, 3), 77, np.uint8))[0] < 1e-6


def test_what_cannot_be_compared_is_refused():
    images = np.zeros((1, 12, 12, 3), np.uint8)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.psnr(images, images[..., :1])
    with pytest.raises(ValueError, match=r"wanted \[N, H, W, C\]"):
        metrics.ssim(images[0], images[0])
    with pytest.raises(ValueError, match="sides of 11 or more"):
        metrics.ssim(images[:, :10], images[:, :10])
    with pytest.raises(ValueError, match="3x3 or more"):
        metrics.laplacian_energy(images[:, :2])


def test_colour_histograms_intersect_where_the_colours_do():
    red, grey = np.uint8([255, 0, 0]), np.uint8([119, 119, 119])
    picture = np.tile(red, (2, 4, 4, 1))
    np.testing.assert_array_equal(metrics.colour_histogram_intersection(picture, picture), [1, 1, 1])
    quarter = picture.copy()
    quarter[0, :, :2] = grey
    # A quarter of all pixels lacks the red; where it lies does not matter.
    np.testing.assert_array_equal(metrics.colour_histogram_intersection(quarter, picture), [0.75] * 3)
    np.testing.assert_array_equal(metrics.colour_histogram_intersection(quarter, quarter[::-1, ::-1]), [1, 1, 1])


def test_colour_histograms_tell_light_from_colour():
    ramp = np.tile(np.arange(0, 256, 5, dtype=np.uint8)[:, None], (1, 1, 1, 3))
    # Black shares one of 52 greys' lightness, and the a and b of all of them.
    shared = metrics.colour_histogram_intersection(ramp, np.zeros_like(ramp))
    np.testing.assert_array_equal(shared, np.float32([1 / 52, 1, 1]))


def test_colour_histograms_equal_numpys():
    images, references = np.random.default_rng(0).integers(0, 256, (2, 2, 9, 7, 3), dtype=np.uint8)
    expected = []
    edges = (np.arange(102) - 0.5, np.arange(-128, 129) - 0.5, np.arange(-128, 129) - 0.5)
    for channel, bins in enumerate(edges):
        lab = (np.asarray(image.rgb_to_lab(pictures))[..., channel] for pictures in (images, references))
        a, b = (np.histogram(values, bins)[0] for values in lab)
        expected.append(np.minimum(a, b).sum() / a.sum())
    np.testing.assert_allclose(metrics.colour_histogram_intersection(images, references), expected, rtol=1e-6)


def test_label_map_scores_by_hand():
    wanted = np.uint8([[0, 0, 0, 1], [1, 1, 1, 1]])
    found = np.uint8([[0, 0, 1, 1], [1, 1, 2, 0]])
    scores = metrics.label_map_scores(found, wanted, 4)
    # Classes 2 and 3 are not in the reference, and so not in the means.
    np.testing.assert_allclose(scores["per_pixel"], 5 / 8)
    np.testing.assert_allclose(scores["per_class"], (2 / 3 + 3 / 5) / 2)
    np.testing.assert_allclose(scores["iou"], (2 / 4 + 3 / 6) / 2)


def test_void_pixels_do_not_count_and_strange_labels_are_wrong():
    wanted, found = np.int32([0, 1, 255, -1]), np.int32([0, 9, 1, 1])
    scores = metrics.label_map_scores(found, wanted, 2)
    assert {name: float(value) for name, value in scores.items()} == {"per_pixel": 0.5, "per_class": 0.5, "iou": 0.5}
    assert all(np.isnan(value) for value in metrics.label_map_scores(found[2:], wanted[2:], 2).values())


def test_what_has_no_colours_or_no_labels_is_refused():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    with pytest.raises(TypeError, match="wanted uint8"):
        metrics.colour_histogram_intersection(images / 255, images)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.colour_histogram_intersection(images, images[:, :1])
    with pytest.raises(TypeError, match="wanted integers"):
        metrics.label_map_scores(images / 255, images, 2)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.label_map_scores(images, images[:, :1], 2)
