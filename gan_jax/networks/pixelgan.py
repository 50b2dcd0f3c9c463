"""pix2pix's PixelGAN: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", 6.1.2."""

import functools

import flax.linen as nn
import jax

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import Conv, DTypeName, Norm, NormName, as_float32, computed_in, leaky_relu

__all__ = ["PixelGAN"]
__dir__ = __all__.copy


class PixelGAN(Architecture):
    """Three 1x1 convolutions: every pixel is judged alone. Leaky ReLU 0.2; norm in the second layer."""

    width: int = 64
    norm: NormName = "batch"
    statistics_batch: int | None = None
    spectral_norm: bool = False
    dtype: DTypeName = "float32"

    @property
    def convolutions(self) -> tuple[tuple[int, int], ...]:
        """Kernel size and stride of every layer, first to last."""
        return ((1, 1),) * 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> logits [N, H, W, 1]."""
        # As pytorch-CycleGAN-and-pix2pix has it: with batch norm the last layer has no bias either.
        use_bias = self.norm != "batch"
        conv = functools.partial(Conv, kernel_size=1, stride=1, padding=0, spectral_norm=self.spectral_norm)
        x = conv(self.width, use_bias=True, name="conv0")(computed_in(x, self.dtype), train=train)
        x = conv(2 * self.width, use_bias=use_bias, name="conv1")(leaky_relu(x, 0.2), train=train)
        x = Norm(self.norm, self.statistics_batch, name="conv1_norm")(x, train=train)
        return as_float32(conv(1, use_bias=use_bias, name="conv2")(leaky_relu(x, 0.2), train=train))
