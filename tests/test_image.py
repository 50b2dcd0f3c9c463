"""Images against BasicSR's and MATLAB's numbers (tests/golden/imresize), Pillow's, and their properties."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import image
from gan_jax.data import transforms

GOLDEN = Path(__file__).parent / "golden" / "imresize"
CASES = sorted(json.loads((GOLDEN / "index.json").read_text())["cases"])
METHODS = ["bicubic", "bilinear", "lanczos", "area", "nearest"]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


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
    with pytest.raises(TypeError, match="images are uint8; wanted floats"):  # which all would be white
        image.to_uint8(np.uint8([[[1, 2, 3]]]))


def test_floats_pass_unchanged_and_other_types_are_refused():
    floats = np.float32([[-0.5, 2.0]])
    np.testing.assert_array_equal(image.to_float(floats), floats)
    with pytest.raises(TypeError, match="images are int32; wanted uint8"):
        image.to_float(np.zeros((1, 2, 2, 3), np.int32))


def test_luma_weighs_green_most_and_keeps_gray():
    rgb = np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3)
    np.testing.assert_allclose(image.full_range_luma(rgb)[0, 0, :, 0], [0.299, 0.587, 0.114], rtol=1e-6)
    gray = np.full((1, 2, 2, 1), 0.25, np.float32)
    np.testing.assert_array_equal(image.full_range_luma(gray), gray)
    with pytest.raises(ValueError, match="2 channels"):
        image.full_range_luma(np.zeros((1, 2, 2, 2), np.float32))


def test_channels_are_mixed_by_weights():
    pixels, weights = np.arange(12.0, dtype=np.float32).reshape(2, 2, 3), np.array([[1.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
    np.testing.assert_allclose(image.mix_channels(pixels, weights), pixels @ weights.T, rtol=1e-6)
    assert image.mix_channels(np.uint8(pixels), weights).dtype == jnp.float32
    for wrong in (weights[:, :1], weights[:, :2], weights[0]):  # one channel is not spread over three
        with pytest.raises(ValueError, match=r"images have shape \(2, 2, 3\) and weights .*; wanted \[\.\.\., C\]"):
            image.mix_channels(pixels, wrong)


def test_ycbcr_equals_matlabs_formula_and_comes_back():
    golden = np.load(GOLDEN / "rgb2ycbcr.npz")
    rgb_u8, rgb = golden["rgb_u8"], golden["rgb_f32"]
    # A few float32 roundings, of values up to 1 and up to 255.
    np.testing.assert_allclose(image.rgb_to_ycbcr(rgb, max_value=1.0), golden["ycbcr_f64"], atol=2e-7)
    np.testing.assert_allclose(image.rgb_to_ycbcr(rgb_u8), 255 * golden["ycbcr_f64"], atol=5e-5)
    np.testing.assert_allclose(image.luma(rgb_u8), 255 * golden["ycbcr_f64"][..., :1], atol=5e-5)
    np.testing.assert_allclose(image.ycbcr_to_rgb(golden["ycbcr_f32"], max_value=1.0), rgb, atol=5e-7)
    np.testing.assert_allclose(image.ycbcr_to_rgb(image.rgb_to_ycbcr(rgb_u8), max_value=255.0), rgb_u8, atol=1e-4)


def test_studio_range_ends_at_16_and_235_and_gray_passes():
    ends = np.uint8([[0, 0, 0], [255, 255, 255]])
    np.testing.assert_allclose(image.luma(ends), [[16], [235]], rtol=1e-6)
    np.testing.assert_allclose(image.luma(ends / np.float32(255), max_value=1.0) * 255, [[16], [235]], rtol=1e-6)
    np.testing.assert_allclose(image.luma(ends * np.uint16(257)), [[16 * 257], [235 * 257]], rtol=1e-6)
    np.testing.assert_allclose(image.rgb_to_ycbcr(ends)[:, 1:], np.full((2, 2), 128), rtol=1e-6)
    gray = np.full((2, 2, 1), 77, np.uint8)
    np.testing.assert_array_equal(image.luma(gray), gray)
    with pytest.raises(ValueError, match="4 channels"):
        image.luma(np.zeros((2, 2, 4), np.uint8))
    for convert in (image.rgb_to_ycbcr, image.ycbcr_to_rgb):
        with pytest.raises(ValueError, match="wanted three colors"):
            convert(gray)


def test_lab_of_the_primaries_of_white_and_of_grays():
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
    # Ours has grays without color, to float32's digits of 500 (f(X) - f(Y)).
    np.testing.assert_allclose(image.rgb_to_lab(rgb[3:])[:, 1:], 0.0, atol=1e-4)
    np.testing.assert_allclose(image.rgb_to_lab(rgb / np.float32(255), max_value=1.0), image.rgb_to_lab(rgb), atol=1e-4)


def test_lab_has_a_gradient_everywhere():
    gradient = jax.jit(jax.grad(lambda rgb: image.rgb_to_lab(rgb, max_value=1.0).sum()))(
        jnp.float32([[0, 0, 0], [0.5, 0, 1]])
    )
    assert np.isfinite(gradient).all()
    assert (gradient != 0).all()


def test_lab_wants_three_channels():
    with pytest.raises(ValueError, match=r"shape \(2, 2, 1\); wanted three colors"):
        image.rgb_to_lab(np.zeros((2, 2, 1), np.uint8))


def test_lab_goes_back_to_rgb():
    rgb = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    np.testing.assert_allclose(image.lab_to_rgb(image.rgb_to_lab(rgb), max_value=255.0), rgb, atol=2e-3)
    with pytest.raises(TypeError, match="max_value"):
        image.lab_to_rgb(np.zeros((2, 2, 3), np.float32))


def test_what_a_colorizer_is_given_and_makes_is_the_color():
    rgb = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    light, colors = image.lightness(image.to_float(rgb)), image.opponents(image.to_float(rgb))
    lab = np.asarray(image.rgb_to_lab(rgb))
    np.testing.assert_allclose(light[..., 0], lab[..., 0] / 50 - 1, atol=1e-5)
    np.testing.assert_allclose(colors, lab[..., 1:] / 110, atol=1e-4)
    np.testing.assert_array_equal(image.to_uint8(image.colored(light, colors)), rgb)


def test_colors_that_srgb_lacks_keep_their_lightness_and_hue():
    """Of every gray and any colors, to rounding: the light that came in is the light that goes out."""
    grays = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    light = image.lightness(image.to_float(grays))
    colors = np.random.default_rng(1).uniform(-1, 1, (16, 16, 2)).astype(np.float32)
    rgb = image.colored(light, colors)
    assert np.abs(rgb).max() <= 1.0
    np.testing.assert_allclose(image.lightness(rgb), light, atol=2e-5)
    np.testing.assert_array_equal(transforms.equally_light(np.asarray(image.to_uint8(rgb))), grays)
    inner = np.abs(grays[..., 0] - 127.5) < 120  # near black and white hardly any color is one
    made = np.asarray(image.opponents(rgb))[inner]
    given = colors[inner]
    cross = made[:, 0] * given[:, 1] - made[:, 1] * given[:, 0]
    np.testing.assert_allclose(cross / np.linalg.norm(given, axis=1), 0.0, atol=1e-3)
    assert ((made * given).sum(axis=1) > 0).all()
    # As saturated as there is: a hundredth more is none of sRGB's, or the color is the one that was asked for.
    more = np.concatenate([(np.asarray(light)[inner] + 1) * 50, made * 111], axis=1)
    beyond = np.abs(2 * np.asarray(image.lab_to_rgb(more, max_value=1.0)) - 1).max(axis=1) > 1
    same = np.abs(made - given).max(axis=1) < 1e-4
    assert (beyond | same).all()
    assert (~same).any()
    assert same.any()


def test_colored_wants_lightness_and_two_colors():
    with pytest.raises(ValueError, match=r"lightness has shape \(4, 4, 3\) and colors \(4, 4, 2\); wanted"):
        image.colored(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 2), np.float32))


def test_borders_and_multiples():
    array = noise(2, 9, 11, 3)
    np.testing.assert_array_equal(image.crop_border(array, 0), array)
    np.testing.assert_array_equal(image.crop_border(array, 4), array[:, 4:5, 4:7])
    np.testing.assert_array_equal(image.mod_crop(array, 4), array[:, :8, :8])
    np.testing.assert_array_equal(image.mod_crop(array, 1), array)
    for wrong in (5, -1):
        with pytest.raises(ValueError, match="a pixel must be left"):
            image.crop_border(array, wrong)
    for wrong in (10, 0):
        with pytest.raises(ValueError, match="wanted 1 to the shorter side"):
            image.mod_crop(array, wrong)
    with pytest.raises(ValueError, match=r"wanted \[..., H, W, C\]"):
        image.crop_border(array[0, 0], 0)


def test_pixel_shuffle_follows_the_formula_and_comes_back():
    factor, x = 3, noise(2, 2, 4, 18)
    y = image.pixel_shuffle(x, factor)
    assert y.shape == (2, 6, 12, 2)
    for row, column, channel in ((0, 0, 0), (5, 7, 1), (4, 11, 0)):
        source = channel * 9 + row % 3 * 3 + column % 3
        np.testing.assert_array_equal(y[:, row, column, channel], x[:, row // 3, column // 3, source])
    np.testing.assert_array_equal(image.pixel_unshuffle(y, factor), x)
    np.testing.assert_array_equal(image.pixel_shuffle(x[0], factor), y[0])
    with pytest.raises(ValueError, match="multiple of 16"):
        image.pixel_shuffle(x, 4)
    with pytest.raises(ValueError, match="sides that 4 divides"):
        image.pixel_unshuffle(y, 4)


def test_grid_lays_images_out_row_by_row():
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 2, 3, 1), np.uint8)
    expected = np.full((5, 7), 255)
    expected[:2, :3], expected[:2, 4:], expected[3:, :3] = 0, 1, 2
    np.testing.assert_array_equal(image.grid(images, 2, gap=1)[..., 0], expected)
    assert image.grid(images, 8, gap=0).shape == (2, 9, 1)
    assert image.grid(images.astype(np.float32), 2).max() == 2.0  # an image's: white is 1
    assert image.grid(images.astype(np.uint16), 2).max() == 65535
    two = np.stack([images, images + 1])
    np.testing.assert_array_equal(image.grid(two, 2), [image.grid(images, 2) for images in two])
    for wrong, columns in ((images[0], 2), (images[:0], 2), (images, 0)):
        with pytest.raises(ValueError, match=r"wanted \[\.\.\., N, H, W, C\]"):
            image.grid(wrong, columns)
    with pytest.raises(TypeError, match="images are int32, whose range is not known"):
        image.grid(images.astype(np.int32), 2)


@pytest.mark.parametrize("name", CASES)
def test_bicubic_equals_matlabs(name):
    golden = np.load(GOLDEN / f"{name}.npz")
    array, expected = (x.reshape(*x.shape[:2], -1) for x in (golden["input"], golden["out_f64"]))
    resized = image.imresize(array, scale=float(golden["scale"]), antialias=bool(golden["antialias"]))
    # Float32 sums of up to 16 terms each way, in any order, of values up to 1.3: 32 roundings of 8e-8, up and down.
    np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "pillow"),
    [("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR), ("lanczos", Image.LANCZOS), ("nearest", Image.NEAREST)],
)
@pytest.mark.parametrize("shape", [(16, 24), (92, 72)])  # no center falls between two pixels
def test_methods_equal_pillows_away_from_the_border(method, pillow, shape):
    array = noise(60, 50)
    expected = np.asarray(Image.fromarray(array).resize(shape[::-1], pillow))
    resized = image.imresize(array[..., None], shape=shape, method=method)[..., 0]
    # Pillow leaves out what lies outside, where we mirror.
    border = 6
    np.testing.assert_allclose(
        image.crop_border(resized[..., None], border)[..., 0], expected[border:-border, border:-border], atol=1e-5
    )


def test_area_is_the_mean_over_the_footprint():
    array = noise(6, 9, 2)
    blocks = array.reshape(2, 3, 3, 3, 2).mean((1, 3))
    np.testing.assert_allclose(image.imresize(array, scale=1 / 3, method="area"), blocks, rtol=1e-6)
    row = np.float32([0, 3, 6]).reshape(1, 3, 1)
    np.testing.assert_allclose(image.imresize(row, shape=(1, 2), method="area").ravel(), [1, 5], rtol=1e-6)
    np.testing.assert_allclose(image.imresize(row, shape=(1, 4), method="area").ravel(), [0, 2, 4, 6], atol=1e-6)


def test_nearest_takes_the_pixel_at_the_center():
    array = noise(12, 24, 1)
    np.testing.assert_array_equal(image.imresize(array, scale=2, method="nearest"), array.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(image.imresize(array, scale=1 / 3, method="nearest"), array[1::3, 1::3])
    # The center lies between two pixels; 1/6 is not a number of float64, and must not choose at random.
    np.testing.assert_array_equal(image.imresize(array, scale=1 / 6, method="nearest"), array[3::6, 3::6])


@pytest.mark.parametrize("method", METHODS)
def test_resizing_keeps_flat_images_flat_and_sides_that_stay(method):
    flat = np.full((2, 1, 7, 5, 3), 0.3, np.float32)
    for scale, sides in ((0.4, (3, 2)), (1.7, (12, 9))):
        resized = image.imresize(flat, scale=scale, method=method)
        assert resized.shape == (2, 1, *sides, 3)
        np.testing.assert_allclose(resized, 0.3, rtol=1e-6)
    array = noise(7, 5, 3)
    np.testing.assert_allclose(image.imresize(array, shape=(7, 5), method=method), array, atol=1e-6)


def test_shape_scales_each_side_by_itself():
    array = noise(8, 12, 3)
    by_shape = image.imresize(array, shape=(4, 6))
    np.testing.assert_array_equal(by_shape, image.imresize(array, scale=0.5))
    tall = image.imresize(image.imresize(array, shape=(4, 12)), shape=(4, 30))
    np.testing.assert_allclose(image.imresize(array, shape=(4, 30)), tall, atol=1e-6)


def test_resizing_under_jit_vmap_and_grad():
    images = noise(3, 8, 10, 2)
    resized = image.imresize(images, scale=0.5)
    np.testing.assert_allclose(jax.jit(jax.vmap(lambda x: image.imresize(x, scale=0.5)))(images), resized, atol=1e-6)
    # The operation is linear, so <g, A x> = <A* g, x>.
    g = noise(*resized.shape, seed=1)
    gradient = np.asarray(jax.jit(jax.grad(lambda x: (image.imresize(x, scale=0.5) * g).sum()))(images))
    np.testing.assert_allclose((gradient * images).sum(), (g * np.asarray(resized)).sum(), rtol=1e-5)


def test_resizing_keeps_floats_types_and_makes_integers_float():
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    resized = image.imresize(levels, scale=0.5)
    assert resized.dtype == jnp.float32
    np.testing.assert_allclose(resized, 255 * image.imresize(levels / np.float32(255), scale=0.5), rtol=1e-5)
    half = image.imresize(jnp.asarray(levels, jnp.bfloat16), scale=0.5)
    assert half.dtype == jnp.bfloat16
    # Another program: float32 that differs in the last bit may round to the next of bfloat16's 8 bits.
    rounded = image.imresize(levels, scale=0.5).astype(jnp.bfloat16)
    np.testing.assert_allclose(half.astype(jnp.float32), rounded.astype(jnp.float32), rtol=2**-7)


def test_resizing_refuses_what_it_cannot_do():
    array = noise(8, 8, 1)
    with pytest.raises(ValueError, match="method is 'cubic'; use one of bicubic"):
        image.imresize(array, scale=2, method="cubic")
    for options in ({}, {"scale": 2, "shape": (4, 4)}):
        with pytest.raises(ValueError, match="give one of the two"):
            image.imresize(array, **options)
    for options in ({"scale": -1}, {"shape": (0, 4)}, {"scale": 0}, {"shape": (4,)}):
        with pytest.raises(ValueError, match="wanted two sides of 1 or more"):
            image.imresize(array, **options)
    with pytest.raises(ValueError, match="wanted two sides of 1 or more"):
        image.imresize(array[:0], shape=(4, 4))
    with pytest.raises(ValueError, match=r"wanted \[..., H, W, C\]"):
        image.imresize(array[0], scale=2)
