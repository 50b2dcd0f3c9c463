"""SRResNet: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
trained for its mean squared error; the first stage of SRGAN.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from gan_jax import image, losses, metrics
from gan_jax.method import Batch, GeneratorState, Key, Method, Metrics, NetState
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Degrade", "Draws", "Range", "State", "pairs", "psnr", "ranged", "srresnet"]
__dir__ = __all__.copy

Range = tuple[float, float]
Degrade = Callable[[ArrayLike, Key], jax.Array]  # images [N, H, W, C] in [0, 255] -> uint8, as degrade.Degradation


State = GeneratorState


class Draws(NamedTuple):
    """Everything random in one step."""

    degradation: Key  # its noise, and what each image draws for itself


def srresnet(
    generator: Network,
    *,
    generator_tx: optax.GradientTransformation,
    degrade: Degrade | None = None,
    loss: Callable[[ArrayLike, ArrayLike], jax.Array] = losses.l2,
    tv_weight: float = 0.0,
    input_range: Range = (0.0, 1.0),
    output_range: Range = (-1.0, 1.0),
    ema_decay: float | None = None,
) -> Method:
    """A generator trained for a distance to high-resolution images (eq. 4), plus `tv_weight` times total variation.

    Batches hold "target", and "source" where `degrade` is not to make it of the target inside the step. Both are
    uint8 [N, H, W, C]; floats are in `output_range` and in `input_range` already. The paper's ranges are the defaults,
    BasicSR's are (0, 1) twice. `ema_decay` is the decay of an exponential moving average of the generator.
    """

    def init(key: Key, batch: Batch) -> State:
        key, generator_key, degradation_key = jax.random.split(key, 3)
        source, _ = pairs(batch, degradation_key, degrade, input_range, output_range)
        generator_state = NetState.create(generator, generator_tx, generator_key, source, ema=ema_decay is not None)
        return State(key=key, generator=generator_state)

    def draw(key: Key, batch: Batch) -> Draws:
        del batch
        return Draws(degradation=key)

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        source, target = pairs(batch, draws.degradation, degrade, input_range, output_range)

        def generator_loss(params: Params) -> tuple[jax.Array, tuple[Stats, Metrics]]:
            fake, stats = generator.apply(params, state.generator.stats, source, train=True)
            terms = {"loss/pixel": (1.0, loss(fake, target))}
            if tv_weight:
                terms["loss/tv"] = (tv_weight, losses.total_variation(fake))
            total, metrics = losses.weighted_sum(terms)
            return total, (stats, {**metrics, "psnr": psnr(fake, target, output_range)})

        (value, (stats, metrics)), grads = state.generator.gradient(generator_loss)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats, ema_decay=ema_decay)
        new_state = State(step=state.step + 1, key=state.key, generator=new_generator)
        return new_state, {"loss/generator": value, **metrics}

    return Method(init, draw, update)


def pairs(
    batch: Batch, key: Key, degrade: Degrade | None, input_range: Range, output_range: Range
) -> tuple[jax.Array, jax.Array]:
    """(source, target) of a batch as floats in their ranges; a source that is not there is made of the target.

    What is made is rounded to 8 bits, as an image will be that the generator is used on. Raises ValueError where
    there is neither a source nor a degradation.
    """
    target = ranged(batch["target"], output_range)
    if "source" in batch:
        return ranged(batch["source"], input_range), target
    if degrade is None:
        raise ValueError('the batch has no "source" and the method no `degrade` that makes one; give either.')
    levels_255 = batch["target"]
    if jnp.issubdtype(jnp.result_type(levels_255), jnp.floating):
        levels_255 = image.rescale(target, output_range, (0.0, 255.0))
    return ranged(degrade(levels_255, key), input_range), target


def ranged(images: ArrayLike, value_range: Range) -> jax.Array:
    """Images as floats in a range (low, high): uint8 is rescaled, a floating array passes unchanged.

    Raises TypeError for any other dtype.
    """
    x = image.to_float(images)
    floating = jnp.issubdtype(jnp.result_type(images), jnp.floating)
    return x if floating else image.rescale(x, (-1.0, 1.0), value_range)


def psnr(images: ArrayLike, references: ArrayLike, value_range: Range) -> jax.Array:
    """The batch's mean PSNR in dB, neither clipped nor rounded, at most 100: how training goes, no one's protocol."""
    low, high = value_range
    return jnp.minimum(metrics.psnr(images, references, max_value=high - low), 100.0).mean()
