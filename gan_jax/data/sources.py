"""Random-access sources: the image files of a split, alone or in pairs, and sources made of others.

A source is any object with `__len__`, a `__repr__` that is the same in every process, and `__getitem__(i)`
that gives {"name": str, "source": uint8 [H, W, C], "target": uint8 [H, W, C']}. One of single images gives one
array: where it is the target, the transformation makes the source (`transforms.deriver`). Files that are read as arrays
of channels (`rasters`) give their own dtypes, and the source's `kinds` say them by key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax.data import finding, image_files, rasters
from gan_jax.data.transforms import Size, height_width, resize

__all__ = [
    "Images",
    "OneSide",
    "Pairs",
    "Reduced",
    "SplitFiles",
    "SwappedPairs",
    "UnpairedDataset",
    "fingerprint",
]
__dir__ = __all__.copy


def fingerprint(source: Any) -> str:
    """What changes when a source's images do: its own fingerprint, or how it describes itself."""
    return getattr(source, "fingerprint", repr(source))


@dataclass(frozen=True, repr=False)
class SplitFiles:
    """The files of one split: files[i] are the paths of element i below `folders`, the one or A's and B's.

    A run says its `notes`, sentences about the folders.
    """

    folders: tuple[str | Path, ...]
    files: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    bands: rasters.Bands | None = field(default=None, kw_only=True)  # of files that are read as arrays of channels

    def __len__(self) -> int:
        return len(self.files)

    def name(self, i: int) -> str:
        """The first file's path below its folder, without extension."""
        return finding.stem(self.files[i][0])

    def paths(self, i: int) -> list[Path]:
        """The files of element i."""
        return [Path(folder, file) for folder, file in zip(self.folders, self.files[i], strict=True)]

    def misfit(self, i: int, sizes: Sequence[tuple[int, int]], smallest: Size) -> str | None:
        """Why element i, whose files have those (width, height), cannot be used; None where it can.

        Of images smaller than `smallest`, a side or (height, width) in pixels, none can.
        """
        return _too_small(self.paths(i)[0], sizes[0], smallest)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the files' names and sizes in bytes: it changes when the data does."""
        digest = hashlib.sha256()
        for i, files in enumerate(self.files):
            digest.update(repr((files, [path.stat().st_size for path in self.paths(i)])).encode())
        return digest.hexdigest()


class Reduced(NamedTuple):
    """Images are resized as they are read, to (height, width), and large JPEGs reduced as `read_reduced` has it."""

    size: tuple[int, int]
    gap: float

    def read(self, path: str | Path, channels: int) -> np.ndarray:
        """An image file as uint8 [height, width, channels]; raises ValueError as `image_files.read_pil` does."""
        return resize(image_files.read_reduced(path, channels, self.size, gap=self.gap), *self.size)


def _too_small(path: Path, size: tuple[int, int], smallest: Size, each: str = "") -> str | None:
    width, height = size
    least_height, least_width = height_width(smallest)
    if height >= least_height and width >= least_width:
        return None
    least = f"{least_height} pixels on each side"
    if least_height != least_width:
        least = f"{least_width} pixels in width and {least_height} in height"
    return f"{path} is {width}x{height}{each}; wanted at least {least}: enlarge or remove it."


@dataclass(frozen=True, repr=False)
class Pairs(SplitFiles):
    """Pairs of images A and B: two files or, with one folder, the left and the right half of one file."""

    direction: Literal["AtoB", "BtoA"]
    source_channels: int | None  # None: those of the files, with `bands`
    target_channels: int | None
    reduced: Reduced | None = None  # of A and B in files of their own

    def __repr__(self) -> str:
        where = " and ".join(map(str, self.folders))
        channels = f"{self.source_channels} to {self.target_channels} channels"
        if self.bands is not None:
            channels = f"{self.bands} as channels"
        return f"Pairs({len(self)} in {where}, {self.direction}, {channels})"

    @property
    def kinds(self) -> dict[str, rasters.Kind]:
        """What source and target are, with `bands`; that of the first pair, which all have."""
        assert self.bands is not None
        return dict(zip(self._sides, (rasters.header(p, self.bands).kind for p in self.paths(0)), strict=True))

    @property
    def _sides(self) -> tuple[str, str]:
        """What A and B are."""
        return ("source", "target") if self.direction == "AtoB" else ("target", "source")

    def __getitem__(self, i: int) -> dict[str, Any]:
        if self.bands is not None:
            arrays = [rasters.read(path, self.bands) for path in self.paths(i)]
            return {"name": self.name(i), **dict(zip(self._sides, arrays, strict=True))}
        assert self.source_channels is not None
        assert self.target_channels is not None
        if self.reduced is not None:
            side = dict(zip(self._sides, self.paths(i), strict=True))
            return {
                "name": self.name(i),
                "source": self.reduced.read(side["source"], self.source_channels),
                "target": self.reduced.read(side["target"], self.target_channels),
            }
        halves = [image_files.read_pil(path) for path in self.paths(i)]
        if len(halves) == 1:
            (both,) = halves
            width, height = both.size
            halves = [both.crop((0, 0, width // 2, height)), both.crop((width // 2, 0, width, height))]
        source, target = halves if self.direction == "AtoB" else halves[::-1]
        return {
            "name": self.name(i),
            "source": image_files.as_array(source, self.source_channels),
            "target": image_files.as_array(target, self.target_channels),
        }

    def misfit(self, i: int, sizes: Sequence[tuple[int, int]], smallest: Size) -> str | None:
        """As that of all image files; A and B have one size, and an even width where they share a file."""
        paths, (width, height) = self.paths(i), sizes[0]
        if len(paths) == 1 and width % 2:
            return f"{paths[0]} is {width}x{height}; A and B side by side need an even width: crop or remove it."
        if len(paths) == 1:
            return _too_small(paths[0], (width // 2, height), smallest, " for A and B each")
        if sizes[0] != sizes[1]:
            shown = " but ".join(f"{path} is {w}x{h}" for path, (w, h) in zip(paths, sizes, strict=True))
            return f"{shown}; give both images of a pair one size."
        return super().misfit(i, sizes, smallest)


@dataclass(frozen=True, repr=False)
class Images(SplitFiles):
    """Single images, under the name `key`."""

    key: str
    channels: int | None  # None: those of the files, with `bands`
    reduced: Reduced | None = None

    def __repr__(self) -> str:
        channels = f"{self.channels} channels" if self.bands is None else f"{self.bands} as channels"
        return f"Images({len(self)} in {self.folders[0]}, {self.key}, {channels})"

    @property
    def kinds(self) -> dict[str, rasters.Kind]:
        """What the images are, with `bands`; that of the first, which all have."""
        assert self.bands is not None
        return {self.key: rasters.header(self.paths(0)[0], self.bands).kind}

    def __getitem__(self, i: int) -> dict[str, Any]:
        if self.bands is not None:
            return {"name": self.name(i), self.key: rasters.read(self.paths(i)[0], self.bands)}
        assert self.channels is not None
        read = image_files.read if self.reduced is None else self.reduced.read
        return {"name": self.name(i), self.key: read(self.paths(i)[0], self.channels)}


@dataclass(frozen=True)
class OneSide:
    """One side of pairs as single images, under the name `key`: of all pairs, or of those of `indices`."""

    pairs: Any
    side: Literal["source", "target"]
    key: str
    indices: range | None = None

    def __len__(self) -> int:
        return len(self.pairs if self.indices is None else self.indices)

    def __getitem__(self, i: int) -> dict[str, Any]:
        pair = self.pairs[i if self.indices is None else self.indices[i]]
        return {"name": pair["name"], self.key: pair[self.side]}

    @property
    def kinds(self) -> dict[str, rasters.Kind]:
        """What the images are, of pairs that are arrays of channels."""
        return {self.key: self.pairs.kinds[self.side]}

    @property
    def fingerprint(self) -> str:
        """That of the pairs, and which images of them these are."""
        return f"{fingerprint(self.pairs)} {self.side} {self.indices}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the pairs."""
        return getattr(self.pairs, "notes", ())


class UnpairedDataset:
    """Sources that know nothing of each other: batches go through each in an order of its own.

    The length is that of the longest, so that an epoch has seen all images; the others begin anew.
    """

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return max(map(len, self.parts))

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {name: value for part in self.parts for name, value in part[i % len(part)].items()}

    def __repr__(self) -> str:
        return " and ".join(map(repr, self.parts))

    @property
    def kinds(self) -> dict[str, rasters.Kind]:
        """Those of the parts, of arrays of channels."""
        return {key: kind for part in self.parts for key, kind in part.kinds.items()}

    @property
    def fingerprint(self) -> str:
        """Those of the parts."""
        return " and ".join(map(fingerprint, self.parts))

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(note for part in self.parts for note in getattr(part, "notes", ()))


class SwappedPairs:
    """A source's pairs with source and target exchanged: direction BtoA."""

    def __init__(self, pairs: Any) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> dict[str, Any]:
        pair = self.pairs[i]
        return {**pair, "source": pair["target"], "target": pair["source"]}

    def __repr__(self) -> str:
        return f"SwappedPairs({self.pairs!r})"
