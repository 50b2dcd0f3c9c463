"""Names of pix2pix's and CycleGAN's networks, in the order in which each project's code makes its layers."""

from typing import Any

from gan_jax.interop.naming.layout import CHAINER_EPS, Fields, Layout, Shapes, Use, count, norm_in
from gan_jax.networks import ChainerPatchGAN, ChainerUNet, PatchGAN, PixelGAN, ResNet, UNet

__all__ = ["LAYOUTS"]
__dir__ = __all__.copy

_J = "pytorch-CycleGAN-and-pix2pix"
_CHAINER: Any = {"input_range": (-1.0, 127 / 128), "output_range": (-1.0, 127 / 128)}  # there a level is 128 x + 128


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
    norm = norm_in(shapes, "model.model.1.model.1.bias")
    return {"out_channels": up[1], "depth": depth, "width": width, "norm": norm, "skips": up[0] == 2 * width}


def _resnet_names(module: Any) -> dict[str, str]:
    names = {"stem": 1, "stem_norm": 2, "down1": 4, "down1_norm": 5, "down2": 7, "down2_norm": 8}
    after = 10 + module.blocks
    names |= {"up1": after, "up1_norm": after + 1, "up2": after + 3, "up2_norm": after + 4, "out": after + 7}
    # Zeros need no padding layers in front of the two convolutions; dropout is in front of the second.
    padded = int(module.padding != "zero")
    second = 3 + 2 * padded + bool(module.dropout)
    inside = {"conv1": padded, "norm1": padded + 1, "conv2": second, "norm2": second + 1}
    blocks = {
        f"block{block + 1}/{ours}": f"{10 + block}.conv_block.{index}"
        for block in range(module.blocks)
        for ours, index in inside.items()
    }
    return {ours: f"model.{index}" for ours, index in (names | blocks).items()}


def _resnet_fields(shapes: Shapes) -> Fields | None:
    blocks = count(r"model\.(\d+)\.conv_block\.", shapes)
    if len(shapes["model.1.weight"]) != 4 or not blocks:
        return None
    zero = "model.10.conv_block.0.weight" in shapes
    second = f"model.10.conv_block.{4 if zero else 6}.weight"  # if there is dropout in front of it
    return {
        "out_channels": shapes[f"model.{blocks + 17}.weight"][0],
        "blocks": blocks,
        "width": shapes["model.1.weight"][0],
        "norm": norm_in(shapes, "model.1.bias"),
        "dropout": 0.5 if len(shapes.get(second, ())) == 4 else 0.0,
        **({"padding": "zero"} if zero else {}),
    }


def _nearest_resnet_names(module: Any) -> dict[str, str]:
    names = {"stem": 1, "stem_norm": 2, "down1": 4, "down1_norm": 5, "down2": 7, "down2_norm": 8}
    after = 10 + module.blocks
    names |= {"up1": after + 1, "up1_norm": after + 2, "up2": after + 5, "up2_norm": after + 6, "out": after + 9}
    blocks = {
        f"block{block + 1}/conv{conv}": f"{10 + block}.block.{4 * conv - 3}"
        for block in range(module.blocks)
        for conv in (1, 2)
    }
    return {ours: f"model.{index}" for ours, index in (names | blocks).items()}


def _nearest_resnet_fields(shapes: Shapes) -> Fields | None:
    blocks = count(r"model\.(\d+)\.block\.", shapes)
    width, channels = shapes["model.1.weight"][:2]
    if not blocks:
        return None
    if channels != 3:
        raise ValueError(f"it pads its {channels} channels by {channels} pixels, and ResNet here by 3")
    return {
        "out_channels": shapes[f"model.{blocks + 19}.weight"][0],
        "blocks": blocks, "width": width, "norm": "instance", "upsample": "nearest",
    }  # fmt: skip


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
    return {"layers": layers, "width": shapes["model.0.weight"][0], "norm": norm_in(shapes, "model.2.bias")}


def _pixelgan_names(module: Any) -> dict[str, str]:
    return {"conv0": "net.0", "conv1": "net.2", "conv1_norm": "net.3", "conv2": "net.5"}


def _pixelgan_fields(shapes: Shapes) -> Fields | None:
    if shapes["net.0.weight"][2:] != (1, 1):
        return None
    return {"width": shapes["net.0.weight"][0], "norm": norm_in(shapes, "net.2.bias")}


def _chainer_unet_names(module: Any) -> dict[str, str]:
    names = {"stem": "enc.c0", "out": f"dec.c{module.depth}"}
    for level in range(1, module.depth + 1):
        names |= {f"down{level}": f"enc.c{level}.c", f"down{level}_norm": f"enc.c{level}.batchnorm"}
        names |= {f"up{level}": f"dec.c{level - 1}.c", f"up{level}_norm": f"dec.c{level - 1}.batchnorm"}
    return names


def _chainer_unet_fields(shapes: Shapes) -> Fields | None:
    depth = count(r"enc\.c(\d+)\.c\.", shapes)
    return {
        "out_channels": shapes[f"dec.c{depth}.weight"][0], "depth": depth, "width": shapes["enc.c0.weight"][0],
    }  # fmt: skip


def _chainer_patchgan_names(module: Any) -> dict[str, str]:
    names = {"conv0_0": "c0_0.c", "conv0_1": "c0_1.c", f"conv{module.layers + 1}": f"c{module.layers + 1}"}
    for layer in range(1, module.layers + 1):
        names |= {f"conv{layer}": f"c{layer}.c", f"conv{layer}_norm": f"c{layer}.batchnorm"}
    return names


def _chainer_patchgan_fields(shapes: Shapes) -> Fields | None:
    width, channels = shapes["c0_0.c.weight"][:2]
    return {"condition_channels": channels, "layers": count(r"c(\d+)\.c\.", shapes), "width": 2 * width}


LAYOUTS = (
    Layout(
        _J, UNet, _unet_fields, _unet_names, Use("generator", "pix2pix", "image", why=f"{_J}'s test.py without --eval"),
        assumed={"dropout": 0.5, "dropout_layers": "port"},
    ),
    Layout(
        _J, ResNet, _resnet_fields, _resnet_names,
        Use("generator", "cyclegan", "image", why=f"{_J}'s test.py without --eval"), assumed={"padding": "reflect"},
    ),
    Layout(
        "PyTorch-GAN", ResNet, _nearest_resnet_fields, _nearest_resnet_names, Use("generator", "cyclegan", "image"),
    ),
    Layout(_J, PatchGAN, _patchgan_fields, _patchgan_names, Use("critic", "pix2pix", "image")),
    Layout(_J, PixelGAN, _pixelgan_fields, _pixelgan_names, Use("critic", "pix2pix", "image")),
    Layout(
        "chainer-pix2pix", ChainerUNet, _chainer_unet_fields, _chainer_unet_names,
        Use("generator", "pix2pix", "image", **_CHAINER, why="chainer-pix2pix's facade_visualizer.py"),
        assumed={"dropout": 0.5}, biased=True, eps=CHAINER_EPS,
    ),
    Layout(
        "chainer-pix2pix", ChainerPatchGAN, _chainer_patchgan_fields, _chainer_patchgan_names,
        Use("critic", "pix2pix", "image", **_CHAINER), biased=True, eps=CHAINER_EPS,
        in_channels=lambda shapes: shapes["c0_0.c.weight"][1] + shapes["c0_1.c.weight"][1],
    ),
)  # fmt: skip
