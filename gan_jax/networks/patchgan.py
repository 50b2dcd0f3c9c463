"""pix2pix's PatchGAN: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", 6.1.2."""

import flax.linen as nn
import jax

from gan_jax.networks.architecture import Architecture, image_spec
from gan_jax.networks.layers import Conv, DTypeName, Norm, NormName, as_float32, computed_in, leaky_relu

__all__ = ["PatchGAN"]
__dir__ = __all__.copy


class PatchGAN(Architecture):
    """4x4 convolutions, `layers` of them of stride 2 and two of stride 1, to one logit a patch (70x70 for 3 layers).

    No norm in the first and the last layer; leaky ReLU 0.2; widths double from `width` to 8 `width`.
    """

    layers: int = 3
    width: int = 64
    norm: NormName = "batch"
    statistics_batch: int | None = None
    spectral_norm: bool = False
    dtype: DTypeName = "float32"

    @property
    def convolutions(self) -> tuple[tuple[int, int], ...]:
        """Kernel size and stride of every layer, first to last."""
        return ((4, 2),) * self.layers + ((4, 1), (4, 1))

    @property
    def smallest(self) -> int:
        """The smallest side of an input."""
        return 3 * 2**self.layers

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One image of the smallest side or more."""
        return (image_spec(max(64, self.smallest), in_channels),)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> logits [N, H', W', 1]: 30x30 for 256x256 and 3 layers.

        Raises ValueError where the images are too small for one patch.
        """
        if min(x.shape[1:3]) < self.smallest:
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; a PatchGAN of {self.layers} layers wants {self.smallest} or "
                "more on a side: take a larger crop or fewer layers."
            )
        x, last = computed_in(x, self.dtype), len(self.convolutions) - 1
        for layer, (kernel_size, stride) in enumerate(self.convolutions):
            features = self.width * min(2**layer, 8) if layer < last else 1
            normed = 0 < layer < last
            # Batch norm has a bias of its own, and a convolution's bias in front of it would have no gradient.
            use_bias = not normed or self.norm != "batch"
            conv = Conv(
                features, kernel_size, stride, 1, use_bias, spectral_norm=self.spectral_norm, name=f"conv{layer}"
            )
            x = conv(x, train=train)
            if normed:
                x = Norm(self.norm, self.statistics_batch, name=f"conv{layer}_norm")(x, train=train)
            x = leaky_relu(x, 0.2) if layer < last else x
        return as_float32(x)
