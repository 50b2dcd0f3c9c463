"""A folder of a video's frames as they were computed: what they are of, and those that need not be computed again."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import errors, files
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.data.video import BrokenError
from gan_jax.infer import engine
from gan_jax.model import Model

__all__ = ["FRAMES_JSON", "KeptFrames", "described", "enter"]
__dir__ = __all__.copy

FRAMES_JSON = "frames.json"
_WRITERS = 8  # threads: compressing a frame may take longer than computing it
_FILES = ("clip", "generator")  # of which SHA-256 is kept; all else has the names of flags


def described(
    generator: Model, source: str | Path, options: engine.Options, *, batch_size: int, seed: int
) -> dict[str, Any]:
    """All that decides the pixels of a video's frames, in values of JSON: the clip, the generator, and flags by name.

    The size of a batch and of tiles are among them for their rounding: other ones change some numbers by a level.
    """
    spec = generator.spec
    plain = generator._replace(spec=dataclasses.replace(spec, dropout=False, norm="image"))  # which have flags
    with open(source, "rb") as file:
        clip = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "clip": clip,
        "generator": hashlib.sha256(models.as_bytes(plain)).hexdigest(),
        "dropout": "on" if spec.dropout else "off",
        "norm": spec.norm,
        "seed": seed if spec.dropout else 0,
        "batch_size": batch_size,
        **options._asdict(),
    }


def enter(folder: str | Path, description: dict[str, Any]) -> None:
    """Makes a folder that of the frames described, where it is none yet.

    Raises ValueError where it has frames of another job, which the sentence compares, or other things in it.
    """
    folder = Path(folder)
    path = folder / FRAMES_JSON
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--frames {folder} is a file; wanted a folder.")
    if not path.exists():
        if any(not file.name.startswith(".") for file in folder.glob("*")):
            raise ValueError(f"{folder} holds files but no {FRAMES_JSON}, so no frames of ours; name another folder.")
        files.write(path, json.dumps(description, indent=1) + "\n")
        return
    try:
        before = json.loads(path.read_text())
        changes = _changes(before, description)
    except (ValueError, AttributeError):
        raise ValueError(f"{path} is damaged; name another folder, or remove {folder}.") from None
    if changes:
        raise ValueError(
            f"{folder} holds frames of another job: {'; '.join(changes)}. Give what was given then to go on, or name "
            "another folder."
        )


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In words, what makes another job of one."""
    changed = [name for name in now if before.get(name) != now[name]]
    return [
        f"the {name} is another" if name in _FILES else f"--{name} was {before.get(name)} and is {now[name]}"
        for name in changed
    ]


class KeptFrames:
    """The frames in a folder that was entered, uint8 [H, W, C] of one shape; `say` is told of those of no use."""

    def __init__(self, folder: str | Path, shape: tuple[int, int, int], say: Callable[[str], None]) -> None:
        self._folder, self._shape, self._say = Path(folder), shape, say

    def count(self) -> int:
        """How many there are."""
        return sum(path.stem.isdecimal() for path in self._folder.glob("*.png"))

    def read(self, numbers: Iterable[int]) -> dict[int, np.ndarray]:
        """Those of these frames that there are, by number, and can be read, and have the shape.

        Raises OSError where the system refuses.
        """
        found = {number: self._read(path) for number in numbers if (path := self._path(number)).exists()}
        return {number: frame_u8 for number, frame_u8 in found.items() if frame_u8 is not None}

    def write(self, frames: Mapping[int, np.ndarray]) -> None:
        """Keeps frames, by number, each whole or not at all. Raises BrokenError where one cannot be written."""
        with ThreadPoolExecutor(_WRITERS) as pool:
            for _ in pool.map(self._write, frames.items()):
                pass

    def _write(self, numbered: tuple[int, np.ndarray]) -> None:
        path = self._path(numbered[0])
        try:
            image_files.save(path, numbered[1])
        except OSError as error:
            raise BrokenError(f"{path} cannot be written ({error.strerror}); {errors.remedy(error)}.") from None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.png"

    def _read(self, path: Path) -> np.ndarray | None:
        try:
            frame_u8 = image_files.read(path, self._shape[2])
        except image_files.RefusedError as error:
            self._say(f"{str(error).partition(';')[0]}; it is computed again.")
            return None
        if frame_u8.shape != self._shape:
            sides, wanted = (f"{shape[1]}x{shape[0]}" for shape in (frame_u8.shape, self._shape))
            self._say(f"{path} has {sides} pixels and frames here have {wanted}; it is computed again.")
            return None
        return frame_u8
