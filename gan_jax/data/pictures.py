"""Picture files: finding, reading and writing them. Arrays are uint8 [H, W, C], C 1 (grey) or 3 (RGB)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")  # at most 8 bits a channel
_BITS_PER_SAMPLE = 258  # tag of TIFF 6.0


def list_pictures(folder: Path, *, instead: str = "") -> list[str]:
    """Sorted paths of the pictures below a folder, hidden ones apart; FileNotFoundError if there are none.

    `instead` ends that error's sentence: what else would do.
    """
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(parent).relative_to(folder)
        files = [name for name in files if name.lower().endswith(EXTENSIONS) and not name.startswith(".")]
        found += [(below / name).as_posix() for name in files]
    if not found:
        got = "no pictures in" if folder.is_dir() else "no folder"
        raise FileNotFoundError(f"{got} {folder}; wanted files there that end in {' '.join(EXTENSIONS)}{instead}.")
    return sorted(found)


class _RefusedError(ValueError):
    """A picture that cannot be used: the message names it and says what to do."""


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """Open a picture of at most 8 bits a channel; _RefusedError for another, or if the block fails."""
    try:
        with Image.open(path) as image:
            if is_deep(image):
                raise _RefusedError(f"{path} has more than 8 bits a channel; convert it to 8 bits.")
            if image.mode not in MODES:
                raise _RefusedError(f"{path} has mode {image.mode}; convert it to 8 bits, grey or RGB.")
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = f"{Image.MAX_IMAGE_PIXELS} pixels, Pillow's limit"
        raise _RefusedError(f"{path} has more than {limit}; scale it down or cut it up.") from None
    except Exception as error:
        if isinstance(error, _RefusedError):
            raise
        # With a number it is the system's: no such file, permission denied.
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(f"{path} cannot be read; see that it exists and may be read, or remove it.") from None
        # Damaged files make decoders raise nearly anything: SyntaxError, struct.error, IndexError.
        raise _RefusedError(f"{path} is damaged or not a picture; replace or remove it.") from error


def is_deep(image: Image.Image) -> bool:
    """Whether an opened file, not yet decoded, has 16 bits a channel, which Pillow would cut to 8 in silence."""
    # Of planes that a TIFF stores apart only the tag tells the depth.
    if isinstance(image, TiffImageFile) and 16 in np.atleast_1d(image.tag_v2.get(_BITS_PER_SAMPLE, ())):
        return True
    # Else the decoder's settings do: "RGB;16B", a PPM's maximum.
    tiles = getattr(image, "tile", ())
    return any(";16" in str(tile.args) or (tile.codec_name == "ppm" and tile.args[1] > 255) for tile in tiles)


def read_picture(path: Path) -> Image.Image:
    """Decode to "L" or "RGB": first frame, EXIF orientation applied, palette expanded, alpha over white.

    Raises ValueError naming the file if it is damaged, huge, or of more than 8 bits a channel.
    """
    with opened(path) as image:
        ImageOps.exif_transpose(image, in_place=True)
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
        return image.convert("L" if image.mode in ("1", "L") else "RGB")


def as_array(image: Image.Image, channels: int) -> np.ndarray:
    """A decoded picture as uint8 [H, W, channels]: 1 is luma, 3 is RGB."""
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return array.reshape(*array.shape[:2], channels)


def read(path: Path, channels: int) -> np.ndarray:
    """A picture file as uint8 [H, W, channels]; raises ValueError as `read_picture` does."""
    return as_array(read_picture(path), channels)


def pad(image_u8: np.ndarray, multiple: int) -> np.ndarray:
    """[H, W, C] with reflections below and on the right, up to the next multiples of `multiple`."""
    height, width = image_u8.shape[:2]
    edges = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    if not any(after for _, after in edges):
        return image_u8
    # A single row or column has nothing to reflect.
    return np.pad(image_u8, edges, mode="reflect" if min(height, width) > 1 else "edge")


def save(path: Path, image_u8: np.ndarray) -> None:
    """Write uint8 [H, W, 1 or 3] in the format that the extension names, whole or not at all.

    Raises OSError where the system refuses: no room, no permission, a file in place of a folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image_u8[..., 0] if image_u8.shape[-1] == 1 else image_u8)
    unfinished = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        picture.save(unfinished)
        unfinished.replace(path)
    finally:  # on a full disk it would take the room of another
        unfinished.unlink(missing_ok=True)
