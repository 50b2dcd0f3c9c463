"""Kernels, filtering and sharpening against BasicSR's (tests/golden/degradations)."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import blur

GOLDEN = Path(__file__).parent / "golden" / "degradations"
ARRAYS = np.load(GOLDEN / "arrays.npz")
CASES = json.loads((GOLDEN / "cases.json").read_text())


def nchw(images):
    return np.asarray(images).transpose(0, 3, 1, 2)


def kernel(function, args):
    if function == "circular_lowpass_kernel":
        return blur.sinc(args["pad_to"] or args["kernel_size"], args["cutoff"], size=args["kernel_size"])
    make = blur.plateau if function == "bivariate_plateau" else blur.gaussian
    fields = {"beta": args.get("beta", 1.0)}
    if args["isotropic"]:
        return make(args["kernel_size"], args["sig_x"], **fields)
    return make(args["kernel_size"], jnp.array([args["sig_x"], args["sig_y"]]), angle=args["theta"], **fields)


@pytest.mark.parametrize("name", CASES["kernels"])
def test_kernels_are_basicsrs(name):
    case = CASES["kernels"][name]
    expected = ARRAYS[case["array"]]
    # float32: the sinc's Bessel function is of arguments up to 44, whose digits end at 4e-6.
    np.testing.assert_allclose(kernel(case["function"], case["args"]), expected, atol=5e-7, rtol=0)
    with jax.enable_x64(True):
        np.testing.assert_allclose(kernel(case["function"], case["args"]), expected, atol=1e-14, rtol=0)


def test_a_smaller_kernel_lies_in_the_middle_of_zeros_whatever_is_traced():
    for make, width in ((blur.gaussian, 1.3), (blur.plateau, 1.3), (blur.sinc, 1.9)):
        traced = jax.jit(lambda width, size, make=make: make(21, width, size=size))(width, 9)
        np.testing.assert_allclose(traced[6:15, 6:15], make(9, width), rtol=1e-5, atol=1e-7)
        assert np.abs(traced).sum() == pytest.approx(np.abs(traced[6:15, 6:15]).sum())


@pytest.mark.parametrize("name", CASES["filter2d"])
def test_filtering_is_basicsrs(name):
    case = CASES["filter2d"][name]
    photos = ARRAYS[case["photos"]] / np.float32(255)
    kernels = np.stack([np.float32(ARRAYS[key]) for key in case["kernels"]])
    filtered = jax.vmap(blur.filter2d)(photos, np.broadcast_to(kernels, (len(photos), *kernels.shape[1:])))
    # The reference's own distance from float64, twice: ours comes on top.
    np.testing.assert_allclose(nchw(filtered), ARRAYS[case["out"]], atol=2 * case["gap_f32_f64"], rtol=0)


def test_filtering_a_part_mirrors_at_its_own_borders():
    """Also one that is narrower than the kernel reaches, as a mirror opposite a mirror shows it."""
    photo = np.random.default_rng(0).random((12, 15, 3), dtype=np.float32)
    lopsided = np.random.default_rng(1).random((7, 7), dtype=np.float32)
    filtered = jax.jit(lambda height, width: blur.filter2d(photo, lopsided, sides=(height, width)))
    for height, width in ((9, 11), (2, 3), (1, 1), (12, 15)):
        expected = np.pad(photo[:height, :width], [(3, 3), (3, 3), (0, 0)], mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(expected, (7, 7), axis=(0, 1))
        expected = np.einsum("hwcij,ij->hwc", windows, lopsided)
        np.testing.assert_allclose(filtered(height, width)[:height, :width], expected, rtol=1e-5)


@pytest.mark.parametrize("name", CASES["usm_sharp"])
def test_sharpening_is_real_esrgans(name):
    case = CASES["usm_sharp"][name]
    fields = {name: case[name] for name in ("radius", "weight", "threshold")}
    assert name != "default" or fields == {"radius": 50, "weight": 0.5, "threshold": 10}
    photos = ARRAYS[case["photos"]] / np.float32(255)
    sharpened = blur.sharpen(photos) if name == "default" else blur.sharpen(photos, **fields)
    np.testing.assert_allclose(nchw(sharpened), ARRAYS[case["out"]], atol=2 * case["gap_f32_f64"], rtol=0)
