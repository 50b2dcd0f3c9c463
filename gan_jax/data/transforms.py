"""From images of any size to those of a training step: resized, cropped, mirrored, derived.

An item holds a pair, or one image: uint8 [H, W, C] arrays, by name, beside its own `name`; arrays of channels keep
their dtype, until `normalized` makes of them what networks see. A preprocess, made from
the flags, makes a `Geometry` from an item's (height, width) and a `Draw`, all that is random as plain data: what
happens to all its images. `apply` does it, and between resizing and cropping makes a source of a lone target.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from gan_jax.data import image_files
from gan_jax.values import Values

__all__ = [
    "CENTER",
    "DERIVE",
    "PREPROCESS",
    "Derive",
    "Deriver",
    "Draw",
    "Geometry",
    "Item",
    "Preprocess",
    "Size",
    "Transform",
    "apply",
    "blur",
    "center",
    "crop",
    "derived_channels",
    "deriver",
    "draw",
    "edges",
    "equally_light",
    "gray",
    "height_width",
    "jitter",
    "mosaic",
    "none",
    "normalized",
    "read_size",
    "resize",
    "resize_and_crop",
    "resized",
    "scale_width",
    "scale_width_and_crop",
    "shown",
    "spelled",
    "whole",
]
__dir__ = __all__.copy

Item = Mapping[str, Any]
Transform = Callable[[Item, np.random.Generator], dict[str, np.ndarray]]
Deriver = Callable[[np.ndarray], np.ndarray]  # a target uint8 [H, W, C] -> a source uint8 [H, W, C']
Size = int | tuple[int, int]  # the side of a square, or (height, width)


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


Preprocess = Callable[[tuple[int, int], Draw], Geometry]

CENTER = Draw(0.5, 0.5, False)


def draw(rng: np.random.Generator, *, flip: bool) -> Draw:
    """Draw a uniform crop position and, with flip, a fair mirror."""
    return Draw(rng.random(), rng.random(), flip and bool(rng.random() < 0.5))


def height_width(size: Size) -> tuple[int, int]:
    """A size as (height, width)."""
    return (size, size) if isinstance(size, int) else size


def shown(size: Size) -> str:
    """A size as flags take it: 256 or 256x512, height first."""
    return str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}"


def read_size(text: str) -> Size:
    """The size that a flag's text means: 256, or 256x512 with the height first; ValueError for another text."""
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise ValueError(f"got {text}; wanted one whole number, or HEIGHTxWIDTH.")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _fits(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return inner[0] <= outer[0] and inner[1] <= outer[1]


def _cut(size: tuple[int, int], crop: tuple[int, int], at: Draw) -> Geometry:
    (height, width), (crop_height, crop_width) = size, crop
    top, left = int(at.top * (height - crop_height + 1)), int(at.left * (width - crop_width + 1))
    return Geometry(size, (top, left, crop_height, crop_width), at.mirror)


def resize_and_crop(*, load_size: Size, crop_size: Size, multiple: int = 1) -> Preprocess:
    """Squeeze to load_size, cut out crop_size; ValueError if that is larger. `multiple` is not used."""
    load, cut = height_width(load_size), height_width(crop_size)
    if not _fits(cut, load):
        raise ValueError(
            f"crop_size {shown(crop_size)} is larger than load_size {shown(load_size)}, the size to crop from; "
            f"use a load_size of at least {shown(crop_size)}."
        )
    return lambda size, at: _cut(load, cut, at)


def crop(*, load_size: Size, crop_size: Size, multiple: int = 1) -> Preprocess:
    """Cut out crop_size and resize nothing; ValueError for an image that is smaller. Nothing else is used."""
    cut = height_width(crop_size)

    def preprocess(size: tuple[int, int], at: Draw) -> Geometry:
        if not _fits(cut, size):
            raise ValueError(
                f"an image {size[1]} wide and {size[0]} high is smaller than crop_size {shown(crop_size)}; "
                "use a smaller crop_size or the preprocess resize_and_crop."
            )
        return _cut(size, cut, at)

    return preprocess


def scale_width(*, load_size: Size, crop_size: Size, multiple: int = 1) -> Preprocess:
    """Scale to width load_size and a height of at least crop_size's, both then rounded to a `multiple`.

    An image too flat for that height is stretched to it. Raises ValueError for a load_size of two sides.
    """
    scaled = _width_scaler(load_size, crop_size)

    def preprocess(size: tuple[int, int], at: Draw) -> Geometry:
        rounded = _to_multiple(scaled(size), multiple)
        return _cut(rounded, rounded, at)

    return preprocess


def scale_width_and_crop(*, load_size: Size, crop_size: Size, multiple: int = 1) -> Preprocess:
    """Scale as `scale_width`, round nothing, cut out crop_size; ValueError if that is wider than load_size."""
    scaled, cut = _width_scaler(load_size, crop_size), height_width(crop_size)
    if cut[1] > height_width(load_size)[1]:
        raise ValueError(
            f"crop_size {shown(crop_size)} is larger than load_size {load_size}, the width to crop from; "
            f"use a load_size of at least {cut[1]}."
        )
    return lambda size, at: _cut(scaled(size), cut, at)


def none(*, load_size: Size, crop_size: Size, multiple: int = 1) -> Preprocess:
    """Keep the image whole and resize it to the nearest sides that are a `multiple`, the only one used."""

    def preprocess(size: tuple[int, int], at: Draw) -> Geometry:
        rounded = _to_multiple(size, multiple)
        return _cut(rounded, rounded, at)

    return preprocess


def _width_scaler(load_size: Size, crop_size: Size) -> Callable[[tuple[int, int]], tuple[int, int]]:
    if not isinstance(load_size, int):
        raise ValueError(
            f"load_size {shown(load_size)} has two sides, and the preprocesses that scale the width take one; "
            f"use load_size {load_size[1]}."
        )
    # Rounded down, and stretched where too flat for the crop, as the PyTorch code does it.
    return lambda size: (max(load_size * size[0] // size[1], height_width(crop_size)[0]), load_size)


def _to_multiple(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    # Half a multiple goes to the even one, as the PyTorch code's does.
    height, width = (max(round(side / multiple), 1) * multiple for side in size)
    return height, width


# Each makes a Preprocess from load_size, crop_size and the multiple that the sides of whole images must be.
PREPROCESS: Mapping[str, Callable[..., Preprocess]] = {
    "resize_and_crop": resize_and_crop,
    "crop": crop,
    "scale_width": scale_width,
    "scale_width_and_crop": scale_width_and_crop,
    "none": none,
}
_ROUNDING = 4  # the multiple that pytorch-CycleGAN-and-pix2pix resizes whole images to
_UNCROPPED = {"crop": "none", "scale_width_and_crop": "scale_width"}


def jitter(
    preprocess: str,
    *,
    load_size: Size,
    crop_size: Size,
    flip: bool = True,
    multiple: int = 1,
    derive: Deriver | None = None,
) -> Transform:
    """The training transform named in PREPROCESS: one random crop and mirror for all images of an item.

    `derive` makes the source of an item that has a target alone. Sides that are no `multiple` are padded by reflection,
    as a generator pads what it translates. Raises ValueError for sizes that exclude each other and, when it is called,
    for an image that is too small.
    """
    rounding = _ROUNDING if multiple % _ROUNDING == 0 else 1
    plan = PREPROCESS[preprocess](load_size=load_size, crop_size=crop_size, multiple=rounding)
    transform = _transform(plan, lambda rng: draw(rng, flip=flip), derive)

    def padded(item: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {name: image_files.pad(image, multiple) for name, image in transform(item, rng).items()}

    return padded


def center(preprocess: str, *, load_size: Size, crop_size: Size, derive: Deriver | None = None) -> Transform:
    """The validation transform: as `jitter` with the crop in the middle; resize_and_crop squeezes to crop_size."""
    load_size = crop_size if preprocess == "resize_and_crop" else load_size
    plan = PREPROCESS[preprocess](load_size=load_size, crop_size=crop_size)
    return _transform(plan, lambda rng: CENTER, derive)


def whole(preprocess: str, *, load_size: Size, crop_size: Size, derive: Deriver | None = None) -> Transform:
    """The transform of scored images: as `center`, but nothing is cropped and no side is rounded."""
    preprocess = _UNCROPPED.get(preprocess, preprocess)
    return center(preprocess, load_size=load_size, crop_size=crop_size, derive=derive)


def resized(preprocess: str, *, load_size: Size, crop_size: Size, derive: Deriver | None = None) -> Transform:
    """What `jitter` does before it crops and mirrors: it gives the same crops of these images as of those before."""
    # What keeps its size is left to it, which knows what multiple the network wants.
    kept = preprocess in ("crop", "none")
    plan = PREPROCESS[preprocess](load_size=load_size, crop_size=crop_size, multiple=_ROUNDING)

    def scaled(size: tuple[int, int], at: Draw) -> Geometry:
        size = size if kept else plan(size, at).size
        return _cut(size, size, at)

    return _transform(scaled, lambda rng: CENTER, derive)


def normalized(transform: Transform, values: Mapping[str, Values]) -> Transform:
    """A transform whose images are then as networks see them, float32 in [-1, 1]; `values` are theirs, by name."""

    def in_range(item: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {name: values[name].to_network(image) for name, image in transform(item, rng).items()}

    return in_range


def _transform(plan: Preprocess, place: Callable[[np.random.Generator], Draw], derive: Deriver | None) -> Transform:
    def transform(item: Item, rng: np.random.Generator) -> dict[str, np.ndarray]:
        images_u8 = {key: image for key, image in item.items() if key != "name"}
        try:
            return apply(images_u8, plan(_size_of(images_u8), place(rng)), derive)
        except ValueError as error:
            raise ValueError(f"{item['name']}: {error}") from None

    return transform


def _size_of(images_u8: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """The (height, width) that all images have."""
    (first, size), *others = ((key, image.shape[:2]) for key, image in images_u8.items())
    for other, (height, width) in others:
        if (height, width) != size:
            raise ValueError(f"{first} is {size[1]}x{size[0]} and {other} is {width}x{height}; give both one size.")
    return size


def apply(
    images_u8: Mapping[str, np.ndarray], geometry: Geometry, derive: Deriver | None = None
) -> dict[str, np.ndarray]:
    """Resize, crop and mirror images uint8 [H, W, C] of one size alike.

    `derive` makes the source where there is none. It is called between resizing and cropping: its lines then have the
    final resolution, and the border of the crop is not one of them.
    """
    resized = {key: resize(image, *geometry.size) for key, image in images_u8.items()}
    if derive and "source" not in resized:
        resized = {"source": derive(resized["target"]), **resized}
    top, left, height, width = geometry.crop
    cut = {key: image[top : top + height, left : left + width] for key, image in resized.items()}
    return {key: _mirrored(image) for key, image in cut.items()} if geometry.mirror else cut


def _mirrored(image: np.ndarray) -> np.ndarray:
    # A channel at a time: to copy pixels of three bytes backwards, one by one, takes five times as long.
    mirrored = np.empty(image.shape, image.dtype)
    for channel in range(image.shape[2]):
        mirrored[..., channel] = image[:, ::-1, channel]
    return mirrored


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize [H, W, C] to [height, width, C] by Pillow's (antialiasing) bicubic; as it is if of that size.

    uint8, or uint16 and float32 at full precision: by that bicubic of floats, and integers rounded.
    """
    if image.shape[:2] == (height, width):
        return image
    channels, dtype = image.shape[2], image.dtype
    # Three channels in one go; two or four would count as alpha, which Pillow premultiplies.
    together = channels == 3 and dtype == np.uint8
    bands = [image] if together else [image[..., k] for k in range(channels)]
    if dtype != np.uint8:
        bands = [band.astype(np.float32) for band in bands]
    size, kernel = (width, height), Image.Resampling.BICUBIC
    resized = [np.asarray(Image.fromarray(band).resize(size, kernel)) for band in bands]
    if together:
        return resized[0]
    stacked = np.stack(resized, axis=-1)
    return image_files.round_to(stacked, dtype) if dtype == np.uint16 else stacked


def gray(photo_u8: np.ndarray) -> np.ndarray:
    """Luma, uint8 [H, W, 1], of a photograph [H, W, 3 or 1]: BT.601 full range, as Pillow's "L"."""
    return image_files.in_channels(photo_u8, 1)


def edges(photo_u8: np.ndarray) -> np.ndarray:
    """Black lines on white, uint8 [H, W, 1], along the edges of a photograph [H, W, 3 or 1]: Canny (1986)."""
    smooth = _gaussian(gray(photo_u8)[..., 0].astype(np.float32), sigma=1.5)
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


def blur(photo_u8: np.ndarray) -> np.ndarray:
    """A photograph [H, W, C] out of focus: a Gaussian of standard deviation 2 pixels; uint8 [H, W, C]."""
    return np.rint(_gaussian(photo_u8.astype(np.float32), sigma=2.0)).astype(np.uint8)


def mosaic(photo_u8: np.ndarray) -> np.ndarray:
    """A photograph [H, W, C] in blocks of 8x8 pixels (fewer at the far borders) of their mean; uint8 [H, W, C]."""
    side = 8
    height, width = photo_u8.shape[:2]
    tops, lefts = np.arange(0, height, side), np.arange(0, width, side)
    sums = np.add.reduceat(np.add.reduceat(photo_u8.astype(np.int32), tops), lefts, axis=1)
    heights, widths = np.minimum(side, height - tops), np.minimum(side, width - lefts)
    means = np.rint(sums / (heights[:, None] * widths)[..., None]).astype(np.uint8)
    return means.repeat(heights, axis=0).repeat(widths, axis=1)


def equally_light(photo_u8: np.ndarray) -> np.ndarray:
    """The gray [H, W, 1] with a photograph's [H, W, 1 or 3] luminance, and so its L of CIE L*a*b*; uint8 both."""
    if photo_u8.shape[2] == 1:
        return photo_u8
    encoded = np.arange(256, dtype=np.float32) / 255
    linear = np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92).astype(np.float32)
    y = linear[photo_u8] @ np.array([0.2126390059, 0.7151686788, 0.0721923154], np.float32)  # IEC 61966-2-1
    curved = 1.055 * np.maximum(y, 0.0031308) ** (1 / 2.4) - 0.055
    return np.rint(np.where(y > 0.0031308, curved, 12.92 * y) * 255).astype(np.uint8)[..., None]


Derive = Literal["gray", "grey", "edges", "blur", "mosaic", "lab"]
# Each makes a source [H, W, C or 1] from a photograph [H, W, C].
DERIVE: Mapping[Derive, Callable[[np.ndarray], np.ndarray]] = {
    "gray": gray,
    "edges": edges,
    "blur": blur,
    "mosaic": mosaic,
    "lab": equally_light,
}


def derived_channels(word: Derive | None) -> int:
    """Channels of a source that a word makes of RGB, and of one that no word makes."""
    return 1 if spelled(word) in ("gray", "lab", "edges") else 3


def deriver(word: Derive | None, channels: int) -> Deriver | None:
    """What makes a source [H, W, channels], 1 or 3, from a target [H, W, 1 or 3], by a word; None for no word."""
    if word is None:
        return None
    make = DERIVE[spelled(word)]
    if channels == 1:
        return lambda target_u8: gray(make(target_u8))

    def derive(target_u8: np.ndarray) -> np.ndarray:
        source_u8 = make(target_u8)
        return np.repeat(source_u8, 3 // source_u8.shape[2], axis=2)

    return derive


def spelled(word: Any) -> Any:
    """A flag's word in the one spelling that is kept: "gray" for "grey"; any other as it is."""
    return "gray" if word == "grey" else word


def _gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    radius = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1, dtype=np.float32) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.pad(image, [(radius, radius)] * 2 + [(0, 0)] * (image.ndim - 2), mode="edge")
    height, width = image.shape[:2]
    # Python's sum, term by term: np.sum would first stack the terms, which takes four times as long.
    zero = np.zeros(1, np.float32)
    rows = sum((w * padded[k : k + height] for k, w in enumerate(weights)), zero)
    return sum((w * rows[:, k : k + width] for k, w in enumerate(weights)), zero)


def _ridges(strength: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Where the gradient is stronger than at both neighbors along its direction, which is one of four."""
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
