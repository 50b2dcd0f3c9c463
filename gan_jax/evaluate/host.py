"""Metrics of one image on the host: what `gan_jax.metrics` and `image.luma` have, with no size compiled anew.

Images are [H, W, C] of integers or floats in [0, peak]. PSNR and luma are of float64 and of integers; SSIM's windows
are those of `metrics.ssim_factors`, in tiles of one size.
"""

import math

import jax
import numpy as np

from gan_jax import metrics

__all__ = ["luma", "ms_ssim", "psnr", "ssim"]
__dir__ = __all__.copy

# SSIM is computed on tiles of so many windows a side: one compiled program for images of all sizes.
_TILE, _MARGIN = 128, 10
_ssim_factors = jax.jit(metrics.ssim_factors, static_argnames="max_value")


def psnr(x: np.ndarray, y: np.ndarray, peak: float) -> float:
    """`metrics.psnr` in float64 on the host, where no size is compiled anew; exact sums for integers."""
    difference = np.subtract(x, y, dtype=np.float64).ravel()
    error = float(difference @ difference) / difference.size
    return 10.0 * math.log10(peak**2 / error) if error else math.inf


def ssim(x: np.ndarray, y: np.ndarray, peak: float) -> float:
    """`metrics.ssim`, tile by tile."""
    return float(_window_means(x, y, peak)[0].mean())


def ms_ssim(x: np.ndarray, y: np.ndarray, peak: float) -> float:
    """`metrics.ms_ssim`, tile by tile."""
    product = np.ones(x.shape[2])
    *weights, last = metrics.MS_SSIM_WEIGHTS
    for weight in weights:
        product *= np.maximum(_window_means(x, y, peak)[1], 0.0) ** weight
        x, y = _halve(x), _halve(y)
    product *= np.maximum(_window_means(x, y, peak)[0], 0.0) ** last
    return float(product.mean())


def luma(image: np.ndarray, *, rounded: bool) -> np.ndarray:
    """BT.601 luma [H, W, 1] in studio range, of the image's depth; gray passes.

    `image.luma` on the host, in integers, so that rounding meets the halves exactly: of all 8-bit colors 107 fall to
    the other side in float32, and every size of image would be compiled anew.
    """
    if image.shape[2] == 1:
        return image
    red, green, blue = (image[..., k : k + 1].astype(np.int64) for k in range(3))
    weighed, black = 65_481 * red + 128_553 * green + 24_966 * blue, np.iinfo(image.dtype).max // 255 * 16
    if rounded:
        return ((2 * weighed + 255_000) // 510_000 + black).astype(image.dtype)
    return weighed / 255_000 + black


def _halve(image: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd side has its last pixels doubled."""
    height, width, _ = image.shape
    even = np.pad(image.astype(np.float64), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4.0


def _window_means(x: np.ndarray, y: np.ndarray, peak: float) -> np.ndarray:
    """Means over the windows [2, C] of SSIM and of its second factor, contrast with structure."""
    rows, columns = x.shape[0] - _MARGIN, x.shape[1] - _MARGIN
    total = np.zeros((2, x.shape[2]))
    for top in range(0, rows, _TILE):
        for left in range(0, columns, _TILE):
            tile_x, tile_y = (_tile(side, top, left) for side in (x, y))
            factors = _ssim_factors(tile_x, tile_y, max_value=peak)
            luminance, structure = (np.asarray(factor)[:, : rows - top, : columns - left, 0] for factor in factors)
            total += [part.sum(axis=(1, 2), dtype=np.float64) for part in (luminance * structure, structure)]
    return total / (rows * columns)


def _tile(image: np.ndarray, top: int, left: int) -> np.ndarray:
    """The pixels [C, h, w, 1] of a tile's windows, float32; 0 where the image ends.

    Each channel is an image: XLA computes whole rows at once, where of three channels it would compute three values.
    """
    side = _TILE + _MARGIN
    tile = np.zeros((image.shape[2], side, side, 1), np.float32)
    part = image[top : top + side, left : left + side]
    tile[:, : part.shape[0], : part.shape[1], 0] = part.transpose(2, 0, 1)
    return tile
