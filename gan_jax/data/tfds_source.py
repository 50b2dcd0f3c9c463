"""Data sets that TensorFlow Datasets prepared as array_record, read without TensorFlow."""

from pathlib import Path
from typing import Any

__all__ = ["HOME", "Prepared", "PreparedPairs"]
__dir__ = __all__.copy

HOME = Path("~/tensorflow_datasets")
# Which part of which split, the first that there is. tfds's slices are by percent.
_SPLITS = {
    "train": {"validation": "train", "": "train[:95%]"},
    "val": {"validation": "validation", "": "train[95%:]"},
    "test": {"test": "test", "validation": "validation", "": "train[95%:]"},
}


class Prepared:
    """The labeled images of a split of a data set such as mnist or cifar10; see `labeled`."""

    def __init__(self, name: str, split: str, *, folder: str | Path | None = None, limit: int | None = None) -> None:
        """Opens train, val or test; a twentieth of train is val where there is no validation split.

        `folder` is where data sets are, ~/tensorflow_datasets unless given. Raises FileNotFoundError where it is not
        prepared there, ValueError where it has no images with labels.
        """
        self._name, self._split = name, split
        info, self._part, self._records = _opened(
            name, split, folder, ("image", "label"), "labeled images: mnist, fashion_mnist, cifar10"
        )
        self._count = min(len(self._records), limit or len(self._records))
        self.classes = tuple(info.features["label"].names)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Prepared({self._name}, {self._part}, {self._count})"

    def __getitem__(self, i: int) -> dict[str, Any]:
        record = self._records[int(i)]
        return {"name": f"{self._split}_{i:05d}", "image": record["image"], "label": int(record["label"])}


class PreparedPairs:
    """The images of high and of low resolution of a split of a data set such as div2k/bicubic_x4.

    They are what `super_resolution.open_split` gives of folders. Raises what `Prepared` raises.
    """

    def __init__(self, name: str, split: str, *, folder: str | Path | None = None, limit: int | None = None) -> None:
        self._name, self._split = name, split
        expected = "low and high resolution: div2k/bicubic_x2, div2k/bicubic_x4"
        _, self._part, self._records = _opened(name, split, folder, ("hr", "lr"), expected)
        self._count = min(len(self._records), limit or len(self._records))

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"PreparedPairs({self._name}, {self._part}, {self._count})"

    def __getitem__(self, i: int) -> dict[str, Any]:
        record = self._records[int(i)]
        return {"name": f"{self._split}_{i:05d}", "target": record["hr"], "source": record["lr"]}


def _opened(
    name: str, split: str, folder: str | Path | None, features: tuple[str, ...], expected: str
) -> tuple[Any, str, Any]:
    """What is known of a data set, the part of it that a split is, and that part's records."""
    import tensorflow_datasets as tfds  # half a second, for those who use it

    builder = tfds.builder_from_directory(_prepared(name, Path(folder or HOME).expanduser()))
    missing = [key for key in features if key not in builder.info.features]
    if missing:
        raise ValueError(f"the data set {name} has no {' and no '.join(missing)}; take one of {expected}.")
    present = builder.info.splits
    part = next(part for known, part in _SPLITS[split].items() if known in present or not known)
    return builder.info, part, builder.as_data_source(split=part)


def _prepared(name: str, folder: Path) -> Path:
    """The folder of the newest version that is there."""
    folders = [path.parent for path in (folder / name).glob("*/dataset_info.json")]
    if not folders:
        raise FileNotFoundError(
            f"the data set {name} is not prepared in {folder}; where there is internet, prepare it with "
            f"`pip install tensorflow tensorflow-datasets` and `tfds build {name} --file_format=array_record "
            f"--data_dir={folder}`, and bring {folder / name} here."
        )
    return max(folders, key=lambda path: [int(part) for part in path.name.split(".")])
