"""Scores do not depend on the device: what multiplies matrices in them asks for all of float32's digits.

Accelerators multiply in TF32 or bfloat16 unless a product asks for more. Fréchet and kernel distances are numpy's, in
float64 on the host. That LPIPS asks too is in test_perceptual.py.
"""

import jax
import numpy as np
import pytest

from gan_jax import image, metrics, networks
from gan_jax.training import classifier
from tests.products import precisions

PHOTOS = np.zeros((1, 161, 161, 3), np.uint8)


def classified():
    """The score of a classifier with weights of its own."""
    module = networks.Classifier(2)
    params, stats = networks.from_linen(module).init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32))
    return lambda images: classifier.compiled(module)({"params": params, "stats": stats}, images[:, :32, :32])


SCORES = {
    "psnr": (lambda x: metrics.psnr(x, x), 0),
    "ssim": (lambda x: metrics.ssim(x, x), 0),
    "ms_ssim": (lambda x: metrics.ms_ssim(x, x), 0),
    "laplacian_energy": (metrics.laplacian_energy, 1),
    "color_histogram_intersection": (lambda x: metrics.color_histogram_intersection(x, x), 2),
    "a classifier's": (classified(), 3),
    "luma": (image.luma, 1),
    "bicubic": (lambda x: image.imresize(x, scale=0.5), 1),
}


@pytest.mark.parametrize("name", SCORES)
def test_products_in_scores_ask_for_full_precision(name):
    score, fewest = SCORES[name]
    found = precisions(score, PHOTOS)
    assert len(found) >= fewest
    assert set(found) <= {(jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)}


def test_distances_of_sets_have_float64s_digits():
    """Numbers that float32 would not tell from their neighbors."""
    x = np.random.default_rng(0).normal(size=(8, 3))
    y, far = 2 * x + 1, 2.0**40
    assert metrics.frechet_distance(far + x, far + y) == pytest.approx(metrics.frechet_distance(x, y), rel=1e-3)
    near = metrics.kernel_distance(x, y)
    assert metrics.kernel_distance(x, y + 1e-12) != near == pytest.approx(metrics.kernel_distance(x, y + 1e-12))


def test_a_product_that_asks_for_nothing_is_seen():
    assert precisions(jax.jit(lambda x: x[0, :, :, 0] @ x[0, :, :, 1]), PHOTOS.astype(np.float32)) == [None]
