"""Penalties on a critic's gradient: what a step draws for them, the critics that they suit, their part of the loss."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax import losses
from gan_jax.method import Key, NetState
from gan_jax.networks.network import Stats

__all__ = ["draw", "penalty", "require_no_batch_norm"]
__dir__ = __all__.copy


def require_no_batch_norm(critic: NetState) -> None:
    """Raises ValueError for a critic with batch norm, through which samples touch each other's logits."""
    if set(critic.stats) - {"spectral_norm"}:
        raise ValueError(
            "a gradient penalty holds for each sample alone, and the critic's batch norm mixes them; give the critic "
            "another norm, or none."
        )


def draw(key: Key, samples: int, *, weight: float) -> tuple[Key, jax.Array | None]:
    """What is left of a step's key, and where between real and fake each sample is penalized: [samples] in [0, 1).

    Without a weight the key is left as it is, and nothing is drawn.
    """
    if not weight:
        return key, None
    key, penalty_key = jax.random.split(key)
    return key, jax.random.uniform(penalty_key, (samples,))


def penalty(
    judge: Callable[[jax.Array], tuple[jax.Array, Stats]],
    real: jax.Array,
    fake: jax.Array,
    epsilon: jax.Array | None = None,
    *,
    weight: float = 0.0,
    r1_weight: float = 0.0,
) -> jax.Array:
    """`weight` times WGAN-GP's penalty plus half of `r1_weight` times R1's, as the papers write them; 0 without either.

    `judge` maps images to (logits, statistics). `epsilon` is what `draw` drew. Gulrajani et al. 2017, eq. 3;
    Mescheder et al. 2018, eq. 9, whose gamma `r1_weight` is.
    """

    def logits(images: jax.Array) -> jax.Array:
        return judge(images)[0]

    total = jnp.zeros(())
    if weight:
        total += weight * losses.gradient_penalty(logits, real, fake, epsilon=epsilon)
    if r1_weight:
        total += 0.5 * r1_weight * losses.r1_penalty(logits, real)
    return total
