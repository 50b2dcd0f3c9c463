"""The images of experiments without pairs: folders of two kinds, pairs taken apart, or the embedded day and night."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from gan_jax.data import layouts, scan, seams, sources, tfds_source, transforms
from gan_jax.data.demo import day_night
from gan_jax.data.pipeline import Source
from gan_jax.recipes import bands, pairs
from gan_jax.training import translation

__all__ = ["EMBEDDED_COUNTS", "KINDS", "require_unpacked", "tasks", "training"]
__dir__ = __all__.copy

EMBEDDED_COUNTS = {"train": 200, "val": 16, "test": 64}  # images of each kind
_ARCHIVES = "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets"
KINDS: dict[str, Literal["source", "target"]] = {"A": "source", "B": "target"}  # and what they are of a pair


def require_unpacked(config: pairs.ImageFlags, preset: str | None) -> None:
    """Raises FileNotFoundError where the data set of a preset is not where the preset looks for it."""
    if config.dataroot == f"datasets/{preset}" and not Path(str(config.dataroot)).is_dir():
        raise FileNotFoundError(
            f"no folder {config.dataroot}; unpack {_ARCHIVES}/{preset}.zip there, or give --dataroot."
        )


def training(config: pairs.ImageFlags, mode: str) -> sources.UnpairedDataset:
    """The training images of both kinds, every header read; pairs, too, are gone through apart.

    Raises FileNotFoundError and ValueError for data that cannot be used.
    """
    sides = [_open_kind(config, mode, "train", kind) for kind in KINDS]
    assert all(side is not None for side in sides)  # only val and test may be missing
    return sources.UnpairedDataset(*sides)


def tasks(
    config: pairs.ImageFlags, mode: str, arrays: Mapping[str, translation.Arrays] = MappingProxyType({})
) -> dict[str, translation.Task]:
    """What each generator translates; where its images have counterparts, these score it.

    `arrays` say what the images of A and of B are, where they are arrays of channels.
    """
    options = pairs.transform_options(config)
    common: dict[str, Any] = {
        "val_transform": transforms.center(config.preprocess, **options),
        "test_transform": transforms.whole(config.preprocess, **options),
    }
    words = {f"{a}to{b}": {**_words(a, b), "seen": arrays.get(a), "made": arrays.get(b)} for a, b in ("AB", "BA")}
    if mode == "unaligned" and not pairs.is_embedded(config):
        opened = {split: {kind: _open_kind(config, mode, split, kind) for kind in KINDS} for split in ("val", "test")}
        for split, of_kinds in opened.items():
            for kind, images in of_kinds.items():
                bands.require_alike({kind: arrays[kind]} if arrays else {}, split, images)
        return {
            name: translation.Task(
                opened["val"][kind], opened["test"][kind], source=kind, target=None, **words[name], **common
            )
            for name, kind in (("AtoB", "A"), ("BtoA", "B"))
        }
    val, test = (_open_pairs(config, split) for split in ("val", "test"))
    for split, both in (("val", val), ("test", test)):
        bands.require_alike(arrays, split, both, KINDS)
    same = config.input_channels == config.output_channels
    if arrays:
        same = same and arrays["A"].values == arrays["B"].values
    scores = {kind: functools.partial(translation.score, arrays=arrays.get(kind)) for kind in KINDS}
    baselines: dict[str, Callable[[np.ndarray], np.ndarray]] = {"the input": lambda image: image} if same else {}
    return {
        "AtoB": translation.Task(val, test, baselines=baselines, score=scores["B"], **words["AtoB"], **common),
        "BtoA": translation.Task(
            val,
            test,
            source="target",
            target="source",
            baselines=baselines,
            score=scores["A"],
            **words["BtoA"],
            **common,
        ),
    }


def _words(a: str, b: str) -> dict[str, Any]:
    """Of the direction from kind `a` to kind `b`: its way back, its title, and what its images are called."""
    captions = {
        "input": a,
        "output": f"fake {b}",
        "reconstructed": f"reconstructed {a}",
        "identity": f"identity {a}",
        "target": b,
    }
    return {"back": f"{b}to{a}", "title": f"{a} to {b}", "captions": captions}


def _open_pairs(config: pairs.ImageFlags, split: str) -> Source | None:
    if not pairs.is_embedded(config):
        return pairs.open_split(config, split)
    if config.bands:
        raise ValueError("the embedded day and night are drawn in 8 bits; leave out --bands, or give --dataroot.")
    if (config.input_channels, config.output_channels) != (3, 3):
        raise ValueError("the embedded day and night are images in RGB: leave out --input_nc and --output_nc.")
    if config.preprocess not in ("resize_and_crop", "crop"):
        raise ValueError(
            f"the embedded day and night are drawn at the size that is wanted; --preprocess {config.preprocess} is for "
            "images of your own: leave it out."
        )
    # No scene is seen by day and by night in training.
    count = min(EMBEDDED_COUNTS[split], config.max_dataset_size or EMBEDDED_COUNTS[split])
    train = split == "train"
    scenes = day_night.DayNight(split, 2 * count if train else count, config.load_size if train else config.crop_size)
    return scenes if config.direction == "AtoB" else sources.SwappedPairs(scenes)


def _open_kind(config: pairs.ImageFlags, mode: str, split: str, kind: str) -> Source | None:
    """The images of one kind, where there are some of that split."""
    embedded = pairs.is_embedded(config)
    if embedded or mode == "aligned":
        both = _open_pairs(config, split)
        assert both is not None
        half = len(both) // 2
        indices = (range(half) if kind == "A" else range(half, 2 * half)) if embedded else None
        return sources.OneSide(both, KINDS[kind], kind, indices)
    folder: Literal["A", "B"] = "A" if (kind == "A") == (config.direction == "AtoB") else "B"
    smallest = config.crop_size if config.preprocess == "crop" else 1
    channels = config.input_channels if kind == "A" else config.output_channels
    options: dict[str, Any] = {"key": kind, "channels": channels, "limit": config.max_dataset_size}
    options["bands"] = config.bands
    if name := pairs.prepared(config):
        return tfds_source.open_side(name, split, folder, smallest=smallest, folder=config.tfds_dir, **options)
    opened = layouts.open_side(Path(str(config.dataroot)), split, folder, **options)
    if opened is not None:
        said = scan.check_headers(opened, smallest=smallest)
        paths = [opened.paths(i)[0] for i in range(len(opened))] if split == "train" else []
        notes = (*opened.notes, *said)
        if split == "train":
            notes += tuple(bands.notes(config, opened, ("A", "B")))
            opened = pairs.reduced(config, opened)
        if config.bands is None:
            notes += seams.notes(opened.folders[0], paths)
        opened = dataclasses.replace(opened, notes=notes)
    return opened
