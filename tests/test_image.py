import jax
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


def test_lab_of_the_primaries_of_white_and_of_greys():
    rgb = np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [119, 119, 119]])
    # scikit-image 0.26, rgb2lab, whose matrix and white are rounded: hence 0.02.
    expected = [
        [53.2406, 80.0923, 67.2028],
        [87.7351, -86.1830, 83.1797],
        [32.2957, 79.1856, -107.8573],
        [100.0, -0.0025, 0.0047],
        [0.0, 0.0, 0.0],
        [50.0344, -0.0014, 0.0026],
    ]
    np.testing.assert_allclose(image.rgb_to_lab(rgb), expected, atol=0.02)
    # Ours has greys without colour, to float32's digits of 500 (f(X) - f(Y)).
    np.testing.assert_allclose(image.rgb_to_lab(rgb[3:])[:, 1:], 0.0, atol=1e-4)
    np.testing.assert_allclose(image.rgb_to_lab(rgb / np.float32(255), max_value=1.0), image.rgb_to_lab(rgb), atol=1e-4)


def test_lab_has_a_gradient_everywhere():
    gradient = jax.grad(lambda rgb: image.rgb_to_lab(rgb, max_value=1.0).sum())(jnp.float32([[0, 0, 0], [0.5, 0, 1]]))
    assert jnp.isfinite(gradient).all()
    assert (gradient != 0).all()


def test_lab_wants_three_channels():
    with pytest.raises(ValueError, match=r"shape \(2, 2, 1\); wanted RGB"):
        image.rgb_to_lab(np.zeros((2, 2, 1), np.uint8))
