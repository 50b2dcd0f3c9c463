"""Metrics against numbers of BasicSR, scikit-image and LPIPS (tests/golden), SciPy's, and their properties."""

import json
import math
import zlib
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from PIL import Image

from gan_jax import image, metrics

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "metrics" / "expected.json").read_text())["pairs"]
PROTOCOLS = {
    "rgb_crop0": lambda x: x,
    "rgb_crop4": lambda x: image.crop_border(x, 4),
    "y_crop0": image.luma,
    "y_crop4": lambda x: image.luma(image.crop_border(x, 4)),
}


def read(name: str) -> np.ndarray:
    array = np.asarray(Image.open(GOLDEN / "metrics" / name))
    return array.reshape(1, *array.shape[:2], -1)


def levels(*shape, seed=0, high=256):
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def similarities_f64(x, y, max_value=255.0):
    """SSIM's luminance and structure as the paper writes them, in float64."""
    weights = np.exp(-((np.arange(11) - 5.0) ** 2) / 4.5)
    weights /= weights.sum()

    def blur(z):
        rows = np.lib.stride_tricks.sliding_window_view(z, 11, axis=1) @ weights
        return np.lib.stride_tricks.sliding_window_view(rows, 11, axis=2) @ weights

    x, y = x.astype(np.float64), y.astype(np.float64)
    mx, my = blur(x), blur(y)
    vx, vy, covariance = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    c1, c2 = (0.01 * max_value) ** 2, (0.03 * max_value) ** 2
    return (2 * mx * my + c1) / (mx**2 + my**2 + c1), (2 * covariance + c2) / (vx + vy + c2)


@jax.jit
def scores(a, b):
    """PSNR and SSIM under each protocol, as one program: it compiles faster than its parts one by one."""
    pairs = {name: (protocol(a), protocol(b)) for name, protocol in PROTOCOLS.items()}
    return {
        name: (metrics.psnr(x, y, max_value=255.0), metrics.ssim(x, y, max_value=255.0))
        for name, (x, y) in pairs.items()
    }


# As one program each, for the same reason.
PSNR, SSIM = (jax.jit(metric, static_argnames="max_value") for metric in (metrics.psnr, metrics.ssim))
LPIPS, LABEL_SCORES = jax.jit(metrics.lpips), jax.jit(metrics.label_map_scores, static_argnums=2)


def test_every_pair_of_the_reference_is_there():
    assert len(EXPECTED) == 15
    assert {protocol for pair in EXPECTED.values() for protocol in pair["expected"]} == set(PROTOCOLS)


@pytest.mark.parametrize("name", EXPECTED)
def test_psnr_and_ssim_equal_the_float64_references(name):
    pair = EXPECTED[name]
    for protocol, (psnr, ssim) in scores(read(pair["a"]), read(pair["b"])).items():
        expected = pair["expected"][protocol]
        # The string "inf" reads as a number too.
        np.testing.assert_allclose(psnr, [float(expected["psnr_f64"])], rtol=1e-6)
        np.testing.assert_allclose(ssim, [expected["ssim_f64"]], atol=1e-6)


def test_identical_images_stay_identical_where_xla_optimizes():
    """Of luma in the same program, compiled as a user's is and not as the tests are."""
    optimized = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}

    @partial(jax.jit, compiler_options=optimized)
    def compare(a, b):
        x, y = image.luma(a), image.luma(b)
        return metrics.psnr(x, y, max_value=255.0), metrics.ssim(x, y, max_value=255.0)

    x = read(EXPECTED["identical"]["a"])
    assert [value.tolist() for value in compare(x, x)] == [[math.inf], [1.0]]


def test_psnr_adds_up_without_rounding_or_overflow():
    black = np.zeros((3, 1500, 2000, 1), np.uint8)
    other = black.copy()
    other[0] = 255
    other[1, 700, 700] = 1
    expected = [0.0, 10 * math.log10(255**2 * 3e6), math.inf]
    # A few float32 roundings of the quotient, of its logarithm, and of their product.
    np.testing.assert_allclose(PSNR(other, black), expected, rtol=1e-6, atol=2e-6)


def test_psnr_knows_the_white_of_integers_and_asks_for_that_of_floats():
    x, y = levels(2, 12, 12, 3), levels(2, 12, 12, 3, seed=1)
    psnr = PSNR(x, y)
    # 257 takes 255 to 65535; float32 rounds the squares.
    np.testing.assert_allclose(PSNR(x * np.uint16(257), y * np.uint16(257)), psnr, rtol=1e-6)
    unit_x, unit_y = x / np.float32(255), y / np.float32(255)
    np.testing.assert_allclose(PSNR(unit_x, unit_y, max_value=1.0), psnr, rtol=1e-5)
    np.testing.assert_allclose(PSNR(x, y.astype(np.float32), max_value=255.0), psnr, rtol=1e-6)
    with pytest.raises(TypeError, match="images are float32, whose range is not known; give max_value, the white of"):
        metrics.psnr(unit_x, unit_y)


def test_one_image_has_one_value_and_videos_have_one_a_frame():
    x, y = levels(2, 3, 12, 13, 3), levels(2, 3, 12, 13, 3, seed=1)
    for metric in (PSNR, SSIM):
        frames, one = metric(x, y), metric(x[1, 2], y[1, 2])
        assert (frames.shape, one.shape) == ((2, 3), ())
        # Programs of other shapes; SSIM is a mean of numbers up to 1 that nearly cancel.
        np.testing.assert_allclose(one, frames[1, 2], rtol=1e-6, atol=1e-6)


def test_values_are_per_image_and_in_order():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)
    noisy = images.copy()
    noisy[1] //= 2
    for metric in (PSNR, SSIM):
        together = metric(noisy, images)
        alone = np.concatenate([metric(noisy[i : i + 1], images[i : i + 1]) for i in range(3)])
        # Programs of other shapes; SSIM is a mean of numbers up to 1 that nearly cancel.
        np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)
        # Of equal images every difference is 0, whatever rounds.
        assert together[1] < together[0] == together[2]


def edges(low, high):
    array = np.full((1, 24, 32, 1), low, np.uint8)
    array[:, :, 16:] = high
    return array


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (edges(0, 255), edges(1, 254)),
        (edges(255, 255), edges(254, 254)),
        (levels(1, 24, 32, 1, high=2), levels(1, 24, 32, 1, high=3, seed=1)),
        (255 - levels(1, 24, 32, 1, high=2), 255 - levels(1, 24, 32, 1, high=3, seed=1)),
        (edges(0, 250) + levels(1, 24, 32, 1, high=3), edges(0, 250) + levels(1, 24, 32, 1, high=3, seed=1)),
    ],
    ids=["edge", "flat", "dark", "bright", "edge in noise"],
)
def test_ssim_keeps_its_digits(x, y):
    expected = np.prod(similarities_f64(x, y), axis=0).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(SSIM(x, y), expected, atol=1e-6)
    # The same images in another range.
    unit_x, unit_y = x / np.float32(255), y / np.float32(255)
    np.testing.assert_allclose(SSIM(unit_x, unit_y, max_value=1.0), expected, atol=1e-6)


def test_ssim_factors_are_those_of_the_paper_at_each_window():
    x, y = levels(2, 13, 12, 2), levels(2, 13, 12, 2, seed=1)
    for result, expected in zip(jax.jit(metrics.ssim_factors)(x, y), similarities_f64(x, y), strict=True):
        assert result.shape == (2, 3, 2, 2)
        np.testing.assert_allclose(result, expected, atol=1e-6)
    with pytest.raises(ValueError, match="sides of 11 or more"):
        metrics.ssim_factors(x[:, :10], y[:, :10])


def test_ssim_can_be_trained_on():
    x, y = (levels(1, 12, 12, 1, seed=seed).astype(np.float32) for seed in (0, 1))
    value, gradient = jax.jit(jax.value_and_grad(lambda x: SSIM(x, y, max_value=255.0).sum()))(x)
    step = 1e3 * np.asarray(gradient)
    assert np.abs(step).max() > 0.1
    assert SSIM(x + step, y, max_value=255.0)[0] > value


def test_ms_ssim_equals_the_formula_in_float64():
    x = np.asarray(image.imresize(levels(1, 20, 20, 2), shape=(163, 162))).clip(0, 255)
    y = np.float32(x + np.random.default_rng(1).normal(0, 20, x.shape))
    expected, a, b = 1.0, x.astype(np.float64), y.astype(np.float64)
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        expected *= similarities_f64(a, b)[1].mean((1, 2)) ** weight
        a, b = (np.pad(z, [(0, 0), *[(0, side % 2) for side in z.shape[1:3]], (0, 0)], "symmetric") for z in (a, b))
        a, b = (z.reshape(1, z.shape[1] // 2, 2, z.shape[2] // 2, 2, 2).mean((2, 4)) for z in (a, b))
    expected *= np.prod(similarities_f64(a, b), axis=0).mean((1, 2)) ** 0.1333
    images, references = np.concatenate([y, x, 255 - x]), np.concatenate([x, x, x])
    noisy, equal, negative = jax.jit(partial(metrics.ms_ssim, max_value=255.0))(images, references)
    np.testing.assert_allclose(noisy, expected.mean(), atol=1e-6)
    assert negative == 0.0 < noisy < 0.99 < equal == 1.0  # structure that is negative counts as none


def alexnet(x, seed, recipe):
    """The five feature maps of the reference's random AlexNet, images NHWC in [-1, 1]."""
    x = (x - np.float32([-0.030, -0.088, -0.188])) / np.float32([0.458, 0.448, 0.450])
    maps, layout = {}, ("NHWC", "OIHW", "NHWC")
    for tap, (layer, stride, padding, pool) in enumerate(
        [(0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False)]
    ):
        kernel, bias = (drawn(seed, f"{layer}.{name}", recipe) for name in ("weight", "bias"))
        if pool:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
        padding = [(padding, padding)] * 2
        x = jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=layout)
        maps[f"lin{tap}"] = x = jax.nn.relu(x + bias)
    return maps


def drawn(seed, key, recipe):
    """A weight by the reference's recipe, rounded to four bits of mantissa, ties to even."""
    generator = np.random.RandomState(zlib.crc32(f"{seed}:{key}".encode()))
    values = recipe[key]["a"] + recipe[key]["b"] * generator.standard_normal(recipe[key]["shape"])
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = bits + (1 << 18) - 1 + (bits >> 19 & 1)
    return (bits >> 19 << 19).astype(np.uint32).view(np.float32)


def test_lpips_equals_the_official_code_on_a_random_trunk():
    # The linear weights are the trained ones (v0.1) of the wheel lpips 0.1.4; its license lies beside them.
    net = json.loads((GOLDEN / "lpips" / "expected.json").read_text())["nets"]["alex"]
    images, weights = np.load(GOLDEN / "lpips" / "inputs.npz"), dict(np.load(GOLDEN / "lpips" / "alex_linear.npz"))
    maps = alexnet(np.concatenate([images["a"], images["b"]]).transpose(0, 2, 3, 1), net["seed"], net["recipe"])
    a, b = ({name: x[half] for name, x in maps.items()} for half in (slice(0, 3), slice(3, 6)))
    expected = net["expected"]["f64"]
    # The official code in float32 differs by 1e-6, too.
    np.testing.assert_allclose(LPIPS(a, b, weights), expected["total"], rtol=1e-5)
    first = [{"lin0": maps["lin0"]} for maps in (a, b, weights)]
    np.testing.assert_allclose(LPIPS(*first), expected["per_layer"][0], rtol=1e-5)
    np.testing.assert_array_equal(LPIPS(a, a, weights), [0, 0, 0])


def test_lpips_has_a_gradient_where_features_are_zero():
    x, y = np.zeros((1, 2, 2, 3), np.float32), np.ones((1, 2, 2, 3), np.float32)
    gradient = jax.jit(jax.grad(lambda x: metrics.lpips({"a": x}, {"a": y}, {"a": jnp.ones(3)}).sum()))
    assert np.isfinite(gradient(x)).all()
    assert (gradient(y + np.float32([0, 0, 1])) != 0).all()


def test_frechet_distance_equals_the_formula_with_scipys_root():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), 0.3 + rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    cx, cy = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cx + cy - 2 * scipy.linalg.sqrtm(cx @ cy).real)
    np.testing.assert_allclose(metrics.frechet_distance(x, y), expected, rtol=1e-9)
    np.testing.assert_allclose(metrics.frechet_distance(y, x), expected, rtol=1e-9)
    assert 0 <= metrics.frechet_distance(x, x) < 1e-12
    # A shift alone, and fewer rows than columns.
    np.testing.assert_allclose(metrics.frechet_distance(x[:4], x[:4] + 2), 6 * 2**2, rtol=1e-12)


def test_kernel_distance_is_the_unbiased_estimate():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), 1 + rng.normal(size=(4, 3))

    def mean(a, b, same):
        return np.mean(
            [(p @ q / 3 + 1) ** 3 for i, p in enumerate(a) for j, q in enumerate(b) if not (same and i == j)]
        )

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    np.testing.assert_allclose(metrics.kernel_distance(x, y), expected, rtol=1e-12)
    # Unbiased: near 0 on both sides for two halves of one distribution.
    values = [metrics.kernel_distance(*rng.normal(size=(2, 20, 3))) for _ in range(200)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)


def test_laplacian_energy_of_a_single_bright_pixel():
    array = np.zeros((1, 5, 5, 1), np.uint8)
    array[0, 2, 2] = 10
    # Over the 3x3 inner pixels: -40 at the pixel, 10 at its four neighbors.
    np.testing.assert_allclose(jax.jit(metrics.laplacian_energy)(array), [(40**2 + 4 * 10**2) / 9], rtol=1e-6)
    assert metrics.laplacian_energy(np.full((1, 4, 4, 3), 77, np.uint8))[0] < 1e-6


def test_what_cannot_be_compared_is_refused():
    images = np.zeros((1, 12, 12, 3), np.uint8)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.psnr(images, images[..., :1])
    for metric in (metrics.psnr, metrics.ssim, metrics.ms_ssim):
        for wrong in (images[0, 0], images[:, :0]):
            with pytest.raises(ValueError, match=r"wanted \[\.\.\., H, W, C\] with a pixel or more"):
                metric(wrong, wrong)
    with pytest.raises(ValueError, match="sides of 11 or more"):
        metrics.ssim(images[:, :10], images[:, :10])
    with pytest.raises(ValueError, match="sides of 161 or more"):
        metrics.ms_ssim(images, images)
    with pytest.raises(ValueError, match="3x3 or more"):
        metrics.laplacian_energy(images[:, :2])
    with pytest.raises(ValueError, match=r"wanted \[\.\.\., H, W, C\]"):
        metrics.laplacian_energy(images[0, 0])
    maps, weights = {"a": images}, {"a": np.ones(3)}
    with pytest.raises(ValueError, match=r"layers \['a'\], references \['b'\]"):
        metrics.lpips(maps, {"b": images}, weights)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.lpips(maps, {"a": images[:, :1]}, weights)
    with pytest.raises(ValueError, match=r"wanted \[3\]"):
        metrics.lpips(maps, maps, {"a": np.ones((1, 1, 1, 3))})
    for distance in (metrics.frechet_distance, metrics.kernel_distance):
        for x, y in ((np.zeros((4, 3)), np.zeros((4, 2))), (np.zeros((1, 3)), np.zeros((4, 3))), (images, images)):
            with pytest.raises(ValueError, match="two rows or more"):
                distance(x, y)


def test_color_histograms_intersect_where_the_colors_do():
    red, gray = np.uint8([255, 0, 0]), np.uint8([119, 119, 119])
    array = np.tile(red, (2, 4, 4, 1))
    np.testing.assert_array_equal(metrics.color_histogram_intersection(array, array), [1, 1, 1])
    quarter = array.copy()
    quarter[0, :, :2] = gray
    # A quarter of all pixels lacks the red; where it lies does not matter.
    np.testing.assert_array_equal(metrics.color_histogram_intersection(quarter, array), [0.75] * 3)
    np.testing.assert_array_equal(metrics.color_histogram_intersection(quarter, quarter[::-1, ::-1]), [1, 1, 1])
    np.testing.assert_array_equal(metrics.color_histogram_intersection(quarter[0], array[0]), [0.5] * 3)
    np.testing.assert_array_equal(metrics.lab_histograms(quarter[None]), metrics.lab_histograms(quarter))


def test_color_histograms_tell_light_from_color():
    ramp = np.tile(np.arange(0, 256, 5, dtype=np.uint8)[:, None], (1, 1, 1, 3))
    # Black shares one of 52 grays' lightness, and the a and b of all of them.
    shared = metrics.color_histogram_intersection(ramp, np.zeros_like(ramp))
    np.testing.assert_array_equal(shared, np.float32([1 / 52, 1, 1]))


def test_color_histograms_equal_numpys():
    images, references = np.random.default_rng(0).integers(0, 256, (2, 2, 9, 7, 3), dtype=np.uint8)
    expected = []
    edges = (np.arange(102) - 0.5, np.arange(-128, 129) - 0.5, np.arange(-128, 129) - 0.5)
    for channel, bins in enumerate(edges):
        lab = (np.asarray(image.rgb_to_lab(arrays))[..., channel] for arrays in (images, references))
        a, b = (np.histogram(values, bins)[0] for values in lab)
        expected.append(np.minimum(a, b).sum() / a.sum())
    # No color lies within 1e-3 of a bin's edge, ten times what float32 moves it: counts are equal.
    np.testing.assert_allclose(metrics.color_histogram_intersection(images, references), expected, rtol=1e-6)


def test_label_map_scores_by_hand():
    reference = np.uint8([[0, 0, 0, 1], [1, 1, 1, 1]])
    result = np.uint8([[0, 0, 1, 1], [1, 1, 2, 0]])
    scores = LABEL_SCORES(result, reference, 4)
    # Classes 2 and 3 are not in the reference, and so not in the means.
    expected = {"per_pixel": 5 / 8, "per_class": (2 / 3 + 3 / 5) / 2, "iou": (2 / 4 + 3 / 6) / 2}
    # A few float32 roundings.
    assert {name: float(value) for name, value in scores.items()} == pytest.approx(expected, rel=1e-6)


def test_void_pixels_do_not_count_and_strange_labels_are_wrong():
    expected, result = np.int32([0, 1, 255, -1]), np.int32([0, 9, 1, 1])
    scores = LABEL_SCORES(result, expected, 2)
    assert {name: float(value) for name, value in scores.items()} == {"per_pixel": 0.5, "per_class": 0.5, "iou": 0.5}
    assert all(np.isnan(value) for value in LABEL_SCORES(result[2:], expected[2:], 2).values())


def test_what_has_no_colors_or_no_labels_is_refused():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    with pytest.raises(TypeError, match="wanted uint8"):
        metrics.color_histogram_intersection(images / 255, images)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.color_histogram_intersection(images, images[:, :1])
    with pytest.raises(TypeError, match="wanted integers"):
        metrics.label_map_scores(images / 255, images, 2)
    with pytest.raises(ValueError, match="must be equal"):
        metrics.label_map_scores(images, images[:, :1], 2)
