"""Metrics against BasicSR's and scikit-image's numbers (tests/golden/metrics), and their properties."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import metrics

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
