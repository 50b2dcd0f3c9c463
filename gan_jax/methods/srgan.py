"""SRGAN: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network".

With a relativistic game it is the training of Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative
Adversarial Networks"; with `second_order`'s degradations, sharpened targets and a queue of pairs that of Wang et al.
2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data".
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from gan_jax import image, losses
from gan_jax.method import Batch, GANState, Key, Method, Metrics, NetState, Variables
from gan_jax.methods import pairs, penalties
from gan_jax.methods.pairs import Degrade, Range
from gan_jax.methods.pool import Pool
from gan_jax.methods.srresnet import psnr
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "srgan"]
__dir__ = __all__.copy


@flax.struct.dataclass(kw_only=True)
class State(GANState):
    """What SRGAN carries from step to step."""

    frozen: Variables | None  # of the content network: only read, and left out of checkpoints
    queue: Pool | None = None  # of pairs, if wanted


class Draws(NamedTuple):
    """Everything random in one step."""

    pairs: pairs.Draws
    epsilon: jax.Array | None = None  # [N], where between target and fake the critic's gradient is penalized


def srgan(
    generator: Network,
    critic: Network,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    degrade: Degrade | None = None,
    content: Network | None = None,
    content_weight: float = 1.0,
    content_distance: Literal["l1", "l2"] = "l2",
    content_scale: float = 1.0 / 12.75,
    layer_weights: Mapping[str, float] | None = None,
    pixel_loss: Callable[[ArrayLike, ArrayLike], jax.Array] = losses.l2,
    pixel_weight: float = 0.0,
    tv_weight: float = 0.0,
    adversarial: losses.AdversarialLoss | None = losses.non_saturating,
    adversarial_weight: float = 1e-3,
    penalty_weight: float = 0.0,
    input_range: Range = (0.0, 1.0),
    output_range: Range = (-1.0, 1.0),
    sharpen: bool = False,
    crop_size: int | None = None,
    queue_size: int = 0,
    ema_decay: float | None = None,
) -> Method:
    """The perceptual loss (eq. 3): content (eq. 5), an adversarial term (eq. 6), pixels and total variation.

    Batches, ranges and what is made of them are those of `srresnet`; a sharpened target is what pixels and features
    are compared to, and the critic sees it as it was. `content` maps images in [-1, 1] to feature maps by layer and its
    `init` returns trained weights, which `state.frozen` then holds: VGG19 to "relu5_4" in the paper, compared after
    its features are multiplied by `content_scale`; BasicSR compares "conv5_4" by "l1" with a scale of 1. The critic
    sees images in `output_range`; `penalty_weight` is that of WGAN-GP's gradient penalty, and `init` then raises
    ValueError for a critic with batch norm. `adversarial` None leaves the critic as it was: the paper's
    SRResNet-VGG22. A generator that starts from SRResNet's weights is `networks.with_weights`.

    Both players step from the state before the step and see the same fake, as in BasicSR's optimize_parameters. The
    critic's running statistics move as often as there: by the fake for the generator, then by target and fake; in a
    relativistic game by target and fake for the generator, then by fake, target and fake.
    """

    pairing = pairs.Pairing(degrade, input_range, output_range, sharpen, crop_size, queue_size)

    def features(network: Network, variables: Variables, images: jax.Array) -> Mapping[str, jax.Array]:
        x = image.rescale(images, output_range, (-1.0, 1.0))
        maps, _ = network.apply(variables["params"], variables["stats"], x, train=False)
        return jax.tree.map(lambda feature: content_scale * feature, maps)

    def init(key: Key, batch: Batch) -> State:
        key, generator_key, critic_key, pairs_key, content_key = jax.random.split(key, 5)
        (source, target, _), queue = pairing.init(pairs_key, batch)
        critic_state = NetState.create(critic, critic_tx, critic_key, target)
        if penalty_weight:
            penalties.require_no_batch_norm(critic_state)
        frozen = None
        if content is not None:
            params, stats = content.init(content_key, target)
            frozen = {"params": params, "stats": stats}
        generator_state = NetState.create(generator, generator_tx, generator_key, source, ema=ema_decay is not None)
        return State(key=key, generator=generator_state, critic=critic_state, frozen=frozen, queue=queue)

    def draw(key: Key, batch: Batch) -> Draws:
        key, epsilon = penalties.draw(key, jnp.shape(batch["target"])[0], weight=penalty_weight)
        return Draws(pairing.draw(key, batch), epsilon)

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        queue, (source, target, aim) = pairing.update(state.queue, batch, draws.pairs)

        def generate(params: Params) -> tuple[jax.Array, Stats]:
            return generator.apply(params, state.generator.stats, source, train=True)

        def judge(params: Params, stats: Stats, images: jax.Array) -> tuple[jax.Array, Stats]:
            return critic.apply(params, stats, images, train=True)

        def generator_loss(params: Params) -> tuple[jax.Array, tuple[Stats, Stats, Metrics]]:
            fake, stats = generate(params)
            terms, critic_stats = {}, state.critic.stats
            if pixel_weight:
                terms["loss/pixel"] = (pixel_weight, pixel_loss(fake, aim))
            if content is not None and state.frozen is not None:
                seen, wanted = (features(content, state.frozen, images) for images in (fake, aim))
                distance = losses.content(seen, wanted, distance=content_distance, weights=layer_weights)
                terms["loss/content"] = (content_weight, distance)
            if tv_weight:
                terms["loss/tv"] = (tv_weight, losses.total_variation(fake))
            if adversarial is not None:
                real_logits, moved = judge(state.critic.params, critic_stats, target)
                critic_stats = moved if adversarial.whole_batch else critic_stats
                fake_logits, critic_stats = judge(state.critic.params, critic_stats, fake)
                terms["loss/gan"] = (adversarial_weight, adversarial.generator(real_logits, fake_logits))
            total, metrics = losses.weighted_sum(terms)
            return total, (stats, critic_stats, {**metrics, "psnr": psnr(fake, aim, output_range)})

        def critic_loss(
            params: Params, stats: Stats, game: losses.AdversarialLoss
        ) -> tuple[jax.Array, tuple[Stats, Metrics]]:
            fake, _ = generate(state.generator.params)
            if game.whole_batch:
                _, stats = judge(params, stats, fake)  # for the statistics: XLA merges it with the pass below
            real_logits, stats = judge(params, stats, target)
            fake_logits, stats = judge(params, stats, fake)
            means = {"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()}
            judged = partial(judge, params, stats)
            penalty = penalties.penalty(judged, target, fake, draws.epsilon, weight=penalty_weight)
            return game.critic(real_logits, fake_logits) + penalty, (stats, means)

        (loss, (stats, critic_stats, metrics)), grads = state.generator.gradient(generator_loss)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats, ema_decay=ema_decay)
        metrics = {"loss/generator": loss, **metrics}

        new_critic = state.critic
        if adversarial is not None:
            # From the statistics that the generator's pass moved already, as in the reference codes.
            (loss, (critic_stats, means)), grads = state.critic.gradient(critic_loss, critic_stats, adversarial)
            new_critic = state.critic.apply_gradients(critic_tx, grads, critic_stats)
            metrics = {"loss/critic": loss, **metrics, **means}

        new_state = dataclasses.replace(
            state, step=state.step + 1, generator=new_generator, critic=new_critic, queue=queue
        )
        return new_state, metrics

    return Method(init, draw, update)
