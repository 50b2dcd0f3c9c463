import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import latents


@pytest.mark.parametrize(("distribution", "deviation"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_latents_have_the_moments_of_their_distribution(distribution, deviation):
    z = latents.draw(jax.random.key(0), (4000, 3), distribution)
    assert abs(float(z.mean())) < 0.03
    assert abs(float(z.std()) - deviation) < 0.03
    assert distribution == "normal" or float(jnp.abs(z).max()) <= 1.0


def test_a_way_between_normal_latents_keeps_their_length():
    start, end = np.array([3.0, 0.0]), np.array([0.0, 3.0])
    way = latents.between(start, end, 3, "normal")
    np.testing.assert_allclose(way, [[3, 0], [3 / 2**0.5, 3 / 2**0.5], [0, 3]], atol=1e-6)


def test_a_way_between_uniform_latents_is_straight():
    way = latents.between(np.array([-1.0, 1.0]), np.array([1.0, 1.0]), 5, "uniform")
    np.testing.assert_allclose(way, [[-1, 1], [-0.5, 1], [0, 1], [0.5, 1], [1, 1]], atol=1e-6)
