"""Real-ESRGAN's small generator, its SRVGGNetCompact: a plain chain of convolutions at the input's resolution."""

from typing import Literal

import flax.linen as nn
import jax

from gan_jax import image
from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import Conv, DTypeName, PReLU, as_float32, computed_in, leaky_relu, torch_default

__all__ = ["SRVGGNetCompact"]
__dir__ = __all__.copy


class SRVGGNetCompact(Architecture):
    """A 3x3 convolution, `layers` more, an activation behind each, a last one whose channels become pixels, and the
    input, enlarged by nearest neighbors, added to the result.

    PReLU has one slope a channel, leaky ReLU the slope 0.1.
    """

    scale: int = 4
    layers: int = 16
    width: int = 64
    activation: Literal["prelu", "relu", "leaky_relu"] = "prelu"
    dtype: DTypeName = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [0, 1] -> [N, scale H, scale W, C], trained towards [0, 1], not limited to it."""
        channels = x.shape[-1]
        base = x.repeat(self.scale, axis=1).repeat(self.scale, axis=2)
        x = computed_in(x, self.dtype)
        for index in range(self.layers + 1):
            x = Conv(self.width, 3, 1, 1, True, kernel_init=torch_default, name=f"conv{index}")(x)
            if self.activation == "prelu":
                x = PReLU(True, name=f"prelu{index}")(x)
            else:
                x = nn.relu(x) if self.activation == "relu" else leaky_relu(x, 0.1)
        x = Conv(channels * self.scale**2, 3, 1, 1, True, kernel_init=torch_default, name="tail")(x)
        return base + as_float32(image.pixel_shuffle(x, self.scale))
