"""Kernels in PyTorch's layout and ours, one the other's way back."""

import jax
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.interop import transpose
from gan_jax.interop.naming import LAYOUTS
from gan_jax.networks import PatchGAN, SRGANCritic, UNet, VGGStyleCritic


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("module", "layer", "theirs", "ours"),
    [
        (PatchGAN(), "conv0", (8, 6, 4, 4), (4, 4, 6, 8)),
        (UNet(), "up1", (6, 8, 4, 4), (4, 4, 6, 8)),  # transposed: inputs first
        (UNet(), "down1", (8, 6, 4, 4), (4, 4, 6, 8)),
        (VGGStyleCritic(), "dense0", (5, 32), (32, 5)),
        (SRGANCritic(width=1), "dense1", (1, 5), (5, 1)),
        (PatchGAN(), "conv0", (8,), (8,)),
    ],
)
def test_there_and_back(module, layer, theirs, ours):
    array = numbers(*theirs)
    turned = transpose.from_theirs(module, layer, array)
    assert turned.shape == ours
    np.testing.assert_array_equal(transpose.to_theirs(LAYOUTS[0], module, layer, turned), array)


def test_a_dense_layer_reads_the_same_pixels():
    """torch flattens (C, H, W), we (H, W, C): both products are equal."""
    maps, weight = numbers(2, 4, 4), numbers(3, 32)
    kernel = transpose.from_theirs(VGGStyleCritic(), "dense0", weight)
    np.testing.assert_array_equal(maps.transpose(1, 2, 0).ravel() @ kernel, weight @ maps.ravel())


def test_places_of_the_leaves():
    tree, output = networks.shapes(PatchGAN(1, 4), 6)
    assert output.shape == (1, 30, 30, 1)
    shapes = {place: leaf.shape for place, leaf in transpose.leaves(tree)}
    assert shapes["conv0", "kernel", False] == (4, 4, 6, 4)
    assert shapes["conv1_norm", "var", True] == (8,)
    assert shapes["conv1_norm", "scale", False] == (8,)
    assert len(shapes) == 9


def test_a_place_from_a_path():
    ((path, _),) = jax.tree_util.tree_leaves_with_path({"stats": {"batch_stats": {"a_norm": {"batch": {"mean": 0}}}}})
    assert transpose.place(path) == ("a_norm", "mean", True)


def test_singular_values_and_vectors_of_spectral_norm():
    rng = np.random.default_rng(0)
    matrix = np.float32(rng.normal(size=(4, 18)))
    (u, *_), value = np.linalg.svd(matrix)[0].T, np.linalg.svd(matrix)[1][0]
    module, kernel = PatchGAN(1, 4), matrix.reshape(4, 2, 3, 3)
    v = transpose.right_vector(module, "conv1", kernel, np.float32(u))
    np.testing.assert_allclose(matrix @ v, value * u, atol=1e-5)
    np.testing.assert_allclose(transpose.singular(module, "conv1", kernel, u, v), value, rtol=1e-5)
    other = np.roll(v, 1)
    np.testing.assert_allclose(transpose.singular(module, "conv1", kernel, u, other), u @ matrix @ other, rtol=1e-4)
    assert transpose.singular(module, "conv1", kernel, u[:3], v) is None
    assert transpose.singular(module, "conv1", kernel, u, v[:3]) is None
    transposed = transpose.singular(UNet(), "up1", kernel.swapaxes(0, 1), u, v)  # its outputs are the second axis
    np.testing.assert_allclose(transposed, value, rtol=1e-5)


def test_the_right_vector_has_the_order_of_the_kernel():
    """Of a convolution, and of a dense layer that reads a map."""
    layout = next(layout for layout in LAYOUTS if layout.architecture is VGGStyleCritic)
    module = VGGStyleCritic(16, 2)
    for layer, shape in (("conv0_1", (5, 2, 4, 4)), ("dense0", (5, 3 * 4 * 4))):
        kernel = np.random.default_rng(0).normal(size=shape)
        ours, v = transpose.from_theirs(module, layer, kernel), kernel[2].reshape(-1)
        got = transpose.right_from_theirs(module, layer, kernel, v)
        np.testing.assert_array_equal(got, ours.reshape(-1, 5)[:, 2])
        np.testing.assert_array_equal(transpose.right_to_theirs(layout, module, layer, ours, got), v)
