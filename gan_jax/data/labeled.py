"""Labeled images: folders of images, with one folder a class, as sources of single images.

A labeled source gives {"name": str, "image": uint8 [H, W, C], "label": int}, and its `classes` are the labels' names:
none where nothing tells the images apart, and then every label is 0.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from gan_jax.data import image_files, layouts, sources
from gan_jax.data.transforms import Item, Transform

__all__ = ["ClassFolders", "Labeled", "fitted", "in_order", "open_folder"]
__dir__ = __all__.copy


class Labeled(Protocol):
    """A source of labeled images."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> dict[str, Any]: ...


@dataclass(frozen=True, repr=False)
class ClassFolders(sources.SplitFiles):
    """Image files of one split, each in its class's folder, or in none."""

    classes: tuple[str, ...]
    channels: int
    renumbered: bool = False  # whether programs that sorted classes as text, and knew no empty ones, had other labels

    def __repr__(self) -> str:
        kinds = f"{len(self.classes)} classes" if self.classes else "no classes"
        return f"ClassFolders({len(self)} in {self.folders[0]}, {kinds}, {self.channels} channels)"

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {
            "name": self.name(i),
            "image": image_files.read(self.paths(i)[0], self.channels),
            "label": self.labels[i],
        }

    @functools.cached_property
    def labels(self) -> list[int]:
        """Those of all images, known without reading one."""
        known = {name: label for label, name in enumerate(self.classes)}
        return [known.get(_class_of(file), 0) for (file,) in self.files]

    @functools.cached_property
    def fingerprint(self) -> str:
        """That of the files and, where an older program had them otherwise, of the classes: its runs are others."""
        files = super().fingerprint
        return f"{files} {self.classes}" if self.renumbered else files


def open_folder(root: str | Path, split: str, *, channels: int, limit: int | None = None) -> ClassFolders | None:
    """Open train, val or test below `root`: train/CLASS/x.png, or CLASS/x.png with a tenth held out as val and test.

    Classes are train's folders `in_order`, with those that hold no images. Without folders of classes the images
    have no labels. val and test stand in for each other; None if there is neither. `limit` is a number of images,
    spread evenly over the split. Raises FileNotFoundError where there are no images, ValueError for images beside
    the folders of classes, and in classes that training lacks.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; wanted one with a folder of images for each class.")
    dataset, trained = (
        layouts.files_of(part, lambda part: (root / part,), instead=", or in folders train, val and test")
        for part in (split, "train")
    )
    if dataset is None or trained is None:
        return None
    (folders, files), (trained_folders, trained_files) = dataset, trained
    filled = _filled_classes(trained_folders[0], trained_files)
    classes = in_order({*filled, *_folders_in(trained_folders[0])}) if filled else ()
    unknown = [file for (file,) in files if classes and _class_of(file) not in classes]
    if unknown:
        raise ValueError(
            f"{folders[0] / unknown[0]} is in no class that the training images have ({', '.join(classes)}); "
            "move it, or add the class to train."
        )
    notes = [
        f"class {name} (label {label}) has no training images; add some, or remove {trained_folders[0] / name}."
        for label, name in enumerate(classes)
        if name not in filled and split == "train"
    ]
    notes += layouts.left_out(root, folders, [root / name for name in layouts.STAND_INS])
    if limit is not None and limit < len(files):
        files = [files[k * len(files) // limit] for k in range(limit)]  # of all classes, not of the first ones
    return ClassFolders(
        folders,
        files,
        classes,
        channels,
        renumbered=classes != tuple(sorted(filled)),
        notes=tuple(notes),
    )


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names sorted as people count, whatever their case: 1, 2, 10; img2 before Img10."""

    def key(name: str) -> tuple[list[str | int], str]:
        parts = re.split(r"([0-9]+)", name.casefold())
        # Text and numbers take turns, so that like is compared with like; names that differ in case alone are told
        # apart by the name itself.
        return [int(part) if k % 2 else part for k, part in enumerate(parts)], name

    return tuple(sorted(names, key=key))


def _class_of(file: str) -> str:
    parent, slash, _ = file.partition("/")
    return parent if slash else ""


def _folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, and of links to folders; but for hidden ones."""
    return [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _filled_classes(folder: Path, files: list[tuple[str, ...]]) -> set[str]:
    """The classes that images are in."""
    classes = {_class_of(file) for (file,) in files}
    if "" in classes and len(classes) > 1:
        beside = next(file for (file,) in files if not _class_of(file))
        named = ", ".join(in_order(classes - {""})[:3])
        raise ValueError(f"{folder / beside} is beside the folders of classes ({named}); move it into one.")
    return classes - {""}


def fitted(size: int, channels: int, *, flip: bool) -> Transform:
    """The square in an image's middle at `size`, mirrored at random with `flip`, as "image", and its "label"."""

    def transform(item: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        image_u8 = item["image"]
        height, width = image_u8.shape[:2]
        if (height, width) != (size, size) or image_u8.shape[2] != channels:
            side = min(height, width)
            left, top = (width - side) // 2, (height - side) // 2
            image = Image.fromarray(image_u8 if image_u8.shape[2] == 3 else image_u8[..., 0])
            box = (left, top, left + side, top + side)
            image_u8 = image_files.as_array(image.resize((size, size), Image.Resampling.BICUBIC, box=box), channels)
        if flip and rng.random() < 0.5:
            image_u8 = image_u8[:, ::-1]
        return {"image": np.ascontiguousarray(image_u8), "label": np.asarray(item["label"], np.int32)}

    return transform
