"""What an architecture tells of itself, so that nobody else keeps a table of architectures."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

__all__ = ["Architecture", "Stage", "image_spec", "label_specs", "shapes", "vector_spec"]
__dir__ = __all__.copy


class Stage(NamedTuple):
    """A part of a network: a module, and the name of its parameters among the network's; "" where it picks them itself.

    It is called with what the stage before it gave, all but the first also with what the first gave.
    """

    module: nn.Module
    name: str


class Architecture(nn.Module):
    """A module with a `__call__(self, x, *, train)`; here are the answers of most, and others give their own.

    A field may be an answer too: `scale: int = 4`.
    """

    @property
    def size_multiple(self) -> int:
        """What the sides of an input must be a multiple of."""
        return 1

    @property
    def scale(self) -> int:
        """Output side over input side."""
        return 1

    @property
    def flattened_side(self) -> int:
        """The side of the map whose pixels the layer "dense0" reads; 1 where it reads no map."""
        return 1

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Its parts, one behind the other, without norms and dropout; none where it is computed as one.

        Tiles of a network that sees far are computed stage by stage: each needs little around it.
        """
        return ()

    @nn.nowrap
    def input_spec(self, in_channels: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        """The shapes of a small example of everything that `__call__` takes: of one image or latent, and its label."""
        return (image_spec(-(-64 // self.size_multiple) * self.size_multiple, in_channels),)


def image_spec(side: int, channels: int) -> jax.ShapeDtypeStruct:
    """One square image, [1, side, side, channels]."""
    return jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)


def vector_spec(numbers: int) -> jax.ShapeDtypeStruct:
    """One latent or point, [1, numbers]."""
    return jax.ShapeDtypeStruct((1, numbers), jnp.float32)


def label_specs(classes: int) -> tuple[jax.ShapeDtypeStruct, ...]:
    """One label, [1], where there are classes."""
    return (jax.ShapeDtypeStruct((1,), jnp.int32),) if classes else ()


@functools.lru_cache(maxsize=64)
def shapes(module: Architecture, in_channels: int) -> tuple[dict[str, Any], Any]:
    """The trees of the module's variables, {"params", "stats"}, and of its output for `input_spec`, without values.

    Nothing is computed. Raises whatever the module raises where its fields make no network.
    """

    def both(*inputs: jax.Array) -> Any:
        output, stats = module.init_with_output(jax.random.key(0), *inputs, train=False)
        return {"params": stats.pop("params"), "stats": stats}, output

    return jax.eval_shape(both, *module.input_spec(in_channels))
