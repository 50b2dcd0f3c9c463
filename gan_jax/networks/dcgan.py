"""DCGAN: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", in the layout of the PyTorch example; with classes, conditioned as in Mirza & Osindero 2014.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.networks.architecture import Architecture, image_spec, label_specs, vector_spec
from gan_jax.networks.layers import (
    Conv,
    ConvTranspose,
    DTypeName,
    Norm,
    NormName,
    Upsample,
    UpsampleName,
    as_float32,
    computed_in,
    leaky_relu,
)

__all__ = ["DCGANCritic", "DCGANGenerator"]
__dir__ = __all__.copy


def _doublings(size: int) -> int:
    """How often a side of 4 doubles up to `size`."""
    if size < 8 or size & (size - 1):
        raise ValueError(f"the size is {size}; a DCGAN wants a power of two of at least 8.")
    return size.bit_length() - 3


def _beside_labels(x: jax.Array, labels: jax.Array | None, classes: int) -> jax.Array:
    """x [N, H, W, C] and a plane for each class, of ones where it is the image's -> [N, H, W, C + classes]."""
    if labels is None and not classes:
        return x
    shape = (x.shape[0],) if classes else None
    got = None if labels is None else labels.shape
    if got != shape:
        raise ValueError(
            f"labels have the shape {got}; a DCGAN of {classes} classes wants {shape}: "
            "give one label an image where there are classes, and none where there are not."
        )
    planes = jax.nn.one_hot(labels, classes, dtype=x.dtype)[:, None, None]
    return jnp.concatenate([x, jnp.broadcast_to(planes, (*x.shape[:3], classes))], axis=-1)


class DCGANGenerator(Architecture):
    """A latent to a 4x4 map, then 4x4 transposed convolutions of stride 2 up to `size`; ReLU, tanh output.

    `upsample` names other layers than those behind the 4x4 map. `size` is a power of two; widths halve with every
    layer, down to `width` at half of it. No biases with batch norm.
    """

    out_channels: int = 3
    size: int = 64
    width: int = 64
    norm: NormName = "batch"
    classes: int = 0
    statistics_batch: int | None = None
    upsample: UpsampleName = "transposed"
    dtype: DTypeName = "float32"

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One latent, and its label where there are classes."""
        return vector_spec(in_channels), *label_specs(self.classes)

    @nn.compact
    def __call__(self, z: jax.Array, labels: jax.Array | None = None, *, train: bool) -> jax.Array:
        """Latents [N, Z], and integer labels [N] where there are classes -> [N, size, size, out_channels] in [-1, 1].

        Raises ValueError where labels and `classes` do not go together, or the size is no power of two.
        """
        doublings, use_bias = _doublings(self.size), self.norm != "batch"
        x = _beside_labels(computed_in(z[:, None, None], self.dtype), labels, self.classes)
        for step in range(doublings):
            features = self.width * 2 ** (doublings - 1 - step)
            if step == 0:
                x = ConvTranspose(features, 4, 1, 0, use_bias, name="up0")(x)
            else:
                x = Upsample(features, self.upsample, use_bias, name=f"up{step}")(x)
            x = nn.relu(Norm(self.norm, self.statistics_batch, name=f"up{step}_norm")(x, train=train))
        x = Upsample(self.out_channels, self.upsample, use_bias, name=f"up{doublings}")(x)
        return jnp.tanh(as_float32(x))


class DCGANCritic(Architecture):
    """4x4 convolutions of stride 2 down to a 4x4 map, and one over all of it; leaky ReLU 0.2.

    `size` is a power of two; widths double from `width` with every layer. Norm in all layers but the first and the
    last; no biases with batch norm.
    """

    size: int = 64
    width: int = 64
    norm: NormName = "batch"
    classes: int = 0
    statistics_batch: int | None = None
    spectral_norm: bool = False
    dtype: DTypeName = "float32"

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """One image of the size that it wants, and its label where there are classes."""
        return image_spec(self.size, in_channels), *label_specs(self.classes)

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None = None, *, train: bool) -> jax.Array:
        """Images [N, size, size, C] in [-1, 1], and integer labels [N] where there are classes -> logits [N, 1].

        Raises ValueError for other sizes, and where labels and `classes` do not go together.
        """
        doublings, use_bias = _doublings(self.size), self.norm != "batch"
        if x.shape[1:3] != (self.size, self.size):
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; this DCGAN critic wants {self.size}x{self.size}: "
                "crop or resize them, or set its size."
            )
        conv = functools.partial(Conv, use_bias=use_bias, spectral_norm=self.spectral_norm)
        x = _beside_labels(computed_in(x, self.dtype), labels, self.classes)
        for layer in range(doublings):
            x = conv(self.width * 2**layer, 4, 2, 1, name=f"conv{layer}")(x, train=train)
            if layer:
                x = Norm(self.norm, self.statistics_batch, name=f"conv{layer}_norm")(x, train=train)
            x = leaky_relu(x, 0.2)
        return as_float32(conv(1, 4, 1, 0, name=f"conv{doublings}")(x, train=train)[:, 0, 0])
