"""Labelled pictures: folders of pictures, with one folder a class, as sources of single pictures.

A labelled source gives {"name": str, "image": uint8 [H, W, C], "label": int}, and its `classes` are the labels' names:
none where nothing tells the pictures apart, and then every label is 0.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from gan_jax.data import pictures, sources
from gan_jax.data.transforms import Item, Transform


class Labelled(Protocol):
    """A source of labelled pictures."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> dict[str, Any]: ...


@dataclass(frozen=True, repr=False)
class ClassFolders(sources.PictureFiles):
    """Picture files of one split, each in its class's folder, or in none."""

    classes: tuple[str, ...]
    channels: int

    def __repr__(self) -> str:
        kinds = f"{len(self.classes)} classes" if self.classes else "no classes"
        return f"ClassFolders({len(self)} in {self.folders[0]}, {kinds}, {self.channels} channels)"

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {
            "name": self.name(i),
            "image": pictures.read(self.paths(i)[0], self.channels),
            "label": self.classes.index(_class_of(self.files[i][0])) if self.classes else 0,
        }


def open_folder(root: str | Path, split: str, *, channels: int, limit: int | None = None) -> ClassFolders | None:
    """Open train, val or test below `root`: train/CLASS/x.png, or CLASS/x.png with a tenth held out as val and test.

    Without folders of classes the pictures have no labels. val and test stand in for each other; None if there is
    neither. `limit` is a number of pictures, spread evenly over the split. Raises FileNotFoundError where there are
    no pictures, ValueError for pictures beside the folders of classes, and in classes that training lacks.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; wanted one with a folder of pictures for each class.")
    found, trained = (
        sources.files_of(part, lambda part: (root / part,), instead=", or in folders train, val and test")
        for part in (split, "train")
    )
    if found is None or trained is None:
        return None
    folders, files = found
    classes = _classes(*trained)
    unknown = [file for (file,) in files if classes and _class_of(file) not in classes]
    if unknown:
        raise ValueError(
            f"{folders[0] / unknown[0]} is in no class that the training pictures have ({', '.join(classes)}); "
            "move it, or add the class to train."
        )
    if limit is not None and limit < len(files):
        files = [files[k * len(files) // limit] for k in range(limit)]  # of all classes, not of the first ones
    return ClassFolders(folders, files, classes, channels)


def _class_of(file: str) -> str:
    parent, slash, _ = file.partition("/")
    return parent if slash else ""


def _classes(folders: tuple[Path, ...], files: list[tuple[str, ...]]) -> tuple[str, ...]:
    classes = sorted({_class_of(file) for (file,) in files})
    if classes == [""]:
        return ()
    if "" in classes:
        beside = next(file for (file,) in files if not _class_of(file))
        raise ValueError(
            f"{folders[0] / beside} is beside the folders of classes ({', '.join(classes[1:4])}); move it into one."
        )
    return tuple(classes)


def fitted(size: int, channels: int, *, flip: bool) -> Transform:
    """The square in a picture's middle at `size`, mirrored at random with `flip`, as "image", and its "label"."""

    def transform(item: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        image_u8 = item["image"]
        height, width = image_u8.shape[:2]
        if (height, width) != (size, size) or image_u8.shape[2] != channels:
            side = min(height, width)
            left, top = (width - side) // 2, (height - side) // 2
            picture = Image.fromarray(image_u8 if image_u8.shape[2] == 3 else image_u8[..., 0])
            box = (left, top, left + side, top + side)
            image_u8 = pictures.as_array(picture.resize((size, size), Image.Resampling.BICUBIC, box=box), channels)
        if flip and rng.random() < 0.5:
            image_u8 = image_u8[:, ::-1]
        return {"image": np.ascontiguousarray(image_u8), "label": np.asarray(item["label"], np.int32)}

    return transform
