"""Super-resolution generators: SRResNet of Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a
Generative Adversarial Network", figure 4, and MSRResNet, BasicSR's form of it without batch norm.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import ones

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import (
    BatchNorm,
    Conv,
    DTypeName,
    EnlargementName,
    PReLU,
    Upsample,
    as_float32,
    computed_in,
    leaky_relu,
    small_he,
    torch_default,
)

__all__ = ["MSRResNet", "SRResNet", "factors"]
__dir__ = __all__.copy

_FACTORS = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}


def factors(scale: int) -> tuple[int, ...]:
    """The factors of the upsampling layers, one after the other. Raises ValueError for a scale that has none."""
    if scale not in _FACTORS:
        raise ValueError(f"the scale is {scale}; wanted one of {', '.join(map(str, _FACTORS))}.")
    return _FACTORS[scale]


class _BatchNormBlock(nn.Module):
    """x + norm(conv(prelu(norm(conv(x)))))."""

    prelu_per_channel: bool
    statistics_batch: int | None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = Conv(x.shape[-1], 3, 1, 1, False, kernel_init=torch_default, name="conv1")(x)
        y = BatchNorm(self.statistics_batch, ones, name="norm1")(y, train=train)
        y = PReLU(self.prelu_per_channel, name="prelu")(y)
        y = Conv(x.shape[-1], 3, 1, 1, False, kernel_init=torch_default, name="conv2")(y)
        return x + BatchNorm(self.statistics_batch, ones, name="norm2")(y, train=train)


class SRResNet(Architecture):
    """A 9x9 convolution, `blocks` residual blocks under a long skip, sub-pixel upsampling, a linear 9x9 convolution.

    The slopes of PReLU are one number a layer ("shared") or one a channel. `upsample` replaces the pixel shuffle,
    `icnr` starts it as nearest neighbors. `output` is what the last convolution's values go through: nothing, as in
    the paper; tanh, for values in [-1, 1]; or "unit_tanh", (tanh + 1) / 2, for values in [0, 1].
    """

    out_channels: int = 3
    scale: int = 4
    blocks: int = 16
    width: int = 64
    prelu: Literal["shared", "channel"] = "shared"
    statistics_batch: int | None = None
    upsample: EnlargementName = "pixel_shuffle"
    icnr: bool = False
    output: Literal["linear", "tanh", "unit_tanh"] = "linear"
    dtype: DTypeName = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [0, 1] -> [N, scale H, scale W, out_channels], trained towards [-1, 1] and, "linear", not
        limited to it.

        Raises ValueError where the scale is not 2, 3, 4 or 8.
        """
        per_channel = self.prelu == "channel"
        x = Conv(self.width, 9, 1, 4, True, kernel_init=torch_default, name="head")(computed_in(x, self.dtype))
        x = skip = PReLU(per_channel, name="head_prelu")(x)
        for index in range(self.blocks):
            x = _BatchNormBlock(per_channel, self.statistics_batch, name=f"block{index + 1}")(x, train=train)
        # No bias in front of batch norm, which has its own: it would have no gradient.
        x = Conv(self.width, 3, 1, 1, False, kernel_init=torch_default, name="merge")(x)
        x = skip + BatchNorm(self.statistics_batch, ones, name="merge_norm")(x, train=train)
        for step, factor in enumerate(factors(self.scale), 1):
            up = Upsample(
                self.width, self.upsample, True, factor, icnr=self.icnr, kernel_init=torch_default, name=f"up{step}"
            )
            x = PReLU(per_channel, name=f"up{step}_prelu")(up(x))
        x = as_float32(Conv(self.out_channels, 9, 1, 4, True, kernel_init=torch_default, name="tail")(x))
        if self.output == "linear":
            return x
        return jnp.tanh(x) if self.output == "tanh" else (jnp.tanh(x) + 1.0) / 2.0


class _PlainBlock(nn.Module):
    """x + conv(relu(conv(x)))."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.relu(Conv(x.shape[-1], 3, 1, 1, True, kernel_init=small_he, name="conv1")(x))
        return x + Conv(x.shape[-1], 3, 1, 1, True, kernel_init=small_he, name="conv2")(y)


class MSRResNet(Architecture):
    """A 3x3 convolution, `blocks` residual blocks without norm, sub-pixel upsampling, two 3x3 convolutions, and the
    bilinearly enlarged input added to the result. Leaky ReLU 0.1 outside the blocks. `upsample` and `icnr` as in
    `SRResNet`.
    """

    scale: int = 4
    blocks: int = 16
    width: int = 64
    upsample: EnlargementName = "pixel_shuffle"
    icnr: bool = False
    dtype: DTypeName = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [0, 1] -> [N, scale H, scale W, C], trained towards [0, 1], not limited to it.

        Raises ValueError where the scale is not 2, 3, 4 or 8.
        """
        n, height, width, channels = x.shape
        base = jax.image.resize(x, (n, self.scale * height, self.scale * width, channels), "bilinear")
        x = computed_in(x, self.dtype)
        x = leaky_relu(Conv(self.width, 3, 1, 1, True, kernel_init=small_he, name="head")(x), 0.1)
        for index in range(self.blocks):
            x = _PlainBlock(name=f"block{index + 1}")(x)
        for step, factor in enumerate(factors(self.scale), 1):
            up = Upsample(
                self.width, self.upsample, True, factor, icnr=self.icnr, kernel_init=small_he, name=f"up{step}"
            )
            x = leaky_relu(up(x), 0.1)
        x = leaky_relu(Conv(self.width, 3, 1, 1, True, kernel_init=small_he, name="full")(x), 0.1)
        return base + as_float32(Conv(channels, 3, 1, 1, True, kernel_init=small_he, name="tail")(x))
