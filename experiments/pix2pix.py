r"""pix2pix on a folder of pairs, on photographs, or on the embedded facades.

    python -m experiments.pix2pix demo
    python -m experiments.pix2pix --dataroot datasets/facades --name facades --direction BtoA
    python -m experiments.pix2pix --dataroot datasets/photos --derive grey --preprocess crop --crop_size 64

The defaults are those of pytorch-CycleGAN-and-pix2pix. PRESET `demo` trains on the embedded data in minutes on two
CPU cores; the README shows what it reaches.
"""

import dataclasses
import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import optax

from gan_jax import flags, losses, networks, run
from gan_jax.data import sources, synthetic, transforms
from gan_jax.data.pipeline import Source
from gan_jax.experiment import Experiment
from gan_jax.generator import GeneratorSpec
from gan_jax.methods.pix2pix import pix2pix

GENERATORS = {"unet_32": 5, "unet_64": 6, "unet_128": 7, "unet_256": 8}  # depth of the U-Net
EMBEDDED_COUNTS = {"train": 400, "val": 32, "test": 64}
GAN_MODES = {"vanilla": losses.non_saturating, "lsgan": losses.least_squares, "none": None}


@dataclasses.dataclass(frozen=True)
class Config(flags.ImageConfig):
    """pix2pix's own flags."""

    preset: flags.Preset = None
    """demo: the embedded facades, minutes on two CPU cores."""
    netG: Literal["unet_32", "unet_64", "unet_128", "unet_256"] | None = None  # noqa: N815 - the incumbent's flag
    """Generator; the deepest U-Net that crop_size allows unless given."""
    ngf: int = 64
    """Width of the generator's first layer."""
    ndf: int = 64
    """Width of the critic's first layer."""
    n_layers_D: int = 3  # noqa: N815 - the incumbent's flag
    """Stride-2 layers of the critic: 3 judge patches of 70x70 pixels."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """Norm of both networks."""
    no_dropout: bool = False
    """Train and test without dropout, the generator's noise."""
    gan_mode: Literal["vanilla", "lsgan", "none"] = "vanilla"
    """Adversarial loss; none trains on L1 alone."""
    lambda_L1: float = 100.0  # noqa: N815 - the incumbent's flag
    """Weight of the L1 loss."""


PRESETS = {
    "demo": Config(
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
        side = config.load_size if split == "train" else config.crop_size
        facades = synthetic.Facades(split, EMBEDDED_COUNTS[split], side)
        return facades if config.direction == "AtoB" else sources.Exchanged(facades)
    pairs = sources.open_pairs(
        Path(config.dataroot),
        split,
        direction=config.direction,
        derive=config.derive,
        source_channels=channels,
        target_channels=config.output_nc,
    )
    if pairs is not None:
        # Below the crop a picture cannot be trained on, below 11 pixels SSIM is not defined.
        crop = config.crop_size if config.preprocess == "crop" and split == "train" else 11
        sources.check_headers(pairs, smallest=crop)
    return pairs


def _deepest(crop_size: int) -> str:
    """The deepest U-Net that takes crops of this side."""
    fitting = [name for name, depth in GENERATORS.items() if crop_size % 2**depth == 0]
    if not fitting:
        raise ValueError(
            f"crop_size {crop_size} is not a multiple of 32; the nearest is {max(32, round(crop_size / 32) * 32)}."
        )
    return fitting[-1]


def _baselines(config: Config, train: Source) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What the generator must beat, where there is something."""
    if config.derive == "grey":
        return {"grey input": lambda source: np.repeat(source[..., :1], config.output_nc, axis=-1)}
    if config.dataroot != "embedded" or config.direction == "BtoA":
        return {}
    lookup = functools.cache(lambda: synthetic.mean_colour_lookup(train[i] for i in range(len(train))))
    return {"mean colour of each class": lambda source: synthetic.paint(source, lookup())}


def build(arguments: list[str] | None = None) -> tuple[Config, Experiment]:
    """The experiment that a command line means."""
    config = flags.parse(_preset, arguments, __doc__ or "")
    for name in ("ngf", "ndf", "n_layers_D"):
        flags.require_at_least(config, name, 1)
    if not 0 <= config.lambda_L1 < math.inf:
        raise ValueError(f"--lambda_L1 is {config.lambda_L1}; wanted a finite number of at least 0.")
    input_nc = config.input_nc or (1 if config.derive else 3)
    train, val, test = (_open(config, split, input_nc) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    depth = GENERATORS[config.netG or _deepest(config.crop_size)]
    dropout = 0.0 if config.no_dropout else 0.5
    unet = networks.UNet(config.output_nc, depth, config.ngf, config.norm, dropout)
    patchgan = networks.PatchGAN(config.n_layers_D, config.ndf, config.norm)
    schedule = flags.linear_schedule(config, run.steps_per_epoch(config, len(train)))
    method = pix2pix(
        networks.from_linen(unet),
        networks.from_linen(patchgan),
        generator_tx=optax.adam(schedule, b1=config.beta1, b2=0.999, eps=1e-8),
        critic_tx=optax.adam(schedule, b1=config.beta1, b2=0.999, eps=1e-8),
        adversarial=GAN_MODES[config.gan_mode],
        l1_weight=config.lambda_L1,
    )
    # As the paper tests: dropout stays on, and batch norm uses the statistics of the test image.
    spec = GeneratorSpec(
        architecture=networks.describe(unet),
        in_channels=input_nc,
        out_channels=config.output_nc,
        method="pix2pix",
        norm="image",
        dropout=dropout > 0,
        size_multiple=unet.size_multiple,
    )
    embedded_labels = config.dataroot == "embedded" and config.direction == "AtoB"
    return config, Experiment(
        method_name="pix2pix",
        method=method,
        networks={"generator": networks.describe(unet), "critic": networks.describe(patchgan)},
        specs={"generator": spec},
        train=train,
        val=val,
        test=test,
        jitter=transforms.jitter(
            config.preprocess, load_size=config.load_size, crop_size=config.crop_size, flip=not config.no_flip
        ),
        still=transforms.centre(config.preprocess, crop_size=config.crop_size),
        whole=transforms.whole(config.preprocess, crop_size=config.crop_size),
        baselines=_baselines(config, train),
        label_scores=synthetic.label_scores if embedded_labels else None,
    )


if __name__ == "__main__":
    sys.exit(run.main(build))
