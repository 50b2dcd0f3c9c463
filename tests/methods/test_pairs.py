"""Pairs of low and high resolution, made of a batch inside the step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import blur
from gan_jax.degrade import Degradation
from gan_jax.methods.pairs import Draws, Pairing, ranged

KEY = jax.random.key(0)


def target(size=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, 16, 16, 3), dtype=np.uint8)


def made(pairing, batch, key):
    """Source and target of a compiled step."""
    _, pair = jax.jit(lambda key: pairing.update(None, batch, pairing.draw(key, batch)))(key)
    return pair.source, pair.target


def assert_equal_but_for_levels(a, b):
    """In [0, 1], of two programs: float32 sums in another order may fall on the other side of half a level."""
    np.testing.assert_allclose(a, b, rtol=0, atol=1 / 255 + 1e-6)
    assert (np.abs(a - b) > 1e-6).mean() < 0.01


def test_sources_made_inside_equal_sources_given_and_floats_pass():
    key = jax.random.key(3)
    degrade = Degradation(scale=2, noise=5.0)  # without JPEG, which makes a block of other levels of one
    low = jax.jit(degrade)(target(), key)
    result, expected = made(Pairing(degrade), {"target": target()}, key)
    given, _ = made(Pairing(), {"target": target(), "source": low}, key)
    assert_equal_but_for_levels(result, given)
    np.testing.assert_allclose(given, np.float32(low) / 255, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(expected, target() / 127.5 - 1, rtol=1e-6, atol=1e-6)
    # A target of floats, in the output's range, gives the same source.
    floats = {"target": jnp.asarray(target()) / 255.0}
    again, passed = made(Pairing(degrade, output_range=(0.0, 1.0)), floats, key)
    assert_equal_but_for_levels(again, result)
    np.testing.assert_array_equal(passed, floats["target"])


def test_a_sharpened_target_is_the_aim_and_what_low_resolution_is_made_of():
    pairing = Pairing(Degradation("area", 2), (0.0, 1.0), (-1.0, 1.0), sharpen=True)
    _, pair = pairing.update(None, {"target": target()}, Draws(KEY))
    sharp = blur.sharpen(target() / np.float32(255))
    np.testing.assert_allclose(pair.target, target() / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(pair.aim, 2 * sharp - 1, atol=2e-6)
    assert np.abs(pair.aim - pair.target).max() > 0.1
    means = np.asarray(sharp).reshape(2, 8, 2, 8, 2, 3).mean((2, 4))
    np.testing.assert_allclose(pair.source, means, atol=0.5 / 255 + 1e-5)


def test_crops_are_of_one_place_in_both_and_of_every_place():
    places = np.arange(16 * 16, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(64, 0)
    batch = {"target": places, "source": places[:, ::2, ::2]}
    pairing = Pairing(output_range=(0.0, 1.0), crop_size=8)
    _, pair = pairing.update(None, batch, pairing.draw(KEY, batch))
    assert (pair.target.shape, pair.source.shape) == ((64, 8, 8, 1), (64, 4, 4, 1))
    np.testing.assert_array_equal(pair.target[:, ::2, ::2], pair.source)
    corners = np.round(255 * np.asarray(pair.source)[:, 0, 0, 0]).astype(int)
    assert set(corners // 32) == {0, 1, 2, 3, 4}
    assert set(corners % 16) == {0, 2, 4, 6, 8}


def test_a_queue_begins_empty_and_draws_slots_of_its_own():
    pairing = Pairing(Degradation(scale=2), queue_size=6)
    batch = {"target": target()}
    pair, queue = pairing.init(KEY, batch)
    assert {name: (held.shape, held.dtype) for name, held in queue.images.items()} == {
        "source": ((6, 8, 8, 3), np.uint8),
        "target": ((6, 16, 16, 3), np.uint8),
    }
    assert (int(queue.filled), pair.source.shape) == (0, (2, 8, 8, 3))
    draws = pairing.draw(KEY, batch)
    assert len(set(draws.slot.tolist())) == 2
    assert draws.corner is None


def test_what_makes_no_pair_is_refused():
    batch = {"target": target()}
    with pytest.raises(ValueError, match='no "source" and the method no `degrade`'):
        Pairing().init(KEY, batch)
    with pytest.raises(ValueError, match=r"images are 15x16; a degradation of scale 2 .* image\.mod_crop"):
        Pairing(Degradation(scale=2)).init(KEY, {"target": target()[:, 1:]})
    with pytest.raises(ValueError, match="crops are of 18 and the batch's images 16x16; wanted a multiple of the sc"):
        Pairing(Degradation(scale=2), crop_size=18).init(KEY, batch)
    with pytest.raises(ValueError, match="the queue is of 5 pairs; wanted a multiple of the batch's 2"):
        Pairing(Degradation(scale=2), queue_size=5).init(KEY, batch)
    with pytest.raises(TypeError, match="images are int32"):
        ranged(np.int32(target()), (0.0, 1.0))
