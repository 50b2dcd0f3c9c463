"""Names of the networks of SRGAN and its successors, in the order in which each project's code makes its layers."""

import itertools
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.interop.naming.layout import CHAINER_EPS, NORM_EPS, UNIT, Fields, Layout, Shapes, State, Use, count
from gan_jax.networks import MSRResNet, RRDBNet, SRGANCritic, SRResNet, SRVGGNetCompact, UNetCritic, VGGStyleCritic
from gan_jax.networks.srresnet import factors

__all__ = ["LAYOUTS"]
__dir__ = __all__.copy

_SRGAN_CRITIC = Use("critic", "srgan")
# ImageNet's normalization, averaged over the channels: (0 - 0.449) / 0.226 and (1 - 0.449) / 0.226.
_IMAGENET: Any = {"input_range": (-1.987, 2.438), "output_range": (-1.987, 2.438)}


class _SRResNetNames(NamedTuple):
    """Patterns of SRResNet's names: {} is the number of a block or an upsampling layer."""

    head: str
    head_prelu: str
    block: tuple[str, str, str, str, str]  # conv1, norm1, prelu, conv2, norm2
    merge: str
    merge_norm: str
    up: str
    up_prelu: str
    tail: str  # {} is the number of upsampling layers
    up_step: int = 1  # how far the numbers of two upsampling layers are apart
    first: int = 0  # number of the first block
    first_up: int = 0  # and of the first upsampling layer

    def names(self, module: Any) -> dict[str, str]:
        """Our layers and theirs."""
        ups = len(factors(module.scale))
        names = {"head": self.head, "head_prelu": self.head_prelu, "tail": self.tail.format(ups)}
        names |= {"merge": self.merge, "merge_norm": self.merge_norm}
        for block in range(module.blocks):
            for ours, theirs in zip(("conv1", "norm1", "prelu", "conv2", "norm2"), self.block, strict=True):
                names[f"block{block + 1}/{ours}"] = theirs.format(block + self.first)
        for step in range(ups):
            number = step * self.up_step + self.first_up
            names |= {f"up{step + 1}": self.up.format(number)}
            names |= {f"up{step + 1}_prelu": self.up_prelu.format(number + self.up_step - 1)}
        return names

    def fields(self, shapes: Shapes) -> Fields | None:
        """What a file in these names shows."""
        width = shapes[f"{self.head}.weight"][0]
        ups, number = [], self.first_up
        while f"{self.up.format(number)}.weight" in shapes:
            ups.append(shapes[f"{self.up.format(number)}.weight"][0])
            number += self.up_step
        return {
            "out_channels": shapes[f"{self.tail.format(len(ups))}.weight"][0],
            "scale": math.prod(math.isqrt(features // width) for features in ups),
            "blocks": count(re.escape(self.block[0]).replace(r"\{\}", r"(\d+)"), shapes),
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
    head="first", head_prelu="none", block=("res{}.c1", "res{}.bn1", "none", "res{}.c2", "res{}.bn2"),
    first=1, first_up=1,
    merge="conv_mid", merge_norm="bn_mid", up="upscale{}.conv", up_prelu="none", tail="conv_output",
)  # fmt: skip
_LEFTTHOMAS = _SRResNetNames(
    head="block1.0", head_prelu="block1.1", first=2,
    block=("block{}.conv1", "block{}.bn1", "block{}.prelu", "block{}.conv2", "block{}.bn2"),
    merge="block7.0", merge_norm="block7.1", up="block8.{}.conv", up_prelu="block8.{}.prelu", tail="block8.{}",
)  # fmt: skip
_PYTORCH_GAN = _SRResNetNames(
    head="conv1.0", head_prelu="conv1.1",
    block=("res_blocks.{}.conv_block.0", "res_blocks.{}.conv_block.1", "res_blocks.{}.conv_block.2",
           "res_blocks.{}.conv_block.3", "res_blocks.{}.conv_block.4"),
    merge="conv2.0", merge_norm="conv2.1", up="upsampling.{}", up_prelu="upsampling.{}", up_step=4, tail="conv3.0",
)  # fmt: skip


def _pytorch_gan(state: State) -> State:
    """The batch norm behind each upsampling convolution, whose eps is torch's 1e-5, in its kernel and bias."""
    state = dict(state)
    number = 0
    while f"upsampling.{number}.weight" in state:
        conv, norm = f"upsampling.{number}", f"upsampling.{number + 1}"
        scale, bias, mean, var = (
            state.pop(f"{norm}.{leaf}") for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(var + NORM_EPS)
        state[f"{conv}.weight"] = state[f"{conv}.weight"] * factor[:, None, None, None]
        state[f"{conv}.bias"] = (state[f"{conv}.bias"] - mean) * factor + bias
        number += _PYTORCH_GAN.up_step
    return state


def _with_output(names: _SRResNetNames, output: str) -> Callable[[Shapes], Fields | None]:
    def fields(shapes: Shapes) -> Fields | None:
        shown = names.fields(shapes)
        return None if shown is None else {**shown, "output": output}

    return fields


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


def _msrresnet(block: str, up: str, full: str = "conv_hr") -> dict[str, Any]:
    def names(module: Any) -> dict[str, str]:
        ours = {"head": "conv_first", "full": full, "tail": "conv_last"}
        ours |= {f"up{step}": up.format(step) for step in range(1, len(factors(module.scale)) + 1)}
        for index in range(module.blocks):
            ours |= {f"block{index + 1}/{conv}": f"{block}.{index}.{conv}" for conv in ("conv1", "conv2")}
        return ours

    def fields(shapes: Shapes) -> Fields | None:
        width, blocks = shapes["conv_first.weight"][0], count(rf"{block}\.(\d+)\.conv1", shapes)
        if not blocks:
            return None
        ups, step = [shapes[f"{up.format(1)}.weight"][0]], 2
        while f"{up.format(step)}.weight" in shapes:
            ups.append(shapes[f"{up.format(step)}.weight"][0])
            step += 1
        return {"scale": math.prod(math.isqrt(n // width) for n in ups), "blocks": blocks, "width": width}

    return {"architecture": MSRResNet, "names": names, "fields": fields}


def _rrdbnet(
    inside: str, outside: Callable[[int, int], dict[str, str]], doublings: int | None = None
) -> dict[str, Any]:
    """An RRDBNet, whose convolution 1 of dense block 3 of block 0 is inside.format(0, 3, 1), and the others are
    outside(blocks, doublings); `doublings`, where the project has no other number of them.
    """

    def names(module: Any) -> dict[str, str]:
        blocks = {
            f"block{block + 1}/dense{dense}/conv{conv}": inside.format(block, dense, conv)
            for block, dense, conv in itertools.product(range(module.blocks), range(1, 4), range(1, 6))
        }
        return outside(module.blocks, module.doublings) | blocks

    def shown(shapes: Shapes) -> tuple[int, int, int, int]:
        """Blocks, doublings, the channels of the input, and the factor by which its pixels became channels."""
        blocks, ups = count(re.escape(inside).replace(r"\{\}", r"(\d+)"), shapes), 0
        while f"{outside(blocks, ups + 1)[f'enlarge{ups + 1}']}.weight" in shapes:
            ups += 1
        names = outside(blocks, ups)
        channels, outputs = shapes[f"{names['head']}.weight"][1], shapes[f"{names['tail']}.weight"][0]
        factor = {4: 2, 16: 4}.get(channels // outputs, 1) if channels % outputs == 0 else 1
        return blocks, ups, channels // factor**2, factor

    def fields(shapes: Shapes) -> Fields | None:
        blocks, ups, _, factor = shown(shapes)
        names = outside(blocks, ups)
        if doublings not in (None, ups):
            return None
        return {
            "out_channels": shapes[f"{names['tail']}.weight"][0],
            "scale": 2**ups // factor,
            "blocks": blocks,
            "width": shapes[f"{names['head']}.weight"][0],
            "growth": shapes[f"{inside.format(0, 1, 1)}.weight"][0],
            "doublings": ups,
        }

    return {"architecture": RRDBNet, "names": names, "fields": fields, "in_channels": lambda shapes: shown(shapes)[2]}


def _rrdb_layers(merge: str, up: str, full: str) -> Callable[[int, int], dict[str, str]]:
    def outside(blocks: int, doublings: int) -> dict[str, str]:
        ups = {f"enlarge{step}": up.format(step) for step in range(1, doublings + 1)}
        return {"head": "conv_first", "merge": merge, **ups, "full": full, "tail": "conv_last"}

    return outside


def _rrdb_sequence(blocks: int, doublings: int) -> dict[str, str]:
    """Numbers of a torch.nn.Sequential, which counts enlargements and activations too."""
    ups = {f"enlarge{step}": f"model.{3 * step}" for step in range(1, doublings + 1)}
    ends = {"full": f"model.{3 * doublings + 2}", "tail": f"model.{3 * doublings + 4}"}
    return {"head": "model.0", "merge": f"model.1.sub.{blocks}", **ups, **ends}


def _srvgg_names(module: Any) -> dict[str, str]:
    names = {f"conv{index}": f"body.{2 * index}" for index in range(module.layers + 1)}
    if module.activation == "prelu":
        names |= {f"prelu{index}": f"body.{2 * index + 1}" for index in range(module.layers + 1)}
    return {**names, "tail": f"body.{2 * module.layers + 2}"}


def _srvgg_fields(shapes: Shapes) -> Fields | None:
    layers = sum(len(shape) == 4 for shape in shapes.values()) - 2
    width, channels = shapes["body.0.weight"][:2]
    outputs = shapes[f"body.{2 * layers + 2}.weight"][0]
    slopes: Fields = {"activation": "prelu"} if "body.1.weight" in shapes else {}
    return {"scale": math.isqrt(outputs // channels), "layers": layers, "width": width, **slopes}


def _unet_critic_names(module: Any) -> dict[str, str]:
    return {f"conv{index}": f"conv{index}" for index in range(10)}


def _unet_critic_fields(shapes: Shapes) -> Fields | None:
    encoder, head = shapes["conv3.weight"], shapes["conv9.weight"]
    return {"width": shapes["conv0.weight"][0]} if encoder[2:] == (4, 4) and head[0] == 1 else None


def _vggstyle_names(module: Any) -> dict[str, str]:
    names: dict[str, str] = {}
    for place in (f"{pair}_{index}" for pair in range(module.size.bit_length() - 3) for index in range(2)):
        names |= {f"conv{place}": f"conv{place}", f"conv{place}_norm": f"bn{place}"}
    return {**names, "dense0": "linear1", "dense1": "linear2"}


def _vggstyle_fields(shapes: Shapes) -> Fields | None:
    return {"size": 4 * 2 ** count(r"conv(\d+)_1\.", shapes), "width": shapes["conv0_0.weight"][0]}


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


def _patch_critic_names(module: Any) -> dict[str, str]:
    names = {"conv0": "model.0", "conv8": "model.23"}
    for layer in range(1, 8):
        names |= {f"conv{layer}": f"model.{3 * layer - 1}", f"conv{layer}_norm": f"model.{3 * layer}"}
    return names


def _patch_critic_fields(shapes: Shapes) -> Fields | None:
    width, _, *kernel = shapes["model.0.weight"]
    return {"width": width, "head": "conv"} if kernel == [3, 3] and len(shapes["model.23.weight"]) == 4 else None


LAYOUTS = (
    Layout(
        "the paper's figure", SRResNet, _PAPER.fields, _PAPER.names,
        Use("generator", "srresnet", input_range=(0.0, 1.0)), biased=True,
    ),
    Layout("Lornatang/SRGAN-PyTorch", SRResNet, _LORNATANG.fields, _LORNATANG.names,
           Use("generator", "srresnet", **UNIT)),
    Layout("Lornatang/SRGAN-PyTorch of 2022", SRResNet, _LORNATANG_2022.fields, _LORNATANG_2022.names,
           Use("generator", "srresnet", **UNIT)),
    Layout("twtygqyy/pytorch-SRResNet", SRResNet, _TWTYGQYY.fields, _TWTYGQYY.names,
           Use("generator", "srresnet", **UNIT), constants={"slope": 0.2}, biasless=True),
    Layout("leftthomas/SRGAN", SRResNet, _with_output(_LEFTTHOMAS, "unit_tanh"), _LEFTTHOMAS.names,
           Use("generator", "srgan", **UNIT), biased=True),
    Layout("PyTorch-GAN", SRResNet, _with_output(_PYTORCH_GAN, "tanh"), _PYTORCH_GAN.names,
           Use("generator", "srgan", **_IMAGENET), biased=True, eps=0.8, prepare=_pytorch_gan,
           note="the batch norm of the upsampling layers is in their kernels, and images, which PyTorch-GAN normalizes "
           "by ImageNet's mean and deviation of each channel, are here by those of all three"),
    Layout("BasicSR", **_msrresnet("body", "upconv{}"), use=Use("generator", "srresnet", **UNIT)),
    Layout("BasicSR of 2019", **_msrresnet("recon_trunk", "upconv{}", "HRconv"),
           use=Use("generator", "srresnet", **UNIT)),
    Layout("mmagic", **_msrresnet("trunk_net", "upsample{}.upsample_conv"), use=Use("generator", "srresnet", **UNIT)),
    Layout("BasicSR", **_rrdbnet("body.{}.rdb{}.conv{}", _rrdb_layers("conv_body", "conv_up{}", "conv_hr"), 2),
           use=Use("generator", "esrgan", **UNIT)),
    Layout("ESRGAN and BSRGAN",
           **_rrdbnet("RRDB_trunk.{}.RDB{}.conv{}", _rrdb_layers("trunk_conv", "upconv{}", "HRconv")),
           use=Use("generator", "esrgan", **UNIT)),
    Layout("ESRGAN of 2018", **_rrdbnet("model.1.sub.{}.RDB{}.conv{}.0", _rrdb_sequence),
           use=Use("generator", "esrgan", **UNIT)),
    Layout("Real-ESRGAN", SRVGGNetCompact, _srvgg_fields, _srvgg_names, Use("generator", "esrgan", **UNIT),
           assumed={"activation": "relu"}),
    Layout("Real-ESRGAN", UNetCritic, _unet_critic_fields, _unet_critic_names, Use("critic", "esrgan", **UNIT),
           assumed={"skips": True}),
    Layout("BasicSR and mmagic", VGGStyleCritic, _vggstyle_fields, _vggstyle_names, Use("critic", "srgan", **UNIT)),
    Layout("the paper's figure", **_srgan_critic("features", ("classifier.1", "classifier.3")), use=_SRGAN_CRITIC),
    Layout("Lornatang/SRGAN-PyTorch", **_srgan_critic("features", ("classifier.0", "classifier.2")),
           use=Use("critic", "srgan", **UNIT)),
    Layout("leftthomas/SRGAN", **_srgan_critic("net", ("net.24", "net.26")),
           use=Use("critic", "srgan", **UNIT), biased=True, dense_as_conv=True),
    Layout("PyTorch-GAN", SRGANCritic, _patch_critic_fields, _patch_critic_names,
           Use("critic", "srgan", **_IMAGENET), biased=True),
    Layout("Hi-king/superresolution_gan", SRResNet, _hi_king_fields, _HI_KING.names,
           Use("generator", "srresnet", input_range=(0.0, 255.0), output_range=(0.0, 255.0)),
           constants={"slope": 0.0}, eps=CHAINER_EPS, prepare=_hi_king),
)  # fmt: skip
