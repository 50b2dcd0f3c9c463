"""A small classifier of images, which scores generators on data that has labels."""

import flax.linen as nn
import jax

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import Conv, Dense, DTypeName, Norm, as_float32, computed_in, torch_default

__all__ = ["Classifier"]
__dir__ = __all__.copy


class Classifier(Architecture):
    """4x4 convolutions of stride 2 with batch norm and ReLU, the mean over the map, and two fully connected layers."""

    classes: int = 10
    width: int = 16
    layers: int = 3
    features: int = 64
    dtype: DTypeName = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> dict[str, jax.Array]:
        """[N, H, W, C] in [-1, 1] -> {"features": [N, features], "logits": [N, classes]}."""
        x = computed_in(x, self.dtype)
        for layer in range(self.layers):
            x = Conv(self.width * 2**layer, 4, 2, 1, False, kernel_init=torch_default, name=f"conv{layer}")(x)
            x = nn.relu(Norm("batch", name=f"conv{layer}_norm")(x, train=train))
        x = nn.relu(Dense(self.features, name="dense")(x.mean(axis=(1, 2))))
        return {"features": as_float32(x), "logits": as_float32(Dense(self.classes, name="out")(x))}
