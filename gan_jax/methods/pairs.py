"""Pairs of low and high resolution, as the methods of super-resolution make them of a batch inside the step."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from gan_jax import blur, image
from gan_jax.method import Batch, Key
from gan_jax.methods import pool
from gan_jax.methods.pool import Pool

__all__ = ["Degrade", "Draws", "Pair", "Pairing", "Range", "ranged"]
__dir__ = __all__.copy

Range = tuple[float, float]
Degrade = Callable[[ArrayLike, Key], jax.Array]  # images [N, H, W, C] in [0, 255] -> uint8, as degrade.Degradation


class Draws(NamedTuple):
    """Everything random in the making of N pairs."""

    degradation: Key  # its noise, and what each image draws for itself
    corner: jax.Array | None = None  # [N, 2], in [0, 1): where a pair is cut out
    slot: jax.Array | None = None  # [N], int32: what is taken out of the queue


class Pair(NamedTuple):
    """N images of each kind, floats in the ranges of a generator's input and output."""

    source: jax.Array  # low resolution
    target: jax.Array  # high resolution
    aim: jax.Array  # what a generator's pixels and features are compared to: the target, sharpened if so wanted


class Pairing(NamedTuple):
    """How pairs are made; `init`, `draw` and `update` are parts of a method's.

    Batches hold "target", and "source" where `degrade` is not to make it of the target. Both are uint8 [N, H, W, C],
    or floats in `output_range` and in `input_range` already. What is made is rounded to 8 bits, as an image will be
    that the generator is used on. With `sharpen` it is made of the sharpened target. After that, pairs of `crop_size`
    in high resolution are cut out, and of a queue of `queue_size` pairs, once it is full, as many as there are in the
    batch are taken in exchange. Wang et al. 2021, "Real-ESRGAN", sections 3.4 and 4.1.
    """

    degrade: Degrade | None = None
    input_range: Range = (0.0, 1.0)
    output_range: Range = (-1.0, 1.0)
    sharpen: bool = False
    crop_size: int | None = None
    queue_size: int = 0

    def init(self, key: Key, batch: Batch) -> tuple[Pair, Pool | None]:
        """The pairs of a batch, and an empty queue if one is wanted.

        Raises ValueError where there is neither a source nor a degradation, for a crop that is not in the batch or has
        no whole size in low resolution, and for a queue that whole batches do not fill.
        """
        pairs = self._cut(self._made(batch, key), jnp.zeros((jnp.shape(batch["target"])[0], 2)))
        count = len(pairs["target"])
        if self.queue_size % count:
            raise ValueError(f"the queue is of {self.queue_size} pairs; wanted a multiple of the batch's {count}.")
        queue = None
        if self.queue_size:
            one = {name: jax.ShapeDtypeStruct(images.shape[1:], images.dtype) for name, images in pairs.items()}
            queue = pool.empty(self.queue_size, one)
        return self._floats(pairs), queue

    def draw(self, key: Key, batch: Batch) -> Draws:
        """The draws for a batch."""
        count = jnp.shape(batch["target"])[0]
        if self.crop_size is None and not self.queue_size:
            return Draws(key)
        key, corner_key, slot_key = jax.random.split(key, 3)
        corner = None if self.crop_size is None else jax.random.uniform(corner_key, (count, 2))
        return Draws(key, corner, pool.draw_slots(slot_key, count, self.queue_size) if self.queue_size else None)

    def update(self, queue: Pool | None, batch: Batch, draws: Draws) -> tuple[Pool | None, Pair]:
        """The queue after a batch, and the pairs to train with."""
        pairs = self._cut(self._made(batch, draws.degradation), draws.corner)
        if queue is not None and draws.slot is not None:
            queue, pairs = pool.take(queue, pairs, draws.slot)
        return queue, self._floats(pairs)

    def _made(self, batch: Batch, key: Key) -> dict[str, jax.Array]:
        target = jnp.asarray(batch["target"])
        if "source" in batch:
            return {"source": jnp.asarray(batch["source"]), "target": target}
        if self.degrade is None:
            raise ValueError('the batch has no "source" and the method no `degrade` that makes one; give either.')
        original = target
        if self.sharpen or jnp.issubdtype(target.dtype, jnp.floating):
            original = image.rescale(self._aim(ranged(target, self.output_range)), self.output_range, (0.0, 255.0))
        return {"source": self.degrade(original, key), "target": target}

    def _cut(self, pairs: dict[str, jax.Array], corner: jax.Array | None) -> dict[str, jax.Array]:
        if self.crop_size is None or corner is None:
            return pairs
        (height, width), low = pairs["target"].shape[1:3], pairs["source"].shape[1:3]
        scale = height // low[0]
        side, rest = divmod(self.crop_size, scale)
        if rest or not 0 < side <= min(low):
            raise ValueError(
                f"crops are of {self.crop_size} and the batch's images {height}x{width}; wanted a multiple of the "
                f"scale {scale}, and no more than there is."
            )
        places = jnp.floor(corner * (jnp.array(low) - side + 1)).astype(jnp.int32)

        def cut(one: jax.Array, place: jax.Array, side: int) -> jax.Array:
            return jax.lax.dynamic_slice(one, (*place, 0), (side, side, one.shape[-1]))

        cuts = jax.vmap(cut, in_axes=(0, 0, None))
        return {
            "source": cuts(pairs["source"], places, side),
            "target": cuts(pairs["target"], scale * places, self.crop_size),
        }

    def _floats(self, pairs: Mapping[str, jax.Array]) -> Pair:
        target = ranged(pairs["target"], self.output_range)
        return Pair(ranged(pairs["source"], self.input_range), target, self._aim(target))

    def _aim(self, target: jax.Array) -> jax.Array:
        if not self.sharpen:
            return target
        levels = image.rescale(target, self.output_range, (0.0, 1.0))
        return image.rescale(blur.sharpen(levels), (0.0, 1.0), self.output_range)


def ranged(images: ArrayLike, value_range: Range) -> jax.Array:
    """Images as floats in a range (low, high): uint8 is rescaled, a floating array passes unchanged.

    Raises TypeError for any other dtype.
    """
    x = image.to_float(images)
    floating = jnp.issubdtype(jnp.result_type(images), jnp.floating)
    return x if floating else image.rescale(x, (-1.0, 1.0), value_range)
