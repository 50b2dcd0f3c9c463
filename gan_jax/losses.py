"""Pure loss functions: arrays in, a scalar out; nothing here knows a network.

Logits are a critic's unnormalised scores, of any shape (a PatchGAN gives one for each patch); means are over all of
their elements. A critic's loss is the sum of its real and its fake half, never their average. Inputs are computed
with in float32 at least. Every function works under `jit`, `grad` and `vmap`.

Adversarial pairs: `minimax non_saturating least_squares hinge wasserstein relativistic_average`, `label_smoothing`.
Distances: `l1 l2 charbonnier`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, softplus
from jax.typing import ArrayLike


class AdversarialLoss(NamedTuple):
    """A game: two functions of (real logits, fake logits), one a player, each giving a scalar to minimise.

    With r the real logits, f the fake ones, D = sigmoid(logits), [...] the mean over every element:

    name                  critic                                   generator
    minimax               [-log D(r)] + [-log(1 - D(f))]           [log(1 - D(f))]
    non_saturating        [-log D(r)] + [-log(1 - D(f))]           [-log D(f)]
    least_squares         [(r - 1)^2] + [f^2]                      [(f - 1)^2]
    hinge                 [max(0, 1 - r)] + [max(0, 1 + f)]        -[f]
    wasserstein           [f] - [r]                                -[f]
    relativistic_average  the critic of non_saturating on          the same with r and f exchanged
                          r - [f] and f - [r]

    `losses.hinge.critic(real_logits, fake_logits)` and `losses.hinge.generator(real_logits, fake_logits)` are the two
    losses of the hinge game. The two logits may differ in shape, as where the batches differ. The generator's half
    receives the real logits too because relativistic losses compare with them; under `jit` a half that ignores them
    does not compute them. Values and gradients are finite at logits of +-1e4. All but relativistic_average are sums
    of means over samples, so that averaging over shares of a batch gives the loss of the batch.
    """

    critic: Callable[[ArrayLike, ArrayLike], jax.Array]
    generator: Callable[[ArrayLike, ArrayLike], jax.Array]


# log D(t) = -softplus(-t) and log(1 - D(t)) = -softplus(t), for D = sigmoid, lose no digits and never overflow.


def _log_likelihood_critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    return softplus(-_floats(real_logits)).mean() + softplus(_floats(fake_logits)).mean()


def _minimax_generator(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    del real_logits
    return -softplus(_floats(fake_logits)).mean()


def _non_saturating_generator(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    del real_logits
    return softplus(-_floats(fake_logits)).mean()


def _least_squares_critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    return jnp.square(_floats(real_logits) - 1.0).mean() + jnp.square(_floats(fake_logits)).mean()


def _least_squares_generator(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    del real_logits
    return jnp.square(_floats(fake_logits) - 1.0).mean()


def _hinge_critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    return relu(1.0 - _floats(real_logits)).mean() + relu(1.0 + _floats(fake_logits)).mean()


def _wasserstein_critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    return _floats(fake_logits).mean() - _floats(real_logits).mean()


def _linear_generator(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    del real_logits
    return -_floats(fake_logits).mean()


def _relativistic_average_critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    real, fake = _floats(real_logits), _floats(fake_logits)
    return _log_likelihood_critic(real - fake.mean(), fake - real.mean())


def _relativistic_average_generator(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    return _relativistic_average_critic(fake_logits, real_logits)


# Goodfellow et al. 2014, "Generative Adversarial Nets", eq. 1, as printed: the generator minimises log(1 - D(G(z))),
# whose gradient vanishes where the critic is sure.
minimax = AdversarialLoss(_log_likelihood_critic, _minimax_generator)

# The same paper, section 3: the generator maximises log D(G(z)). What most code calls "vanilla".
non_saturating = AdversarialLoss(_log_likelihood_critic, _non_saturating_generator)

# Mao et al. 2017, "Least Squares Generative Adversarial Networks", eq. 9 (0-1 coding), without its factor 1/2.
least_squares = AdversarialLoss(_least_squares_critic, _least_squares_generator)

# Lim and Ye 2017, "Geometric GAN"; Miyato et al. 2018, "Spectral Normalization for GANs", eq. 16 and 17.
hinge = AdversarialLoss(_hinge_critic, _linear_generator)

# Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1. The critic must be kept Lipschitz, by clipped weights or by
# `gradient_penalty`.
wasserstein = AdversarialLoss(_wasserstein_critic, _linear_generator)

# Jolicoeur-Martineau 2018, "The relativistic discriminator"; Wang et al. 2018, "ESRGAN", eq. 1 and 2. Gradients flow
# through both means, as the papers write it. (BasicSR halves the sums and holds the other half's mean constant.)
relativistic_average = AdversarialLoss(_relativistic_average_critic, _relativistic_average_generator)


def label_smoothing(game: AdversarialLoss, *, real_label: float = 0.9, fake_label: float = 0.0) -> AdversarialLoss:
    """The game with its critic's targets moved from 1 and 0 to `real_label` and `fake_label`, both in [0, 1].

    The generator's half stays. `game` is `minimax`, `non_saturating` (cross-entropy -t log D - (1 - t) log(1 - D)
    with the label t) or `least_squares` ((logits - t)^2). Raises ValueError for the others, which have no labels, and
    for labels out of range. Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.4: one-sided,
    0.9 and 0, because a fake label above 0 rewards what the generator does already.
    """
    if game not in _TOWARDS_LABEL:
        raise ValueError("this game's critic has no labels to smooth; use minimax, non_saturating or least_squares.")
    if not (0.0 <= real_label <= 1.0 and 0.0 <= fake_label <= 1.0):
        raise ValueError(f"real_label is {real_label} and fake_label {fake_label}; wanted both in [0, 1].")
    towards = _TOWARDS_LABEL[game]

    def critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
        return towards(_floats(real_logits), real_label).mean() + towards(_floats(fake_logits), fake_label).mean()

    return AdversarialLoss(critic, game.generator)


def _cross_entropy(logits: jax.Array, label: float) -> jax.Array:
    return label * softplus(-logits) + (1.0 - label) * softplus(logits)


def _squared_error(logits: jax.Array, label: float) -> jax.Array:
    return jnp.square(logits - label)


_TOWARDS_LABEL = {minimax: _cross_entropy, non_saturating: _cross_entropy, least_squares: _squared_error}


def l1(prediction: ArrayLike, target: ArrayLike) -> jax.Array:
    """Mean absolute error over every element; gradient 0 where both agree. Raises ValueError where shapes differ.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", eq. 3.
    """
    return _magnitude(_difference(prediction, target)).mean()


def l2(prediction: ArrayLike, target: ArrayLike) -> jax.Array:
    """Mean squared error over every element, without a factor 1/2. Raises ValueError where shapes differ.

    Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a GAN" (SRGAN), eq. 4.
    """
    return jnp.square(_difference(prediction, target)).mean()


def charbonnier(prediction: ArrayLike, target: ArrayLike, *, eps: float = 1e-12) -> jax.Array:
    """Smooth L1: the mean over every element of sqrt((prediction - target)^2 + eps).

    `eps` is added as it is, not squared: BasicSR's 1e-12 is the default, and LapSRN's epsilon of 1e-3 is eps=1e-6.
    Raises ValueError where shapes differ. Lai et al. 2017, "Deep Laplacian Pyramid Networks" (LapSRN), section 3.
    """
    return jnp.sqrt(jnp.square(_difference(prediction, target)) + eps).mean()


def _difference(prediction: ArrayLike, target: ArrayLike, *, where: str = "") -> jax.Array:
    if jnp.shape(prediction) != jnp.shape(target):
        # Broadcasting would average the wrong differences in silence.
        got = f"{where}prediction has shape {jnp.shape(prediction)} and target {jnp.shape(target)}"
        raise ValueError(f"{got}; they must be equal.")
    return _floats(prediction) - _floats(target)


def _magnitude(x: jax.Array) -> jax.Array:
    # The gradient of jnp.abs at zero is 1, which would push what is right already; this one's is 0.
    return x * jnp.sign(x)


def _floats(x: ArrayLike) -> jax.Array:
    """The array in float32, or in float64 if it is: half precision overflows in squares, and uint8 wraps around."""
    return jnp.asarray(x, dtype=jnp.promote_types(jnp.result_type(x), jnp.float32))
