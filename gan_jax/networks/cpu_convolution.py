"""Convolutions on CPUs: exact forms of what XLA computes slowly there, and when to take them.

Arrays are as in `plain_convolution`. Some forms are matrix products, which accumulate in float32 at least; others are
XLA's convolutions with more zeros, or of fewer images at once. The thresholds are those of
`python -m benchmarks.convolutions`: benchmarks/results/convolutions.txt, and convolutions_avx512.txt beside it.
"""

import functools
import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.networks import plain_convolution, winograd
from gan_jax.networks.plain_convolution import Geometry

__all__ = ["correlation", "input_gradient", "kernel_gradient"]
__dir__ = __all__.copy

_FEW_CHANNELS = 8  # of images and logits, which leave the inner loops of convolutions empty
_FEW_PIXELS = 256  # of all outputs: the kernel is what there is to read, and XLA's convolutions read it slowly
_FEWEST_PIXELS = 64  # of all outputs: to move a kernel takes longer than to multiply by it
_MANY_PIXELS = 4096  # of all outputs: that they are computed on all cores is worth a column more
_SHARED = 6144  # a row's outputs, all channels: from here on XLA shares the work of a convolution out by itself
_PIXELS_AT_ONCE = 4096  # of x: of those that a strided convolution of many channels reads at the same time
_MAP_BYTES = 2**24  # of a batch's inputs or outputs: sums of more than that leave the caches before they are multiplied
_PATCH_BYTES = 2**21  # of patches that stay in a core's cache until they are multiplied
_IMAGE_PARTS = (
    4  # times as many of images, whose patches are small products: to begin one costs more than a cache gives
)


_Form = Callable[[Geometry, jax.Array, jax.Array], jax.Array]
_Shaped = jax.Array | jax.ShapeDtypeStruct  # forms are chosen by shapes, of a device's images where there are several


def correlation(at: Geometry, x: _Shaped, kernel: _Shaped) -> _Form | None:
    """How a CPU computes y of x and a kernel; None for XLA's convolution."""
    if at.kernel == (1, 1) or _pixels(at, x) <= _FEW_PIXELS:
        return _correlation_of_patches
    inputs, outputs = _channels(at, kernel)
    narrow = at.stride > 1 and inputs <= 64 and at.outputs[1] < 32
    if _by_rows(at, x, inputs, outputs) and not narrow:
        return _correlation_by_rows
    if at.padding == 0 or _on_one_core(at, x, inputs, outputs):
        return _correlation_of_padded
    return _correlation_by_images if _by_images(at, x, kernel) else None


def input_gradient(at: Geometry, y: _Shaped, kernel: _Shaped) -> _Form | None:
    """How a CPU computes x of y and a kernel; None for XLA's convolution."""
    inputs, outputs = _channels(at, kernel)
    to_images = inputs <= _FEW_CHANNELS
    if at.kernel == (1, 1) or _pixels(at, y) <= _FEW_PIXELS or (to_images and at.stride == 1):
        return _spread_patches
    if _by_rows(at, y, inputs, outputs):
        return _input_gradient_by_rows
    if at.stride == 1 and at.kernel[0] == at.kernel[1] and _on_one_core(at.flipped, y, outputs, inputs):
        return _input_gradient_of_padded
    by_phases = 1 < at.stride <= min(at.kernel) and not to_images
    return _input_gradient_by_phases if by_phases else None


def kernel_gradient(at: Geometry, x: _Shaped, y: _Shaped) -> _Form | None:
    """How a CPU computes a kernel of x and y; None for XLA's convolution."""
    if x.shape[-1] <= _FEW_CHANNELS and at.stride == 1:
        return None
    if at.stride == 1 and at.kernel[0] == at.kernel[1] and y.shape[-1] <= _FEW_CHANNELS:
        return _kernel_gradient_of_other_patches
    if _by_rows(at, x, x.shape[-1], y.shape[-1]):
        return _kernel_gradient_by_rows
    return None if at.kernel == (3, 3) and _pixels(at, x) <= 4 * _FEW_PIXELS else _kernel_gradient_of_patches


def _pixels(at: Geometry, batch: _Shaped) -> int:
    """How many outputs a batch has, a channel."""
    return batch.shape[0] * math.prod(at.outputs)


def _channels(at: Geometry, kernel: _Shaped) -> tuple[int, int]:
    """Of x and of y."""
    inputs, outputs = kernel.shape[:1:-1] if at.transposed else kernel.shape[2:]
    return inputs, outputs


def _by_rows(at: Geometry, batch: _Shaped, inputs: int, outputs: int) -> bool:
    """Whether fewer products are worth sums of rows, which are read and written once more; they want float32."""
    taps, rest = divmod(at.kernel[0], at.stride)
    fit = at.kernel[0] == at.kernel[1] and 2 <= taps <= 4 and rest == 0 and at.outputs[0] >= winograd.ROWS
    many = min(inputs, outputs) > _FEW_CHANNELS and _pixels(at, batch) > _FEW_PIXELS
    return fit and many and batch.dtype.itemsize >= 4


def _on_one_core(at: Geometry, x: _Shaped, inputs: int, outputs: int) -> bool:
    """Whether XLA's convolution of x, left alone, keeps one core busy, however many rows and images there are."""
    few_channels = _FEW_CHANNELS < min(inputs, outputs) <= 64
    return at.stride == 1 and few_channels and at.outputs[1] * outputs < _SHARED and _pixels(at, x) > _MANY_PIXELS


def _images_at_once(at: Geometry, batch: _Shaped) -> int:
    """How many images of a batch are convolved at once, so that each group has as many."""
    return _divisor(batch.shape[0], _PIXELS_AT_ONCE // math.prod(at.inputs))


def _by_images(at: Geometry, batch: _Shaped, kernel: _Shaped) -> bool:
    """Whether XLA's convolution of the whole batch takes longer than those of a few images, one after another."""
    of_images, at_once = min(kernel.shape[2:]) <= _FEW_CHANNELS, _images_at_once(at, batch)
    fill = at_once * math.prod(at.inputs) > _PIXELS_AT_ONCE // 4  # not so where the batch has no good divisor
    return at.stride > 1 and not of_images and at_once < batch.shape[0] and fill


def _divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is at most `most`, or 1."""
    return next((divisor for divisor in range(most, 1, -1) if number % divisor == 0), 1)


def _product(a: jax.Array, b: jax.Array, contracted: tuple[int, int], batch: tuple[int, ...] = ()) -> jax.Array:
    dtype = jnp.promote_types(a.dtype, jnp.float32)
    axes = ((contracted[0],), (contracted[1],))
    return lax.dot_general(a, b, (axes, (batch, batch)), preferred_element_type=dtype)


def _padded(at: Geometry, x: jax.Array, rows: int) -> jax.Array:
    """x with zeros around, as `rows` rows of outputs need it: [N, (rows + reach) * stride, ..., I]."""
    zero = jnp.zeros((), x.dtype)
    edges = [
        (at.padding, (length + reach) * at.stride - at.padding - side, 0)
        for length, reach, side in zip((rows, at.outputs[1]), at.reach, at.inputs, strict=True)
    ]
    return lax.pad(x, zero, [(0, 0, 0), *edges, (0, 0, 0)])


def _patches(at: Geometry, padded: jax.Array) -> jax.Array:
    """The values below the kernel [N, rows, W', h * w * I] at every row of outputs that `padded` has."""
    n, height, width, channels = padded.shape
    stride, reach = at.stride, at.reach
    x = padded.reshape(n, height // stride, stride, width // stride, stride * channels)
    rows, columns = x.shape[1] - reach[0], x.shape[3] - reach[1]
    taps = [min(stride, at.kernel[1] - step * stride) * channels for step in range(reach[1] + 1)]
    return jnp.concatenate(
        [
            x[:, row : row + rows, phase, step : step + columns, :size]
            for row, phase in (divmod(tap, stride) for tap in range(at.kernel[0]))
            for step, size in enumerate(taps)
        ],
        axis=-1,
    )


def _correlation_of_patches(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    if at.transposed and _pixels(at, x) <= _FEWEST_PIXELS:
        by_taps = _product(kernel.reshape(-1, *kernel.shape[2:]), _by_taps(at, x).swapaxes(1, 2), (2, 1), batch=(0,))
        return by_taps.sum(0).T.reshape(x.shape[0], *at.outputs, -1).astype(x.dtype)
    patches = _patches(at, _padded(at, x, at.outputs[0]))
    if at.transposed:
        by_outputs = kernel.transpose(2, 0, 1, 3).reshape(kernel.shape[2], -1)  # rows of I values are moved whole
        return _product(patches, by_outputs, (3, 1)).astype(x.dtype)
    return _product(patches, kernel.reshape(-1, kernel.shape[-1]), (3, 0)).astype(x.dtype)


def _by_taps(at: Geometry, x: jax.Array) -> jax.Array:
    """The values below each tap of the kernel: [h * w, all outputs, I]."""
    patches = _patches(at, _padded(at, x, at.outputs[0]))
    return lax.optimization_barrier(patches.reshape(-1, math.prod(at.kernel), x.shape[-1]).swapaxes(0, 1))


def _correlation_of_padded(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution with a column of outputs more, which is cut off.

    Without any padding XLA takes 2 to 25 times as long, and where `_on_one_core` it takes twice as long on two cores:
    what is cut off afterwards is computed on all.
    """
    kernel = kernel.swapaxes(2, 3) if at.transposed else kernel
    edges = [(at.padding, at.padding), (at.padding, at.padding + at.stride)]
    y = lax.conv_general_dilated(x, kernel, (at.stride, at.stride), edges, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y[:, :, : at.outputs[1]]


def _correlation_by_images(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _in_groups(plain_convolution.correlation, at, x, kernel)


def _in_groups(form: _Form, at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A correlation of some images after others."""
    groups = x.reshape(-1, _images_at_once(at, x), *x.shape[1:])
    y = lax.map(lambda images: form(at, images, kernel), groups)
    return y.reshape(x.shape[0], *y.shape[2:])


def _correlation_by_rows(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Winograd's form; of a large batch in parts, whose sums are in the cache when they are multiplied."""

    def form(at: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
        more = 1 if at.stride == 1 else 0  # columns, for the reasons of `_correlation_of_padded`
        rows, columns = (at.padding, at.outputs[0]), (at.padding, at.padding + more, at.outputs[1])
        return winograd.convolution(x, kernel, rows, columns, stride=at.stride, swapped=at.transposed)

    larger = max(x.size, _pixels(at, x) * _channels(at, kernel)[1])
    return _in_groups(form, at, x, kernel) if _is_large(at, x, larger) else form(at, x, kernel)


def _is_large(at: Geometry, batch: jax.Array, size: int) -> bool:
    """Whether so many values, of the larger of a batch's inputs and outputs, want its images in groups."""
    return size * batch.dtype.itemsize > _MAP_BYTES and _images_at_once(at, batch) < batch.shape[0]


def _input_gradient_of_padded(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same, for a stride of 1 and a square kernel: the gradient is a correlation with the kernel turned around."""
    turned = kernel[::-1, ::-1]
    return _correlation_of_padded(at.flipped, y, turned if at.transposed else turned.swapaxes(2, 3))


def _input_gradient_by_phases(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of y for each row of a stride, by the taps of the kernel that meet it: no zero is multiplied.

    With a column of outputs more, for the reasons of `_correlation_of_padded`.
    """

    def convolved(
        y: jax.Array, kernel: jax.Array, rows: tuple[int, int], columns: tuple[int, int, int], *, swapped: bool
    ) -> jax.Array:
        (above, height), (left, right, width) = rows, columns
        edges = [(above, height + len(kernel) - 1 - above - y.shape[1]), (left, right)]
        kernel = kernel.swapaxes(2, 3) if swapped else kernel
        x = lax.conv_general_dilated(y, kernel, (1, 1), edges, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return x[:, :, :width]

    return _by_phases(convolved, at, y, kernel)


def _input_gradient_by_rows(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same in Winograd's form; without a stride in such parts as `_correlation_by_rows`."""
    form = functools.partial(_by_phases, winograd.convolution)
    larger = max(y.size, y.shape[0] * math.prod(at.inputs) * _channels(at, kernel)[0])
    in_parts = at.stride == 1 and _is_large(at, y, larger)
    return _in_groups(form, at, y, kernel) if in_parts else form(at, y, kernel)


def _by_phases(convolved: Callable[..., jax.Array], at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """x, by convolutions of `winograd.convolution`'s arguments, of all places in a stride that equal taps meet."""
    stride = at.stride
    counts = [-(-side // stride) for side in at.inputs]

    def met(axis: int, phase: int) -> tuple[int, int]:
        """How many taps meet a pixel, and the zeros before y with which as many pixels come out as there are."""
        taps = -(-(at.kernel[axis] - (phase + at.padding) % stride) // stride)
        return taps, taps - 1 - (phase + at.padding) // stride

    def line(row: int) -> list[jax.Array]:
        """The pixels of a row of the stride, by its columns; those that as many taps meet are computed together."""
        _, above = met(0, row)
        taps = kernel[(row + at.padding) % stride :: stride][::-1]
        pixels = []
        for across, equal in itertools.groupby(range(stride), lambda column: met(1, column)[0]):
            columns = list(equal)
            lefts = [met(1, column)[1] for column in columns]
            left, width = max(lefts), counts[1] + max(lefts) - min(lefts)
            more = 1 if width == counts[1] else 0  # together they have a column more by themselves
            right = width + across - 1 - left - y.shape[2] + more
            kernels = [taps[:, (column + at.padding) % stride :: stride][:, ::-1] for column in columns]
            together = jnp.concatenate(kernels, axis=3 if at.transposed else 2)
            x = convolved(y, together, (above, counts[0]), (left, right, width), swapped=not at.transposed)
            for own, of_column in zip(lefts, jnp.split(x, len(columns), axis=3), strict=True):
                pixels.append(of_column[:, :, left - own : left - own + counts[1]])
        return pixels

    x = jnp.stack([jnp.stack(line(row), 3) for row in range(stride)], 2)
    x = x.reshape(y.shape[0], counts[0] * stride, counts[1] * stride, -1)
    return x[:, : at.inputs[0], : at.inputs[1]]


def _spread_patches(at: Geometry, y: jax.Array, kernel: jax.Array) -> jax.Array:
    """What each output gives to the pixels below its kernel, then the sum where kernels overlap."""
    stride, reach, (height, width) = at.stride, at.reach, at.outputs
    inputs = kernel.shape[3 if at.transposed else 2]
    kernel = jnp.pad(kernel, [(0, -length % stride) for length in at.kernel] + [(0, 0)] * 2)
    if at.transposed:
        # Tap by tap, as they lie: to move a kernel of millions of values takes longer than to multiply by it.
        taps = kernel.reshape(-1, *kernel.shape[2:])
        pixels = jnp.broadcast_to(y.reshape(-1, y.shape[-1]), (len(taps), y[..., 0].size, y.shape[-1]))
        parts = _product(pixels, taps, (2, 1), batch=(0,)).swapaxes(0, 1)
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
    """The patches of x, transposed, times y: in parts, whose patches are in the cache when they are multiplied."""
    (height, width), outputs = at.outputs, y.shape[-1]
    shape = (*at.kernel, x.shape[-1], outputs)

    def as_kernel(by_outputs: jax.Array) -> jax.Array:
        if at.transposed:
            return by_outputs.reshape(outputs, *shape[:3]).transpose(1, 2, 0, 3).astype(x.dtype)
        return by_outputs.T.reshape(shape).astype(x.dtype)

    if _pixels(at, x) <= _FEW_PIXELS:
        pixels = y.reshape(-1, outputs)
        if at.transposed and len(pixels) <= _FEWEST_PIXELS:
            taps = _by_taps(at, x)
            kernel = _product(jnp.broadcast_to(pixels, (len(taps), *pixels.shape)), taps, (1, 1), batch=(0,))
            return kernel.reshape(*at.kernel, *kernel.shape[1:]).astype(x.dtype)
        patches = _patches(at, _padded(at, x, height)).reshape(_pixels(at, x), -1)
        if at.transposed:
            return as_kernel(_product(pixels, patches, (0, 0)))
        # The result is larger than all the rest, and lies as it should.
        return _product(patches, pixels, (0, 0)).reshape(shape).astype(x.dtype)
    of_images = x.shape[-1] <= _FEW_CHANNELS and at.stride > 1
    images, bands = _parts(x, height, -(-width * math.prod(shape[:3]) // (_IMAGE_PARTS if of_images else 1)))
    rows = -(-height // bands)
    padded = _padded(at, x, bands * rows)
    y = jnp.pad(y, [(0, 0), (0, bands * rows - height), (0, 0), (0, 0)])

    def of_part(part: int | jax.Array) -> jax.Array:
        group, band = part // bands, part % bands
        window = (images, (rows + at.reach[0]) * at.stride, *padded.shape[2:])
        below = lax.dynamic_slice(padded, (group * images, band * rows * at.stride, 0, 0), window)
        pixels = lax.dynamic_slice(y, (group * images, band * rows, 0, 0), (images, rows, *y.shape[2:]))
        pixels = pixels.reshape(-1, outputs)
        patches = _patches(at, below).reshape(len(pixels), -1)
        if of_images:
            return _product(pixels, patches, (0, 0))
        # XLA multiplies by a transposed array slowly, and transposes y, the smaller one, in no time.
        return _product(lax.optimization_barrier(pixels.T), patches, (1, 0))

    parts = x.shape[0] // images * bands
    none = lax.full_like(x, 0, jnp.promote_types(x.dtype, jnp.float32), (outputs, math.prod(shape[:3])))
    return as_kernel(lax.fori_loop(0, parts, lambda part, total: total + of_part(part), none))


def _parts(x: jax.Array, rows: int, patches: int) -> tuple[int, int]:
    """How many images, or how many bands of an image's rows, have as many patches as a cache; so many values a row."""
    image_bytes = rows * patches * x.dtype.itemsize
    return _divisor(x.shape[0], _PATCH_BYTES // image_bytes), min(rows, -(-image_bytes // _PATCH_BYTES))


def _kernel_gradient_by_rows(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """Winograd's form, in such parts."""
    patches = at.outputs[1] * at.stride * at.kernel[1] * x.shape[-1]
    images, bands = _parts(x, -(-at.outputs[0] // winograd.ROWS), patches)
    return winograd.kernel_gradient(at, x, y, images=images, bands=bands)


def _kernel_gradient_of_other_patches(at: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
    """The same with the patches of y, where these are fewer values, for a stride of 1."""
    turned = _kernel_gradient_of_patches(at.flipped, y, x)[::-1, ::-1]
    return turned if at.transposed else turned.swapaxes(2, 3)
