"""Outputs, gradients and running statistics of the PyTorch references on the same weights.

tests/golden/networks/<case>: weights.npz is the reference's state_dict; io.npz its input x, its output y_eval in
evaluation and y_train with batch statistics (dropout at 0), "grad:<key>" of mean(y_train**2), and "stats:<key>" after
that one pass. Made with torch 2.13 on the classes of pytorch-CycleGAN-and-pix2pix.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks import PatchGAN, PixelGAN, ResNet, UNet, from_linen

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"
LEAVES = {"kernel": "weight", "bias": "bias", "scale": "weight", "mean": "running_mean", "var": "running_var"}


class Case(NamedTuple):
    module: nn.Module
    names: dict[str, str]  # our layer -> the reference's
    transposed: str = "nothing"  # pattern of the layers that are transposed convolutions
    stride: int = 1  # of the stored outputs
    output: Callable[[jax.Array], jax.Array] = lambda y: y


def unet(depth):
    """The reference nests its levels: level k + 1 lies inside level k."""
    prefix, names = "model.model.", {}
    for level in range(1, depth + 1):
        innermost = level == depth
        down, up = ("0", "3") if level == 1 else ("1", "3") if innermost else ("1", "5")
        step = f"up{depth - level + 1}"
        names |= {f"down{level}": prefix + down, step: prefix + up}
        names |= {f"down{level}_norm": f"{prefix}2", f"{step}_norm": prefix + ("4" if innermost else "6")}
        prefix += "1.model." if level == 1 else "3.model."
    return names


def resnet(blocks, dropout=False):
    names = {"stem": 1, "stem_norm": 2, "down1": 4, "down1_norm": 5, "down2": 7, "down2_norm": 8}
    after = 10 + blocks
    names |= {"up1": after, "up1_norm": after + 1, "up2": after + 3, "up2_norm": after + 4, "out": after + 7}
    second = 6 if dropout else 5
    for block in range(blocks):
        inside = {"conv1": 1, "norm1": 2, "conv2": second, "norm2": second + 1}
        names |= {f"block{block + 1}/{ours}": f"{10 + block}.conv_block.{index}" for ours, index in inside.items()}
    return {ours: f"model.{index}" for ours, index in names.items()}


def patchgan(layers):
    names = {"conv0": "model.0"}
    for layer in range(1, layers + 2):
        names |= {f"conv{layer}": f"model.{3 * layer - 1}", f"conv{layer}_norm": f"model.{3 * layer}"}
    return names


PIXEL = {"conv0": "net.0", "conv1": "net.2", "conv1_norm": "net.3", "conv2": "net.5"}

CASES = {
    "unet_64_instance": Case(UNet(3, 6, 2, "instance"), unet(6), "up"),
    "unet_256": Case(UNet(1, 8, 4), unet(8), "up", stride=3),
    "resnet_2blocks_batch_dropout": Case(
        ResNet(blocks=2, width=4, norm="batch", dropout=0.5, padding="replicate"), resnet(2, dropout=True), "up"
    ),
    "resnet_6blocks": Case(ResNet(blocks=6, width=8), resnet(6), "up"),
    "resnet_9blocks": Case(ResNet(blocks=9, width=8), resnet(9), "up"),
    "patchgan_n1_batch": Case(PatchGAN(1, 8), patchgan(1)),
    "patchgan_n3_batch": Case(PatchGAN(3, 8), patchgan(3)),
    "patchgan_n3_instance": Case(PatchGAN(3, 8, "instance"), patchgan(3)),
    "patchgan_n5_batch": Case(PatchGAN(5, 8), patchgan(5)),
    "pixel_batch": Case(PixelGAN(8), PIXEL),
}


def nhwc(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def reference_key(case, path):
    """The reference's name of one of our arrays: ["up1_norm"]["batch"]["scale"] -> "model.12.weight"."""
    *layer, name = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    layer = "/".join(part for part in layer if part not in ("batch_stats", "batch"))
    return f"{case.names[layer]}.{LEAVES[name]}", bool(re.match(case.transposed, layer))


def in_our_layout(array, transposed):
    """The reference's (out, in, h, w), or (in, out, h, w) of a transposed convolution, as HWIO; (out, in) as IO."""
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if transposed else array.transpose(2, 3, 1, 0)
    return array.T


def with_weights(case, shapes, weights):
    """The reference's weights in our tree; every one of them must have a place."""
    used = set()

    def load(path, leaf):
        key, transposed = reference_key(case, path)
        used.add(key)
        array = in_our_layout(weights[key], transposed)
        assert array.shape == leaf.shape, key
        return array

    tree = jax.tree_util.tree_map_with_path(load, shapes)
    assert used == {key for key in weights if not key.endswith("num_batches_tracked")}
    return tree


def assert_close(got, wanted, tolerance, message=""):
    """Within `tolerance` of the largest value wanted."""
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max(), err_msg=message)


def assert_stored_are_close(case, tree, io, prefix, tolerance):
    stored = {key for key in io if key.startswith(prefix)}
    for path, ours in jax.tree_util.tree_leaves_with_path(tree):
        key, transposed = reference_key(case, path)
        if prefix + key in stored:
            stored.remove(prefix + key)
            assert_close(ours, in_our_layout(io[prefix + key], transposed), tolerance, key)
    assert not stored


@pytest.mark.parametrize("name", CASES)
def test_a_reference_network_and_ours_are_one_function(name):
    case = CASES[name]
    io, weights = (dict(np.load(GOLDEN / name / f"{file}.npz")) for file in ("io", "weights"))
    network, x = from_linen(case.module), nhwc(io["x"])
    params, stats = with_weights(case, jax.eval_shape(network.init, jax.random.key(0), x), weights)

    def objective(params):
        y, new_stats = network.apply(params, stats, x, train=True)
        y = case.output(y)
        return jnp.mean(y**2), (y, new_stats)

    @jax.jit
    def both(params):
        grads, (y_train, new_stats) = jax.grad(objective, has_aux=True)(params)
        return case.output(network.apply(params, stats, x, train=False)[0]), y_train, grads, new_stats

    y_eval, y_train, grads, new_stats = both(params)
    step = case.stride
    assert_close(y_eval[:, ::step, ::step], nhwc(io["y_eval"]), 1e-5)
    # Without batch norm the reference stored one output: training equals evaluation.
    assert_close(y_train[:, ::step, ::step], nhwc(io.get("y_train", io["y_eval"])), 1e-5)
    assert_stored_are_close(case, grads, io, "grad:", 1e-4)
    assert_stored_are_close(case, new_stats, io, "stats:", 1e-5)
