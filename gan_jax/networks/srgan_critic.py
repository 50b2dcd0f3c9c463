"""SRGAN's critic: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network", figure 4.
"""

from typing import Literal

import flax.linen as nn
import jax
from jax.nn.initializers import ones

from gan_jax.networks.layers import BatchNorm, Conv, Dense, leaky_relu, torch_default


class SRGANCritic(nn.Module):
    """Eight 3x3 convolutions, every second of stride 2, widths from `width` to 8 `width`, and two dense layers.

    Batch norm in all convolutions but the first; leaky ReLU 0.2. The paper's "dense" head reads the whole map and
    with it fits crops of `size` alone; "pool" averages the map first and takes any size.
    """

    size: int = 96
    width: int = 64
    hidden: int = 1024
    head: Literal["dense", "pool"] = "dense"
    statistics_batch: int | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [-1, 1] -> logits [N, 1].

        Raises ValueError where the head is "dense" and the images are not size x size.
        """
        if self.head == "dense" and x.shape[1:3] != (self.size, self.size):
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; this SRGAN critic's dense head wants {self.size}x{self.size}: "
                'set its size to the crop, or its head to "pool".'
            )
        for layer in range(8):
            features, stride = self.width * 2 ** (layer // 2), 1 + layer % 2
            x = Conv(features, 3, stride, 1, layer == 0, kernel_init=torch_default, name=f"conv{layer}")(x)
            if layer:
                x = BatchNorm(self.statistics_batch, ones, name=f"conv{layer}_norm")(x, train=train)
            x = leaky_relu(x, 0.2)
        x = x.mean(axis=(1, 2)) if self.head == "pool" else x.reshape(x.shape[0], -1)
        return Dense(1, name="dense1")(leaky_relu(Dense(self.hidden, name="dense0")(x), 0.2))
