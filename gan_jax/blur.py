"""The blur of degradations: random images' kernels, filtering by them, and sharpening.

A kernel is [side, side] and sums to 1: a `size`, odd and at most the side, is cut out of its middle, zeros around it.
Size, widths and angle may be traced, so that each image of a batch draws its own under `vmap`. The kernels are those
of BasicSR's degradations.py, which are Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with
Pure Synthetic Data", sections 3.1 and 3.4.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

__all__ = ["filter2d", "gaussian", "plateau", "sharpen", "sinc"]
__dir__ = __all__.copy

_HIGHEST = jax.lax.Precision.HIGHEST  # accelerators would multiply matrices in TF32 or bfloat16 by default
_NODES = 96  # of the integral for Bessel's function: exact to float64 for arguments below 60


def gaussian(
    side: int, sigma: ArrayLike, *, angle: ArrayLike = 0.0, beta: ArrayLike = 1.0, size: ArrayLike | None = None
) -> jax.Array:
    """exp(-q^beta / 2), the generalized Gaussian; q is the squared distance in units of `sigma`. beta 1: a Gaussian.

    `sigma` is one number, or two [2] along x and y before both are turned by `angle` in radians, from x to y (down).
    """
    return _normalized(jnp.exp(-0.5 * _squared_distance(side, sigma, angle) ** beta), size)


def plateau(
    side: int, sigma: ArrayLike, *, angle: ArrayLike = 0.0, beta: ArrayLike = 1.0, size: ArrayLike | None = None
) -> jax.Array:
    """1 / (1 + q^beta), flat at its top; arguments are those of `gaussian`."""
    return _normalized(1.0 / (1.0 + _squared_distance(side, sigma, angle) ** beta), size)


def sinc(side: int, cutoff: ArrayLike, *, size: ArrayLike | None = None) -> jax.Array:
    """The circular low-pass filter, which rings: cutoff J1(cutoff r) / (2 pi r), `cutoff` in (0, pi]. Eq. 6."""
    x, y = _offsets(side)
    radius = np.hypot(x, y)
    away = np.where(radius == 0.0, 1.0, radius)
    ring = cutoff * _bessel_j1(cutoff * away) / (2.0 * np.pi * away)
    return _normalized(jnp.where(radius == 0.0, jnp.square(cutoff) / (4.0 * np.pi), ring), size)


def filter2d(image: ArrayLike, kernel: ArrayLike, *, sides: tuple[ArrayLike, ArrayLike] | None = None) -> jax.Array:
    """An image [H, W, C] correlated with a kernel [k, k], k odd, whose borders are mirrored at the last pixels.

    `sides`, which may be traced, are those of the upper left part that is the image; the rest of the result means
    nothing.
    """
    x, taps = jnp.asarray(image), jnp.asarray(kernel)
    height, width, _ = x.shape
    rows, columns = (height, width) if sides is None else sides
    size = len(taps)
    x = x[_mirrored(height, rows, size // 2)][:, _mirrored(width, columns, size // 2)]

    # Row by row of the kernel. An FFT takes a quarter of the time on a CPU, but is done whole by all devices of a mesh.
    def add(total: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
        line, row = jax.lax.dynamic_slice_in_dim(x, i, height), taps[i]
        parts = (row[j] * jax.lax.slice_in_dim(line, j, j + width, axis=1) for j in range(size))
        return total + sum(parts, jnp.zeros((), x.dtype)), None

    return jax.lax.scan(add, jnp.zeros_like(x[:height, :width]), jnp.arange(size))[0]


def sharpen(images: ArrayLike, *, radius: int = 50, weight: float = 0.5, threshold: float = 10.0) -> jax.Array:
    """Images [..., H, W, C] in [0, 1] after unsharp masking: what a Gaussian of side `radius` takes away is added.

    It is added `weight` times, and only where it is above `threshold` 8-bit levels, with soft borders. Real-ESRGAN's
    USMSharp, whose targets are sharpened so; the Gaussian has OpenCV's deviation for its side.
    """
    x = jnp.asarray(images)
    detail = x - _smooth(x, radius)
    mask = (jnp.abs(detail) * 255.0 > threshold).astype(x.dtype)
    softness = _smooth(mask, radius)
    return softness * jnp.clip(x + weight * detail, 0.0, 1.0) + (1.0 - softness) * x


def _smooth(x: jax.Array, radius: int) -> jax.Array:
    """[..., H, W, C] under a Gaussian of side `radius`, or the next odd one; borders mirrored at the last pixels."""
    half = radius // 2
    sigma = 0.3 * (half - 1) + 0.8  # cv2.getGaussianKernel's for sigma 0
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    for axis in (x.ndim - 3, x.ndim - 2):
        count = x.shape[axis]
        matrix = np.zeros((count, count))
        places = _mirror(np.arange(count)[:, None] + np.arange(-half, half + 1), count)
        np.add.at(matrix, (np.arange(count)[:, None], places), weights / weights.sum())
        x = jnp.moveaxis(jnp.tensordot(x, jnp.asarray(matrix, x.dtype), (axis, 1), precision=_HIGHEST), -1, axis)
    return x


def _mirrored(length: int, count: ArrayLike, half: int) -> jax.Array:
    """For each of `length` places and `half` more on either side, the pixel of `count` that a mirror shows there."""
    return jnp.minimum(_mirror(jnp.arange(-half, length + half), count), length - 1)


def _mirror(places: Any, count: Any) -> Any:
    """Places on a line of `count` pixels between two mirrors; of NumPy or of JAX, as they come."""
    period = 2 * count - 2 + (count == 1)
    xp = jnp if isinstance(places, jax.Array) else np
    return count - 1 - xp.abs(count - 1 - places % period)


def _offsets(side: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of each element, from the middle."""
    y, x = np.mgrid[:side, :side] - side // 2
    return x, y


def _squared_distance(side: int, sigma: ArrayLike, angle: ArrayLike) -> jax.Array:
    x, y = _offsets(side)
    widths = jnp.broadcast_to(jnp.asarray(sigma, jnp.result_type(float)), (2,))
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.square((cos * x + sin * y) / widths[0]) + jnp.square((cos * y - sin * x) / widths[1])


def _normalized(weights: jax.Array, size: ArrayLike | None) -> jax.Array:
    side = len(weights)
    if size is not None:
        x, y = _offsets(side)
        weights = jnp.where(np.maximum(np.abs(x), np.abs(y)) <= jnp.asarray(size) // 2, weights, 0.0)
    return weights / weights.sum()


def _bessel_j1(x: ArrayLike) -> jax.Array:
    """Bessel's J1: the mean of cos(t - x sin t) over a circle. Abramowitz and Stegun 1964, 9.1.21."""
    t = 2.0 * np.pi * np.arange(_NODES) / _NODES
    return jnp.cos(t - jnp.asarray(x)[..., None] * np.sin(t)).mean(-1)
