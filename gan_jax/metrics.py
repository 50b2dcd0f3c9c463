"""Image quality: one value an image; averaging happens once, in the caller.

Images are [N, H, W, C] of one dtype and shape, in [0, max_value]; uint8 is the usual case.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gan_jax import image

_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


def psnr(images: ArrayLike, references: ArrayLike, *, max_value: float = 255.0) -> jax.Array:
    """Peak signal-to-noise ratio of each image in decibels [N], over all of its elements; inf for identical ones.

    Raises ValueError where shapes differ.
    """
    x, y = _as_pair(images, references)
    # Row by row first: float32 then adds numbers of one size, and loses no digits on large images.
    error = jnp.square(x - y).mean(axis=(2, 3)).mean(axis=1)
    return 10.0 * jnp.log10(max_value**2 / error)


def ssim(images: ArrayLike, references: ArrayLike, *, max_value: float = 255.0) -> jax.Array:
    """Structural similarity of each image [N], in [-1, 1]: mean over the valid windows, then over the channels.

    11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03, population moments. Raises ValueError where shapes differ or
    a side is under 11. Wang et al. 2004, "Image Quality Assessment", eq. 13 to 16.
    """
    x, y = _as_pair(images, references)
    if min(x.shape[1:3]) < _SSIM_WINDOW:
        raise ValueError(f"images are {x.shape[1]}x{x.shape[2]}; SSIM's window wants sides of {_SSIM_WINDOW} or more.")
    # Variances do not change with an offset. Taking the mean off first keeps float32's digits on flat and bright
    # images, where E[x^2] - E[x]^2 would cancel them.
    offset = y.mean(axis=(1, 2), keepdims=True)
    x0, y0 = x - offset, y - offset
    mean_x0, mean_y0 = _blur(x0), _blur(y0)
    variance_x = _blur(x0 * x0) - mean_x0**2
    variance_y = _blur(y0 * y0) - mean_y0**2
    covariance = _blur(x0 * y0) - mean_x0 * mean_y0
    mean_x, mean_y = mean_x0 + offset, mean_y0 + offset
    c1, c2 = (_SSIM_K1 * max_value) ** 2, (_SSIM_K2 * max_value) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return similarity.mean(axis=(1, 2, 3))


def laplacian_energy(images: ArrayLike) -> jax.Array:
    """Sharpness of each image [N]: mean square of the 4-neighbour Laplacian of its BT.601 luma, in levels squared.

    Raises ValueError for images under 3x3 or with channels other than 1 or 3.
    """
    luma = image.full_range_luma(jnp.asarray(images).astype(jnp.float32))[..., 0]
    if min(luma.shape[1:3]) < 3:
        raise ValueError(f"images are {luma.shape[1]}x{luma.shape[2]}; the Laplacian wants 3x3 or more.")
    centre = luma[:, 1:-1, 1:-1]
    neighbours = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    return jnp.square(neighbours - 4.0 * centre).mean(axis=(1, 2))


def colour_histogram_intersection(images: ArrayLike, references: ArrayLike) -> jax.Array:
    """How much of the references' L, a and b distributions the images share [3], in [0, 1]; 1 where equal.

    uint8 RGB [N, H, W, 3]; the marginal distributions are those over all pixels of all images. Bins are one unit wide
    and centred on the integers, so that rounding cannot scatter greys over two bins. Raises ValueError where shapes
    differ, TypeError for other dtypes. Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial
    Networks", table 5, which leaves its bins unsaid.
    """
    x, y = jnp.asarray(images), jnp.asarray(references)
    _require_equal_shapes(x, y)
    if x.dtype != jnp.uint8 or y.dtype != jnp.uint8:
        raise TypeError(f"images are {x.dtype} and references {y.dtype}; wanted uint8 RGB in [0, 255].")
    common = jnp.minimum(_lab_histograms(x), _lab_histograms(y)).sum(axis=1)
    return common / (x.size // 3)


def label_map_scores(labels: ArrayLike, references: ArrayLike, classes: int) -> dict[str, jax.Array]:
    """Agreement of label maps, integers [...], with references in 0..classes-1: "per_pixel", "per_class" and "iou".

    One confusion matrix over all images gives the share of right pixels, its mean over classes, and the mean
    intersection over union. Classes that the references lack are left out of the means. Pixels whose reference is no
    class (void, usually 255) are left out altogether; a label that is no class is wrong. Without a pixel, all are nan.
    Raises ValueError where shapes differ, TypeError for labels that are no integers. Long et al. 2015, "Fully
    Convolutional Networks for Semantic Segmentation", section 5.
    """
    found, wanted = jnp.asarray(labels), jnp.asarray(references)
    _require_equal_shapes(found, wanted)
    if not (jnp.issubdtype(found.dtype, jnp.integer) and jnp.issubdtype(wanted.dtype, jnp.integer)):
        raise TypeError(f"labels are {found.dtype} and references {wanted.dtype}; wanted integers.")
    found, wanted = (_to_class_or_void(x.ravel().astype(jnp.int32), classes) for x in (found, wanted))
    pairs = jnp.bincount(wanted * (classes + 1) + found, length=(classes + 1) ** 2)
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
    _require_equal_shapes(x, y)
    if x.ndim != 4:
        raise ValueError(f"images have shape {x.shape}; wanted [N, H, W, C].")
    return x.astype(jnp.float32), y.astype(jnp.float32)


def _blur(x: jax.Array) -> jax.Array:
    """The Gaussian window over the valid region, one axis at a time, as a sum of shifted copies."""
    # The sum of eleven shifts is several times faster on CPU than a one-channel convolution, and exact to float32.
    distance = np.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    weights = np.exp(-(distance**2) / (2 * _SSIM_SIGMA**2))
    weights = (weights / weights.sum()).tolist()
    height, width = x.shape[1] - _SSIM_WINDOW + 1, x.shape[2] - _SSIM_WINDOW + 1
    rows = sum(weight * x[:, i : i + height] for i, weight in enumerate(weights))
    return sum(weight * rows[:, :, i : i + width] for i, weight in enumerate(weights))


def _require_equal_shapes(images: jax.Array, references: jax.Array) -> None:
    if images.shape != references.shape:
        raise ValueError(f"images have shape {images.shape} and references {references.shape}; they must be equal.")


@jax.jit
def _lab_histograms(images_u8: jax.Array) -> jax.Array:
    """Pixel counts [3, 256] of L, a and b: bin k is L = k, and a or b = k - 128, to the nearest integer."""

    def count(image_u8: jax.Array) -> jax.Array:
        lab = image.rgb_to_lab(image_u8).reshape(-1, 3) + jnp.asarray([0.0, 128.0, 128.0])
        bins = jnp.floor(lab + 0.5).astype(jnp.int32)
        return jax.vmap(lambda values: jnp.bincount(values, length=256), in_axes=1)(bins)

    # Image by image: the float colours of a whole test set would fill the memory.
    return jax.lax.map(count, images_u8).sum(axis=0)


def _to_class_or_void(labels: jax.Array, classes: int) -> jax.Array:
    return jnp.where((labels >= 0) & (labels < classes), labels, classes)
