"""Data sets of TensorFlow Datasets as array_record, those that `data.prepare` writes among them, without TensorFlow.

Each function opens a split of one, as those of folders do (`layouts`, `labeled`, `super_resolution`). A `name` is that
of a data set below `folder`, ~/tensorflow_datasets unless given, or the path of one. FileNotFoundError where it is not
there, ValueError where its records lack what is wanted. Of val and test one stands in for the other, and where there
is neither, a twentieth of train does.
"""

import functools
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from gan_jax.data import image_files, rasters, transforms
from gan_jax.data.transforms import Size

__all__ = [
    "HOME",
    "INFO",
    "MANIFEST",
    "UNFINISHED",
    "Records",
    "find",
    "has",
    "open_labeled",
    "open_pairs",
    "open_resolutions",
    "open_side",
]
__dir__ = __all__.copy

HOME = Path("~/tensorflow_datasets")
INFO, MANIFEST, UNFINISHED = "dataset_info.json", "manifest.json", ".unfinished"
_WORD = "tfds:"
_BUILTIN = "builtin:"
_PARTS = {"train": ("train",), "val": ("validation", "val", "test"), "test": ("test", "validation", "val")}
# Of data sets of others, whose train has validation images in it where there are none beside it. TFDS's slices are by
# percent.
_SLICES = {
    "train": {"validation": "train", "": "train[:95%]"},
    "val": {"validation": "validation", "": "train[95%:]"},
    "test": {"test": "test", "validation": "validation", "": "train[95%:]"},
}


class Records:
    """Records of one part of a data set, as a source: {"name", and uint8 [H, W, C] for each of `keys`, "label"}."""

    def __init__(
        self,
        data_set: "_DataSet",
        split: str,
        part: str,
        keys: Mapping[str, tuple[str, int | None]],
        *,
        labeled: bool = False,
        limit: int | None = None,
        bands: rasters.Bands | None = None,
    ) -> None:
        """`keys` are the names of a source's images, with the record's name of each and its channels.

        With `bands` they are arrays of the channels and the dtype that they were prepared with.
        """
        self.bands = bands
        self._data_set, self._split, self._part = data_set, split, part
        self._keys, self._labeled = dict(keys), labeled
        self._records = data_set.records(part)
        self._length = len(self._records)
        self._count = min(self._length, limit or self._length)
        self.classes = data_set.classes if labeled else ()

    def __len__(self) -> int:
        return self._count

    @property
    def kinds(self) -> dict[str, rasters.Kind]:
        """What the images are, of arrays of channels."""
        features = {key: self._data_set.features[name] for key, (name, _) in self._keys.items()}
        return {key: rasters.Kind(np.dtype(of.np_dtype).name, of.shape[-1]) for key, of in features.items()}

    def __repr__(self) -> str:
        kinds = ", ".join(f"{key} {name}" for key, (name, _) in self._keys.items())
        return f"Records({self._data_set.name}, {self._part}, {self._count}, {kinds})"

    @property
    def fingerprint(self) -> str:
        """That of the prepared files where the data set says it; else what it is called."""
        digest = self._data_set.manifest.get("splits", {}).get(self._part, {}).get("digest")
        return f"{digest} {self._count} {sorted(self._keys.items())}" if digest else repr(self)

    def __getitem__(self, i: int) -> dict[str, Any]:
        # Labels are sorted, and of few images there shall be some of each.
        place = int(i) * self._length // self._count if self._labeled else int(i)
        try:
            record = self._records[place]
        except Exception as error:  # of a damaged or missing file the reader raises nearly anything
            raise ValueError(
                f"record {place} of {self._part} in {self._data_set.path} cannot be read; prepare the data set again, "
                "or bring its files anew."
            ) from error
        # Only of data sets of ours it is known to be the file's.
        known = self._data_set.manifest and record.get("name")
        item: dict[str, Any] = {"name": os.fsdecode(known) if known else f"{self._split}_{place:05d}"}
        for key, (feature, channels) in self._keys.items():
            item[key] = self._image(record[feature], channels, item["name"])
        return item | ({"label": int(record["label"]) if self.classes else 0} if self._labeled else {})

    def _image(self, value: Any, channels: int | None, name: str) -> np.ndarray:
        if self.bands is not None:
            return np.asarray(value)
        if isinstance(value, np.ndarray) and value.dtype == np.uint8:
            image = value
        else:
            try:
                with Image.open(io.BytesIO(bytes(value))) as file:
                    decoded = image_files.decoded(file)
            except Exception as error:
                raise ValueError(f"{name} in {self._data_set.path} is damaged; prepare the data set again.") from error
            image = image_files.as_array(decoded, 1 if decoded.mode == "L" else 3)
        if image.shape[2] not in (1, 3):
            raise ValueError(
                f"{name} in {self._data_set.path} has {image.shape[2]} channels; wanted 1 (gray) or 3 (RGB)."
            )
        return image if channels is None else image_files.in_channels(image, channels)


class _DataSet:
    """A data set on the disk, opened; its records are read by several threads."""

    def __init__(self, name: str | Path, folder: str | Path | None) -> None:
        import tensorflow_datasets as tfds  # half a second, for those who use it

        self.name, self.path = str(name), _prepared(name, folder)
        self._builder = tfds.builder_from_directory(self.path)
        self.features = self._builder.info.features
        self.parts = self._builder.info.splits
        self.manifest: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            self.manifest = json.loads((self.path / MANIFEST).read_text())

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its labels; none where it has no labels, or plain numbers."""
        return tuple(getattr(dict(self.features.items()).get("label"), "names", None) or ())

    def records(self, part: str) -> Any:
        """The records of a part; images in them are still encoded."""
        import tensorflow_datasets as tfds

        skipped = {
            name: tfds.decode.SkipDecoding()
            for name, feature in self.features.items()
            if isinstance(feature, tfds.features.Image) and feature.np_dtype == np.uint8
        }
        return self._builder.as_data_source(split=part, decoders=skipped or None)

    def require(self, *wanted: str, words: str, bands: rasters.Bands | None = None) -> None:
        """Raises ValueError where the records have none of those images; `words` say which data sets have.

        And for images that were prepared as arrays of channels otherwise than `bands` says.
        """
        missing = [name for name in wanted if name not in self.features]
        if missing:
            raise ValueError(
                f"the data set {self.name} has no {' and no '.join(missing)}, but {', '.join(sorted(self.features))}; "
                f"wanted {words}."
            )
        if (prepared := self.manifest.get("settings", {}).get("bands")) != bands:
            how = f"with --bands {prepared}" if prepared else "without --bands"
            raise ValueError(f"the data set {self.name} was prepared {how}; train on it likewise.")
        for name in wanted if bands is None else ():
            if name != "label" and self.features[name].np_dtype not in (np.dtype(np.uint8), np.dtype(object)):
                raise ValueError(
                    f"{name} of the data set {self.name} is {self.features[name].np_dtype}; wanted images of 8 bits."
                )

    def part(self, split: str, side: str = "") -> str | None:
        """Which part of which of its splits is train, val or test; None where there is none."""
        if self.manifest or side:
            return next((f"{name}{side}" for name in _PARTS[split] if f"{name}{side}" in self.parts), None)
        if "train" not in self.parts:
            raise ValueError(f"the data set {self.name} has no split train, but {', '.join(self.parts)}.")
        return next(part for known, part in _SLICES[split].items() if known in self.parts or not known)

    def require_size(self, part: str, smallest: Size) -> None:
        """Raises ValueError where prepared images are smaller than `smallest`."""
        least = transforms.height_width(smallest)
        known = self.manifest.get("splits", {}).get(part, {}).get("smallest")
        if known and (known[0] < least[0] or known[1] < least[1]):
            raise ValueError(
                f"{part} of {self.path} has an image {known[1]} wide or {known[0]} high; wanted at least "
                f"{transforms.shown(smallest)}: prepare larger ones, or take a smaller size."
            )


@functools.lru_cache(maxsize=8)
def _open(name: str | Path, folder: str | Path | None, stamp: int) -> _DataSet:
    del stamp  # of the file that changes when the data set does
    return _DataSet(name, folder)


def _opened(name: str | Path, folder: str | Path | None) -> _DataSet:
    return _open(name, folder, (_prepared(name, folder) / INFO).stat().st_mtime_ns)


def find(dataroot: str, folder: str | Path | None = None) -> str | None:
    """The name or the folder of the data set that a dataroot means; None where it is another folder or word.

    Raises FileNotFoundError where it means one that is not there, ValueError for one that is not finished.
    """
    name = dataroot.removeprefix(_BUILTIN)
    if name.startswith(_WORD):
        name = name.removeprefix(_WORD)
        _prepared(name, folder)
        return name
    if Path(dataroot, UNFINISHED).is_dir():
        raise ValueError(
            f"{dataroot} is a data set that is not finished; give the command again that prepares it, which goes on."
        )
    return dataroot if Path(dataroot, INFO).is_file() else None


def has(dataroot: str, *features: str, folder: str | Path | None = None) -> bool:
    """Whether a dataroot means a data set that is there, and whose records have all of those."""
    try:
        name = find(dataroot, folder)
        if name is None:
            return False
        known = json.loads((_prepared(name, folder) / "features.json").read_text())
        return set(features) <= set(known["featuresDict"]["features"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_labeled(
    name: str | Path,
    split: str,
    *,
    channels: int | None = None,
    folder: str | Path | None = None,
    limit: int | None = None,
) -> Records | None:
    """Labeled images, as of mnist or cifar10; without labels where the records have none. `limit` takes some of all."""
    data_set = _opened(name, folder)
    data_set.require("image", words="images: mnist, fashion_mnist, cifar10, celeb_a")
    part = data_set.part(split)
    keys = {"image": ("image", channels)}
    return None if part is None else Records(data_set, split, part, keys, labeled=True, limit=limit)


def open_resolutions(
    name: str | Path,
    split: str,
    *,
    channels: int | None = None,
    smallest: Size = 1,
    folder: str | Path | None = None,
    limit: int | None = None,
) -> Records | None:
    """Images of high resolution ("target"), any photographs, and of low ("source") as of div2k/bicubic_x4."""
    data_set = _opened(name, folder)
    high = "hr" if "hr" in data_set.features else "image"
    data_set.require(high, words="photographs: div2k/bicubic_x2, div2k/bicubic_x4, celeb_a")
    part = data_set.part(split)
    if part is None:
        return None
    data_set.require_size(part, smallest)
    keys = {"target": (high, channels)}
    if high == "hr" and "lr" in data_set.features:
        keys["source"] = ("lr", channels)
    return Records(data_set, split, part, keys, limit=limit)


def open_pairs(
    name: str | Path,
    split: str,
    *,
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    derive: transforms.Derive | None = None,
    source_channels: int | None,
    target_channels: int | None,
    smallest: Size = 1,
    folder: str | Path | None = None,
    limit: int | None = None,
    bands: rasters.Bands | None = None,
) -> Records | None:
    """Pairs; with `derive` single images, targets of which a transformation makes the sources."""
    data_set = _opened(name, folder)
    if derive:
        if "A" in data_set.features:
            raise ValueError(f"the data set {data_set.name} has pairs; --derive {derive} makes them: leave it out.")
        words = "single images: tf_flowers, celeb_a, or photographs that were prepared"
        data_set.require("image", words=words, bands=bands)
        keys: dict[str, tuple[str, int | None]] = {"target": ("image", target_channels)}
    else:
        if "image" in data_set.features:
            raise ValueError(
                f"the data set {data_set.name} has single images; give --derive "
                f"{' or '.join(transforms.DERIVE)} to make their inputs of them."
            )
        data_set.require("A", "B", words="pairs, as gan-jax data prepare writes them", bands=bands)
        source, target = ("A", "B") if direction == "AtoB" else ("B", "A")
        keys = {"source": (source, source_channels), "target": (target, target_channels)}
    part = data_set.part(split)
    if part is None:
        return None
    data_set.require_size(part, smallest)
    return Records(data_set, split, part, keys, limit=limit, bands=bands)


def open_side(
    name: str | Path,
    split: str,
    side: Literal["A", "B"],
    *,
    key: str,
    channels: int | None,
    smallest: Size = 1,
    folder: str | Path | None = None,
    limit: int | None = None,
    bands: rasters.Bands | None = None,
) -> Records | None:
    """The images of kind A or B under the name `key`, of splits trainA, trainB, as cycle_gan/horse2zebra has them."""
    data_set = _opened(name, folder)
    if f"train{side}" not in data_set.parts:
        raise ValueError(
            f"the data set {data_set.name} has no split train{side}, but {', '.join(data_set.parts)}; wanted images of "
            "two kinds, as cycle_gan/horse2zebra has them (dataset_mode aligned reads pairs)."
        )
    data_set.require("image", words="images of two kinds: cycle_gan/horse2zebra", bands=bands)
    part = data_set.part(split, side)
    if part is None:
        return None
    data_set.require_size(part, smallest)
    return Records(data_set, split, part, {key: ("image", channels)}, limit=limit, bands=bands)


def _prepared(name: str | Path, folder: str | Path | None) -> Path:
    """The folder of the newest version that is there."""
    if Path(name, INFO).is_file():
        return Path(name)
    folder = Path(folder or HOME).expanduser()
    folders = [path.parent for path in (folder / name).glob(f"*/{INFO}")]
    if not folders:
        raise FileNotFoundError(
            f"the data set {name} is not prepared in {folder}; where there is internet, prepare it with "
            f"`pip install tensorflow tensorflow-datasets` and `tfds build {name} --file_format=array_record "
            f"--data_dir={folder}`, and bring {folder / name} here."
        )
    return max(folders, key=lambda path: [int(part) for part in path.name.split(".")])
