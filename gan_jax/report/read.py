"""What a run's folder holds of a report's: its description, its log, its scores, and its images as data URIs."""

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from gan_jax import folders
from gan_jax.folders import RunFolder
from gan_jax.log import number, read_log

__all__ = ["Curves", "EmbeddedImage", "RunFiles", "Series", "Shown", "description", "fields", "read_run"]
__dir__ = __all__.copy

_T = TypeVar("_T")
_Found = tuple[str, Path]  # a kind of image and its file
Series = dict[int, float]  # step -> value, NaN and inf included
Curves = Mapping[tuple[str, str], Series]  # by kind of row and key of value

_MAX_ROWS, _MAX_STRIPS = 12, 24
_IMAGE_BUDGET = 6_000_000  # characters of data URIs; past it photos become JPEG
_JPEG_QUALITY, _JPEG_SIDE = 90, 2200  # pixels: twice the width of the page, for dense displays
_KINDS = ("input", "output", "reconstructed", "identity", "target")  # in this order; others after them


class EmbeddedImage(NamedTuple):
    """An image as the page holds it."""

    uri: str
    width: int
    height: int


class Shown(NamedTuple):
    """An image's kind or step, the name of its file without extension, and itself; None where it cannot be read."""

    kind: str
    name: str
    image: EmbeddedImage | None


class RunFiles(NamedTuple):
    """What a report is made of."""

    config: Mapping[str, Any]
    captions: Mapping[str, Mapping[str, Any]]  # by group: what each kind of image is called, and the "title"
    curves: Curves
    warnings: Sequence[Mapping[str, Any]]  # rows of the log
    scores: Mapping[str, Any]
    groups: Mapping[str, Sequence[Sequence[Shown]]]  # rows of test images, by generator; "" where there is one
    samples: Sequence[Shown]  # of the fixed batch: the input, the outputs by ascending step, the target

    @property
    def last_step(self) -> int | None:
        """The last step that the log knows."""
        return max((step for series in self.curves.values() for step in series), default=None)

    @property
    def is_finished(self) -> bool:
        """Whether every step is done, or there is nothing that counts steps."""
        step, total = self.last_step, self.config.get("steps")
        if not isinstance(total, int):
            return bool(self.config) and step is None and total is None
        return step is not None and step >= total


def read_run(run: str | Path) -> RunFiles:
    """Whatever a run's folder holds so far; images are chosen evenly where there are many.

    Raises FileNotFoundError where `run` is not a run's folder, ValueError where a file in it is broken.
    """
    folder = RunFolder(run)
    config, scores = description(run)
    rows = read_log(folder.log)
    captions = {group: fields(named) for group, named in fields(config.get("pictures")).items()}
    groups, samples = _test_groups(folder.results, captions), _samples(folder.samples)
    shown = _embedded([item for lines in groups.values() for line in lines for item in line] + samples)
    return RunFiles(
        config=config,
        captions=captions,
        curves=_curves(rows),
        warnings=[row for row in rows if row["kind"] == "warning"],
        scores=scores,
        groups={group: [[shown[item] for item in line] for line in lines] for group, lines in groups.items()},
        samples=[shown[item] for item in samples],
    )


def description(run: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run's config.json and its test's scores say, {} where it is not tested yet. Raises as `read_run` does."""
    folder = RunFolder(run)
    if not folders.is_run(run):
        raise FileNotFoundError(f"{run} is not a run's folder (it has no config.json); name that of one run.")
    scores = folder.results / "scores.json"
    return _read_object(folder.config), _read_object(scores) if scores.is_file() else {}


def fields(value: object) -> dict[str, Any]:
    """A JSON object; nothing where the value is none."""
    return value if isinstance(value, dict) else {}


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); write it anew.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, wanted a JSON object; write it anew.")
    return content


def _curves(rows: Sequence[Mapping[str, Any]]) -> Curves:
    curves: dict[tuple[str, str], Series] = {}
    for row in rows:
        values = {key: number(value) for key, value in row.items() if key not in ("step", "epoch")}
        for key, value in values.items():
            if value is not None:
                curves.setdefault((row["kind"], key), {})[row["step"]] = value
    return curves


def _test_groups(results: Path, captions: Mapping[str, Any]) -> dict[str, list[list[_Found]]]:
    """Rows of images of one name, all kinds that the folder holds, for each group: "" where none has a folder."""
    there = {path.name for path in results.glob("*") if path.is_dir()}
    kinds = [*(kind for kind in _KINDS if kind in there), *sorted(there - set(_KINDS))]
    folders = {path.name for path in (results / "output").glob("*") if path.is_dir()}
    groups = {}
    for group in [name for name in captions if name in folders] or [""]:
        outputs = results / "output" / group
        names_below = sorted(path.relative_to(results / "output").as_posix() for path in outputs.rglob("*.png"))
        if names := _evenly(names_below, _MAX_ROWS):
            files = ([(kind, results / kind / name) for kind in kinds] for name in names)
            groups[group] = [[item for item in row if item[1].is_file()] for row in files]
    return groups


def _samples(samples: Path) -> list[_Found]:
    """The input, the outputs by ascending step, and the target, as far as they exist."""
    matches = ((re.fullmatch(r"step_(\d+)\.png", path.name), path) for path in samples.glob("step_*.png"))
    steps = _evenly(sorted((int(match[1]), path) for match, path in matches if match), _MAX_STRIPS)
    shown = [(f"step {step:,}", path) for step, path in steps]
    shown = [("input", samples / "input.png"), *shown, ("target", samples / "target.png")]
    return [(caption, path) for caption, path in shown if path.is_file()]


def _evenly(items: Sequence[_T], count: int) -> list[_T]:
    """At most `count` items, the first and the last among them."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in chosen]


def _embedded(items: Sequence[_Found]) -> dict[_Found, Shown]:
    files = {item: item[1].read_bytes() for item in items}
    heavy = sum(map(len, files.values())) * 4 / 3 > _IMAGE_BUDGET
    return {(kind, path): Shown(kind, path.stem, _embed(data, heavy)) for (kind, path), data in files.items()}


def _embed(png: bytes, heavy: bool) -> EmbeddedImage | None:
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError):  # Pillow's words for a file that a kill cut short
        return None
    width, height = image.size
    uri = _data_uri("png", png)
    if heavy and image.mode in ("L", "RGB"):  # palettes (label maps), alpha and 16 bit would suffer
        jpeg = io.BytesIO()
        image.thumbnail((_JPEG_SIDE, _JPEG_SIDE))
        image.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
        uri = min(uri, _data_uri("jpeg", jpeg.getvalue()), key=len)
    return EmbeddedImage(uri, width, height)


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
