"""CycleGAN's generator: Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", 7.2; after Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution".
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import (
    Conv,
    Dropout,
    DTypeName,
    Norm,
    NormName,
    PaddingName,
    Upsample,
    UpsampleName,
    as_float32,
    computed_in,
    pad,
)

__all__ = ["ResNet"]
__dir__ = __all__.copy


class _Block(nn.Module):
    """x + norm(conv(dropout(relu(norm(conv(x)))))), 3x3 convolutions of the input's width."""

    norm: NormName
    dropout: float
    statistics_batch: int | None
    padding: PaddingName

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        features, use_bias = x.shape[-1], self.norm != "batch"
        y = Conv(features, 3, 1, 0, use_bias, name="conv1")(pad(x, 1, self.padding))
        y = nn.relu(Norm(self.norm, self.statistics_batch, name="norm1")(y, train=train))
        y = Dropout(self.dropout)(y) if self.dropout else y
        y = Conv(features, 3, 1, 0, use_bias, name="conv2")(pad(y, 1, self.padding))
        return x + Norm(self.norm, self.statistics_batch, name="norm2")(y, train=train)


class ResNet(Architecture):
    """A 7x7 convolution, two of stride 2, `blocks` residual blocks, two `upsample` layers and a 7x7; tanh output.

    The paper takes 6 blocks for 128x128 images and 9 for 256x256 and larger. Sides must be multiples of 4. The 7x7
    convolutions pad by reflection, the blocks by `padding`; `dropout` is inside the blocks.
    """

    out_channels: int = 3
    blocks: int = 9
    width: int = 64
    norm: NormName = "instance"
    dropout: float = 0.0
    statistics_batch: int | None = None
    padding: PaddingName = "reflect"
    upsample: UpsampleName = "transposed"
    dtype: DTypeName = "float32"

    @property
    def size_multiple(self) -> int:
        """What the sides of an input must be a multiple of."""
        return 4

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> [N, H, W, out_channels] in [-1, 1].

        Raises ValueError where a side is not a multiple of 4, or is below 8: reflection needs a second pixel.
        """
        height, width = x.shape[1:3]
        if height % self.size_multiple or width % self.size_multiple or height < 8 or width < 8:
            raise ValueError(
                f"images are {height}x{width}; a ResNet generator wants sides that are multiples of "
                f"{self.size_multiple}, and 8 or more: crop or pad them."
            )

        # Batch norm has a bias of its own, and a convolution's bias in front of it would have no gradient.
        use_bias = self.norm != "batch"

        def activated(x: jax.Array, name: str) -> jax.Array:
            return nn.relu(Norm(self.norm, self.statistics_batch, name=f"{name}_norm")(x, train=train))

        x = pad(computed_in(x, self.dtype), 3, "reflect")
        x = activated(Conv(self.width, 7, 1, 0, use_bias, name="stem")(x), "stem")
        for step in (1, 2):
            x = activated(Conv(self.width * 2**step, 3, 2, 1, use_bias, name=f"down{step}")(x), f"down{step}")
        for index in range(self.blocks):
            block = _Block(self.norm, self.dropout, self.statistics_batch, self.padding, name=f"block{index + 1}")
            x = block(x, train=train)
        for step in (1, 2):
            features = self.width * 2 ** (2 - step)
            x = Upsample(features, self.upsample, use_bias, kernel_size=3, name=f"up{step}")(x)
            x = activated(x, f"up{step}")
        return jnp.tanh(as_float32(Conv(self.out_channels, 7, 1, 0, True, name="out")(pad(x, 3, "reflect"))))
