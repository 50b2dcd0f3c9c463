"""The networks of image-to-image experiments, and their flags."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from gan_jax import flags, generator, networks
from gan_jax.data import transforms
from gan_jax.generator import GeneratorSpec

UNET_DEPTHS = {"unet_32": 5, "unet_64": 6, "unet_128": 7, "unet_256": 8, "unet_512": 9}
RESNET_BLOCKS = {"resnet_6blocks": 6, "resnet_9blocks": 9}


@dataclasses.dataclass(frozen=True)
class Config(flags.ImageConfig):
    """The flags of a generator from image to image and of its critic."""

    netG: (  # noqa: N815 - the incumbent's flag
        Literal["unet_32", "unet_64", "unet_128", "unet_256", "unet_512", "resnet_6blocks", "resnet_9blocks"] | None
    ) = None
    """Generator; the deepest U-Net that crop_size allows unless given."""
    no_skips: bool = False
    """Make the U-Net an encoder-decoder without skips."""
    netD: Literal["n_layers", "basic", "pixel"] = "n_layers"  # noqa: N815 - the incumbent's flag
    """Critic: a PatchGAN of n_layers_D layers (basic: of 3), or one that judges single pixels."""
    ngf: int = 64
    """Width of the generator's first layer."""
    ndf: int = 64
    """Width of the critic's first layer."""
    n_layers_D: int = 3  # noqa: N815 - the incumbent's flag
    """Stride-2 layers of the critic: 1 to 5 judge patches of 16, 34, 70, 142 and 286 pixels."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """Norm of both networks."""
    no_dropout: bool = False
    """Train and test without dropout, the generator's noise."""
    dropout_layers: Literal["paper", "port"] = "paper"
    """Which decoder layers of the U-Net drop out: the paper's, or those of pytorch-CycleGAN-and-pix2pix."""
    init_generator: Path | None = None
    """Start from the generator in this file, or from the last one of this run's folder."""
    init_critic: Path | None = None
    """Start from the critic in this file (a run writes NAME_critic.safetensors)."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("ngf", "ndf", "n_layers_D"):
            flags.require_at_least(self, name, 1)
        if self.netD != "n_layers" and self.n_layers_D != 3:
            raise ValueError(f"--netD {self.netD} takes no --n_layers_D; leave it out, or take --netD n_layers.")
        if self.no_skips and self.netG in RESNET_BLOCKS:
            raise ValueError(f"--netG {self.netG} has no skips to leave out; leave out --no_skips, or take a U-Net.")


def generator_module(config: Config) -> Any:
    """The generator's module: the deepest U-Net that takes crops of this size, unless it is named."""
    dropout = 0.0 if config.no_dropout else 0.5
    if config.netG in RESNET_BLOCKS:
        blocks = RESNET_BLOCKS[config.netG]
        return networks.ResNet(config.output_nc, blocks, config.ngf, config.norm, dropout, config.statistics_batch)
    cropped = config.preprocess not in ("scale_width", "none")
    sides = transforms.height_width(config.crop_size)
    fitting = [d for d in (5, 6, 7, 8) if not cropped or all(side % 2**d == 0 for side in sides)]
    if config.netG is None and not fitting:
        height, width = (max(32, round(side / 32) * 32) for side in sides)
        raise ValueError(
            f"crop_size {transforms.shown(config.crop_size)} is not a multiple of 32; the nearest is "
            f"{transforms.shown(height if height == width else (height, width))}."
        )
    return networks.UNet(
        config.output_nc,
        UNET_DEPTHS[config.netG] if config.netG else fitting[-1],
        config.ngf,
        config.norm,
        dropout,
        config.statistics_batch,
        skips=not config.no_skips,
        dropout_layers=config.dropout_layers,
    )


def critic_module(config: Config) -> Any:
    """The critic's module."""
    if config.netD == "pixel":
        return networks.PixelGAN(config.ndf, config.norm, config.statistics_batch)
    return networks.PatchGAN(config.n_layers_D, config.ndf, config.norm, config.statistics_batch)


def network(module: Any, flag: str, path: Path | None, kind: str) -> networks.Network:
    """A module as a network, started from a file where there is one."""
    fresh = networks.from_linen(module)
    if path is None:
        return fresh
    start = generator.load(path)
    if start.spec.kind != kind or start.spec.architecture["name"] != type(module).__name__:
        raise ValueError(
            f"--{flag} {path} holds a {start.spec.kind}, {start.spec.architecture['name']}; wanted a {kind}, "
            f"{type(module).__name__}."
        )
    return networks.starting_from(fresh, start.variables["params"], start.variables["stats"])


def generator_spec(module: Any, channels: int, *, method: str) -> GeneratorSpec:
    """What a generator's file says: used as pix2pix's paper tests, with dropout and each image's own statistics."""
    return GeneratorSpec(
        architecture=networks.describe(module),
        in_channels=channels,
        out_channels=module.out_channels,
        method=method,
        norm="image",
        dropout=module.dropout > 0,
        size_multiple=module.size_multiple,
    )


def critic_spec(module: Any, channels: int, *, method: str) -> GeneratorSpec:
    """What the file of a critic that sees so many channels says."""
    return GeneratorSpec(
        architecture=networks.describe(module),
        in_channels=channels,
        out_channels=1,
        method=method,
        norm="image",
        dropout=False,
        kind="critic",
    )
