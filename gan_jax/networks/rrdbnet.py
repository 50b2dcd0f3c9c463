"""ESRGAN's generator: Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", 3.1, with
the pixel-unshuffle of Wang et al. 2021, "Real-ESRGAN", 3.3, in front.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import image
from gan_jax.networks.architecture import Architecture, Stage
from gan_jax.networks.layers import (
    Conv,
    DTypeName,
    Upsample,
    as_float32,
    computed_in,
    leaky_relu,
    small_he,
    torch_default,
)

__all__ = ["RRDBNet"]
__dir__ = __all__.copy

_RESIDUAL_SCALE = 0.2  # of a dense block, and of the three around which a block has its skip


class _DenseBlock(nn.Module):
    """Five 3x3 convolutions, each of all maps before it; the last, scaled, is added to the input."""

    growth: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        maps = x
        for index in range(1, 5):
            y = Conv(self.growth, 3, 1, 1, True, kernel_init=small_he, name=f"conv{index}")(maps)
            maps = jnp.concatenate([maps, leaky_relu(y, 0.2)], axis=-1)
        y = Conv(x.shape[-1], 3, 1, 1, True, kernel_init=small_he, name="conv5")(maps)
        return x + _RESIDUAL_SCALE * y


class _Block(nn.Module):
    """The residual in residual: three dense blocks, scaled and added to the input; what the head gave has no part."""

    growth: int

    @nn.compact
    def __call__(self, x: jax.Array, head: jax.Array | None = None) -> jax.Array:
        y = x
        for index in range(1, 4):
            y = _DenseBlock(self.growth, name=f"dense{index}")(y)
        return x + _RESIDUAL_SCALE * y


class _Head(nn.Module):
    """Pixels to channels, and the first convolution."""

    width: int
    factor: int
    dtype: DTypeName

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = image.pixel_unshuffle(computed_in(x, self.dtype), self.factor)
        return Conv(self.width, 3, 1, 1, True, kernel_init=torch_default, name="head")(x)


class _Tail(nn.Module):
    """All behind the blocks; `skip` is what the head gave."""

    out_channels: int
    width: int
    doublings: int

    @nn.compact
    def __call__(self, x: jax.Array, skip: jax.Array) -> jax.Array:
        x = skip + Conv(self.width, 3, 1, 1, True, kernel_init=torch_default, name="merge")(x)
        for index in range(self.doublings):
            up = Upsample(self.width, "nearest", True, kernel_init=torch_default, name=f"enlarge{index + 1}")
            x = leaky_relu(up(x), 0.2)
        x = leaky_relu(Conv(self.width, 3, 1, 1, True, kernel_init=torch_default, name="full")(x), 0.2)
        return as_float32(Conv(self.out_channels, 3, 1, 1, True, kernel_init=torch_default, name="tail")(x))


class RRDBNet(Architecture):
    """A 3x3 convolution, `blocks` residual-in-residual dense blocks under a long skip, as many nearest enlargements by
    2 as there are `doublings`, each with a 3x3 convolution, and two 3x3 convolutions. Leaky ReLU 0.2, no norm.

    `scale` is a power of two, 2**doublings at most: below that the input's pixels become channels first, so that with
    two doublings scale 2 and 1 compute at a half and a quarter of the input's side, as in Real-ESRGAN. ESRGAN's files
    of other scales and BSRGAN's x2 have log2(scale) doublings.
    """

    out_channels: int = 3
    scale: int = 4
    blocks: int = 23
    width: int = 64
    growth: int = 32
    doublings: int = 2
    dtype: DTypeName = "float32"

    @property
    def size_multiple(self) -> int:
        """What the sides of an input must be a multiple of: the factor of the pixel-unshuffle."""
        return max(2**self.doublings // max(self.scale, 1), 1)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The first convolution, each block, and the rest: a block sees 15 pixels, and all of them hundreds."""
        head = _Head(self.width, self.size_multiple, self.dtype, parent=None)
        tail = _Tail(self.out_channels, self.width, self.doublings, parent=None)
        blocks = [Stage(_Block(self.growth, parent=None), f"block{index + 1}") for index in range(self.blocks)]
        return Stage(head, ""), *blocks, Stage(tail, "")

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """[N, H, W, C] in [0, 1] -> [N, scale H, scale W, out_channels], trained towards [0, 1], not limited to it.

        Raises ValueError for a scale that the doublings do not reach, and for sides that do not fit.
        """
        factor = self.size_multiple
        if self.scale * factor != 2**self.doublings:
            raise ValueError(
                f"the scale is {self.scale}; with {self.doublings} doublings RRDBNet wants a power of two of at most "
                f"{2**self.doublings}."
            )
        if x.shape[1] % factor or x.shape[2] % factor:
            raise ValueError(
                f"images are {x.shape[1]}x{x.shape[2]}; this RRDBNet wants sides that are multiples of {factor}: "
                "crop or pad them."
            )
        head, *blocks, tail = (stage.module.clone(parent=self, name=stage.name or None) for stage in self.stages)
        for module in (head, tail):
            nn.share_scope(self, module)
        x = skip = head(x)
        for block in blocks:
            x = block(x)
        return tail(x, skip)
