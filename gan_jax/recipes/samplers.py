"""The images and the networks of experiments that make images from latents, and their flags."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gan_jax import networks, schedules
from gan_jax.data import labeled, layouts, scan, seams, tfds_source
from gan_jax.data.demo.shapes import Shapes
from gan_jax.data.labeled import Labeled
from gan_jax.model import ModelSpec
from gan_jax.recipes import flags
from gan_jax.terminal import commandline
from gan_jax.training.config import RunConfig, Settings, require_at_least
from gan_jax.training.samples import SampleEvaluator

__all__ = [
    "EMBEDDED_COUNTS",
    "Config",
    "SamplerFlags",
    "classes",
    "critic_module",
    "generator_module",
    "open_split",
    "specs",
    "splits",
]
__dir__ = __all__.copy

EMBEDDED_COUNTS = {"train": 4000, "val": 500, "test": 500}


@dataclasses.dataclass(frozen=True)
class SamplerFlags(Settings):
    """The flags of a generator from latents to images and of its critic: which images, and which networks."""

    dataroot: commandline.Place | None = None
    """Folder of training images, one folder a class if they have classes; "tfds:mnist" for a data set that
    TensorFlow Datasets prepared; or builtin:embedded for the shapes that the program draws itself."""
    max_dataset_size: int | None = None
    """Use only so many images of each split."""
    size: int = 64
    """Side of the images: a power of two, 32 to 128 for instance. Others are cut to squares and resized."""
    output_nc: Literal[1, 3] = 3
    """Channels of the images."""
    flip: bool = False
    """Mirror training images at random."""
    conditional: bool = False
    """Make images of a wanted class: both networks are given the labels."""
    nz: int = 100
    """Numbers in a latent."""
    latent: Literal["normal", "uniform"] = "normal"
    """What latents are drawn from: N(0, 1), or the paper's [-1, 1)."""
    ngf: int = 64
    """Width of the generator's last hidden layer; it doubles with every layer before it."""
    ndf: int = 64
    """Width of the critic's first layer; it doubles with every layer after it."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """Norm of the generator, and of the critic unless another is said."""
    classifier_steps: int = 400
    """Steps of the classifier that scores samples, where the images have labels."""
    tfds_dir: Path | None = None
    """Where TensorFlow Datasets are, ~/tensorflow_datasets unless given."""

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise: a fingerprint tells other images."""
        return super().free_to_change(begun) | {"dataroot", "max_dataset_size", "tfds_dir"}

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("max_dataset_size", "nz", "ngf", "ndf", "classifier_steps"):
            require_at_least(self, name, 1)
        if self.size < 8 or self.size & (self.size - 1):
            raise ValueError(f"--size is {self.size}; wanted a power of two of at least 8: 32, 64 or 128.")


@dataclasses.dataclass(frozen=True)
class Config(flags.EpochConfig, SamplerFlags, RunConfig):
    """An experiment that makes images from latents: its groups of flags, with defaults of its own."""

    batch_size: int = 64
    """Images a step, over all devices together."""
    n_epochs: int = 25
    """Epochs at the full learning rate."""
    n_epochs_decay: int = 0
    """Epochs after those; with the linear policy the learning rate falls to zero in them."""
    lr_policy: schedules.Policy = "constant"
    """How the learning rate changes: plateau lowers it when validation no longer improves."""


def open_split(config: SamplerFlags, split: str) -> Labeled | None:
    """The images of a split; None where there is no such split.

    Raises FileNotFoundError and ValueError for data that cannot be used.
    """
    root = config.dataroot
    if root is None:
        raise ValueError("no training images: give --dataroot FOLDER, or a preset.")
    named = layouts.builtin(root, "embedded", "tfds:")
    if named == "embedded":
        count = min(EMBEDDED_COUNTS[split], config.max_dataset_size or EMBEDDED_COUNTS[split])
        return Shapes(split, count, config.size)
    if named is not None:
        name = named.removeprefix("tfds:")
        return tfds_source.Prepared(name, split, folder=config.tfds_dir, limit=config.max_dataset_size)
    found = labeled.open_folder(Path(root), split, channels=config.output_nc, limit=config.max_dataset_size)
    if found is not None:
        paths = [found.paths(i)[0] for i in range(len(found))] if split == "train" else []
        notes = (*found.notes, *scan.check_headers(found), *seams.notes(found.folders[0], paths))
        found = dataclasses.replace(found, notes=notes)
    return found


def classes(config: SamplerFlags, train: Labeled) -> tuple[str, ...]:
    """The classes that the networks are told; none unless conditional. Raises ValueError where images have none."""
    if config.conditional and not train.classes:
        raise ValueError(
            f"--conditional wants images with labels, and {config.dataroot} has no folder for each class; leave it "
            "out, or sort the images."
        )
    return train.classes if config.conditional else ()


def generator_module(config: Config, known: Sequence[str]) -> Any:
    """The generator's module."""
    return networks.DCGANGenerator(
        config.output_nc, config.size, config.ngf, config.norm, len(known), config.statistics_batch
    )


def critic_module(config: Config, known: Sequence[str], norm: Any) -> Any:
    """The critic's module."""
    return networks.DCGANCritic(config.size, config.ndf, norm, len(known), config.statistics_batch)


def specs(
    config: SamplerFlags, generator: Any, critic: Any, known: tuple[str, ...], *, method: str
) -> dict[str, ModelSpec]:
    """What the files of the generator and the critic say."""
    common: dict[str, Any] = {"method": method, "norm": "running", "dropout": False}
    return {
        "generator": ModelSpec(
            networks.describe(generator),
            config.nz,
            **common,
            latent=config.latent,
            classes=known or None,
        ),
        "critic": ModelSpec(networks.describe(critic), config.output_nc, **common, kind="critic"),
    }


def splits(config: Config) -> tuple[Labeled, SampleEvaluator]:
    """The training images and the evaluator."""
    train, val, test = (open_split(config, split) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    if config.obeys_validation and not (train.classes and val):
        raise ValueError(
            "--lr_policy plateau watches scores, which need validation images with labels; take another policy."
        )
    val_transform = labeled.fitted(config.size, config.output_nc, flip=False)
    evaluator = SampleEvaluator(train, val, test, val_transform, config.folder / "classifier", config.classifier_steps)
    return train, evaluator
