"""BasicSR's critic for SRGAN and ESRGAN, its VGGStyleDiscriminator (Wang et al. 2018, "ESRGAN")."""

import functools

import flax.linen as nn
import jax
from jax.nn.initializers import ones

from gan_jax.networks.architecture import Architecture, image_spec
from gan_jax.networks.layers import (
    BatchNorm,
    Conv,
    Dense,
    DTypeName,
    as_float32,
    computed_in,
    leaky_relu,
    torch_default,
)

__all__ = ["VGGStyleCritic"]
__dir__ = __all__.copy


class VGGStyleCritic(Architecture):
    """Pairs of a 3x3 convolution and a 4x4 one of stride 2 down to a 4x4 map, then two dense layers.

    Widths double from `width` to 8 `width`; batch norm in all convolutions but the first; leaky ReLU 0.2. `size` is
    128 or 256 in BasicSR and may be any power of two of at least 8.
    """

    size: int = 128
    width: int = 64
    statistics_batch: int | None = None
    spectral_norm: bool = False
    dtype: DTypeName = "float32"

    @property
    def flattened_side(self) -> int:
        """The side of the map whose pixels the layer "dense0" reads."""
        return 4

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One image of the size that it wants."""
        return (image_spec(self.size, in_channels),)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, size, size, C] -> logits [N, 1]. Raises ValueError for other sizes."""
        if self.size < 8 or self.size & (self.size - 1):
            raise ValueError(f"the size is {self.size}; wanted a power of two of at least 8.")
        if x.shape[1:3] != (self.size, self.size):
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; this VGG-style critic wants {self.size}x{self.size}: "
                "set its size to the crop."
            )
        conv = functools.partial(Conv, kernel_init=torch_default, spectral_norm=self.spectral_norm)
        dense = functools.partial(Dense, spectral_norm=self.spectral_norm)
        x = computed_in(x, self.dtype)
        for pair in range(self.size.bit_length() - 3):
            features = self.width * min(2**pair, 8)
            for index, (kernel_size, stride) in enumerate([(3, 1), (4, 2)]):
                name, first = f"conv{pair}_{index}", pair == index == 0
                x = conv(features, kernel_size, stride, 1, first, name=name)(x, train=train)
                if not first:
                    x = BatchNorm(self.statistics_batch, ones, name=f"{name}_norm")(x, train=train)
                x = leaky_relu(x, 0.2)
        x = leaky_relu(dense(100, name="dense0")(x.reshape(x.shape[0], -1), train=train), 0.2)
        return as_float32(dense(1, name="dense1")(x, train=train))
