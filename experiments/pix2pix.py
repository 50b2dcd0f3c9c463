r"""pix2pix on a folder of pairs, on photographs, or on the embedded facades.

    python -m experiments.pix2pix demo
    python -m experiments.pix2pix --dataroot datasets/facades --name facades --direction BtoA
    python -m experiments.pix2pix --dataroot datasets/photos --derive grey --preprocess crop --crop_size 64
    python -m experiments.pix2pix ablate

The defaults are those of pytorch-CycleGAN-and-pix2pix, whose command lines work as they stand. PRESET `demo` trains on
the embedded data in minutes on two CPU cores; facades, edges2shoes, edges2handbags, maps, cityscapes, day2night and
colorize are the paper's; `ablate` runs the paper's ablations at the demo's scale and prints its tables.
"""

import dataclasses
import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments import pix2pix_ablation
from gan_jax import flags, generator, losses, metrics, networks, run
from gan_jax.data import sources, synthetic, transforms
from gan_jax.data.pipeline import Source
from gan_jax.experiment import Experiment
from gan_jax.generator import GeneratorSpec
from gan_jax.methods.pix2pix import pix2pix

UNET_DEPTHS = {"unet_32": 5, "unet_64": 6, "unet_128": 7, "unet_256": 8, "unet_512": 9}
RESNET_BLOCKS = {"resnet_6blocks": 6, "resnet_9blocks": 9}
EMBEDDED_COUNTS = {"train": 400, "val": 32, "test": 64}
GAN_MODES = {
    "vanilla": losses.non_saturating,
    "minimax": losses.minimax,
    "lsgan": losses.least_squares,
    "hinge": losses.hinge,
    "relativistic": losses.relativistic_average,
    "none": None,
}


@dataclasses.dataclass(frozen=True)
class Config(flags.ImageConfig):
    """pix2pix's own flags."""

    preset: flags.Preset = None
    """demo: the embedded facades, minutes on two CPU cores. ablate: the paper's tables. Or a data set of the paper."""
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
    gan_mode: Literal["vanilla", "minimax", "lsgan", "hinge", "relativistic", "none"] = "vanilla"
    """Adversarial loss; none trains on the distances alone."""
    unconditional: bool = False
    """Hide the input from the critic: the paper's GAN instead of its cGAN."""
    lambda_L1: float = 100.0  # noqa: N815 - the incumbent's flag
    """Weight of the L1 loss."""
    lambda_L2: float = 0.0  # noqa: N815 - beside lambda_L1
    """Weight of the L2 loss."""
    init_generator: Path | None = None
    """Start from the generator in this file, or from the last one of this run's folder."""
    init_critic: Path | None = None
    """Start from the critic in this file (a run writes NAME_critic.safetensors)."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("ngf", "ndf", "n_layers_D"):
            flags.require_at_least(self, name, 1)
        for name in ("lambda_L1", "lambda_L2"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"--{name} is {getattr(self, name)}; wanted a finite number of at least 0.")
        if self.gan_mode == "none" and self.lambda_L1 == self.lambda_L2 == 0:
            raise ValueError("--gan_mode none with --lambda_L1 0 and --lambda_L2 0 leaves no loss; give one of them.")
        if self.netD != "n_layers" and self.n_layers_D != 3:
            raise ValueError(f"--netD {self.netD} takes no --n_layers_D; leave it out, or take --netD n_layers.")
        if self.no_skips and self.netG in RESNET_BLOCKS:
            raise ValueError(f"--netG {self.netG} has no skips to leave out; leave out --no_skips, or take a U-Net.")


def _paper(name: str, where: str, **fields: Any) -> tuple[Config, str]:
    """A run as in the paper's section 6.2, at a constant rate, and where its data is to be had."""
    common: dict[str, Any] = {"preset": name, "name": name, "dataroot": f"datasets/{name}", "n_epochs_decay": 0}
    return Config(**(common | {"lr_policy": "constant"} | fields)), where


_ARCHIVES = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
_PAPER = {
    "facades": _paper("facades", f"{_ARCHIVES}/facades.tar.gz", direction="BtoA", n_epochs=200),
    "cityscapes": _paper(
        "cityscapes", "cityscapes-dataset.com, photo and labels side by side", direction="BtoA", n_epochs=200
    ),
    "maps": _paper("maps", f"{_ARCHIVES}/maps.tar.gz", n_epochs=200),
    "edges2shoes": _paper("edges2shoes", f"{_ARCHIVES}/edges2shoes.tar.gz", n_epochs=15, batch_size=4),
    "edges2handbags": _paper("edges2handbags", f"{_ARCHIVES}/edges2handbags.tar.gz", n_epochs=15, batch_size=4),
    "day2night": _paper(
        "day2night",
        f"{_ARCHIVES}/night2day.tar.gz",
        dataroot="datasets/night2day",
        direction="BtoA",
        n_epochs=17,
        batch_size=4,
    ),
    # Mirrored but not jittered.
    "colorize": _paper(
        "colorize",
        "image-net.org, or any folder of photographs",
        dataroot="datasets/photos",
        derive="grey",
        load_size=256,
        n_epochs=6,
        batch_size=4,
    ),
}
_DEMO = Config(
    preset="demo",
    dataroot="embedded",
    name="demo",
    load_size=128,
    crop_size=128,
    no_flip=True,
    ngf=16,
    ndf=16,
    n_epochs=2,
    n_epochs_decay=2,
    val_freq=400,
    save_latest_freq=400,
)
PRESETS = {
    "demo": _DEMO,
    "ablate": dataclasses.replace(_DEMO, preset="ablate", name="ablation", n_epochs=1, n_epochs_decay=1),
    **{name: config for name, (config, _) in _PAPER.items()},
}


def _preset(name: str | None) -> Config:
    if name is not None and name not in PRESETS:
        raise ValueError(f"no preset is called {name}; there is {', '.join(PRESETS)}.")
    return PRESETS[name] if name else Config()


def _open(config: Config, split: str, channels: int) -> Source | None:
    """The pairs of a split, every header read."""
    if config.dataroot is None:
        raise ValueError(f"no training pictures: give --dataroot FOLDER, or a preset ({', '.join(PRESETS)}).")
    if config.dataroot == "embedded":
        if config.derive or (channels, config.output_nc) != (3, 3):
            raise ValueError("the embedded facades are pairs in RGB: leave out --derive, --input_nc and --output_nc.")
        size = config.load_size if split == "train" else config.crop_size
        count = min(EMBEDDED_COUNTS[split], config.max_dataset_size or EMBEDDED_COUNTS[split])
        facades = synthetic.Facades(split, count, size)
        return facades if config.direction == "AtoB" else sources.Exchanged(facades)
    if config.preset in _PAPER and not Path(config.dataroot).is_dir():
        where = _PAPER[config.preset][1]
        raise FileNotFoundError(f"no folder {config.dataroot}; unpack the data there ({where}), or give --dataroot.")
    pairs = sources.open_pairs(
        Path(config.dataroot),
        split,
        direction=config.direction,
        derive=config.derive,
        limit=config.max_dataset_size,
        source_channels=channels,
        target_channels=config.output_nc,
    )
    if pairs is not None:
        # Below the crop a picture cannot be trained on, below 11 pixels SSIM is not defined.
        crop = config.crop_size if config.preprocess == "crop" and split == "train" else 11
        sources.check_headers(pairs, smallest=crop)
    return pairs


def _generator(config: Config) -> Any:
    """The generator's module: the deepest U-Net that takes crops of this size, unless it is named."""
    dropout = 0.0 if config.no_dropout else 0.5
    if config.netG in RESNET_BLOCKS:
        blocks = RESNET_BLOCKS[config.netG]
        return networks.ResNet(config.output_nc, blocks, config.ngf, config.norm, dropout, config.statistics_batch)
    cropped = config.preprocess not in ("scale_width", "none")
    sides = transforms.height_width(config.crop_size)
    fitting = [d for d in (5, 6, 7, 8) if not cropped or all(side % 2**d == 0 for side in sides)]
    if config.netG is None and not fitting:
        nearest = tuple(max(32, round(side / 32) * 32) for side in sides)
        raise ValueError(
            f"crop_size {transforms.shown(config.crop_size)} is not a multiple of 32; the nearest is "
            f"{transforms.shown(nearest[0] if len(set(nearest)) == 1 else nearest)}."
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


def _critic(config: Config) -> Any:
    if config.netD == "pixel":
        return networks.PixelGAN(config.ndf, config.norm, config.statistics_batch)
    return networks.PatchGAN(config.n_layers_D, config.ndf, config.norm, config.statistics_batch)


def _network(module: Any, flag: str, path: Path | None, kind: str) -> networks.Network:
    """A module as a network, started from a file where there is one."""
    network = networks.from_linen(module)
    if path is None:
        return network
    start = generator.load(path)
    if start.spec.kind != kind or start.spec.architecture["name"] != type(module).__name__:
        raise ValueError(
            f"--{flag} {path} holds a {start.spec.kind}, {start.spec.architecture['name']}; wanted a {kind}, "
            f"{type(module).__name__}."
        )
    return networks.starting_from(network, start.variables["params"], start.variables["stats"])


def _baselines(config: Config, train: Source) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What the generator must beat, where there is something."""
    if config.derive:
        return {f"{config.derive} input": lambda source: _with_channels(source, config.output_nc)}
    if config.dataroot != "embedded" or config.direction == "BtoA":
        return {}
    lookup = functools.cache(lambda: synthetic.mean_colour_lookup(train[i] for i in range(len(train))))
    return {"mean colour of each class": lambda source: synthetic.paint(source, lookup())}


def _with_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    if picture.shape[-1] == channels:
        return picture
    return np.repeat(picture[..., :1], channels, axis=-1) if channels == 3 else transforms.grey(picture)


def _label_scores(config: Config) -> Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]] | None:
    """Classes read back from painted photos, or from painted label maps, against the true label maps."""
    if config.dataroot != "embedded":
        return None

    def scores(outputs: np.ndarray, targets: np.ndarray, sources: np.ndarray) -> dict[str, float]:
        to_photos = config.direction == "AtoB"
        found = (synthetic.decode_labels if to_photos else synthetic.colours_to_labels)(outputs)
        wanted = synthetic.colours_to_labels(sources if to_photos else targets)
        return {k: float(v) for k, v in metrics.label_map_scores(found, wanted, len(synthetic.CLASSES)).items()}

    return scores


def experiment(config: Config) -> Experiment:
    """The experiment that a configuration means."""
    input_nc = config.input_nc or (1 if config.derive in ("grey", "edges") else 3)
    train, val, test = (_open(config, split, input_nc) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    painter, critic = _generator(config), _critic(config)
    per_epoch = run.steps_per_epoch(config, len(train))
    method = pix2pix(
        _network(painter, "init_generator", config.init_generator, "generator"),
        _network(critic, "init_critic", config.init_critic, "critic"),
        generator_tx=flags.adam(config, per_epoch),
        critic_tx=flags.adam(config, per_epoch),
        adversarial=GAN_MODES[config.gan_mode],
        l1_weight=config.lambda_L1,
        l2_weight=config.lambda_L2,
        conditional=not config.unconditional,
        ema_decay=config.ema_decay,
    )
    # As the paper tests: dropout stays on, and batch norm uses the statistics of the test image.
    spec = GeneratorSpec(
        architecture=networks.describe(painter) | {"statistics_batch": None},
        in_channels=input_nc,
        out_channels=config.output_nc,
        method="pix2pix",
        norm="image",
        dropout=painter.dropout > 0,
        size_multiple=painter.size_multiple,
    )
    seen = config.output_nc + (0 if config.unconditional else input_nc)
    critic_spec = GeneratorSpec(
        networks.describe(critic), in_channels=seen, out_channels=1, method="pix2pix", norm="image", dropout=False,
        kind="critic",
    )  # fmt: skip
    sizes: dict[str, Any] = {"load_size": config.load_size, "crop_size": config.crop_size}
    multiple = painter.size_multiple
    return Experiment(
        method_name="pix2pix",
        method=method,
        networks={
            "generator": networks.describe(painter),
            "critic": networks.describe(critic) | {"receptive_field": networks.receptive_field(critic)},
        },
        specs={"generator": spec, "critic": critic_spec},
        train=train,
        val=val,
        test=test,
        jitter=transforms.jitter(config.preprocess, **sizes, flip=not config.no_flip, multiple=multiple),
        still=transforms.centre(config.preprocess, **sizes, multiple=multiple),
        whole=transforms.whole(config.preprocess, **sizes),
        baselines=_baselines(config, train),
        label_scores=_label_scores(config),
        needs_whole_batch=["--gan_mode relativistic"] if config.gan_mode == "relativistic" else [],
    )


def build(arguments: list[str] | None = None) -> tuple[Config, Experiment]:
    """The configuration and the experiment that a command line means."""
    config = flags.parse(_preset, arguments, __doc__ or "")
    return config, experiment(config)


def main(arguments: list[str] | None = None) -> int:
    """Trains, or runs the ablations; returns the exit code."""
    return run.main(lambda: build(arguments))


if __name__ == "__main__":
    sys.exit(main())
