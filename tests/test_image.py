import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import image


def test_uint8_survives_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    floats = image.to_float(levels)
    assert floats.dtype == jnp.float32
    assert (float(floats.min()), float(floats.max())) == (-1.0, 1.0)
    np.testing.assert_array_equal(image.to_uint8(floats), levels)


def test_to_uint8_clips_and_rounds_to_the_nearest_level():
    halves = (np.array([10.4, 10.6]) / 127.5 - 1.0).astype(np.float32)
    np.testing.assert_array_equal(image.to_uint8(halves), [10, 11])
    np.testing.assert_array_equal(image.to_uint8(np.float32([-3.0, 3.0])), [0, 255])


def test_floats_pass_unchanged_and_other_types_are_refused():
    floats = np.float32([[-0.5, 2.0]])
    np.testing.assert_array_equal(image.to_float(floats), floats)
    with pytest.raises(TypeError, match="images are int32; wanted uint8"):
        image.to_float(np.zeros((1, 2, 2, 3), np.int32))


def test_luma_weighs_green_most_and_keeps_grey():
    rgb = np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3)
    np.testing.assert_allclose(image.full_range_luma(rgb)[0, 0, :, 0], [0.299, 0.587, 0.114], rtol=1e-6)
    grey = np.full((1, 2, 2, 1), 0.25, np.float32)
    np.testing.assert_array_equal(image.full_range_luma(grey), grey)
    with pytest.raises(ValueError, match="2 channels"):
        image.full_range_luma(np.zeros((1, 2, 2, 2), np.float32))
