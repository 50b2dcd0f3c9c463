"""Quality of images, in pairs and in distributions.

Metrics of pairs give one value an image; averaging happens once, in the caller, who also drops the values of images
that only fill up a batch. Images are [..., H, W, C] of one shape, and values have their leading axes: none for one
image. They are in [0, max_value]: that of the dtype where both are uint8 or both uint16, and else to be given, or
`image.peak` raises TypeError. For the Y channel of super-resolution papers, give them `image.luma` of both sides, which
are floats, and `max_value=255.0`.

The examples assume `import jax`, `import jax.numpy as jnp` and `from gan_jax import metrics`.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gan_jax import image

__all__ = [
    "MS_SSIM_WEIGHTS",
    "color_histogram_intersection",
    "frechet_distance",
    "kernel_distance",
    "lab_histograms",
    "label_map_scores",
    "laplacian_energy",
    "lpips",
    "ms_ssim",
    "psnr",
    "ssim",
    "ssim_factors",
]
__dir__ = __all__.copy

_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5
_SSIM_K1, _SSIM_K2 = 0.01, 0.03
_LPIPS_EPS = 1e-10
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of MS-SSIM's scales, the finest first


def psnr(images: ArrayLike, references: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """Peak signal-to-noise ratio of each image in decibels [...], over all of its elements; inf for identical ones.

    Images are [..., H, W, C], uint8 or uint16, or any with `max_value`. Errors of uint8 images are added up in
    integers, exactly for images of any size. Raises ValueError where shapes differ, TypeError for floats or mixed
    dtypes without `max_value`.

    >>> black = jnp.zeros((2, 8, 8, 3), jnp.uint8)
    >>> metrics.psnr(black.at[0].set(255), black).tolist()
    [0.0, inf]
    """
    x, y = jnp.asarray(images), jnp.asarray(references)
    peak = image.peak(x, y, max_value=max_value)
    if x.dtype == y.dtype == jnp.uint8:
        _require_pair(x, y)
        error = _mean_squared_error_u8(x, y)
    else:
        x, y = _as_pair(x, y)
        # Where pixels are products, of luma for instance, XLA subtracts that of one image, rounded, from that of the
        # other, which is not: equal ones would differ by 1e-6.
        difference = jnp.where(x == y, 0.0, x - y)
        # Row by row first: float32 then adds numbers of one size, and loses no digits on large images.
        error = jnp.square(difference).mean(axis=(-2, -1)).mean(axis=-1)
    return 10.0 * jnp.log10(peak**2 / error)


def ssim(images: ArrayLike, references: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """Structural similarity of each image [...], in [-1, 1]: mean over the valid windows, then over the channels.

    Images are [..., H, W, C], uint8 or uint16, or any with `max_value`. 11x11 Gaussian window, sigma 1.5, K1 0.01, K2
    0.03, population moments. Raises ValueError where shapes differ or a side is under 11, TypeError for floats or mixed
    dtypes without `max_value`. Wang et al. 2004, "Image Quality Assessment", eq. 13 to 16.

    >>> images = jnp.tile(jnp.arange(0, 256, 16, jnp.uint8), (1, 16, 1))[..., None]
    >>> metrics.ssim(images, images).tolist(), bool(metrics.ssim(images, images[:, :, ::-1])[0] < 0)
    ([1.0], True)
    """
    luminance, structure = ssim_factors(images, references, max_value=max_value)
    return _mean_of_windows(luminance * structure).mean(axis=-1)


def ssim_factors(
    images: ArrayLike, references: ArrayLike, *, max_value: float | None = None
) -> tuple[jax.Array, jax.Array]:
    """SSIM's two factors at each valid window [..., H - 10, W - 10, C]: luminance, and contrast with structure.

    Their product is the SSIM map, which `ssim` averages. Takes and raises what `ssim` does. Wang et al. 2004, "Image
    Quality Assessment", eq. 13 is the product.

    >>> images = jnp.tile(jnp.arange(0, 256, 16, jnp.uint8), (1, 16, 1))[..., None]
    >>> luminance, structure = metrics.ssim_factors(images, images[:, :, ::-1])
    >>> luminance.shape, bool((luminance > 0).all()), bool((structure < 0).all())
    ((1, 6, 6, 1), True, True)
    """
    peak = image.peak(images, references, max_value=max_value)
    x, y = _as_pair(images, references)
    height, width, _ = x.shape[-3:]
    if min(height, width) < _SSIM_WINDOW:
        raise ValueError(f"images are {height}x{width}; SSIM's window wants sides of {_SSIM_WINDOW} or more.")
    # The moments of sum s and difference d say all: 2 (vx + vy) = vs + vd and 4 cov = vs - vd, and so for the means.
    both = jnp.stack([x + y, x - y])
    # XLA would compute the windows of one axis anew for each of the other's eleven.
    columns = jax.lax.optimization_barrier(_weigh(both, jnp.zeros_like(both), axis=-3))
    mean, variance = _weigh(*columns, axis=-2)
    (mean_s, mean_d), (variance_s, variance_d) = mean, variance
    c1, c2 = (_SSIM_K1 * peak) ** 2, (_SSIM_K2 * peak) ** 2
    luminance = (mean_s**2 - mean_d**2 + 2 * c1) / (mean_s**2 + mean_d**2 + 2 * c1)
    structure = (variance_s - variance_d + 2 * c2) / (variance_s + variance_d + 2 * c2)
    return luminance, structure


def ms_ssim(images: ArrayLike, references: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """Multi-scale structural similarity of each image [...], in [0, 1]: five scales, each the 2x2 means of the last.

    The images and windows of `ssim`; an odd side has its last pixels doubled before it is halved. A channel's scales
    are multiplied, negative ones as 0, and then channels averaged. Raises ValueError where shapes differ or a side is
    under 161, TypeError for floats or mixed dtypes without `max_value`. Wang et al. 2003, "Multi-Scale Structural
    Similarity for Image Quality Assessment", eq. 7.

    >>> images = jnp.ones((1, 161, 161, 1), jnp.uint8)
    >>> jax.jit(metrics.ms_ssim)(images, images).tolist()
    [1.0]
    """
    peak = image.peak(images, references, max_value=max_value)
    x, y = _as_pair(images, references)
    *leading, height, width, channels = x.shape
    smallest = (_SSIM_WINDOW - 1) * 2 ** (len(MS_SSIM_WEIGHTS) - 1) + 1
    if min(height, width) < smallest:
        raise ValueError(f"images are {height}x{width}; MS-SSIM's scales want sides of {smallest} or more.")
    product = jnp.ones((*leading, channels))
    for scale, weight in enumerate(MS_SSIM_WEIGHTS, start=1):
        luminance, structure = ssim_factors(x, y, max_value=peak)
        last = scale == len(MS_SSIM_WEIGHTS)
        similarity = _mean_of_windows(luminance * structure if last else structure)
        # The slope of the power at 0 is infinite, and infinity times the inner gradient's 0 would be NaN.
        positive = similarity > 0.0
        product *= jnp.where(positive, jnp.where(positive, similarity, 1.0) ** weight, 0.0)
        x, y = _halve(x), _halve(y)
    return product.mean(axis=-1)


def lpips(
    features: Mapping[str, jax.Array], reference_features: Mapping[str, jax.Array], weights: Mapping[str, jax.Array]
) -> jax.Array:
    """Learned perceptual distance of each image [...]: feature maps [..., h, w, c] of both, and weights [c], by layer.

    Each pixel's features are brought to unit length; their squared differences are weighted, averaged over the pixels
    and added up over the layers. Raises ValueError where layers or shapes differ. Zhang et al. 2018, "The Unreasonable
    Effectiveness of Deep Features as a Perceptual Metric", eq. 1; the weights are the published ones, the paper's w^2.

    >>> right, up = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> a, b = ({"relu1": jnp.tile(direction, (1, 4, 4, 1))} for direction in (right, up))
    >>> metrics.lpips(a, b, {"relu1": jnp.array([0.5, 0.25])}).round(4).tolist()
    [0.75]
    """
    if not features.keys() == reference_features.keys() == weights.keys():
        layers = [sorted(given) for given in (features, reference_features, weights)]
        raise ValueError(f"features have layers {layers[0]}, references {layers[1]}, weights {layers[2]}; not equal.")
    return sum(
        (_layer_distance(features[name], reference_features[name], weights[name]) for name in features),
        start=jnp.zeros(()),
    )


def frechet_distance(features: ArrayLike, reference_features: ArrayLike) -> float:
    """Squared Fréchet distance of the normal distributions with the moments of two sets of features [n, d], [m, d].

    FID, where the features are Inception's. Biased upwards in small sets: compare at equal counts. Computed on the
    host in float64, because the distance is a small difference of large numbers. Raises ValueError where the widths
    differ or a set has under two rows. Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", eq. 6.

    >>> x = jnp.array([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    >>> round(metrics.frechet_distance(x, x + 3.0), 4)  # the shift alone: 3^2 + 3^2
    18.0
    """
    x, y = _as_feature_sets(features, reference_features)
    shift = x.mean(axis=0) - y.mean(axis=0)
    # With covariances X'X and Y'Y, the trace of the root of their product is the sum of the singular values of XY',
    # and stays so for the triangular factors: no covariance is formed, and none of its digits lost in a root.
    x, y = ((z - z.mean(axis=0)) / np.sqrt(len(z) - 1) for z in (x, y))
    x, y = (np.asarray(np.linalg.qr(z, mode="r")) for z in (x, y))
    common = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return max(0.0, float((shift**2).sum() + (x**2).sum() + (y**2).sum() - 2.0 * common))


def kernel_distance(features: ArrayLike, reference_features: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy of two sets of features [n, d], [m, d], kernel (x.y / d + 1)^3.

    KID, where the features are Inception's and the caller averages over subsets (of 1000, in most papers). May be
    negative; the expectation does not depend on the counts. Computed on the host in float64. Raises ValueError where
    the widths differ or a set has under two rows. Bińkowski et al. 2018, "Demystifying MMD GANs", section 3.

    >>> x, y = jnp.array([[0.0], [0.0]]), jnp.array([[1.0], [1.0]])
    >>> metrics.kernel_distance(x, y)  # 1 + 2^3 - 2 * 1
    7.0
    """
    x, y = _as_feature_sets(features, reference_features)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1.0) ** 3

    def mean_between(z: np.ndarray) -> float:
        matrix = kernel(z, z)
        return (matrix.sum() - np.trace(matrix)) / (len(z) * (len(z) - 1))

    return float(mean_between(x) + mean_between(y) - 2.0 * kernel(x, y).mean())


def laplacian_energy(images: ArrayLike) -> jax.Array:
    """Sharpness of each image [...]: mean square of the 4-neighbor Laplacian of its BT.601 luma.

    Images are [..., H, W, 1 or 3], and the value is in their own unit squared: compare it within one dtype and range.
    Raises ValueError for images under 3x3 or with channels other than 1 or 3.

    >>> metrics.laplacian_energy(jnp.zeros((1, 3, 3, 1)).at[0, 1, 1, 0].set(2.0)).tolist()  # (4 * 2)^2
    [64.0]
    """
    x = jnp.asarray(images)
    _require_images(x)
    luma = image.full_range_luma(x.astype(jnp.float32))[..., 0]
    height, width = luma.shape[-2:]
    if min(height, width) < 3:
        raise ValueError(f"images are {height}x{width}; the Laplacian wants 3x3 or more.")
    center = luma[..., 1:-1, 1:-1]
    neighbors = luma[..., :-2, 1:-1] + luma[..., 2:, 1:-1] + luma[..., 1:-1, :-2] + luma[..., 1:-1, 2:]
    return jnp.square(neighbors - 4.0 * center).mean(axis=(-2, -1))


def color_histogram_intersection(images: ArrayLike, references: ArrayLike) -> jax.Array:
    """How much of the references' L, a and b distributions the images share [3], in [0, 1]; 1 where equal.

    uint8 RGB [..., H, W, 3]; the marginal distributions are those over all pixels of all images. Bins are one unit wide
    and centered on the integers, so that rounding cannot scatter grays over two bins. Raises ValueError where shapes
    differ, TypeError for other dtypes. Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial
    Networks", table 5, which leaves its bins unsaid.

    >>> white = jnp.full((1, 4, 4, 3), 255, jnp.uint8)
    >>> metrics.color_histogram_intersection(white, jnp.zeros_like(white)).tolist()  # neither has a color
    [0.0, 1.0, 1.0]
    """
    x, y = jnp.asarray(images), jnp.asarray(references)
    _require_pair(x, y)
    if x.dtype != jnp.uint8 or y.dtype != jnp.uint8:
        raise TypeError(f"images are {x.dtype} and references {y.dtype}; wanted uint8 RGB in [0, 255].")
    common = jnp.minimum(lab_histograms(x), lab_histograms(y)).sum(axis=1)
    return common / (x.size // 3)


def label_map_scores(labels: ArrayLike, references: ArrayLike, classes: int) -> dict[str, jax.Array]:
    """Agreement of label maps, integers [...], with references in 0..classes-1: "per_pixel", "per_class" and "iou".

    One confusion matrix over all images gives the share of right pixels, its mean over classes, and the mean
    intersection over union. Classes that the references lack are left out of the means. Pixels whose reference is no
    class (void, usually 255) are left out altogether; a label that is no class is wrong. Without a pixel, all are nan.
    Raises ValueError where shapes differ, TypeError for labels that are no integers. Long et al. 2015, "Fully
    Convolutional Networks for Semantic Segmentation", section 5.

    >>> scores = metrics.label_map_scores(jnp.array([0, 0, 1, 1]), jnp.array([0, 0, 0, 1]), 2)
    >>> {name: round(float(score), 3) for name, score in scores.items()}
    {'per_pixel': 0.75, 'per_class': 0.833, 'iou': 0.583}
    """
    predicted, true = jnp.asarray(labels), jnp.asarray(references)
    _require_equal_shapes(predicted, true)
    if not (jnp.issubdtype(predicted.dtype, jnp.integer) and jnp.issubdtype(true.dtype, jnp.integer)):
        raise TypeError(f"labels are {predicted.dtype} and references {true.dtype}; wanted integers.")
    predicted, true = (_to_class_or_void(x.ravel().astype(jnp.int32), classes) for x in (predicted, true))
    pairs = jnp.bincount(true * (classes + 1) + predicted, length=(classes + 1) ** 2)
    pairs = pairs.reshape(classes + 1, classes + 1)[:classes]
    right, total = jnp.diagonal(pairs), pairs.sum(axis=1)
    union = total + pairs[:, :classes].sum(axis=0) - right
    seen = total > 0
    return {
        "per_pixel": right.sum() / total.sum(),
        "per_class": jnp.where(seen, right / total, 0.0).sum() / seen.sum(),
        "iou": jnp.where(seen, right / union, 0.0).sum() / seen.sum(),
    }


def _as_pair(images: ArrayLike, references: ArrayLike) -> tuple[jax.Array, jax.Array]:
    x, y = jnp.asarray(images), jnp.asarray(references)
    _require_pair(x, y)
    dtype = jnp.promote_types(jnp.promote_types(x.dtype, y.dtype), jnp.float32)
    return x.astype(dtype), y.astype(dtype)


def _require_pair(images: jax.Array, references: jax.Array) -> None:
    _require_equal_shapes(images, references)
    _require_images(images)


def _require_images(images: jax.Array) -> None:
    if images.ndim < 3 or 0 in images.shape[-3:]:
        raise ValueError(f"images have shape {images.shape}; wanted [..., H, W, C] with a pixel or more.")


def _require_equal_shapes(images: jax.Array, references: jax.Array) -> None:
    if images.shape != references.shape:
        raise ValueError(f"images have shape {images.shape} and references {references.shape}; they must be equal.")


@jax.jit
def lab_histograms(images_u8: jax.Array) -> jax.Array:
    """Pixel counts [3, 256] of L, a and b over all of the uint8 RGB images [..., H, W, 3], to the nearest integer.

    Bin k is L = k, and a or b = k - 128.

    >>> white = jnp.full((1, 4, 4, 3), 255, jnp.uint8)
    >>> metrics.lab_histograms(white).argmax(axis=1).tolist()
    [100, 128, 128]
    """

    def count(image_u8: jax.Array) -> jax.Array:
        lab = image.rgb_to_lab(image_u8).reshape(-1, 3) + jnp.asarray([0.0, 128.0, 128.0])
        bins = jnp.floor(lab + 0.5).astype(jnp.int32)
        return jax.vmap(lambda values: jnp.bincount(values, length=256), in_axes=1)(bins)

    # Image by image: the float colors of a whole test set would fill the memory.
    return jax.lax.map(count, images_u8.reshape(-1, *images_u8.shape[-3:])).sum(axis=0)


def _to_class_or_void(labels: jax.Array, classes: int) -> jax.Array:
    return jnp.where((labels >= 0) & (labels < classes), labels, classes)


@jax.jit
def _mean_squared_error_u8(x: jax.Array, y: jax.Array) -> jax.Array:
    """[...], with no rounding before the division."""
    # 65536 squares of 255 just fit into 32 bits; the sums of their upper and of their lower halves do as well.
    *leading, height, width, channels = x.shape
    count = height * width * channels
    chunk = min(count, 2**16)
    squares = jnp.square(x.astype(jnp.int32) - y.astype(jnp.int32)).astype(jnp.uint32).reshape(*leading, count)
    padded = jnp.pad(squares, (*((0, 0) for _ in leading), (0, -count % chunk)))
    chunks = padded.reshape(*leading, padded.shape[-1] // chunk, chunk).sum(axis=-1, dtype=jnp.uint32)
    high, low = (half.sum(axis=-1, dtype=jnp.uint32).astype(jnp.float32) for half in (chunks >> 16, chunks & 0xFFFF))
    return (high * 65536.0 + low) / count


def _mean_of_windows(similarity: jax.Array) -> jax.Array:
    """[..., C] of [..., h, w, C]: the mean difference from 1, and row by row, for the digits of float32 sums."""
    return 1.0 - (1.0 - similarity).mean(axis=-2).mean(axis=-2)


# One program an axis: in a common one XLA would compute the rows again for each of the eleven taps of a column.
@partial(jax.jit, static_argnames="axis")
def _weigh(mean: jax.Array, variance: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of the valid Gaussian windows along one axis, out of those of their pixels.

    By the law of total variance. E[x^2] - E[x]^2 would lose float32's digits where a window is flat and bright, so
    distances are those from the window's central pixel.
    """
    offsets = np.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    weights = (weights / weights.sum()).tolist()
    size = mean.shape[axis] - _SSIM_WINDOW + 1

    def at(pixels: jax.Array, start: int) -> jax.Array:
        return jax.lax.slice_in_dim(pixels, start, start + size, axis=axis)

    center = at(mean, _SSIM_WINDOW // 2)
    first = second = jnp.zeros_like(center)
    for start, weight in enumerate(weights):
        distance = at(mean, start) - center
        first += weight * distance
        second += weight * (at(variance, start) + distance**2)
    return center + first, second - first**2


def _halve(images: jax.Array) -> jax.Array:
    """Means of 2x2 pixels; an odd side has its last pixels doubled."""
    *leading, height, width, _ = images.shape
    even = jnp.pad(images, (*((0, 0) for _ in leading), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    top, bottom = even[..., ::2, :, :], even[..., 1::2, :, :]
    return (top[..., ::2, :] + bottom[..., ::2, :] + top[..., 1::2, :] + bottom[..., 1::2, :]) / 4.0


def _layer_distance(features: jax.Array, references: jax.Array, weights: jax.Array) -> jax.Array:
    x, y = _as_pair(features, references)
    if jnp.shape(weights) != x.shape[-1:]:
        raise ValueError(f"weights have shape {jnp.shape(weights)} for {x.shape[-1]} channels; wanted [{x.shape[-1]}].")
    return (jnp.square(_to_unit_length(x) - _to_unit_length(y)) * weights).sum(axis=-1).mean(axis=(-2, -1))


def _to_unit_length(features: jax.Array) -> jax.Array:
    squares = jnp.square(features).sum(axis=-1, keepdims=True)
    # The root of 0 has no gradient, and after a ReLU whole pixels are 0.
    length = jnp.where(squares > 0.0, jnp.sqrt(jnp.where(squares > 0.0, squares, 1.0)), 0.0)
    return features / (length + _LPIPS_EPS)


def _as_feature_sets(features: ArrayLike, references: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(features, np.float64), np.asarray(references, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"features have shape {x.shape} and references {y.shape}; wanted [n, d] and [m, d], two rows or more."
        )
    return x, y
