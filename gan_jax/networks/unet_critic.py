"""Real-ESRGAN's critic: Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
Data", 3.4.
"""

import functools

import flax.linen as nn
import jax

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import Conv, DTypeName, as_float32, computed_in, leaky_relu, torch_default

__all__ = ["UNetCritic"]
__dir__ = __all__.copy


class UNetCritic(Architecture):
    """A U-Net with a logit for each pixel: three 4x4 convolutions of stride 2, three 3x3 ones behind bilinear
    enlargements, to whose results `skips` add the maps of the same size, and three more. Leaky ReLU 0.2.

    Spectral norm and no bias in all but the first and the last.
    """

    width: int = 64
    skips: bool = True
    dtype: DTypeName = "float32"

    @property
    def size_multiple(self) -> int:
        """What the sides of an input must be a multiple of."""
        return 8 if self.skips else 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] -> logits [N, H, W, 1], without skips of sides that are rounded down to multiples of 8.

        Raises ValueError for sides that do not fit.
        """
        if min(x.shape[1:3]) < 8 or x.shape[1] % self.size_multiple or x.shape[2] % self.size_multiple:
            sides = "sides that are multiples of 8" if self.skips else "sides of at least 8"
            raise ValueError(f"images are {x.shape[1]}x{x.shape[2]}; this UNetCritic wants {sides}: crop or pad them.")
        plain = functools.partial(Conv, kernel_size=3, stride=1, padding=1, use_bias=True, kernel_init=torch_default)  # type: ignore[call-arg]
        normed = functools.partial(Conv, padding=1, use_bias=False, kernel_init=torch_default, spectral_norm=True)
        x = leaky_relu(plain(self.width, name="conv0")(computed_in(x, self.dtype)), 0.2)
        maps = [x]
        for index in (1, 2, 3):
            x = normed(self.width * 2**index, 4, 2, name=f"conv{index}")(x, train=train)
            x = leaky_relu(x, 0.2)
            maps.append(x)
        for index in (4, 5, 6):
            x = jax.image.resize(x, (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]), "bilinear")
            x = leaky_relu(normed(self.width * 2 ** (6 - index), 3, 1, name=f"conv{index}")(x, train=train), 0.2)
            x = x + maps[6 - index] if self.skips else x
        for index in (7, 8):
            x = leaky_relu(normed(self.width, 3, 1, name=f"conv{index}")(x, train=train), 0.2)
        return as_float32(plain(1, name="conv9")(x))
