"""pix2pix: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks"."""

import dataclasses
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax import image, losses
from gan_jax.method import Batch, GANState, Key, Method, Metrics, NetState
from gan_jax.methods import penalties
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "pix2pix"]
__dir__ = __all__.copy


State = GANState


class Draws(NamedTuple):
    """Everything random in one step."""

    dropout: Key  # the paper's noise z
    epsilon: jax.Array | None = None  # [N], where between target and fake the critic's gradient is penalized


def pix2pix(
    generator: Network,
    critic: Network,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    adversarial: losses.AdversarialLoss | None = losses.non_saturating,
    l1_weight: float = 100.0,
    l2_weight: float = 0.0,
    conditional: bool = True,
    halve_critic: bool = True,
    penalty_weight: float = 0.0,
    r1_weight: float = 0.0,
    ema_decay: float | None = None,
    colors: Literal["lab"] | None = None,
) -> Method:
    """The conditional GAN with L1 (eq. 4): a critic step, then a generator step, on the same fake.

    Batches hold "source" and "target", uint8 [N, H, W, C] or floats in [-1, 1]. `adversarial` None trains on the
    distances alone; the critic then stays as it was. A critic that is not `conditional` sees the image without its
    source (eq. 2). `halve_critic` halves the critic's loss, which slows it relative to the generator (section 3.3).
    `penalty_weight` is that of WGAN-GP's gradient penalty on the image, given its source, and `r1_weight` gamma of R1's
    on targets; with either `init` raises ValueError for a critic with batch norm. `ema_decay` is the decay of an
    exponential moving average of the generator. With `colors` "lab" sources are their lightness, of which the generator
    makes the targets' a and b of CIE L*a*b* (`image.lightness`, `image.opponents`): the paper's colorization.
    """

    def as_floats(batch: Batch) -> tuple[jax.Array, jax.Array]:
        source, target = image.to_float(batch["source"]), image.to_float(batch["target"])
        return (source, target) if colors is None else (image.lightness(source), image.opponents(target))

    def seen(source: jax.Array, images: jax.Array) -> jax.Array:
        return jnp.concatenate([source, images], axis=-1) if conditional else images

    def init(key: Key, batch: Batch) -> State:
        source, target = as_floats(batch)
        key, generator_key, critic_key = jax.random.split(key, 3)
        critic_state = NetState.create(critic, critic_tx, critic_key, seen(source, target))
        if penalty_weight or r1_weight:
            penalties.require_no_batch_norm(critic_state)
        generator_state = NetState.create(generator, generator_tx, generator_key, source, ema=ema_decay is not None)
        return State(key=key, generator=generator_state, critic=critic_state)

    def draw(key: Key, batch: Batch) -> Draws:
        return Draws(*penalties.draw(key, jnp.shape(batch["target"])[0], weight=penalty_weight))

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        source, target = as_floats(batch)

        def generate(params: Params) -> tuple[jax.Array, Stats]:
            return generator.apply(params, state.generator.stats, source, train=True, key=draws.dropout)

        def judge(params: Params, stats: Stats, images: jax.Array) -> tuple[jax.Array, Stats]:
            return critic.apply(params, stats, seen(source, images), train=True)

        def critic_loss(params: Params, game: losses.AdversarialLoss) -> tuple[jax.Array, Stats]:
            fake, _ = generate(state.generator.params)
            fake_logits, stats = judge(params, state.critic.stats, fake)
            real_logits, stats = judge(params, stats, target)
            penalty = penalties.penalty(
                partial(judge, params, stats), target, fake, draws.epsilon, weight=penalty_weight, r1_weight=r1_weight
            )
            return game.critic(real_logits, fake_logits) + penalty, stats

        def generator_loss(params: Params, judged_by: NetState) -> tuple[jax.Array, tuple]:
            fake, stats = generate(params)
            l1 = losses.l1(fake, target)
            loss, terms = l1_weight * l1, {"loss/l1": l1}
            if l2_weight:
                terms["loss/l2"] = losses.l2(fake, target)
                loss += l2_weight * terms["loss/l2"]
            if adversarial is None:
                return loss, (stats, judged_by.stats, terms)
            fake_logits, critic_stats = judge(judged_by.params, judged_by.stats, fake)
            real_logits, _ = judge(judged_by.params, judged_by.stats, target)
            gan = adversarial.generator(real_logits, fake_logits)
            return gan + loss, (stats, critic_stats, {"loss/gan": gan, **terms})

        new_critic, metrics = state.critic, {}
        if adversarial is not None:
            (loss, critic_stats), grads = state.critic.gradient(critic_loss, adversarial)
            if halve_critic:
                grads = jax.tree.map(lambda g: 0.5 * g, grads)
            new_critic = state.critic.apply_gradients(critic_tx, grads, critic_stats)
            metrics["loss/critic"] = loss

        (loss, (stats, critic_stats, terms)), grads = state.generator.gradient(generator_loss, new_critic)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats, ema_decay=ema_decay)
        # The generator's pass through the critic moves the critic's running statistics too, as in the paper's and the
        # PyTorch port's code.
        new_critic = dataclasses.replace(new_critic, stats=critic_stats)
        new_state = State(step=state.step + 1, key=state.key, generator=new_generator, critic=new_critic)
        return new_state, {**metrics, "loss/generator": loss, **terms}

    return Method(init, draw, update)
