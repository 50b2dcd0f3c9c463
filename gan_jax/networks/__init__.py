"""Architectures by name: Linen modules are frozen dataclasses, so a module's fields describe it completely.

All of them take `dtype`: with "bfloat16" they compute in it, and their parameters, statistics and outputs stay float32.
docs/adding_a_network.md says how to add one.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from gan_jax.networks.architecture import Architecture, shapes
from gan_jax.networks.chainer_dcgan import ChainerDCGANCritic, ChainerDCGANGenerator
from gan_jax.networks.chainer_patchgan import ChainerPatchGAN
from gan_jax.networks.chainer_unet import ChainerUNet
from gan_jax.networks.classifier import Classifier
from gan_jax.networks.dcgan import DCGANCritic, DCGANGenerator
from gan_jax.networks.initialization import InitName, initialized
from gan_jax.networks.mlp import MLP
from gan_jax.networks.network import (
    Network,
    difference,
    from_linen,
    from_nnx,
    rematerialized,
    require_known_values,
    with_weights,
)
from gan_jax.networks.patchgan import PatchGAN
from gan_jax.networks.pixelgan import PixelGAN
from gan_jax.networks.resnet import ResNet
from gan_jax.networks.rrdbnet import RRDBNet
from gan_jax.networks.srgan_critic import SRGANCritic
from gan_jax.networks.srresnet import MSRResNet, SRResNet
from gan_jax.networks.srvgg import SRVGGNetCompact
from gan_jax.networks.unet import UNet
from gan_jax.networks.unet_critic import UNetCritic
from gan_jax.networks.vgg import VGG, AlexNet
from gan_jax.networks.vggstyle import VGGStyleCritic

__all__ = [
    "MLP",
    "VGG",
    "AlexNet",
    "Architecture",
    "ChainerDCGANCritic",
    "ChainerDCGANGenerator",
    "ChainerPatchGAN",
    "ChainerUNet",
    "Classifier",
    "DCGANCritic",
    "DCGANGenerator",
    "InitName",
    "MSRResNet",
    "Network",
    "PatchGAN",
    "PixelGAN",
    "RRDBNet",
    "ResNet",
    "SRGANCritic",
    "SRResNet",
    "SRVGGNetCompact",
    "UNet",
    "UNetCritic",
    "VGGStyleCritic",
    "build",
    "catalogue",
    "describe",
    "difference",
    "from_linen",
    "from_nnx",
    "initialized",
    "receptive_field",
    "rematerialized",
    "require_known_values",
    "shapes",
    "with_weights",
]
__dir__ = __all__.copy


def catalogue() -> dict[str, type[Architecture]]:
    """Every architecture that is imported above, by its name, which is the one that generator files use."""
    imported = {name: value for name, value in globals().items() if isinstance(value, type)}
    return {name: cls for name, cls in imported.items() if issubclass(cls, Architecture) and cls is not Architecture}


def describe(module: nn.Module) -> dict[str, Any]:
    """A module as plain data, fit for JSON: {"name": ..., and its fields}; `build` is the way back."""
    fields = {
        field.name: getattr(module, field.name)
        for field in dataclasses.fields(module)  # type: ignore[arg-type]
        if field.name not in ("parent", "name")
    }
    return {"name": type(module).__name__, **fields}


def build(description: Mapping[str, Any]) -> Architecture:
    """The module that `describe` wrote down. Raises ValueError for a name, a field or a value that is not known."""
    # JSON knows lists only; a module with one would not be hashable.
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in description.items()}
    name = fields.pop("name", None)
    if name not in catalogue():
        raise ValueError(f"no architecture is called {name!r}; there are {', '.join(sorted(catalogue()))}.")
    cls: type[Any] = catalogue()[name]
    known = describe(cls()).keys() - {"name"}
    if unknown := fields.keys() - known:
        raise ValueError(f"{name} has no field {min(unknown)!r}; it has {', '.join(sorted(known))}.")
    module: Architecture = cls(**fields)
    require_known_values(module)
    return module


def receptive_field(critic: nn.Module) -> int:
    """The side in pixels of the square that one logit of a critic depends on: 70 for `PatchGAN()`.

    Computed from the kernel sizes and strides that the module states as `convolutions`; raises ValueError where it
    states none.
    """
    if not hasattr(critic, "convolutions"):
        raise ValueError(f"{type(critic).__name__} states no `convolutions`; give a critic such as PatchGAN.")
    side = 1
    for kernel_size, stride in reversed(critic.convolutions):
        side = (side - 1) * stride + kernel_size
    return side
