"""A network of fully connected layers, for points and other small things."""

import flax.linen as nn
import jax

from gan_jax.networks.architecture import Architecture, vector_spec
from gan_jax.networks.layers import Dense, DTypeName, as_float32, computed_in

__all__ = ["MLP"]
__dir__ = __all__.copy


class MLP(Architecture):
    """`layers` hidden layers of ReLU and a linear output; the generator or the critic of points."""

    out_features: int = 1
    width: int = 128
    layers: int = 3
    dtype: DTypeName = "float32"

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One point."""
        return (vector_spec(in_channels),)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, I] -> [N, out_features]; `train` changes nothing."""
        del train
        x = computed_in(x, self.dtype)
        for layer in range(self.layers):
            x = nn.relu(Dense(self.width, name=f"dense{layer}")(x))
        return as_float32(Dense(self.out_features, name=f"dense{self.layers}")(x))
