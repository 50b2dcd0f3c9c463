"""Pure loss functions: arrays in, a scalar out; nothing here knows a network.

Logits are a critic's unnormalised scores, of any shape (a PatchGAN gives one for each patch); means are over all of
their elements. A critic's loss is the sum of its real and its fake half, never their average.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class AdversarialLoss(NamedTuple):
    """A game: two functions of (real logits, fake logits), one a player, each giving a scalar to minimise.

    The generator's half receives the real logits too because relativistic losses compare with them; under `jit` a
    half that ignores them does not compute them.
    """

    critic: Callable[[jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array, jax.Array], jax.Array]


def _non_saturating_critic(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    # -log D(x) - log(1 - D(G(z))), with D = sigmoid(logits) and log sigmoid(t) = -softplus(-t).
    return jax.nn.softplus(-real_logits).mean() + jax.nn.softplus(fake_logits).mean()


def _non_saturating_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    del real_logits
    return jax.nn.softplus(-fake_logits).mean()


def _least_squares_critic(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    return jnp.square(real_logits - 1.0).mean() + jnp.square(fake_logits).mean()


def _least_squares_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    del real_logits
    return jnp.square(fake_logits - 1.0).mean()


# Goodfellow et al. 2014, "Generative Adversarial Nets", section 3: the generator maximises log D(G(z)).
non_saturating = AdversarialLoss(_non_saturating_critic, _non_saturating_generator)

# Mao et al. 2017, "Least Squares Generative Adversarial Networks", eq. 9 (0-1 coding), without its factor 1/2.
least_squares = AdversarialLoss(_least_squares_critic, _least_squares_generator)


def l1(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean absolute error over every element. Raises ValueError where shapes differ.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", eq. 3.
    """
    _require_equal_shapes(prediction, target)
    return jnp.abs(prediction - target).mean()


def l2(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean squared error over every element, without a factor 1/2. Raises ValueError where shapes differ."""
    _require_equal_shapes(prediction, target)
    return jnp.square(prediction - target).mean()


def _require_equal_shapes(prediction: jax.Array, target: jax.Array) -> None:
    # Broadcasting would average the wrong differences in silence.
    if prediction.shape != target.shape:
        raise ValueError(f"prediction has shape {prediction.shape} and target {target.shape}; they must be equal.")
