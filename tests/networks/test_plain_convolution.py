"""The three bilinear functions: each is the adjoint of the others. Their values are tested in test_convolution.py."""

import numpy as np
import pytest

from gan_jax.networks import plain_convolution
from gan_jax.networks.plain_convolution import Geometry


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("side", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (3, 2, 1), (7, 1, 0)])
def test_gradients_are_adjoint_to_the_correlation(side, stride, padding, transposed):
    at = Geometry(stride, padding, (side, side), (9, 12), transposed)
    rng = np.random.default_rng(0)
    channels = (5, 3) if transposed else (3, 5)
    x, y, kernel = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((2, 9, 12, 3), (2, *at.outputs, 5), (side, side, *channels))
    )
    product = np.vdot(plain_convolution.correlation(at, x, kernel), y)
    np.testing.assert_allclose(np.vdot(x, plain_convolution.input_gradient(at, y, kernel)), product, rtol=1e-4)
    np.testing.assert_allclose(np.vdot(kernel, plain_convolution.kernel_gradient(at, x, y)), product, rtol=1e-4)


def test_geometry():
    at = Geometry(1, 1, (4, 4), (32, 20))
    assert at.outputs == (31, 19)
    assert at.reach == (3, 3)
    assert at.flipped == Geometry(1, 2, (4, 4), (31, 19))
    assert at.flipped.outputs == at.inputs
    assert Geometry(2, 1, (3, 3), (15, 16)).outputs == (8, 8)
    assert Geometry(2, 1, (3, 3), (15, 16)).reach == (1, 1)
    assert np.prod(Geometry(4, 2, (11, 11), (224, 224)).outputs) == 55 * 55
