"""Splitting a folder into training, validation and test images by what they show, so that duplicates stay together."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from gan_jax.data import facts as facts_
from gan_jax.data import finding, layouts, rasters

__all__ = ["split"]
__dir__ = __all__.copy


def split(
    root: str | Path,
    target: str | Path,
    *,
    val: float = 0.1,
    test: float = 0.1,
    link: bool = False,
    bands: rasters.Bands | None = None,
    threads: int = 4,
    said: Callable[[int, int], object] = lambda done, of: None,
) -> dict[str, int]:
    """Copies the images of a folder, or of its folders A and B pair by pair, to train, val and test; their numbers.

    An image goes where a hash of its pixels says, whatever its name and whatever others there are; those that look
    alike (`facts.alike`) go together. With `link` links are made in place of copies; with `bands` files are arrays of
    channels. Raises
    FileNotFoundError where there are no images; ValueError for shares that leave none to train, images that cannot be
    read, names without a partner, and a target that is not empty.
    """
    root, target = Path(root), Path(target)
    if min(val, test) < 0 or val + test >= 1:
        raise ValueError(f"shares of {val} for val and {test} for test; wanted at least 0, and less than 1 together.")
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty; name another folder, or remove it.")
    sides = ("A", "B") if (root / "A").is_dir() and (root / "B").is_dir() else ("",)
    folders = tuple(root / side if side else root for side in sides)
    matched = _elements(folders, finding.EXTENSIONS if bands is None else finding.RASTERS)
    paths = [str(folder / name) for names in matched for folder, name in zip(folders, names, strict=True)]
    known = {}
    for path, of in zip(paths, facts_.read_facts(paths, threads=threads, bands=bands), strict=True):
        if of.problem:
            raise ValueError(of.problem)
        known[path] = of
        said(len(known), len(paths))
    # Of a pair both images, and whatever either of them looks like.
    places = {path: k // len(sides) for k, path in enumerate(paths)}
    above = list(range(len(matched)))

    def top(k: int) -> int:
        while above[k] != k:
            above[k] = k = above[above[k]]
        return k

    for number in range(len(sides)):
        of_side = {path: known[path] for path in paths[number :: len(sides)]}
        for group, _ in facts_.alike(of_side):
            for path in group[1:]:
                above[top(places[path])] = top(places[group[0]])
    members: dict[int, list[int]] = {}
    for k in range(len(matched)):
        members.setdefault(top(k), []).append(k)
    counts = {"train": 0, "val": 0, "test": 0}
    for together in members.values():
        digest = min(known[paths[k * len(sides)]].pixels for k in together)
        place = int(hashlib.sha256(digest.encode()).hexdigest()[:13], 16) / 16**13
        name = "test" if place < test else "val" if place < test + val else "train"
        counts[name] += len(together)
        for k in together:
            for side, folder, file in zip(sides, folders, matched[k], strict=True):
                _put(folder / file, target / f"{name}{side}" / file, link)
    return counts


def _elements(folders: tuple[Path, ...], extensions: tuple[str, ...]) -> list[tuple[str, ...]]:
    if len(folders) == 1:
        return [(name,) for name in finding.list_images(folders[0], extensions=extensions)]
    found = layouts.files_of("train", lambda _: folders, instead="", extensions=extensions)
    assert found is not None
    return found[1]


def _put(source: Path, target: Path, link: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        os.symlink(source.absolute(), target)
    else:
        shutil.copy2(source, target)
