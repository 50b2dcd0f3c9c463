"""DCGAN, with and without classes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.method import train_step
from gan_jax.methods.dcgan import Draws, dcgan
from gan_jax.networks import DCGANCritic, DCGANGenerator, from_linen


def small(classes=0, **options):
    return dcgan(
        from_linen(DCGANGenerator(size=8, width=4, classes=classes)),
        from_linen(DCGANCritic(size=8, width=4, classes=classes)),
        **{"generator_tx": optax.sgd(0.1), "critic_tx": optax.sgd(0.1), "latent_size": 6} | options,
    )


def batch_of(size=8, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (size, 8, 8, 3), dtype=np.uint8)
    return {"image": images, "label": rng.integers(0, 3, size).astype(np.int32)}


@pytest.fixture(scope="module")
def conditional():
    method = small(classes=3, conditional=True, ema_decay=0.9)
    return method, jax.jit(method.init)(jax.random.key(0), batch_of()), jax.jit(method.update)


def test_every_parameter_of_both_networks_moves(conditional):
    method, before, update = conditional
    after, metrics = update(before, batch_of(), method.draw(jax.random.key(1), batch_of()))
    for net in ("generator", "critic"):
        old, new = (getattr(state, net).params for state in (before, after))
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), old, new)
        assert all(jax.tree.leaves(moved)), moved
    assert int(after.step) == 1
    assert set(metrics) == {"loss/critic", "loss/generator"}


def test_the_step_is_that_of_the_pytorch_example(conditional):
    """Written out: the critic on real images, then on fakes, one step down both; then the generator on the same z."""
    method, before, update = conditional
    batch = batch_of()
    draws = method.draw(jax.random.key(1), batch)
    after, metrics = update(before, batch, draws)
    generator = from_linen(DCGANGenerator(size=8, width=4, classes=3))
    critic = from_linen(DCGANCritic(size=8, width=4, classes=3))
    real, labels = jnp.asarray(batch["image"]) / 127.5 - 1.0, batch["label"]

    def bce(logits, target):
        return -jnp.mean(target * jnp.log(jax.nn.sigmoid(logits)) + (1 - target) * jnp.log(jax.nn.sigmoid(-logits)))

    generate, judge = (jax.jit(network.apply, static_argnames="train") for network in (generator, critic))
    fake, _ = generate(before.generator.params, before.generator.stats, draws.latent, labels, train=True)

    def critic_loss(params):
        on_real, stats = critic.apply(params, before.critic.stats, real, labels, train=True)
        on_fake, stats = critic.apply(params, stats, fake, labels, train=True)
        return bce(on_real, 1.0) + bce(on_fake, 0.0), stats

    (loss, stats), grads = jax.jit(jax.value_and_grad(critic_loss, has_aux=True))(before.critic.params)
    np.testing.assert_allclose(metrics["loss/critic"], loss, rtol=1e-5)
    params = jax.tree.map(lambda p, g: np.asarray(p) - 0.1 * np.asarray(g), before.critic.params, grads)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), after.critic.params, params)
    logits, stats = judge(params, stats, fake, labels, train=True)
    np.testing.assert_allclose(metrics["loss/generator"], bce(logits, 1.0), rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), after.critic.stats, stats)


def test_the_moving_average_takes_the_running_statistics_along(conditional):
    method, before, update = conditional
    after, _ = update(before, batch_of(), method.draw(jax.random.key(1), batch_of()))
    old, new = ({"params": net.params, "stats": net.stats} for net in (before.generator, after.generator))
    expected = jax.tree.map(lambda a, b: 0.9 * np.asarray(a) + 0.1 * np.asarray(b), old, new)
    exported = method.networks(after)["generator"].variables
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), exported, expected)


def test_both_networks_see_the_labels(conditional):
    method, state, update = conditional
    batch, draws = batch_of(), method.draw(jax.random.key(1), batch_of())
    other = {**batch, "label": (batch["label"] + 1) % 3}
    first, second = (update(state, given, draws)[1] for given in (batch, other))
    assert all(first[name] != second[name] for name in first)


def test_latents_are_drawn_by_key_from_the_wanted_distribution():
    batch = {"image": np.zeros((512, 8, 8, 3), np.uint8)}
    for distribution, deviation, largest in (("normal", 1.0, 6.0), ("uniform", 3**-0.5, 1.0)):
        method = small(latent=distribution)
        draws = method.draw(jax.random.key(0), batch)
        assert isinstance(draws, Draws)
        assert draws.latent.shape == (512, 6)
        assert abs(float(draws.latent.std()) - deviation) < 0.05
        assert float(jnp.abs(draws.latent).max()) <= largest
        assert (method.draw(jax.random.key(1), batch).latent != draws.latent).any()


@pytest.mark.parametrize("game", [losses.hinge, losses.relativistic_average], ids=["hinge", "relativistic"])
def test_any_adversarial_pair_is_a_drop_in(game):
    method, batch = small(adversarial=game), batch_of()
    before = jax.jit(method.init)(jax.random.key(0), batch)
    after, metrics = jax.jit(lambda state: train_step(method, state, batch))(before)
    assert all(np.isfinite(value) for value in metrics.values())
    for net in ("generator", "critic"):
        old, new = (jax.tree.leaves(getattr(state, net).params) for state in (before, after))
        assert any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))


def test_r1_adds_half_of_its_weight_times_the_squared_gradient_at_images():
    critic, batch, values = from_linen(DCGANCritic(size=8, width=4, norm="none")), batch_of(), []
    for weight in (0.0, 6.0):
        method = dcgan(
            from_linen(DCGANGenerator(size=8, width=4)),
            critic,
            generator_tx=optax.sgd(0.1),
            critic_tx=optax.sgd(0.1),
            r1_weight=weight,
        )
        state = jax.jit(method.init)(jax.random.key(0), batch)
        _, metrics = jax.jit(lambda state, method=method: train_step(method, state, batch))(state)
        values.append(metrics["loss/critic"])
    params, stats = state.critic.params, state.critic.stats

    @jax.jit
    def penalty(images):
        return losses.r1_penalty(lambda images: critic.apply(params, stats, images, train=True)[0], images)

    expected = 3.0 * penalty(np.float32(batch["image"]) / 127.5 - 1.0)
    np.testing.assert_allclose(values[1] - values[0], expected, rtol=1e-4)
    nets = from_linen(DCGANGenerator(size=16, width=2)), from_linen(DCGANCritic(size=16, width=2))
    method = dcgan(*nets, generator_tx=optax.sgd(0.1), critic_tx=optax.sgd(0.1), r1_weight=6.0)
    with pytest.raises(ValueError, match="the critic's batch norm mixes them"):
        jax.eval_shape(method.init, jax.random.key(0), {"image": np.zeros((2, 16, 16, 3), np.uint8)})
