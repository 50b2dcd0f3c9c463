"""The reference networks of tests/golden/networks, and how far ours are from them on the same weights.

<case>: weights.npz is the reference's state_dict; io.npz its input x, its output y_eval in evaluation and y_train with
batch statistics (dropout at 0), "grad:<key>" of mean(y_train**2), and "stats:<key>" after that one pass. Made with
torch 2.13 on the classes of pytorch-CycleGAN-and-pix2pix, BasicSR, Real-ESRGAN and PyTorch's DCGAN example; SRResNet
and SRGAN's critic were written in torch from the paper's figure 4. The *_full cases have the papers' widths: meta.json
has the recipe of their weights, but for vectors of spectral norm, which are "buffer:<key>" in io.npz, and of the
gradients and of the whole outputs norms and sums in float64.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.interop import convert
from gan_jax.networks import (
    VGG,
    DCGANCritic,
    DCGANGenerator,
    MSRResNet,
    PatchGAN,
    PixelGAN,
    ResNet,
    RRDBNet,
    SRGANCritic,
    SRResNet,
    SRVGGNetCompact,
    UNet,
    UNetCritic,
    VGGStyleCritic,
    from_linen,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"


class Case(NamedTuple):
    module: nn.Module  # what the weights must be recognized as
    fields: Mapping[str, object] = {}
    stride: int = 1  # of the stored outputs
    input: Callable[[np.ndarray], np.ndarray] = lambda x: x
    output: Callable[[jax.Array], jax.Array] = lambda y: y
    null_biases: Mapping[str, str] = {}
    project: str | None = None  # whose names its gradients have, where not the weights'


# Here every convolution has a bias; ours have none where batch norm follows, whose mean swallows it.
SRRESNET_BIASES = {"body.0.0": "body.0.1", "body.0.3": "body.0.4", "body.1.0": "body.1.1", "body.1.3": "body.1.4"}
SRRESNET_BIASES |= {"merge.0": "merge.1"}

PORT: Any = {"dropout": 0.5, "dropout_layers": "port"}
# Images in [0, 1]; torchvision's weights, gradients by BasicSR's names.
VGG_LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "conv5_4")
VGG_FIELDS = {"layers": VGG_LAYERS, "range_norm": False}
SMALL = {
    "unet_64_instance": Case(UNet(3, 6, 2, "instance", **PORT)),
    "unet_256": Case(UNet(1, 8, 4, **PORT), stride=3),
    "resnet_2blocks_batch_dropout": Case(
        ResNet(blocks=2, width=4, norm="batch", dropout=0.5, padding="replicate"), {"padding": "replicate"}
    ),
    "resnet_2blocks_batch_zero_pad": Case(ResNet(blocks=2, width=4, norm="batch", dropout=0.5, padding="zero")),
    "resnet_2blocks_instance_zero_pad": Case(ResNet(blocks=2, width=3, padding="zero")),
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
    "rrdbnet_x1": Case(RRDBNet(scale=1, blocks=2, width=8, growth=5)),
    "rrdbnet_x2": Case(RRDBNet(scale=2, blocks=2, width=10, growth=6)),
    "rrdbnet_x4": Case(RRDBNet(blocks=2, width=8, growth=4)),
    "srvgg_prelu_x4": Case(SRVGGNetCompact(4, 4, 8)),
    "srvgg_relu_x2": Case(SRVGGNetCompact(2, 3, 10, "relu")),
    "srvgg_leakyrelu_x4": Case(SRVGGNetCompact(4, 2, 8, "leaky_relu"), {"activation": "leaky_relu"}),
    "unet_discriminator_sn": Case(UNetCritic(4)),
    "unet_discriminator_sn_noskip": Case(UNetCritic(3, skips=False), {"skips": False}),
    "srgan_discriminator": Case(SRGANCritic(48, 6, 32)),
    "vggstyle_discriminator_128": Case(VGGStyleCritic(128, 2)),
    "dcgan_generator": Case(DCGANGenerator(3, 64, 4), stride=3, input=lambda x: x[:, 0, 0]),
    # The reference ends in a sigmoid.
    "dcgan_discriminator": Case(DCGANCritic(64, 6), output=lambda y: nn.sigmoid(y)[:, 0]),
    "vgg19_features": Case(VGG(19, VGG_LAYERS, range_norm=False, width=2), VGG_FIELDS, project="BasicSR"),
}
FULL = {
    "unet_256_full": Case(UNet(3, 8, 64, **PORT), stride=7),
    "resnet_9blocks_full": Case(ResNet(blocks=9, width=64), stride=5),
    "patchgan_70_full": Case(PatchGAN(3, 64)),
    "msrresnet_x4_full": Case(MSRResNet(4, 16, 64), stride=3),
    "rrdbnet_x4_full": Case(RRDBNet(), stride=3),
    "srvgg_x4_full": Case(SRVGGNetCompact(layers=32), stride=3),
    "unet_discriminator_sn_full": Case(UNetCritic()),
    "srgan_discriminator_full": Case(SRGANCritic(96, 64, 1024)),
    "dcgan_generator_full": Case(DCGANGenerator(3, 64, 64), stride=3, input=lambda x: x[:, 0, 0]),
    "vgg19_features_full": Case(VGG(19, VGG_LAYERS, range_norm=False), VGG_FIELDS, stride=3, project="BasicSR"),
}
CASES = {**SMALL, **FULL}


class Differences(NamedTuple):
    """The worst of each kind, over the largest value of its array; None where the reference stored nothing."""

    evaluation: float
    training: float | None  # without batch norm, training equals evaluation
    statistics: float | None
    gradients: float  # of a *_full case: of the norm of each


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    """A case's inputs and outputs, its weights, and what meta.json says of a *_full one."""
    io = dict(np.load(folder / "io.npz"))
    if (folder / "weights.npz").is_file():
        return io, dict(np.load(folder / "weights.npz")), {}
    meta = json.loads((folder / "meta.json").read_text())
    weights = {key: filled(meta["seed"], key, recipe) for key, recipe in meta["recipe"].items()}
    buffers = {key.removeprefix("buffer:"): array for key, array in io.items() if key.startswith("buffer:")}
    return io, {**weights, **buffers}, meta


def filled(seed: int, key: str, recipe: Mapping[str, Any]) -> np.ndarray:
    """An array of a *_full case: random numbers of a generator of its own, rounded to four bits after the point."""
    shape = tuple(recipe["shape"])
    if recipe["dist"] == "zeros_int64":
        return np.zeros(shape, np.int64)
    numbers = np.random.RandomState(zlib.crc32(f"{seed}:{key}".encode()))
    a, b = recipe["a"], recipe["b"]
    normal = recipe["dist"] == "normal"
    array = a + b * numbers.standard_normal(shape) if normal else a + (b - a) * numbers.random_sample(shape)
    mantissa, exponent = np.frexp(np.asarray(array).astype(np.float32))
    return np.ldexp(np.round(mantissa * 32) / 32, exponent).astype(np.float32)  # mantissas are in [0.5, 1)


def nhwc(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def relative(got: Any, expected: np.ndarray) -> float:
    """The worst difference over the largest value wanted. The shapes are equal."""
    assert got.shape == expected.shape
    return float(np.abs(np.asarray(got, np.float64) - expected).max() / np.abs(expected).max())


def objective(case: Case, network: Any, stats: Any, x: np.ndarray) -> Callable:
    """params -> mean(y**2) with batch statistics, summed over the maps where y has several; (y, new statistics)."""

    def value(params: Any) -> tuple[jax.Array, Any]:
        y, new_stats = network.apply(params, stats, x, train=True)
        y = case.output(y)
        return sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(y)), (y, new_stats)

    return value


def differences(case: Case, folder: Path) -> Differences:
    """Ours and the reference on the same weights, which `convert` must recognize as the case's module."""
    io, weights, meta = load(folder)
    module, variables = convert.from_torch(weights, case.fields)
    assert module == case.module
    for layer, norm in case.null_biases.items():
        io[f"stats:{norm}.running_mean"] -= weights[f"{layer}.bias"]
    network, x = from_linen(module), case.input(nhwc(io["x"]))
    stats = variables["stats"]

    @jax.jit
    def both(params: Any) -> Any:
        grads, (y_train, new_stats) = jax.grad(objective(case, network, stats, x), has_aux=True)(params)
        return case.output(network.apply(params, stats, x, train=False)[0]), y_train, grads, new_stats

    y_eval, y_train, grads, new_stats = both(variables["params"])
    ours = convert.to_torch(module, {"params": grads, "stats": new_stats}, case.project)
    stored = {key: array for key, array in io.items() if key.startswith(("grad:", "stats:"))}
    gradients = [relative(ours[key[5:]], array) for key, array in stored.items() if key.startswith("grad:")]
    gradients += _norms(ours, meta.get("grad_l2_norm_f64", {}))
    statistics = [
        relative(ours[key[6:]], array)
        for key, array in stored.items()
        if key.startswith("stats:") and not key.endswith("num_batches_tracked")
    ]
    return Differences(
        max(_outputs(case, y_eval, io, meta, "eval")),
        max(_outputs(case, y_train, io, meta, "train")) if "y_train" in io else None,
        max(statistics) if statistics else None,
        max(gradients),
    )


def _outputs(case: Case, y: Any, io: Mapping[str, np.ndarray], meta: Mapping[str, Any], mode: str) -> Iterator[float]:
    """The differences of an output's stored part and, of a *_full case, of the sums over all of it."""
    for name, own in (y if isinstance(y, dict) else {"": y}).items():
        key = f"{mode}_{name}" if name else mode
        part = (slice(None), slice(None, None, case.stride), slice(None, None, case.stride))[: own.ndim]
        yield relative(own[part], nhwc(io[f"y_{key}"]))
        if meta:
            own, sums = np.asarray(own, np.float64), meta["output_sums_f64"][key]
            yield abs(own.sum() - sums["sum"]) / sums["abs_sum"]
            yield abs(np.abs(own).sum() - sums["abs_sum"]) / sums["abs_sum"]


def _norms(ours: Mapping[str, np.ndarray], expected: Mapping[str, float]) -> Iterator[float]:
    """The differences of the norms of all gradients but those that are nothing: biases in front of norms."""
    for key, norm in expected.items():
        if norm > 1e-12:
            yield abs(np.linalg.norm(ours[key].astype(np.float64)) / norm - 1)
