"""Convolutions against a plain loop over pixels in numpy."""

import jax
import numpy as np
import pytest

from gan_jax.networks import convolution


def correlate(x, kernel, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    side = kernel.shape[0]
    height, width = ((length - side) // stride + 1 for length in x.shape[1:3])
    y = np.zeros((x.shape[0], height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * stride : i * stride + side, j * stride : j * stride + side]
            y[:, i, j] = np.tensordot(window, kernel, axes=3)
    return y


def spread(x, kernel, stride, padding, output_padding):
    """torch's ConvTranspose2d: every pixel adds its weighted kernel to the output; the padding is cut off."""
    side = kernel.shape[0]
    full = [(length - 1) * stride + side + output_padding for length in x.shape[1:3]]
    y = np.zeros((x.shape[0], *full, kernel.shape[-1]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            window = y[:, i * stride : i * stride + side, j * stride : j * stride + side]
            window += np.einsum("nc,hwco->nhwo", x[:, i, j], kernel)
    return y[:, padding : full[0] - padding, padding : full[1] - padding]


def arrays(side, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 6, 8, 3)).astype(np.float32), rng.normal(size=(side, side, 3, 5)).astype(np.float32)


@pytest.mark.parametrize(("side", "stride", "padding"), [(4, 2, 1), (4, 1, 1), (3, 1, 1), (1, 1, 0), (3, 2, 1)])
def test_conv(side, stride, padding):
    x, kernel = arrays(side)
    y = convolution.conv(x, kernel, stride=stride, padding=padding)
    np.testing.assert_allclose(y, correlate(x, kernel, stride, padding), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "stride", "padding", "output_padding"), [(4, 2, 1, 0), (3, 2, 1, 1), (4, 1, 0, 0), (2, 2, 0, 0)]
)
def test_conv_transpose(side, stride, padding, output_padding):
    x, kernel = arrays(side)
    y = convolution.conv_transpose(x, kernel, stride=stride, padding=padding, output_padding=output_padding)
    np.testing.assert_allclose(y, spread(x, kernel, stride, padding, output_padding), atol=1e-4)


def test_conv_transpose_is_the_gradient_of_conv():
    x, kernel = arrays(4)
    y, pull = jax.vjp(lambda x: convolution.conv(x, kernel, stride=2, padding=1), x)
    cotangent = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    transposed = convolution.conv_transpose(cotangent, kernel.swapaxes(2, 3), stride=2, padding=1)
    np.testing.assert_allclose(pull(cotangent)[0], transposed, atol=1e-4)
