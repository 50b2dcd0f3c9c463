"""Pools of images on the device: CycleGAN's, and Real-ESRGAN's queue of pairs.

CycleGAN's critics see the history of a generator's images, not the latest alone: Shrivastava et al. 2017, "Learning
from Simulated and Unsupervised Images through Adversarial Training", section 2.3, as Zhu et al. 2017 take it: 50
images, of which half of the time one is shown in a new one's place.

Real-ESRGAN degrades a batch of images in one way, and mixes batches: Wang et al. 2021, section 4.1, "training pair
pool". Once the pool is full, each batch is exchanged for as many of its pairs.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Draws", "Pool", "draw", "draw_slots", "empty", "exchange", "take"]
__dir__ = __all__.copy


class Pool(NamedTuple):
    """So many images of one shape, on the device, or so many pairs of them."""

    images: Any  # [size, H, W, C], or such arrays by name; from `filled` on they are not yet images
    filled: jax.Array  # int32: images so far, at most size


class Draws(NamedTuple):
    """What is random in an exchange of N images."""

    chance: jax.Array  # [N], in [0, 1): above 1/2 an image of the pool is shown instead
    slot: jax.Array  # [N], int32: which one


def empty(size: int, image: Any) -> Pool:
    """A pool for `size` images of the shape and dtype of `image`, [H, W, C], or of such arrays by name."""
    images = jax.tree.map(lambda one: jnp.zeros((size, *one.shape), one.dtype), image)
    return Pool(images, jnp.zeros((), jnp.int32))


def draw(key: jax.Array, count: int, size: int) -> Draws:
    """The draws for `count` images and a pool of `size`."""
    chance, slot = jax.random.split(key)
    return Draws(jax.random.uniform(chance, (count,)), jax.random.randint(slot, (count,), 0, size))


def exchange(pool: Pool, images: jax.Array, draws: Draws) -> tuple[Pool, jax.Array]:
    """The pool after `images` [N, H, W, C], and the N images to show in their place.

    One by one: until the pool is full an image is kept and shown. Then it is shown itself, or takes the place of one
    that is. Raises ValueError where the images do not have the shape of the pool's.
    """
    if images.shape[1:] != pool.images.shape[1:]:
        got, held = ("x".join(map(str, shape)) for shape in (images.shape[1:], pool.images.shape[1:]))
        raise ValueError(
            f"an image is {got} and the image pool holds images of {held}; take a --preprocess that makes all "
            "of one size, or --pool_size 0."
        )
    size, order = len(pool.images), jnp.arange(len(images))
    full = pool.filled + order >= size
    slot = jnp.where(full, draws.slot, pool.filled + order)
    swap = full & (draws.chance > 0.5)
    # Which images meet is told by their numbers, and pixels are moved once. A scan over images that are split over
    # devices would send all of them to all devices for each.
    kept, before = swap | ~full, order[:, None] > order
    meet = kept & (slot[:, None] == slot)
    last = jnp.where(meet & before, order, -1).max(axis=1)  # of those before that an image finds in its slot
    stays = kept & ~(meet & before.T).any(axis=1)

    # As rows of values: a TPU would move three channels as 128.
    rows, held = images.reshape(len(images), -1), pool.images.reshape(size, -1)
    others = jnp.where((last >= 0)[:, None], rows[last], held[slot])
    shown = jnp.where(swap[:, None], others, rows).reshape(images.shape)
    held = held.at[jnp.where(stays, slot, size)].set(rows, mode="drop").reshape(pool.images.shape)
    return Pool(held, jnp.minimum(pool.filled + len(images), size)), shown


def draw_slots(key: jax.Array, count: int, size: int) -> jax.Array:
    """The draws for `take` of `count` pairs and a pool of `size`: int32 [count], no two alike."""
    return jax.random.permutation(key, size)[:count].astype(jnp.int32)


def take(pool: Pool, pairs: Any, slots: jax.Array) -> tuple[Pool, Any]:
    """The pool after N `pairs`, arrays [N, H, W, C] by name, and the N to show in their place.

    Until the pool is full they are kept and shown; then they take the places `slots` of those that are shown. Whole
    batches fill the pool: `size` is a multiple of N.
    """
    size = len(jax.tree.leaves(pool.images)[0])
    full = pool.filled == size
    places = jnp.where(full, slots, pool.filled + jnp.arange(len(slots)))
    shown = jax.tree.map(lambda held, new: jnp.where(full, held[places], new), pool.images, pairs)
    images = jax.tree.map(lambda held, new: held.at[places].set(new), pool.images, pairs)
    return Pool(images, jnp.minimum(pool.filled + len(slots), size)), shown
