"""Every convolution of the networks goes through here: one place to choose how it is computed.

Images are NHWC and kernels HWIO, whatever form computes them. There are three functions that are linear in each of
two arrays: a correlation, its gradient with respect to the input, which is a transposed convolution, and its gradient
with respect to the kernel. The derivatives of each are the other two, at every order, and none is left to XLA, whose
gradient of a dilated convolution takes seventy times as long as the convolution on a CPU. On CPUs they are computed by
the forms of `cpu_convolution`, where these are faster, and by XLA's convolutions elsewhere.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.sharding import PartitionSpec as P

from gan_jax.networks import cpu_convolution, plain_convolution
from gan_jax.networks.plain_convolution import Geometry

__all__ = ["conv", "conv_transpose", "plain"]
__dir__ = __all__.copy

_WIDE = 128  # channels: narrower kernels lie in another order on a TPU by themselves
_plain = contextvars.ContextVar("_plain", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Whatever is traced inside takes XLA's convolutions and their automatic derivatives, on every platform.

    For exports, which should hold convolutions, for forward-mode derivatives (`jax.jvp`, `jax.jacfwd`), which JAX
    refuses through the derivatives written here, and as the reference of these. A function that `jax.jit` has compiled
    before keeps its form: trace a new one.
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def conv(x: jax.Array, kernel: jax.Array, *, stride: int, padding: int) -> jax.Array:
    """Cross-correlation of x [N, H, W, I] with kernel [h, w, I, O], zero padding on every side."""
    at = Geometry(stride, padding, _sides(kernel, 0), _sides(x, 1))
    return plain_convolution.correlation(at, x, kernel) if _plain.get() else _correlation(at, x, kernel)


def conv_transpose(x: jax.Array, kernel: jax.Array, *, stride: int, padding: int, output_padding: int = 0) -> jax.Array:
    """Transposed convolution of x [N, H, W, I] with kernel [h, w, I, O], as torch defines it.

    It is the gradient of `conv` with respect to its input: an output side is
    (side - 1) * stride - 2 * padding + kernel side + output_padding.
    """
    height, width = (
        (side - 1) * stride - 2 * padding + length + output_padding
        for side, length in zip(_sides(x, 1), _sides(kernel, 0), strict=True)
    )
    at = Geometry(stride, padding, _sides(kernel, 0), (height, width), transposed=True)
    if _plain.get():
        return plain_convolution.input_gradient(at, x, kernel)
    return _input_gradient(at, x, _kept_in_order(kernel) if kernel.shape[3] >= _WIDE else kernel)


@jax.custom_vjp
def _kept_in_order(kernel: jax.Array) -> jax.Array:
    """The kernel, whose gradient lies in a TPU's or GPU's memory as the kernel does.

    The gradient of a transposed convolution's kernel comes with its last two axes swapped. Left to itself XLA takes
    that order for the whole update, and copies the parameters and both moments of Adam, in float32, to it and back.
    """
    return kernel


def _gradient_in_order(_: None, gradient: jax.Array) -> tuple[jax.Array]:
    in_order = functools.partial(with_layout_constraint, layouts=Layout(tuple(range(gradient.ndim))))
    return (lax.platform_dependent(gradient, tpu=in_order, cuda=in_order, default=lambda same: same),)


_kept_in_order.defvjp(lambda kernel: (kernel, None), _gradient_in_order)


def _sides(array: jax.Array, first: int) -> tuple[int, int]:
    return array.shape[first], array.shape[first + 1]


def _bilinear(
    plain: Callable[..., jax.Array],
    on_cpu: Callable[[Geometry, Any, Any], Callable[..., jax.Array] | None],
    *,
    sums: bool = False,
) -> Any:
    """`plain`, or the form of it that is faster on a CPU, if any; its derivatives are stated below.

    The first array is a batch, and so are the second, if the result `sums` over images, and the result, if not.
    It is traced once for the shapes of layers that are equal, and profiles show it by the name of `plain`.
    """

    @functools.partial(jax.jit, static_argnums=0)
    @jax.named_scope(plain.__name__)
    def compute(at: Geometry, a: jax.Array, b: jax.Array) -> jax.Array:
        known = all(isinstance(side, int) for side in (*a.shape, *b.shape))  # jax.export has symbolic sides, of no size
        devices = _devices_of(a) if known else ()
        form = on_cpu(at, _share(a, devices), _share(b, devices) if sums else b) if known else None
        if form is None:
            return plain(at, a, b)
        cpu: Callable[..., jax.Array] = functools.partial(form, at)
        cpu = _of_shares(cpu, devices, sums=sums) if devices else cpu
        return lax.platform_dependent(a, b, cpu=cpu, default=functools.partial(plain, at))

    return jax.custom_vjp(compute, nondiff_argnums=(0,))


def _of_shares(form: Callable[..., jax.Array], devices: tuple[str, ...], *, sums: bool) -> Callable[..., jax.Array]:
    """A form, computed by each device of its own images.

    Left to XLA's partitioner, one that goes through the batch in parts would have every device gather all of it.
    """
    if sums:
        return jax.shard_map(lambda *shares: lax.psum(form(*shares), devices), in_specs=P(devices), out_specs=P())
    return jax.shard_map(form, in_specs=(P(devices), P()), out_specs=P(devices))


def _devices_of(batch: jax.Array) -> tuple[str, ...]:
    """The axes of the mesh (`jax.sharding.use_abstract_mesh`) that a batch is split over; none where it is not."""
    mesh = jax.sharding.get_abstract_mesh()
    return mesh.auto_axes if mesh.auto_axes and mesh.size > 1 and batch.shape[0] % mesh.size == 0 else ()


def _share(batch: jax.Array, devices: tuple[str, ...]) -> jax.ShapeDtypeStruct:
    """A device's images."""
    shares = jax.sharding.get_abstract_mesh().size if devices else 1
    return jax.ShapeDtypeStruct((batch.shape[0] // shares, *batch.shape[1:]), batch.dtype)


_correlation = _bilinear(plain_convolution.correlation, cpu_convolution.correlation)
_input_gradient = _bilinear(plain_convolution.input_gradient, cpu_convolution.input_gradient)
_kernel_gradient = _bilinear(plain_convolution.kernel_gradient, cpu_convolution.kernel_gradient, sums=True)

_Pair = tuple[jax.Array, jax.Array]


def _derivatives(of: Any, by_first: Callable[..., jax.Array], by_second: Callable[..., jax.Array]) -> None:
    """States the derivatives of `of`(at, a, b): by_first(at, cotangent, a, b) and by_second."""

    def forward(at: Geometry, a: jax.Array, b: jax.Array) -> tuple[jax.Array, _Pair]:
        return of(at, a, b), (a, b)

    def backward(at: Geometry, saved: _Pair, cotangent: jax.Array) -> _Pair:
        return by_first(at, cotangent, *saved), by_second(at, cotangent, *saved)

    of.defvjp(forward, backward)


_derivatives(
    _correlation,
    lambda at, dy, x, kernel: _input_gradient(at, dy, kernel),
    lambda at, dy, x, kernel: _kernel_gradient(at, x, dy),
)
_derivatives(
    _input_gradient,
    lambda at, dx, y, kernel: _correlation(at, dx, kernel),
    lambda at, dx, y, kernel: _kernel_gradient(at, dx, y),
)
_derivatives(
    _kernel_gradient,
    lambda at, dk, x, y: _input_gradient(at, y, dk),
    lambda at, dk, x, y: _correlation(at, x, dk),
)
