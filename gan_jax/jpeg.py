"""What JPEG's lossy half does to images, in jax.numpy: under jit and vmap, on the device. It makes no files."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gan_jax import image

__all__ = ["Subsampling", "diff_jpeg", "jpeg"]
__dir__ = __all__.copy

Subsampling = Literal["4:2:0", "4:4:4"]

_HIGHEST = jax.lax.Precision.HIGHEST  # accelerators would multiply matrices in TF32 or bfloat16 by default


def jpeg(images_u8: ArrayLike, quality: ArrayLike, *, subsampling: Subsampling = "4:2:0") -> jax.Array:
    """Images [..., H, W, C] after JPEG's baseline coding, uint8 to uint8; C is 1 or 3.

    `quality`, 1 to 100, is one number or one an image [...], and scales the standard's tables as libjpeg does.
    "4:2:0" halves the colors' sides, by libjpeg's means and triangles. Not differentiable. Raises TypeError for other
    dtypes, ValueError for other channel counts. ITU-T T.81, annexes A and K; JFIF 1.02 for the colors.
    """
    images = jnp.asarray(images_u8)
    if images.dtype != jnp.uint8:
        raise TypeError(f"images are {images.dtype}; wanted uint8.")
    *leading, height, width, channels = images.shape
    if channels not in (1, 3):
        raise ValueError(f"images have {channels} channels; JPEG wants 1 or 3.")
    quality = jnp.broadcast_to(jnp.asarray(quality, jnp.int32), leading)
    levels = images.astype(jnp.float32)
    if channels == 1:
        return _coded(levels[..., 0], _table(_LUMINANCE, quality))[..., None].astype(jnp.uint8)

    ycbcr = _rounded(image.mix_channels(levels, _TO_YCBCR) + _CENTERS)
    table = _table(_CHROMINANCE, quality)
    decoded = [_coded(ycbcr[..., 0], _table(_LUMINANCE, quality))]
    for color in (ycbcr[..., 1], ycbcr[..., 2]):
        if subsampling == "4:4:4":
            decoded.append(_coded(color, table))
        else:
            decoded.append(_doubled(_coded(_halved(color), table))[..., :height, :width])
    rgb = image.mix_channels(jnp.stack(decoded, axis=-1) - _CENTERS, np.linalg.inv(_TO_YCBCR))
    return image.round_to(rgb, jnp.uint8)


def diff_jpeg(images: ArrayLike, quality: ArrayLike, *, sides: tuple[ArrayLike, ArrayLike] | None = None) -> jax.Array:
    """Images [..., H, W, C] in [0, 1] after the JPEG that Real-ESRGAN is trained on; C is 1 or 3.

    Nothing but coefficients is rounded; colors' sides are halved by means and doubled by repetition; `quality`, 1 to
    below 100, one number or one an image [...], is no whole number, nor are the tables, of which rows and columns are
    exchanged, as in that program. `sides`, which may be traced, are those of the upper left part that is the image;
    the rest of the result means nothing. Raises ValueError for other channel counts. github.com/mlomnitz/DiffJPEG, of
    Shin and Song 2017, "JPEG-resistant Adversarial Images", as BasicSR has it.
    """
    x = jnp.asarray(images)
    *leading, height, width, channels = x.shape
    if channels not in (1, 3):
        raise ValueError(f"images have {channels} channels; JPEG wants 1 or 3.")
    if sides is not None:
        inside = (jnp.arange(height) < sides[0])[:, None] & (jnp.arange(width) < sides[1])
        x = jnp.where(inside[..., None], x, 0.0)
    block = 16  # zeros fill these up
    x = jnp.pad(255.0 * x, [(0, 0)] * len(leading) + [(0, -height % block), (0, -width % block), (0, 0)])
    quality = jnp.broadcast_to(jnp.asarray(quality, x.dtype), leading)
    factor = jnp.where(quality < 50.0, 50.0 / quality, 2.0 - quality / 50.0)[..., None, None]
    luminance, chrominance = (jnp.array(table, x.dtype).T * factor for table in (_LUMINANCE, _CHROMINANCE))

    def coded(plane: jax.Array, table: jax.Array) -> jax.Array:
        return _by_blocks(plane, table, lambda coefficients, steps: jnp.round(coefficients / steps))

    if channels == 1:
        levels = coded(x[..., 0], luminance)[..., None]
    else:
        ycbcr = image.mix_channels(x, _TO_YCBCR) + _CENTERS
        decoded = [coded(ycbcr[..., 0], luminance)]
        for color in (ycbcr[..., 1], ycbcr[..., 2]):
            halves = color.reshape(*leading, color.shape[-2] // 2, 2, color.shape[-1] // 2, 2).mean((-3, -1))
            decoded.append(coded(halves, chrominance).repeat(2, -2).repeat(2, -1))
        levels = image.mix_channels(jnp.stack(decoded, axis=-1) - _CENTERS, np.linalg.inv(_TO_YCBCR))
    return jnp.clip(levels[..., :height, :width, :], 0.0, 255.0) / 255.0


# ITU-T T.81, tables K.1 and K.2.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99), (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)  # fmt: skip

# JFIF 1.02: full-range Y, Cb and Cr, the latter two about 128.
_TO_YCBCR = np.array(
    [
        image.LUMA_WEIGHTS,
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
_CENTERS = np.array([0.0, 128.0, 128.0], np.float32)

# The orthonormal DCT of 8 numbers (T.81, A.3.3, written as a matrix).
_DCT = np.sqrt(2 / 8) * np.cos(np.pi / 8 * np.arange(8)[:, None] * (np.arange(8) + 0.5))
_DCT[0] /= np.sqrt(2)


def _table(base: tuple[tuple[int, ...], ...], quality: jax.Array) -> jax.Array:
    """Steps of quantization [..., 8, 8] for qualities [...], as libjpeg's jpeg_set_quality computes them."""
    percent = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)[..., None, None]
    return jnp.clip((jnp.array(base) * percent + 50) // 100, 1, 255).astype(jnp.float32)


def _coded(plane: jax.Array, table: jax.Array) -> jax.Array:
    """Levels [..., H, W] after the quantization of each 8x8 block's DCT; the last row and column fill up the blocks."""
    height, width = plane.shape[-2:]

    def quantized(coefficients: jax.Array, steps: jax.Array) -> jax.Array:
        # In eighths, as libjpeg has them: ties are common, and the last digits must not decide them.
        eighths = jnp.round(8.0 * jnp.abs(coefficients))
        return jnp.sign(coefficients) * jnp.floor(eighths / (8.0 * steps) + 0.5)

    return _rounded(_by_blocks(_extended(plane, -height % 8, -width % 8), table, quantized)[..., :height, :width])


def _by_blocks(plane: jax.Array, table: jax.Array, quantized: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
    """Levels [..., H, W], multiples of 8, whose blocks' coefficients are `quantized` by tables [..., 8, 8]."""
    *leading, height, width = plane.shape
    blocks = plane.reshape(*leading, height // 8, 8, width // 8, 8)
    dct, steps = jnp.asarray(_DCT, plane.dtype), table[..., None, :, None, :]
    coefficients = jnp.einsum("ui,...aibj,vj->...aubv", dct, blocks - 128.0, dct, precision=_HIGHEST)
    whole = quantized(coefficients, steps)
    back = jnp.einsum("ui,...aubv,vj->...aibj", dct, whole * steps, dct, precision=_HIGHEST)
    return back.reshape(plane.shape) + 128.0


def _halved(plane: jax.Array) -> jax.Array:
    """Means of 2x2 pixels [..., ceil(H / 2), ceil(W / 2)], with libjpeg's rounding: down and up by turns."""
    height, width = plane.shape[-2:]
    x = _extended(plane, height % 2, width % 2)
    sums = x[..., ::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, ::2] + x[..., 1::2, 1::2]
    return jnp.floor((sums + 1.0 + jnp.arange(sums.shape[-1]) % 2) / 4.0)


def _doubled(plane: jax.Array) -> jax.Array:
    """[..., H, W] -> [..., 2 H, 2 W] by libjpeg's "fancy upsampling": 3/4 of the nearer pixel, 1/4 of the farther."""
    for axis in (-2, -1):
        widths = [(0, 0)] * plane.ndim
        widths[axis] = (1, 1)
        padded = jnp.pad(plane, widths, mode="edge")
        count = plane.shape[axis]
        before, after = (jax.lax.slice_in_dim(padded, i, i + count, axis=axis % plane.ndim) for i in (0, 2))
        both = jnp.stack([3.0 * plane + before, 3.0 * plane + after], axis=plane.ndim if axis == -1 else -2)
        plane = both.reshape(*plane.shape[:axis], 2 * count, *plane.shape[axis % plane.ndim + 1 :])
    return jnp.floor((plane + 8.0 - jnp.arange(plane.shape[-1]) % 2) / 16.0)


def _extended(plane: jax.Array, rows: int, columns: int) -> jax.Array:
    """[..., H, W] with its last row and its last column repeated so often."""
    return jnp.pad(plane, [(0, 0)] * (plane.ndim - 2) + [(0, rows), (0, columns)], mode="edge")


def _rounded(levels_255: jax.Array) -> jax.Array:
    return jnp.clip(jnp.floor(levels_255 + 0.5), 0.0, 255.0)
