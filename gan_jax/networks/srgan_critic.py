"""SRGAN's critic: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network", figure 4.
"""

import functools
from typing import Literal

import flax.linen as nn
import jax
from jax.nn.initializers import ones

from gan_jax.networks.architecture import Architecture, image_spec
from gan_jax.networks.layers import (
    BatchNorm,
    Conv,
    Dense,
    DTypeName,
    Norm,
    NormName,
    as_float32,
    computed_in,
    leaky_relu,
    torch_default,
)

__all__ = ["SRGANCritic"]
__dir__ = __all__.copy


class SRGANCritic(Architecture):
    """Eight 3x3 convolutions, every second of stride 2, widths from `width` to 8 `width`, and two dense layers.

    Norm in all convolutions but the first; leaky ReLU 0.2. The paper's "dense" head reads the whole map and with it
    fits crops of `size` alone. Two others take any size: "pool" averages the map first; "conv" is one more 3x3
    convolution, fully convolutional, a logit for each of 16x16 pixels.
    """

    size: int = 96
    width: int = 64
    hidden: int = 1024
    head: Literal["dense", "pool", "conv"] = "dense"
    statistics_batch: int | None = None
    norm: NormName = "batch"
    spectral_norm: bool = False
    dtype: DTypeName = "float32"

    @property
    def flattened_side(self) -> int:
        """The side of the map whose pixels the layer "dense0" reads."""
        return 1 if self.head == "pool" else -(-self.size // 16)

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One image of the size that it wants."""
        return (image_spec(self.size, in_channels),)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> logits [N, 1], with the head "conv" [N, H / 16, W / 16, 1], rounded up.

        Raises ValueError where the head is "dense" and the images are not size x size.
        """
        if self.head == "dense" and x.shape[1:3] != (self.size, self.size):
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; this SRGAN critic's dense head wants {self.size}x{self.size}: "
                'set its size to the crop, or its head to "pool" or "conv".'
            )
        conv = functools.partial(Conv, kernel_init=torch_default, spectral_norm=self.spectral_norm)
        dense = functools.partial(Dense, spectral_norm=self.spectral_norm)
        x = computed_in(x, self.dtype)
        for layer in range(8):
            features, stride = self.width * 2 ** (layer // 2), 1 + layer % 2
            use_bias = layer == 0 or self.norm != "batch"
            x = conv(features, 3, stride, 1, use_bias, name=f"conv{layer}")(x, train=train)
            if layer:
                x = self._normed(x, f"conv{layer}_norm", train)
            x = leaky_relu(x, 0.2)
        if self.head == "conv":
            return as_float32(conv(1, 3, 1, 1, True, name="conv8")(x, train=train))
        x = x.mean(axis=(1, 2)) if self.head == "pool" else x.reshape(x.shape[0], -1)
        x = leaky_relu(dense(self.hidden, name="dense0")(x, train=train), 0.2)
        return as_float32(dense(1, name="dense1")(x, train=train))

    def _normed(self, x: jax.Array, name: str, train: bool) -> jax.Array:
        if self.norm == "batch":
            return BatchNorm(self.statistics_batch, ones, name=name)(x, train=train)
        return Norm(self.norm, name=name)(x, train=train)
