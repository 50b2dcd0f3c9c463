"""The U-Net of chainer-pix2pix, whose first and last convolutions keep the size; after its net.py, class by class."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import ones

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dropout,
    DTypeName,
    as_float32,
    computed_in,
    leaky_relu,
)

__all__ = ["ChainerUNet"]
__dir__ = __all__.copy

_DROPPED = 3  # the first layers of the decoder


class ChainerUNet(Architecture):
    """A 3x3 convolution, `depth` 4x4 ones of stride 2, as many transposed ones joined by skips, a linear 3x3 one.

    Sides must be multiples of 2**depth; widths double from `width` to 8 `width`. All layers but the first and the
    last have batch norm; the skips bring the maps after leaky ReLU 0.2. Chainer adds 2e-5 to a variance where 1e-5 is
    added here: what was trained there is the same with running statistics alone.
    """

    out_channels: int = 3
    depth: int = 7
    width: int = 64
    dropout: float = 0.5
    statistics_batch: int | None = None
    dtype: DTypeName = "float32"

    @property
    def size_multiple(self) -> int:
        """What the sides of an input must be a multiple of."""
        return 2**self.depth

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> [N, H, W, out_channels], trained towards [-1, 1], not limited to it.

        Raises ValueError where a side is not a multiple of 2**depth.
        """
        if x.shape[1] % self.size_multiple or x.shape[2] % self.size_multiple:
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; a U-Net of depth {self.depth} wants sides that are "
                f"multiples of {self.size_multiple}: crop or pad them, or take a smaller depth."
            )
        widths = [self.width * min(2**level, 8) for level in range(self.depth + 1)]
        encoded = [leaky_relu(Conv(self.width, 3, 1, 1, True, name="stem")(computed_in(x, self.dtype)), 0.2)]
        for level in range(1, self.depth + 1):
            x = Conv(widths[level], 4, 2, 1, False, name=f"down{level}")(encoded[-1])
            x = BatchNorm(self.statistics_batch, ones, name=f"down{level}_norm")(x, train=train)
            encoded.append(leaky_relu(x, 0.2))

        x = encoded[-1]
        for step in range(1, self.depth + 1):
            level = self.depth - step
            x = ConvTranspose(widths[level], 4, 2, 1, False, name=f"up{step}")(x)
            x = BatchNorm(self.statistics_batch, ones, name=f"up{step}_norm")(x, train=train)
            if step <= _DROPPED and self.dropout:
                x = Dropout(self.dropout)(x)
            x = jnp.concatenate([nn.relu(x), encoded[level]], axis=-1)
        return as_float32(Conv(self.out_channels, 3, 1, 1, True, name="out")(x))
