"""Data folders: which files of a folder are those of a split, and what of it is not read.

Folders of splits, folders of A and of B, or neither: then a tenth of the images is held out. In place of a folder's
path stands a word for what the program brings by itself.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from gan_jax import errors
from gan_jax.data import finding, rasters, transforms
from gan_jax.data.sources import Images, Pairs

__all__ = [
    "STAND_INS",
    "Layout",
    "files_of",
    "held_out",
    "left_out",
    "open_pairs",
    "open_side",
]
__dir__ = __all__.copy

_SPLIT_FOLDERS = ", or split folders: train, trainA and trainB, or A/train and B/train"
STAND_INS = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")}
Layout = Callable[[str], tuple[Path, ...]]  # a split's name to its folders, "" to those above the splits


def open_pairs(
    root: str | Path,
    split: str,
    *,
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    derive: transforms.Derive | None = None,
    limit: int | None = None,
    source_channels: int | None,
    target_channels: int | None,
    bands: rasters.Bands | None = None,
) -> Pairs | Images | None:
    """Open train, val, test or another split of the folder `root`; its layout shows in its sub-folders' names.

    `trainA` and `trainB`, or `A/train` and `B/train`: files paired by path, extensions apart. `train`: A and B side by
    side in a file or, with `derive`, single images, targets whose sources a transformation makes of them. Without
    any, a tenth is held out as val and test. val and test stand in for each other (see `.folders`), another split for
    none; None if there is none. Of a split's sorted pairs the first `limit` are opened. With `bands` files are read as
    arrays of channels, those that the files have, from folders of A and of B. FileNotFoundError where there
    are no images; ValueError for names without a partner and for settings that cannot be met.
    """
    root, derive = Path(root), transforms.spelled(derive)
    channels = (source_channels, target_channels)
    if bands is None and not set(channels) <= {1, 3}:
        raise ValueError(
            f"images of {source_channels} and {target_channels} channels are asked for; files have 1 (gray) or 3 (RGB)."
        )
    if derive and _layout(root, split)("")[-1] != root:
        raise ValueError(
            f"derive {derive} makes A of single photographs, and {root} has folders of A and of B; leave it out, or "
            "give the folder of one of them."
        )
    if derive and direction == "BtoA":
        raise ValueError(f"direction BtoA does not go with derive {derive}, which makes A from B; use direction AtoB.")
    if bands and len(_layout(root, split)("")) < 2:
        raise ValueError(
            f"{root} has no folders of A and of B, from which --bands reads; give it trainA and trainB, or A and B."
        )
    _require(root, limit)
    at = _single(root) if derive else _layout(root, split)
    extensions = finding.EXTENSIONS if bands is None else finding.RASTERS
    layout = files_of(split, at, instead=_SPLIT_FOLDERS, extensions=extensions)
    if layout is None:
        return None
    folders, files = layout[0], layout[1][:limit]
    places = [folder for name in {*STAND_INS, split} for folder in at(name)]
    notes = left_out(root, folders, places, extensions=extensions)
    if derive:
        return Images(folders, files, "target", target_channels, notes=notes)
    return Pairs(folders, files, direction, *channels, notes=notes, bands=bands)


def open_side(
    root: str | Path,
    split: str,
    side: Literal["A", "B"],
    *,
    key: str,
    channels: int | None,
    limit: int | None = None,
    bands: rasters.Bands | None = None,
) -> Images | None:
    """Open the images of kind A or B, which know no pairs, of train, val, test or another split of the folder `root`.

    They are in `trainA` and `trainB`, or `A/train` and `B/train`; or in `A` and `B`, of which a tenth is then held out
    as val and test. val and test stand in for each other, another split for none; None if there is none. Of the sorted
    images the first `limit` are opened. With `bands` files are read as arrays of channels. FileNotFoundError where
    there are none to train on; ValueError for a limit that leaves none.
    """
    root = Path(root)
    _require(root, limit)
    extensions = finding.EXTENSIONS if bands is None else finding.RASTERS
    layouts: list[Callable[[str, str], Path]] = [
        lambda name, of: root / f"{name}{of}",
        lambda name, of: root / of / name,
    ]
    for at in layouts:
        if name := next((name for name in _stand_ins(split) if at(name, side).is_dir()), None):
            folders = (at(name, side),)
            places = [at(name, of) for name in {*STAND_INS, split} for of in "AB"]
            notes = left_out(root, folders, places, extensions=extensions)
            files = _matched(folders, extensions=extensions)[:limit]
            return Images(folders, files, key, channels, notes=notes, bands=bands)
    undivided = not any((root / side / name).is_dir() for name in STAND_INS)
    if (root / "A").is_dir() and (root / "B").is_dir() and undivided and split in STAND_INS:
        files = held_out(_matched((root / side,), extensions=extensions), split)[:limit]
        notes = left_out(root, (root / side,), [root / "A", root / "B"], extensions=extensions)
        return Images((root / side,), files, key, channels, notes=notes, bands=bands) if files else None
    if split != "train":
        return None
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("*") if path.is_dir())
    raise FileNotFoundError(
        f"no folder {root / f'train{side}'}; found {', '.join(names) or 'no folder'} in {root}, wanted trainA and "
        "trainB, or A/train and B/train, with images of each kind (dataset_mode aligned reads pairs)."
    )


def left_out(
    root: str | Path,
    folders: Sequence[str | Path],
    layout: Sequence[str | Path],
    *,
    extensions: tuple[str, ...] = finding.EXTENSIONS,
) -> tuple[str, ...]:
    """Sentences on what of a data folder is not read, by a run whose images are in some `folders` of its `layout`."""
    root, unreadable = Path(root), tuple(finding.notes(folders, extensions=extensions))
    if root in map(Path, folders):
        return unreadable
    known = {Path(folder).relative_to(root).parts[0] for folder in layout}
    beside = sorted(
        path.name
        for path in root.iterdir()
        if path.name not in known
        and not path.name.startswith(".")
        and (path.is_dir() or path.name.lower().endswith(extensions))
    )
    if not beside:
        return unreadable
    shown = errors.first_of(beside, 3)
    return (*unreadable, f"{root} has folders of splits; what is beside them is not read: {shown}.")


def _require(root: Path, limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, which leaves no images; use at least 1, or none to read all.")
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; wanted one with images in it or in split folders.")


def files_of(
    split: str, at: Layout, *, instead: str, extensions: tuple[str, ...] = finding.EXTENSIONS
) -> tuple[tuple[Path, ...], list[tuple[str, ...]]] | None:
    """The folders and the files of a split under a layout; None where it has none, and none that stands in for it.

    Splits stand in for each other and a tenth is held out as `open_pairs` says, and its errors are raised; `instead`
    ends that for no images at all.
    """
    present = [name for name in {*STAND_INS, split} if any(folder.is_dir() for folder in at(name))]
    if not present and split in STAND_INS:
        folders = at("")
        files = held_out(_matched(folders, instead=instead, extensions=extensions), split)
        return (folders, files) if files else None
    name = next((name for name in _stand_ins(split) if name in present), None)
    if name is None and split != "train":
        return None
    folders = at(name or split)
    return folders, _matched(folders, extensions=extensions)


def _stand_ins(split: str) -> tuple[str, ...]:
    return STAND_INS.get(split, (split,))


def _single(root: Path) -> Layout:
    return lambda split: (root / split,)


def _layout(root: Path, split: str) -> Layout:
    if any((root / f"{name}{side}").is_dir() for name in {*STAND_INS, split} for side in "AB"):
        return lambda split: (root / f"{split}A", root / f"{split}B")
    if (root / "A").is_dir() and (root / "B").is_dir():
        return lambda split: (root / "A" / split, root / "B" / split)
    return _single(root)


def _matched(
    folders: tuple[Path, ...], *, instead: str = "", extensions: tuple[str, ...] = finding.EXTENSIONS
) -> list[tuple[str, ...]]:
    listed = [finding.list_images(folder, instead=instead, extensions=extensions) for folder in folders]
    by_stems = [{finding.stem(file): file for file in files} for files in listed]
    for folder, files, by_stem in zip(folders, listed, by_stems, strict=True):
        twice = [str(folder / file) for file in files if by_stem[finding.stem(file)] != file]
        if twice:
            raise ValueError(f"{twice[0]} differs from another image in its extension only; remove one.")
    if len(listed) == 1:
        return [(file,) for file in listed[0]]
    a, b = by_stems
    alone = [str(folders[0] / a[stem]) for stem in a if stem not in b]
    alone += [str(folders[1] / b[stem]) for stem in b if stem not in a]
    if alone:
        shown = errors.first_of(alone, 3)
        raise ValueError(f"no partner of the same name for {shown}; add the partners, or remove these images.")
    return [(a[stem], b[stem]) for stem in a]


def held_out(files: list[tuple[str, ...]], split: str) -> list[tuple[str, ...]]:
    """Nine tenths of the files for train, the others for val and test; the same ones on every machine."""
    # The order of the names' hashes is a shuffle that every machine and every later run agrees on.
    ranked = sorted(files, key=lambda names: hashlib.sha256(os.fsencode(names[0])).digest())
    train = len(files) - max(len(files) // 10, min(1, len(files) - 1))
    return sorted(ranked[:train] if split == "train" else ranked[train:])
