"""Image arithmetic in jax.numpy. Float images are [..., H, W, C] in [-1, 1] unless a name says otherwise."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

# ITU-R BT.601 weights of R, G and B in full-range luma.
LUMA_WEIGHTS = (0.299, 0.587, 0.114)

# Linear sRGB to CIE XYZ, from the primaries and the white point D65 (0.3127, 0.3290) of IEC 61966-2-1.
_RGB_TO_XYZ = (
    (0.4123907993, 0.3575843394, 0.1804807884),
    (0.2126390059, 0.7151686788, 0.0721923154),
    (0.0193308187, 0.1191947798, 0.9505321522),
)


def to_float(images_u8: ArrayLike) -> jax.Array:
    """Images as floats in [-1, 1]: uint8 [..., H, W, C] is rescaled, a floating array passes unchanged.

    Raises TypeError for any other dtype.
    """
    images = jnp.asarray(images_u8)
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images
    if images.dtype != jnp.uint8:
        raise TypeError(f"images are {images.dtype}; wanted uint8 in [0, 255] or floats in [-1, 1].")
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(images: ArrayLike) -> jax.Array:
    """Float images in [-1, 1] as uint8: clipped, and rounded by floor(x + 0.5)."""
    levels_255 = (jnp.clip(jnp.asarray(images), -1.0, 1.0) + 1.0) * 127.5
    return jnp.floor(levels_255 + 0.5).astype(jnp.uint8)


def full_range_luma(rgb: ArrayLike) -> jax.Array:
    """BT.601 luma [..., H, W, 1] of RGB [..., H, W, 3], in the range of the input; [..., H, W, 1] passes.

    Raises ValueError for other channel counts.
    """
    images = jnp.asarray(rgb)
    if images.shape[-1] == 1:
        return images
    if images.shape[-1] != 3:
        raise ValueError(f"images have {images.shape[-1]} channels; luma wants 3 (RGB) or 1 (grey).")
    return (images * jnp.asarray(LUMA_WEIGHTS, images.dtype)).sum(-1, keepdims=True)


def rgb_to_lab(rgb: ArrayLike, *, max_value: float = 255.0) -> jax.Array:
    """CIE L*a*b* [..., 3] of sRGB [..., 3] in [0, max_value], white D65: L in [0, 100], a and b within +-108.

    White, black and greys have a = b = 0. Integers become float32. Raises ValueError for other channel counts.
    CIE 15:2004, section 8.2.1, and IEC 61966-2-1.
    """
    encoded = _as_float(rgb) / max_value
    _require_rgb(encoded)
    linear = jnp.where(encoded > 0.04045, ((jnp.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    # Each row over its sum: X, Y and Z relative to those of white.
    matrix = jnp.asarray([[weight / sum(row) for weight in row] for row in _RGB_TO_XYZ], linear.dtype)
    xyz = (linear[..., None, :] * matrix).sum(-1)
    # The maximum keeps the gradient of the root finite where the line is taken.
    bend = (6 / 29) ** 3
    f = jnp.where(xyz > bend, jnp.cbrt(jnp.maximum(xyz, bend)), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def _as_float(images: ArrayLike) -> jax.Array:
    array = jnp.asarray(images)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.float32)


def _require_rgb(images: jax.Array) -> None:
    if images.ndim == 0 or images.shape[-1] != 3:
        raise ValueError(f"images have shape {images.shape}; wanted RGB, [..., 3].")
