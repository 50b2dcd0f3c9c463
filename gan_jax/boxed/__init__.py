"""Generators that are installed with the program: small ones, for use right after `pip install`.

NAME.safetensors is a file like any other of ours, NAME.json what is known of it; `experiments/boxed.py` writes both.
"""

import json
from pathlib import Path
from typing import Any

from gan_jax import builtin

__all__ = ["NAMES", "facts", "file", "resolved"]
__dir__ = __all__.copy

NAMES = ("upscale_x2", "upscale_x4")
_FOLDER = Path(__file__).parent


def file(name: str) -> Path:
    """The file of a generator of NAMES."""
    return _FOLDER / f"{name}.safetensors"


def facts(name: str) -> dict[str, Any]:
    """What its recipe measured of a generator of NAMES, and how it was trained."""
    facts: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return facts


def resolved(path: str | Path, *, said: str = "") -> Path:
    """The path, or the file of the generator that a text names: one of NAMES, or builtin: and one.

    A Path is always a path. Raises ValueError for builtin: and another name, and where something in the working
    directory is called like the generator; `said` is what is typed before the path.
    """
    if isinstance(path, Path):
        return path
    name = builtin.word(path, *NAMES, said=said, kind="model")
    return Path(path) if name is None else file(name)
