"""pix2pix's U-Net: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", 6.1.1."""

from typing import Literal

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
    Upsample,
    UpsampleName,
    as_float32,
    computed_in,
    leaky_relu,
)

__all__ = ["UNet"]
__dir__ = __all__.copy


class UNet(Architecture):
    """Encoder and decoder of `depth` 4x4 stride-2 convolutions each, mirrored layers joined by skips; tanh output.

    Sides must be multiples of 2**depth; widths double from `width` to 8 `width`. Without `skips` it is the paper's
    encoder-decoder. `dropout_layers` "paper" drops in the first three decoder layers, as far as they have full width,
    and in the first in any case; "port" does as pytorch-CycleGAN-and-pix2pix: not in the first, but in all other
    layers between two of full width (the second to the fourth at depth 8). `upsample` is how the decoder enlarges.
    """

    out_channels: int = 3
    depth: int = 8
    width: int = 64
    norm: NormName = "batch"
    dropout: float = 0.5
    statistics_batch: int | None = None
    skips: bool = True
    dropout_layers: Literal["paper", "port"] = "paper"
    upsample: UpsampleName = "transposed"
    dtype: DTypeName = "float32"

    @property
    def size_multiple(self) -> int:
        """What the sides of an input must be a multiple of."""
        return 2**self.depth

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> [N, H, W, out_channels] in [-1, 1].

        Raises ValueError where a side is not a multiple of 2**depth.
        """
        if x.shape[1] % self.size_multiple or x.shape[2] % self.size_multiple:
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; a U-Net of depth {self.depth} wants sides that are "
                f"multiples of {self.size_multiple}: crop or pad them, or take a smaller depth."
            )
        widths = [self.width * min(2**level, 8) for level in range(self.depth)]
        # Batch norm has a bias of its own, and a convolution's bias in front of it would have no gradient.
        use_bias = self.norm != "batch"

        # The decoder has depth - 4 layers of full width, the paper's 256x256 network four of them.
        full = self.depth - 4
        dropped = range(2, full + 1) if self.dropout_layers == "port" else range(1, min(max(full, 1), 3) + 1)

        x, encoded = computed_in(x, self.dtype), []
        for level, features in enumerate(widths):
            x = x if level == 0 else leaky_relu(x, 0.2)
            x = Conv(features, 4, 2, 1, use_bias, name=f"down{level + 1}")(x)
            # The first layer has no norm, nor has the innermost: norm of a 1x1 map would give zeros.
            if 0 < level < self.depth - 1:
                x = Norm(self.norm, self.statistics_batch, name=f"down{level + 1}_norm")(x, train=train)
            encoded.append(x)

        for step in range(1, self.depth):
            level = self.depth - step  # the decoder layer's mirror image in the encoder
            features = widths[level - 1]
            x = Upsample(features, self.upsample, use_bias, name=f"up{step}")(nn.relu(x))
            x = Norm(self.norm, self.statistics_batch, name=f"up{step}_norm")(x, train=train)
            if step in dropped and self.dropout:
                x = Dropout(self.dropout)(x)
            if self.skips:
                x = jnp.concatenate([encoded[level - 1], x], axis=-1)

        x = Upsample(self.out_channels, self.upsample, True, name=f"up{self.depth}")(nn.relu(x))
        return jnp.tanh(as_float32(x))
