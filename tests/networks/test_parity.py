"""Outputs, gradients and running statistics of the PyTorch references on the same weights.

tests/golden/networks/<case>: weights.npz is the reference's state_dict; io.npz its input x, its output y_eval in
evaluation and y_train with batch statistics (dropout at 0), "grad:<key>" of mean(y_train**2), and "stats:<key>" after
that one pass. Made with torch 2.13 on the classes of pytorch-CycleGAN-and-pix2pix, BasicSR and PyTorch's DCGAN example;
SRResNet and SRGAN's critic were written in torch from the paper's figure 4.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks import (
    VGG,
    DCGANCritic,
    DCGANGenerator,
    MSRResNet,
    PatchGAN,
    PixelGAN,
    ResNet,
    SRGANCritic,
    SRResNet,
    UNet,
    VGGStyleCritic,
    from_linen,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"
LEAVES = {"kernel": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
LEAVES |= {"scale": "weight", "slope": "weight"}


class Case(NamedTuple):
    module: nn.Module
    names: dict[str, str]  # our layer -> the reference's
    transposed: str = "nothing"  # pattern of the layers that are transposed convolutions
    stride: int = 1  # of the stored outputs
    input: Callable[[np.ndarray], np.ndarray] = lambda x: x
    output: Callable[[jax.Array], jax.Array] = lambda y: y
    flattened: int = 0  # channels of the map that the layer dense0 reads
    null_biases: dict[str, str] = {}  # noqa: RUF012  the reference's convolutions with a bias, and the norms behind


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


def srresnet(blocks):
    names = {"head": "head.0", "head_prelu": "head.1", "merge": "merge.0", "merge_norm": "merge.1", "tail": "tail"}
    names |= {"up1": "up.0", "up1_prelu": "up.2", "up2": "up.3", "up2_prelu": "up.5"}
    inside = ("conv1", "norm1", "prelu", "conv2", "norm2")
    for block in range(blocks):
        names |= {f"block{block + 1}/{ours}": f"body.{block}.{index}" for index, ours in enumerate(inside)}
    return names


# Here every convolution has a bias; ours have none where batch norm follows, whose mean swallows it.
SRRESNET_BIASES = {"body.0.0": "body.0.1", "body.0.3": "body.0.4", "body.1.0": "body.1.1", "body.1.3": "body.1.4"}
SRRESNET_BIASES |= {"merge.0": "merge.1"}


def msrresnet(blocks):
    names = {"head": "conv_first", "up1": "upconv1", "up2": "upconv2", "full": "conv_hr", "tail": "conv_last"}
    for block in range(blocks):
        names |= {f"block{block + 1}/{conv}": f"body.{block}.{conv}" for conv in ("conv1", "conv2")}
    return names


SRGAN_CRITIC = {"conv0": "features.0", "dense0": "classifier.1", "dense1": "classifier.3"}
for layer in range(1, 8):
    SRGAN_CRITIC |= {f"conv{layer}": f"features.{3 * layer - 1}", f"conv{layer}_norm": f"features.{3 * layer}"}

VGGSTYLE = {"dense0": "linear1", "dense1": "linear2"}
for pair in [f"{pair}_{index}" for pair in range(5) for index in range(2)]:
    VGGSTYLE |= {f"conv{pair}": f"conv{pair}", f"conv{pair}_norm": f"bn{pair}"}

DCGAN_GENERATOR = {f"up{step}": f"main.{3 * step}" for step in range(5)}
DCGAN_GENERATOR |= {f"up{step}_norm": f"main.{3 * step + 1}" for step in range(4)}
DCGAN_CRITIC = {"conv0": "main.0"}
for layer in range(1, 5):
    DCGAN_CRITIC |= {f"conv{layer}": f"main.{3 * layer - 1}", f"conv{layer}_norm": f"main.{3 * layer}"}

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
    "srresnet_paper": Case(SRResNet(blocks=2, width=8), srresnet(2), null_biases=SRRESNET_BIASES),
    "srresnet_paper_prelu_per_channel": Case(
        SRResNet(blocks=2, width=8, prelu="channel"), srresnet(2), null_biases=SRRESNET_BIASES
    ),
    "msrresnet_x2": Case(MSRResNet(2, 2, 8), msrresnet(2)),
    "msrresnet_x3": Case(MSRResNet(3, 2, 8), msrresnet(2)),
    "msrresnet_x4": Case(MSRResNet(4, 2, 8), msrresnet(2)),
    "srgan_discriminator": Case(SRGANCritic(48, 6, 32), SRGAN_CRITIC, flattened=48),
    "vggstyle_discriminator_128": Case(VGGStyleCritic(128, 2), VGGSTYLE, flattened=16),
    "dcgan_generator": Case(DCGANGenerator(3, 64, 4), DCGAN_GENERATOR, "up", 3, input=lambda x: x[:, 0, 0]),
    # The reference ends in a sigmoid.
    "dcgan_discriminator": Case(DCGANCritic(64, 6), DCGAN_CRITIC, output=lambda y: nn.sigmoid(y)[:, 0]),
}


def nhwc(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def reference_key(case, path):
    """The reference's name of one of our arrays: ["up1_norm"]["batch"]["scale"] -> "model.12.weight"; our layer."""
    *layer, name = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    layer = "/".join(part for part in layer if part not in ("batch_stats", "batch"))
    return f"{case.names[layer]}.{LEAVES[name]}", layer


def in_our_layout(case, array, layer):
    """(out, in, h, w), of a transposed convolution (in, out, h, w), as HWIO; (out, in) as IO, a map's pixels as HWC."""
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if re.match(case.transposed, layer) else array.transpose(2, 3, 1, 0)
    if array.ndim == 2 and layer == "dense0":
        side = math.isqrt(array.shape[1] // case.flattened)
        array = array.reshape(-1, case.flattened, side, side).transpose(0, 2, 3, 1).reshape(array.shape)
    return array.T


def with_weights(case, shapes, weights):
    """The reference's weights in our tree; every one of them must have a place."""
    used = set()

    def load(path, leaf):
        key, layer = reference_key(case, path)
        used.add(key)
        array = in_our_layout(case, weights[key], layer)
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
        key, layer = reference_key(case, path)
        if prefix + key in stored:
            stored.remove(prefix + key)
            assert_close(ours, in_our_layout(case, io[prefix + key], layer), tolerance, key)
    assert not stored


def objective(case, network, stats, x):
    """params -> mean(y**2) with batch statistics, summed over the maps where y has several; (y, new statistics)."""

    def value(params):
        y, new_stats = network.apply(params, stats, x, train=True)
        y = case.output(y)
        return sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(y)), (y, new_stats)

    return value


def golden(name):
    return (dict(np.load(GOLDEN / name / f"{file}.npz")) for file in ("io", "weights"))


@pytest.mark.parametrize("name", CASES)
def test_a_reference_network_and_ours_are_one_function(name):
    case = CASES[name]
    io, weights = golden(name)
    for layer, norm in case.null_biases.items():
        bias = weights.pop(f"{layer}.bias")
        weights[f"{norm}.running_mean"] -= bias
        io[f"stats:{norm}.running_mean"] -= bias
    network, x = from_linen(case.module), case.input(nhwc(io["x"]))
    params, stats = with_weights(case, jax.eval_shape(network.init, jax.random.key(0), x), weights)

    @jax.jit
    def both(params):
        grads, (y_train, new_stats) = jax.grad(objective(case, network, stats, x), has_aux=True)(params)
        return case.output(network.apply(params, stats, x, train=False)[0]), y_train, grads, new_stats

    y_eval, y_train, grads, new_stats = both(params)
    stored = (slice(None), slice(None, None, case.stride), slice(None, None, case.stride))[: y_eval.ndim]
    assert_close(y_eval[stored], nhwc(io["y_eval"]), 1e-5)
    # Without batch norm the reference stored one output: training equals evaluation.
    assert_close(y_train[stored], nhwc(io.get("y_train", io["y_eval"])), 1e-5)
    assert_stored_are_close(case, grads, io, "grad:", 1e-4)
    assert_stored_are_close(case, new_stats, io, "stats:", 1e-5)


def test_vgg19_features():
    """torchvision's weights by BasicSR's names of the layers; images in [0, 1]."""
    io, weights = golden("vgg19_features")
    layers = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "conv5_4")
    # torchvision counts convolutions, ReLUs and pools alike.
    places = {1: (0, 2), 2: (5, 7), 3: (10, 12, 14, 16), 4: (19, 21, 23, 25), 5: (28, 30, 32, 34)}
    names = {f"conv{b}_{i}": f"features.{place}" for b, row in places.items() for i, place in enumerate(row, 1)}
    case = Case(VGG(19, layers, range_norm=False, width=2), names)
    network, x = from_linen(case.module), nhwc(io["x"])
    params, stats = with_weights(case, jax.eval_shape(network.init, jax.random.key(0), x), weights)
    grads, (maps, _) = jax.jit(jax.grad(objective(case, network, stats, x), has_aux=True))(params)
    assert maps.keys() == set(layers)
    for layer in layers:
        assert_close(maps[layer], nhwc(io[f"y_eval_{layer}"]), 1e-5, layer)
    assert_stored_are_close(case._replace(names={name: f"vgg_net.{name}" for name in names}), grads, io, "grad:", 1e-4)
