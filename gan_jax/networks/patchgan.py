"""pix2pix's PatchGAN: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", 6.1.2."""

import flax.linen as nn
import jax

from gan_jax.networks.layers import Conv, Norm, NormName


class PatchGAN(nn.Module):
    """4x4 convolutions, `layers` of them of stride 2 and two of stride 1, to one logit a patch (70x70 for 3 layers).

    No norm in the first and the last layer; leaky ReLU 0.2; widths double from `width` to 8 `width`.
    """

    layers: int = 3
    width: int = 64
    norm: NormName = "batch"
    statistics_batch: int | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> logits [N, H', W', 1]: 30x30 for 256x256 and 3 layers.

        Raises ValueError where the images are too small for one patch.
        """
        smallest = 3 * 2**self.layers
        if min(x.shape[1:3]) < smallest:
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; a PatchGAN of {self.layers} layers wants {smallest} or "
                "more on a side: take a larger crop or fewer layers."
            )
        x = nn.leaky_relu(Conv(self.width, 4, 2, 1, True, name="conv0")(x), 0.2)
        for layer in range(1, self.layers + 1):
            stride = 2 if layer < self.layers else 1
            features = self.width * min(2**layer, 8)
            x = Conv(features, 4, stride, 1, self.norm != "batch", name=f"conv{layer}")(x)
            x = Norm(self.norm, self.statistics_batch, name=f"conv{layer}_norm")(x, train=train)
            x = nn.leaky_relu(x, 0.2)
        return Conv(1, 4, 1, 1, True, name=f"conv{self.layers + 1}")(x)
