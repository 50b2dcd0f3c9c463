"""The penalties of a critic's gradient, by themselves; what they do to a step is tested with the methods."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses
from gan_jax.methods import penalties

REAL, FAKE = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 1)).astype(np.float32)
EPSILON = np.float32([0.1, 0.5, 0.9])


def judge(images):
    return jnp.square(images).sum(axis=(1, 2, 3)), "statistics"


def test_the_penalties_are_weighted_as_the_papers_write_them():
    got = penalties.penalty(judge, REAL, FAKE, EPSILON, weight=10.0, r1_weight=3.0)

    def scores(images):
        return judge(images)[0]

    gp = losses.gradient_penalty(scores, REAL, FAKE, epsilon=EPSILON)
    np.testing.assert_allclose(got, 10.0 * gp + 3.0 / 2.0 * losses.r1_penalty(scores, REAL), rtol=1e-6)
    assert penalties.penalty(judge, REAL, FAKE, EPSILON) == 0.0


def test_epsilon_is_drawn_for_each_sample_where_it_is_wanted_and_else_the_key_stays():
    key = jax.random.key(0)
    left, epsilon = penalties.draw(key, 512, weight=10.0)
    assert left != key
    assert epsilon.shape == (512,)
    assert 0.0 <= epsilon.min() < 0.1 < 0.9 < epsilon.max() < 1.0
    np.testing.assert_array_equal(penalties.draw(key, 512, weight=1.0)[1], epsilon)
    assert penalties.draw(key, 512, weight=0.0) == (key, None)


@pytest.mark.parametrize("weights", [{"weight": 10.0}, {"r1_weight": 10.0}])
def test_gradients_of_both_penalties_reach_the_parameters(weights):
    def penalty(scale):
        return penalties.penalty(lambda images: (scale * judge(images)[0], None), REAL, FAKE, EPSILON, **weights)

    assert jax.grad(penalty)(1.0) != 0.0
