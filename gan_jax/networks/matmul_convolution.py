"""Convolutions as matrix products, for CPUs: exact forms of what XLA computes slowly there, and when to take them.

x is [N, H, W, I], kernels are [h, w, I, O] and y is [N, H', W', O]. Products accumulate in float32 at least. The
thresholds are those of `python -m benchmarks.convolutions`: benchmarks/results/convolutions.txt.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["Geometry", "correlation", "input_gradient", "kernel_gradient"]
__dir__ = __all__.copy

_FEW_CHANNELS = 8  # of images and logits, which leave the inner loops of convolutions empty
_FEW_PIXELS = 256  # of all outputs: the kernel is what there is to read, and XLA's convolutions read it slowly
_BAND_BYTES = 2**22  # of patches that stay in a core's cache until they are multiplied


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
    def flipped(self) -> "Geometry":
        """Of the correlation that computes the gradient of the input, for a stride of 1 and a square kernel."""
        return Geometry(1, self.kernel[0] - 1 - self.padding, self.kernel, self.outputs)


_Form = Callable[[Geometry, jax.Array, jax.Array], jax.Array]


def correlation(at: Geometry, x: jax.Array, kernel: jax.Array) -> _Form | None:
    """How a CPU computes y of x and a kernel; None for XLA's convolution."""
    if at.kernel == (1, 1) or _pixels(at, x) <= _FEW_PIXELS:
        return _correlation_of_patches
    return _correlation_of_padded if at.padding == 0 else None


def input_gradient(at: Geometry, y: jax.Array, kernel: jax.Array) -> _Form | None:
    """How a CPU computes x of y and a kernel; None for XLA's convolution."""
    few_pixels = _pixels(at, y) <= (4 * _FEW_PIXELS if at.kernel == (4, 4) else _FEW_PIXELS)
    to_images = at.stride == 1 and kernel.shape[3 if at.transposed else 2] <= _FEW_CHANNELS
    return _spread_patches if at.kernel == (1, 1) or few_pixels or to_images else None


def kernel_gradient(at: Geometry, x: jax.Array, y: jax.Array) -> _Form | None:
    """How a CPU computes a kernel of x and y; None for XLA's convolution."""
    if x.shape[-1] <= _FEW_CHANNELS:
        return None
    if at.stride == 1 and at.kernel[0] == at.kernel[1] and y.shape[-1] <= _FEW_CHANNELS:
        return _kernel_gradient_of_other_patches
    return None if at.kernel == (3, 3) and _pixels(at, x) <= 4 * _FEW_PIXELS else _kernel_gradient_of_patches


def _pixels(at: Geometry, batch: jax.Array) -> int:
    """How many outputs a batch has, a channel."""
    return batch.shape[0] * math.prod(at.outputs)


def _by_outputs(kernel: jax.Array) -> jax.Array:
    """A transposed kernel as a matrix [O, h * w * I]: rows of I values are moved whole, once for all products."""
    return kernel.transpose(2, 0, 1, 3).reshape(kernel.shape[2], -1)


def _product(a: jax.Array, b: jax.Array, contracted: tuple[int, int]) -> jax.Array:
    dtype = jnp.promote_types(a.dtype, jnp.float32)
    axes = ((contracted[0],), (contracted[1],))
    return lax.dot_general(a, b, (axes, ((), ())), preferred_element_type=dtype)


def _columns(at: Geometry, x: jax.Array, extra_rows: int = 0) -> jax.Array:
    """The values below a row of a kernel side by side: [N, ceil(h / stride) + H' - 1, stride, W', w * I].

    Zeros pad it, and follow as `extra_rows` times `stride` rows.
    """
    n, _, _, channels = x.shape
    stride, (height, width) = at.stride, at.outputs
    reach = [-(-length // stride) - 1 for length in at.kernel]  # how far a kernel reaches, in strides
    rows, columns = height + reach[0] + extra_rows, width + reach[1]
    edges = [
        (at.padding, length * stride - at.padding - side, 0)
        for length, side in zip((rows, columns), at.inputs, strict=True)
    ]
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, [(0, 0, 0), *edges, (0, 0, 0)]).reshape(n, rows * stride, columns, stride * channels)
    taps = [min(stride, at.kernel[1] - step * stride) * channels for step in range(reach[1] + 1)]
    joined = [x[:, :, step : step + width, :size] for step, size in enumerate(taps)]
    return jnp.concatenate(joined, axis=-1).reshape(n, rows, stride, width, -1)


def _patches(at: Geometry, columns: jax.Array, first: int | jax.Array, count: int) -> jax.Array:
    """`count` rows of outputs from the `first`: the values below the kernel [N, count, W', h * w * I]."""
    taps = [divmod(tap, at.stride) for tap in range(at.kernel[0])]
    return jnp.concatenate(
        [lax.dynamic_slice_in_dim(columns, first + row, count, axis=1)[:, :, phase] for row, phase in taps], axis=-1
    )


def _correlation_of_patches(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    patches = _patches(at, _columns(at, x), 0, at.outputs[0])
    if at.transposed:
        return _product(patches, _by_outputs(kernel), (3, 1)).astype(x.dtype)
    return _product(patches, kernel.reshape(-1, kernel.shape[-1]), (3, 0)).astype(x.dtype)


def _correlation_of_padded(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution with a column of zeros: without any padding XLA's CPU takes 2 to 25 times as long."""
    kernel = kernel.swapaxes(2, 3) if at.transposed else kernel
    edges = [(0, 0), (0, at.stride)]
    y = lax.conv_general_dilated(x, kernel, (at.stride, at.stride), edges, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y[:, :, : at.outputs[1]]


def _spread_patches(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """What each output gives to the pixels below its kernel, then the sum where kernels overlap."""
    stride, (height, width), inputs = at.stride, at.outputs, kernel.shape[3 if at.transposed else 2]
    reach = [-(-length // stride) - 1 for length in at.kernel]
    kernel = jnp.pad(kernel, [(0, -length % stride) for length in at.kernel] + [(0, 0)] * 2)
    if at.transposed:
        parts = _product(y, _by_outputs(kernel), (3, 0))
    else:
        parts = _product(y, kernel.reshape(-1, kernel.shape[-1]), (3, 1))
    parts = parts.reshape(y.shape[0], height, width, reach[0] + 1, stride, reach[1] + 1, stride, inputs)
    rows = functools.reduce(
        jnp.add,
        (
            jnp.pad(parts[:, :, :, step], [(0, 0), (step, reach[0] - step)] + [(0, 0)] * 5)
            for step in range(reach[0] + 1)
        ),
    )
    x = functools.reduce(
        jnp.add,
        (
            jnp.pad(rows[:, :, :, :, step], [(0, 0)] * 2 + [(step, reach[1] - step)] + [(0, 0)] * 3)
            for step in range(reach[1] + 1)
        ),
    )
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(y.shape[0], (height + reach[0]) * stride, (width + reach[1]) * stride, -1)
    edges = [(-at.padding, side + at.padding - x.shape[axis]) for axis, side in enumerate(at.inputs, 1)]
    zero = jnp.zeros((), x.dtype)
    return lax.pad(x, zero, [(0, 0, 0), *((low, high, 0) for low, high in edges), (0, 0, 0)]).astype(y.dtype)


def _kernel_gradient_of_patches(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """The patches of x, transposed, times y: band by band, so that what is multiplied is still in the cache."""
    (height, width), outputs = at.outputs, y.shape[-1]
    shape = (*at.kernel, x.shape[-1], outputs)

    def as_kernel(by_outputs: jax.Array) -> jax.Array:
        if at.transposed:
            return by_outputs.reshape(outputs, *shape[:3]).transpose(1, 2, 0, 3).astype(x.dtype)
        return by_outputs.T.reshape(shape).astype(x.dtype)

    if _pixels(at, x) <= _FEW_PIXELS:
        patches = _patches(at, _columns(at, x), 0, height).reshape(_pixels(at, x), -1)
        pixels = y.reshape(-1, outputs)
        if at.transposed:
            return as_kernel(_product(pixels, patches, (0, 0)))
        # The result is larger than all the rest, and lies as it should.
        return _product(patches, pixels, (0, 0)).reshape(shape).astype(x.dtype)
    row_bytes = x.shape[0] * width * math.prod(shape[:3]) * x.dtype.itemsize
    rows = min(height, max(1, _BAND_BYTES // row_bytes))
    bands = -(-height // rows)
    columns = _columns(at, x, extra_rows=bands * rows - height)
    y = jnp.pad(y, [(0, 0), (0, bands * rows - height), (0, 0), (0, 0)])

    def of_band(band: int | jax.Array) -> jax.Array:
        patches = _patches(at, columns, band * rows, rows)
        part = lax.dynamic_slice_in_dim(y, band * rows, rows, axis=1).reshape(-1, outputs)
        # XLA multiplies by a transposed array slowly, and transposes y, the smaller one, in no time.
        return _product(lax.optimization_barrier(part.T), patches.reshape(part.shape[0], -1), (1, 0))

    total = lax.fori_loop(1, bands, lambda band, total: total + of_band(band), of_band(0))
    return as_kernel(total)


def _kernel_gradient_of_other_patches(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """The same with the patches of y, where these are fewer values, for a stride of 1."""
    turned = _kernel_gradient_of_patches(at.flipped, y, x)[::-1, ::-1]
    return turned if at.transposed else turned.swapaxes(2, 3)
