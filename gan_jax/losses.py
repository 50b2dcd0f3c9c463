"""Pure loss functions: arrays in, a scalar out; nothing here knows a network.

Logits are a critic's unnormalized scores, of any shape (a PatchGAN gives one for each patch); means are over all of
their elements. A critic's loss is the sum of its real and its fake half, never their average. Everything is computed
in float32 at least. Every function works under `jit`, `grad` and `vmap`.

Adversarial games   minimax non_saturating least_squares hinge wasserstein relativistic_average
                    relativistic_average_basicsr, label_smoothing
Penalties           gradient_penalty r1_penalty
Distances           l1 l2 charbonnier cycle_consistency identity content
Smoothness          total_variation
Optimal transport   sinkhorn sinkhorn_divergence
An objective        weighted_sum

The examples assume `import jax.numpy as jnp` and `from gan_jax import losses`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import logsumexp, relu, softplus
from jax.typing import ArrayLike

__all__ = [
    "AdversarialLoss",
    "charbonnier",
    "content",
    "cycle_consistency",
    "gradient_penalty",
    "hinge",
    "identity",
    "l1",
    "l2",
    "label_smoothing",
    "least_squares",
    "minimax",
    "non_saturating",
    "r1_penalty",
    "relativistic_average",
    "relativistic_average_basicsr",
    "sinkhorn",
    "sinkhorn_divergence",
    "total_variation",
    "wasserstein",
    "weighted_sum",
]
__dir__ = __all__.copy


class AdversarialLoss(NamedTuple):
    """A game: two functions of (real logits, fake logits), one a player, each giving a scalar to minimize.

    With r the real logits, f the fake ones, D = sigmoid(logits), [...] the mean over every element:

    name                  critic                                   generator
    minimax               [-log D(r)] + [-log(1 - D(f))]           [log(1 - D(f))]
    non_saturating        [-log D(r)] + [-log(1 - D(f))]           [-log D(f)]
    least_squares         [(r - 1)^2] + [f^2]                      [(f - 1)^2]
    hinge                 [max(0, 1 - r)] + [max(0, 1 + f)]        -[f]
    wasserstein           [f] - [r]                                -[f]
    relativistic_average  the critic of non_saturating on          the same with r and f exchanged
                          r - [f] and f - [r]
    relativistic_average  half of relativistic_average's   half of relativistic_average's
      _basicsr

    `losses.hinge.critic(real_logits, fake_logits)` and `losses.hinge.generator(real_logits, fake_logits)` are the two
    losses of the hinge game. The two logits may differ in shape, as where the batches differ. The generator's half
    receives the real logits too because relativistic losses compare with them; under `jit` a half that ignores them
    does not compute them. Values and gradients are finite at logits of +-1e4. All but the relativistic ones are sums
    of means over samples, so that averaging over shares of a batch gives the loss of the batch; those, in which real
    and fake are compared over the `whole_batch`, say so.

    >>> real_logits, fake_logits = jnp.array([2.0, 0.5]), jnp.array([-1.0])
    >>> float(losses.hinge.critic(real_logits, fake_logits)), float(losses.hinge.generator(real_logits, fake_logits))
    (0.25, 1.0)
    """

    critic: Callable[[ArrayLike, ArrayLike], jax.Array]
    generator: Callable[[ArrayLike, ArrayLike], jax.Array]
    whole_batch: bool = False


_Formula = Callable[[jax.Array], jax.Array]  # of each logit by itself


def _game(*, real: _Formula, fake: _Formula, generator: _Formula) -> AdversarialLoss:
    """The game in which each logit counts by itself: two formulas for the critic, one for the generator's fakes."""

    def critic_loss(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
        return real(_floats(real_logits)).mean() + fake(_floats(fake_logits)).mean()

    def generator_loss(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
        del real_logits
        return generator(_floats(fake_logits)).mean()

    return AdversarialLoss(critic_loss, generator_loss)


# In terms of softplus, log D(t) = -softplus(-t) and log(1 - D(t)) = -softplus(t) lose no digits and never overflow.

# Goodfellow et al. 2014, "Generative Adversarial Nets", eq. 1, as printed: the generator minimizes log(1 - D(G(z))),
# whose gradient vanishes where the critic is sure.
minimax = _game(real=lambda r: softplus(-r), fake=softplus, generator=lambda f: -softplus(f))

# The same paper, section 3: the generator maximizes log D(G(z)). What most code calls "vanilla".
non_saturating = _game(real=lambda r: softplus(-r), fake=softplus, generator=lambda f: softplus(-f))

# Mao et al. 2017, "Least Squares Generative Adversarial Networks", eq. 9 (0-1 coding), without its factor 1/2.
least_squares = _game(real=lambda r: jnp.square(r - 1.0), fake=jnp.square, generator=lambda f: jnp.square(f - 1.0))

# Lim and Ye 2017, "Geometric GAN"; Miyato et al. 2018, "Spectral Normalization for GANs", eq. 16 and 17.
hinge = _game(real=lambda r: relu(1.0 - r), fake=lambda f: relu(1.0 + f), generator=jnp.negative)

# Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1. The critic must be kept Lipschitz, by clipped weights or by
# `gradient_penalty`.
wasserstein = _game(real=jnp.negative, fake=jnp.positive, generator=jnp.negative)


def _relativistic_average(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    real, fake = _floats(real_logits), _floats(fake_logits)
    return non_saturating.critic(real - fake.mean(), fake - real.mean())


# Jolicoeur-Martineau 2018, "The relativistic discriminator"; Wang et al. 2018, "ESRGAN", eq. 1 and 2. Gradients flow
# through both means, as the papers write it.
relativistic_average = AdversarialLoss(
    _relativistic_average, lambda real, fake: _relativistic_average(fake, real), whole_batch=True
)


def _relativistic_critic_basicsr(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
    real, fake = _floats(real_logits), _floats(fake_logits)
    constant = jax.lax.stop_gradient
    return 0.5 * non_saturating.critic(real - constant(fake.mean()), fake - constant(real.mean()))


# What BasicSR's ESRGANModel.optimize_parameters computes: the sums halved, and the means constant in the critic's half.
relativistic_average_basicsr = AdversarialLoss(
    _relativistic_critic_basicsr, lambda real, fake: 0.5 * _relativistic_average(fake, real), whole_batch=True
)


def label_smoothing(game: AdversarialLoss, *, real_label: float = 0.9, fake_label: float = 0.0) -> AdversarialLoss:
    """The game with its critic's targets moved from 1 and 0 to `real_label` and `fake_label`, both in [0, 1].

    The generator's half stays. `game` is `minimax`, `non_saturating` (cross-entropy -t log D - (1 - t) log(1 - D)
    with the label t) or `least_squares` ((logits - t)^2). Raises ValueError for the others, which have no labels, and
    for labels out of range. Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.4: one-sided,
    0.9 and 0, because a fake label above 0 rewards what the generator does already.

    >>> smoothed = losses.label_smoothing(losses.least_squares)
    >>> float(smoothed.critic(jnp.array([1.4]), jnp.array([0.0])))  # (1.4 - 0.9)^2 + 0^2
    0.25
    """
    if game not in (minimax, non_saturating, least_squares):
        raise ValueError("this game's critic has no labels to smooth; use minimax, non_saturating or least_squares.")
    if not (0.0 <= real_label <= 1.0 and 0.0 <= fake_label <= 1.0):
        raise ValueError(f"real_label is {real_label} and fake_label {fake_label}; wanted both in [0, 1].")

    def towards(logits: jax.Array, label: float) -> jax.Array:
        if game == least_squares:
            return jnp.square(logits - label)
        return label * softplus(-logits) + (1.0 - label) * softplus(logits)

    def critic(real_logits: ArrayLike, fake_logits: ArrayLike) -> jax.Array:
        real, fake = _floats(real_logits), _floats(fake_logits)
        return towards(real, real_label).mean() + towards(fake, fake_label).mean()

    return AdversarialLoss(critic, game.generator)


def gradient_penalty(
    critic: Callable[[jax.Array], jax.Array],
    real: ArrayLike,
    fake: ArrayLike,
    key: jax.Array | None = None,
    *,
    epsilon: ArrayLike | None = None,
    target: float = 1.0,
    one_sided: bool = False,
) -> jax.Array:
    """Mean over samples of (|gradient of the critic at x| - target)^2, x = epsilon * real + (1 - epsilon) * fake.

    `real` and `fake` are [N, ...] of one shape; `critic` maps such images to logits, each sample on its own: no batch
    norm. The norm is over all pixels of one sample. Where a critic gives several logits a sample (PatchGAN) it is
    the gradient of their sum. Give a `key`, to draw epsilon uniformly in [0, 1), or `epsilon` [N] itself.

    target=1.0 is WGAN-GP's two-sided penalty, to be weighted by 10; `one_sided` forgives norms under the target;
    target=0.0 is the zero-centered penalty. The penalty reaches whatever parameters `critic` closes over; its gradient
    is finite even where the critic's is zero. Raises ValueError where shapes differ, for an epsilon that is not [N],
    and for neither or both of key and epsilon.

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", eq. 3. One-sided: Petzka et al. 2018, "On the
    Regularization of Wasserstein GANs". Zero-centered: Thanh-Tung et al. 2019, "Improving Generalization and Stability
    of Generative Adversarial Networks".

    >>> real, fake, epsilon = jnp.ones((2, 4, 4, 3)), jnp.zeros((2, 4, 4, 3)), jnp.array([0.25, 0.75])
    >>> def critic(images):  # its gradient is 1/4 at each of the 48 pixels: its norm is the root of 3
    ...     return images.sum(axis=(1, 2, 3)) / 4.0
    >>> penalty = losses.gradient_penalty(critic, real, fake, epsilon=epsilon)
    >>> round(float(penalty), 4)  # (3^0.5 - 1)^2
    0.5359
    """
    _require_equal_shapes(real=real, fake=fake)
    real, fake = _floats(real), _floats(fake)
    samples = real.shape[:1]
    if epsilon is None and key is not None:
        epsilon = jax.random.uniform(key, samples, real.dtype)
    elif epsilon is None or key is not None:
        raise ValueError(f"key is {key} and epsilon {epsilon}; give exactly one of them.")
    elif jnp.shape(epsilon) != samples:
        raise ValueError(f"epsilon has shape {jnp.shape(epsilon)}; wanted one number a sample, {samples}.")
    epsilon = _floats(epsilon).reshape(samples + (1,) * (real.ndim - 1))
    squares = _squared_gradient_norms(critic, epsilon * real + (1.0 - epsilon) * fake)
    # The slope of the square root at 0 is infinite, and infinity times the inner gradient's 0 would be NaN.
    positive = squares > 0.0
    norms = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
    excess = relu(norms - target) if one_sided else norms - target
    return jnp.square(excess).mean()


def r1_penalty(critic: Callable[[jax.Array], jax.Array], real: ArrayLike) -> jax.Array:
    """Mean over samples of |gradient of the critic at real|^2, without the paper's factor gamma / 2.

    As for `gradient_penalty`, the critic must take each sample on its own, and several logits a sample are summed
    before differentiating. Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", eq. 9.

    >>> float(losses.r1_penalty(lambda images: 2.0 * images.sum(axis=(1, 2, 3)), jnp.ones((2, 4, 4, 3))))  # 48 * 2^2
    192.0
    """
    return _squared_gradient_norms(critic, _floats(real)).mean()


def _squared_gradient_norms(critic: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
    # Samples do not touch each other's logits, so one gradient of the sum holds the gradient of each sample.
    gradients = jax.grad(lambda x: critic(x).sum())(images)
    return jnp.square(gradients).sum(axis=tuple(range(1, images.ndim)))


def l1(prediction: ArrayLike, target: ArrayLike) -> jax.Array:
    """Mean absolute error over every element; gradient 0 where both agree. Raises ValueError where shapes differ.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", eq. 3.

    >>> float(losses.l1(jnp.array([0.0, 2.0]), jnp.array([1.0, 5.0])))
    2.0
    """
    _require_equal_shapes(prediction=prediction, target=target)
    return _magnitude(_floats(prediction) - _floats(target)).mean()


def l2(prediction: ArrayLike, target: ArrayLike) -> jax.Array:
    """Mean squared error over every element, without a factor 1/2. Raises ValueError where shapes differ.

    Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a GAN" (SRGAN), eq. 4.

    >>> float(losses.l2(jnp.array([0.0, 2.0]), jnp.array([1.0, 5.0])))
    5.0
    """
    _require_equal_shapes(prediction=prediction, target=target)
    return jnp.square(_floats(prediction) - _floats(target)).mean()


def charbonnier(prediction: ArrayLike, target: ArrayLike, *, eps: float = 1e-12) -> jax.Array:
    """Smooth L1: the mean over every element of sqrt((prediction - target)^2 + eps).

    `eps` is added as it is, not squared: BasicSR's 1e-12 is the default, and LapSRN's epsilon of 1e-3 is eps=1e-6.
    Raises ValueError where shapes differ. Lai et al. 2017, "Deep Laplacian Pyramid Networks" (LapSRN), section 3.

    >>> float(losses.charbonnier(jnp.array([0.0, 2.0]), jnp.array([0.0, 5.0]), eps=16.0))  # 4 and the root of 9 + 16
    4.5
    """
    _require_equal_shapes(prediction=prediction, target=target)
    return jnp.sqrt(jnp.square(_floats(prediction) - _floats(target)) + eps).mean()


def cycle_consistency(reconstruction: ArrayLike, original: ArrayLike) -> jax.Array:
    """One direction of CycleGAN's cycle: mean |F(G(x)) - x| of the reconstruction F(G(x)) and the original x.

    The paper adds both directions, each weighted by 10. Raises ValueError where shapes differ. Zhu et al. 2017,
    "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", eq. 2.

    >>> photos = jnp.ones((1, 4, 4, 3))
    >>> float(losses.cycle_consistency(0.5 * photos, photos))
    0.5
    """
    return l1(reconstruction, original)


def identity(output: ArrayLike, original: ArrayLike) -> jax.Array:
    """CycleGAN's identity loss: mean |G(y) - y|, where y is already of the style that G translates into.

    The paper weights it by half the cycle's weight. Raises ValueError where shapes differ. Zhu et al. 2017,
    section 5.2, "Photo generation from paintings".

    >>> paintings = jnp.ones((1, 4, 4, 3))
    >>> float(losses.identity(0.75 * paintings, paintings))
    0.25
    """
    return l1(output, original)


def content(
    features: Mapping[str, ArrayLike],
    target_features: Mapping[str, ArrayLike],
    *,
    distance: Literal["l1", "l2"] = "l2",
    weights: Mapping[str, float] | None = None,
) -> jax.Array:
    """The sum over layers of weight * distance between two dicts of feature maps, {layer: array of any shape}.

    `distance` is "l1" (mean absolute) or "l2" (mean squared error) over every element of a layer; `weights` has a
    factor for each layer, None is 1 for all. Gradients flow into both dicts; the target's usually has no parameters
    behind it. Raises ValueError where layers or shapes differ, for weights of other layers, for no layer at all.

    Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", eq. 2. SRGAN's VGG loss
    (Ledig et al. 2017, eq. 5), with features rescaled by 1/12.75, is
    `content({"relu5_4": f}, {"relu5_4": t}, weights={"relu5_4": 1 / 12.75**2})`.

    >>> features, targets = {"relu5_4": jnp.full((1, 2, 2, 8), 3.0)}, {"relu5_4": jnp.ones((1, 2, 2, 8))}
    >>> float(losses.content(features, targets)), float(losses.content(features, targets, weights={"relu5_4": 0.5}))
    (4.0, 2.0)
    """
    distances = {"l1": l1, "l2": l2}
    if distance not in distances:
        raise ValueError(f'distance is {distance!r}; wanted "l1" or "l2".')
    if not features:
        raise ValueError("features have no layers; wanted one at least.")
    if weights is None:
        weights = dict.fromkeys(features, 1.0)
    for name, layers in (("target_features", target_features), ("weights", weights)):
        if layers.keys() != features.keys():
            raise ValueError(f"{name} has layers {sorted(layers)} and features {sorted(features)}; they must be equal.")
    total = jnp.zeros(())
    for layer, feature in features.items():
        _require_equal_shapes(**{f"features[{layer!r}]": feature, "the target": target_features[layer]})
        total += weights[layer] * distances[distance](feature, target_features[layer])
    return total


def total_variation(images: ArrayLike) -> jax.Array:
    """Anisotropic total variation of images [..., H, W, C]: mean |vertical step| + mean |horizontal step|.

    Each mean is over its own count of steps between neighbors, as in BasicSR, so the value does not grow with the
    image. Raises ValueError for a side under 2. Rudin et al. 1992, "Nonlinear total variation based noise removal".

    >>> float(losses.total_variation(jnp.arange(4.0).reshape(2, 2, 1)))  # 2 a row, 1 a column
    3.0
    """
    x = _floats(images)
    if x.ndim < 3 or min(x.shape[-3:-1]) < 2:
        raise ValueError(f"images have shape {x.shape}; wanted [..., H, W, C] with H and W of 2 or more.")
    vertical = x[..., 1:, :, :] - x[..., :-1, :, :]
    horizontal = x[..., 1:, :] - x[..., :-1, :]
    return _magnitude(vertical).mean() + _magnitude(horizontal).mean()


def sinkhorn(x: ArrayLike, y: ArrayLike, *, epsilon: float, iterations: int) -> jax.Array:
    """Entropic optimal transport from points x [n, d] to y [m, d]: the mean squared distance that the plan moves them.

    The cost is C_ij = |x_i - y_j|^2 (a sum over d), every point weighs the same (1/n, 1/m), and P minimizes
    <P, C> + epsilon * sum P log P with these marginals. Returns <P, C>, without the entropy. Flatten images first.
    The gradient may take memory for n * m * d numbers.

    `epsilon` is in units of the cost: small is close to true transport and slow, large blurs the plan towards
    everything-to-everything; a twentieth to a half of the mean cost is usual. `iterations` is the number of rounds
    (u = a / Kv, then v = b / K'u, from v = 1) through which gradients flow; the smaller epsilon, the more it takes
    until the plan stands. All is computed on logarithms, so that a small epsilon neither underflows nor overflows; but
    float32 resolves the plan only to some 1e-7 * C / epsilon.

    The value is of the batch as a whole, not a mean over samples. Raises ValueError for other shapes, epsilon <= 0 or
    iterations < 1. Cuturi 2013, "Sinkhorn Distances", algorithm 1; on logarithms: Peyre and Cuturi 2019,
    "Computational Optimal Transport", section 4.4.

    >>> x, y = jnp.array([[0.0], [10.0]]), jnp.array([[11.0], [1.0]])
    >>> round(float(losses.sinkhorn(x, y, epsilon=1.0, iterations=10)), 4)  # each point moves by 1
    1.0
    """
    x, y = _floats(x), _floats(y)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"x has shape {x.shape} and y {y.shape}; wanted [n, d] and [m, d]: flatten each sample.")
    if isinstance(epsilon, int | float) and epsilon <= 0:
        raise ValueError(f"epsilon is {epsilon}; wanted a number above 0, in units of squared distance.")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; wanted 1 or more.")
    # Not |x|^2 + |y|^2 - 2xy, which needs no [n, m, d] on the way back but cancels digits where points are close.
    cost = jnp.square(x[:, None] - y[None]).sum(-1)
    log_kernel = -cost / epsilon
    n, m = cost.shape

    def rows(log_v: jax.Array) -> jax.Array:
        return -jnp.log(n) - logsumexp(log_kernel + log_v, axis=1)

    def columns(log_u: jax.Array) -> jax.Array:
        return -jnp.log(m) - logsumexp(log_kernel + log_u[:, None], axis=0)

    # Recomputed on the way back, so that a round leaves m numbers behind it and not n * m.
    @jax.checkpoint
    def scale(log_v: jax.Array) -> jax.Array:
        log_v = columns(rows(log_v))
        return log_v - log_v.mean()  # v is free up to a factor (u takes it back): now the fixed point is unique

    log_v = jax.lax.fori_loop(0, iterations - 1, lambda _, log_v: scale(log_v), jnp.zeros(m, cost.dtype))
    log_u = rows(log_v)
    plan = jnp.exp(log_kernel + log_u[:, None] + columns(log_u))
    return (plan * cost).sum()


def sinkhorn_divergence(x: ArrayLike, y: ArrayLike, *, epsilon: float, iterations: int) -> jax.Array:
    """W(x, y) - W(x, x) / 2 - W(y, y) / 2 with W = `sinkhorn`: zero for equal x and y, whatever epsilon blurs.

    Arguments and errors are those of `sinkhorn`. Half of the loss of Genevay et al. 2018, "Learning Generative Models
    with Sinkhorn Divergences", which is 2W(x, y) - W(x, x) - W(y, y).

    >>> x = jnp.array([[0.0], [1.0]])
    >>> abs(float(losses.sinkhorn_divergence(x, x, epsilon=1.0, iterations=20))) < 1e-6
    True
    >>> round(float(losses.sinkhorn_divergence(x, x + 2.0, epsilon=1.0, iterations=20)), 3)
    4.0
    """
    transport = partial(sinkhorn, epsilon=epsilon, iterations=iterations)
    return transport(x, y) - 0.5 * (transport(x, x) + transport(y, y))


def weighted_sum(terms: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> tuple[jax.Array, dict[str, jax.Array]]:
    """One objective of named terms {name: (weight, scalar)}: their weighted sum, and {name: scalar} for the log.

    The logged terms are as they came, without their weights. The pair is what `jax.value_and_grad(loss, has_aux=True)`
    wants of a loss: `return losses.weighted_sum({"gan": (1.0, gan), "l1": (100.0, losses.l1(fake, target))})`.
    Raises ValueError for a term that is not a scalar.

    >>> total, terms = losses.weighted_sum({"gan": (1.0, jnp.float32(0.5)), "l1": (100.0, jnp.float32(0.25))})
    >>> float(total), float(terms["l1"])
    (25.5, 0.25)
    """
    total = jnp.zeros(())
    for name, (weight, term) in terms.items():
        if jnp.shape(term) != ():
            raise ValueError(f"term {name!r} has shape {jnp.shape(term)}; wanted a scalar: take its mean.")
        total += jnp.asarray(weight) * term
    return total, {name: jnp.asarray(term) for name, (_, term) in terms.items()}


def _require_equal_shapes(**pair: ArrayLike) -> None:
    # Broadcasting would average the wrong differences in silence.
    (name, array), (other_name, other) = pair.items()
    if jnp.shape(array) != jnp.shape(other):
        got = f"{name} has shape {jnp.shape(array)} and {other_name} {jnp.shape(other)}"
        raise ValueError(f"{got}; they must be equal.")


def _magnitude(x: jax.Array) -> jax.Array:
    # The gradient of jnp.abs at zero is 1, which would push what is right already; this one's is 0.
    return x * jnp.sign(x)


def _floats(x: ArrayLike) -> jax.Array:
    """The array in float32, or in float64 if it is: half precision overflows in squares, and uint8 wraps around."""
    return jnp.asarray(x, dtype=jnp.promote_types(jnp.result_type(x), jnp.float32))
