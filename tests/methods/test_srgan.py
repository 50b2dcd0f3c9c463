"""SRGAN's, ESRGAN's and Real-ESRGAN's training against BasicSR's recorded steps, and their properties."""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.degrade import Degradation
from gan_jax.interop import convert
from gan_jax.method import clip_weights, train_step
from gan_jax.methods import pairs
from gan_jax.methods.srgan import Draws, srgan
from gan_jax.networks import (
    VGG,
    MSRResNet,
    PixelGAN,
    RRDBNet,
    SRGANCritic,
    SRResNet,
    UNetCritic,
    VGGStyleCritic,
    convolution,
    from_linen,
    with_weights,
)

GOLDEN = Path(__file__).parents[1] / "golden"

RUNS = {
    "srgan_basicsr": (MSRResNet(4, 2, 6), VGGStyleCritic(128, 2)),
    "srgan_paper": (SRResNet(blocks=2, width=8), SRGANCritic(48, 4, 16)),
    "esrgan_paper": (SRResNet(blocks=2, width=8), SRGANCritic(48, 4, 16)),
    "realesrgan": (RRDBNet(blocks=2, width=8, growth=4), UNetCritic(4)),
}
OPTIONS = {
    "esrgan_paper": {"adversarial": losses.relativistic_average_basicsr},
    "realesrgan": {"pixel_loss": losses.l1, "adversarial_weight": 0.1, "ema_decay": 0.999},
}
BETA2 = {"realesrgan": 0.99}


@pytest.fixture(
    scope="module",
    params=[
        ("srgan_basicsr", np.float32),
        ("realesrgan", np.float32),
        pytest.param(("esrgan_paper", np.float32), marks=pytest.mark.slow),
        *(pytest.param((name, np.float64), marks=pytest.mark.slow) for name in RUNS),
    ],
    ids=lambda param: f"{param[0]}-{param[1].__name__}",
)
def run(request):
    """What the reference expects, and what its steps through `update` from its weights give."""
    return replayed(*request.param)


class Run(NamedTuple):
    """Arrays by the reference's names."""

    name: str
    expected: dict[str, Any]
    io: dict[str, np.ndarray]
    slack: float  # how often the reference's own gap between float32 and float64
    steps: dict[str, np.ndarray]  # our metrics
    final: dict[str, np.ndarray]  # our parameters and outputs


def replayed(name, dtype):
    folder = GOLDEN / "training" / name
    init_g, init_d, io = (dict(np.load(folder / f"{file}.npz")) for file in ("init_G", "init_D", "io"))
    networks = [convert.from_torch(weights) for weights in (init_g, init_d)]
    assert tuple(module for module, _ in networks) == RUNS[name]
    generator, critic = (
        with_weights(from_linen(module), **jax.tree.map(dtype, variables)) for module, variables in networks
    )
    tx = optax.adam(1e-4, b1=0.9, b2=BETA2.get(name, 0.999), eps=1e-8)
    # Pixels' distance stands where VGG's term would.
    options = {"pixel_weight": 1.0, "output_range": (0.0, 1.0), **OPTIONS.get(name, {})}
    method = srgan(generator, critic, generator_tx=tx, critic_tx=tx, **options)
    io |= {side: io[f"{side}_two_batches"][[0, 1, 0, 1, 0]] for side in ("gt", "lq") if side not in io}
    targets, sources = (dtype(io[side]).transpose(0, 1, 3, 4, 2) for side in ("gt", "lq"))
    precision = partial(jax.enable_x64, dtype is np.float64)
    with precision():
        state = jax.jit(method.init)(jax.random.key(0), {"target": targets[0], "source": sources[0]})
        update, steps = jax.jit(method.update), []
        for target, source in zip(targets, sources, strict=True):
            state, metrics = update(state, {"target": target, "source": source}, Draws(pairs.Draws(jax.random.key(0))))
            steps.append(metrics)
    nets = jax.device_get((state.generator, state.critic))

    final = {}
    for net, (module, _), ours in zip("GD", networks, nets, strict=True):
        arrays = convert.to_torch(module, {"params": ours.params, "stats": ours.stats})
        final |= {f"final_{net}:{key}": array for key, array in arrays.items()}

    @jax.jit
    def outputs(generator_params, critic_params):
        result, _ = generator.apply(generator_params, nets[0].stats, sources[0], train=False)
        judged, _ = critic.apply(critic_params, nets[1].stats, targets[0], train=False)
        return result.transpose(0, 3, 1, 2), judged.transpose(0, 3, 1, 2) if judged.ndim == 4 else judged

    with precision():
        result, judged = jax.device_get(outputs(nets[0].params, nets[1].params))
        if nets[0].ema is not None:
            averaged, _ = jax.device_get(outputs(nets[0].ema["params"], nets[1].params))
            final["final_G_ema_eval_on_lq0"] = averaged
            arrays = convert.to_torch(networks[0][0], nets[0].ema)
            for key, array in arrays.items():
                final |= {f"final_G_ema:{key}": array, f"final_G_ema_minus_init_f64:{key}": array - init_g[key]}
    final["final_G_eval_on_lq0"] = result[: len(io["final_G_eval_on_lq0"])]
    final["final_D_eval_on_gt0"] = judged
    expected = json.loads((folder / "expected.json").read_text())
    steps = {key: np.array([metrics[key] for metrics in steps]) for key in steps[0]}
    assert steps["loss/gan"].dtype == dtype
    return Run(name, expected, io, 1.01 if dtype is np.float64 else 10.0, steps, final)


def test_losses_follow_the_reference(run):
    expected, got = {name: np.array(values) for name, values in run.expected["losses_f64"].items()}, run.steps
    # To float64 runs of the reference itself, not to its float32 digits.
    tolerance = 1e-12 if got["psnr"].dtype == np.float64 else run.slack * run.expected["max_loss_gap_f32_f64"]
    for ours, theirs in (
        (got["loss/pixel"], expected["l_g_pix"]),
        (OPTIONS.get(run.name, {}).get("adversarial_weight", 1e-3) * got["loss/gan"], expected["l_g_gan"]),
        (got["loss/generator"], expected["l_g_pix"] + expected["l_g_gan"]),
        (got["loss/critic"], expected["l_d_real"] + expected["l_d_fake"]),
        (got["logits/real"], expected["out_d_real"]),
        (got["logits/fake"], expected["out_d_fake"]),
    ):
        # As the reference defines its gaps: relative, and to 0.01 where a loss is smaller.
        np.testing.assert_array_less(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 0.01), tolerance)


def test_networks_after_the_steps_equal_the_references(run):
    gaps = run.expected["max_abs_gap_f32_f64"]
    for name, key in (
        ("final_G", "final_G_eval_on_lq0"),
        ("final_G_ema", "final_G_ema_eval_on_lq0"),
        ("final_D", "final_D_eval_on_gt0"),
    ):
        if key in run.io:
            np.testing.assert_allclose(run.final[key], run.io[key], atol=run.slack * gaps[name], rtol=0)


def test_small_parameters_and_running_statistics_after_the_steps(run):
    gaps = run.expected["max_abs_gap_f32_f64"]
    gap = run.slack * max(value for key, value in gaps.items() if key.startswith(("params", "spectral")))
    # Biases in front of a norm have no gradient but rounding, which Adam turns into steps; ours has none of them.
    null, compared = run.expected.get("null_gradient_parameters", {"G": ()})["G"], 0
    for key, expected in run.io.items():
        net, _, parameter = key.partition(":")
        behind_null = net == "final_G" and null and "running_mean" in parameter
        if parameter and parameter not in null and not behind_null:
            np.testing.assert_allclose(run.final[key], expected, atol=gap, rtol=0, err_msg=key)
            compared += 1
    assert compared >= 40


def compiled_convolutions(game):
    """How many convolutions and matrix products a step of a small network and a critic with batch norm has."""
    tx = optax.sgd(1e-2)
    nets = from_linen(MSRResNet(2, 1, 2)), from_linen(VGGStyleCritic(16, 2))
    method = srgan(*nets, generator_tx=tx, critic_tx=tx, degrade=DEGRADE, adversarial=game)
    batch = small_batch()
    state = jax.eval_shape(method.init, jax.random.key(0), batch)
    program = jax.jit(lambda state: train_step(method, state, batch)).lower(state).compile().as_text() or ""
    return program.count(" convolution("), program.count(" dot(")


@pytest.mark.parametrize("game", [losses.non_saturating, losses.relativistic_average_basicsr], ids=["srgan", "esrgan"])
def test_judging_as_often_as_basicsr_does_costs_no_convolution(game):
    """One pass of the generator and its backward pass, and one of the critic for each of the two kinds of images."""
    generator, critic = 6, 4  # layers: head, two in the block, up, full, tail; two pairs
    generator_passes = generator + (2 * generator - 1)  # forward; the gradients of kernels and, but the first's, inputs
    critic_passes = 2 * (critic + 2 * critic - 1)
    through_the_critic = critic  # the gradient of the fake alone
    expected = generator_passes + critic_passes + through_the_critic
    with convolution.plain():
        convolutions, others = compiled_convolutions(game)
    assert convolutions == expected
    # On a CPU, some convolutions are matrix products, as the dense layers and the degradation are in either form.
    assert sum(compiled_convolutions(game)) == expected + others


DEGRADE = Degradation(scale=2)
SMALL = MSRResNet(2, 1, 2)


def small_method(**options):
    tx = optax.sgd(1e-2)
    nets = from_linen(SMALL), from_linen(PixelGAN(2))
    return srgan(*nets, **{"generator_tx": tx, "critic_tx": tx, "degrade": DEGRADE, **options})


def small_batch():
    return {"target": np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)}


@pytest.fixture(scope="module")
def vgg():
    """A narrow VGG19 up to relu2_2 for images in [-1, 1], with the golden weights: the network and its variables."""
    weights = dict(np.load(GOLDEN / "losses" / "vgg_width32.npz"))
    weights = {key: array for key, array in weights.items() if int(key.split(".")[1]) < 9}
    fields = {"depth": 19, "layers": ("relu2_2",), "range_norm": True}
    module, variables = convert.from_torch(weights, fields)
    assert module == VGG(19, ("relu2_2",), width=2)
    return with_weights(from_linen(module), **variables), variables


def initial(method):
    return jax.jit(method.init)(jax.random.key(0), small_batch())


@pytest.fixture(scope="module")
def stepped(vgg):
    """A method with every term, its state before and after a step, and the metrics."""
    method = small_method(
        content=vgg[0], content_weight=3.0, pixel_weight=0.5, tv_weight=0.25, adversarial_weight=2.0, ema_decay=0.9
    )
    before = initial(method)
    after, metrics = jax.jit(lambda state: train_step(method, state, small_batch()))(before)
    return method, before, after, metrics


def test_every_parameter_of_both_networks_moves_and_the_content_network_stays(stepped, vgg):
    _, before, after, _ = stepped
    for net in ("generator", "critic"):
        old, new = getattr(before, net).params, getattr(after, net).params
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), old, new)
        assert all(jax.tree.leaves(moved)), moved
    jax.tree.map(np.testing.assert_array_equal, after.frozen, vgg[1])
    assert int(after.step) == 1


def test_the_objective_is_the_weighted_sum_of_its_terms(stepped):
    _, _, _, metrics = stepped
    weights = {"loss/content": 3.0, "loss/pixel": 0.5, "loss/tv": 0.25, "loss/gan": 2.0}
    total = sum(weight * metrics[name] for name, weight in weights.items())
    np.testing.assert_allclose(metrics["loss/generator"], total, rtol=1e-6)
    others = {"loss/generator", "loss/critic", "logits/real", "logits/fake", "psnr"}
    assert metrics.keys() == weights.keys() | others


def test_moving_average_starts_at_the_parameters_and_is_what_is_exported(stepped):
    method, before, after, _ = stepped
    old, new = ({"params": net.params, "stats": net.stats} for net in (before.generator, after.generator))
    expected = jax.tree.map(lambda a, b: 0.9 * np.asarray(a) + 0.1 * np.asarray(b), old, new)
    exported = method.networks(after)["generator"].variables
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), exported, expected)


@pytest.mark.parametrize(("output_range", "distance", "scale"), [((-1.0, 1.0), "l2", 1 / 12.75), ((0.0, 1.0), "l1", 1)])
def test_content_alone_reaches_every_parameter_of_the_generator_and_sees_the_right_range(
    vgg, output_range, distance, scale
):
    """SRResNet-VGG22. By hand: features of images in [-1, 1], whatever the range that the generator works in."""
    content, variables = vgg
    method = small_method(
        content=content,
        content_distance=distance,
        content_scale=scale,
        output_range=output_range,
        adversarial=None,
    )
    before = initial(method)
    after, metrics = jax.jit(lambda state: train_step(method, state, small_batch()))(before)
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), before.generator.params, after.generator.params)
    assert all(jax.tree.leaves(moved)), moved
    jax.tree.map(np.testing.assert_array_equal, after.critic.params, before.critic.params)
    assert metrics.keys() == {"loss/generator", "loss/content", "psnr"}

    def features(images):
        return scale * content.apply(variables["params"], {}, images, train=False)[0]["relu2_2"]

    @jax.jit
    def wanted(source, target):
        result, _ = from_linen(SMALL).apply(before.generator.params, {}, source, train=True)
        low, high = output_range
        difference = features((result - low) / (high - low) * 2 - 1) - features(target / 127.5 - 1)
        return jnp.square(difference).mean() if distance == "l2" else jnp.abs(difference).mean()

    target = small_batch()["target"]
    source = np.float32(jax.jit(DEGRADE)(target, jax.random.key(0))) / 255
    np.testing.assert_allclose(metrics["loss/content"], wanted(source, target), rtol=1e-4)


def wasserstein_step(**options):
    """The critic before and after a step of the Wasserstein game, and its loss."""
    tx = optax.sgd(1e-2)
    nets = from_linen(SMALL), from_linen(PixelGAN(2, "instance"))
    options = {"generator_tx": tx, "critic_tx": tx, "degrade": DEGRADE, "adversarial": losses.wasserstein} | options
    method = srgan(*nets, **options)
    before = initial(method)
    after, metrics = jax.jit(lambda state: train_step(method, state, small_batch()))(before)
    return before.critic.params, after.critic.params, metrics["loss/critic"]


def test_a_gradient_penalty_and_clipping_change_the_critic():
    _, plain, loss = wasserstein_step()
    _, penalized, penalized_loss = wasserstein_step(penalty_weight=10.0)
    assert penalized_loss > loss  # a penalty is positive
    assert (penalized["conv0"]["kernel"] != plain["conv0"]["kernel"]).any()
    _, limited, _ = wasserstein_step(critic_tx=clip_weights(optax.sgd(1e-2), 0.01))
    largest = [max(float(np.abs(p).max()) for p in jax.tree.leaves(params)) for params in (limited, plain)]
    assert largest[0] <= 0.01 * (1 + 1e-6) < largest[1]
    with pytest.raises(ValueError, match="the critic's batch norm mixes them"):
        jax.eval_shape(small_method(penalty_weight=10.0).init, jax.random.key(0), small_batch())


def test_the_penalty_draws_numbers_of_its_own():
    batch = small_batch()
    draws = small_method(adversarial=losses.wasserstein, penalty_weight=1.0).draw(jax.random.key(0), batch)
    level_key = jax.random.split(draws.pairs.degradation, 3)[0]  # of the noise, as degrade has it
    assert (draws.epsilon != jax.random.uniform(level_key, draws.epsilon.shape)).all()
