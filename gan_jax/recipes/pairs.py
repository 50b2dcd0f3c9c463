"""The pairs of image-to-image experiments: folders, photographs, or the embedded facades with what scores them."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np

from gan_jax import builtin, image, metrics
from gan_jax.data import layouts, scan, seams, sources, tfds_source, transforms
from gan_jax.data.demo import facade_scores
from gan_jax.data.demo import facades as demo_facades
from gan_jax.data.pipeline import Source
from gan_jax.recipes import bands, flags
from gan_jax.terminal import commandline
from gan_jax.training import translation
from gan_jax.training.config import Settings, require_at_least, require_finite
from gan_jax.values import Values

__all__ = [
    "EMBEDDED_COUNTS",
    "FolderFlags",
    "ImageFlags",
    "baselines",
    "is_embedded",
    "jitter",
    "label_scores",
    "open_split",
    "prepared",
    "reduced",
    "require_dataroot",
    "task",
    "transform_options",
]
__dir__ = __all__.copy

_Files = TypeVar("_Files", bound=sources.Pairs | sources.Images)
EMBEDDED_COUNTS = {"train": 400, "val": 32, "test": 64}
_ARCHIVES = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
_ARCHIVED = ("facades", "maps", "edges2shoes", "edges2handbags", "night2day")


@dataclasses.dataclass(frozen=True)
class FolderFlags(Settings):
    """The flags of which images there are, and of what is done to them before the networks."""

    dataroot: commandline.Place | None = None
    """Folder of training images, or of what gan-jax data prepare made of them; tfds:NAME for a data set that TensorFlow
    Datasets prepared, or builtin:embedded for the set that the program draws itself."""
    max_dataset_size: int | None = None
    """Use only so many images of each split."""
    tfds_dir: Path | None = None
    """Where TensorFlow Datasets are, ~/tensorflow_datasets unless given."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which side of a pair is the input."""
    derive: transforms.Derive | None = None
    """Make the input from the photograph: dataroot then holds photographs alone. lab: the input is the lightness, to
    which the generator adds the colors a and b of Lab, so that the light stays as it is."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """Resize to load_size (or scale to that width) and crop, only one of both, or neither."""
    load_size: flags.SizeFlag = 286
    """Side that images are resized to before the crop, or the width that they are scaled to."""
    crop_size: flags.SizeFlag = 256
    """Side of the training images."""
    reducing_gap: float | None = None
    """Decode a JPEG to train on at half, a quarter or an eighth of its sides where these are at least so many times
    load_size, as Pillow's reducing_gap: quicker, and not the same to the level. 2 or 3; whole images unless given."""
    no_flip: bool = False
    """Do not mirror training images at random."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "derive", transforms.spelled(self.derive))

    @property
    def colors(self) -> Literal["lab"] | None:
        """What the generator makes where it is no image of its own, as `ModelSpec.colors` has it."""
        return "lab" if self.derive == "lab" else None

    @property
    def cut_size(self) -> transforms.Size | None:
        """That of training images; None where they keep sizes of their own and are padded to what the network takes."""
        return self.crop_size if self.preprocess not in ("scale_width", "none") else None

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise: a fingerprint tells other images."""
        return super().free_to_change(begun) | {"dataroot", "max_dataset_size", "tfds_dir"}

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "max_dataset_size", 1)
        for name in ("load_size", "crop_size"):
            if min(transforms.height_width(getattr(self, name))) < 1:
                raise ValueError(f"--{name} is {transforms.shown(getattr(self, name))}; wanted at least 1.")
        require_at_least(self, "reducing_gap", 1)
        if self.reducing_gap is not None:
            require_finite(self, "reducing_gap")
            if self.preprocess != "resize_and_crop":
                raise ValueError(
                    "--reducing_gap is of images that are resized to load_size; leave it out with --preprocess "
                    f"{self.preprocess}."
                )

    def check_mode(self, dataset_mode: str | None) -> None:
        """Raises ValueError for a --dataset_mode of pairs and of single photographs that --derive contradicts."""
        if dataset_mode == "aligned" and self.derive:
            raise ValueError(
                f"--dataset_mode aligned reads pairs, and --derive {self.derive} makes the input of single "
                "photographs; leave out one of them."
            )
        if dataset_mode == "single" and not self.derive:
            raise ValueError(
                f"--dataset_mode single wants --derive {' or '.join(transforms.DERIVE)}, which makes the inputs; "
                "single images are translated by gan-jax translate RUN INPUT OUTPUT."
            )


@dataclasses.dataclass(frozen=True)
class ImageFlags(FolderFlags, bands.BandFlags):
    """The flags of the images of image-to-image experiments: its groups, and what they say together."""

    @property
    def input_channels(self) -> int:
        """Channels of the generator's input."""
        return self.input_nc or transforms.derived_channels(self.derive)

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        if self.bands and self.derive:
            raise ValueError(f"--derive {self.derive} makes the input of 8-bit photographs; leave out --bands.")
        if self.bands and self.reducing_gap is not None:
            raise ValueError("--reducing_gap is of 8-bit images; leave it out with --bands.")
        if self.colors and (self.input_channels, self.output_channels) != (1, 3):
            raise ValueError("--derive lab makes color of one channel of light; leave out --input_nc and --output_nc.")


def require_dataroot(config: ImageFlags, presets: Iterable[str]) -> None:
    """Raises ValueError where no images are said."""
    if config.dataroot is None:
        raise ValueError(f"no training images: give --dataroot FOLDER, or a preset ({', '.join(presets)}).")
    if config.reducing_gap is not None and (is_embedded(config) or prepared(config)):
        raise ValueError(f"--reducing_gap is of image files, which {config.dataroot} has none of; leave it out.")


def is_embedded(config: ImageFlags) -> bool:
    """Whether the images are those that the program draws. Raises ValueError for an ambiguous --dataroot."""
    assert config.dataroot is not None
    return builtin.word(config.dataroot, "embedded", "tfds:") == "embedded"


def prepared(config: ImageFlags) -> str | None:
    """The data set of TFDS, by name or folder, that the images are; None where they are none.

    Raises FileNotFoundError and ValueError for one that is not there, or not finished.
    """
    return tfds_source.find(str(config.dataroot), config.tfds_dir)


def open_split(config: ImageFlags, split: str, *, guessed: bool = False) -> Source | None:
    """The pairs of a split, every header read; None where there is no such split.

    With `guessed` it was not said whether training images are pairs side by side or single photographs: they must
    look as --derive, or its absence, has it. Raises FileNotFoundError and ValueError for data that cannot be used.
    """
    if is_embedded(config):
        if config.bands:
            raise ValueError("the embedded facades are drawn in 8 bits; leave out --bands, or give --dataroot.")
        if config.derive or (config.input_channels, config.output_channels) != (3, 3):
            raise ValueError("the embedded facades are pairs in RGB: leave out --derive, --input_nc and --output_nc.")
        if config.preprocess not in ("resize_and_crop", "crop"):
            raise ValueError(
                f"the embedded facades are drawn at the size that is wanted; --preprocess {config.preprocess} is for "
                "images of your own: leave it out."
            )
        size = config.load_size if split == "train" else config.crop_size
        count = min(EMBEDDED_COUNTS[split], config.max_dataset_size or EMBEDDED_COUNTS[split])
        facades = demo_facades.Facades(split, count, size)
        return facades if config.direction == "AtoB" else sources.SwappedPairs(facades)
    # Below the crop an image cannot be cut, below 11 pixels SSIM is not defined.
    smallest = config.crop_size if config.preprocess == "crop" and split != "test" else 11
    if name := prepared(config):
        return tfds_source.open_pairs(
            name,
            split,
            direction=config.direction,
            derive=config.derive,
            source_channels=config.input_channels,
            target_channels=config.output_channels,
            smallest=smallest,
            folder=config.tfds_dir,
            limit=config.max_dataset_size,
            bands=config.bands,
        )
    root = Path(str(config.dataroot))
    if root.name in _ARCHIVED and not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; unpack {_ARCHIVES}/{root.name}.tar.gz there, or give --dataroot.")
    pairs = layouts.open_pairs(
        root,
        split,
        direction=config.direction,
        derive=config.derive,
        limit=config.max_dataset_size,
        source_channels=config.input_channels,
        target_channels=config.output_channels,
        bands=config.bands,
    )
    if guessed and split == "train" and pairs is not None and len(pairs.folders) == 1:
        _require_likeness(pairs, config.derive)
    if pairs is not None:
        notes = (*pairs.notes, *scan.check_headers(pairs, smallest=smallest))
        if split == "train":
            notes += tuple(bands.notes(config, pairs))
            pairs = reduced(config, pairs)
        pairs = dataclasses.replace(pairs, notes=notes)
    return pairs


def reduced(config: ImageFlags, train: _Files) -> _Files:
    """Training images of files, decoded as --reducing_gap says. Raises ValueError for A and B in one file."""
    if config.reducing_gap is None:
        return train
    if isinstance(train, sources.Pairs) and len(train.folders) == 1:
        raise ValueError(
            "--reducing_gap is of images in files of their own, not of A and B side by side; leave it out."
        )
    size = transforms.height_width(config.load_size)
    return dataclasses.replace(train, reduced=sources.Reduced(size, config.reducing_gap))


def _require_likeness(opened: sources.SplitFiles, derive: str | None) -> None:
    """Raises ValueError for single photographs that would be cut in halves, and for pairs that would be one image."""
    alike = seams.look_like_pairs(seams.sample([opened.paths(i)[0] for i in range(len(opened))]))
    if alike is False and derive is None:
        raise ValueError(
            f"the images of {opened.folders[0]} look like single photographs, not like A and B side by side; give "
            f"--derive {' or '.join(transforms.DERIVE)} to make their inputs of them, or --dataset_mode aligned if "
            "they are pairs all the same."
        )
    if alike and derive is not None:
        raise ValueError(
            f"the images of {opened.folders[0]} look like A and B side by side, and --derive {derive} makes the "
            "input of single photographs; leave it out, or give --dataset_mode single if they are photographs all the "
            "same."
        )


def transform_options(config: ImageFlags) -> dict[str, Any]:
    """What all transformations of the pairs are told: the sizes, and what makes sources of targets."""
    derive = transforms.deriver(config.derive, config.input_channels)
    return {"load_size": config.load_size, "crop_size": config.crop_size, "derive": derive}


def jitter(
    config: ImageFlags, multiple: int, values: Mapping[str, Values] = MappingProxyType({})
) -> transforms.Transform:
    """What is done to training images, whose sides become multiples of `multiple`; `values` are those of arrays."""
    options = transform_options(config) | {"flip": not config.no_flip, "multiple": multiple}
    jittered = transforms.jitter(config.preprocess, **options)
    return transforms.normalized(jittered, values) if values else jittered


def task(
    config: ImageFlags,
    train: Source,
    val: Source | None,
    test: Source | None,
    arrays: Mapping[str, translation.Arrays] = MappingProxyType({}),
) -> translation.Task:
    """What the generator translates, what scores it and whom it competes with."""
    options = transform_options(config)
    labels = label_scores(config, train)
    return translation.Task(
        val=val,
        test=test,
        val_transform=transforms.center(config.preprocess, **options),
        test_transform=transforms.whole(config.preprocess, **options),
        score=functools.partial(translation.score, label_scores=labels, arrays=arrays.get("target")),
        baselines=baselines(config, train),
        scores_truth=labels is not None,
        seen=arrays.get("source"),
        made=arrays.get("target"),
    )


def baselines(config: ImageFlags, train: Source) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What the generator must beat, where there is something."""
    if config.derive:
        name = "gray" if config.colors else config.derive
        unchanged = {f"{name} input": lambda source: _with_channels(source, config.output_channels)}
        return unchanged | ({"mean color": _with_mean_color(train)} if config.colors else {})
    if not _is_drawn(train) or config.direction == "BtoA":
        return {}
    lookup = functools.cache(lambda: facade_scores.mean_color_lookup(train[i] for i in range(len(train))))
    return {"mean color of each class": lambda source: facade_scores.paint(source, lookup())}


def _with_mean_color(train: Source) -> Callable[[np.ndarray], np.ndarray]:
    """What gives a gray image the mean a and b of training photographs, of the first hundred."""

    @functools.cache
    def mean() -> np.ndarray:
        photographs = (image.to_float(train[i]["target"]) for i in range(min(len(train), 100)))
        return np.mean([np.mean(image.opponents(photograph), axis=(0, 1)) for photograph in photographs], axis=0)

    def painted(source_u8: np.ndarray) -> np.ndarray:
        light = image.lightness(image.to_float(source_u8))
        return np.asarray(image.to_uint8(image.colored(light, np.broadcast_to(mean(), (*light.shape[:-1], 2)))))

    return painted


def _is_drawn(train: Source) -> bool:
    """Whether these are the embedded facades, in either direction."""
    return isinstance(getattr(train, "pairs", train), demo_facades.Facades)


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[-1] == channels:
        return image
    return np.repeat(image[..., :1], channels, axis=-1) if channels == 3 else transforms.gray(image)


def label_scores(config: ImageFlags, train: Source) -> translation.LabelScores | None:
    """Classes read back from painted photos, or from painted label maps, against the true label maps."""
    if not _is_drawn(train):
        return None

    def scores(outputs: np.ndarray, targets: np.ndarray, sources: np.ndarray) -> dict[str, float]:
        to_photos = config.direction == "AtoB"
        labels = (facade_scores.decode_labels if to_photos else facade_scores.colors_to_labels)(outputs)
        true_labels = facade_scores.colors_to_labels(sources if to_photos else targets)
        return {
            k: float(v) for k, v in metrics.label_map_scores(labels, true_labels, len(demo_facades.CLASSES)).items()
        }

    return scores
