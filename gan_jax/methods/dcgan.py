"""DCGAN: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks"; with classes, conditioned as in Mirza & Osindero 2014, "Conditional Generative Adversarial Nets".
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax import image, latents, losses
from gan_jax.method import Batch, GANState, Key, Method, Metrics, NetState
from gan_jax.methods import penalties
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "dcgan"]
__dir__ = __all__.copy


State = GANState


class Draws(NamedTuple):
    """Everything random in one step."""

    latent: jax.Array  # [N, Z]


def dcgan(
    generator: Network,
    critic: Network,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    latent_size: int = 100,
    latent: latents.Distribution = "normal",
    adversarial: losses.AdversarialLoss = losses.non_saturating,
    conditional: bool = False,
    r1_weight: float = 0.0,
    ema_decay: float | None = None,
) -> Method:
    """A critic step on real and fake images, then a generator step on the same latents, as in the PyTorch example.

    Batches hold "image", uint8 [N, H, W, C] or floats in [-1, 1], and where it is `conditional` "label", integers
    [N]: both networks then take the labels beside the latents and the images. The paper draws uniform latents, the
    example normal ones. `r1_weight` is gamma of R1's penalty on the critic; `init` then raises ValueError for a critic
    with batch norm. `ema_decay` is the decay of an exponential moving average of the generator.
    """

    def conditions(batch: Batch) -> tuple[jax.Array, ...]:
        return (jnp.asarray(batch["label"]),) if conditional else ()

    def init(key: Key, batch: Batch) -> State:
        real, labels = image.to_float(batch["image"]), conditions(batch)
        key, generator_key, critic_key = jax.random.split(key, 3)
        z = jnp.zeros((real.shape[0], latent_size))
        critic_state = NetState.create(critic, critic_tx, critic_key, real, *labels)
        if r1_weight:
            penalties.require_no_batch_norm(critic_state)
        generator_state = NetState.create(generator, generator_tx, generator_key, z, *labels, ema=ema_decay is not None)
        return State(key=key, generator=generator_state, critic=critic_state)

    def draw(key: Key, batch: Batch) -> Draws:
        return Draws(latents.draw(key, (jnp.shape(batch["image"])[0], latent_size), latent))

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        real, labels = image.to_float(batch["image"]), conditions(batch)

        def generate(params: Params) -> tuple[jax.Array, Stats]:
            return generator.apply(params, state.generator.stats, draws.latent, *labels, train=True)

        def judge(params: Params, stats: Stats, images: jax.Array) -> tuple[jax.Array, Stats]:
            return critic.apply(params, stats, images, *labels, train=True)

        def critic_loss(params: Params) -> tuple[jax.Array, Stats]:
            fake, _ = generate(state.generator.params)
            real_logits, stats = judge(params, state.critic.stats, real)
            fake_logits, stats = judge(params, stats, fake)
            penalty = penalties.penalty(partial(judge, params, stats), real, fake, r1_weight=r1_weight)
            return adversarial.critic(real_logits, fake_logits) + penalty, stats

        def generator_loss(params: Params, judged_by: NetState) -> tuple[jax.Array, tuple[Stats, Stats]]:
            fake, stats = generate(params)
            fake_logits, critic_stats = judge(judged_by.params, judged_by.stats, fake)
            real_logits, _ = judge(judged_by.params, judged_by.stats, real)
            return adversarial.generator(real_logits, fake_logits), (stats, critic_stats)

        (loss_of_critic, critic_stats), grads = state.critic.gradient(critic_loss)
        new_critic = state.critic.apply_gradients(critic_tx, grads, critic_stats)

        (loss, (stats, critic_stats)), grads = state.generator.gradient(generator_loss, new_critic)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats, ema_decay=ema_decay)
        # The generator's pass through the critic moves its running statistics too, as in the example.
        new_critic = dataclasses.replace(new_critic, stats=critic_stats)
        new_state = State(step=state.step + 1, key=state.key, generator=new_generator, critic=new_critic)
        return new_state, {"loss/critic": loss_of_critic, "loss/generator": loss}

    return Method(init, draw, update)
