"""A generator without a critic: Genevay et al. 2018, "Learning Generative Models with Sinkhorn Divergences"."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax import image, latents, losses
from gan_jax.method import Batch, GeneratorState, Key, Method, Metrics, NetState
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "sinkhorn"]
__dir__ = __all__.copy


State = GeneratorState


class Draws(NamedTuple):
    """Everything random in one step."""

    latent: jax.Array  # [N, Z]


def sinkhorn(
    generator: Network,
    *,
    generator_tx: optax.GradientTransformation,
    latent_size: int = 100,
    latent: latents.Distribution = "normal",
    epsilon: float,
    iterations: int,
) -> Method:
    """The Sinkhorn divergence of a batch of samples and a batch of data, as an objective (algorithm 1).

    Batches hold "image", uint8 or floats in [-1, 1], [N, ...]; distances are between flattened samples, so it suits
    few dimensions. `epsilon` and `iterations` are those of `losses.sinkhorn`, in units of squared distance.
    """

    def init(key: Key, batch: Batch) -> State:
        key, generator_key = jax.random.split(key)
        z = jnp.zeros((jnp.shape(batch["image"])[0], latent_size))
        return State(key=key, generator=NetState.create(generator, generator_tx, generator_key, z))

    def draw(key: Key, batch: Batch) -> Draws:
        return Draws(latents.draw(key, (jnp.shape(batch["image"])[0], latent_size), latent))

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        real = image.to_float(batch["image"])

        def loss(params: Params) -> tuple[jax.Array, Stats]:
            fake, stats = generator.apply(params, state.generator.stats, draws.latent, train=True)
            flat = (images.reshape(images.shape[0], -1) for images in (fake, real))
            return losses.sinkhorn_divergence(*flat, epsilon=epsilon, iterations=iterations), stats

        (value, stats), grads = state.generator.gradient(loss)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats)
        return State(step=state.step + 1, key=state.key, generator=new_generator), {"loss/generator": value}

    return Method(init, draw, update)
