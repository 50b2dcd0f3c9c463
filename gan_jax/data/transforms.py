"""From pairs of any size to the pictures of a training step: resized, cropped, mirrored, derived.

Pictures are uint8 [H, W, C] arrays. From their (height, width) and a `Draw`, all that is random as plain
data, a preprocess makes a `Geometry`, what happens to both pictures of a pair; `apply` carries it out.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

Pair = Mapping[str, Any]
Transform = Callable[[Pair, np.random.Generator], dict[str, np.ndarray]]


class Draw(NamedTuple):
    """What is random in a jitter: where the crop lies, in [0, 1) of the room that it has, and the mirror."""

    top: float
    left: float
    mirror: bool


class Geometry(NamedTuple):
    """Resize to (height, width), then cut out (top, left, height, width), then mirror left and right."""

    size: tuple[int, int]
    crop: tuple[int, int, int, int]
    mirror: bool


CENTRE = Draw(0.5, 0.5, False)


def draw(rng: np.random.Generator, *, flip: bool) -> Draw:
    """Draw a uniform crop position and, with flip, a fair mirror."""
    return Draw(rng.random(), rng.random(), flip and bool(rng.random() < 0.5))


def _crop_box(size: tuple[int, int], crop_size: int, at: Draw) -> tuple[int, int, int, int]:
    height, width = size
    top, left = int(at.top * (height - crop_size + 1)), int(at.left * (width - crop_size + 1))
    return top, left, crop_size, crop_size


def resize_and_crop(size: tuple[int, int], at: Draw, *, load_size: int, crop_size: int) -> Geometry:
    """Squeeze to load_size x load_size, cut out crop_size x crop_size; ValueError if that is larger."""
    if crop_size > load_size:
        raise ValueError(
            f"crop_size {crop_size} is larger than load_size {load_size}, the size to crop from; "
            f"use a load_size of at least {crop_size}."
        )
    square = (load_size, load_size)
    return Geometry(square, _crop_box(square, crop_size, at), at.mirror)


def crop(size: tuple[int, int], at: Draw, *, load_size: int, crop_size: int) -> Geometry:
    """Cut out crop_size x crop_size and resize nothing, ignoring load_size; ValueError if it does not fit."""
    if min(size) < crop_size:
        raise ValueError(
            f"a picture of {size[1]}x{size[0]} pixels is smaller than crop_size {crop_size}; "
            "use a smaller crop_size or the preprocess resize_and_crop."
        )
    return Geometry(size, _crop_box(size, crop_size, at), at.mirror)


PREPROCESS: Mapping[str, Callable[..., Geometry]] = {"resize_and_crop": resize_and_crop, "crop": crop}


def jitter(preprocess: str, *, load_size: int, crop_size: int, flip: bool = True) -> Transform:
    """The training transform named in PREPROCESS: one random crop and mirror for both pictures of a pair."""
    return _transform(preprocess, load_size, crop_size, lambda rng: draw(rng, flip=flip))


def centre(preprocess: str, *, crop_size: int) -> Transform:
    """The test-time transform: resized to crop_size x crop_size or, with "crop", the middle of that size."""
    return _transform(preprocess, crop_size, crop_size, lambda rng: CENTRE)


def _transform(
    preprocess: str, load_size: int, crop_size: int, place: Callable[[np.random.Generator], Draw]
) -> Transform:
    plan = PREPROCESS[preprocess]

    def transform(pair: Pair, rng: np.random.Generator) -> dict[str, np.ndarray]:
        try:
            size = pair["target"].shape[:2]
            return apply(pair, plan(size, place(rng), load_size=load_size, crop_size=crop_size))
        except ValueError as error:
            raise ValueError(f"{pair['name']}: {error}") from None

    return transform


def whole(preprocess: str, *, crop_size: int) -> Transform:
    """The transform of scored pictures: as `centre`, but with "crop" the whole picture at its own size."""
    if preprocess == "resize_and_crop":
        return centre(preprocess, crop_size=crop_size)

    def transform(pair: Pair, rng: np.random.Generator) -> dict[str, np.ndarray]:
        height, width = pair["target"].shape[:2]
        return apply(pair, Geometry((height, width), (0, 0, height, width), mirror=False))

    return transform


def apply(pair: Pair, geometry: Geometry) -> dict[str, np.ndarray]:
    """Resize, crop and mirror both pictures of a pair alike; ValueError if they have two sizes.

    A pair may hold `derive` in place of `source`. It is called between resizing and cropping: its lines then
    have the final resolution, and the border of the crop is not one of them.
    """
    target = resize(pair["target"], *geometry.size)
    if "derive" in pair:
        source = pair["derive"](target)
    else:
        (h, w), (target_h, target_w) = pair["source"].shape[:2], pair["target"].shape[:2]
        if (h, w) != (target_h, target_w):
            raise ValueError(f"source is {w}x{h} and target is {target_w}x{target_h}; give both one size.")
        source = resize(pair["source"], *geometry.size)
    top, left, height, width = geometry.crop
    step = -1 if geometry.mirror else 1
    return {
        name: picture[top : top + height, left : left + width][:, ::step]
        for name, picture in (("source", source), ("target", target))
    }


def resize(image_u8: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize [H, W, C] to [height, width, C] by Pillow's (antialiasing) bicubic; as it is if of that size."""
    if image_u8.shape[:2] == (height, width):
        return image_u8
    channels = image_u8.shape[2]
    # Three channels in one go; two or four would count as alpha, which Pillow premultiplies.
    bands = [image_u8] if channels == 3 else [image_u8[..., k] for k in range(channels)]
    size, kernel = (width, height), Image.Resampling.BICUBIC
    resized = [np.asarray(Image.fromarray(band).resize(size, kernel)) for band in bands]
    return resized[0] if channels == 3 else np.stack(resized, axis=-1)


def grey(photo_u8: np.ndarray) -> np.ndarray:
    """Luma, uint8 [H, W, 1], of a photograph [H, W, 3 or 1]: BT.601 full range, as Pillow's "L"."""
    if photo_u8.shape[2] == 1:
        return photo_u8
    return np.asarray(Image.fromarray(photo_u8).convert("L"))[..., None]


def edges(photo_u8: np.ndarray) -> np.ndarray:
    """Black lines on white, uint8 [H, W, 1], along the edges of a photograph [H, W, 3 or 1]: Canny (1986)."""
    smooth = _gaussian(grey(photo_u8)[..., 0].astype(np.float32), sigma=1.5)
    padded = np.pad(smooth, 1, mode="edge")
    across = padded[:, 2:] - padded[:, :-2]
    down = padded[2:] - padded[:-2]
    dx = across[:-2] + 2 * across[1:-1] + across[2:]  # Sobel
    dy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    strength = np.hypot(dx, dy)
    ridge = _ridges(strength, dx, dy)
    # Relative, so that a dim photograph gets lines too; the floor keeps a flat one free of noise.
    high = max(float(np.quantile(strength, 0.92)), 16.0)
    line = _connected(ridge & (strength > high), ridge & (strength > 0.4 * high))
    return np.where(line, 0, 255).astype(np.uint8)[..., None]


def _gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    radius = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1, dtype=np.float32) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.pad(image, radius, mode="edge")
    height, width = image.shape
    rows = np.sum([w * padded[k : k + height] for k, w in enumerate(weights)], axis=0)
    return np.sum([w * rows[:, k : k + width] for k, w in enumerate(weights)], axis=0)


def _ridges(strength: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Where the gradient is stronger than at both neighbours along its direction, which is one of four."""
    height, width = strength.shape
    padded = np.pad(strength, 1)
    direction = np.rint(np.arctan2(dy, dx) / (np.pi / 4)).astype(int) % 4
    ridge = np.zeros(strength.shape, bool)
    for k, (y, x) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        behind = padded[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        # Strict on one side: a plateau of two equal pixels gives one line.
        ridge |= (direction == k) & (strength >= ahead) & (strength > behind)
    return ridge


def _connected(strong: np.ndarray, weak: np.ndarray) -> np.ndarray:
    """Hysteresis: the strong pixels, and the weak ones that a chain of weak ones joins to them."""
    while True:
        padded = np.pad(strong, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        grown = (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]) & weak
        if np.array_equal(grown, strong):
            return strong
        strong = grown
