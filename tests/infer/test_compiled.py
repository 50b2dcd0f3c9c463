"""The compiled programs by themselves, on a network of three 1x1 convolutions: a window of it sees no neighbor."""

import jax
import numpy as np
import pytest

from gan_jax import image, networks
from gan_jax.infer import compiled

MODULE = networks.PixelGAN(width=2)
SIGNATURE = compiled.Signature(True, (-1.0, 1.0), (-1.0, 1.0), "float32", None)
IMAGE = np.random.default_rng(0).integers(0, 256, (1, 6, 5, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def variables():
    params, stats = jax.jit(networks.from_linen(MODULE).init)(jax.random.key(0), image.to_float(IMAGE))
    return {"params": params, "stats": stats}


def window(rows, columns):
    return compiled.Window(IMAGE, np.zeros(2, np.int32), np.array([rows, columns]))


def test_apply_whole_is_the_network_image_by_image(variables):
    dark = IMAGE // 2
    outputs, finite = compiled.apply_whole(MODULE, SIGNATURE, variables, np.concatenate([IMAGE, dark]), None)
    apply = jax.jit(networks.from_linen(MODULE).apply, static_argnames="train")
    for output, array in zip(outputs, (IMAGE, dark), strict=True):
        alone, _ = apply(variables["params"], variables["stats"], image.to_float(array), train=True)
        # Another program: sums of a few float32 terms, divided by the deviation of 30 pixels.
        np.testing.assert_allclose(output, alone[0], rtol=1e-4, atol=1e-5)
    assert finite
    broken = jax.tree.map(lambda leaf: np.full_like(leaf, np.inf), variables)
    assert not compiled.apply_whole(MODULE, SIGNATURE, broken, IMAGE, None)[1]


def test_moments_are_those_of_the_core_before_the_norm(variables):
    count, mean, squares = compiled.moments(MODULE, SIGNATURE, variables, window((1, 5), (0, 3)), [], None)
    params = variables["params"]
    x = np.asarray(image.to_float(IMAGE))[0, 1:5, 0:3].astype(np.float64) @ params["conv0"]["kernel"][0, 0]
    x = x + params["conv0"]["bias"]
    x = np.where(x > 0, x, 0.2 * x) @ params["conv1"]["kernel"][0, 0]
    assert count == 12
    np.testing.assert_allclose(mean, x.mean(axis=(0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squares, np.square(x - x.mean(axis=(0, 1))).sum(axis=(0, 1)), rtol=1e-5)


def test_a_tile_with_the_images_moments_is_a_part_of_the_whole(variables):
    (whole, *_), _ = compiled.apply_whole(MODULE, SIGNATURE, variables, IMAGE, None)
    count, mean, squares = compiled.moments(MODULE, SIGNATURE, variables, window((0, 6), (0, 5)), [], None)
    part = compiled.Window(IMAGE[:, 2:5], np.array([2, 0]), np.array([(0, 3), (0, 5)]))
    output, finite = compiled.apply_tile(MODULE, SIGNATURE, variables, part, [(mean, squares / count)], None)
    np.testing.assert_allclose(output, whole[2:5], rtol=1e-4, atol=1e-5)
    assert finite


def test_apply_tile_asks_for_finite_values_in_its_core_only(variables):
    flat = [(np.zeros(4, np.float32), np.ones(4, np.float32))]
    floats = np.array(image.to_float(IMAGE))
    floats[0, 0, 0] = np.inf
    for rows, known in (((0, 6), False), ((1, 6), True)):
        part = compiled.Window(floats, np.zeros(2, np.int32), np.array([rows, (0, 5)]))
        assert compiled.apply_tile(MODULE, SIGNATURE, variables, part, flat, None)[1] == known
