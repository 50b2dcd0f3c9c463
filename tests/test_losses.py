"""Losses against reference code's float64 numbers (tests/golden/losses), values worked out by hand, and properties."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses

GOLDEN = Path(__file__).parent / "golden" / "losses"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())["losses"]
with np.load(GOLDEN / "inputs.npz") as archive:
    INPUTS = dict(archive)

# A float32 rounding is 6e-8; a sum of 594 terms one after the other collects some sqrt(594) of them.
FLOAT32 = 2e-6

GAMES = {
    "minimax": losses.minimax,
    "non_saturating": losses.non_saturating,
    "least_squares": losses.least_squares,
    "hinge": losses.hinge,
    "wasserstein": losses.wasserstein,
    "relativistic_average": losses.relativistic_average,
}


def images(name):
    """A golden NCHW array as NHWC."""
    return INPUTS[name].transpose(0, 2, 3, 1)


def golden(*names):
    return sum(EXPECTED[name]["value"] for name in names)


R, F = INPUTS["logits_real"], INPUTS["logits_fake"]


def test_games_equal_the_reference_codes():
    extreme = INPUTS["logits_extreme"]
    smooth_gan = losses.label_smoothing(losses.non_saturating)
    smooth_lsgan = losses.label_smoothing(losses.least_squares)
    for value, expected in [
        (losses.minimax.critic(R, F), golden("ganloss_vanilla_D_real", "ganloss_vanilla_D_fake")),
        (losses.minimax.generator(R, F), golden("saturating_G")),
        (losses.non_saturating.critic(R, F), golden("nonsaturating_D")),
        (losses.non_saturating.critic(R, F) / 2, golden("ganloss_vanilla_D_total_half")),
        (losses.non_saturating.generator(R, F), golden("ganloss_vanilla_G")),
        (0.005 * losses.non_saturating.generator(R, F), golden("nonsaturating_G")),
        (
            losses.non_saturating.critic(extreme, extreme),
            golden("ganloss_vanilla_extreme_real", "ganloss_vanilla_extreme_fake"),
        ),
        (losses.non_saturating.generator(extreme, extreme), golden("ganloss_vanilla_extreme_real")),
        (losses.least_squares.critic(R, F), golden("ganloss_lsgan_D_real", "ganloss_lsgan_D_fake")),
        (losses.least_squares.critic(R, F) / 2, golden("ganloss_lsgan_D_total_half")),
        (losses.least_squares.generator(R, F), golden("ganloss_lsgan_G")),
        (losses.hinge.critic(R, F), golden("hinge_D_real", "hinge_D_fake")),
        (0.005 * losses.hinge.generator(R, F), golden("hinge_G")),
        (losses.wasserstein.critic(R, F), golden("ganloss_wgangp_D_real", "ganloss_wgangp_D_fake")),
        (losses.wasserstein.critic(R, F) / 2, golden("ganloss_wgangp_D_total_half")),
        (losses.wasserstein.generator(R, F), golden("ganloss_wgangp_G")),
        # BasicSR halves both; the papers do not.
        (losses.relativistic_average.critic(R, F) / 2, golden("ragan_D_real", "ragan_D_fake")),
        (losses.relativistic_average.generator(R, F) / 2, golden("ragan_G")),
        (smooth_gan.critic(R, F), golden("smooth_vanilla_D_real", "smooth_vanilla_D_fake")),
        (smooth_lsgan.critic(R, F), golden("smooth_lsgan_D_real", "smooth_lsgan_D_fake")),
    ]:
        assert value.shape == ()
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)


@pytest.mark.parametrize("name", GAMES)
def test_each_player_descends_its_own_way(name):
    game = GAMES[name]
    pull_real, pull_fake = jax.grad(game.critic, argnums=(0, 1))(jnp.zeros(3), jnp.full(3, 0.5))
    assert (pull_real < 0).all()  # the critic raises the logits of real images
    assert (pull_fake > 0).all()  # and lowers those of fakes
    assert (jax.grad(game.generator, argnums=1)(jnp.zeros(3), jnp.full(3, 0.5)) < 0).all()


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize(("real", "fake"), [(1e4, 1e4), (-1e4, -1e4), (1e4, -1e4), (-1e4, 1e4)])
def test_far_logits_give_finite_values_and_gradients(name, real, fake):
    shape = (2, 3, 3, 1)
    for half in GAMES[name]:
        value, grads = jax.value_and_grad(half, argnums=(0, 1))(jnp.full(shape, real), jnp.full(shape, fake))
        assert all(np.isfinite(x).all() for x in (value, *grads))


def test_minimax_stops_pulling_where_non_saturating_pulls_hardest():
    sure = jnp.array([-1e4])
    assert jax.grad(losses.minimax.generator, argnums=1)(sure, sure) == 0
    assert jax.grad(losses.non_saturating.generator, argnums=1)(sure, sure) == -1


@pytest.mark.parametrize("name", GAMES)
def test_games_take_logits_of_any_shape_and_work_under_jit_and_vmap(name):
    real, fake = jnp.asarray(R), jnp.asarray(F)
    for half in GAMES[name]:
        value = half(real, fake)
        # The same terms summed in another order.
        np.testing.assert_allclose(jax.jit(half)(real.ravel(), fake.reshape(6, 12)), value, rtol=FLOAT32)
        np.testing.assert_allclose(
            jax.vmap(half)(real, fake), [half(real[0], fake[0]), half(real[1], fake[1])], rtol=FLOAT32
        )
        assert half(real[:1], fake).shape == ()  # batches may differ


def test_smoothed_labels_move_the_critics_optimum_and_leave_the_generator():
    game = losses.label_smoothing(losses.non_saturating, real_label=0.8, fake_label=0.1)
    best = (jnp.log(0.8 / 0.2), jnp.log(0.1 / 0.9))  # D = sigmoid(logit) equals the label
    np.testing.assert_allclose(jax.grad(game.critic, argnums=(0, 1))(*best), [0.0, 0.0], atol=1e-7)
    assert game.generator is losses.non_saturating.generator
    with pytest.raises(ValueError, match="no labels to smooth"):
        losses.label_smoothing(losses.hinge)
    with pytest.raises(ValueError, match=r"real_label is 1\.2"):
        losses.label_smoothing(losses.minimax, real_label=1.2)


A, B = images("img_a"), images("img_b")


def test_distances_equal_the_reference_codes():
    for value, expected in [
        (losses.l1(A, B), golden("l1_mean")),
        (losses.l1(A, B) * A.size, golden("l1_sum")),
        (100.0 * losses.l1(A, B), golden("l1_lambda100")),
        (losses.l2(A, B), golden("mse_mean")),
        (losses.l2(A, B) * A.size, golden("mse_sum")),
        (losses.charbonnier(A, B), golden("charbonnier_eps1e-12")),
        (losses.charbonnier(A, B, eps=1e-6), golden("charbonnier_eps1e-06")),
        (losses.charbonnier(A, B, eps=1e-3), golden("charbonnier_eps0.001")),
        (losses.charbonnier(A, B, eps=1e-3**2), golden("charbonnier_eps1e-3_squared")),
    ]:
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)


DISTANCES = [losses.l1, losses.l2, losses.charbonnier]


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_refuse_to_broadcast_at_trace_time(distance):
    with pytest.raises(ValueError, match=r"\(2, 4, 4, 3\) and target \(2, 4, 4, 1\); they must be equal"):
        jax.eval_shape(distance, jnp.zeros((2, 4, 4, 3)), jnp.zeros((2, 4, 4, 1)))


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_have_finite_gradients_at_zero_and_afar(distance):
    for x in (0.0, 1e4, -1e4):
        gradient = jax.grad(distance)(jnp.array([x]), jnp.zeros(1))
        assert np.isfinite(gradient).all()
        assert jnp.sign(gradient) == np.sign(x)


def test_bytes_do_not_wrap_and_half_precision_does_not_overflow():
    assert losses.l1(np.uint8([0]), np.uint8([255])) == 255
    assert losses.l2(np.float16([0]), np.float16([1024])) == 1024**2
    assert losses.least_squares.critic(np.float16([1e4]), np.float16([0])) == 9999**2
