"""Losses against values worked out by hand in numpy, and their properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses

REAL, FAKE = jnp.array([0.0, 2.0, -1.0]), jnp.array([0.5, -1.0, 3.0])
GAMES = {"non_saturating": losses.non_saturating, "least_squares": losses.least_squares}


def test_non_saturating_is_the_log_likelihood_of_a_sigmoid():
    real, fake = (1 / (1 + np.exp(-np.asarray(logits, np.float64))) for logits in (REAL, FAKE))
    critic = -np.log(real).mean() - np.log(1 - fake).mean()
    np.testing.assert_allclose(losses.non_saturating.critic(REAL, FAKE), critic, rtol=1e-6)
    np.testing.assert_allclose(losses.non_saturating.generator(REAL, FAKE), -np.log(fake).mean(), rtol=1e-6)


def test_least_squares_has_no_half():
    np.testing.assert_allclose(losses.least_squares.critic(REAL, FAKE), (1 + 1 + 4 + 0.25 + 1 + 9) / 3, rtol=1e-6)
    np.testing.assert_allclose(losses.least_squares.generator(REAL, FAKE), (0.25 + 4 + 4) / 3, rtol=1e-6)


@pytest.mark.parametrize("name", GAMES)
def test_each_player_descends_its_own_way(name):
    game = GAMES[name]
    pull_real, pull_fake = jax.grad(game.critic, argnums=(0, 1))(jnp.zeros(3), jnp.full(3, 0.5))
    assert (pull_real < 0).all()  # the critic raises the logits of real images
    assert (pull_fake > 0).all()  # and lowers those of fakes
    assert (jax.grad(game.generator, argnums=1)(jnp.zeros(3), jnp.full(3, 0.5)) < 0).all()


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_far_logits_give_finite_values_and_gradients(name, scale):
    game, logits = GAMES[name], jnp.full((2, 3, 3, 1), scale)
    for half in game:
        value, grads = jax.value_and_grad(half, argnums=(0, 1))(logits, logits)
        assert all(np.isfinite(x).all() for x in (value, *grads))


def test_distances_by_hand():
    a, b = jnp.array([[[[1.0, -2.0]]]]), jnp.array([[[[0.0, 2.0]]]])
    assert losses.l1(a, b) == 2.5
    assert losses.l2(a, b) == 8.5


@pytest.mark.parametrize("distance", [losses.l1, losses.l2])
def test_distances_refuse_to_broadcast_at_trace_time(distance):
    with pytest.raises(ValueError, match=r"\(2, 4, 4, 3\) and target \(2, 4, 4, 1\); they must be equal"):
        jax.eval_shape(distance, jnp.zeros((2, 4, 4, 3)), jnp.zeros((2, 4, 4, 1)))
