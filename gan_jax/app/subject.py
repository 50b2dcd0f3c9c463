"""What a page offers of a generator, by what its file and its run say."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax import folders
from gan_jax.data import image_files, transforms
from gan_jax.infer import latents
from gan_jax.model import Model
from gan_jax.report import card, read

__all__ = ["Kind", "Subject", "palette", "subject"]
__dir__ = __all__.copy

Kind = Literal["translate", "upscale", "sample"]

_SIDE = 256  # of what goes in, where no run says what it was trained on
_EXAMPLES, _LOOKED_AT = 6, 12  # test images shown; whose colors are counted
_NEAR = 24  # levels by which a color may be off another and be the same label, as JPEG leaves them
_MOST_LABELS, _MOST_GRAYS = 24, 4
_COVERED = 0.9  # of the pixels, by the labels' very colors
_RARE = 2e-4  # of the pixels: fewer are a seam between two labels


class Subject(NamedTuple):
    """A generator's page, in words and choices."""

    name: str
    about: str
    kind: Kind
    side: int  # that translators were trained on
    has_noise: bool  # whether dropout makes samples differ
    palette: tuple[tuple[int, int, int], ...]  # of the training labels, the most frequent first; () of photographs
    derive: transforms.Derive | None  # what makes its inputs of photographs: "edges"
    examples: tuple[str | Path, ...]  # inputs of the run's test
    classes: tuple[str, ...]  # what each label is called


def subject(generator: Model, file: str | Path) -> Subject:
    """What to offer of a generator and the file that it is in. Raises ValueError for a critic, for a
    generator of arrays of channels, and for a broken run."""
    spec, file = generator.spec, Path(file)
    if spec.kind != "generator":
        raise ValueError(f"{file} holds a {spec.kind}; wanted a generator: name its file or the run.")
    if spec.bands is not None:
        raise ValueError(f"{file} makes arrays of channels, and a page shows images; use gan-jax translate.")
    run = card.run_of(file)
    recipe = read.fields(read.description(run)[0].get("recipe")) if run else {}
    examples = _examples(run, spec.step, file.stem) if run and spec.latent is None else ()
    known = latents.classes_of(generator)
    kind: Kind = "sample" if spec.latent else "upscale" if spec.scale > 1 else "translate"
    looked_at = [image_files.read(path, 3) for path in examples[:_LOOKED_AT]] if kind == "translate" else []
    derive = transforms.spelled(recipe.get("derive"))
    return Subject(
        name=run.name if run else file.parent.name if folders.is_export(file.parent) else file.stem,
        about=f"{spec.architecture['name']} of {spec.method}, {generator.parameter_count:,} parameters, "
        f"{spec.step:,} steps",
        kind=kind,
        side=_side(recipe),
        has_noise=bool(spec.dropout and spec.architecture.get("dropout")),
        palette=palette(looked_at) if looked_at else (),
        derive=derive if derive in ("edges", "blur", "mosaic") else None,
        examples=examples[:: max(1, len(examples) // _EXAMPLES)][:_EXAMPLES],
        classes=(spec.classes or tuple(map(str, range(known)))) if known else (),
    )


def _side(recipe: Mapping[str, Any]) -> int:
    """The side of training images, the shorter one of oblongs."""
    sides = list(map(int, re.findall(r"\d+", str(recipe.get("crop_size")))))
    return min(sides) if sides else _SIDE


def _examples(run: Path, step: int, stem: str) -> tuple[Path, ...]:
    """The inputs of a run's test; those of one direction where it has two."""
    folder = folders.RunFolder(run).results / "input"
    direction = next((part for part in stem.split("_")[::-1] if (folder / part).is_dir()), "")
    return tuple(sorted((folder / direction).rglob("*.png"))[:_LOOKED_AT])


def palette(images_u8: Iterable[np.ndarray]) -> tuple[tuple[int, int, int], ...]:
    """The colors of label maps or line drawings [H, W, 3], the most frequent first; () where they are photographs.

    Labels are few colors that nearly all pixels have, but for what JPEG adds. Grays are labels where there are no more
    than four, as in drawings; a gray photograph has them all.
    """
    colors, counts = np.unique(
        np.concatenate([image.reshape(-1, 3) for image in images_u8]), axis=0, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    colors, counts = colors[order].astype(int), counts[order]
    found: list[np.ndarray] = []
    covered, total = 0, counts.sum()
    while len(colors) and len(found) <= _MOST_LABELS:
        near = np.abs(colors - colors[0]).max(axis=1) <= _NEAR
        if (share := counts[near].sum()) < _RARE * total:
            break
        found.append(colors[0])
        covered += share
        colors, counts = colors[~near], counts[~near]
        # What is left is nearest to none of the found; the next is the most frequent of them.
        order = np.argsort(-counts, kind="stable")
        colors, counts = colors[order], counts[order]
    grays = all(np.ptp(color) <= _NEAR for color in found)
    if covered < _COVERED * total or len(found) > (_MOST_GRAYS if grays else _MOST_LABELS):
        return ()
    return tuple((int(r), int(g), int(b)) for r, g, b in found)
