"""Other projects' weights as ours, and ours as theirs: the one place where their names of layers stand.

A `Layout` says how one project names and stores one architecture. Reading tries all of them; names and shapes decide.
What they cannot show is taken from the project's defaults, and every such choice is told in a note.
"""

import dataclasses
import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import safetensors.numpy

from gan_jax import networks
from gan_jax.generator import Generator, GeneratorSpec
from gan_jax.interop import chainer_file, torch_file
from gan_jax.networks import (
    VGG,
    AlexNet,
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
)

State = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]
Fields = dict[str, Any]

NORM_EPS = 1e-5  # of every norm here; a project with another has it moved into its running variances

_LEAVES = {"kernel": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
_LEAVES |= {"scale": "weight", "slope": "weight"}


@dataclasses.dataclass(frozen=True)
class Use:
    """How a project uses a network: what a GeneratorSpec says beside the architecture."""

    kind: Literal["generator", "critic", "features"]
    method: str
    norm: Literal["image", "running"] = "running"
    input_range: tuple[float, float] = (-1.0, 1.0)
    output_range: tuple[float, float] = (-1.0, 1.0)
    why: str = ""  # where the project says so


@dataclasses.dataclass(frozen=True)
class Layout:
    """How one project names and stores the layers of one architecture."""

    project: str
    architecture: type
    fields: Callable[[Shapes], Fields | None]  # what names and shapes show; None where the file is another's
    names: Callable[[Any], dict[str, str]]  # module -> {our layer: theirs}, the first layer first
    use: Use
    assumed: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # fields that nothing in a file shows
    biased: bool = False  # convolutions in front of norms have biases, which ours have not
    biasless: bool = False  # no convolution has a bias
    dense_as_conv: bool = False  # dense layers are 1x1 convolutions
    slope: float | None = None  # of activations that are PReLU here and have no array there
    eps: float = NORM_EPS
    unused: str = "nothing"  # pattern of names that belong to the project's network and have no part in ours
    prepare: Callable[[State], State] = dict  # to PyTorch's kernels and channel order

    @property
    def writable(self) -> bool:
        """Whether our arrays can be written back in it without loss."""
        return self.slope is None and self.eps == NORM_EPS and self.prepare is dict and not self.biasless


class Converted(NamedTuple):
    """A converted network: `generator` is ready to be saved, `notes` say what the file did not show or lost."""

    generator: Generator
    layout: Layout
    notes: tuple[str, ...]


# Names. Each function mirrors the order in which the project's code makes its layers.


def _unet_names(module: Any) -> dict[str, str]:
    """The reference nests its levels: level k + 1 lies inside level k."""
    prefix, names = "model.model.", dict[str, str]()
    for level in range(1, module.depth + 1):
        innermost = level == module.depth
        down, up = ("0", "3") if level == 1 else ("1", "3") if innermost else ("1", "5")
        step = f"up{module.depth - level + 1}"
        names |= {f"down{level}": prefix + down, step: prefix + up}
        names |= {f"down{level}_norm": f"{prefix}2", f"{step}_norm": prefix + ("4" if innermost else "6")}
        prefix += "1.model." if level == 1 else "3.model."
    return names


def _unet_fields(shapes: Shapes) -> Fields | None:
    depth, prefix = 1, "model.model.1.model."
    while f"{prefix}1.weight" in shapes:
        depth, prefix = depth + 1, f"{prefix}3.model."
    width, up = shapes["model.model.0.weight"][0], shapes["model.model.3.weight"]
    norm = _norm(shapes, "model.model.1.model.1.bias")
    return {"out_channels": up[1], "depth": depth, "width": width, "norm": norm, "skips": up[0] == 2 * width}


def _resnet_names(module: Any) -> dict[str, str]:
    names = {"stem": 1, "stem_norm": 2, "down1": 4, "down1_norm": 5, "down2": 7, "down2_norm": 8}
    after = 10 + module.blocks
    names |= {"up1": after, "up1_norm": after + 1, "up2": after + 3, "up2_norm": after + 4, "out": after + 7}
    second = 6 if module.dropout else 5
    inside = {"conv1": 1, "norm1": 2, "conv2": second, "norm2": second + 1}
    blocks = {
        f"block{block + 1}/{ours}": f"{10 + block}.conv_block.{index}"
        for block in range(module.blocks)
        for ours, index in inside.items()
    }
    return {ours: f"model.{index}" for ours, index in (names | blocks).items()}


def _resnet_fields(shapes: Shapes) -> Fields | None:
    blocks = _count(r"model\.(\d+)\.conv_block\.", shapes)
    if len(shapes["model.1.weight"]) != 4 or not blocks:
        return None
    if "model.10.conv_block.0.weight" in shapes:
        raise ValueError("its blocks pad with zeros, which ResNet here does not: it reflects or replicates")
    return {
        "out_channels": shapes[f"model.{blocks + 17}.weight"][0],
        "blocks": blocks,
        "width": shapes["model.1.weight"][0],
        "norm": _norm(shapes, "model.1.bias"),
        "dropout": 0.5 if len(shapes.get("model.10.conv_block.6.weight", ())) == 4 else 0.0,
    }


def _patchgan_names(module: Any) -> dict[str, str]:
    names = {"conv0": "model.0"}
    for layer in range(1, module.layers + 2):
        names |= {f"conv{layer}": f"model.{3 * layer - 1}", f"conv{layer}_norm": f"model.{3 * layer}"}
    return names


def _patchgan_fields(shapes: Shapes) -> Fields | None:
    if shapes["model.0.weight"][2:] != (4, 4):
        return None
    layers = 0
    while f"model.{3 * layers + 5}.weight" in shapes:
        layers += 1
    return {"layers": layers, "width": shapes["model.0.weight"][0], "norm": _norm(shapes, "model.2.bias")}


def _pixelgan_names(module: Any) -> dict[str, str]:
    return {"conv0": "net.0", "conv1": "net.2", "conv1_norm": "net.3", "conv2": "net.5"}


def _pixelgan_fields(shapes: Shapes) -> Fields | None:
    if shapes["net.0.weight"][2:] != (1, 1):
        return None
    return {"width": shapes["net.0.weight"][0], "norm": _norm(shapes, "net.2.bias")}


class _SRResNetNames(NamedTuple):
    """Patterns of SRResNet's names: {} is the number of a block or an upsampling layer."""

    head: str
    head_prelu: str
    block: tuple[str, str, str, str, str]  # conv1, norm1, prelu, conv2, norm2
    merge: str
    merge_norm: str
    up: str
    up_prelu: str
    tail: str
    up_step: int = 1  # how far the numbers of two upsampling layers are apart
    first: int = 0  # number of the first block and upsampling layer

    def names(self, module: Any) -> dict[str, str]:
        """Our layers and theirs."""
        names = {"head": self.head, "head_prelu": self.head_prelu, "tail": self.tail}
        names |= {"merge": self.merge, "merge_norm": self.merge_norm}
        for block in range(module.blocks):
            for ours, theirs in zip(("conv1", "norm1", "prelu", "conv2", "norm2"), self.block, strict=True):
                names[f"block{block + 1}/{ours}"] = theirs.format(block + self.first)
        for step in range({2: 1, 3: 1, 4: 2, 8: 3}[module.scale]):
            number = step * self.up_step + self.first
            names |= {f"up{step + 1}": self.up.format(number)}
            names |= {f"up{step + 1}_prelu": self.up_prelu.format(number + self.up_step - 1)}
        return names

    def fields(self, shapes: Shapes) -> Fields | None:
        """What a file in these names shows."""
        width = shapes[f"{self.head}.weight"][0]
        ups, number = [], self.first
        while f"{self.up.format(number)}.weight" in shapes:
            ups.append(shapes[f"{self.up.format(number)}.weight"][0])
            number += self.up_step
        return {
            "out_channels": shapes[f"{self.tail}.weight"][0],
            "scale": math.prod(math.isqrt(features // width) for features in ups),
            "blocks": _count(re.escape(self.block[0]).replace(r"\{\}", r"(\d+)"), shapes),
            "width": width,
            "prelu": "shared" if shapes.get(f"{self.head_prelu}.weight", (1,)) == (1,) else "channel",
        }


# The names of the reference that this package's own tests compare with, written from the paper's figure 4.
_PAPER = _SRResNetNames(
    head="head.0", head_prelu="head.1", block=("body.{}.0", "body.{}.1", "body.{}.2", "body.{}.3", "body.{}.4"),
    merge="merge.0", merge_norm="merge.1", up="up.{}", up_prelu="up.{}", up_step=3, tail="tail",
)  # fmt: skip
_LORNATANG = _SRResNetNames(
    head="conv1.0", head_prelu="conv1.1",
    block=("trunk.{}.rcb.0", "trunk.{}.rcb.1", "trunk.{}.rcb.2", "trunk.{}.rcb.3", "trunk.{}.rcb.4"),
    merge="conv2.0", merge_norm="conv2.1",
    up="upsampling.{}.upsample_block.0", up_prelu="upsampling.{}.upsample_block.2", tail="conv3",
)  # fmt: skip
_LORNATANG_2022 = _LORNATANG._replace(
    head="conv_block1.0", head_prelu="conv_block1.1", merge="conv_block2.0", merge_norm="conv_block2.1",
    tail="conv_block3",
)  # fmt: skip
_TWTYGQYY = _SRResNetNames(
    head="conv_input", head_prelu="none",
    block=("residual.{}.conv1", "residual.{}.bn1", "none", "residual.{}.conv2", "residual.{}.bn2"),
    merge="conv_mid", merge_norm="bn_mid", up="upscale4x.{}", up_prelu="none", up_step=3, tail="conv_output",
)  # fmt: skip
_HI_KING = _SRResNetNames(
    head="first", head_prelu="none", block=("res{}.c1", "res{}.bn1", "none", "res{}.c2", "res{}.bn2"), first=1,
    merge="conv_mid", merge_norm="bn_mid", up="upscale{}.conv", up_prelu="none", tail="conv_output",
)  # fmt: skip


def _hi_king(state: State) -> State:
    """3x3 kernels as 9x9 ones with a border of zeros, and sub-pixels in torch's order of channels."""
    state = dict(state)
    for layer in ("first", "conv_output"):
        kernel = state[f"{layer}.weight"]
        edge = (9 - kernel.shape[-1]) // 2
        state[f"{layer}.weight"] = np.pad(kernel, [(0, 0), (0, 0), (edge, edge), (edge, edge)])
    for layer in ("upscale1.conv", "upscale2.conv"):
        for leaf in ("weight", "bias"):
            # There: the row's parity, the column's, then the channel; in torch the channel is first.
            array = state[f"{layer}.{leaf}"]
            parts = array.reshape(2, 2, array.shape[0] // 4, *array.shape[1:])
            state[f"{layer}.{leaf}"] = np.moveaxis(parts, 2, 0).reshape(array.shape)
    return state


def _hi_king_fields(shapes: Shapes) -> Fields | None:
    return _HI_KING.fields(shapes) if shapes["res1.c1.weight"] and shapes["upscale2.conv.weight"] else None


def _msrresnet(block: str, up: str, architecture: type = MSRResNet) -> dict[str, Any]:
    def names(module: Any) -> dict[str, str]:
        ours = {"head": "conv_first", "full": "conv_hr", "tail": "conv_last"}
        ours |= {f"up{step}": up.format(step) for step in range(1, {2: 1, 3: 1, 4: 2, 8: 3}[module.scale] + 1)}
        for index in range(module.blocks):
            ours |= {f"block{index + 1}/{conv}": f"{block}.{index}.{conv}" for conv in ("conv1", "conv2")}
        return ours

    def fields(shapes: Shapes) -> Fields | None:
        width, blocks = shapes["conv_first.weight"][0], _count(rf"{block}\.(\d+)\.conv1", shapes)
        ups, step = [shapes[f"{up.format(1)}.weight"][0]], 2
        while f"{up.format(step)}.weight" in shapes:
            ups.append(shapes[f"{up.format(step)}.weight"][0])
            step += 1
        return {"scale": math.prod(math.isqrt(n // width) for n in ups), "blocks": blocks, "width": width}

    return {"architecture": architecture, "names": names, "fields": fields}


def _vggstyle_names(module: Any) -> dict[str, str]:
    names: dict[str, str] = {}
    for place in (f"{pair}_{index}" for pair in range(module.size.bit_length() - 3) for index in range(2)):
        names |= {f"conv{place}": f"conv{place}", f"conv{place}_norm": f"bn{place}"}
    return {**names, "dense0": "linear1", "dense1": "linear2"}


def _vggstyle_fields(shapes: Shapes) -> Fields | None:
    return {"size": 4 * 2 ** _count(r"conv(\d+)_1\.", shapes), "width": shapes["conv0_0.weight"][0]}


def _srgan_critic(convolutions: str, dense: tuple[str, str]) -> dict[str, Any]:
    def names(module: Any) -> dict[str, str]:
        ours = {"conv0": f"{convolutions}.0"}
        for layer in range(1, 8):
            ours |= {f"conv{layer}": f"{convolutions}.{3 * layer - 1}"}
            ours |= {f"conv{layer}_norm": f"{convolutions}.{3 * layer}"}
        return {**ours, "dense0": dense[0], "dense1": dense[1]}

    def fields(shapes: Shapes) -> Fields | None:
        width, weight = shapes[f"{convolutions}.0.weight"][0], shapes[f"{dense[0]}.weight"]
        if f"{convolutions}.3.running_var" not in shapes:
            return None
        if len(weight) == 4:  # a 1x1 convolution of the averaged map
            return {"width": width, "hidden": weight[0], "head": "pool"}
        return {"size": 16 * math.isqrt(weight[1] // (8 * width)), "width": width, "hidden": weight[0]}

    return {"architecture": SRGANCritic, "names": names, "fields": fields}


def _dcgan_generator_names(module: Any) -> dict[str, str]:
    layers = module.size.bit_length() - 2
    return {f"up{step}": f"main.{3 * step}" for step in range(layers)} | {
        f"up{step}_norm": f"main.{3 * step + 1}" for step in range(layers - 1)
    }


def _dcgan_generator_fields(shapes: Shapes) -> Fields | None:
    if "main.1.running_var" not in shapes:
        return None
    layers = sum(len(shape) == 4 for shape in shapes.values())
    last = shapes[f"main.{3 * (layers - 1)}.weight"]
    return {"out_channels": last[1], "size": 2 ** (layers + 1), "width": last[0]}


def _dcgan_critic_names(module: Any) -> dict[str, str]:
    names = {"conv0": "main.0"}
    for layer in range(1, module.size.bit_length() - 2):
        names |= {f"conv{layer}": f"main.{3 * layer - 1}", f"conv{layer}_norm": f"main.{3 * layer}"}
    return names


def _dcgan_critic_fields(shapes: Shapes) -> Fields | None:
    if "main.3.running_var" not in shapes:
        return None
    layers = sum(len(shape) == 4 for shape in shapes.values())
    return {"size": 2 ** (layers + 1), "width": shapes["main.0.weight"][0]}


# Convolutions of a block; torchvision counts convolutions, ReLUs and pools alike.
_VGG_BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _vgg_places(depth: int) -> dict[str, int]:
    places, place = {}, 0
    for block, convolutions in enumerate(_VGG_BLOCKS[depth], 1):
        for index in range(1, convolutions + 1):
            places[f"conv{block}_{index}"] = place
            place += 2
        place += 1
    return places


def _vgg(name: Callable[[str, int], str]) -> dict[str, Any]:
    """A VGG whose convolution `conv5_4` at place 34 has the name name("conv5_4", 34)."""

    def names(module: Any) -> dict[str, str]:
        return {ours: name(ours, place) for ours, place in _vgg_places(module.depth).items()}

    def fields(shapes: Shapes) -> Fields | None:
        kernels = {key.removesuffix(".weight") for key, shape in shapes.items() if shape[2:] == (3, 3)}
        for depth in _VGG_BLOCKS:
            ours = list(_vgg_places(depth))[: len(kernels)]
            if ours and kernels == {name(layer, _vgg_places(depth)[layer]) for layer in ours}:
                deepest = ours[-1].replace("conv", "relu")
                width = shapes[f"{name(ours[0], 0)}.weight"][0]
                return {"depth": depth, "layers": (deepest,), "width": width}
        if f"{name('', 0)}.weight" in shapes and "features.1.running_var" in shapes:
            raise ValueError("it is a VGG with batch norm, and the one here has none")
        return None

    return {"architecture": VGG, "names": names, "fields": fields}


def _alexnet_names(module: Any) -> dict[str, str]:
    return {f"conv{index}": f"features.{place}" for index, place in enumerate((0, 3, 6, 8, 10), 1)}


def _alexnet_fields(shapes: Shapes) -> Fields | None:
    width, _, *kernel = shapes["features.0.weight"]
    return {"width": width} if kernel == [11, 11] else None


def _norm(shapes: Shapes, bias: str) -> str:
    """Batch norm has arrays; without any, biases in front of the norms tell instance norm from none."""
    if any(key.endswith(".running_var") and key.replace("running_var", "weight") in shapes for key in shapes):
        return "batch"
    return "instance" if bias in shapes else "none"


def _count(pattern: str, shapes: Shapes) -> int:
    """How many different numbers the group of the pattern has at the start of a name."""
    return len({match[1] for key in shapes if (match := re.match(pattern, key))})


_J = "pytorch-CycleGAN-and-pix2pix"
_UNIT: Any = {"input_range": (0.0, 1.0), "output_range": (0.0, 1.0)}
_SRGAN_CRITIC = Use("critic", "srgan")

LAYOUTS = (
    Layout(
        _J, UNet, _unet_fields, _unet_names, Use("generator", "pix2pix", "image", why=f"{_J}'s test.py without --eval"),
        assumed={"dropout": 0.5, "dropout_layers": "port"},
    ),
    Layout(
        _J, ResNet, _resnet_fields, _resnet_names,
        Use("generator", "cyclegan", "image", why=f"{_J}'s test.py without --eval"), assumed={"padding": "reflect"},
    ),
    Layout(_J, PatchGAN, _patchgan_fields, _patchgan_names, Use("critic", "pix2pix", "image")),
    Layout(_J, PixelGAN, _pixelgan_fields, _pixelgan_names, Use("critic", "pix2pix", "image")),
    Layout(
        "the paper's figure", SRResNet, _PAPER.fields, _PAPER.names,
        Use("generator", "srresnet", input_range=(0.0, 1.0)), biased=True,
    ),
    Layout("Lornatang/SRGAN-PyTorch", SRResNet, _LORNATANG.fields, _LORNATANG.names,
           Use("generator", "srresnet", **_UNIT)),
    Layout("Lornatang/SRGAN-PyTorch of 2022", SRResNet, _LORNATANG_2022.fields, _LORNATANG_2022.names,
           Use("generator", "srresnet", **_UNIT)),
    Layout("twtygqyy/pytorch-SRResNet", SRResNet, _TWTYGQYY.fields, _TWTYGQYY.names,
           Use("generator", "srresnet", **_UNIT), slope=0.2, biasless=True),
    Layout("BasicSR", **_msrresnet("body", "upconv{}"), use=Use("generator", "srresnet", **_UNIT)),
    Layout("mmagic", **_msrresnet("trunk_net", "upsample{}.upsample_conv"), use=Use("generator", "srresnet", **_UNIT)),
    Layout("BasicSR and mmagic", VGGStyleCritic, _vggstyle_fields, _vggstyle_names, Use("critic", "srgan", **_UNIT)),
    Layout("the paper's figure", **_srgan_critic("features", ("classifier.1", "classifier.3")), use=_SRGAN_CRITIC),
    Layout("Lornatang/SRGAN-PyTorch", **_srgan_critic("features", ("classifier.0", "classifier.2")),
           use=Use("critic", "srgan", **_UNIT)),
    Layout("leftthomas/SRGAN", **_srgan_critic("net", ("net.24", "net.26")),
           use=Use("critic", "srgan", **_UNIT), biased=True, dense_as_conv=True),
    Layout("pytorch/examples", DCGANGenerator, _dcgan_generator_fields, _dcgan_generator_names,
           Use("generator", "dcgan")),
    Layout("pytorch/examples", DCGANCritic, _dcgan_critic_fields, _dcgan_critic_names, Use("critic", "dcgan")),
    Layout("torchvision", **_vgg(lambda name, place: f"features.{place}"), use=Use("features", "imagenet"),
           assumed={"range_norm": True}, unused=r"(features|classifier)\."),
    Layout("BasicSR", **_vgg(lambda name, place: f"vgg_net.{name}"), use=Use("features", "imagenet"),
           assumed={"range_norm": True}, unused=r"vgg_net\.|mean$|std$"),
    Layout("torchvision", AlexNet, _alexnet_fields, _alexnet_names, Use("features", "imagenet"), {"range_norm": True},
           unused=r"classifier\."),
    Layout("Hi-king/superresolution_gan", SRResNet, _hi_king_fields, _HI_KING.names,
           Use("generator", "srresnet", input_range=(0.0, 255.0), output_range=(0.0, 255.0)), slope=0.0, eps=2e-5,
           prepare=_hi_king),
)  # fmt: skip

# Networks that are known and have no counterpart here: an array of theirs, whose they are, and what is in the way.
_WITHOUT_COUNTERPART = {
    "block8.0.conv.weight": ("leftthomas/SRGAN's generator", "ends in tanh, and SRResNet here is linear"),
    "res_blocks.0.conv_block.0.weight": (
        "PyTorch-GAN's SRGAN generator",
        "has batch norm in its upsampling layers and ends in tanh, and SRResNet here does not",
    ),
    "model.23.weight": ("PyTorch-GAN's SRGAN critic", "judges patches of 16x16, and SRGANCritic here whole images"),
    "c1.batchnorm.weight": (
        "chainer-pix2pix's encoder, decoder or critic",
        "begins or ends with 3x3 convolutions of stride 1 and has no tanh, and UNet and PatchGAN here are the paper's",
    ),
    "dc4.weight": (
        "Chainer's DCGAN generator",
        "begins with a dense layer, normalises its 8192 outputs one by one and ends in a sigmoid at 32x32, and "
        "DCGANGenerator here is the paper's",
    ),
    "c3_0.weight": (
        "Chainer's DCGAN critic",
        "has pairs of 3x3 and 4x4 convolutions and a dense layer, and DCGANCritic here is the paper's",
    ),
}

_NO_STATES = "it holds no state_dict: no arrays with names like 'model.1.weight'."
_WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
_PARTS = ("generator", "generator_ema", "discriminator", "netG", "netD", "net_g", "net_d")  # of one flat state_dict
_COUNTS = "num_batches_tracked"  # batch norm's, of use with another momentum than a constant one


def from_torch(
    state_dict: Mapping[str, Any], architecture: str | Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Our module for a state_dict, and its variables {"params": ..., "stats": ...}, float32 arrays.

    The state_dict holds arrays (or tensors in memory), and may lie inside other dicts, as `torch_file.load` returns it.

    `architecture` settles what the arrays cannot show: a name of `networks.catalogue()`, or fields such as
    {"padding": "replicate"}, as `networks.describe` writes them. `read` also tells what had to be assumed.
    Warns of arrays that have no use here, such as instance norm's running statistics. Raises ValueError where no
    architecture or several fit, naming what is missing, left over or of another shape.
    """
    network = _convert(*_choose(_states(state_dict), None), architecture)
    for note in network.lost:
        warnings.warn(note, stacklevel=2)
    return network.module, network.variables


def to_torch(module: Any, variables: Mapping[str, Any], project: str | None = None) -> dict[str, np.ndarray]:
    """The way back: a project's names and arrays, the first in `LAYOUTS` unless named; bit-equal to what was read.

    Not so for what reading takes out: counts of batches are 0, and so are biases in front of batch norm, whose
    effect is in the running means. Raises ValueError where the project's network is not this one.
    """
    layouts = [layout for layout in LAYOUTS if isinstance(module, layout.architecture) and layout.writable]
    layouts = [layout for layout in layouts if project in (None, layout.project)]
    for layout in layouts:
        state = _write(layout, module, variables)
        shown = _shown(layout, {name: array.shape for name, array in state.items()})
        if shown is not None and _same(layout.architecture(**shown), module, shown):
            return state
    known = ", ".join(sorted({layout.project for layout in LAYOUTS if isinstance(module, layout.architecture)}))
    raise ValueError(
        f"no PyTorch network of {project or 'a known project'} is this {_in_words(module)}; "
        f"its architecture is known from {known or 'none'}."
    )


def read(
    path: str | Path,
    *,
    entry: str | None = None,
    architecture: str | Mapping[str, Any] | None = None,
    input_range: tuple[float, float] | None = None,
    output_range: tuple[float, float] | None = None,
    norm: Literal["image", "running"] | None = None,
    dropout: bool | None = None,
) -> Converted:
    """The network in a .pth, .pt, .safetensors or Chainer .npz file, with its use as the source project has it.

    `entry` names a state_dict where the file holds several; `architecture` as in `from_torch`; the others replace
    what the project does. Raises FileNotFoundError, and ValueError where nothing is recognised, in one sentence.
    """
    try:
        network = _convert(*_choose(_states(_load(Path(path))), entry), architecture)
    except (torch_file.TorchFileError, chainer_file.ChainerFileError):
        raise  # they name the file themselves
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    layout, module = network.layout, network.module
    use = layout.use
    has_statistics, has_dropout = bool(network.variables["stats"]), bool(getattr(module, "dropout", 0))
    if norm == "running" and not has_statistics:
        raise ValueError(f'{path}: norm cannot be "running": this network has no running statistics.')
    if dropout and not has_dropout:
        raise ValueError(f"{path}: dropout cannot be on: this network has no dropout layers.")
    spec = GeneratorSpec(
        architecture=networks.describe(module),
        in_channels=network.in_channels,
        out_channels=network.out_channels,
        method=use.method,
        norm=norm or (use.norm if has_statistics else "image"),
        dropout=use.norm == "image" and has_dropout if dropout is None else dropout,
        size_multiple=getattr(module, "size_multiple", 1),
        scale=getattr(module, "scale", 1),
        input_range=input_range or use.input_range,
        output_range=output_range or use.output_range,
        kind=use.kind,
    )
    notes = [*network.notes, *network.lost]
    if use.kind == "generator":
        if None in (input_range, output_range):
            ranges = f"{list(spec.input_range)} -> {list(spec.output_range)}"
            notes.append(f"images in {ranges}, as in {layout.project} (--input_range, --output_range)")
        if norm is None and has_statistics:
            statistics = "each image's own statistics" if spec.norm == "image" else "running statistics"
            notes.append(f"{statistics} at test time, as in {use.why or layout.project} (--norm)")
        if dropout is None and has_dropout:
            notes.append(
                f"dropout {'on' if spec.dropout else 'off'} at test time, as in {use.why or layout.project} (--dropout)"
            )
    return Converted(Generator(spec, network.variables), layout, tuple(notes))


def generator(path: str | Path, **options: Any) -> Generator:
    """What is in a file of another program, ready for `infer.translate`; options and errors are those of `read`."""
    return read(path, **options).generator


def describe(path: str | Path) -> str:
    """What a file of another program is, in several lines. Raises FileNotFoundError, and ValueError for any other."""
    states = _states(_load(Path(path)))
    if not states:
        raise ValueError(f"{path}: {_NO_STATES}")
    lines = []
    for entry, state in states.items():
        count = sum(array.size for array in state.values())
        lines.append(f"{path}{f' [{entry}]' if entry else ''}: {len(state)} arrays, {count:,} numbers")
        try:
            network = _convert(state, None, None)
        except ValueError as error:
            lines.append(f"  {error}")
            continue
        lines.append(f"  {_in_words(network.module)}, named as in {network.layout.project}")
        lines += [f"  {note}" for note in [*network.notes, *network.lost]]
        lines.append(f"  gan-jax convert {path} OUT.safetensors{f' --entry {entry}' if entry else ''} makes it ours")
    return "\n".join(lines)


def write_torch(path: str | Path, generator: Generator, project: str | None = None) -> None:
    """Writes a generator or critic as .safetensors in a project's names, for `load_state_dict(load_file(path))`.

    Raises ValueError as `to_torch` does.
    """
    content = safetensors.numpy.save(to_torch(generator.module, generator.variables, project))
    Path(path).write_bytes(content)


def fields(settings: Iterable[str]) -> dict[str, Any]:
    """["padding=replicate", "dropout=0"] as fields for `architecture`. Raises ValueError for anything else."""
    values = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not name or not separator:
            raise ValueError(f"{setting!r} sets nothing; write FIELD=VALUE, as in padding=replicate.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


# Files and what is in them.


def _load(path: Path) -> Any:
    if path.suffix == ".npz" or chainer_file.is_snapshot(path):
        return _torch_names(chainer_file.load(path))
    return torch_file.load(path)


_CHAINER = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
_CHAINER |= {"avg_mean": "running_mean", "avg_var": "running_var", "N": _COUNTS}


def _torch_names(arrays: Mapping[str, np.ndarray | None]) -> dict[str, Any]:
    """Chainer's names as torch's; a trainer's snapshot holds several models, by name."""
    content: dict[str, Any] = {}
    for name, array in arrays.items():
        if array is None or "optimizer:" in name:
            continue  # never initialised, or not a network's
        model = re.match(r"updater/model:([^/]+)/(?:predictor/)?(.*)", name)
        if "/" in name and model is None and name.startswith(("updater/", "extensions/", "trainer/", "_snapshot")):
            continue
        node = content.setdefault(model[1], {}) if model else content
        *layer, leaf = (model[2] if model else name).split("/")
        node[".".join([*layer, _CHAINER.get(leaf, leaf) if layer else leaf])] = array
    return content


def _states(content: Any, entry: str = "", seen: set[int] | None = None) -> dict[str, State]:
    """Every state_dict in what a file held, by its place in it: {"": ...} where the file is one."""
    seen = set() if seen is None else seen
    if not isinstance(content, Mapping) or id(content) in seen:
        return {}
    seen.add(id(content))  # a file may name one dict many times over
    arrays = {key: np.asarray(value) for key, value in content.items() if hasattr(value, "__array__")}
    if any(isinstance(key, str) and "." in key for key in arrays):
        return _parts(arrays, entry)
    found: dict[str, State] = {}
    for key, value in content.items():
        if isinstance(key, str) and entry.count("/") < 3:
            found |= _states(value, f"{entry}/{key}" if entry else key, seen)
    return found


def _parts(state: Mapping[Any, np.ndarray], entry: str) -> dict[str, State]:
    """A flat state_dict of several networks, as mmagic writes it, apart."""
    state = {str(key): array for key, array in state.items()}
    for wrapper in _WRAPPERS:
        if all(key.startswith(wrapper) for key in state):
            state = {key.removeprefix(wrapper): array for key, array in state.items()}
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, array in state.items():
        part, _, rest = key.partition(".")
        parts.setdefault(part if part in _PARTS else "", {})[rest if part in _PARTS else key] = array
    if set(parts) == {""}:
        return {entry: state}
    return {f"{entry}/{part}" if entry else part: arrays for part, arrays in parts.items() if part}


def _choose(states: Mapping[str, State], entry: str | None) -> tuple[State, str | None]:
    """The state_dict to convert, and a note where there was a choice."""
    if not states:
        raise ValueError(_NO_STATES)
    if entry is not None:
        if entry not in states:
            raise ValueError(f"it has no entry {entry!r}; its state_dicts are {_list(states)}.")
        return states[entry], None
    if len(states) == 1:
        (state,) = states.values()
        return state, None
    averaged = [name for name in states if name.endswith("_ema")]
    if len(averaged) == 1 and set(states) == {averaged[0], averaged[0].removesuffix("_ema")}:
        note = f"{averaged[0]}, the moving average, rather than {averaged[0].removesuffix('_ema')} (--entry)"
        return states[averaged[0]], note
    raise ValueError(f"it holds several state_dicts ({_list(states)}); choose one with --entry.")


# One state_dict.


class _Network(NamedTuple):
    layout: Layout
    module: Any
    variables: dict[str, Any]
    in_channels: int
    out_channels: int
    notes: list[str]  # what the file does not show
    lost: list[str]  # arrays that have no use here
    problems: list[str]  # why it is not this network


def _convert(state: State, note: str | None, architecture: str | Mapping[str, Any] | None) -> _Network:
    wanted: dict[str, Any] = {"name": architecture} if isinstance(architecture, str) else dict(architecture or {})
    name = wanted.pop("name", None)
    if name is not None and name not in networks.catalogue():
        raise ValueError(f"no architecture is called {name!r}; there are {_list(networks.catalogue())}.")
    shapes = {key: array.shape for key, array in state.items()}
    tried, reasons = [], []
    for layout in LAYOUTS:
        if name is not None and layout.architecture is not networks.catalogue()[name]:
            continue
        try:
            shown = _shown(layout, shapes)
        except ValueError as error:
            reasons.append(f"it looks like {layout.project}'s {layout.architecture.__name__}, but {error}.")
            continue
        if shown is not None:
            module = networks.build({"name": layout.architecture.__name__, **shown, **layout.assumed, **wanted})
            tried.append(_fit(layout, module, state, wanted))
    fitting = [network for network in tried if not network.problems]
    if len(fitting) > 1:
        names = _list(f"{network.layout.architecture.__name__} of {network.layout.project}" for network in fitting)
        raise ValueError(f"several networks fit ({names}); choose one with --architecture.")
    if fitting:
        return fitting[0]._replace(notes=[*([note] if note else []), *fitting[0].notes])
    if tried:
        nearest = min(tried, key=lambda network: len(network.problems))
        raise ValueError(
            f"it looks like {nearest.layout.project}'s {_in_words(nearest.module)}, but {_list(nearest.problems, 6)}."
        )
    for key, (whose, reason) in _WITHOUT_COUNTERPART.items():
        if key in shapes:
            raise ValueError(f"it is {whose}, which {reason}; it cannot be converted.")
    if reasons:
        raise ValueError(reasons[0])
    raise ValueError(f"its names ({_list(state, 4)}) are no known network's; docs/converting.md lists those that are.")


def _shown(layout: Layout, shapes: Shapes) -> Fields | None:
    """The fields that a file in this layout shows; None for a file in another."""
    try:
        return layout.fields(shapes)
    except (LookupError, ArithmeticError):
        return None  # a name or an axis that the layout has is not there


def _fit(layout: Layout, module: Any, state: State, wanted: Mapping[str, Any]) -> _Network:
    """The arrays in our tree; `problems` tells what is missing, left over or of another shape."""
    try:
        names, state = layout.names(module), layout.prepare(state)
        first = state[f"{next(iter(names.values()))}.weight"]
        in_channels = first.shape[0 if layout.architecture is DCGANGenerator else 1]
        tree, out_channels = _shapes(module, in_channels)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = f"{error}".split("\n")[0].rstrip(".")
        return _Network(layout, module, {}, 0, 0, [], [], [f"it cannot be built: {reason}"])

    used: set[str] = set()
    problems: list[str] = []
    zeros: list[str] = []
    leaves = dict(_leaves(tree))
    with_bias = {layer for layer, leaf, _ in leaves if leaf == "bias"}
    folded = _folded(names, with_bias)

    def load(place: tuple[str, str, bool], wanted_shape: tuple[int, ...]) -> np.ndarray:
        layer, leaf, _ = place
        key = f"{names[layer]}.{_LEAVES[leaf]}"
        used.add(key)
        if key not in state:
            biasless = layout.biasless or getattr(module, "norm", "") == "none"
            if leaf == "slope" and layout.slope is not None:
                return np.broadcast_to(np.float32(layout.slope), wanted_shape)
            if leaf == "bias" and biasless and f"{names[layer]}.weight" in state:
                zeros.append(key)
            else:
                problems.append(f"{key} is missing")
            return np.broadcast_to(np.float32(0), wanted_shape)
        array = _from_theirs(module, layer, state[key])
        if array.shape != wanted_shape:
            problems.append(f"{key} has the shape {state[key].shape}, which does not fit")
        elif leaf == "mean" and (bias := f"{folded.get(layer)}.bias") in state:
            used.add(bias)
            if state[bias].shape == wanted_shape:
                return array.astype(np.float32) - state[bias].astype(np.float32)
            problems.append(f"{bias} has the shape {state[bias].shape}, which does not fit")
        elif leaf == "var":
            return array.astype(np.float32) + np.float32(layout.eps - NORM_EPS)
        return array

    arrays = {place: load(place, leaf.shape) for place, leaf in leaves.items()}
    if not problems:  # nothing is copied before all shapes are known to fit
        arrays = {place: np.array(array, np.float32, order="C") for place, array in arrays.items()}
    variables = jax.tree_util.tree_map_with_path(lambda path, leaf: arrays[_place(path)], tree)

    notes = [
        f"{field} {value}, as in {layout.project}: no file shows it (--set {field}=VALUE)"
        for field, value in layout.assumed.items()
        if field not in wanted
    ]
    if getattr(module, "norm", "") == "instance" and "norm" not in wanted:
        notes.append("norm instance: biases and no arrays of a norm (--set norm=none if there is none)")
    if zeros:
        notes.append(f"no biases in the file, zeros here: {_list(zeros, 3)}")
    lost = []
    rest = [key for key in state if key not in used and not key.endswith(_COUNTS)]
    running = [key for key in rest if re.search(r"\.running_(mean|var)$", key) and _norm_is_bare(key, state)]
    if running and getattr(module, "norm", "") == "instance":
        lost.append(
            "instance norm's running statistics, which old PyTorch stored and instance norm never uses, are left out: "
            + _list(running, 3)
        )
        rest = [key for key in rest if key not in running]
    unused = [key for key in rest if re.match(layout.unused, key)]
    if unused:
        lost.append(f"not part of {_in_words(module)} and left out: {_list(unused, 3)}")
    lower = sorted({str(array.dtype) for key, array in state.items() if key in used} - {"float32"})
    if lower:
        notes.append(f"{', '.join(lower)} in the file, float32 here")
    problems += [f"{key} has no place" for key in rest if key not in unused]
    return _Network(layout, module, variables, in_channels, out_channels, notes, lost, problems)


def _norm_is_bare(key: str, state: State) -> bool:
    return re.sub(r"running_(mean|var)$", "weight", key) not in state


def _write(layout: Layout, module: Any, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Our arrays in a project's names."""
    names, state = layout.names(module), dict[str, np.ndarray]()
    tree = {"params": variables["params"], "stats": variables["stats"]}
    leaves = dict(_leaves(tree))
    for (layer, leaf, _), array in leaves.items():
        state[f"{names[layer]}.{_LEAVES[leaf]}"] = _to_theirs(layout, module, layer, np.asarray(array))
        if leaf == "var":
            state[f"{names[layer]}.{_COUNTS}"] = np.zeros((), np.int64)
    if layout.biased:
        for norm, layer in _folded(names, {layer for layer, leaf, _ in leaves if leaf == "bias"}).items():
            if f"{names[norm]}.running_mean" in state:
                state[f"{layer}.bias"] = np.zeros_like(state[f"{names[norm]}.running_mean"])
    return dict(sorted(state.items()))


def _folded(names: Mapping[str, str], with_bias: set[str]) -> dict[str, str]:
    """Our norms -> the project's convolutions in front of them that have no bias here."""
    folded = {}
    for layer, theirs in names.items():
        norm = layer.replace("/conv", "/norm") if "/conv" in layer else f"{layer}_norm"
        if norm in names and layer not in with_bias:
            folded[norm] = theirs
    return folded


def _from_theirs(module: Any, layer: str, array: np.ndarray) -> np.ndarray:
    """(out, in, h, w), of a transposed convolution (in, out, h, w), as HWIO; (out, in) as IO, a map's pixels as HWC."""
    if layer.startswith("dense") and array.ndim == 4 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if _is_transposed(module, layer) else array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        channels, side = _flattened(module, layer, array.shape[1])
        if channels * side**2 != array.shape[1]:
            return array.T  # of a shape that does not fit, as the caller finds
        return array.reshape(-1, channels, side, side).transpose(2, 3, 1, 0).reshape(array.shape[::-1])
    return array


def _to_theirs(layout: Layout, module: Any, layer: str, array: np.ndarray) -> np.ndarray:
    """The way back of `_from_theirs`."""
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose((2, 3, 0, 1) if _is_transposed(module, layer) else (3, 2, 0, 1)))
    if array.ndim == 2:
        channels, side = _flattened(module, layer, array.shape[0])
        array = array.reshape(side, side, channels, -1).transpose(3, 2, 0, 1).reshape(array.shape[::-1])
        return np.ascontiguousarray(array[:, :, None, None] if layout.dense_as_conv else array)
    return np.ascontiguousarray(array)


def _is_transposed(module: Any, layer: str) -> bool:
    return layer.startswith("up") and isinstance(module, UNet | ResNet | DCGANGenerator)


def _flattened(module: Any, layer: str, inputs: int) -> tuple[int, int]:
    """Channels and side of the map that a dense layer reads: torch flattens (C, H, W), we (H, W, C)."""
    if layer == "dense0" and isinstance(module, VGGStyleCritic):
        return inputs // 16, 4
    if layer == "dense0" and isinstance(module, SRGANCritic):
        return 8 * module.width, math.isqrt(inputs // (8 * module.width))
    return inputs, 1


def _shapes(module: Any, in_channels: int) -> tuple[dict[str, Any], int]:
    """The tree of the module's variables, arrays without values, and its output channels."""
    network = networks.from_linen(module)
    if isinstance(module, DCGANGenerator):
        shape: tuple[int, ...] = (1, in_channels)
    else:
        patch = 3 * 2**module.layers if isinstance(module, PatchGAN) else 64
        side = getattr(module, "size", None) or max(patch, getattr(module, "size_multiple", 1))
        shape = (1, side, side, in_channels)

    def both(x: jax.Array) -> Any:
        params, stats = network.init(jax.random.key(0), x)
        return {"params": params, "stats": stats}, network.apply(params, stats, x, train=False)[0]

    tree, output = jax.eval_shape(both, jax.ShapeDtypeStruct(shape, np.float32))
    return tree, jax.tree.leaves(output)[-1].shape[-1]


def _place(path: tuple[Any, ...]) -> tuple[str, str, bool]:
    """A leaf's layer, its name there, and whether it is a statistic."""
    collection, *layer, leaf = [entry.key for entry in path]
    return "/".join(part for part in layer if part not in ("batch_stats", "batch")), leaf, collection == "stats"


def _leaves(tree: Any) -> list[tuple[tuple[str, str, bool], Any]]:
    return [(_place(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def _same(read: Any, module: Any, shown: Iterable[str]) -> bool:
    """Whether a written network would be read as what it is."""
    deciding = {*shown, *({"head", "classes"} & networks.describe(module).keys())}
    if isinstance(module, VGG):
        deciding -= {"layers", "depth"}  # a choice among the same arrays; VGG16 and VGG19 begin alike
    return all(getattr(read, field) == getattr(module, field) for field in deciding)


def _in_words(module: Any) -> str:
    fields = {key: value for key, value in networks.describe(module).items() if value is not None}
    return f"{fields.pop('name')}({', '.join(f'{key}={value!r}' for key, value in fields.items())})"


def _list(parts: Iterable[str], limit: int = 8) -> str:
    parts = sorted(parts)
    more = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(parts[:limit]) + more
