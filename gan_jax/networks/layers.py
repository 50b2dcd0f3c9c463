"""The layers that the architectures share, with every constant of the PyTorch-era references written out.

Feature maps are [N, H, W, C], float32 or bfloat16 (`computed_in`); parameters and statistics start as float32 with
either, and with JAX_ENABLE_X64 too.
"""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.nn.initializers import constant, normal, ones, variance_scaling, zeros
from jax.typing import DTypeLike

from gan_jax import image
from gan_jax.networks import convolution

__all__ = [
    "BATCH_NORM_MOMENTUM",
    "NORM_EPS",
    "SPECTRAL_NORM_EPS",
    "SPECTRAL_NORM_START",
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "DTypeName",
    "Dense",
    "Dropout",
    "EnlargementName",
    "InstanceNorm",
    "LayerNorm",
    "Norm",
    "NormName",
    "PReLU",
    "PaddingName",
    "SpectralNorm",
    "Upsample",
    "UpsampleName",
    "as_float32",
    "computed_in",
    "icnr",
    "leaky_relu",
    "pad",
    "small_he",
    "torch_default",
]
__dir__ = __all__.copy

NORM_EPS = 1e-5
BATCH_NORM_MOMENTUM = 0.1  # torch's: new running value = 0.9 old + 0.1 batch
SPECTRAL_NORM_EPS = 1e-12  # torch's, below the length of the vectors of the power iteration
SPECTRAL_NORM_START = 15  # torch's: power iterations at the start; training goes on with one a pass

DTypeName = Literal["float32", "bfloat16"]
NormName = Literal["batch", "instance", "layer", "none"]
PaddingName = Literal["reflect", "replicate", "zero"]
EnlargementName = Literal["pixel_shuffle", "nearest", "bilinear"]
UpsampleName = Literal["transposed", "pixel_shuffle", "nearest", "bilinear"]

# torch's own: U(-1, 1) / sqrt(inputs of one output), for references that initialize nothing themselves.
torch_default = variance_scaling(1 / 3, "fan_in", "uniform")
# He's, a tenth as large: Wang et al. 2018, "ESRGAN", 3.1; the factor 0.1 is BasicSR's.
small_he = variance_scaling(2.0 * 0.1**2, "fan_in", "normal")


def _normal_around_one(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
    """N(1, 0.02), as DCGAN and its successors initialize the scale of batch norm."""
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)


def computed_in(x: jax.Array, dtype: DTypeName) -> jax.Array:
    """The input of a network that computes in `dtype`: with bfloat16 every layer behind rounds to it."""
    return x.astype(jnp.bfloat16) if dtype == "bfloat16" else x


def as_float32(x: jax.Array) -> jax.Array:
    """bfloat16 as float32; anything else as it is."""
    return x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x


def _at_use(param: jax.Array, x: jax.Array) -> jax.Array:
    """A float32 parameter in the dtype of the feature map that it meets, bfloat16 or float64; its gradient is float32
    again.
    """
    return param.astype(x.dtype) if x.dtype in (jnp.bfloat16, jnp.float64) else param


def pad(x: jax.Array, width: int, kind: PaddingName) -> jax.Array:
    """[N, H, W, C] -> [N, H + 2 width, W + 2 width, C]: mirrored at the edge pixel, that pixel repeated, or zeros."""
    edges = [(0, 0), (width, width), (width, width), (0, 0)]
    return jnp.pad(x, edges, mode={"reflect": "reflect", "replicate": "edge", "zero": "constant"}[kind])


def leaky_relu(x: jax.Array, slope: float) -> jax.Array:
    """x where it is positive, slope * x elsewhere."""
    # At zero jax.nn's derivative is 1, torch's the slope. Zeros are common: gray areas under a bias of zero.
    return jnp.where(x > 0, x, slope * x)


class SpectralNorm(nn.Module):
    """A kernel over its largest singular value: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial
    Networks", algorithm 1, one power iteration a training pass. The vectors u [outputs] and v [inputs of one output]
    are statistics, both kept as in torch: in evaluation the kernel is over u W v, with the vectors as they are.
    """

    @nn.compact
    def __call__(self, kernel: jax.Array, *, train: bool) -> jax.Array:
        """[..., I, O], float32 -> the same shape; as a matrix it has a row for each output."""
        matrix = kernel.reshape(-1, kernel.shape[-1]).T
        fixed = lax.stop_gradient(matrix)  # eq. 11: the singular vectors are no function of the kernel

        def iterated(u: jax.Array) -> tuple[jax.Array, jax.Array]:
            v = _unit(_dot(u, fixed))
            return _unit(_dot(fixed, v)), v

        def start() -> jax.Array:
            u = _unit(jax.random.normal(self.make_rng("params"), matrix.shape[:1], jnp.float32))
            return lax.fori_loop(0, SPECTRAL_NORM_START, lambda _, u: iterated(u)[0], u)

        u = self.variable("spectral_norm", "u", start)
        v = self.variable("spectral_norm", "v", lambda: _unit(_dot(u.value, fixed)))
        left, right = iterated(u.value) if train else (u.value, v.value)
        if train and not self.is_initializing():
            u.value, v.value = left, right
        return kernel / _dot(left, _dot(matrix, right))


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """In float32 on every device: TPUs and GPUs may take fewer bits unless told."""
    return jnp.dot(a, b, precision=lax.Precision.HIGHEST)


def _unit(vector: jax.Array) -> jax.Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), SPECTRAL_NORM_EPS)


class Conv(nn.Module):
    """Convolution with a square kernel and zero padding; kernels are HWIO, N(0, 0.02) at the start."""

    features: int
    kernel_size: int
    stride: int
    padding: int
    use_bias: bool
    kernel_init: Callable[..., jax.Array] = normal(0.02)
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[N, H, W, I] -> [N, H', W', features]. `train` moves the vector of spectral norm, where there is one."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        kernel = SpectralNorm(name="spectral")(kernel, train=train) if self.spectral_norm else kernel
        y = convolution.conv(x, _at_use(kernel, x), stride=self.stride, padding=self.padding)
        return y + _at_use(self.param("bias", zeros, (self.features,), jnp.float32), x) if self.use_bias else y


class ConvTranspose(nn.Module):
    """Transposed convolution as torch defines it; kernels are HWIO, N(0, 0.02) at the start."""

    features: int
    kernel_size: int
    stride: int
    padding: int
    use_bias: bool
    output_padding: int = 0
    kernel_init: Callable[..., jax.Array] = normal(0.02)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, I] -> [N, H', W', features], H' = (H - 1) stride - 2 padding + kernel + output_padding."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        y = convolution.conv_transpose(
            x, _at_use(kernel, x), stride=self.stride, padding=self.padding, output_padding=self.output_padding
        )
        return y + _at_use(self.param("bias", zeros, (self.features,), jnp.float32), x) if self.use_bias else y


def icnr(kernel_init: Callable[..., jax.Array], factor: int) -> Callable[..., jax.Array]:
    """An initializer whose kernels, in front of a pixel shuffle, enlarge by nearest neighbors: no checkerboard.

    Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution".
    """

    def init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
        one = kernel_init(key, (*shape[:-1], shape[-1] // factor**2), dtype)
        return jnp.repeat(one, factor**2, axis=-1)

    return init


class Upsample(nn.Module):
    """Maps `factor` times as large, with one kernel and bias as of a convolution.

    "transposed" is a transposed convolution of `kernel_size`, by 2 alone; "nearest" and "bilinear" are a 3x3
    convolution of the map so enlarged (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"); "pixel_shuffle"
    is a 3x3 convolution whose channels become pixels, which starts as "nearest" does with `icnr`.
    """

    features: int
    kind: UpsampleName
    use_bias: bool
    factor: int = 2
    kernel_size: int = 4
    icnr: bool = True
    kernel_init: Callable[..., jax.Array] = normal(0.02)

    def setup(self) -> None:
        """The convolution, whose parameters are this layer's own."""
        init = self.kernel_init
        if self.kind == "transposed":
            self.conv: nn.Module = ConvTranspose(
                self.features, self.kernel_size, 2, 1, self.use_bias, 4 - self.kernel_size, init
            )
        elif self.kind == "pixel_shuffle":
            init = icnr(init, self.factor) if self.icnr else init
            self.conv = Conv(self.features * self.factor**2, 3, 1, 1, self.use_bias, init)
        else:
            self.conv = Conv(self.features, 3, 1, 1, self.use_bias, init)
        nn.share_scope(self, self.conv)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, I] -> [N, factor H, factor W, features]."""
        if self.kind == "nearest":
            x = x.repeat(self.factor, axis=1).repeat(self.factor, axis=2)
        elif self.kind == "bilinear":
            shape = (x.shape[0], self.factor * x.shape[1], self.factor * x.shape[2], x.shape[3])
            x = jax.image.resize(x, shape, "bilinear")
        y = self.conv(x)
        return image.pixel_shuffle(y, self.factor) if self.kind == "pixel_shuffle" else y


class Dense(nn.Module):
    """Fully connected layer with a bias; kernels are [inputs, features]."""

    features: int
    kernel_init: Callable[..., jax.Array] = torch_default
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[N, I] -> [N, features]. `train` moves the vector of spectral norm, where there is one."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features), jnp.float32)
        kernel = SpectralNorm(name="spectral")(kernel, train=train) if self.spectral_norm else kernel
        return x @ _at_use(kernel, x) + _at_use(self.param("bias", zeros, (self.features,), jnp.float32), x)


class PReLU(nn.Module):
    """x where it is positive, a learned slope times x elsewhere; 0.25 at the start. He et al. 2015, eq. 1."""

    per_channel: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., C] -> the same shape."""
        shape = (x.shape[-1] if self.per_channel else 1,)
        return jnp.where(x > 0, x, _at_use(self.param("slope", constant(0.25), shape, jnp.float32), x) * x)


class BatchNorm(nn.Module):
    """Batch norm as in torch: biased variance normalizes, unbiased variance enters the running statistics.

    `statistics_batch` images share their statistics; None means the whole batch, whatever the device count.
    """

    statistics_batch: int | None = None
    scale_init: Callable[..., jax.Array] = _normal_around_one

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] -> the same shape. Raises ValueError where `statistics_batch` does not divide N."""
        channels = x.shape[-1]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_variance = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        bias = self.param("bias", zeros, (channels,), jnp.float32)
        dtype, x = x.dtype, as_float32(x)
        if not train:
            y = (x - running_mean.value) * (scale * lax.rsqrt(running_variance.value + NORM_EPS)) + bias
            return y.astype(dtype)

        group = self.statistics_batch or x.shape[0]
        if x.shape[0] % group:
            raise ValueError(
                f"a batch of {x.shape[0]} does not split into groups of statistics_batch {group}; "
                "give a batch size that is a multiple of it."
            )
        groups = x.reshape(-1, group, *x.shape[1:])
        centered, mean, variance = _centered(groups, axes=(1, 2, 3))
        if not self.is_initializing():
            count = group * x.shape[1] * x.shape[2]
            self._move(running_mean, mean)
            self._move(running_variance, variance * (count / max(count - 1, 1)))
        factor = scale * lax.rsqrt(variance + NORM_EPS)
        return (centered * _over(factor, groups.ndim) + bias).reshape(x.shape).astype(dtype)

    @staticmethod
    def _move(running: nn.Variable, batch: jax.Array) -> None:
        batch = lax.stop_gradient(batch).mean(axis=0)
        running.value = (1.0 - BATCH_NORM_MOMENTUM) * running.value + BATCH_NORM_MOMENTUM * batch


class InstanceNorm(nn.Module):
    """Each channel of each image to mean 0 and variance 1; no scale, no bias, no running statistics."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> the same shape."""
        centered, _, variance = _centered(as_float32(x), axes=(1, 2))
        return (centered * _over(lax.rsqrt(variance + NORM_EPS), x.ndim)).astype(x.dtype)


class LayerNorm(nn.Module):
    """All of each image to mean 0 and variance 1, then a scale and a bias a channel: torch's GroupNorm of one group.

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", section 4, want it in critics for batch norm.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> the same shape."""
        scale, bias = (
            self.param(name, init, x.shape[-1:], jnp.float32) for name, init in (("scale", ones), ("bias", zeros))
        )
        values = as_float32(x).reshape(x.shape[0], -1, 1)
        centered, _, variance = _centered(values, axes=(1,))
        y = (centered * _over(lax.rsqrt(variance + NORM_EPS), 3)).reshape(x.shape)
        return (y * scale + bias).astype(x.dtype)


def _centered(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
    """x minus its mean over the axes between the first and the last, that mean and the biased variance [N, C].

    Statistics stay [N, C] until they are used: with `keepdims` XLA no longer merges the two passes of a step
    through its generator, and the second costs as much as the first.
    """
    mean = x.mean(axis=axes)
    centered = x - _over(mean, x.ndim)
    return centered, mean, jnp.square(centered).mean(axis=axes)


def _over(statistics: jax.Array, ndim: int) -> jax.Array:
    """[N, C] -> [N, 1, ..., 1, C]."""
    return statistics.reshape(statistics.shape[0], *[1] * (ndim - 2), statistics.shape[-1])


class Norm(nn.Module):
    """The norm that an architecture's `norm` field names."""

    kind: NormName
    statistics_batch: int | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] -> the same shape."""
        if self.kind == "batch":
            return BatchNorm(self.statistics_batch, name="batch")(x, train=train)
        if self.kind == "layer":
            return LayerNorm(name="layer")(x)
        return InstanceNorm(name="instance")(x) if self.kind == "instance" else x


class Dropout(nn.Module):
    """Zeroes each element with probability `rate` and rescales the rest; active if a "dropout" key is given."""

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Any shape -> the same shape."""
        return nn.Dropout(self.rate, deterministic=not self.has_rng("dropout"))(x)
