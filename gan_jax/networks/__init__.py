"""Architectures by name: Linen modules are frozen dataclasses, so a module's fields describe it completely."""

import dataclasses
from typing import Any

import flax.linen as nn

from gan_jax.networks.classifier import Classifier
from gan_jax.networks.dcgan import DCGANCritic, DCGANGenerator
from gan_jax.networks.mlp import MLP
from gan_jax.networks.network import Network, from_linen, starting_from
from gan_jax.networks.patchgan import PatchGAN
from gan_jax.networks.pixelgan import PixelGAN
from gan_jax.networks.resnet import ResNet
from gan_jax.networks.srgan_critic import SRGANCritic
from gan_jax.networks.srresnet import MSRResNet, SRResNet
from gan_jax.networks.unet import UNet
from gan_jax.networks.vgg import VGG, AlexNet
from gan_jax.networks.vggstyle import VGGStyleCritic

__all__ = [
    "MLP",
    "VGG",
    "AlexNet",
    "Classifier",
    "DCGANCritic",
    "DCGANGenerator",
    "MSRResNet",
    "Network",
    "PatchGAN",
    "PixelGAN",
    "ResNet",
    "SRGANCritic",
    "SRResNet",
    "UNet",
    "VGGStyleCritic",
    "build",
    "catalogue",
    "describe",
    "from_linen",
    "receptive_field",
    "starting_from",
]


def catalogue() -> dict[str, type[nn.Module]]:
    """Every architecture by the name that generator files use."""
    generators = (DCGANGenerator, MSRResNet, ResNet, SRResNet, UNet)
    critics = (DCGANCritic, PatchGAN, PixelGAN, SRGANCritic, VGGStyleCritic)
    features = (AlexNet, Classifier, VGG)
    return {cls.__name__: cls for cls in (*generators, *critics, *features, MLP)}


def describe(module: nn.Module) -> dict[str, Any]:
    """A module as plain data, fit for JSON: {"name": ..., and its fields}; `build` is the way back."""
    fields = {
        field.name: getattr(module, field.name)
        for field in dataclasses.fields(module)  # type: ignore[arg-type]
        if field.name not in ("parent", "name")
    }
    return {"name": type(module).__name__, **fields}


def build(description: dict[str, Any]) -> nn.Module:
    """The module that `describe` wrote down. Raises ValueError for a name or a field that is not known."""
    # JSON knows lists only; a module with one would not be hashable.
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in description.items()}
    name = fields.pop("name", None)
    if name not in catalogue():
        raise ValueError(f"no architecture is called {name!r}; there are {', '.join(sorted(catalogue()))}.")
    try:
        return catalogue()[name](**fields)
    except TypeError as error:
        raise ValueError(f"{name} cannot be built from {fields}: {error}.") from None


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
