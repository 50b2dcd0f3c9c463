"""SRResNet: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
trained for its mean squared error; the first stage of SRGAN.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from gan_jax import losses, metrics
from gan_jax.method import Batch, GeneratorState, Key, Method, Metrics, NetState
from gan_jax.methods import pairs
from gan_jax.methods.pairs import Degrade, Range
from gan_jax.methods.pool import Pool
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "psnr", "srresnet"]
__dir__ = __all__.copy


@flax.struct.dataclass(kw_only=True)
class State(GeneratorState):
    """What SRResNet carries from step to step."""

    queue: Pool | None = None  # of pairs, if wanted


class Draws(NamedTuple):
    """Everything random in one step."""

    pairs: pairs.Draws


def srresnet(
    generator: Network,
    *,
    generator_tx: optax.GradientTransformation,
    degrade: Degrade | None = None,
    loss: Callable[[ArrayLike, ArrayLike], jax.Array] = losses.l2,
    tv_weight: float = 0.0,
    input_range: Range = (0.0, 1.0),
    output_range: Range = (-1.0, 1.0),
    sharpen: bool = False,
    crop_size: int | None = None,
    queue_size: int = 0,
    ema_decay: float | None = None,
) -> Method:
    """A generator trained for a distance to high-resolution images (eq. 4), plus `tv_weight` times total variation.

    Batches and what is made of them are those of `pairs.Pairing`, which knows `degrade`, ranges and what follows
    them. The paper's ranges are the defaults, BasicSR's are (0, 1) twice. `ema_decay` is the decay of an exponential
    moving average of the generator.
    """
    pairing = pairs.Pairing(degrade, input_range, output_range, sharpen, crop_size, queue_size)

    def init(key: Key, batch: Batch) -> State:
        key, generator_key, pairs_key = jax.random.split(key, 3)
        first, queue = pairing.init(pairs_key, batch)
        averages = ema_decay is not None
        generator_state = NetState.create(generator, generator_tx, generator_key, first.source, ema=averages)
        return State(key=key, generator=generator_state, queue=queue)

    def draw(key: Key, batch: Batch) -> Draws:
        return Draws(pairing.draw(key, batch))

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        queue, (source, _, aim) = pairing.update(state.queue, batch, draws.pairs)

        def generator_loss(params: Params) -> tuple[jax.Array, tuple[Stats, Metrics]]:
            fake, stats = generator.apply(params, state.generator.stats, source, train=True)
            terms = {"loss/pixel": (1.0, loss(fake, aim))}
            if tv_weight:
                terms["loss/tv"] = (tv_weight, losses.total_variation(fake))
            total, metrics = losses.weighted_sum(terms)
            return total, (stats, {**metrics, "psnr": psnr(fake, aim, output_range)})

        (value, (stats, metrics)), grads = state.generator.gradient(generator_loss)
        new_generator = state.generator.apply_gradients(generator_tx, grads, stats, ema_decay=ema_decay)
        new_state = State(step=state.step + 1, key=state.key, generator=new_generator, queue=queue)
        return new_state, {"loss/generator": value, **metrics}

    return Method(init, draw, update)


def psnr(images: ArrayLike, references: ArrayLike, value_range: Range) -> jax.Array:
    """The batch's mean PSNR in dB, neither clipped nor rounded, at most 100: how training goes, no one's protocol."""
    low, high = value_range
    return jnp.minimum(metrics.psnr(images, references, max_value=high - low), 100.0).mean()
