"""Convolutions as matrix products, for CPUs: exact forms of what XLA computes slowly there, and when to take them.

x is [N, H, W, I], kernels are [h, w, I, O] and y is [N, H', W', O]. Products accumulate in float32 at least. Measured:
`benchmarks/results/convolutions.md`.
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

_FEW = 8  # channels, of images and logits, that leave the inner loop of a convolution empty
_BAND_BYTES = 2**20  # of patches that stay in a core's cache until they are multiplied


class Geometry(NamedTuple):
    """What the channels of a correlation leave open: stride, zeros, and the sides of its kernel and its input."""

    stride: int
    padding: int
    kernel: tuple[int, int]
    inputs: tuple[int, int]

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
        """Of the correlation that computes the input's gradient, where the stride is 1 and the kernel is square."""
        return Geometry(1, self.kernel[0] - 1 - self.padding, self.kernel, self.outputs)


_Form = Callable[[Geometry, jax.Array, jax.Array], jax.Array]


def correlation(at: Geometry, inputs: int, outputs: int) -> _Form | None:
    """How a CPU computes y [N, H', W', outputs] of x [N, H, W, inputs] and a kernel; None for XLA's convolution."""
    if at.stride > 1:
        return _correlation_of_patches
    if outputs <= _FEW < inputs:
        return _correlation_of_planes
    return None if at.kernel == (3, 3) and inputs > _FEW else _correlation_of_patches


def input_gradient(at: Geometry, inputs: int, outputs: int) -> _Form | None:
    """How a CPU computes x [N, H, W, inputs] of y [N, H', W', outputs] and a kernel; None for XLA's convolution."""
    if at.stride > 1 or at.outputs == (1, 1) or at.kernel[0] != at.kernel[1]:
        return _spread_patches
    if at.kernel == (4, 4) and _FEW < inputs <= outputs:
        return _spread_patches
    form = correlation(at.flipped, outputs, inputs)
    return form and functools.partial(_flipped, form)


def kernel_gradient(at: Geometry, inputs: int, outputs: int) -> _Form | None:
    """How a CPU computes a kernel of x [N, H, W, inputs] and y [N, H', W', outputs]; None for XLA's convolution."""
    if at.stride == 1 and at.kernel[0] == at.kernel[1] and outputs < inputs:
        return _kernel_gradient_of_other_patches
    return _kernel_gradient_of_patches


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


def _by_bands(compute: Callable[[int | jax.Array], jax.Array], bands: int) -> jax.Array:
    """compute(0), compute(1), ...: arrays [..., rows, W, C], as one [..., bands * rows, W, C]."""
    if bands == 1:
        return compute(0)
    parts = jnp.moveaxis(lax.map(compute, jnp.arange(bands)), 0, -4)
    return parts.reshape(*parts.shape[:-4], -1, *parts.shape[-2:])


def _band(rows: int, row_values: int, dtype: jax.typing.DTypeLike) -> tuple[int, int]:
    """How many of these rows one band has, and how many bands that makes."""
    size = min(rows, max(1, _BAND_BYTES // (row_values * jnp.dtype(dtype).itemsize)))
    return size, -(-rows // size)


def _correlation_of_patches(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    (height, width), matrix = at.outputs, kernel.reshape(-1, kernel.shape[-1])
    rows, bands = _band(height, x.shape[0] * width * matrix.shape[0], x.dtype)
    columns = _columns(at, x, extra_rows=bands * rows - height)
    y = _by_bands(lambda band: _product(_patches(at, columns, band * rows, rows), matrix, (3, 0)), bands)
    return y[:, :height].astype(x.dtype)


def _correlation_of_planes(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A plane for each tap and output, then the sum of the shifted planes: for few outputs and a stride of 1."""
    (h, w), (height, width), (n, inputs), outputs = at.kernel, at.outputs, x.shape[::3], kernel.shape[-1]
    taps = kernel.swapaxes(2, 3).reshape(-1, inputs)
    rows, bands = _band(height + h - 1, n * (width + w - 1) * taps.shape[0], x.dtype)
    edges = [(at.padding, at.padding + bands * rows - (height + h - 1), 0), (at.padding, at.padding, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])

    def of_band(band: int | jax.Array) -> jax.Array:
        part = lax.dynamic_slice_in_dim(x, band * rows, rows, axis=1)
        planes = _product(taps, part, (1, 3)).reshape(h, w, outputs, *part.shape[:3])
        return sum(planes[:, tap, ..., tap : tap + width] for tap in range(w))[..., None]

    by_row = _by_bands(of_band, bands)[..., 0]  # [h, O, N, H, W']
    y = sum(by_row[tap, ..., tap : tap + height, :] for tap in range(h))
    return jnp.moveaxis(y, 0, -1).astype(x.dtype)


def _flipped(form: _Form, at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """The input's gradient as the correlation with the kernel turned by 180 degrees: for a stride of 1."""
    return form(at.flipped, y, kernel[::-1, ::-1].swapaxes(2, 3))


def _spread_patches(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """What each output gives to the pixels below its kernel, then the sum where kernels overlap."""
    stride, (height, width), inputs = at.stride, at.outputs, kernel.shape[2]
    reach = [-(-length // stride) - 1 for length in at.kernel]
    kernel = jnp.pad(kernel, [(0, -length % stride) for length in at.kernel] + [(0, 0)] * 2)
    parts = _product(y, kernel.reshape(-1, kernel.shape[-1]), (3, 1))
    parts = parts.reshape(y.shape[0], height, width, reach[0] + 1, stride, reach[1] + 1, stride, inputs)
    rows = sum(
        jnp.pad(parts[:, :, :, step], [(0, 0), (step, reach[0] - step)] + [(0, 0)] * 5) for step in range(reach[0] + 1)
    )
    x = sum(
        jnp.pad(rows[:, :, :, :, step], [(0, 0)] * 2 + [(step, reach[1] - step)] + [(0, 0)] * 3)
        for step in range(reach[1] + 1)
    )
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(y.shape[0], (height + reach[0]) * stride, (width + reach[1]) * stride, -1)
    edges = [(-at.padding, side + at.padding - x.shape[axis]) for axis, side in enumerate(at.inputs, 1)]
    zero = jnp.zeros((), x.dtype)
    return lax.pad(x, zero, [(0, 0, 0), *((low, high, 0) for low, high in edges), (0, 0, 0)]).astype(y.dtype)


def _kernel_gradient_of_patches(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """The patches of x, transposed, times y: band by band, so that what is multiplied is still in the cache."""
    (height, width), outputs = at.outputs, y.shape[-1]
    shape = (*at.kernel, x.shape[-1], outputs)
    rows, bands = _band(height, x.shape[0] * width * math.prod(shape[:3]), x.dtype)
    columns = _columns(at, x, extra_rows=bands * rows - height)
    y = jnp.pad(y, [(0, 0), (0, bands * rows - height), (0, 0), (0, 0)])

    def of_band(band: int | jax.Array) -> jax.Array:
        patches = _patches(at, columns, band * rows, rows)
        part = lax.dynamic_slice_in_dim(y, band * rows, rows, axis=1).reshape(-1, outputs)
        # XLA multiplies by a transposed array slowly, and transposes y, the smaller one, in no time.
        return _product(lax.optimization_barrier(part.T), patches.reshape(part.shape[0], -1), (1, 0))

    if bands == 1 and y.shape[0] * height * width < 64:  # so few pixels that the kernel is what there is to move
        patches = _patches(at, columns, 0, rows).reshape(y.shape[0] * height * width, -1)
        return _product(patches, y.reshape(-1, outputs), (0, 0)).reshape(shape).astype(x.dtype)
    first = of_band(0)
    total = lax.fori_loop(1, bands, lambda band, total: total + of_band(band), first) if bands > 1 else first
    return total.T.reshape(shape).astype(x.dtype)


def _kernel_gradient_of_other_patches(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """The same with the patches of y, where these are fewer values, for a stride of 1."""
    turned = _kernel_gradient_of_patches(at.flipped, y, x)
    return turned[::-1, ::-1].swapaxes(2, 3)
