"""The networks of Chainer's DCGAN example, after its net.py; the paper's own are in dcgan.py.

Chainer adds 2e-5 to a variance where 1e-5 is added here: what was trained there is the same with running statistics
alone.
"""

import flax.linen as nn
import jax
from jax.nn.initializers import normal, ones

from gan_jax.networks.architecture import Architecture, image_spec, vector_spec
from gan_jax.networks.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    DTypeName,
    as_float32,
    computed_in,
    leaky_relu,
)

__all__ = ["ChainerDCGANCritic", "ChainerDCGANGenerator"]
__dir__ = __all__.copy

_kernel_init = normal(0.02)


class ChainerDCGANGenerator(Architecture):
    """A dense layer to a map of an eighth of `size`, three 4x4 transposed convolutions of stride 2, a 3x3 one; sigmoid.

    Widths halve from 8 `width` to `width`; batch norm and ReLU in all layers but the last. That of the dense layer
    has statistics for each of its outputs, so it needs more than one latent, or running statistics.
    """

    out_channels: int = 3
    size: int = 32
    width: int = 64
    statistics_batch: int | None = None
    dtype: DTypeName = "float32"

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One latent."""
        return (vector_spec(in_channels),)

    @nn.compact
    def __call__(self, z: jax.Array, *, train: bool) -> jax.Array:
        """Latents [N, Z], uniform in [-1, 1] -> [N, size, size, out_channels] in [0, 1]."""
        side, widest = self.size // 8, 8 * self.width
        x = Dense(side**2 * widest, _kernel_init, name="dense0")(computed_in(z, self.dtype))
        x = BatchNorm(self.statistics_batch, ones, name="dense0_norm")(x[:, None, None], train=train)
        # The dense outputs are in Chainer's order, the channels outermost.
        x = nn.relu(x).reshape(-1, widest, side, side).transpose(0, 2, 3, 1)
        for step in range(1, 4):
            x = ConvTranspose(widest // 2**step, 4, 2, 1, False, name=f"up{step}")(x)
            x = nn.relu(BatchNorm(self.statistics_batch, ones, name=f"up{step}_norm")(x, train=train))
        return nn.sigmoid(as_float32(ConvTranspose(self.out_channels, 3, 1, 1, True, name="up4")(x)))


class ChainerDCGANCritic(Architecture):
    """3x3 convolutions and 4x4 ones of stride 2 in turns, three of them, and a dense layer; leaky ReLU 0.2.

    Widths double from `width` to 8 `width`. Batch norm in all convolutions but the first, there without a scale; here
    the scale is one at the start. In training Chainer's adds N(0, 0.2) to its input and every map; this one does not.
    """

    size: int = 32
    width: int = 64
    statistics_batch: int | None = None
    dtype: DTypeName = "float32"

    @property
    def flattened_side(self) -> int:
        """The side of the map whose pixels the layer "dense0" reads."""
        return self.size // 8

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One image of the size that it wants."""
        return (image_spec(self.size, in_channels),)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images [N, size, size, C] in [0, 1] -> logits [N, 1]. Raises ValueError for other sizes."""
        if x.shape[1:3] != (self.size, self.size):
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; this DCGAN critic wants {self.size}x{self.size}: "
                "crop or resize them, or set its size."
            )
        x = Conv(self.width, 3, 1, 1, True, name="conv0_0")(computed_in(x, self.dtype))
        for layer in range(1, 7):
            pair, second = divmod(layer, 2)
            name, features = f"conv{pair}_{second}", self.width * 2 ** (pair + second)
            kernel_size, stride = (4, 2) if second else (3, 1)
            x = Conv(features, kernel_size, stride, 1, False, name=name)(leaky_relu(x, 0.2))
            x = BatchNorm(self.statistics_batch, ones, name=f"{name}_norm")(x, train=train)
        x = leaky_relu(x, 0.2)
        return as_float32(Dense(1, _kernel_init, name="dense0")(x.reshape(x.shape[0], -1)))
