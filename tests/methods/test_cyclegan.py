"""CycleGAN against the PyTorch implementation's recorded steps, and its properties."""

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.interop import convert
from gan_jax.method import clip_weights, train_step
from gan_jax.methods.cyclegan import Draws, cyclegan
from gan_jax.networks import Network, PatchGAN, PixelGAN, ResNet, from_linen

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "cyclegan"
# The reference's names of our networks, and of the terms of our losses with the weights that it logs them with.
NETS = {"AtoB": "G_A", "BtoA": "G_B", "critic_B": "D_A", "critic_A": "D_B"}
TERMS = {
    "gan_B": ("G_A", 1.0), "gan_A": ("G_B", 1.0), "cycle_A": ("cycle_A", 10.0), "cycle_B": ("cycle_B", 10.0),
    "identity_B": ("idt_A", 5.0), "identity_A": ("idt_B", 5.0), "critic_B": ("D_A", 0.5), "critic_A": ("D_B", 0.5),
}  # fmt: skip


@pytest.fixture(scope="module")
def reference():
    data = {name: dict(np.load(GOLDEN / f"init_{name}.npz")) for name in NETS.values()}
    return data, dict(np.load(GOLDEN / "io.npz")), json.loads((GOLDEN / "expected.json").read_text())


@pytest.fixture(scope="module")
def replayed(reference):
    """The reference's five steps through `update` in float64: losses, outputs and parameters after them.

    In float32 Adam turns the rounding of gradients near zero into steps: images then differ by up to 1e-3.
    """
    weights, io, _ = reference
    modules, networks = {}, {}
    for ours, theirs in NETS.items():
        modules[ours], variables = convert.from_torch(weights[theirs])
        params = jax.tree.map(np.float64, variables["params"])
        init = functools.partial(lambda params, *inputs: (params, {}), params)
        networks[ours] = from_linen(modules[ours])._replace(init=init)
    assert modules["AtoB"] == modules["BtoA"] == ResNet(blocks=2, width=8, norm="instance")
    assert modules["critic_A"] == modules["critic_B"] == PatchGAN(width=8, norm="instance")
    tx = optax.adam(2e-4, b1=0.5, b2=0.999, eps=1e-8)
    method = cyclegan(
        *(networks[name] for name in ("AtoB", "BtoA", "critic_A", "critic_B")),
        generator_tx=tx,
        critic_tx=tx,
        pool_size=0,
    )
    batches = [{side: np.float64(io[side][step].transpose(0, 2, 3, 1)) for side in "AB"} for step in range(5)]

    def outputs(state, batch):
        def run(name, images):
            net = getattr(state, name)
            return networks[name].apply(net.params, net.stats, images, train=False)[0]

        fake_b, fake_a = run("AtoB", batch["A"]), run("BtoA", batch["B"])
        judged = {"D_A": run("critic_B", batch["B"]), "D_B": run("critic_A", batch["A"])}
        return {"fake_B": fake_b, "fake_A": fake_a, "rec_A": run("BtoA", fake_b), **judged}

    with jax.enable_x64(True):
        state, metrics = jax.jit(method.init)(jax.random.key(0), batches[0]), []
        update = jax.jit(method.update)
        for batch in batches:
            state, values = update(state, batch, method.draw(jax.random.key(0), batch))
            metrics.append(values)
        final = jax.device_get(jax.jit(outputs)(state, batches[0]))
        params = {
            theirs: convert.to_torch(modules[ours], {"params": getattr(state, ours).params, "stats": {}})
            for ours, theirs in NETS.items()
        }
    return metrics, final, params


def test_losses_follow_the_reference(reference, replayed):
    _, _, expected = reference
    metrics, _, _ = replayed
    assert {f"loss/{name}" for name in TERMS} == set(metrics[0]) - {"loss/generators"}
    for ours, (theirs, weight) in TERMS.items():
        got = weight * np.array([step[f"loss/{ours}"] for step in metrics])
        np.testing.assert_allclose(got, expected["losses_f64"][theirs], rtol=1e-10, err_msg=ours)


def test_images_logits_and_small_parameters_after_five_steps_equal_the_references(reference, replayed):
    _, io, expected = reference
    _, final, params = replayed
    gaps = expected["max_abs_gap_f32_f64"]
    for name, got in final.items():
        # The reference's are of its float32 run, and the gap is that to its own float64.
        goal = io[f"final_{name}"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(got, goal, rtol=0, atol=1.01 * gaps[f"final_{name}"], err_msg=name)
    small = [name for name in io if ":" in name]
    assert len(small) == 4
    for name in small:
        net, _, key = name.removeprefix("final_").partition(":")
        assert key not in expected["null_gradient_parameters"][net]
        np.testing.assert_allclose(params[net][key], io[name], rtol=0, atol=2 * gaps["params"], err_msg=name)


def network(outputs, noise=0.0, squash=jnp.tanh):
    """One linear map of each pixel's channels, which counts its passes: small enough to compile a step in no time."""

    def init(key, images):
        kernel = 0.5 * jax.random.normal(key, (images.shape[-1], outputs))
        return {"kernel": kernel, "bias": jnp.zeros(outputs)}, {"passes": jnp.zeros(())}

    def apply(params, stats, images, *, train, key=None):
        result = squash(images @ params["kernel"] + params["bias"])
        if key is not None and noise:
            result += noise * jax.random.normal(key, result.shape)
        return result, {"passes": stats["passes"] + train}

    return Network(init, apply)


def small_method(noise=0.0, **options):
    generator, critic, tx = network(3, noise), network(1, squash=jnp.asarray), optax.sgd(1e-2)
    return cyclegan(
        generator, generator, critic, critic, **{"generator_tx": tx, "critic_tx": tx, "pool_size": 3, **options}
    )


def small_batch(size: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, 256, (size, 4, 4, 3), dtype=np.uint8) for name in ("A", "B")}


@functools.cache
def stepped(count=1, size=1, **options):
    """The states before and after so many steps, and the last metrics."""
    method = small_method(**options)
    before = jax.jit(method.init)(jax.random.key(0), small_batch(size))
    step, state, metrics = jax.jit(functools.partial(train_step, method)), before, {}
    for number in range(count):
        state, metrics = step(state, small_batch(size, number))
    return before, state, metrics


NETWORKS = ("AtoB", "BtoA", "critic_A", "critic_B")


def moved(before, after, name):
    old, new = (jax.tree.leaves(getattr(state, name).params) for state in (before, after))
    return [not np.array_equal(a, b) for a, b in zip(old, new, strict=True)]


def test_every_parameter_of_all_four_networks_moves():
    before, after, _ = stepped()
    assert all(all(moved(before, after, name)) for name in NETWORKS)
    assert int(after.step) == 1


def test_pools_fill_with_what_the_generators_made():
    before, after, _ = stepped(2)
    assert (int(after.pool_A.filled), int(after.pool_B.filled)) == (2, 2)
    for pool, name, side in ((after.pool_B, "AtoB", "A"), (after.pool_A, "BtoA", "B")):
        images, net = jnp.asarray(small_batch()[side], jnp.float32) / 127.5 - 1.0, getattr(before, name)
        fake, _ = network(3).apply(net.params, net.stats, images, train=True)
        np.testing.assert_allclose(pool.images[0], fake[0], atol=1e-5)
    _, full, _ = stepped(2, size=2)
    assert int(full.pool_A.filled) == 3


def test_critics_see_the_pool():
    """With full pools and a draw that exchanges, the critics' losses are those of the old images."""
    method, batch = small_method(pool_size=1), small_batch()
    _, state, _ = stepped(pool_size=1)
    update = jax.jit(method.update)
    draws = method.draw(jax.random.key(0), batch)
    swap, stay = (
        draws._replace(
            **{name: getattr(draws, name)._replace(chance=jnp.full(1, chance)) for name in ("pool_A", "pool_B")}
        )
        for chance in (0.9, 0.1)
    )
    swapped, with_old = update(state, batch, swap)
    stayed, with_new = update(state, batch, stay)
    assert with_old["loss/critic_A"] != with_new["loss/critic_A"]
    assert with_old["loss/critic_B"] != with_new["loss/critic_B"]
    np.testing.assert_array_equal(stayed.pool_A.images, state.pool_A.images)
    assert (swapped.pool_A.images != state.pool_A.images).any()
    # What the critics saw changes nothing for the generators.
    assert with_old["loss/generators"] == with_new["loss/generators"]


def test_a_step_is_a_function_of_key_and_step():
    method, batch = small_method(noise=0.5), small_batch()
    state = jax.jit(method.init)(jax.random.key(0), batch)
    step = jax.jit(lambda state: train_step(method, state, batch)[1]["loss/cycle_A"])
    assert step(state) == step(state)
    assert step(state) != step(state.replace(step=state.step + 1))
    assert step(state) != step(state.replace(key=jax.random.key(7)))


def test_draws_hold_no_pool_where_there_is_none():
    draws = small_method(pool_size=0).draw(jax.random.key(0), small_batch())
    assert isinstance(draws, Draws)
    assert (draws.pool_A, draws.pool_B) == (None, None)
    _, state, _ = stepped(pool_size=0)
    assert (state.pool_A, state.pool_B) == (None, None)


# Table 4 and 5 of the paper: which terms each ablation leaves.
ABLATIONS = {
    "GAN alone": ({"cycle_a_weight": 0.0, "cycle_b_weight": 0.0}, {"gan_A", "gan_B", "critic_A", "critic_B"}),
    "cycle alone": ({"adversarial": None, "identity_weight": 0.0}, {"cycle_A", "cycle_B"}),
    "GAN + forward cycle": (
        {"cycle_b_weight": 0.0, "identity_weight": 0.0},
        {"gan_A", "gan_B", "critic_A", "critic_B", "cycle_A"},
    ),
    "GAN + backward cycle": (
        {"cycle_a_weight": 0.0, "identity_weight": 0.0},
        {"gan_A", "gan_B", "critic_A", "critic_B", "cycle_B"},
    ),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_leave_out_what_they_say(name):
    options, terms = ABLATIONS[name]
    before, after, metrics = stepped(**options)
    assert {key.removeprefix("loss/") for key in metrics} == terms | {"generators"}
    assert all(moved(before, after, "AtoB"))
    assert all(moved(before, after, "BtoA"))
    assert any(moved(before, after, "critic_A")) == ("critic_A" in terms)
    if name == "cycle alone":
        assert int(after.pool_A.filled) == 0


def test_weights_are_the_objectives():
    _, _, metrics = stepped(cycle_a_weight=3.0, cycle_b_weight=5.0, identity_weight=2.0)
    got = {name.removeprefix("loss/"): float(value) for name, value in metrics.items()}
    expected = 3 * (got["cycle_A"] + 2 * got["identity_A"]) + 5 * (got["cycle_B"] + 2 * got["identity_B"])
    np.testing.assert_allclose(got["generators"], expected + got["gan_A"] + got["gan_B"], rtol=1e-6)


def test_halve_critic_halves_the_critics_gradients():
    moves = []
    for halve in (True, False):
        before, after, _ = stepped(halve_critic=halve)
        moves.append(jax.tree.map(np.subtract, after.critic_B.params, before.critic_B.params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 0.5 * b, rtol=1e-3, atol=1e-7), *moves)


def test_moving_averages_start_at_the_parameters_and_are_what_is_exported():
    before, after, _ = stepped(ema_decay=0.9)
    networks = small_method(ema_decay=0.9).networks
    assert set(networks(after)) == {"AtoB", "BtoA", "critic_A", "critic_B"}
    for name in ("AtoB", "BtoA"):
        nets = networks(before)[name], networks(after)[name]
        old, new = ({"params": net.params, "stats": net.stats} for net in nets)
        expected = jax.tree.map(lambda a, b: 0.9 * np.asarray(a) + 0.1 * np.asarray(b), old, new)
        exported = nets[1].variables
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), exported, expected)
    _, plain, _ = stepped()
    assert small_method().networks(plain)["BtoA"].variables["params"] is plain.BtoA.params


@pytest.mark.parametrize("game", [losses.non_saturating, losses.relativistic_average], ids=["vanilla", "relativistic"])
def test_any_adversarial_pair_is_a_drop_in(game):
    before, after, metrics = stepped(adversarial=game)
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(any(moved(before, after, name)) for name in NETWORKS)


def test_statistics_see_every_pass_of_a_step():
    """A generator's: its fake, its half of a cycle and its identity. A critic's: the generator's fake, real, fake."""
    _, after, _ = stepped()
    assert [int(getattr(after, name).stats["passes"]) for name in NETWORKS] == [3, 3, 3, 3]
    _, alone, _ = stepped(**ABLATIONS["GAN alone"][0])
    assert [int(getattr(alone, name).stats["passes"]) for name in NETWORKS] == [1, 1, 3, 3]


def test_a_gradient_penalty_and_clipping_change_both_critics():
    critic, tx = from_linen(PixelGAN(2, "instance")), optax.sgd(1e-2)

    def stepped(**options):
        players = {"generator_tx": tx, "critic_tx": tx, "adversarial": losses.wasserstein, "pool_size": 0} | options
        method = cyclegan(network(3), network(3), critic, critic, **players)
        state = jax.jit(method.init)(jax.random.key(0), small_batch(2))
        return jax.jit(functools.partial(train_step, method))(state, small_batch(2))

    (plain, losses_plain), (penalized, losses_penalized) = stepped(), stepped(penalty_weight=10.0)
    clipped_after, _ = stepped(critic_tx=clip_weights(tx, 0.01))
    for name in ("critic_A", "critic_B"):
        assert losses_penalized[f"loss/{name}"] > losses_plain[f"loss/{name}"]  # a penalty is positive
        assert moved(plain, penalized, name)[0]
        sizes = [
            max(float(np.abs(p).max()) for p in jax.tree.leaves(getattr(state, name).params))
            for state in (clipped_after, plain)
        ]
        assert sizes[0] <= 0.01 * (1 + 1e-6) < sizes[1]


def test_a_gradient_penalty_refuses_batch_norm():
    with pytest.raises(ValueError, match="the critic's batch norm mixes them"):
        jax.eval_shape(small_method(penalty_weight=10.0).init, jax.random.key(0), small_batch())
