"""Procedural building fronts: pairs of label map and photo in the manner of the CMP facades.

A building is a list of labeled boxes in relative units, so that one item shows the same building at every
size. Both images come from those boxes: the label map paints them flat, the photo runs a small shader for
each class. Light comes from the upper left.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.image_files import round_to

__all__ = [
    "BACKGROUND",
    "BALCONY",
    "BLIND",
    "BRICK",
    "CLASSES",
    "CORNICE",
    "DECO",
    "DOOR",
    "FACADE",
    "MOLDING",
    "PAINTS",
    "PALETTE",
    "PILLAR",
    "PLASTER",
    "SHOP",
    "SILL",
    "SPLITS",
    "STONE",
    "WINDOW",
    "Facades",
]
__dir__ = __all__.copy

SPLITS = ("train", "val", "test")
CLASSES = (
    "background", "facade", "window", "door", "cornice", "sill",
    "balcony", "blind", "deco", "molding", "pillar", "shop",
)  # fmt: skip
BACKGROUND, FACADE, WINDOW, DOOR, CORNICE, SILL, BALCONY, BLIND, DECO, MOLDING, PILLAR, SHOP = range(12)
BRICK, PLASTER, STONE = range(3)

# The colors of the label maps: MATLAB's jet, as in the CMP data.
PALETTE = np.array(
    [
        (0, 0, 170), (0, 0, 255), (0, 85, 255), (0, 170, 255), (0, 255, 255), (85, 255, 170),
        (170, 255, 85), (255, 255, 0), (255, 170, 0), (255, 85, 0), (255, 0, 0), (170, 0, 0),
    ],
    np.uint8,
)  # fmt: skip
PALETTE.setflags(write=False)

# The paints of each class: its shader mixes them, and photos are read back by them, so that no paint may come
# close to one of another class.
PAINTS = (
    ((84, 152, 232), (164, 208, 250), (46, 70, 40), (72, 66, 92)),  # sky above, sky below, trees, street
    ((166, 80, 58), (226, 190, 120), (148, 146, 142)),  # brick, plaster, stone: the order of the materials
    ((28, 44, 80), (92, 124, 172), (216, 214, 232)),  # glass, reflection, frame
    ((150, 18, 48), (92, 8, 30)),  # leaf, joint
    ((252, 248, 230), (216, 204, 176)),  # lit, carved
    ((150, 214, 186),),
    ((18, 92, 92), (74, 122, 116)),  # iron, gap
    ((92, 172, 72), (48, 116, 44)),  # slat, gap
    ((246, 196, 44), (176, 124, 14)),  # gilt, relief
    ((240, 164, 160),),
    ((180, 108, 150), (122, 66, 98)),  # lit, turned away
    ((244, 110, 28), (252, 196, 226), (78, 32, 104), (134, 84, 198)),  # awning, its stripes, sign, glass
)


class _Box(NamedTuple):
    label: int
    top: float
    left: float
    bottom: float
    right: float


class _Style(NamedTuple):
    material: int
    shutters: bool
    ornate: bool


class _Points(NamedTuple):
    """Points to be shaded, [points, 1] each: place in the image, place in the box, distances to its edges."""

    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    top: np.ndarray
    left: np.ndarray
    bottom: np.ndarray
    right: np.ndarray


# (points, the paints of one class [paints, 3]) -> colors [points, 3]
_Shader = Callable[[_Points, np.ndarray], np.ndarray]


# Layout


def _draw_boxes(rng: np.random.Generator) -> tuple[list[_Box], int]:
    """The boxes of one building, from back to front, and its material."""
    style = _Style(int(rng.integers(3)), *(bool(draw < 0.6) for draw in rng.random(2)))
    columns, floors = int(rng.integers(3, 6)), int(rng.integers(2, 4))
    left, right, top, ground = (0.04, 0.89, 0.09, 0.68) + np.array([0.07, 0.07, 0.08, 0.04]) * rng.random(4)
    bottom, roof, middle = 0.95, top + 0.045, (left + right) / 2
    bays = [left + (right - left) * n / columns for n in range(columns + 1)]
    levels = [roof + (ground - roof) * n / floors for n in range(floors + 1)]
    balconies = rng.random(floors) < 0.5
    balconies[rng.integers(floors)] = True  # at least one: balconies are how the label map says plaster

    boxes = [_Box(BACKGROUND, 0, 0, 1, 1), _Box(FACADE, top, left, bottom, right)]
    for (y0, y1), balcony in zip(pairwise(levels), balconies, strict=True):
        for x0, x1 in pairwise(bays):
            boxes += _window_boxes(_Box(FACADE, y0, x0, y1, x1), style, bool(balcony), rng)
    boxes += _ground_floor_boxes(bays, ground, bottom, style, rng)
    if style.material == STONE:
        starts = [left, *(x - 0.018 for x in bays[1:-1]), right - 0.036]
        boxes += [_Box(PILLAR, roof, x, ground, x + 0.036) for x in starts]
    course = MOLDING if style.material == BRICK else CORNICE
    boxes.append(_Box(course, ground - 0.012, left, ground + 0.022, right))
    boxes.append(_Box(CORNICE, top, left - 0.02, roof, right + 0.02))
    if style.ornate:
        boxes.append(_Box(DECO, top - 0.05, middle - 0.11, top, middle + 0.11))
    return boxes, style.material


def _window_boxes(cell: _Box, style: _Style, balcony: bool, rng: np.random.Generator) -> list[_Box]:
    storey, middle = cell.bottom - cell.top, (cell.left + cell.right) / 2
    half = 0.26 * (cell.right - cell.left)
    left, right = middle - half, middle + half
    top, bottom = cell.top + 0.28 * storey, cell.top + 0.8 * storey
    rolled, length = rng.random(2)
    boxes = []
    if style.material == BRICK:
        boxes.append(_Box(MOLDING, top - 0.022, left - 0.022, bottom, right + 0.022))
    if style.material != PLASTER and style.ornate:
        boxes.append(_Box(DECO, top - 0.05, middle - 0.7 * half, top - 0.018, middle + 0.7 * half))
    boxes.append(_Box(WINDOW, top, left, bottom, right))
    if style.material == PLASTER and style.shutters:
        boxes.append(_Box(BLIND, top, left - 0.7 * half, bottom, left))
        boxes.append(_Box(BLIND, top, right, bottom, right + 0.7 * half))
    elif rolled < 0.35:
        boxes.append(_Box(BLIND, top, left, top + (0.3 + 0.4 * length) * (bottom - top), right))
    if style.material == PLASTER and balcony:
        reach, rise, drop = 1.5 * half, 0.3 * storey, 0.1 * storey
        boxes.append(_Box(BALCONY, bottom - rise, middle - reach, bottom + drop, middle + reach))
    else:
        boxes.append(_Box(SILL, bottom, left - 0.03, bottom + 0.026, right + 0.03))
    return boxes


def _ground_floor_boxes(
    bays: list[float], top: float, bottom: float, style: _Style, rng: np.random.Generator
) -> list[_Box]:
    """A door, and on either side of it one shop or plain windows."""
    door, shops = int(rng.integers(len(bays) - 1)), rng.random(2) < 0.55
    margin = 0.24 * (bays[1] - bays[0])
    left, right, lintel = bays[door] + margin, bays[door + 1] - margin, top + 0.075
    boxes = [_Box(DECO, top + 0.045, left, lintel, right), _Box(DOOR, lintel, left, bottom, right)]
    plain = style._replace(shutters=False, ornate=False)
    for side, shop in zip((bays[: door + 1], bays[door + 1 :]), shops, strict=True):
        if shop and len(side) > 1:
            boxes.append(_Box(SHOP, top + 0.055, side[0] + 0.025, bottom, side[-1] - 0.025))
        else:
            for x0, x1 in pairwise(side):
                boxes += _window_boxes(_Box(FACADE, top, x0, bottom - 0.03, x1), plain, False, rng)
    return boxes


# Shaders


def _mix(a: np.ndarray, b: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return a + (b - a) * amount


def _wave(t: np.ndarray) -> np.ndarray:
    """A triangle wave of period 1 from 0 up to 1 and back."""
    return 1 - np.abs(2 * (t - np.floor(t)) - 1)


def _relief(p: _Points, edge: float) -> np.ndarray:
    """Brightness of a raised box: lit along the top and left edges, dark along the others."""
    dark = (p.right < edge) | (p.bottom < edge)
    lit = ((p.left < edge) | (p.top < edge)) & ~dark
    return 1 + 0.12 * lit - 0.22 * dark


def _background(p: _Points, paints: np.ndarray) -> np.ndarray:
    high, low, trees, street = paints
    sky = _mix(high, low, np.clip(p.y / 0.75, 0, 1))
    leaves = trees * (0.75 + 0.35 * _wave(19 * p.x + 13 * p.y) + 0.35 * _wave(29 * p.y - 11 * p.x))
    canopy = 0.68 - 0.05 * _wave(5 * p.x) - 0.02 * _wave(17 * p.x)
    kerb = np.where(p.y < 0.966, 1.35, 1)
    return np.where(p.y > 0.95, street * kerb, np.where(p.y > canopy, leaves, sky))


def _wall(p: _Points, paints: np.ndarray, material: int, hue: np.ndarray, tones: np.ndarray) -> np.ndarray:
    """The facade itself; `tones` [32, 32] sets one brick or block apart from the next."""
    light = 1.08 - 0.1 * p.u - 0.12 * p.v
    if material != PLASTER:
        height, width, joint, mortar = {
            BRICK: (1 / 32, 1 / 12, 0.0075, 1.22),
            STONE: (1 / 12, 1 / 6, 0.0083, 0.8),
        }[material]
        row = np.floor(p.top / height)
        x = p.left + width / 2 * (row % 2)
        column = np.floor(x / width)
        in_joint = (p.top - row * height < joint) | (x - column * width < joint)
        light *= np.where(in_joint, mortar, 1) * (1 + 0.1 * tones[row.astype(int), column.astype(int)])
    return paints[material] * hue * light


def _window(p: _Points, paints: np.ndarray) -> np.ndarray:
    glass, reflection, frame = paints
    glint = np.clip(1.6 - 5 * np.abs(p.u + 0.45 * p.v - 0.62), 0, 1) * (0.35 + 0.65 * p.v)
    border = np.minimum(np.minimum(p.left, p.right), np.minimum(p.top, p.bottom))
    bars = np.minimum(np.abs(p.left - p.right) / 2, np.abs(p.v - 0.36) * (p.top + p.bottom))
    recess = np.where(p.top < 0.008, 0.65, 1)
    return np.where((border < 0.009) | (bars < 0.005), frame * recess, _mix(glass, reflection, glint))


def _door(p: _Points, paints: np.ndarray) -> np.ndarray:
    leaf, joint = paints
    across, down = 2 * p.u - np.floor(2 * p.u), 3 * p.v - np.floor(3 * p.v)
    panel = (np.abs(across - 0.5) < 0.34) & (np.abs(down - 0.5) < 0.38)
    lit = panel & ((across < 0.28) | (down < 0.24))
    dark = (np.abs(p.u - 0.5) < 0.05) | (panel & ((across > 0.72) | (down > 0.76)))
    return np.where(dark, joint, leaf * np.where(lit, 1.25, 1))


def _cornice(p: _Points, paints: np.ndarray) -> np.ndarray:
    lit, carved = paints
    dentil = (p.v > 0.5) & (_wave(16 * p.left) > 0.5)
    return np.where(dentil, carved, lit * _relief(p, 0.006))


def _balcony(p: _Points, paints: np.ndarray) -> np.ndarray:
    iron, gap = paints
    rail, slab, baluster = p.v < 0.2, p.v > 0.72, _wave(21 * p.left) > 0.5
    lit = np.where(p.v < 0.12, 1.35, np.where(slab, 1.25, 1))
    return np.where(rail | slab | baluster, iron * lit, gap)


def _blind(p: _Points, paints: np.ndarray) -> np.ndarray:
    slat, gap = paints
    return _mix(slat, gap, _wave(32 * p.top))


def _deco(p: _Points, paints: np.ndarray) -> np.ndarray:
    gilt, relief = paints
    garland = np.abs(_wave(16 * p.left) - p.v) < 0.3
    return np.where(garland, relief, gilt) * _relief(p, 0.006)


def _plain(p: _Points, paints: np.ndarray) -> np.ndarray:
    return paints[0] * _relief(p, 0.009)


def _pillar(p: _Points, paints: np.ndarray) -> np.ndarray:
    lit, turned = paints
    capital = np.minimum(p.top, p.bottom) < 0.03
    return np.where(capital, 1.08 * lit, _mix(lit, turned, np.abs(p.u - 0.3) / 0.7))


def _shop(p: _Points, paints: np.ndarray) -> np.ndarray:
    awning, stripe, sign, glass = paints
    striped = _wave(16 * p.left) < 0.5
    cloth = np.where(striped, stripe, awning) * (1.15 - 0.5 * p.v)
    letters = (np.abs(p.v - 0.1) < 0.05) & (np.abs(p.u - 0.5) < 0.3) & (_wave(25 * p.left) > 0.4)
    glint = np.clip(1.4 - 4 * np.abs(p.u + 0.3 * p.v - 0.6), 0, 1)
    framed = (np.minimum(np.minimum(p.left, p.right), p.bottom) < 0.012) | (_wave(8 * p.left) > 0.9)
    front = np.where(framed, sign, _mix(sign, glass, 0.3 + 0.7 * glint))
    hem = np.where(striped, 0.44, 0.49)
    return np.where(p.v < 0.2, np.where(letters, stripe, sign), np.where(p.v < hem, cloth, front))


# Drawing


def _draw(
    boxes: list[_Box], material: int, size: tuple[int, int], rng: np.random.Generator, chance: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Label map and photo; `chance` scales what the boxes leave open: 0 draws all that can be learned."""

    def draw(*shape: int) -> np.ndarray:
        return chance * (2 * rng.random(shape) - 1)

    edges = np.array([_pixels(box, *size) for box in boxes])
    owner = np.zeros(size, np.intp)  # the box that is seen
    for number, (top, left, bottom, right) in enumerate(edges):
        owner[top:bottom, left:right] = number
    classes = np.array([box.label for box in boxes])[owner]

    tones, mottle, streaks, brightness, hue = draw(32, 32), draw(9, 9), draw(4, 32), draw(), draw(3)
    wall = partial(_wall, material=material, hue=1 + 0.04 * hue, tones=tones)
    photo = _shade(edges, owner, classes, wall)
    stains = 0.05 * _enlarge(mottle, *size) + 0.06 * _enlarge(streaks, *size) * (classes == FACADE)
    shadows = np.where(classes == BACKGROUND, 1, _shadows(boxes, edges, *size))  # none falls on the sky
    light = shadows * (1 + stains) * (1 + 0.05 * brightness)
    grain = 8 * (draw(*size, 1) + draw(*size, 1)) + 4 * draw(*size, 3)
    return PALETTE[classes], round_to(photo * light[:, :, None] + grain, np.uint8)


def _pixels(box: _Box, height: int, width: int) -> tuple[int, int, int, int]:
    """The box's edges in whole pixels, at least one each way: a sill must not vanish from a small image."""
    top, bottom = (int(p * height + 0.5) for p in (box.top, box.bottom))
    left, right = (int(p * width + 0.5) for p in (box.left, box.right))
    return top, left, max(bottom, top + 1), max(right, left + 1)


def _shade(edges: np.ndarray, owner: np.ndarray, classes: np.ndarray, wall: _Shader) -> np.ndarray:
    """Colors [H, W, 3], each the mean of 2x2 shaded points, for smooth bars and slats."""
    shaders = (
        _background, wall, _window, _door, _cornice, _plain, _balcony, _blind, _deco, _plain, _pillar, _shop,
    )  # fmt: skip
    height, width = owner.shape
    down, along = np.array([[0.25], [0.25], [0.75], [0.75]]), np.array([[0.25], [0.75], [0.25], [0.75]])
    relative = edges / (height, width, height, width)
    photo = np.empty((height, width, 3))
    for label, (shader, paints) in enumerate(zip(shaders, PAINTS, strict=True)):
        rows, columns = np.nonzero(classes == label)
        y, x = ((rows + down) / height).reshape(-1, 1), ((columns + along) / width).reshape(-1, 1)
        top, left, bottom, right = np.tile(relative[owner[rows, columns]].T, 4)[:, :, None]
        u, v = (x - left) / (right - left), (y - top) / (bottom - top)
        points = _Points(x, y, u, v, y - top, x - left, bottom - y, right - x)
        photo[rows, columns] = shader(points, np.array(paints)).reshape(4, -1, 3).mean(0)
    return photo


def _shadows(boxes: list[_Box], edges: np.ndarray, height: int, width: int) -> np.ndarray:
    """Light [H, W]: 1, and less below what juts out."""
    depths = {CORNICE: 0.05, BALCONY: 0.045, SILL: 0.022, MOLDING: 0.02}
    shift = round(0.012 * width)
    light = np.ones((height, width))
    for box, (top, left, bottom, right) in zip(boxes, edges, strict=True):
        light[top:bottom, left:right] = 1  # a box stands in front of the earlier ones, and of their shadows
        if box.label in depths:
            depth = max(1, round(depths[box.label] * height))
            below = light[bottom : bottom + depth, left + shift : right + shift]
            fade = 0.62 + 0.3 * np.arange(depth) / depth
            below[...] = np.minimum(below, fade[: len(below), None])
    return light


def _enlarge(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, corner to corner."""
    for size in (height, width):
        place = np.arange(size) * (len(grid) - 1) / size
        low = place.astype(int)
        part = (place - low)[:, None]
        grid = (grid[low] * (1 - part) + grid[low + 1] * part).T  # one axis, then the other
    return grid


class Facades:
    """A random-access source of {"name", "source": label map, "target": photo}, images uint8 [H, W, 3].

    Item i depends on (seed, split, i) alone, not on `count`, and shows the same building at every `size`: a
    side or (height, width), at least 32 pixels each.

    Raises:
        ValueError: an unknown split, a size under 32, a negative count or seed.
    """

    def __init__(self, split: str, count: int, size: int | tuple[int, int] = 64, seed: int = 0):
        height, width = (size, size) if isinstance(size, int) else size
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; use one of {', '.join(SPLITS)}.")
        if min(height, width) < 32:
            raise ValueError(f"size is {height}x{width}; a facade needs at least 32x32 pixels.")
        if count < 0 or seed < 0:
            raise ValueError(f"count is {count} and seed is {seed}; neither may be negative.")
        self.split, self.count, self.size, self.seed = split, count, (height, width), seed
        self._drawn: dict[int, dict[str, Any]] = {}  # drawing an item takes longer than a step of a small network

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.count:
            raise IndexError(f"index is {index}; this source holds items 0 to {self.count - 1}.")
        if index in self._drawn:
            return self._drawn[index]
        # The building and its texture draw apart, so that the number of pixels cannot change the building.
        key = [self.seed, SPLITS.index(self.split), int(index)]
        layout, texture = (np.random.Generator(np.random.PCG64([*key, purpose])) for purpose in (0, 1))
        source, target = _draw(*_draw_boxes(layout), self.size, texture)
        self._drawn[index] = {"name": f"{self.split}_{index:04d}", "source": source, "target": target}
        return self._drawn[index]

    def __repr__(self) -> str:
        return f"Facades({self.split!r}, count={self.count}, size={self.size}, seed={self.seed})"
