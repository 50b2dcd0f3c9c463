"""Outputs, gradients and running statistics of the PyTorch references on the same weights.

tests/golden/networks/<case>: weights.npz is the reference's state_dict; io.npz its input x, its output y_eval in
evaluation and y_train with batch statistics (dropout at 0), "grad:<key>" of mean(y_train**2), and "stats:<key>" after
that one pass. Made with torch 2.13 on the classes of pytorch-CycleGAN-and-pix2pix, BasicSR and PyTorch's DCGAN example;
SRResNet and SRGAN's critic were written in torch from the paper's figure 4.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.interop import convert
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


class Case(NamedTuple):
    module: nn.Module  # what the weights must be recognised as
    fields: dict[str, object] = {}  # noqa: RUF012  what no weights show
    stride: int = 1  # of the stored outputs
    input: Callable[[np.ndarray], np.ndarray] = lambda x: x
    output: Callable[[jax.Array], jax.Array] = lambda y: y
    null_biases: dict[str, str] = {}  # noqa: RUF012  the reference's convolutions with a bias, and the norms behind


# Here every convolution has a bias; ours have none where batch norm follows, whose mean swallows it.
SRRESNET_BIASES = {"body.0.0": "body.0.1", "body.0.3": "body.0.4", "body.1.0": "body.1.1", "body.1.3": "body.1.4"}
SRRESNET_BIASES |= {"merge.0": "merge.1"}

PORT = {"dropout": 0.5, "dropout_layers": "port"}
CASES = {
    "unet_64_instance": Case(UNet(3, 6, 2, "instance", **PORT)),
    "unet_256": Case(UNet(1, 8, 4, **PORT), stride=3),
    "resnet_2blocks_batch_dropout": Case(
        ResNet(blocks=2, width=4, norm="batch", dropout=0.5, padding="replicate"), {"padding": "replicate"}
    ),
    "resnet_6blocks": Case(ResNet(blocks=6, width=8)),
    "resnet_9blocks": Case(ResNet(blocks=9, width=8)),
    "patchgan_n1_batch": Case(PatchGAN(1, 8)),
    "patchgan_n3_batch": Case(PatchGAN(3, 8)),
    "patchgan_n3_instance": Case(PatchGAN(3, 8, "instance")),
    "patchgan_n5_batch": Case(PatchGAN(5, 8)),
    "pixel_batch": Case(PixelGAN(8)),
    "srresnet_paper": Case(SRResNet(blocks=2, width=8), null_biases=SRRESNET_BIASES),
    "srresnet_paper_prelu_per_channel": Case(SRResNet(blocks=2, width=8, prelu="channel"), null_biases=SRRESNET_BIASES),
    "msrresnet_x2": Case(MSRResNet(2, 2, 8)),
    "msrresnet_x3": Case(MSRResNet(3, 2, 8)),
    "msrresnet_x4": Case(MSRResNet(4, 2, 8)),
    "srgan_discriminator": Case(SRGANCritic(48, 6, 32)),
    "vggstyle_discriminator_128": Case(VGGStyleCritic(128, 2)),
    "dcgan_generator": Case(DCGANGenerator(3, 64, 4), stride=3, input=lambda x: x[:, 0, 0]),
    # The reference ends in a sigmoid.
    "dcgan_discriminator": Case(DCGANCritic(64, 6), output=lambda y: nn.sigmoid(y)[:, 0]),
}


def nhwc(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def assert_close(got, wanted, tolerance, message=""):
    """Within `tolerance` of the largest value wanted."""
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max(), err_msg=message)


def assert_stored_are_close(module, params, stats, io, prefix, tolerance):
    """Our trees, in the reference's names and layout, equal all that it stored under the prefix."""
    ours = convert.to_torch(module, {"params": params, "stats": stats})
    stored = {key.removeprefix(prefix): array for key, array in io.items() if key.startswith(prefix)}
    for key, array in stored.items():
        if not key.endswith("num_batches_tracked"):
            assert_close(ours[key], array, tolerance, key)


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
    module, variables = convert.from_torch(weights, case.fields)
    assert module == case.module
    for layer, norm in case.null_biases.items():
        io[f"stats:{norm}.running_mean"] -= weights[f"{layer}.bias"]
    network, x = from_linen(module), case.input(nhwc(io["x"]))
    params, stats = variables["params"], variables["stats"]

    @jax.jit
    def both(params):
        grads, (y_train, new_stats) = jax.grad(objective(case, network, stats, x), has_aux=True)(params)
        return case.output(network.apply(params, stats, x, train=False)[0]), y_train, grads, new_stats

    y_eval, y_train, grads, new_stats = both(params)
    stored = (slice(None), slice(None, None, case.stride), slice(None, None, case.stride))[: y_eval.ndim]
    assert_close(y_eval[stored], nhwc(io["y_eval"]), 1e-5)
    # Without batch norm the reference stored one output: training equals evaluation.
    assert_close(y_train[stored], nhwc(io.get("y_train", io["y_eval"])), 1e-5)
    assert_stored_are_close(module, grads, new_stats, io, "grad:", 1e-4)
    assert_stored_are_close(module, params, new_stats, io, "stats:", 1e-5)


def test_vgg19_features():
    """torchvision's weights; the reference stored its gradients by BasicSR's names, and takes images in [0, 1]."""
    io, weights = golden("vgg19_features")
    layers = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "conv5_4")
    module, variables = convert.from_torch(weights, {"layers": layers, "range_norm": False})
    assert module == VGG(19, layers, range_norm=False, width=2)
    network, x = from_linen(module), nhwc(io["x"])
    value = objective(Case(module), network, variables["stats"], x)
    grads, (maps, _) = jax.jit(jax.grad(value, has_aux=True))(variables["params"])
    assert maps.keys() == set(layers)
    for layer in layers:
        assert_close(maps[layer], nhwc(io[f"y_eval_{layer}"]), 1e-5, layer)
    stored = {key: array for key, array in io.items() if key.startswith("grad:")}
    assert stored
    for key, array in stored.items():
        layer, leaf = key.removeprefix("grad:vgg_net.").split(".")
        got = grads[layer]["kernel"].transpose(3, 2, 0, 1) if leaf == "weight" else grads[layer]["bias"]
        assert_close(got, array, 1e-4, key)
