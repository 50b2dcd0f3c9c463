"""Image arithmetic in jax.numpy. Float images are [..., H, W, C] in [-1, 1] unless a name says otherwise."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

# ITU-R BT.601 weights of R, G and B in full-range luma.
LUMA_WEIGHTS = (0.299, 0.587, 0.114)


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
