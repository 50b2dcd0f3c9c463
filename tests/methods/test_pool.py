"""The image pool against the PyTorch implementation's recorded exchanges, and the queue of pairs."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.methods import pool

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "image_pool" / "expected.json").read_text())["cases"]


@pytest.mark.parametrize("case", ["size3", "size4_batches"])
def test_exchanges_follow_the_reference(case):
    size, rounds = GOLDEN[case]["pool_size"], GOLDEN[case]["rounds"]
    state = pool.empty(size, jax.ShapeDtypeStruct((1, 1, 1), jnp.float32))
    exchange = jax.jit(pool.exchange)
    for one in rounds:
        images = jnp.array(one["inputs"], jnp.float32)[:, None, None, None]
        # The reference draws nothing until the pool is full, and no index where it shows the image itself.
        drawn = [{}] * (len(one["inputs"]) - len(one["draws"])) + one["draws"]
        chance, index = ([draw.get(name, 0) for draw in drawn] for name in ("p", "index"))
        draws = pool.Draws(jnp.array(chance, jnp.float32), jnp.array(index, jnp.int32))
        state, shown = exchange(state, images, draws)
        assert shown.ravel().tolist() == one["outputs"]
        assert state.images[: state.filled].ravel().tolist() == one["pool_after"]
    assert int(state.filled) == size


def test_a_batch_is_exchanged_as_one_image_after_another():
    """Several images of a batch that meet in a slot, of a pool that fills in the middle of the third batch."""
    size, count = 5, 2
    exchange, states = jax.jit(pool.exchange), []
    for step in (count, 1):
        state, shown = pool.empty(size, jax.ShapeDtypeStruct((1, 1, 1), jnp.float32)), []
        images = jnp.arange(1.0, 41.0)[:, None, None, None]
        draws = pool.draw(jax.random.key(0), len(images), size)
        for first in range(0, len(images), step):
            part = slice(first, first + step)
            state, out = exchange(state, images[part], jax.tree.map(lambda draw: draw[part], draws))  # noqa: B023
            shown += out.ravel().tolist()
        states.append((state.images.ravel().tolist(), shown))
    assert states[0] == states[1]
    wide, shown = exchange(pool.empty(size, jax.ShapeDtypeStruct((1, 1, 1), jnp.float32)), images, draws)
    assert (wide.images.ravel().tolist(), shown.ravel().tolist()) == states[0]
    assert len(set(states[0][1])) < len(images) < len(set(states[0][1])) + size + 1


def test_draws_are_fair_and_a_function_of_the_key():
    chance, index = pool.draw(jax.random.key(0), 4000, 50)
    np.testing.assert_allclose((chance > 0.5).mean(), 0.5, atol=0.03)
    assert (int(index.min()), int(index.max())) == (0, 49)
    # Whether and which are drawn apart.
    assert abs(np.corrcoef(chance, index)[0, 1]) < 0.05
    again, other = pool.draw(jax.random.key(0), 4000, 50), pool.draw(jax.random.key(1), 4000, 50)
    np.testing.assert_array_equal(chance, again.chance)
    assert (index != other.slot).any()


def test_an_image_of_another_size_is_refused():
    state = pool.empty(2, jax.ShapeDtypeStruct((4, 6, 3), jnp.float32))
    draws = pool.draw(jax.random.key(0), 1, 2)
    with pytest.raises(ValueError, match="an image is 4x8x3 and the image pool holds images of 4x6x3; take a"):
        pool.exchange(state, jnp.zeros((1, 4, 8, 3)), draws)


def test_a_queue_is_filled_by_batches_and_then_gives_each_pair_once_for_another():
    state = pool.empty(4, {name: jax.ShapeDtypeStruct((1,), jnp.int32) for name in ("source", "target")})
    taken, seen = jax.jit(pool.take), []
    for step in range(12):
        numbers = jnp.array([[2 * step], [2 * step + 1]])
        slots = pool.draw_slots(jax.random.key(step), 2, 4)
        assert len(set(slots.tolist())) == 2
        state, shown = taken(state, {"source": numbers, "target": -numbers}, slots)
        np.testing.assert_array_equal(shown["target"], -shown["source"])
        if step < 2:
            np.testing.assert_array_equal(shown["source"], numbers)
        else:
            seen += shown["source"].ravel().tolist()
    assert int(state.filled) == 4
    # What went in after it was full came out or is still there; nothing is there twice.
    assert sorted(seen + state.images["source"].ravel().tolist()) == list(range(24))
    assert seen != sorted(seen)
