"""What the page computes: pictures that somebody dropped or drew, through a generator. Nothing here knows a browser."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_jax import image, infer
from gan_jax.app.subject import Subject
from gan_jax.data import image_files, transforms
from gan_jax.infer import latents
from gan_jax.infer.resize import final_sides
from gan_jax.model import Model

__all__ = [
    "MOST_PIXELS",
    "Answer",
    "archive",
    "drawn",
    "dropped",
    "fitted",
    "samples",
    "translated",
]
__dir__ = __all__.copy

MOST_PIXELS = 16_000_000  # of what goes in and of what comes out


class Answer(NamedTuple):
    """What came of a picture, uint8 [H, W, C] each."""

    before: np.ndarray  # the input, as large as the outputs
    outputs: Sequence[np.ndarray]


def dropped(path: str | Path, channels: int) -> np.ndarray:
    """An image file as uint8 [H, W, channels]. Raises ValueError, in a sentence with its bare name, for another."""
    path = Path(path)
    try:
        with image_files.opened(path) as opened:
            width, height = opened.size
            _require_small(height, width, path.name)
            return image_files.as_array(image_files.decoded(opened), channels)
    except (ValueError, OSError) as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None


def drawn(canvas: np.ndarray, channels: int, palette: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """A canvas uint8 [H, W, 4] as [H, W, channels]: where it is empty the first color of the palette, or else white.

    With a palette every pixel has the nearest of its colors, for a brush's edges are mixtures, and no label.
    """
    empty = np.array(palette[0] if palette else (255, 255, 255), np.float32)
    alpha = canvas[..., 3:].astype(np.float32) / 255.0
    pixels = image_files.round_to(canvas[..., :3] * alpha + empty * (1.0 - alpha), np.uint8)
    if palette:
        colors = np.array(palette, np.uint8)
        distances = np.stack([((pixels.astype(np.int32) - color) ** 2).sum(axis=-1) for color in colors.astype(int)])
        pixels = colors[distances.argmin(axis=0)]
    return image_files.in_channels(pixels, channels)


def fitted(image_u8: np.ndarray, side: int, *, labels: bool) -> np.ndarray:
    """The image [H, W, C] with a shorter side of `side`: by bicubic, or by the nearest pixel of label maps."""
    height, width = image_u8.shape[:2]
    if min(height, width) == side:
        return image_u8
    factor = side / min(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    resized = Image.fromarray(image_u8[..., 0] if image_u8.shape[2] == 1 else image_u8).resize(
        size, Image.Resampling.NEAREST if labels else Image.Resampling.BICUBIC
    )
    return np.asarray(resized).reshape(size[1], size[0], -1)


def translated(
    generator: Model,
    subject: Subject,
    image_u8: np.ndarray,
    *,
    seed: int = 0,
    count: int = 1,
    derive: bool = False,
    tile: int | None = None,
    outscale: float | None = None,
) -> Answer:
    """The generator's outputs for one image [H, W, C]: `count` samples of a seed where it has noise, else one.

    `derive` makes the input of a photograph first, as training did. Raises ValueError for an image or an output that is
    too large, and as `infer.translate` does.
    """
    channels = generator.spec.in_channels
    if derive and subject.derive:
        make = transforms.deriver(subject.derive, channels)
        assert make is not None
        image_u8 = make(image_files.in_channels(image_u8, 3))
    image_u8 = image_files.in_channels(image_u8, channels)
    sides = final_sides(image_u8.shape, generator.spec.scale, outscale)
    _require_small(*sides, "the output")
    if count > 1 and subject.has_noise:
        outputs = list(infer.samples(generator, image_u8, count, seed=seed))
    else:
        outputs = [infer.translate(generator, image_u8, seed=seed, tile=tile, outscale=outscale)]
    before = image_u8
    if before.shape[:2] != sides:
        before = image_files.round_to(np.asarray(image.imresize(before, shape=sides)), np.uint8)
    return Answer(before, outputs)


def _require_small(height: int, width: int, what: str) -> None:
    if height * width > MOST_PIXELS:
        raise image_files.RefusedError(
            f"{what} has {width:,}x{height:,} pixels, and this page takes {MOST_PIXELS / 1e6:,.0f} million; scale it "
            "down, or use gan-jax translate."
        )


def samples(
    generator: Model, *, seed: int = 0, count: int = 16, label: int | None = None, interpolate: bool = False
) -> list[np.ndarray]:
    """Images [H, W, C] of the latents of a seed: of one label, or classes in turn; or eight a row from one to another.

    Interpolations fill their rows: there are as many as the next multiple of eight. Raises UnfitError for a generator
    that does not start from latents.
    """
    if interpolate:
        rows = -(-count // latents.COLUMNS)
        return list(latents.interpolations(generator, rows=rows, seed=seed, label=label))
    known = latents.classes_of(generator)
    labels = None
    if known:
        labels = latents.labels_in_turn(known, count) if label is None else np.full(count, label)
    return list(latents.sample(generator, latents.latents_of(generator, count, seed=seed), labels))


def archive(images_u8: Sequence[np.ndarray], name: str) -> bytes:
    """Several images as a ZIP file of PNG files, which are called by the name and their number."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as file:
        for number, image_u8 in enumerate(images_u8):
            file.writestr(f"{name}_{number}.png", image_files.png(image_u8))
    return content.getvalue()
