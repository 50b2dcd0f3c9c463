"""Images of super-resolution: photographs of high resolution alone, or with the same scenes in low resolution.

Elements are {"name": str, "target": uint8 [H, W, C]} and, where low resolution is given, "source" [H / scale, ...].
"""

import bisect
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.data import finding, image_files
from gan_jax.data.demo import skimage_photos
from gan_jax.data.layouts import STAND_INS, held_out, left_out
from gan_jax.data.sources import SplitFiles, fingerprint
from gan_jax.data.transforms import Item, Size, Transform, height_width

__all__ = [
    "BicubicUpsampled",
    "HighResImages",
    "Shrink",
    "SkimagePhotos",
    "SubImages",
    "crop",
    "edges_of_tiles",
    "mod_cropped",
    "open_split",
    "shrink_files",
    "whole",
]
__dir__ = __all__.copy

Shrink = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, C] -> [H / scale, W / scale, C]

# DIV2K as it is unpacked: the split of ours -> its folders of high and of low resolution.
_DIV2K = {"train": "DIV2K_train", "val": "DIV2K_valid"}


@dataclass(frozen=True, repr=False)
class HighResImages(SplitFiles):
    """Photographs of one folder, and beside each its low resolution where there is a second folder."""

    channels: int
    scale: int

    def __repr__(self) -> str:
        where = " and ".join(map(str, self.folders))
        return f"HighResImages({len(self)} in {where}, {self.channels} channels)"

    def __getitem__(self, i: int) -> dict[str, Any]:
        read = (image_files.read(path, self.channels) for path in self.paths(i))
        return {"name": self.name(i), **dict(zip(("target", "source"), read, strict=False))}

    def misfit(self, i: int, sizes: Sequence[tuple[int, int]], smallest: Size) -> str | None:
        """As that of all image files; high and low resolution are in the scale's ratio."""
        path, (width, height), least = self.paths(i)[0], sizes[0], min(height_width(smallest))
        if min(width, height) < least:
            return (
                f"{path} is {width}x{height}; wanted at least {least} on each side: "
                "remove it, or take a smaller --gt_size."
            )
        expected = (width // self.scale, height // self.scale)
        if sizes[1:] and sizes[1] != expected:
            return (
                f"{path} is {width}x{height} and its low resolution {sizes[1][0]}x{sizes[1][1]}; "
                f"wanted {expected[0]}x{expected[1]} at --scale {self.scale}."
            )
        return None


def edges_of_tiles(side: int, tile: int, step: int, *, thin: int = 0) -> list[int]:
    """Where tiles begin along a side, as BasicSR's extract_subimages cuts: each `step`, and one at the far edge.

    What is left at the edge is dropped where it is `thin` pixels or less. Raises ValueError for a side below the tile.
    """
    if side < tile:
        raise ValueError(f"a side of {side} pixels is shorter than the tile's {tile}.")
    starts = list(range(0, side - tile + 1, step))
    if side - (starts[-1] + tile) > thin:
        starts.append(side - tile)
    return starts


class SubImages:
    """Photographs cut into squares that overlap, each an element named after its photograph and its upper left corner.

    Where low resolution is given it is cut in the same places.
    """

    def __init__(
        self, images: HighResImages, sizes: Sequence[tuple[int, int]], *, tile: int, step: int, thin: int = 0
    ) -> None:
        """`sizes` are the photographs' (width, height). Raises ValueError for one that is smaller than a tile, and for
        a tile or step that low resolution does not divide."""
        scale = images.scale if len(images.folders) > 1 else 1
        if tile < 1 or step < 1 or thin < 0 or tile % scale or step % scale:
            raise ValueError(
                f"tile {tile}, step {step}, thin {thin}; wanted at least 1 pixel of the first two, at least 0 of the "
                f"last, and multiples of {scale}."
            )
        self.images, self._options, self._scale = images, (tile, step, thin), scale
        counts = []
        for i, (width, height) in enumerate(sizes):
            if min(width, height) < tile:
                raise ValueError(
                    f"{images.paths(i)[0]} is {width}x{height}; wanted at least the tile's {tile} on each side: remove "
                    "it, or take a smaller tile."
                )
            counts.append(len(self._places(height)) * len(self._places(width)))
        self._sizes, self._ends = list(sizes), list(itertools.accumulate(counts))
        self.folders, self.files, self.notes = images.folders, images.files, images.notes
        self._last: tuple[int, dict[str, Any]] | None = None

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def fingerprint(self) -> str:
        """Of the photographs, and how they are cut."""
        return f"{self.images.fingerprint} {self._options}"

    def name(self, i: int) -> str:
        """That of the photograph that element i is cut from."""
        return self.images.name(bisect.bisect_right(self._ends, i))

    def _places(self, side: int) -> list[int]:
        tile, step, thin = self._options
        # Of a side that low resolution does not divide the rest has no counterpart.
        return edges_of_tiles(side // self._scale * self._scale, tile, step, thin=thin)

    def __getitem__(self, i: int) -> dict[str, Any]:
        image = bisect.bisect_right(self._ends, i)
        width, height = self._sizes[image]
        columns = self._places(width)
        row, column = divmod(i - (self._ends[image - 1] if image else 0), len(columns))
        top, left, tile = self._places(height)[row], columns[column], self._options[0]
        last = self._last
        if last is None or last[0] != image:  # tiles are asked for in turn
            last = self._last = image, self.images[image]
        cut: dict[str, Any] = {"name": f"{last[1]['name']}_y{top:04d}_x{left:04d}"}
        for key, scale in (("target", 1), ("source", self._scale)):
            if key in last[1]:
                y, x, side = top // scale, left // scale, tile // scale
                cut[key] = np.ascontiguousarray(last[1][key][y : y + side, x : x + side])
        return cut


class SkimagePhotos:
    """The photographs that scikit-image installs, at their own size; decoded once."""

    def __init__(self, split: str, limit: int | None = None) -> None:
        self._split, self._files = split, skimage_photos.SPLITS[split][:limit]
        self._folder = skimage_photos.installed()
        self._read = functools.cache(lambda file: image_files.read(self._folder / file, 3))

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"SkimagePhotos({', '.join(self._files)})"

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"name": Path(self._files[i]).stem, "target": self._read(self._files[i])}


class BicubicUpsampled:
    """Pairs of equal size for image-to-image networks: each photograph, and its low resolution enlarged again."""

    def __init__(self, images: Any, scale: int, blurred: Shrink) -> None:
        self._images, self._scale = images, scale
        self._blurred = functools.lru_cache(maxsize=16)(lambda i: blurred(self._target(i)))

    def __len__(self) -> int:
        return len(self._images)

    def __repr__(self) -> str:
        return f"BicubicUpsampled({self._images!r}, {self._scale})"

    @property
    def fingerprint(self) -> str:
        """Of the photographs and the scale."""
        return f"{fingerprint(self._images)} x{self._scale}"

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"name": self._images[i]["name"], "source": self._blurred(i), "target": self._target(i)}

    def _target(self, i: int) -> np.ndarray:
        return mod_cropped(self._images[i]["target"], self._scale)


def open_split(
    root: str | Path,
    split: str,
    *,
    low_root: str | Path | None = None,
    scale: int,
    channels: int,
    limit: int | None = None,
) -> HighResImages | None:
    """Open train, val or test of a folder of photographs; None where there is no such split.

    Split folders are `train`, `val` and `test`, of which the latter two stand in for each other, or DIV2K's own names;
    of a folder without any a tenth is held out. `low_root` has the same layout in low resolution, names with or
    without an "x4" at the end. Raises FileNotFoundError for missing folders, ValueError for names without a partner.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; wanted photographs in it, or in folders train, val and test.")
    folder = _split_folder(root, split, "_HR")
    if folder is None:
        return None
    files: list[tuple[str, ...]] = [(file,) for file in finding.list_images(folder)]
    files = (held_out(files, split) if folder == root else files)[:limit]
    if not files:
        return None
    layout = [place for name in STAND_INS for place in _places(root, name, "_HR")]
    if low_root is not None and root in Path(low_root).parents:
        layout.append(Path(low_root))
    notes = left_out(root, (folder,), [*layout, *root.glob("DIV2K_*")])
    if low_root is None:
        return HighResImages((folder,), files, channels, scale, notes=notes)
    low_folder = _split_folder(Path(low_root), split, f"_LR_bicubic/X{scale}")
    if low_folder is None or not low_folder.is_dir():
        raise FileNotFoundError(f"no {split} images in {low_root}; wanted the layout of {root} in low resolution.")
    by_stem = {finding.stem(file): file for file in finding.list_images(low_folder)}
    stems = [finding.stem(file) for (file,) in files]
    partners = [by_stem.get(stem) or by_stem.get(f"{stem}x{scale}") for stem in stems]
    alone = [stem for stem, partner in zip(stems, partners, strict=True) if partner is None]
    if alone:
        raise ValueError(f"{low_folder} has no image {alone[0]} or {alone[0]}x{scale}; {len(alone)} are missing.")
    both = [(file, partner) for (file,), partner in zip(files, partners, strict=True) if partner]
    return HighResImages((folder, low_folder), both, channels, scale, notes=notes)


def _places(root: Path, split: str, ending: str) -> list[Path]:
    """Where a split may be below `root`."""
    return [root / split, *([root / f"{_DIV2K[split]}{ending}"] if split in _DIV2K else [])]


def _split_folder(root: Path, split: str, ending: str) -> Path | None:
    """Where a split is below `root`; `root` itself where there are no splits."""
    known = {name: _places(root, name, ending) for name in STAND_INS}
    present = {name: folder for name, folders in known.items() for folder in folders if folder.is_dir()}
    if not present:
        return root
    if split == "train" and split not in present:
        raise FileNotFoundError(f"{root} has no folder train; wanted one beside {', '.join(sorted(present))}.")
    return next((present[name] for name in STAND_INS[split] if name in present), None)


def mod_cropped(image: np.ndarray, scale: int) -> np.ndarray:
    """The upper left of an image [H, W, C], with sides that are multiples of the scale."""
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]


def shrink_files(jobs: Iterable[tuple[str | Path, str | Path]], scale: int, shrink: Shrink) -> list[str]:
    """Reads each input as RGB, writes it in low resolution, and says of those that failed why they did."""
    failures = []
    for source, output in jobs:
        try:
            image = mod_cropped(image_files.read(source, 3), scale)
            if 0 in image.shape:
                raise ValueError(f"{source} is smaller than --scale {scale}; leave it out.")
            image_files.save(output, shrink(image))
        except (ValueError, OSError) as error:
            failures.append(str(error))
    return failures


def crop(size: int, scale: int, *, flip: bool) -> Transform:
    """Random crops of `size` (and size / scale in low resolution); with `flip` in one of the eight positions."""

    def transform(pair: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        target = pair["target"]
        room = [(side - size) // scale for side in target.shape[:2]]
        if min(room) < 0:
            raise ValueError(
                f"{pair['name']} is {target.shape[1]}x{target.shape[0]}; wanted at least {size} on each side: "
                "remove it, or take a smaller --gt_size."
            )
        top, left = (int(rng.integers(r + 1)) for r in room)
        turns, mirror = (int(rng.integers(4)), bool(rng.integers(2))) if flip else (0, False)
        cut = {"target": target[top * scale : top * scale + size, left * scale : left * scale + size]}
        if "source" in pair:
            small = size // scale
            cut["source"] = pair["source"][top : top + small, left : left + small]
        turned = {name: np.rot90(part, turns) for name, part in cut.items()}
        return {name: np.ascontiguousarray(part[:, ::-1] if mirror else part) for name, part in turned.items()}

    return transform


def whole(scale: int, shrink: Shrink) -> Transform:
    """Whole images, cropped to multiples of the scale; low resolution by `shrink` where it is not given."""

    def transform(pair: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        del rng
        target = mod_cropped(pair["target"], scale)
        return {"target": target, "source": pair["source"] if "source" in pair else shrink(target)}

    return transform
