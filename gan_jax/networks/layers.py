"""The layers that the architectures share, with every constant of the PyTorch-era references written out.

Feature maps are [N, H, W, C] float32.
"""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.nn.initializers import constant, normal, variance_scaling, zeros
from jax.typing import DTypeLike

from gan_jax.networks import convolution

NORM_EPS = 1e-5
BATCH_NORM_MOMENTUM = 0.1  # torch's: new running value = 0.9 old + 0.1 batch

NormName = Literal["batch", "instance", "none"]
PaddingName = Literal["reflect", "replicate"]

# torch's own: U(-1, 1) / sqrt(inputs of one output), for references that initialise nothing themselves.
torch_default = variance_scaling(1 / 3, "fan_in", "uniform")


def _normal_around_one(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
    """N(1, 0.02), as DCGAN and its successors initialise the scale of batch norm."""
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)


def pad(x: jax.Array, width: int, kind: PaddingName) -> jax.Array:
    """[N, H, W, C] -> [N, H + 2 width, W + 2 width, C]: mirrored at the edge pixel, or the edge pixel repeated."""
    edges = [(0, 0), (width, width), (width, width), (0, 0)]
    return jnp.pad(x, edges, mode="reflect" if kind == "reflect" else "edge")


def leaky_relu(x: jax.Array, slope: float) -> jax.Array:
    """x where it is positive, slope * x elsewhere."""
    # At zero jax.nn's derivative is 1, torch's the slope. Zeros are common: grey areas under a bias of zero.
    return jnp.where(x > 0, x, slope * x)


class Conv(nn.Module):
    """Convolution with a square kernel and zero padding; kernels are HWIO, N(0, 0.02) at the start."""

    features: int
    kernel_size: int
    stride: int
    padding: int
    use_bias: bool
    kernel_init: Callable[..., jax.Array] = normal(0.02)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, I] -> [N, H', W', features]."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        y = convolution.conv(x, kernel, stride=self.stride, padding=self.padding)
        return y + self.param("bias", zeros, (self.features,)) if self.use_bias else y


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
        kernel = self.param("kernel", self.kernel_init, shape)
        y = convolution.conv_transpose(
            x, kernel, stride=self.stride, padding=self.padding, output_padding=self.output_padding
        )
        return y + self.param("bias", zeros, (self.features,)) if self.use_bias else y


class Dense(nn.Module):
    """Fully connected layer with a bias; kernels are [inputs, features]."""

    features: int
    kernel_init: Callable[..., jax.Array] = torch_default

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, I] -> [N, features]."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        return x @ kernel + self.param("bias", zeros, (self.features,))


class PReLU(nn.Module):
    """x where it is positive, a learned slope times x elsewhere; 0.25 at the start. He et al. 2015, eq. 1."""

    per_channel: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., C] -> the same shape."""
        slope = self.param("slope", constant(0.25), (x.shape[-1] if self.per_channel else 1,))
        return jnp.where(x > 0, x, slope * x)


class BatchNorm(nn.Module):
    """Batch norm as in torch: biased variance normalises, unbiased variance enters the running statistics.

    `statistics_batch` images share their statistics; None means the whole batch, whatever the device count.
    """

    statistics_batch: int | None = None
    scale_init: Callable[..., jax.Array] = _normal_around_one

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] -> the same shape. Raises ValueError where `statistics_batch` does not divide N."""
        channels = x.shape[-1]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        running_variance = self.variable("batch_stats", "var", jnp.ones, (channels,))
        scale = self.param("scale", self.scale_init, (channels,))
        bias = self.param("bias", zeros, (channels,))
        if not train:
            return (x - running_mean.value) * (scale * lax.rsqrt(running_variance.value + NORM_EPS)) + bias

        group = self.statistics_batch or x.shape[0]
        if x.shape[0] % group:
            raise ValueError(
                f"a batch of {x.shape[0]} does not split into groups of statistics_batch {group}; "
                "give a batch size that is a multiple of it."
            )
        groups = x.reshape(-1, group, *x.shape[1:])
        centred, mean, variance = _centred(groups, axes=(1, 2, 3))
        if not self.is_initializing():
            count = group * x.shape[1] * x.shape[2]
            self._move(running_mean, mean)
            self._move(running_variance, variance * (count / max(count - 1, 1)))
        factor = scale * lax.rsqrt(variance + NORM_EPS)
        return (centred * _over(factor, groups.ndim) + bias).reshape(x.shape)

    @staticmethod
    def _move(running: nn.Variable, batch: jax.Array) -> None:
        batch = lax.stop_gradient(batch).mean(axis=0)
        running.value = (1.0 - BATCH_NORM_MOMENTUM) * running.value + BATCH_NORM_MOMENTUM * batch


class InstanceNorm(nn.Module):
    """Each channel of each image to mean 0 and variance 1; no scale, no bias, no running statistics."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> the same shape."""
        centred, _, variance = _centred(x, axes=(1, 2))
        return centred * _over(lax.rsqrt(variance + NORM_EPS), x.ndim)


def _centred(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
    """x minus its mean over the axes between the first and the last, that mean and the biased variance [N, C].

    Statistics stay [N, C] until they are used: with `keepdims` XLA no longer merges the two passes of a step
    through its generator, and the second costs as much as the first.
    """
    mean = x.mean(axis=axes)
    centred = x - _over(mean, x.ndim)
    return centred, mean, jnp.square(centred).mean(axis=axes)


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
        return InstanceNorm(name="instance")(x) if self.kind == "instance" else x


class Dropout(nn.Module):
    """Zeroes each element with probability `rate` and rescales the rest; active if a "dropout" key is given."""

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Any shape -> the same shape."""
        return nn.Dropout(self.rate, deterministic=not self.has_rng("dropout"))(x)
