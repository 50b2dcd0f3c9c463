"""Winograd's form along rows: the arithmetic of its sums, and that it is the convolution, of fewer products."""

import functools

import jax
import numpy as np
import pytest

from gan_jax.networks import plain_convolution, winograd
from gan_jax.networks.plain_convolution import Geometry

TOLERANCE = 4e-6  # of the largest value: sums of five numbers are rounded, and XLA's own form is off by 1e-6


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same(computed, plain):
    np.testing.assert_allclose(computed, plain, rtol=0, atol=TOLERANCE * np.abs(plain).max())


@pytest.mark.parametrize("taps", [2, 3, 4])
def test_four_outputs_are_sums_of_a_few_products(taps):
    of_inputs, of_kernel, of_products = winograd._weights(taps)
    inputs, kernel = random(taps + 3), random(taps, seed=1)
    products = (of_inputs @ inputs) * (of_kernel @ kernel)
    assert len(products) == taps + 3  # and not 4 * taps
    np.testing.assert_allclose(of_products @ products, np.correlate(inputs, kernel, "valid"), atol=1e-6)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "images", "height", "width"),
    [(2, 1, 1, 9, 8), (3, 1, 2, 21, 30), (4, 1, 1, 16, 7), (4, 2, 2, 18, 13), (6, 2, 1, 22, 12)],
)
def test_it_is_the_convolution(kernel, stride, images, height, width, swapped):
    at = Geometry(stride, 1, (kernel, kernel), (height, width), transposed=swapped)
    x, weights = random(images, height, width, 9), random(kernel, kernel, *((10, 9) if swapped else (9, 10)), seed=1)
    y = winograd.convolution(
        x, weights, (1, at.outputs[0]), (1, 1 + stride, at.outputs[1]), stride=stride, swapped=swapped
    )
    assert_same(y, plain_convolution.correlation(at, x, weights))


@pytest.mark.parametrize(("images", "bands"), [(3, 1), (1, 1), (1, 2), (1, 3)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 1), (4, 2), (6, 2), (6, 3)])
def test_a_kernels_gradient_is_the_same_in_any_parts(images, bands, kernel, stride, transposed):
    at = Geometry(stride, 1, (kernel, kernel), (19, 11), transposed)
    x, y = random(3, 19, 11, 9), random(3, *at.outputs, 10, seed=1)
    gradient = winograd.kernel_gradient(at, x, y, images=images, bands=bands)
    assert_same(gradient, plain_convolution.kernel_gradient(at, x, y))


def test_it_multiplies_less():
    at = Geometry(1, 1, (3, 3), (64, 64))
    x, kernel = random(1, 64, 64, 32), random(3, 3, 32, 32)

    def flops(function, *arguments):
        return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]

    by_rows = functools.partial(winograd.convolution, rows=(1, 64), columns=(1, 1, 64), swapped=False)
    plain = flops(functools.partial(plain_convolution.correlation, at), x, kernel)
    assert flops(by_rows, x, kernel) < 0.6 * plain
