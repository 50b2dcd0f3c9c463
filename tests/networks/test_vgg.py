"""The content networks: VGG and AlexNet. Their features are compared with references in tests/test_perceptual.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks import vgg


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 7, 9, 2)])
def test_the_pool_of_vgg_is_a_max_pool(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def with_gradient(pool):
        y, pull = jax.vjp(pool, x)
        return y, *pull(jnp.arange(y.size, dtype=np.float32).reshape(y.shape))

    expected = with_gradient(lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    for value, reference in zip(with_gradient(vgg._largest_of_four), expected, strict=True):
        np.testing.assert_array_equal(value, reference)
