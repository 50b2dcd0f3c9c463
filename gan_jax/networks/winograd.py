"""Convolutions of fewer multiplications: Winograd's form along the rows of an image.

Four rows of outputs below a kernel of three rows are twelve products of rows, or six: of sums of rows of inputs and of
sums of rows of the kernel, from which sums give the outputs (Lavin and Gray 2016, "Fast Algorithms for Convolutional
Neural Networks", who go along both sides). Along one side a sum is one of whole rows, and a product a convolution with
a kernel of one row. A kernel of two rows takes five products in place of eight, one of four rows seven in place of
sixteen; with a stride its rows are so many kernels of fewer rows. The sums cost rounding: in float32 results are off by
1e-6 to 4e-6 of the largest, XLA's by 1e-6.

Arrays are as in `plain_convolution`.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.networks.plain_convolution import Geometry

__all__ = ["ROWS", "convolution", "kernel_gradient"]
__dir__ = __all__.copy

ROWS = 4  # of outputs, which are computed together
_APART = 16  # values, a line of a cache
_POINTS = (0.0, 1.0, -1.0, -2.0, 0.5, 2.0)  # in this order rounding is least, however many are taken


@functools.cache
def _weights(taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the sums, for n products: of inputs [n, n], of a kernel [n, taps], and of products [ROWS, n].

    Four numbers and a kernel of some taps are polynomials, of whose product n - 1 values and the last coefficient tell
    all (Toom and Cook); what is computed here is the transpose of that product with respect to the numbers.
    """
    count = ROWS + taps - 1
    points = np.array(_POINTS[: count - 1])

    def values(coefficients: int) -> np.ndarray:
        return np.vstack([points[:, None] ** np.arange(coefficients), np.eye(coefficients)[-1:]])

    scales = np.array([*(np.prod([one - other for other in points if other != one]) for one in points), 1.0])[:, None]
    of_inputs = np.linalg.inv(values(count)).T * scales
    return np.where(abs(of_inputs) < 1e-9, 0.0, of_inputs), values(taps) / scales, values(ROWS).T


def _weighed(weights: np.ndarray, parts: Sequence[jax.Array]) -> list[jax.Array]:
    """Weighed sums of arrays, one for each row of weights."""
    rows = ((float(weight) * part for weight, part in zip(row, parts, strict=True) if weight) for row in weights)
    return [functools.reduce(jnp.add, row) for row in rows]


def _sums(weights: np.ndarray, parts: Sequence[jax.Array]) -> list[jax.Array]:
    """The same, computed once and not wherever they are read."""
    return lax.optimization_barrier(_weighed(weights, parts))


def _padded(x: jax.Array, above: int, rows: int, left: int, columns: int) -> jax.Array:
    """x with zeros above and on the left, and below and on the right to so many rows and columns in all."""
    edges = [(0, 0, 0), (above, rows - above - x.shape[1], 0), (left, columns - left - x.shape[2], 0), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


def _input_sums(taps: int, padded: jax.Array, stride: int = 1) -> list[jax.Array]:
    """Of a map of (4 G + taps - 1) * stride rows: n maps [N, G, W, stride * I]."""
    images, height, width, channels = padded.shape
    strides = padded.reshape(images, height // stride, stride, width, channels)
    last = strides.shape[1] - (taps - 1) - ROWS
    weights, _, _ = _weights(taps)
    sums = _sums(weights, [lax.slice_in_dim(strides, row, row + last + 1, ROWS, 1) for row in range(len(weights))])
    return [one.swapaxes(2, 3).reshape(images, -1, width, stride * channels) for one in sums]


def convolution(
    x: jax.Array,
    kernel: jax.Array,
    rows: tuple[int, int],
    columns: tuple[int, int, int],
    *,
    stride: int = 1,
    swapped: bool,
) -> jax.Array:
    """XLA's convolution of x with a kernel [h, w, I, O], or, `swapped`, [h, w, O, I].

    `rows`: of zeros above x, and of outputs. `columns`: of zeros left and right of x, and of outputs.
    """
    (above, height), (left, right, width) = rows, columns
    taps, across = kernel.shape[0] // stride, kernel.shape[1]
    _, of_kernel, of_products = _weights(taps)
    needed = (-(-height // ROWS) * ROWS + taps - 1) * stride
    kernels = jnp.tensordot(jnp.asarray(of_kernel, kernel.dtype), kernel.reshape(taps, stride, *kernel.shape[1:]), 1)
    maps = _input_sums(taps, _padded(x, above, needed, 0, x.shape[2]), stride)
    moved = kernels.transpose(0, 2, 1, *((4, 3) if swapped else (3, 4)))
    moved = lax.optimization_barrier(moved.reshape(len(kernels), 1, across, -1, moved.shape[-1]))
    edges = [(0, 0), (left, right)]
    products = [
        lax.conv_general_dilated(one, row, (1, stride), edges, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        for one, row in zip(maps, moved, strict=True)
    ]
    y = jnp.stack(_weighed(of_products, [product[:, :, :width] for product in products]), 2)
    return y.reshape(y.shape[0], -1, *y.shape[3:])[:, :height]


def kernel_gradient(at: Geometry, x: jax.Array, y: jax.Array, *, images: int, bands: int) -> jax.Array:
    """A kernel of x and y, by so many images and so many bands of their rows at once."""
    (height, width), stride, outputs = at.outputs, at.stride, y.shape[-1]
    taps, across = at.kernel[0] // stride, at.kernel[1]
    _, of_kernel, of_products = _weights(taps)
    rows = -(-height // (bands * ROWS)) * ROWS  # a band's
    x = _padded(x, at.padding, (bands * rows + taps - 1) * stride, at.padding, (width - 1) * stride + across)
    y = jnp.pad(y, [(0, 0), (0, bands * rows - height), (0, 0), (0, 0)])
    # A product reads its first array by columns; values that are a power of two apart displace one another in a cache.
    apart = 0 if at.transposed else _APART
    none = lax.full_like(x, 0, shape=(images, rows + taps - 1, width, apart))

    def of_part(part: int | jax.Array) -> jax.Array:
        image, top = part // bands * images, part % bands * rows
        window = (images, (rows + taps - 1) * stride, *x.shape[2:])
        below = lax.dynamic_slice(x, (image, top * stride, 0, 0), window)
        pixels = lax.dynamic_slice(y, (image, top, 0, 0), (images, rows, *y.shape[2:]))
        sums = _sums(of_products.T, [pixels[:, row::ROWS] for row in range(ROWS)])
        strides = below.reshape(images, -1, stride, *below.shape[2:])
        end = (width - 1) * stride + 1
        patches = [strides[:, :, row, tap : tap + end : stride] for row in range(stride) for tap in range(across)]
        inputs = _input_sums(taps, lax.optimization_barrier(jnp.concatenate([*patches, none], axis=-1)))
        pairs = zip(*((sums, inputs) if at.transposed else (inputs, sums)), strict=True)
        return jnp.stack([_sum_of_products(one, other) for one, other in pairs])

    values = stride * across * x.shape[-1]
    shape = (len(of_kernel), outputs, values) if at.transposed else (len(of_kernel), values + apart, outputs)
    nothing = lax.full_like(x, 0, shape=shape)
    products = lax.fori_loop(0, x.shape[0] // images * bands, lambda part, total: total + of_part(part), nothing)
    kernel = jnp.tensordot(jnp.asarray(of_kernel.T, x.dtype), products, 1)
    if at.transposed:
        kernel = kernel.reshape(taps, outputs, stride * across, -1).swapaxes(1, 2)
        return kernel.reshape(*at.kernel, outputs, -1)
    return kernel[:, :values].reshape(*at.kernel, -1, outputs)


def _sum_of_products(one: jax.Array, other: jax.Array) -> jax.Array:
    """Over the pixels of two maps: [channels of one, channels of the other]."""
    pixels = one.reshape(-1, one.shape[-1]), other.reshape(-1, other.shape[-1])
    return lax.dot_general(*pixels, (((0,), (0,)), ((), ())))
