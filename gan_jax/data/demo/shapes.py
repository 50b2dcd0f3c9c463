"""Ten classes of shapes, drawn by the program: labeled images without a download.

Each image is one shape in one color on a ground of another, at a random place, size and tilt.
"""

import colorsys
import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["CLASSES", "Shapes", "draw"]
__dir__ = __all__.copy

CLASSES = ("disc", "ring", "half_disc", "square", "frame", "triangle", "star", "plus", "bar", "heart")
_SPLITS = {"train": 0, "val": 1, "test": 2}
_FINE = 4  # drawn so many times larger, then reduced: soft edges

_Points = list[tuple[float, float]]


def _circle(count: int, radius: float = 1.0, first: float = 0.0, part: float = 2 * math.pi) -> _Points:
    """Points on a part of a circle around the center."""
    angles = [first + part * i / count for i in range(count + 1)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def _star() -> _Points:
    outer, inner = _circle(5, 1.1, -math.pi / 2), _circle(5, 0.45, -math.pi / 2 + math.pi / 5)
    return [point for pair in zip(outer[:5], inner[:5], strict=True) for point in pair]


def _heart() -> _Points:
    angles = [2 * math.pi * i / 40 for i in range(40)]
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
        )
        for t in angles
    ]


def _box(width: float, height: float) -> _Points:
    return [(-width, -height), (width, -height), (width, height), (-width, height)]


_CORNERS = [(-0.3, -1.0), (0.3, -1.0), (0.3, -0.3)]  # of one arm of a plus; a quarter turn makes the next
_PLUS = [
    *_CORNERS,
    *((-y, x) for x, y in _CORNERS),
    *((-x, -y) for x, y in _CORNERS),
    *((y, -x) for x, y in _CORNERS),
]

# Outlines around (0, 0) within 1.1; a second one is cut out.
_OUTLINES: dict[str, tuple[_Points, ...]] = {
    "disc": (_circle(40),),
    "ring": (_circle(40), _circle(40, 0.55)),
    "half_disc": (_circle(24, 1.05, 0.0, math.pi),),
    "square": (_box(0.85, 0.85),),
    "frame": (_box(0.9, 0.9), _box(0.5, 0.5)),
    "triangle": (_circle(3, 1.1, -math.pi / 2)[:3],),
    "star": (_star(),),
    "plus": (_PLUS,),
    "bar": (_box(1.05, 0.28),),
    "heart": (_heart(),),
}


class Shapes:
    """`count` images of a split: {"name": str, "image": uint8 [size, size, 3], "label": index in CLASSES}.

    Image i is always the same, splits differ, and classes take turns. Raises ValueError for an unknown split.
    """

    classes = CLASSES

    def __init__(self, split: str, count: int, size: int = 32) -> None:
        if split not in _SPLITS:
            raise ValueError(f"split is {split!r}; wanted one of {', '.join(_SPLITS)}.")
        self._split, self._count, self._size = split, count, size
        self._drawn: dict[int, np.ndarray] = {}  # drawing takes longer than a small network's step

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Shapes({self._split}, {self._count} of {self._size}x{self._size}, drawing 2)"

    def __getitem__(self, i: int) -> dict[str, Any]:
        i, label = int(i), int(i) % len(CLASSES)
        if i not in self._drawn:
            rng = np.random.default_rng((_SPLITS[self._split], i))
            self._drawn[i] = draw(CLASSES[label], self._size, rng)
        return {"name": f"{self._split}_{i:05d}", "image": self._drawn[i], "label": label}


def draw(name: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """One image of a class, uint8 [size, size, 3]: a bright shape on a dark ground of any hues."""
    ground = _color(rng, saturation=(0.2, 0.6), value=(0.05, 0.3))
    ink = _color(rng, saturation=(0.4, 0.9), value=(0.75, 1.0))
    side = size * _FINE
    radius = side * rng.uniform(0.3, 0.4)
    x, y = side / 2 + rng.uniform(-0.5, 0.5, 2) * (side / 2 - 1.1 * radius)
    tilt = rng.uniform(-1.0, 1.0) * math.pi / 16
    cosine, sine = math.cos(tilt) * radius, math.sin(tilt) * radius
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    for outline, color in zip(_OUTLINES[name], (ink, ground), strict=False):
        pen.polygon([(x + cosine * u - sine * v, y + sine * u + cosine * v) for u, v in outline], fill=color)
    return np.asarray(image.reduce(_FINE))


def _color(
    rng: np.random.Generator, *, saturation: tuple[float, float], value: tuple[float, float]
) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return round(255 * red), round(255 * green), round(255 * blue)
