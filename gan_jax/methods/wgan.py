"""WGAN: Arjovsky et al. 2017, "Wasserstein GAN", and WGAN-GP: Gulrajani et al. 2017, "Improved Training of
Wasserstein GANs". They differ in what keeps the critic Lipschitz: clipped weights, or a gradient penalty.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax import image, latents, losses
from gan_jax.method import Batch, GANState, Key, Method, Metrics, NetState
from gan_jax.methods import penalties
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "wgan"]
__dir__ = __all__.copy


State = GANState  # its step counts the generator's updates


class Draws(NamedTuple):
    """Everything random in one step."""

    critic_latent: jax.Array  # [n_critic, N, Z]
    epsilon: jax.Array  # [n_critic, N]: where between real and fake the gradient is penalized
    latent: jax.Array  # [N, Z], the generator's own


def wgan(
    generator: Network,
    critic: Network,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    latent_size: int = 100,
    latent: latents.Distribution = "normal",
    n_critic: int = 5,
    penalty_weight: float = 0.0,
    conditional: bool = False,
    ema_decay: float | None = None,
) -> Method:
    """`n_critic` critic steps, each on images and latents of its own, then a generator step on fresh latents.

    WGAN (algorithm 1): `critic_tx` is `method.clip_weights(optax.rmsprop(5e-5, decay=0.99), 0.01)`. WGAN-GP
    (algorithm 1): `penalty_weight` is 10, and the critic must judge each sample alone; `init` raises ValueError for
    batch norm.

    Batches hold "image", uint8 [n_critic N, H, W, C] or floats in [-1, 1], and where it is `conditional` "label",
    integers [n_critic N]. The metric "wasserstein" is the critic's estimate of the distance up to its Lipschitz
    constant, E f(real) - E f(fake), the mean over the step's critic steps. `ema_decay` is the decay of an exponential
    moving average of the generator.
    """
    game = losses.wasserstein

    def shares(array: jax.Array) -> jax.Array:
        # Batch-major: [n_critic, N, ...] straight away would make every device gather the whole batch.
        if array.shape[0] % n_critic:
            raise ValueError(
                f"a batch holds {array.shape[0]} images; wanted a multiple of n_critic {n_critic}, as many for each "
                "critic step."
            )
        return array.reshape(-1, n_critic, *array.shape[1:]).swapaxes(0, 1)

    def unpack(batch: Batch) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Images [n_critic, N, H, W, C], and the labels [n_critic, N] where there are some."""
        labels = (shares(jnp.asarray(batch["label"])),) if conditional else ()
        return shares(image.to_float(batch["image"])), labels

    def init(key: Key, batch: Batch) -> State:
        real, labels = unpack(batch)
        key, generator_key, critic_key = jax.random.split(key, 3)
        first = tuple(label[0] for label in labels)
        z = jnp.zeros((real.shape[1], latent_size))
        critic_state = NetState.create(critic, critic_tx, critic_key, real[0], *first)
        if penalty_weight:
            penalties.require_no_batch_norm(critic_state)
        generator_state = NetState.create(generator, generator_tx, generator_key, z, *first, ema=ema_decay is not None)
        return State(key=key, generator=generator_state, critic=critic_state)

    def draw(key: Key, batch: Batch) -> Draws:
        samples = jnp.shape(batch["image"])[0] // n_critic
        critic_key, epsilon_key, key = jax.random.split(key, 3)
        return Draws(
            latents.draw(critic_key, (n_critic, samples, latent_size), latent),
            jax.random.uniform(epsilon_key, (n_critic, samples)),
            latents.draw(key, (samples, latent_size), latent),
        )

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        real, labels = unpack(batch)

        def generate(params: Params, z: jax.Array, labels: tuple[jax.Array, ...]) -> tuple[jax.Array, Stats]:
            return generator.apply(params, state.generator.stats, z, *labels, train=True)

        def critic_step(critic_state: NetState, given: tuple) -> tuple[NetState, Metrics]:
            real, labels, z, epsilon = given
            fake, _ = generate(state.generator.params, z, labels)

            def judge(params: Params, stats: Stats, images: jax.Array) -> tuple[jax.Array, Stats]:
                return critic.apply(params, stats, images, *labels, train=True)

            def loss(params: Params) -> tuple[jax.Array, tuple[Stats, Metrics]]:
                real_logits, stats = judge(params, critic_state.stats, real)
                fake_logits, stats = judge(params, stats, fake)
                distance = game.critic(real_logits, fake_logits)
                terms = {"wasserstein": (-1.0, -distance)}
                if penalty_weight:
                    penalty = penalties.penalty(partial(judge, params, stats), real, fake, epsilon, weight=1.0)
                    terms["loss/penalty"] = (penalty_weight, penalty)
                total, metrics = losses.weighted_sum(terms)
                return total, (stats, {"loss/critic": total, **metrics})

            (_, (stats, metrics)), grads = critic_state.gradient(loss)
            return critic_state.apply_gradients(critic_tx, grads, stats), metrics

        given = (real, labels, draws.critic_latent, draws.epsilon)
        # Unrolled: in a loop XLA computes convolutions on a CPU several times as slowly (benchmarks/wgan_step.py).
        new_critic, metrics = jax.lax.scan(critic_step, state.critic, given, unroll=True)

        def generator_loss(params: Params) -> tuple[jax.Array, Stats]:
            last = tuple(label[-1] for label in labels)
            fake, stats = generate(params, draws.latent, last)
            fake_logits, _ = critic.apply(new_critic.params, new_critic.stats, fake, *last, train=True)
            return game.generator(fake_logits, fake_logits), stats

        (loss, stats), grads = state.generator.gradient(generator_loss)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats, ema_decay=ema_decay)
        new_state = State(step=state.step + 1, key=state.key, generator=new_generator, critic=new_critic)
        return new_state, {**{name: values.mean() for name, values in metrics.items()}, "loss/generator": loss}

    return Method(init, draw, update)
