"""WGAN-GP against the PyTorch implementation's recorded steps, and what WGAN promises."""

import json
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.method import NetState, clip_weights, train_step
from gan_jax.methods.penalties import require_no_batch_norm
from gan_jax.methods.wgan import Draws, wgan
from gan_jax.networks import MLP, DCGANCritic, DCGANGenerator, from_linen, with_weights
from gan_jax.networks.layers import Conv, ConvTranspose, Dense, leaky_relu

GOLDEN = Path(__file__).parents[1] / "golden" / "training"


class MLPGenerator(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        x = nn.relu(Dense(24, name="0")(z))
        x = nn.relu(Dense(32, name="2")(x))
        return jnp.tanh(Dense(64, name="4")(x)).reshape(-1, 8, 8, 1)


class MLPCritic(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = leaky_relu(Dense(32, name="1")(x.reshape(x.shape[0], -1)), 0.2)
        return Dense(1, name="5")(leaky_relu(Dense(16, name="3")(x), 0.2))


class ConvGenerator(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        x = nn.relu(Dense(128, name="0")(z)).reshape(-1, 8, 4, 4).transpose(0, 2, 3, 1)
        x = nn.relu(ConvTranspose(6, 4, 2, 1, True, name="3")(x))
        return jnp.tanh(ConvTranspose(3, 4, 2, 1, True, name="5")(x))


class ConvCritic(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = leaky_relu(Conv(6, 4, 2, 1, True, name="0")(x), 0.2)
        x = leaky_relu(Conv(8, 4, 2, 1, True, name="2")(x), 0.2)
        return Dense(1, name="5")(x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1))


def from_torch(state_dict, transposed):
    params = {}
    for name, array in state_dict.items():
        layer, kind = name.split(".")
        if kind == "bias":
            params.setdefault(layer, {})["bias"] = array
        elif array.ndim == 2:
            params.setdefault(layer, {})["kernel"] = array.T
        else:
            axes = (2, 3, 0, 1) if transposed else (2, 3, 1, 0)
            params.setdefault(layer, {})["kernel"] = array.transpose(axes)
    return params


def nhwc(array):
    return np.moveaxis(array, -3, -1)


@pytest.fixture(scope="module", params=["mlp", "conv"])
def replayed(request):
    """The reference's inputs and results, the state after its five steps through `update`, and all metrics."""
    folder = GOLDEN / f"wgan_gp_{request.param}"
    io = dict(np.load(folder / "io.npz"))
    modules = {"mlp": (MLPGenerator(), MLPCritic()), "conv": (ConvGenerator(), ConvCritic())}[request.param]
    networks = [
        with_weights(from_linen(module), from_torch(np.load(folder / f"init_{net}.npz"), net == "G"), {})
        for module, net in zip(modules, "GD", strict=True)
    ]
    tx = optax.adam(1e-4, b1=0.0, b2=0.9, eps=1e-8)
    method = wgan(*networks, generator_tx=tx, critic_tx=tx, latent_size=8, n_critic=2, penalty_weight=10.0)

    def batch(step):
        # The reference has [critic step, n]; a batch holds them n-major.
        real = nhwc(io["real"][step]).swapaxes(0, 1)
        return {"image": real.reshape(-1, *real.shape[2:])}

    state, metrics, update = jax.jit(method.init)(jax.random.key(0), batch(0)), [], jax.jit(method.update)
    for step in range(5):
        draws = Draws(io["z_critic"][step], io["eps"][step, :, :, 0], io["z_gen"][step])
        state, values = update(state, batch(step), draws)
        metrics.append(values)
    return io, json.loads((folder / "expected.json").read_text()), networks, state, metrics


def test_losses_follow_the_reference(replayed):
    _, expected, _, _, metrics = replayed
    reference = {name: np.array(values) for name, values in expected["losses_f64"].items()}
    got = {name: np.array([step[name] for step in metrics]) for name in metrics[0]}
    both = {name: (reference[f"critic0_{name}"] + reference[f"critic1_{name}"]) / 2 for name in ("loss", "gp")}
    means = {
        half: (reference[f"critic0_{half}_mean"] + reference[f"critic1_{half}_mean"]) / 2 for half in ("real", "fake")
    }
    # Ten times the reference's own gap between float32 and float64, which it states relative to 0.01 at least.
    gap = 10 * expected["max_loss_gap_f32_f64"]
    for name, value in {
        "loss/critic": both["loss"],
        "loss/penalty": both["gp"],
        "wasserstein": means["real"] - means["fake"],
        "loss/generator": reference["gen_loss"],
    }.items():
        np.testing.assert_allclose(got[name], value, rtol=gap, atol=0.01 * gap, err_msg=name)


def test_networks_after_five_steps_equal_the_references(replayed):
    io, expected, networks, state, _ = replayed
    gaps = expected["max_abs_gap_f32_f64"]
    for net, network, ours, given, reference in (
        ("final_G", networks[0], state.generator, io["z_gen"][0], nhwc(io["final_G_on_z_gen0"])),
        ("final_D", networks[1], state.critic, nhwc(io["real"][0, 0]), io["final_D_on_real00"]),
    ):
        got, _ = network.apply(ours.params, {}, given, train=False)
        np.testing.assert_allclose(got, reference, atol=10 * gaps[net])
    compared = 0
    for name, reference in io.items():
        if not name.startswith(("final_G:", "final_D:")) or name == "final_D:5.bias":  # a null gradient
            continue
        net, key = name.removeprefix("final_").split(":")
        got = (state.generator if net == "G" else state.critic).params
        ((layer, arrays),) = from_torch({key: reference}, net == "G").items()
        ((kind, array),) = arrays.items()
        np.testing.assert_allclose(got[layer][kind], array, atol=10 * gaps["params"], err_msg=name)
        compared += 1
    assert compared >= 8


def points(n_critic=2, **options):
    """A WGAN of points in the plane."""
    return wgan(
        from_linen(MLP(2, width=8, layers=1)),
        from_linen(MLP(1, width=8, layers=1)),
        **{"generator_tx": optax.sgd(0.1), "critic_tx": optax.sgd(0.1), "n_critic": n_critic, "latent_size": 2}
        | options,
    )


def batch_of(count, seed=0):
    return {"image": np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)}


def stepped(method, batch):
    before = jax.jit(method.init)(jax.random.key(0), batch)
    after, metrics = jax.jit(lambda state: train_step(method, state, batch))(before)
    return before, after, metrics


def test_clipping_bounds_every_parameter_of_the_critic_and_of_it_alone():
    _, after, _ = stepped(points(critic_tx=clip_weights(optax.sgd(0.1), 0.01)), batch_of(8))
    largest = [
        max(float(np.abs(p).max()) for p in jax.tree.leaves(net.params)) for net in (after.critic, after.generator)
    ]
    assert largest[0] <= 0.01 * (1 + 1e-6)  # rounding of p + (limit - p)
    assert largest[1] > 0.1


def test_a_clipped_step_is_the_plain_one_where_nothing_leaves_the_box():
    params, grads = {"w": jnp.array([0.0, 0.9])}, {"w": jnp.array([1.0, -5.0])}
    tx = clip_weights(optax.sgd(0.1), 1.0)
    updates, _ = tx.update(grads, tx.init(params), params)
    np.testing.assert_allclose(updates["w"], [-0.1, 0.1], rtol=1e-5)


def test_the_penalty_acts_on_the_critic():
    """A critic of slope 0 feels no penalty's pull; a steep one is flattened by it."""
    _, without, _ = stepped(points(), batch_of(8))
    _, with_penalty, metrics = stepped(points(penalty_weight=10.0), batch_of(8))
    assert metrics["loss/penalty"] > 0
    np.testing.assert_allclose(
        metrics["loss/critic"], 10.0 * metrics["loss/penalty"] - metrics["wasserstein"], rtol=1e-5
    )
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), without.critic.params, with_penalty.critic.params)
    assert any(jax.tree.leaves(moved))


def test_the_critic_takes_its_steps_each_on_images_of_its_own():
    """With SGD and the generator's rate 0, two critic steps in one update are two updates of one critic step."""
    frozen = optax.sgd(0.0)
    both, one = points(generator_tx=frozen), points(n_critic=1, generator_tx=frozen)
    batch = batch_of(8)
    state = expected = jax.jit(both.init)(jax.random.key(0), batch)
    draws, update = both.draw(jax.random.key(1), batch), jax.jit(one.update)
    got, _ = jax.jit(both.update)(state, batch, draws)
    for turn in range(2):
        share = Draws(draws.critic_latent[turn][None], draws.epsilon[turn][None], draws.latent)
        expected, _ = update(expected, {"image": batch["image"][turn::2]}, share)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), got.critic, expected.critic)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="a batch holds 7 images; wanted a multiple of n_critic 2"):
        points().init(jax.random.key(0), batch_of(7))
    method = wgan(
        from_linen(DCGANGenerator(size=16, width=2)),
        from_linen(DCGANCritic(size=16, width=2)),
        generator_tx=optax.sgd(0.1),
        critic_tx=optax.sgd(0.1),
        penalty_weight=10.0,
    )
    with pytest.raises(ValueError, match="the critic's batch norm mixes them"):
        jax.eval_shape(method.init, jax.random.key(0), {"image": np.zeros((10, 16, 16, 3), np.uint8)})
    require_no_batch_norm(jax.eval_shape(points().init, jax.random.key(0), batch_of(8)).critic)
    # The vector of spectral norm is a statistic too, and mixes nothing.
    module = DCGANCritic(size=16, width=2, norm="none", spectral_norm=True)
    params, stats = jax.eval_shape(from_linen(module).init, jax.random.key(0), np.zeros((2, 16, 16, 3), np.float32))
    require_no_batch_norm(NetState(params, stats, None, None))


def test_labels_go_with_their_images():
    method = wgan(
        from_linen(DCGANGenerator(size=8, width=2, classes=3)),
        from_linen(DCGANCritic(size=8, width=2, norm="none", classes=3)),
        generator_tx=optax.sgd(0.1),
        critic_tx=optax.sgd(0.1),
        n_critic=2,
        penalty_weight=10.0,
        conditional=True,
        ema_decay=0.5,
    )
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8), np.arange(8) % 3
    state = jax.jit(method.init)(jax.random.key(0), {"image": images, "label": labels})
    draws = method.draw(jax.random.key(1), {"image": images})
    update = jax.jit(method.update)
    values = [
        update(state, {"image": images, "label": given}, draws)[1]["wasserstein"] for given in (labels, labels[::-1])
    ]
    assert values[0] != values[1]
    after, _ = update(state, {"image": images, "label": labels}, draws)
    averaged = method.networks(after)["generator"].variables
    old, new = ({"params": net.params, "stats": net.stats} for net in (state.generator, after.generator))
    expected = jax.tree.map(lambda a, b: 0.5 * (a + b), old, new)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), averaged, expected)
