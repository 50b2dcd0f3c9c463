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


def _as_pair(images: ArrayLike, references: ArrayLike) -> tuple[jax.Array, jax.Array]:
    x, y = jnp.asarray(images), jnp.asarray(references)
    if x.shape != y.shape:
        raise ValueError(f"images have shape {x.shape} and references {y.shape}; they must be equal.")
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
