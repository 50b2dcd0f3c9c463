"""Feature extractors of perceptual losses: VGG (Simonyan & Zisserman 2015, table 1, D and E) and AlexNet (Krizhevsky
2014, "One weird trick for parallelizing convolutional neural networks"), in the layouts of torchvision.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.networks.architecture import Architecture
from gan_jax.networks.layers import Conv, DTypeName, as_float32, computed_in, torch_default

__all__ = ["VGG", "VGG_BLOCKS", "AlexNet"]
__dir__ = __all__.copy

# Of ImageNet's training images in [0, 1], red, green, blue, as torchvision's weights expect them.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

# Convolutions in each block, by the number of layers with weights (three dense layers, left out here, included).
VGG_BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _normalized(x: jax.Array, range_norm: bool) -> jax.Array:
    if x.shape[-1] != 3:
        raise ValueError(f"images have {x.shape[-1]} channels; ImageNet features want 3: repeat a gray channel thrice.")
    x = jnp.asarray((x + 1.0) / 2.0 if range_norm else x)
    return (x - jnp.array(_MEAN, x.dtype)) / jnp.array(_STD, x.dtype)


def _maps(
    steps: dict[str, Callable[[jax.Array], jax.Array]], layers: tuple[str, ...], x: jax.Array
) -> dict[str, jax.Array]:
    """The outputs of the wanted steps; nothing behind the last of them is computed or has parameters."""
    unknown = set(layers) - steps.keys()
    if unknown or not layers:
        raise ValueError(f"layers are {layers}; wanted one or more of {', '.join(steps)}.")
    maps = {}
    for name, step in steps.items():
        x = step(x)
        if name in layers:
            maps[name] = as_float32(x)
        if len(maps) == len(set(layers)):
            break
    return maps


class VGG(Architecture):
    """VGG16 or VGG19 up to the deepest of `layers`: "conv5_4" is before its ReLU, "relu5_4" after, "pool5" pooled.

    `range_norm`: images are in [-1, 1], as everywhere in this package; without it they are in [0, 1].
    """

    depth: int = 19
    layers: tuple[str, ...] = ("relu5_4",)
    range_norm: bool = True
    width: int = 64
    dtype: DTypeName = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> dict[str, jax.Array]:
        """[N, H, W, 3] -> feature maps [N, H', W', C'] by layer name; ImageNet's mean and deviation are taken out.

        Raises ValueError for other depths, unknown layers, and images that are not of 3 channels.
        """
        if self.depth not in VGG_BLOCKS:
            raise ValueError(f"the depth is {self.depth}; wanted 16 or 19.")
        steps: dict[str, Callable[[jax.Array], jax.Array]] = {}
        for block, convolutions in enumerate(VGG_BLOCKS[self.depth], 1):
            features = self.width * min(2 ** (block - 1), 8)
            for index in range(1, convolutions + 1):
                name = f"conv{block}_{index}"
                steps[name] = Conv(features, 3, 1, 1, True, kernel_init=torch_default, name=name)
                steps[f"relu{block}_{index}"] = nn.relu
            steps[f"pool{block}"] = _largest_of_four
        return _maps(steps, self.layers, computed_in(_normalized(x, self.range_norm), self.dtype))


def _largest_of_four(x: jax.Array) -> jax.Array:
    """nn.max_pool of 2x2 pixels, of whose gradient XLA makes a scatter, which takes a CPU eight times as long."""
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    top, bottom = x[:, ::2], x[:, 1::2]
    left, right = (jnp.maximum(top[:, :, side::2], bottom[:, :, side::2]) for side in (0, 1))
    return jnp.maximum(left, right)


class AlexNet(Architecture):
    """AlexNet's convolutions up to the deepest of `layers`: "conv1" to "conv5", "relu1" to "relu5", "pool1", 2, 5.

    `range_norm`: images are in [-1, 1], as everywhere in this package; without it they are in [0, 1].
    """

    layers: tuple[str, ...] = ("relu1", "relu2", "relu3", "relu4", "relu5")
    range_norm: bool = True
    width: int = 64
    dtype: DTypeName = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> dict[str, jax.Array]:
        """[N, H, W, 3] -> feature maps [N, H', W', C'] by layer name; ImageNet's mean and deviation are taken out.

        Raises ValueError for unknown layers and for images that are not of 3 channels.
        """
        steps: dict[str, Callable[[jax.Array], jax.Array]] = {}
        plan = [(1, 11, 4, 2), (3, 5, 1, 2), (6, 3, 1, 1), (4, 3, 1, 1), (4, 3, 1, 1)]
        for index, (factor, kernel_size, stride, padding) in enumerate(plan, 1):
            name = f"conv{index}"
            features = factor * self.width
            steps[name] = Conv(features, kernel_size, stride, padding, True, kernel_init=torch_default, name=name)
            steps[f"relu{index}"] = nn.relu
            if index in (1, 2, 5):
                steps[f"pool{index}"] = functools.partial(nn.max_pool, window_shape=(3, 3), strides=(2, 2))
        return _maps(steps, self.layers, computed_in(_normalized(x, self.range_norm), self.dtype))
