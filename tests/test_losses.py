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

ADVERSARIAL_LOSSES = {
    "minimax": losses.minimax,
    "non_saturating": losses.non_saturating,
    "least_squares": losses.least_squares,
    "hinge": losses.hinge,
    "wasserstein": losses.wasserstein,
    "relativistic_average": losses.relativistic_average,
    "relativistic_average_basicsr": losses.relativistic_average_basicsr,
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
        (losses.relativistic_average_basicsr.critic(R, F), golden("ragan_D_real", "ragan_D_fake")),
        (losses.relativistic_average_basicsr.generator(R, F), golden("ragan_G")),
        # BasicSR halves both; the papers do not.
        (losses.relativistic_average.critic(R, F) / 2, golden("ragan_D_real", "ragan_D_fake")),
        (losses.relativistic_average.generator(R, F) / 2, golden("ragan_G")),
        (smooth_gan.critic(R, F), golden("smooth_vanilla_D_real", "smooth_vanilla_D_fake")),
        (smooth_lsgan.critic(R, F), golden("smooth_lsgan_D_real", "smooth_lsgan_D_fake")),
    ]:
        assert value.shape == ()
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_each_player_descends_its_own_way(name):
    game = ADVERSARIAL_LOSSES[name]
    pull_real, pull_fake = jax.grad(game.critic, argnums=(0, 1))(jnp.zeros(3), jnp.full(3, 0.5))
    assert (pull_real < 0).all()  # the critic raises the logits of real images
    assert (pull_fake > 0).all()  # and lowers those of fakes
    assert (jax.grad(game.generator, argnums=1)(jnp.zeros(3), jnp.full(3, 0.5)) < 0).all()


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize(("real", "fake"), [(1e4, 1e4), (-1e4, -1e4), (1e4, -1e4), (-1e4, 1e4)])
def test_far_logits_give_finite_values_and_gradients(name, real, fake):
    shape = (2, 3, 3, 1)
    for half in (ADVERSARIAL_LOSSES[name].critic, ADVERSARIAL_LOSSES[name].generator):
        value, grads = jax.value_and_grad(half, argnums=(0, 1))(jnp.full(shape, real), jnp.full(shape, fake))
        assert all(np.isfinite(x).all() for x in (value, *grads))


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_a_game_says_whether_it_compares_over_the_whole_batch(name):
    """If not, the mean of the losses of two halves is that of the batch, for both players."""
    game, halves = ADVERSARIAL_LOSSES[name], (slice(0, len(R) // 2), slice(len(R) // 2, None))
    for loss in (game.critic, game.generator):
        of_shares = np.mean([loss(R[half], F[half]) for half in halves])
        assert np.allclose(of_shares, loss(R, F), rtol=1e-5) != game.whole_batch


def test_basicsrs_relativistic_critic_holds_the_means_constant_and_its_generator_does_not():
    game, paper = losses.relativistic_average_basicsr, losses.relativistic_average
    constants = F.mean(), R.mean()

    def with_constants(real, fake):
        return 0.5 * losses.non_saturating.critic(real - constants[0], fake - constants[1])

    for got, expected in zip(*(jax.grad(f, (0, 1))(R, F) for f in (game.critic, with_constants)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=FLOAT32)
    ours, theirs = (jax.grad(half, 1)(R, F) for half in (game.generator, paper.generator))
    np.testing.assert_allclose(ours, 0.5 * theirs, rtol=FLOAT32)


def test_minimax_stops_pulling_where_non_saturating_pulls_hardest():
    sure = jnp.array([-1e4])
    assert jax.grad(losses.minimax.generator, argnums=1)(sure, sure) == 0
    assert jax.grad(losses.non_saturating.generator, argnums=1)(sure, sure) == -1


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_games_take_logits_of_any_shape_and_work_under_jit_and_vmap(name):
    real, fake = jnp.asarray(R), jnp.asarray(F)
    for half in (ADVERSARIAL_LOSSES[name].critic, ADVERSARIAL_LOSSES[name].generator):
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
    # A few float32 roundings of a sigmoid of 0.8.
    np.testing.assert_allclose(jax.grad(game.critic, argnums=(0, 1))(*best), [0.0, 0.0], atol=3e-7)
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


WEIGHTS = {
    name: INPUTS[f"gp_mlp_{name}"] for name in ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
}
REAL, FAKE, EPSILON = INPUTS["gp_real"], INPUTS["gp_fake"], INPUTS["gp_eps"][:, 0]


def mlp(weights, x):
    x = jax.nn.leaky_relu(x @ weights["0.weight"].T + weights["0.bias"], 0.2)
    x = jnp.tanh(x @ weights["2.weight"].T + weights["2.bias"])
    return x @ weights["4.weight"].T + weights["4.bias"]


def mlp_penalty(weights, epsilon, **options):
    return losses.gradient_penalty(lambda x: mlp(weights, x), REAL, FAKE, epsilon=epsilon, **options)


def test_penalties_equal_the_reference_codes():
    linear = losses.gradient_penalty(
        lambda x: x @ INPUTS["gp_linear_w"] + INPUTS["gp_linear_b"], REAL, FAKE, jax.random.key(0)
    )
    r1 = losses.r1_penalty(lambda x: mlp(WEIGHTS, x), REAL)
    for value, expected in [
        (linear, golden("gp_linear")),
        (10.0 * linear, golden("gp_linear_lambda10")),
        (mlp_penalty(WEIGHTS, EPSILON), golden("gp_mlp")),
        (mlp_penalty(WEIGHTS, 1.0 - EPSILON), golden("gp_mlp_eps_on_fake")),
        (mlp_penalty(WEIGHTS, EPSILON, one_sided=True), golden("gp_mlp_one_sided")),
        (r1, golden("r1_mlp")),
    ]:
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)


def test_the_penalty_reaches_the_critics_parameters():
    gradients = jax.jit(jax.grad(mlp_penalty))(WEIGHTS, EPSILON)
    for name in set(WEIGHTS) - {"4.bias"}:
        expected = INPUTS[f"expected_grad_gp_mlp_{name}"]
        np.testing.assert_allclose(gradients[name], expected, rtol=FLOAT32, atol=FLOAT32 * np.abs(expected).max())
    assert gradients["4.bias"] == 0


def test_penalty_of_a_linear_critic_by_hand():
    """The norm is over all pixels of a sample, and a patch critic's logits are summed."""
    w = jnp.array([[[3.0], [0.0]], [[0.0], [4.0]]]) / 10.0  # of one 2x2 image; its norm is 1/2
    real, fake = jnp.ones((3, 2, 2, 1)), jnp.zeros((3, 2, 2, 1))
    for critic in (lambda x: (w * x).sum((1, 2, 3)), lambda x: w * x):
        for options, expected in [
            ({}, 0.25),
            ({"target": 2.0}, 2.25),
            ({"target": 0.0}, 0.25),
            ({"one_sided": True}, 0.0),
            ({"target": 0.1, "one_sided": True}, 0.16),
        ]:
            value = losses.gradient_penalty(critic, real, fake, jax.random.key(0), **options)
            np.testing.assert_allclose(value, expected, rtol=FLOAT32)
        np.testing.assert_allclose(losses.r1_penalty(critic, real), 0.25, rtol=FLOAT32)


def test_the_penalty_of_a_flat_critic_has_a_finite_gradient():
    def penalty(w, **options):
        return losses.gradient_penalty(lambda x: x @ w, REAL, FAKE, epsilon=EPSILON, **options)

    for options in ({}, {"one_sided": True}, {"target": 0.0}):
        value, gradient = jax.value_and_grad(penalty)(jnp.zeros(10), **options)
        assert value == (1.0 if options == {} else 0.0)
        assert (gradient == 0).all()


def test_epsilon_is_drawn_uniformly_for_each_sample_and_multiplies_the_real_one():
    def mean_power(power, key):
        """Mean over samples of epsilon^power: x = epsilon * 1 + (1 - epsilon) * 0, the slope x^(power / 2)."""
        return losses.gradient_penalty(
            lambda x: x ** (power / 2 + 1) / (power / 2 + 1), jnp.ones((4000, 1)), jnp.zeros((4000, 1)), key, target=0.0
        )

    for power in (2, 4):  # 4000 draws: one standard deviation is 0.005
        np.testing.assert_allclose(mean_power(power, jax.random.key(1)), 1 / (power + 1), atol=0.02)
    assert mean_power(2, jax.random.key(1)) != mean_power(2, jax.random.key(2))


def test_penalties_say_what_is_wrong():
    def penalty(real=REAL, fake=FAKE, key=None, **options):
        return losses.gradient_penalty(lambda x: x.sum(-1), real, fake, key, **options)

    with pytest.raises(ValueError, match=r"real has shape \(4, 10\) and fake \(3, 10\); they must be equal"):
        penalty(fake=FAKE[:3], epsilon=EPSILON)
    with pytest.raises(ValueError, match="exactly one"):
        penalty()
    with pytest.raises(ValueError, match="exactly one"):
        penalty(key=jax.random.key(0), epsilon=EPSILON)
    with pytest.raises(ValueError, match=r"epsilon has shape \(4, 1\)"):
        penalty(epsilon=EPSILON[:, None])


def test_total_variation():
    np.testing.assert_allclose(losses.total_variation(images("img_a")), golden("tv_mean"), rtol=FLOAT32)
    assert losses.total_variation(jnp.array([[[1.0], [2.0]], [[5.0], [5.0]]])) == (4 + 3) / 2 + (1 + 0) / 2
    assert (jax.grad(losses.total_variation)(jnp.ones((1, 3, 3, 1))) == 0).all()
    for shape in ((2, 1, 8, 3), (2, 8, 1, 3), (8, 8)):
        with pytest.raises(ValueError, match="H and W of 2 or more"):
            losses.total_variation(np.zeros(shape))


def test_cycle_and_identity_equal_the_reference_code():
    real_a, real_b = images("cyc_real_A"), images("cyc_real_B")
    for value, expected in [
        (10.0 * losses.cycle_consistency(images("cyc_rec_A"), real_a), golden("cycle_A")),
        (10.0 * losses.cycle_consistency(images("cyc_rec_B"), real_b), golden("cycle_B")),
        (10.0 * 0.5 * losses.identity(images("cyc_idt_A"), real_b), golden("identity_A")),
        (10.0 * 0.5 * losses.identity(images("cyc_idt_B"), real_a), golden("identity_B")),
    ]:
        np.testing.assert_allclose(value, expected, rtol=FLOAT32)
    for distance in (losses.cycle_consistency, losses.identity):
        with pytest.raises(ValueError, match="must be equal"):
            distance(real_a, real_b[..., :1])


FEATURES = {"relu1_1": np.float32([[1, -2]]), "conv5_4": np.float32([[[3]], [[0]]])}
TARGETS = {"conv5_4": np.float32([[[1]], [[1]]]), "relu1_1": np.float32([[0, 0]])}


def test_content_by_hand():
    for options, expected in [
        ({}, (1 + 4) / 2 + (4 + 1) / 2),
        ({"distance": "l1"}, (1 + 2) / 2 + (2 + 1) / 2),
        ({"weights": {"relu1_1": 0.1, "conv5_4": 10.0}}, 0.1 * 2.5 + 10 * 2.5),
        ({"distance": "l1", "weights": {"relu1_1": 2.0, "conv5_4": 0.0}}, 3.0),
    ]:
        np.testing.assert_allclose(losses.content(FEATURES, TARGETS, **options), expected, rtol=FLOAT32)


def test_contents_gradient_reaches_the_image_behind_the_features():
    def loss(x):
        features = {"a": jnp.tanh(x), "b": jnp.square(x)}
        return losses.content(features, {"a": jnp.zeros(3), "b": jnp.zeros(3)}, weights={"a": 3.0, "b": 1.5})

    x = jnp.array([-0.5, 0.0, 2.0])
    expected = 2 * np.tanh(x) * (1 - np.tanh(x) ** 2) + 2 * x**3
    np.testing.assert_allclose(jax.grad(loss)(x), expected, rtol=FLOAT32, atol=1e-7)


def test_content_says_what_is_wrong():
    with pytest.raises(
        ValueError, match=r"target_features has layers \['conv5_4'\] and features \['conv5_4', 'relu1_1'\]"
    ):
        losses.content(FEATURES, {"conv5_4": TARGETS["conv5_4"]})
    with pytest.raises(ValueError, match=r"weights has layers \['relu5_4'\]"):
        losses.content(FEATURES, TARGETS, weights={"relu5_4": 1.0})
    with pytest.raises(ValueError, match=r"features\['relu1_1'\] has shape \(1, 2\) and the target \(2,\)"):
        losses.content(FEATURES, TARGETS | {"relu1_1": np.zeros(2)})
    with pytest.raises(ValueError, match=r"distance is 'fro'; wanted \"l1\" or \"l2\""):
        losses.content(FEATURES, TARGETS, distance="fro")
    with pytest.raises(ValueError, match="one at least"):
        losses.content({}, {})


X, Y = np.float32(INPUTS["ot_x"]), np.float32(INPUTS["ot_y"])

SINKHORN = jax.jit(losses.sinkhorn, static_argnames="iterations")
DIVERGENCE = jax.jit(losses.sinkhorn_divergence, static_argnames="iterations")
GRADIENT = jax.jit(jax.grad(losses.sinkhorn, argnums=(0, 1)), static_argnames="iterations")


def test_sinkhorn_equals_the_reference_codes():
    # At epsilon 0.3 the exponents reach 70, where a float32 rounding is 4e-6, and 85 roundings add up (the error falls
    # by 1.2% a round).
    for epsilon, iterations, name, rtol in [
        (1.0, 200, "sinkhorn_uniform_sqeuclid_reg1", FLOAT32),
        (0.3, 3000, "sinkhorn_uniform_sqeuclid_reg0.3", 2e-5),
        (1.0, 50, "sinkhorn_fixed_iterations", FLOAT32),
    ]:
        np.testing.assert_allclose(SINKHORN(X, Y, epsilon=epsilon, iterations=iterations), golden(name), rtol=rtol)
    value = DIVERGENCE(X, Y, epsilon=1.0, iterations=200)
    np.testing.assert_allclose(value, golden("sinkhorn_divergence_sharp"), rtol=FLOAT32)
    with jax.enable_x64(True):
        value = SINKHORN(INPUTS["ot_x"], INPUTS["ot_y"], epsilon=0.3, iterations=3000)
        np.testing.assert_allclose(value, golden("sinkhorn_uniform_sqeuclid_reg0.3"), rtol=1e-12)


@pytest.mark.parametrize("iterations", [1, 3])
def test_an_iteration_scales_rows_then_columns(iterations):
    x, y = X[:5].astype(np.float64), Y.astype(np.float64)
    cost = np.square(x[:, None] - y).sum(-1)
    kernel, v = np.exp(-cost), np.ones(12)
    for _ in range(iterations):
        u = (1 / 5) / (kernel @ v)
        v = (1 / 12) / (kernel.T @ u)
    expected = (u[:, None] * kernel * v * cost).sum()
    np.testing.assert_allclose(SINKHORN(X[:5], Y, epsilon=1.0, iterations=iterations), expected, rtol=FLOAT32)


def test_the_gradient_stands_after_many_rounds_and_is_that_of_finite_differences():
    with jax.enable_x64(True):
        x, y = INPUTS["ot_x"], INPUTS["ot_y"][:9]
        gradients = GRADIENT(x, y, epsilon=1.0, iterations=200)
        for gradient, longer in zip(gradients, GRADIENT(x, y, epsilon=1.0, iterations=400), strict=True):
            np.testing.assert_allclose(gradient, longer, rtol=1e-9, atol=1e-12)
        direction = np.random.default_rng(0).normal(size=x.shape)
        step = 1e-5 * direction
        ahead, behind = (SINKHORN(z, y, epsilon=1.0, iterations=200) for z in (x + step, x - step))
        # Central differences err by the square of the step.
        np.testing.assert_allclose((ahead - behind) / 2e-5, (gradients[0] * direction).sum(), rtol=1e-7)
    in_float32 = GRADIENT(X, Y[:9], epsilon=1.0, iterations=200)
    for gradient, single in zip(gradients, in_float32, strict=True):
        np.testing.assert_allclose(single, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("iterations", [500, 10])
def test_sinkhorn_stays_finite_where_the_plan_is_a_permutation_and_where_points_are_far(iterations):
    spread = 10.0 * np.mgrid[:2, :2, :3].reshape(3, 12).T.astype(np.float32)
    moved = spread + np.float32([0, 0, 1])
    # Each point is carried to its own copy, one unit away.
    np.testing.assert_allclose(SINKHORN(spread, moved, epsilon=0.01, iterations=iterations), 1.0, rtol=FLOAT32)
    slope, _ = GRADIENT(spread, moved, epsilon=0.01, iterations=iterations)
    np.testing.assert_allclose(slope, 2 * (spread - moved) / 12, rtol=FLOAT32)
    # Points onto themselves, points far apart, and all of them onto one place.
    for x, y in ((X[:8], X[:8]), (1e4 * X, 1e4 * Y), (X, np.zeros_like(Y))):
        for epsilon in (0.01, 1.0):
            assert all(np.isfinite(slope).all() for slope in GRADIENT(x, y, epsilon=epsilon, iterations=iterations))


def test_sinkhorn_with_one_point_is_the_mean_cost():
    cost = np.square(X[:, None] - Y[:1]).sum(-1)
    for iterations in (50, 1):
        np.testing.assert_allclose(SINKHORN(X, Y[:1], epsilon=1.0, iterations=iterations), cost.mean(), rtol=FLOAT32)


def test_sinkhorn_divergence_is_zero_and_flat_between_equals_and_pulls_towards_others():
    gradient = jax.jit(jax.value_and_grad(losses.sinkhorn_divergence), static_argnames="iterations")
    value, slope = gradient(X, X[::-1], epsilon=1.0, iterations=200)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    # Terms as large as cost / epsilon = 20 cancel in it.
    np.testing.assert_allclose(slope, 0.0, atol=1e-5)
    x, values = X, []
    for _ in range(3):
        value, slope = gradient(x, Y, epsilon=1.0, iterations=200)
        values.append(float(value))
        x = x - slope
    assert values[0] > values[1] > values[2] > 0


def test_sinkhorn_says_what_is_wrong():
    for x, y in ((X, Y[:, :2]), (X[0], Y[0]), (X[None], Y[None])):
        with pytest.raises(ValueError, match="flatten each sample"):
            losses.sinkhorn(x, y, epsilon=1.0, iterations=1)
    with pytest.raises(ValueError, match="epsilon is 0"):
        losses.sinkhorn(X, Y, epsilon=0, iterations=1)
    with pytest.raises(ValueError, match="iterations is 0"):
        losses.sinkhorn(X, Y, epsilon=1.0, iterations=0)


@pytest.mark.parametrize(
    "loss",
    [
        losses.l1,
        losses.l2,
        losses.charbonnier,
        losses.cycle_consistency,
        losses.identity,
        lambda x, y: losses.total_variation(x) + losses.total_variation(y),
        lambda x, y: losses.content({"a": x, "b": x[..., 0]}, {"a": y, "b": y[..., 0]}, distance="l1"),
        lambda x, y: losses.gradient_penalty(jnp.tanh, x, y, jax.random.key(0)) + losses.r1_penalty(jnp.tanh, x),
        lambda x, y: losses.sinkhorn(x.reshape(8, 12), y.reshape(8, 12), epsilon=5.0, iterations=50),
        lambda x, y: losses.sinkhorn_divergence(x.reshape(8, 12), y.reshape(8, 12), epsilon=5.0, iterations=5),
    ],
)
def test_losses_work_under_jit_grad_and_vmap(loss):
    x, y = jax.random.normal(jax.random.key(0), (2, 3, 2, 4, 4, 3))
    gradient = jax.value_and_grad(loss, argnums=(0, 1))
    values, slopes = jax.jit(jax.vmap(gradient))(x, y)
    for i in range(3):
        value, alone = jax.jit(gradient)(x[i], y[i])
        np.testing.assert_allclose(values[i], value, rtol=FLOAT32)
        for together, slope in zip(slopes, alone, strict=True):
            np.testing.assert_allclose(together[i], slope, rtol=1e-5, atol=1e-6)
            assert (slope != 0).any()


def test_weighted_sum_composes_an_objective_and_logs_its_terms():
    def loss(x):
        return losses.weighted_sum({"gan": (2.0, x**2), "l1": (100.0, jnp.abs(x)), "off": (0.0, x)})

    (total, terms), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(jnp.float32(-3.0))
    assert total == 2 * 9 + 100 * 3
    assert terms == {"gan": 9.0, "l1": 3.0, "off": -3.0}
    assert gradient == 2 * 2 * -3 - 100
    with pytest.raises(ValueError, match=r"term 'l1' has shape \(2,\); wanted a scalar"):
        losses.weighted_sum({"l1": (1.0, np.zeros(2))})
