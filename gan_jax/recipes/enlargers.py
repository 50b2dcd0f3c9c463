"""The networks of super-resolution experiments, and their flags."""

import dataclasses
from typing import Any, Literal

from gan_jax import degrade, networks
from gan_jax.model import ModelSpec
from gan_jax.networks import layers
from gan_jax.recipes import adversarial, flags, srgan_flags, starting_points, super_resolution
from gan_jax.training.config import RunConfig, Settings, require_at_least

__all__ = ["Config", "EnlargerFlags", "critic_module", "generator_module", "generator_spec", "ranges", "started"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class EnlargerFlags(Settings):
    """The flags of a generator that enlarges images, and of its critic."""

    netG: Literal["srresnet", "msrresnet", "rrdbnet", "srvgg"] = "srresnet"  # noqa: N815 - as in other experiments
    """Generator: SRGAN's with batch norm, BasicSR's without, ESRGAN's, or Real-ESRGAN's small one."""
    netD: Literal["srgan", "srgan_pool", "vggstyle", "unet"] = "srgan"  # noqa: N815
    """Critic: SRGAN's for crops of gt_size, the same without dense layers, BasicSR's for 128 or 256, or Real-ESRGAN's
    with a logit for each pixel."""
    num_block: int = 16
    """Residual blocks of the generator; srvgg's convolutions."""
    num_grow_ch: int = 32
    """Channels that each convolution of rrdbnet adds."""
    num_feat: int = 64
    """Width of the generator."""
    num_feat_d: int = 64
    """Width of the critic's first layer."""
    upsample: layers.EnlargementName = "pixel_shuffle"
    """How the generator enlarges feature maps."""
    icnr: bool = False
    """Start pixel shuffle as nearest-neighbor enlargement, which leaves no checkerboards."""
    spectral_norm: bool = False
    """Divide the critic's kernels by their largest singular value."""
    dtype: layers.DTypeName = "float32"
    """Arithmetic of all networks; parameters, statistics and outputs are float32 in any case."""
    norm_d: Literal["batch", "instance", "layer", "none"] = "batch"
    """Norm of the critics srgan and srgan_pool."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("num_block", "num_feat", "num_feat_d", "num_grow_ch"):
            require_at_least(self, name, 1)
        if self.netD == "vggstyle" and self.norm_d != "batch":
            raise ValueError(f"--netD vggstyle has batch norm; leave out --norm_d {self.norm_d}, or take --netD srgan.")
        if self.netD == "unet" and (self.norm_d != "batch" or self.spectral_norm):
            raise ValueError("--netD unet has spectral norm and no other; leave out --norm_d and --spectral_norm.")
        if self.netG in ("rrdbnet", "srvgg") and (self.upsample != "pixel_shuffle" or self.icnr):
            raise ValueError(f"--netG {self.netG} enlarges in its own way; leave out --upsample and --icnr.")


@dataclasses.dataclass(frozen=True)
class Config(
    srgan_flags.StageFlags,
    srgan_flags.ContentFlags,
    adversarial.AdversarialFlags,
    starting_points.StartFlags,
    EnlargerFlags,
    flags.IterationConfig,
    super_resolution.PhotographFlags,
    RunConfig,
):
    """A super-resolution experiment: its groups of flags, and what they say together."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        if self.netD != "unet":
            self.check_critic(self.norm_d, others="--norm_d instance, layer or none")
        elif self.gt_size % 8 and self.stage != "srresnet":
            raise ValueError(f"--netD unet judges crops of multiples of 8; --gt_size is {self.gt_size}.")
        if self.netG == "rrdbnet" and self.scale not in (2, 4):
            raise ValueError(f"--netG rrdbnet enlarges by 2 or 4; --scale is {self.scale}.")
        if self.netD == "vggstyle" and self.gt_size not in (128, 256) and self.stage != "srresnet":
            raise ValueError(
                f"--netD vggstyle judges crops of 128 or 256; --gt_size is {self.gt_size}: take --netD srgan_pool."
            )


def generator_module(config: Config) -> Any:
    """The generator's module."""
    sizes: dict[str, Any] = {"scale": config.scale, "width": config.num_feat, "dtype": config.dtype}
    if config.netG == "rrdbnet":
        return networks.RRDBNet(config.channels, blocks=config.num_block, growth=config.num_grow_ch, **sizes)
    if config.netG == "srvgg":
        return networks.SRVGGNetCompact(layers=config.num_block, **sizes)
    fields: dict[str, Any] = {**sizes, "blocks": config.num_block, "upsample": config.upsample, "icnr": config.icnr}
    if config.netG == "msrresnet":
        return networks.MSRResNet(**fields)
    return networks.SRResNet(config.channels, statistics_batch=config.statistics_batch, **fields)


def critic_module(config: Config) -> Any:
    """The critic's module."""
    if config.netD == "unet":
        return networks.UNetCritic(config.num_feat_d, dtype=config.dtype)
    fields: dict[str, Any] = {
        "size": config.gt_size,
        "width": config.num_feat_d,
        "statistics_batch": config.statistics_batch,
        "spectral_norm": config.spectral_norm,
        "dtype": config.dtype,
    }
    if config.netD == "vggstyle":
        return networks.VGGStyleCritic(**fields)
    head: Literal["pool", "dense"] = "pool" if config.netD == "srgan_pool" else "dense"
    return networks.SRGANCritic(head=head, norm=config.norm_d, **fields)


def ranges(config: EnlargerFlags) -> dict[str, Any]:
    """Values of black and white in the input and the output of the generator."""
    return {"input_range": (0.0, 1.0), "output_range": (-1.0, 1.0) if config.netG == "srresnet" else (0.0, 1.0)}


def started(config: Config, module: Any, kind: Literal["generator", "critic"]) -> networks.Network:
    """A module as a network that starts from the file that the flags name, or from fresh weights."""
    return starting_points.network(config, config.folder, module, kind, networks.from_linen(module))


def generator_spec(config: Config, module: Any, *, method: str) -> ModelSpec:
    """What a generator's file says."""
    return ModelSpec(
        architecture=networks.describe(module),
        in_channels=config.channels,
        method=method,
        norm="running",
        dropout=False,
        degradation=degrade.describe(config.degradation) if config.makes_low else None,
        **ranges(config),
    )
