"""The images and the networks of experiments that make images from latents, and their flags."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gan_jax import builtin, networks, schedules
from gan_jax.data import labeled, scan, seams, tfds_source
from gan_jax.data.demo.shapes import Shapes
from gan_jax.data.labeled import Labeled
from gan_jax.losses import AdversarialLoss
from gan_jax.method import Method
from gan_jax.model import ModelSpec
from gan_jax.networks import layers
from gan_jax.recipes import flags
from gan_jax.terminal import commandline
from gan_jax.training.config import RunConfig, Settings, require_at_least
from gan_jax.training.experiment import Experiment
from gan_jax.training.samples import SampleEvaluator

__all__ = [
    "EMBEDDED_COUNTS",
    "Config",
    "Parts",
    "SamplerFlags",
    "experiment",
    "open_parts",
    "open_split",
]
__dir__ = __all__.copy

EMBEDDED_COUNTS = {"train": 4000, "val": 500, "test": 500}


@dataclasses.dataclass(frozen=True)
class SamplerFlags(Settings):
    """The flags of a generator from latents to images and of its critic: which images, and which networks."""

    dataroot: commandline.Place | None = None
    """Folder of training images, one folder a class if they have classes, or of what gan-jax data prepare made of
    them; "tfds:mnist" for a data set that TensorFlow Datasets prepared; or builtin:embedded for the shapes that the
    program draws itself."""
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
    named = builtin.word(root, "embedded", "tfds:")
    if named == "embedded":
        count = min(EMBEDDED_COUNTS[split], config.max_dataset_size or EMBEDDED_COUNTS[split])
        return Shapes(split, count, config.size)
    if name := tfds_source.find(root, config.tfds_dir):
        channels, limit = config.output_nc, config.max_dataset_size
        return tfds_source.open_labeled(name, split, channels=channels, folder=config.tfds_dir, limit=limit)
    dataset = labeled.open_folder(Path(root), split, channels=config.output_nc, limit=config.max_dataset_size)
    if dataset is not None:
        paths = [dataset.paths(i)[0] for i in range(len(dataset))] if split == "train" else []
        notes = (*dataset.notes, *scan.check_headers(dataset), *seams.notes(dataset.folders[0], paths))
        dataset = dataclasses.replace(dataset, notes=notes)
    return dataset


def _classes(config: SamplerFlags, train: Labeled) -> tuple[str, ...]:
    """The classes that the networks are told; none unless conditional. Raises ValueError where images have none."""
    if config.conditional and not train.classes:
        raise ValueError(
            f"--conditional wants images with labels, and {config.dataroot} has no folder for each class; leave it "
            "out, or sort the images."
        )
    return train.classes if config.conditional else ()


class Parts(NamedTuple):
    """What these experiments have before they have a method: images, what scores samples, and both modules."""

    train: Labeled
    evaluator: SampleEvaluator
    classes: tuple[str, ...]  # that the networks are told
    generator: networks.DCGANGenerator
    critic: networks.DCGANCritic


def open_parts(config: Config, critic_norm: layers.NormName) -> Parts:
    """The parts that a configuration means. Raises as `open_split` does, and for classes that the images lack."""
    train, val, test = (open_split(config, split) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    if config.obeys_validation and not (train.classes and val):
        raise ValueError(
            "--lr_policy plateau watches scores, which need validation images with labels; take another policy."
        )
    val_transform = labeled.fitted(config.size, config.output_nc, flip=False)
    evaluator = SampleEvaluator(train, val, test, val_transform, config.folder / "classifier", config.classifier_steps)
    classes = _classes(config, train)
    generator = networks.DCGANGenerator(
        config.output_nc, config.size, config.ngf, config.norm, len(classes), config.statistics_batch
    )
    critic = networks.DCGANCritic(config.size, config.ndf, critic_norm, len(classes), config.statistics_batch)
    return Parts(train, evaluator, classes, generator, critic)


def experiment(
    config: Config,
    parts: Parts,
    name: str,
    method: Method,
    *,
    needs_whole_batch: Sequence[str] = (),
    game: AdversarialLoss | None = None,
) -> Experiment:
    """The experiment of a method, called `name`, that trains the parts' modules."""
    described = {"generator": networks.describe(parts.generator), "critic": networks.describe(parts.critic)}
    common: dict[str, Any] = {"method": name, "norm": "running", "dropout": False}
    of_generator: dict[str, Any] = {"latent": config.latent, "classes": parts.classes or None}
    return Experiment(
        method_name=name,
        method=method,
        networks=described,
        specs={
            "generator": ModelSpec(described["generator"], config.nz, **common, **of_generator),
            "critic": ModelSpec(described["critic"], config.output_nc, **common, kind="critic"),
        },
        train=parts.train,
        train_transform=labeled.fitted(config.size, config.output_nc, flip=config.flip),
        evaluator=parts.evaluator,
        needs_whole_batch=needs_whole_batch,
        game=game,
        ema_decay=config.ema_decay,
    )
