import jax
import numpy as np
import optax

from gan_jax import losses
from gan_jax.methods.sinkhorn import sinkhorn
from gan_jax.networks import MLP, from_linen


def test_the_loss_is_the_divergence_of_the_batch_and_training_lowers_it():
    generator = from_linen(MLP(2, width=8, layers=1))
    method = sinkhorn(generator, generator_tx=optax.adam(1e-2), latent_size=2, epsilon=0.5, iterations=10)
    batch = {"image": np.random.default_rng(0).normal(2.0, 0.1, (16, 2)).astype(np.float32)}
    state = jax.jit(method.init)(jax.random.key(0), batch)
    draws, update = method.draw(jax.random.key(1), batch), jax.jit(method.update)
    result, _ = generator.apply(state.generator.params, {}, draws.latent, train=True)
    expected = losses.sinkhorn_divergence(result, batch["image"], epsilon=0.5, iterations=10)
    values = []
    for _ in range(50):
        state, metrics = update(state, batch, draws)
        values.append(float(metrics["loss/generator"]))
    np.testing.assert_allclose(values[0], expected, rtol=1e-4)
    assert values[-1] < 0.5 * values[0]
    assert int(state.step) == 50
    assert method.networks(state) == {"generator": state.generator}
