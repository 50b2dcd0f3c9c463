"""A correlation and its two gradients as XLA's convolutions: what every form must equal.

x is [N, H, W, I], kernels are [h, w, I, O] and y is [N, H', W', O].
"""

import functools
from typing import NamedTuple

import jax
from jax import lax

__all__ = ["Geometry", "correlation", "input_gradient", "kernel_gradient"]
__dir__ = __all__.copy

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Geometry(NamedTuple):
    """What the channels of a correlation leave open: stride, zeros, the sides of its kernel and its input.

    `transposed`: kernels are [h, w, O, I], as those of transposed convolutions lie, whose inputs are y.
    """

    stride: int
    padding: int
    kernel: tuple[int, int]
    inputs: tuple[int, int]
    transposed: bool = False

    @property
    def outputs(self) -> tuple[int, int]:
        """The sides of the output."""
        height, width = (
            (side + 2 * self.padding - length) // self.stride + 1
            for side, length in zip(self.inputs, self.kernel, strict=True)
        )
        return height, width

    @property
    def reach(self) -> tuple[int, int]:
        """How far a kernel reaches, in strides."""
        height, width = (-(-length // self.stride) - 1 for length in self.kernel)
        return height, width

    @property
    def flipped(self) -> "Geometry":
        """Of the correlation that computes the gradient of the input, for a stride of 1 and a square kernel."""
        return Geometry(1, self.kernel[0] - 1 - self.padding, self.kernel, self.outputs)


def correlation(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """y of x and a kernel."""
    kernel = kernel.swapaxes(2, 3) if at.transposed else kernel
    return lax.conv_general_dilated(
        x, kernel, (at.stride, at.stride), [(at.padding, at.padding)] * 2, dimension_numbers=_LAYOUT
    )


def input_gradient(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """x of y and a kernel."""
    # The gradient of a correlation is a correlation of the dilated map with the kernel turned by 180 degrees.
    turned = kernel[::-1, ::-1]
    edges = [
        (length - 1 - at.padding, side + at.padding - (outputs - 1) * at.stride - 1)
        for side, length, outputs in zip(at.inputs, at.kernel, at.outputs, strict=True)
    ]
    return lax.conv_general_dilated(
        y,
        turned if at.transposed else turned.swapaxes(2, 3),
        (1, 1),
        edges,
        lhs_dilation=(at.stride, at.stride),
        dimension_numbers=_LAYOUT,
    )


def kernel_gradient(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """A kernel of x and y."""
    channels = (y.shape[-1], x.shape[-1]) if at.transposed else (x.shape[-1], y.shape[-1])
    kernel = jax.ShapeDtypeStruct((*at.kernel, *channels), x.dtype)
    return jax.linear_transpose(functools.partial(correlation, at, x), kernel)(y)[0]
