"""The networks of image-to-image experiments, and their flags."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from gan_jax import networks
from gan_jax.data import transforms
from gan_jax.data.pipeline import Source
from gan_jax.method import Method, rounded_once
from gan_jax.model import ModelSpec
from gan_jax.networks import layers
from gan_jax.recipes import adversarial, flags, pairs, starting_points
from gan_jax.training import translation
from gan_jax.training.config import RunConfig, Settings, require_at_least, require_finite
from gan_jax.training.experiment import Experiment

__all__ = [
    "RESNET_BLOCKS",
    "UNET_DEPTHS",
    "Config",
    "NetG",
    "TranslatorFlags",
    "critic_module",
    "critic_spec",
    "experiment",
    "fresh",
    "generator_module",
    "started",
]
__dir__ = __all__.copy

NetG = Literal["unet_32", "unet_64", "unet_128", "unet_256", "unet_512", "resnet_6blocks", "resnet_9blocks"]
UNET_DEPTHS = {"unet_32": 5, "unet_64": 6, "unet_128": 7, "unet_256": 8, "unet_512": 9}
RESNET_BLOCKS = {"resnet_6blocks": 6, "resnet_9blocks": 9}


@dataclasses.dataclass(frozen=True)
class TranslatorFlags(Settings):
    """The flags of a generator from image to image and of its critic."""

    netG: NetG | None = None  # noqa: N815 - the PyTorch code's flag
    """Generator; the deepest U-Net that crop_size allows, up to unet_256, unless given."""
    no_skips: bool = False
    """Make the U-Net an encoder-decoder without skips."""
    netD: Literal["n_layers", "basic", "pixel"] = "n_layers"  # noqa: N815 - the PyTorch code's flag
    """Critic: a PatchGAN of n_layers_D layers (basic: of 3), or one that judges single pixels."""
    ngf: int = 64
    """Width of the generator's first layer."""
    ndf: int = 64
    """Width of the critic's first layer."""
    n_layers_D: int = 3  # noqa: N815 - the PyTorch code's flag
    """Stride-2 layers of the critic: 1 to 5 judge patches of 16, 34, 70, 142 and 286 pixels."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """Norm of both networks."""
    no_dropout: bool = False
    """Train and test without dropout, the generator's noise."""
    dropout_layers: Literal["paper", "port"] = "paper"
    """Which decoder layers of the U-Net drop out: the paper's, or those of pytorch-CycleGAN-and-pix2pix."""
    upsample: layers.UpsampleName = "transposed"
    """How the generator enlarges feature maps; the others than transposed leave no checkerboards."""
    spectral_norm: bool = False
    """Divide the critic's kernels by their largest singular value."""
    dtype: layers.DTypeName = "float32"
    """Arithmetic of both networks; parameters, statistics and outputs are float32 in any case."""
    init_type: networks.InitName = "normal"
    """How the weights of both networks are drawn at the start; xavier and orthogonal are usual with --init_gain 1."""
    init_gain: float = 0.02
    """Deviation of normal, factor of xavier and orthogonal, and deviation of batch norm's scale."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("ngf", "ndf", "n_layers_D"):
            require_at_least(self, name, 1)
        require_finite(self, "init_gain")
        if self.netD != "n_layers" and self.n_layers_D != 3:
            raise ValueError(f"--netD {self.netD} takes no --n_layers_D; leave it out, or take --netD n_layers.")
        if self.no_skips and self.netG in RESNET_BLOCKS:
            raise ValueError(f"--netG {self.netG} has no skips to leave out; leave out --no_skips, or take a U-Net.")


@dataclasses.dataclass(frozen=True)
class Config(
    starting_points.StartFlags,
    TranslatorFlags,
    adversarial.AdversarialFlags,
    flags.EpochConfig,
    pairs.ImageFlags,
    RunConfig,
):
    """An image-to-image experiment: its groups of flags, and what they say together."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        self.check_critic(self.norm, others="--norm instance or --norm none")


def generator_module(config: Config, out_channels: int) -> Any:
    """A generator's module: the deepest U-Net that takes crops of this size, unless it is named."""
    dropout = 0.0 if config.no_dropout else 0.5
    if config.netG in RESNET_BLOCKS:
        blocks = RESNET_BLOCKS[config.netG]
        return networks.ResNet(
            out_channels,
            blocks,
            config.ngf,
            config.norm,
            dropout,
            config.statistics_batch,
            upsample=config.upsample,
            dtype=config.dtype,
        )
    depth = UNET_DEPTHS[config.netG] if config.netG else _deepest(config.cut_size)
    _require_multiple(config.cut_size, depth)
    if config.dropout_layers == "port" and depth < 6 and dropout:
        raise ValueError(
            f"--dropout_layers port has no layer in a U-Net of {depth} levels; take paper or --no_dropout."
        )
    return networks.UNet(
        out_channels,
        depth,
        config.ngf,
        config.norm,
        dropout,
        config.statistics_batch,
        skips=not config.no_skips,
        dropout_layers=config.dropout_layers,
        upsample=config.upsample,
        dtype=config.dtype,
    )


def _deepest(cut_size: transforms.Size | None) -> int:
    """The depth of the deepest U-Net, up to unet_256, that takes images of that size."""
    sides = () if cut_size is None else transforms.height_width(cut_size)
    fitting = [depth for depth in (5, 6, 7, 8) if all(side % 2**depth == 0 for side in sides)]
    return fitting[-1] if fitting else 5


def _require_multiple(cut_size: transforms.Size | None, depth: int) -> None:
    """Raises ValueError for images that a U-Net cannot halve so often."""
    if cut_size is None:
        return
    height, width = (max(2**depth, round(side / 2**depth) * 2**depth) for side in transforms.height_width(cut_size))
    nearest = transforms.shown(height if height == width else (height, width))
    if (height, width) != transforms.height_width(cut_size):
        raise ValueError(
            f"--crop_size {transforms.shown(cut_size)}: a U-Net of {depth} levels takes multiples of "
            f"{2**depth}, the nearest is {nearest}" + (", or take a smaller --netG." if depth > 5 else ".")
        )


def critic_module(config: Config) -> Any:
    """The critic's module."""
    common: dict[str, Any] = {"spectral_norm": config.spectral_norm, "dtype": config.dtype}
    if config.netD == "pixel":
        return networks.PixelGAN(config.ndf, config.norm, config.statistics_batch, **common)
    return networks.PatchGAN(config.n_layers_D, config.ndf, config.norm, config.statistics_batch, **common)


def fresh(config: TranslatorFlags, module: Any) -> networks.Network:
    """A module as a network whose weights are drawn as the flags say."""
    if (config.init_type, config.init_gain) == ("normal", 0.02):
        return networks.from_linen(module)  # what the layers do by themselves
    return networks.initialized(module, config.init_type, config.init_gain)


def started(config: Config, module: Any, kind: Literal["generator", "critic"]) -> networks.Network:
    """A module as a network that starts from the file that the flags name, or from fresh weights."""
    return starting_points.network(config, config.folder, module, kind, fresh(config, module))


def _generator_spec(
    module: Any,
    channels: int,
    *,
    method: str,
    colors: Literal["lab"] | None,
    ends: Sequence[translation.Arrays],
) -> ModelSpec:
    """What a generator's file says: used as pix2pix's paper tests, with dropout and each image's own statistics."""
    return ModelSpec(
        architecture=networks.describe(module),
        in_channels=channels,
        method=method,
        norm="image",
        dropout=module.dropout > 0,
        colors=colors,
        bands=ends[0].bands if ends else None,
        input_values=ends[0].values if ends else None,
        output_values=ends[1].values if ends else None,
    )


def critic_spec(module: Any, channels: int, *, method: str) -> ModelSpec:
    """What the file of a critic that sees so many channels says."""
    return ModelSpec(
        architecture=networks.describe(module),
        in_channels=channels,
        method=method,
        norm="image",
        dropout=False,
        kind="critic",
    )


def experiment(
    config: Config,
    name: str,
    method: Method,
    *,
    generators: Mapping[str, tuple[Any, int]],
    critics: Mapping[str, tuple[Any, int]],
    train: Source,
    tasks: Mapping[str, translation.Task],
    needs_whole_batch: Sequence[str],
    arrays: Mapping[str, translation.Arrays] = MappingProxyType({}),
) -> Experiment:
    """The experiment of a method, called `name`; of its modules, by name, each comes with the channels that it sees.

    `arrays` are what images are that are arrays of channels, by the keys of a batch.
    """
    described = {key: networks.describe(module) for key, (module, _) in generators.items()}
    specs = {
        key: _generator_spec(
            module,
            channels,
            method=name,
            colors=config.colors,
            ends=[of for of in (tasks[key].seen, tasks[key].made) if of is not None],
        )
        for key, (module, channels) in generators.items()
    }
    for key, (module, channels) in critics.items():
        described[key] = networks.describe(module) | {"receptive_field": networks.receptive_field(module)}
        if config.gan_mode != "none":
            specs[key] = critic_spec(module, channels, method=name)
    evaluator = translation.TranslationEvaluator(tasks)
    protocols = dict.fromkeys(task.made.protocol.title for task in tasks.values() if task.made is not None)
    if protocols:
        evaluator = dataclasses.replace(evaluator, protocol="; ".join(protocols))
    (multiple,) = {module.size_multiple for module, _ in generators.values()}
    return Experiment(
        method_name=name,
        method=rounded_once(method) if config.dtype == "bfloat16" else method,
        networks=described,
        specs=specs,
        train=train,
        train_transform=pairs.jitter(config, multiple, {key: of.values for key, of in arrays.items()}),
        evaluator=evaluator,
        needs_whole_batch=needs_whole_batch,
        game=config.adversarial,
        ema_decay=config.ema_decay,
    )
