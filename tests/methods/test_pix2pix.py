"""pix2pix against the PyTorch implementation's recorded steps, and its properties."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import image, losses
from gan_jax.interop import convert
from gan_jax.method import clip_weights, scale_rates, train_step
from gan_jax.methods.pix2pix import Draws, pix2pix
from gan_jax.networks import PatchGAN, UNet, convolution, from_linen, with_weights

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "pix2pix_vanilla"


@pytest.fixture(scope="module")
def reference():
    data = {name: dict(np.load(GOLDEN / f"{name}.npz")) for name in ("init_G", "init_D", "io")}
    return data, json.loads((GOLDEN / "expected.json").read_text())


@pytest.fixture(scope="module")
def replayed(reference):
    """The reference's five steps through `update`: the final state, every step's metrics, and the networks."""
    data, _ = reference
    # The reference's dropout modules were set to 0.
    unet, generator_variables = convert.from_torch(data["init_G"], {"dropout": 0.0, "dropout_layers": "paper"})
    patchgan, critic_variables = convert.from_torch(data["init_D"])
    assert (unet, patchgan) == (UNet(depth=6, width=8, dropout=0.0), PatchGAN(width=8))
    generator, critic = from_linen(unet), from_linen(patchgan)
    tx = optax.adam(2e-4, b1=0.5, b2=0.999, eps=1e-8)
    method = pix2pix(
        with_weights(generator, generator_variables["params"], generator_variables["stats"]),
        with_weights(critic, critic_variables["params"], critic_variables["stats"]),
        generator_tx=tx,
        critic_tx=tx,
    )
    source, target = (data["io"][side].transpose(0, 1, 3, 4, 2) for side in "AB")
    state = jax.jit(method.init)(jax.random.key(0), {"source": source[0], "target": target[0]})
    update, metrics = jax.jit(method.update), []
    for a, b in zip(source, target, strict=True):
        state, values = update(state, {"source": a, "target": b}, Draws(dropout=jax.random.key(0)))
        metrics.append(values)
    return state, metrics, generator, critic


def test_losses_follow_the_reference(reference, replayed):
    _, expected = reference
    _, metrics, _, _ = replayed
    goal = {name: np.array(values) for name, values in expected["losses_f64"].items()}
    got = {name: np.array([step[name] for step in metrics]) for name in metrics[0]}
    # Ten times the reference's own gap between float32 and float64.
    tolerance = 10 * expected["max_loss_gap_f32_f64"]
    np.testing.assert_allclose(got["loss/gan"], goal["G_GAN"], rtol=tolerance)
    np.testing.assert_allclose(100.0 * got["loss/l1"], goal["G_L1"], rtol=tolerance)
    np.testing.assert_allclose(got["loss/critic"], goal["D_real"] + goal["D_fake"], rtol=tolerance)


def test_networks_after_five_steps_equal_the_references(reference, replayed):
    data, expected = reference
    state, _, generator, critic = replayed
    io, gaps = data["io"], expected["max_abs_gap_f32_f64"]
    nhwc = {name: array.transpose(0, 2, 3, 1) for name, array in io.items() if array.ndim == 4}
    params, stats = state.generator.params, state.generator.stats
    generate, judge = (jax.jit(network.apply, static_argnames="train") for network in (generator, critic))
    evaluated, _ = generate(params, stats, nhwc["probe_A"], train=False)
    first_source, first_target = (io[side][0].transpose(0, 2, 3, 1) for side in "AB")
    trained, _ = generate(params, stats, first_source, train=True)
    pair = np.concatenate([first_source, first_target], axis=-1)
    judged, _ = judge(state.critic.params, state.critic.stats, pair, train=False)
    # Ten times the reference's own gaps between float32 and float64.
    np.testing.assert_allclose(evaluated, nhwc["final_G_eval_on_probe"], atol=10 * gaps["final_eval"])
    np.testing.assert_allclose(trained[:1], nhwc["final_G_train_on_step0_A_first"], atol=10 * gaps["final_train"])
    np.testing.assert_allclose(judged, nhwc["final_D_eval_on_step0_pair"], atol=10 * gaps["D"])


def test_small_parameters_and_running_statistics_after_five_steps(reference, replayed):
    data, expected = reference
    state, _, _, _ = replayed
    unet, patchgan = UNet(depth=6, width=8), PatchGAN(width=8)
    gap, compared = 10 * expected["max_abs_gap_f32_f64"]["params"], 0
    for net, module, ours in (("G", unet, state.generator), ("D", patchgan, state.critic)):
        got = convert.to_torch(module, {"params": ours.params, "stats": ours.stats})
        for name, goal in data["io"].items():
            if name.startswith(f"final_{net}:"):
                tolerance = {"rtol": 1e-5, "atol": 1e-5} if "running" in name else {"atol": gap}
                np.testing.assert_allclose(got[name.partition(":")[2]], goal, **tolerance, err_msg=name)
                compared += 1
    assert compared == sum(name.startswith("final_") and ":" in name for name in data["io"])


def small_method(critic_norm="batch", **options):
    tx = optax.sgd(1e-2)
    return pix2pix(
        from_linen(UNet(depth=3, width=4)),
        from_linen(PatchGAN(layers=1, width=4, norm=critic_norm)),
        **{"generator_tx": tx, "critic_tx": tx, **options},
    )


def small_batch(size: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, 256, (size, 16, 16, 3), dtype=np.uint8) for name in ("source", "target")}


def initial(method):
    return jax.jit(method.init)(jax.random.key(0), small_batch())


def one_step(method):
    """The states before and after a step on the small batch, and its metrics."""
    before = initial(method)
    after, metrics = jax.jit(lambda state: train_step(method, state, small_batch()))(before)
    return before, after, metrics


@pytest.fixture(scope="module")
def plain():
    """`small_method()`, and `one_step` of it."""
    method = small_method()
    return method, *one_step(method)


def moves(before, after):
    """What a step added to a network's parameters."""
    return jax.tree.map(lambda a, b: np.asarray(b) - np.asarray(a), before.params, after.params)


def test_every_parameter_of_both_networks_moves(plain):
    _, before, after, _ = plain
    for net in ("generator", "critic"):
        moved = jax.tree.map(lambda move: bool((move != 0).any()), moves(getattr(before, net), getattr(after, net)))
        assert all(jax.tree.leaves(moved)), moved
    assert int(after.step) == 1


def test_a_step_is_a_function_of_key_and_step(plain):
    method, state, _, _ = plain
    step = jax.jit(lambda state: train_step(method, state, small_batch())[1]["loss/l1"])
    assert step(state) == step(state)
    # Another step, or another key, draws another dropout mask.
    assert step(state) != step(state.replace(step=state.step + 1))
    assert step(state) != step(state.replace(key=jax.random.key(7)))


def test_without_an_adversarial_loss_the_critic_stays_and_l1_is_all():
    before, after, metrics = one_step(small_method(adversarial=None))
    jax.tree.map(np.testing.assert_array_equal, after.critic.params, before.critic.params)
    assert set(metrics) == {"loss/generator", "loss/l1"}
    np.testing.assert_allclose(metrics["loss/generator"], 100.0 * metrics["loss/l1"], rtol=1e-6)


def test_halve_critic_halves_the_critics_gradient():
    steps = [one_step(small_method(halve_critic=halve)) for halve in (True, False)]
    half, whole = (moves(before.critic, after.critic) for before, after, _ in steps)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 0.5 * b, rtol=1e-3, atol=1e-7), half, whole)


def test_moving_average_starts_at_the_parameters_and_is_what_is_exported():
    method = small_method(ema_decay=0.9)
    before, after, _ = one_step(method)
    old, new = ({"params": net.params, "stats": net.stats} for net in (before.generator, after.generator))
    expected = jax.tree.map(lambda a, b: 0.9 * np.asarray(a) + 0.1 * np.asarray(b), old, new)
    exported = method.networks(after)["generator"].variables
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), exported, expected)


def test_least_squares_is_a_drop_in():
    _, _, metrics = one_step(small_method(adversarial=losses.least_squares))
    assert all(np.isfinite(value) for value in metrics.values())


def test_computing_the_fake_in_both_losses_costs_no_convolution(set_thresholds):
    """The step has the convolutions of one generator pass, its backward pass, and three critic passes with theirs."""
    generator, critic = UNet(depth=3, width=4), PatchGAN(layers=1, width=4)
    tx = optax.sgd(1e-2)
    method = pix2pix(from_linen(generator), from_linen(critic), generator_tx=tx, critic_tx=tx)
    layers_g, layers_d = 2 * generator.depth, critic.layers + 2
    # Forward; then for each layer the gradients of its kernel and of its input, the first layer's input left out.
    generator_passes = layers_g + (2 * layers_g - 1)
    critic_loss = 2 * (layers_d + 2 * layers_d - 1)
    generator_loss = layers_d + layers_d  # forward, and the gradient of the input alone
    expected = generator_passes + critic_loss + generator_loss

    def products():
        batch = small_batch()
        state = jax.eval_shape(method.init, jax.random.key(0), batch)
        program = jax.jit(lambda state: train_step(method, state, batch)).lower(state).compile().as_text() or ""
        return program.count(" convolution("), program.count(" dot(")

    with convolution.plain():
        assert products() == (expected, 0)
    # Each convolution is one product; those that lead back from a critic's one logit are multiplied without `dot`.
    assert sum(products()) == expected - 3
    # As if images were large: the gradient of the input of a strided convolution, which a layer up computes too, is one
    # product for each of two rows. Winograd's form is left out, whose products are several for each of these.
    strided = generator.depth + (generator.depth - 1) + 1  # up; down, less the first; the critic's first
    set_thresholds(_FEW_PIXELS=0, _FEW_CHANNELS=0, _PATCH_BYTES=300, _by_rows=lambda *shapes: False)
    assert sum(products()) == expected + strided


def test_colors_of_lab_are_what_is_made_and_judged():
    """The generator is given the lightness; L1 is that of a and b; the critic sees lightness and both."""
    source, target = small_batch()["source"][..., :1], small_batch()["target"]
    batch = {"source": source, "target": target}
    tx = optax.sgd(1e-2)
    generator = from_linen(UNet(out_channels=2, depth=3, width=4, dropout=0.0))
    critic = from_linen(PatchGAN(layers=1, width=4))
    method = pix2pix(generator, critic, generator_tx=tx, critic_tx=tx, colors="lab")
    before = jax.jit(method.init)(jax.random.key(0), batch)
    after, metrics = jax.jit(lambda state: train_step(method, state, batch))(before)
    light = image.lightness(image.to_float(source))
    fake, _ = generator.apply(before.generator.params, before.generator.stats, light, train=True)
    expected = losses.l1(fake, image.opponents(image.to_float(target)))
    np.testing.assert_allclose(metrics["loss/l1"], expected, rtol=1e-5)
    assert before.critic.params["conv0"]["kernel"].shape[2] == 3
    for name in ("generator", "critic"):
        moved = moves(getattr(before, name), getattr(after, name))
        assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(moved))


def test_an_unconditional_critic_sees_the_image_alone(plain):
    method = small_method(conditional=False)
    state = initial(method)
    assert state.critic.params["conv0"]["kernel"].shape[2] == 3
    assert plain[1].critic.params["conv0"]["kernel"].shape[2] == 6
    batch = small_batch()

    @jax.jit
    @jax.value_and_grad
    def of_targets(images):
        return method.update(state, {**batch, "target": images}, Draws(dropout=jax.random.key(0)))[1]["loss/critic"]

    # Another target changes what the critic sees; the source alone reaches it only through the generator.
    loss, gradient = of_targets(jnp.zeros((2, 16, 16, 3)))
    assert (gradient != 0).any()
    assert np.isfinite(loss)


def test_l2_adds_to_the_objective_with_its_weight():
    _, _, metrics = one_step(small_method(adversarial=None, l1_weight=0.0, l2_weight=7.0))
    np.testing.assert_allclose(metrics["loss/generator"], 7.0 * metrics["loss/l2"], rtol=1e-6)
    assert metrics["loss/l1"] > 0  # still told, without weight


ADVERSARIAL_LOSSES = [losses.minimax, losses.hinge, losses.relativistic_average, losses.wasserstein]


@pytest.mark.slow
@pytest.mark.parametrize("game", ADVERSARIAL_LOSSES, ids=["minimax", "hinge", "relativistic", "wasserstein"])
def test_any_adversarial_pair_is_a_drop_in(game):
    """GAN alone: both networks move, driven by nothing but the game."""
    before, after, metrics = one_step(small_method(adversarial=game, l1_weight=0.0))
    np.testing.assert_allclose(metrics["loss/generator"], metrics["loss/gan"], rtol=1e-6)
    for net in ("generator", "critic"):
        old, new = (jax.tree.leaves(getattr(state, net).params) for state in (before, after))
        assert any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))


def test_rates_are_scaled_for_every_network_and_act(plain):
    method, before, after, _ = plain
    slower = scale_rates(before, 0.5)
    assert (slower.generator.lr_scale, slower.critic.lr_scale) == (0.5, 0.5)
    deeper = scale_rates({"nets": [before.generator], "step": before.step}, 0.5)  # wherever a state keeps them
    assert deeper["nets"][0].lr_scale == 0.5
    after_slower, _ = jax.jit(lambda state: train_step(method, state, small_batch()))(slower)
    half, whole = (moves(before.critic, state.critic) for state in (after_slower, after))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 0.5 * b, rtol=1e-3, atol=1e-7), half, whole)


def stepped(**options):
    return one_step(small_method(critic_norm="instance", l1_weight=0.0, adversarial=losses.wasserstein, **options))


@pytest.fixture(scope="module")
def unpenalized():
    return stepped()


def test_a_gradient_penalty_changes_the_critic(unpenalized):
    (_, without, losses_without), (_, penalized, losses_penalized) = unpenalized, stepped(penalty_weight=10.0)
    assert losses_penalized["loss/critic"] > losses_without["loss/critic"]  # a penalty is positive
    moved = moves(without.critic, penalized.critic)
    assert (moved["conv0"]["kernel"] != 0).any()
    assert (moved["conv1"]["kernel"] != 0).any()


def test_r1_adds_half_of_its_weight_times_the_squared_gradient_at_targets(unpenalized):
    (before, _, without), (_, _, penalized) = unpenalized, stepped(r1_weight=6.0)
    source, target = (np.float32(small_batch()[name]) / 127.5 - 1.0 for name in ("source", "target"))
    critic = from_linen(PatchGAN(layers=1, width=4, norm="instance"))

    @jax.jit
    def penalty(target):
        def judge(images):
            pair = jnp.concatenate([source, images], axis=-1)
            return critic.apply(before.critic.params, before.critic.stats, pair, train=True)[0]

        return losses.r1_penalty(judge, target)

    added = penalized["loss/critic"] - without["loss/critic"]
    np.testing.assert_allclose(added, 3.0 * penalty(target), rtol=1e-4)


def test_clipping_bounds_the_critic_and_leaves_the_generator():
    tx = optax.sgd(1e-2)
    _, after, _ = stepped(critic_tx=clip_weights(tx, 0.01))
    largest = [
        max(float(np.abs(p).max()) for p in jax.tree.leaves(net.params)) for net in (after.critic, after.generator)
    ]
    assert largest[0] <= 0.01 * (1 + 1e-6) < largest[1]


@pytest.mark.parametrize("weight", ["penalty_weight", "r1_weight"])
def test_a_gradient_penalty_refuses_batch_norm(weight):
    with pytest.raises(ValueError, match="the critic's batch norm mixes them"):
        jax.eval_shape(small_method(**{weight: 10.0}).init, jax.random.key(0), small_batch())
