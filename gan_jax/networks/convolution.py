"""Every strided, transposed and few-channel convolution goes through here: one place to choose how it is computed.

Images are NHWC and kernels HWIO, whatever form computes them.
"""

import jax
from jax import lax

__all__ = ["conv", "conv_transpose"]
__dir__ = __all__.copy

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(x: jax.Array, kernel: jax.Array, *, stride: int, padding: int) -> jax.Array:
    """Cross-correlation of x [N, H, W, I] with kernel [h, w, I, O], zero padding on every side."""
    return lax.conv_general_dilated(x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_LAYOUT)


def conv_transpose(x: jax.Array, kernel: jax.Array, *, stride: int, padding: int, output_padding: int = 0) -> jax.Array:
    """Transposed convolution of x [N, H, W, I] with kernel [h, w, I, O], as torch defines it.

    It is the gradient of `conv` with respect to its input: an output side is
    (side - 1) * stride - 2 * padding + kernel side + output_padding.
    """
    # The gradient of a correlation is a correlation of the dilated input with the kernel turned by 180 degrees.
    edges = [(side - 1 - padding, side - 1 - padding + output_padding) for side in kernel.shape[:2]]
    return lax.conv_general_dilated(
        x, kernel[::-1, ::-1], (1, 1), edges, lhs_dilation=(stride, stride), dimension_numbers=_LAYOUT
    )
