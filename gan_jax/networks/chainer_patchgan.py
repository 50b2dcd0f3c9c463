"""The critic of chainer-pix2pix, which sees input and output through a first layer each; after its net.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import ones

from gan_jax.networks.architecture import Architecture, image_spec
from gan_jax.networks.layers import BatchNorm, Conv, DTypeName, as_float32, computed_in, leaky_relu

__all__ = ["ChainerPatchGAN"]
__dir__ = __all__.copy


class ChainerPatchGAN(Architecture):
    """Two 4x4 convolutions of stride 2 side by side, `layers` more on both maps, and a 3x3 one; leaky ReLU 0.2.

    The first `condition_channels` of an image go through the one, the others through the other, of width / 2 maps
    each. Widths double from `width`; batch norm in all layers but the first two and the last.
    """

    condition_channels: int = 3
    layers: int = 3
    width: int = 64
    statistics_batch: int | None = None
    dtype: DTypeName = "float32"

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One image that leaves a logit."""
        return (image_spec(max(64, 2 ** (self.layers + 1)), in_channels),)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Input and output together [N, H, W, C] in [-1, 1] -> logits [N, H', W', 1], H' = H / 2**(layers + 1)."""
        halves = jnp.split(computed_in(x, self.dtype), [self.condition_channels], axis=-1)
        x = jnp.concatenate(
            [Conv(self.width // 2, 4, 2, 1, True, name=f"conv0_{index}")(half) for index, half in enumerate(halves)],
            axis=-1,
        )
        for layer in range(1, self.layers + 1):
            x = Conv(self.width * 2**layer, 4, 2, 1, False, name=f"conv{layer}")(leaky_relu(x, 0.2))
            x = BatchNorm(self.statistics_batch, ones, name=f"conv{layer}_norm")(x, train=train)
        return as_float32(Conv(1, 3, 1, 1, True, name=f"conv{self.layers + 1}")(leaky_relu(x, 0.2)))
