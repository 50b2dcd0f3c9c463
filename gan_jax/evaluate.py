"""Scores of pictures against references under a named protocol, as a table, CSV or JSON."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from gan_jax import metrics
from gan_jax.data import pictures


class Protocol(NamedTuple):
    """What is compared, in words that stand beside every number."""

    name: str
    description: str


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("rgb", "8-bit RGB (grey where both are grey), no border cropped, mean of the images' values"),
    )
}


class Score(NamedTuple):
    """One image's PSNR in decibels (inf for identical images) and SSIM."""

    name: str
    psnr: float
    ssim: float


class Evaluation(NamedTuple):
    """Scores of a set of images, and why the others have none."""

    protocol: Protocol
    scores: list[Score]
    failures: list[str]

    @property
    def psnr(self) -> float:
        """Mean of the images' PSNR."""
        return mean([score.psnr for score in self.scores])

    @property
    def ssim(self) -> float:
        """Mean of the images' SSIM."""
        return mean([score.ssim for score in self.scores])


def score(name: str, image_u8: np.ndarray, reference_u8: np.ndarray) -> Score:
    """One image [H, W, C] against its reference. Raises ValueError as the metrics do."""
    images, references = image_u8[None], reference_u8[None]
    return Score(name, float(metrics.psnr(images, references)[0]), float(metrics.ssim(images, references)[0]))


def evaluate(outputs: Path, references: Path, protocol: Protocol) -> Evaluation:
    """Scores every picture of one file or folder tree that has a reference of its path, extensions apart.

    Raises FileNotFoundError where a side has no pictures, ValueError where no two match or both sides are one.
    """
    output_files, reference_files = by_stem(outputs), by_stem(references)
    if outputs.is_file() and references.is_file():
        (output,), (reference,) = output_files.values(), reference_files.values()
        output_files, reference_files = {reference.stem: output}, {reference.stem: reference}
    if outputs.resolve() == references.resolve():
        raise ValueError(f"{outputs} and {references} are the same; give the outputs, then their references.")
    common = sorted(output_files.keys() & reference_files.keys())
    if not common:
        raise ValueError(
            f"no picture in {outputs} has the path of one in {references} (extensions apart); "
            "give two folders whose pictures have the same names."
        )
    scores, failures = [], []
    for stem in sorted(output_files.keys() | reference_files.keys()):
        if stem not in common:
            alone = output_files.get(stem) or reference_files[stem]
            failures.append(f"{alone} has no partner of its name; add the partner or remove it.")
            continue
        try:
            pair = _read_pair(output_files[stem], reference_files[stem])
        except (ValueError, OSError) as error:
            failures.append(str(error))
            continue
        try:
            scores.append(score(stem, *pair))
        except ValueError as error:
            failures.append(f"{output_files[stem]}: {error}")
    return Evaluation(protocol, scores, failures)


def by_stem(path: Path) -> dict[str, Path]:
    """The pictures of a file or a folder tree by relative path without extension.

    Raises FileNotFoundError where there are none, ValueError where two have one name.
    """
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist; name a picture or a folder of pictures.")
    files: dict[str, Path] = {}
    for name in pictures.list_pictures(path):
        stem = PurePath(name).with_suffix("").as_posix()
        if stem in files:
            raise ValueError(f"{files[stem]} and {path / name} have one name; keep one of them.")
        files[stem] = path / name
    return files


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values; an infinite one is the string "inf"."""
    return {
        "protocol": evaluation.protocol._asdict(),
        "count": len(evaluation.scores),
        "psnr": json_number(evaluation.psnr),
        "ssim": json_number(evaluation.ssim),
        "images": [
            {"name": s.name, "psnr": json_number(s.psnr), "ssim": json_number(s.ssim)} for s in evaluation.scores
        ],
    }


def as_csv(evaluation: Evaluation) -> str:
    """One row an image: name, psnr, ssim."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Score._fields)
    writer.writerows(evaluation.scores)
    return text.getvalue()


def as_table(evaluation: Evaluation) -> str:
    """One line an image, the mean, and the protocol, for a terminal."""
    width = max(len(s.name) for s in [*evaluation.scores, Score("mean", 0, 0)])
    rows = [*evaluation.scores, Score("mean", evaluation.psnr, evaluation.ssim)]
    lines = [f"{'image':<{width}}  PSNR (dB)     SSIM"]
    lines += [f"{row.name:<{width}}  {row.psnr:9.4f}  {row.ssim:7.5f}" for row in rows]
    lines.append(f"protocol {evaluation.protocol.name}: {evaluation.protocol.description}")
    return "\n".join(lines)


def mean(values: Sequence[float]) -> float:
    """The mean of the images' values; nan of none."""
    return sum(values) / len(values) if values else math.nan


def json_number(value: float) -> float | str:
    """JSON has no infinity and no nan: they become "inf" and "nan"."""
    return value if math.isfinite(value) else str(value)


def _read_pair(output: Path, reference: Path) -> tuple[np.ndarray, np.ndarray]:
    both = [pictures.read_picture(path) for path in (output, reference)]
    if both[0].size != both[1].size:
        sizes = [f"{width}x{height}" for width, height in (picture.size for picture in both)]
        raise ValueError(f"{output} is {sizes[0]} and {reference} is {sizes[1]}; make them one size.")
    channels = 1 if all(picture.mode == "L" for picture in both) else 3
    image, wanted = (pictures.as_array(picture, channels) for picture in both)
    return image, wanted
