"""The page of a study: one file that needs nothing but itself, with all images inside."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from gan_jax import evaluate, files
from gan_jax.data import image_files

__all__ = ["TRUTH", "Kind", "Study", "make", "write"]
__dir__ = __all__.copy

Kind = Literal["choice", "mos"]
TRUTH = "truth"  # what the true images are called among the methods that are rated
_WORST = 4  # the factor of the nearest-neighbor enlargement that stands for a 1, the papers' scale
_CALIBRATION = 5  # scenes that are shown as a 1 and as a 5
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class Study(NamedTuple):
    """What the page is told: settings, and data URIs of images by scene and method."""

    kind: Kind
    methods: tuple[str, ...]  # those that are judged
    scenes: Mapping[str, Mapping[str, str]]  # name -> method, or "truth" -> its image
    calibration: Sequence[tuple[int, str]]  # a score and an image that has it
    seed: int
    trials: int
    practice: int
    seconds: float

    @property
    def digest(self) -> str:
        """By which the answers to this study know each other."""
        return hashlib.sha256(json.dumps(self, sort_keys=True).encode()).hexdigest()[:12]


def make(
    folders: Mapping[str, str | Path],
    truth: str | Path | None = None,
    *,
    kind: Kind = "choice",
    trials: int = 40,
    practice: int = 10,
    seconds: float = 1.0,
    seed: int = 0,
) -> Study:
    """A study of methods' folders of images, by the methods' names; images of one scene have one relative path.

    Scenes that not every folder holds are left out. Raises FileNotFoundError for a folder without images, and
    ValueError where the two-choice test lacks the truth, or a size would tell it.
    """
    if kind == "choice" and truth is None:
        raise ValueError("the two-choice test asks which image is the real one; give --truth C/, or take --kind mos.")
    if TRUTH in folders:
        raise ValueError(f"a folder of a method is called {TRUTH}, as the true images are; rename it.")
    found = {name: evaluate.by_stem(folder) for name, folder in folders.items()}
    if truth is not None:
        found[TRUTH] = evaluate.by_stem(truth)
    names = sorted(set.intersection(*(set(images) for images in found.values())))
    if not names:
        where = ", ".join(map(str, [*folders.values(), *([truth] if truth else [])]))
        raise ValueError(f"{where} have no image of one name; images of one scene are called alike in each.")
    scenes = {}
    for name in names:
        pictures = {method: image_files.read(images[name], 3) for method, images in found.items()}
        if kind == "choice" and len({picture.shape for picture in pictures.values()}) > 1:
            raise ValueError(f"the images of {name} have different sizes, which would tell them apart; give one size.")
        scenes[name] = {method: _png(picture) for method, picture in pictures.items()}
    methods = (*folders, *([TRUTH] if kind == "mos" and truth is not None else []))
    calibration: list[tuple[int, str]] = []
    if kind == "mos" and truth is not None:
        for name in names[:: max(1, len(names) // _CALIBRATION)][:_CALIBRATION]:
            calibration += [(1, _png(_coarse(image_files.read(found[TRUTH][name], 3)))), (5, scenes[name][TRUTH])]
    return Study(kind, methods, scenes, calibration, seed, trials, practice, seconds)


def _png(image_u8: np.ndarray) -> str:
    """An image as the page holds it, without what its file said beside the pixels."""
    return f"data:image/png;base64,{base64.b64encode(image_files.png(image_u8)).decode()}"


def _coarse(image_u8: np.ndarray) -> np.ndarray:
    """What the papers rate 1: shrunk, and enlarged by repeating pixels."""
    height, width = image_u8.shape[:2]
    image = Image.fromarray(image_u8)
    small = image.resize((max(1, width // _WORST), max(1, height // _WORST)), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


def write(folder: str | Path, study: Study) -> Path:
    """Writes index.html of a study into a folder, and returns its path. Equal studies give equal bytes."""
    told: dict[str, Any] = {**study._asdict(), "study": study.digest}
    # No name can end the script that it stands in.
    data = json.dumps(told, sort_keys=True).replace("</", "<\\/")
    page = resources.files(__package__).joinpath("page.html").read_text("utf-8")
    for mark, text in (("POLICY", _POLICY), ("STYLE", _resource("style.css")), ("SCRIPT", _resource("script.js"))):
        page = page.replace(f"{{{{{mark}}}}}", text)
    path = Path(folder) / "index.html"
    files.write(path, page.replace("{{DATA}}", data))
    return path


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
