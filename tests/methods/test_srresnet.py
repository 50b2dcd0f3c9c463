import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import image, losses, metrics
from gan_jax.degrade import Degradation
from gan_jax.method import train_step
from gan_jax.methods import pairs
from gan_jax.methods.pairs import ranged
from gan_jax.methods.srresnet import Draws, psnr, srresnet
from gan_jax.networks import Network, SRResNet, from_linen

DEGRADE = Degradation(scale=2)


def target(size=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, 16, 16, 3), dtype=np.uint8)


def times_w(params, stats, x, *, train, key=None):
    return params["w"] * image.imresize(x, scale=2, method="nearest"), stats


# Each pixel fourfold, times w.
ENLARGE = Network(lambda key, x: ({"w": jnp.float32(2.0)}, {}), times_w)


def test_a_step_by_hand():
    """Squared error in [-1, 1] of a source in [0, 1], total variation, and the gradient that both give."""
    method = srresnet(ENLARGE, generator_tx=optax.sgd(0.1), degrade=DEGRADE, tv_weight=0.5)
    batch = {"target": target()}
    state, values = jax.jit(lambda key: train_step(method, method.init(key, batch), batch))(jax.random.key(0))
    x = np.repeat(np.repeat(np.float64(DEGRADE(target(), jax.random.key(0))) / 255, 2, axis=1), 2, axis=2)
    expected = target() / 127.5 - 1
    tv = np.abs(np.diff(x, axis=1)).mean() + np.abs(np.diff(x, axis=2)).mean()
    np.testing.assert_allclose(values["loss/pixel"], np.square(2 * x - expected).mean(), rtol=1e-5)
    np.testing.assert_allclose(values["loss/generator"], values["loss/pixel"] + 0.5 * 2 * tv, rtol=1e-5)
    slope = (2 * (2 * x - expected) * x).mean() + 0.5 * tv
    np.testing.assert_allclose(state.generator.params["w"], 2 - 0.1 * slope, rtol=1e-5)
    assert int(state.step) == 1


def test_every_parameter_moves_and_training_gains():
    generator = from_linen(SRResNet(scale=2, blocks=1, width=4))
    method = srresnet(generator, generator_tx=optax.adam(1e-2), degrade=DEGRADE, ema_decay=0.9, loss=losses.l1)
    batch = {"target": image.to_uint8(jnp.linspace(-1, 1, 16)[:, None, None] * jnp.ones((2, 16, 16, 3)))}
    before = jax.jit(method.init)(jax.random.key(0), batch)
    step = jax.jit(lambda state: train_step(method, state, batch))
    after, first = step(before)
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), before.generator.params, after.generator.params)
    assert all(jax.tree.leaves(moved)), moved
    old, new = ({"params": net.params, "stats": net.stats} for net in (before.generator, after.generator))
    averaged = jax.tree.map(lambda a, b: 0.9 * np.asarray(a) + 0.1 * np.asarray(b), old, new)
    exported = method.networks(after)["generator"].variables
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), exported, averaged)
    state = after
    for _ in range(30):
        state, last = step(state)
    assert last["psnr"] > first["psnr"] + 3
    assert last["loss/pixel"] < first["loss/pixel"]


def test_a_step_with_a_source_made_inside_equals_one_with_it_given():
    degrade = Degradation(scale=2, noise=(0.0, 9.0))
    method = srresnet(ENLARGE, generator_tx=optax.sgd(0.1), degrade=degrade)
    batch = {"target": target()}
    state = jax.jit(method.init)(jax.random.key(0), batch)
    draws = [Draws(pairs.Draws(jax.random.key(seed))) for seed in (1, 2)]
    update = jax.jit(method.update)
    result, other = (update(state, batch, draw)[0].generator.params["w"] for draw in draws)
    given = {**batch, "source": jax.jit(degrade)(target(), draws[0].pairs.degradation)}
    # Float32 sums of 1536 terms, and perhaps a source's value that another program rounds to the next level.
    np.testing.assert_allclose(update(state, given, draws[1])[0].generator.params["w"], result, rtol=1e-5)
    assert abs(other - result) > 1e-4


def test_draws_come_from_the_key():
    method = srresnet(ENLARGE, generator_tx=optax.sgd(0.1), degrade=DEGRADE)
    draws = method.draw(jax.random.key(4), {"target": target()})
    assert draws == Draws(pairs.Draws(draws.pairs.degradation))
    assert (jax.random.key_data(draws.pairs.degradation) == jax.random.key_data(jax.random.key(4))).all()


def test_a_queue_gives_a_step_pairs_of_earlier_batches():
    """Two batches fill it; the third is trained with pairs of those two."""
    method = srresnet(ENLARGE, generator_tx=optax.sgd(0.1), degrade=DEGRADE, queue_size=4, output_range=(0.0, 1.0))
    plain = srresnet(ENLARGE, generator_tx=optax.sgd(0.1), output_range=(0.0, 1.0))
    batches = [{"target": target(seed=seed)} for seed in range(3)]
    step = jax.jit(lambda state, batch: train_step(method, state, batch))
    state = jax.jit(method.init)(jax.random.key(0), batches[0])
    for batch in batches[:2]:
        state, _ = step(state, batch)
    held = state.queue.images
    np.testing.assert_array_equal(held["target"], np.concatenate([batch["target"] for batch in batches[:2]]))
    after, values = step(state, batches[2])
    slots = method.draw(jax.random.fold_in(state.key, state.step), batches[2]).pairs.slot
    expected, wanted = plain.update(
        state.replace(queue=None), {name: images[slots] for name, images in held.items()}, Draws(pairs.Draws(state.key))
    )
    np.testing.assert_allclose(values["loss/pixel"], wanted["loss/pixel"], rtol=1e-6)
    np.testing.assert_allclose(after.generator.params["w"], expected.generator.params["w"], rtol=1e-6)
    np.testing.assert_array_equal(after.queue.images["target"][slots], batches[2]["target"])


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_psnr_is_that_of_the_metrics_and_finite(value_range):
    a, b = target(seed=1), target(seed=2)
    expected = metrics.psnr(a, b).mean()
    np.testing.assert_allclose(psnr(ranged(a, value_range), ranged(b, value_range), value_range), expected, rtol=1e-5)
    # A logarithm of float32.
    np.testing.assert_allclose(psnr(ranged(a, value_range), ranged(a, value_range), value_range), 100, rtol=1e-6)
