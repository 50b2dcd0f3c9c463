"""Picture files: finding, reading and writing them. Arrays are uint8 [H, W, C], C 1 (grey) or 3 (RGB).

Training and scoring see alpha over white; a `Photograph` keeps it, and all else that a file has beside its colours.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")  # at most 8 bits a channel
_BITS_PER_SAMPLE = 258  # tag of TIFF 6.0
_ALPHALESS = (".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".gif")

# What EXIF says of a picture, rather than of the pixels of one file.
_LASTING = ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright")
_PASSING = ("ExifImageWidth", "ExifImageHeight", "ExifInteroperabilityOffset", "MakerNote")


class Photograph(NamedTuple):
    """A picture and what belongs to it."""

    pixels: np.ndarray  # uint8 or uint16 [H, W, 1 or 3], colours as stored, whatever alpha says
    alpha: np.ndarray | None = None  # the same dtype [H, W, 1]
    exif: bytes = b""  # without the orientation, which the pixels have
    icc_profile: bytes | None = None  # of the pixels' colours


def list_pictures(folder: str | Path, *, instead: str = "") -> list[str]:
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
        got = "no pictures in" if Path(folder).is_dir() else "no folder"
        raise FileNotFoundError(f"{got} {folder}; wanted files there that end in {' '.join(EXTENSIONS)}{instead}.")
    return sorted(found)


class _RefusedError(ValueError):
    """A picture that cannot be used: the message names it and says what to do."""


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """Open a picture of at most 8 bits a channel; _RefusedError for another, or if the block fails."""
    try:
        with unmapped(path) as image:
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


@contextmanager
def unmapped(path: str | Path) -> Iterator[Image.Image]:
    """`Image.open` without Pillow's memory map, which reads a TIFF on its side by the sides it will be turned to."""
    with Image.open(path) as image:
        image.filename = ""  # by which it would map the file
        yield image


def is_deep(image: Image.Image) -> bool:
    """Whether an opened file, not yet decoded, has 16 bits a channel, which Pillow would cut to 8 in silence."""
    # Of planes that a TIFF stores apart only the tag tells the depth.
    if isinstance(image, TiffImageFile) and 16 in np.atleast_1d(image.tag_v2.get(_BITS_PER_SAMPLE, ())):
        return True
    # Else the decoder's settings do: "RGB;16B", a PPM's maximum.
    tiles = getattr(image, "tile", ())
    return any(";16" in str(tile.args) or (tile.codec_name == "ppm" and tile.args[1] > 255) for tile in tiles)


def read_picture(path: str | Path) -> Image.Image:
    """Decode to "L" or "RGB": first frame, EXIF orientation applied, palette expanded, alpha over white.

    Raises ValueError naming the file if it is damaged, huge, or of more than 8 bits a channel.
    """
    with opened(path) as image:
        ImageOps.exif_transpose(image, in_place=True)
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
        return image.convert("L" if image.mode in ("1", "L") else "RGB")


def read_photograph(path: str | Path, channels: int) -> Photograph:
    """A picture file of at most 8 bits a channel, with all that belongs to it; raises as `read_picture` does."""
    with opened(path) as image:
        exif, icc_profile = lasting_exif(image), image.info.get("icc_profile")
        ImageOps.exif_transpose(image, in_place=True)
        alpha = None
        if image.has_transparency_data:
            image = image.convert("RGBA")
            alpha = np.asarray(image.getchannel("A"))[..., None]
        pixels = as_array(image, channels)
    return Photograph(pixels, alpha, exif, profile_for(channels, icc_profile))


def lasting_exif(image: Image.Image) -> bytes:
    """What an opened file's EXIF says of the picture: camera, time, place, author. Empty if it cannot be read."""
    try:
        # Not image.getexif(), which decodes a whole PNG to find a late chunk.
        old, new = Image.Image.getexif(image), Image.Exif()
        for name in _LASTING:
            tag = ExifTags.Base[name]
            if tag in old:
                new[tag] = old[tag]
        for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            entries = dict(old.get_ifd(part))
            for name in _PASSING if part == ExifTags.IFD.Exif else ():
                entries.pop(ExifTags.Base[name], None)
            if entries:
                new[part] = entries
        return new.tobytes() if len(new) else b""
    except Exception:  # of a damaged block decoders raise nearly anything, and the picture is whole without it
        return b""


def profile_for(channels: int, icc_profile: bytes | None) -> bytes | None:
    """A file's colour profile where it speaks of so many channels: a print's CMYK says nothing of its RGB."""
    space = b"GRAY" if channels == 1 else b"RGB "
    return icc_profile if icc_profile and icc_profile[16:20] == space else None


def in_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 or uint16 [H, W, 1 or 3] as [H, W, channels]: 1 is luma, rounded as Pillow rounds it, 3 is RGB."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    # BT.601 luma in 16-bit fixed point.
    weights = (19595, 38470, 7471)
    total = pixels.astype(np.uint64) @ np.array(weights, np.uint64)
    return ((total + 0x8000) >> 16).astype(pixels.dtype)[..., None]


def as_array(image: Image.Image, channels: int) -> np.ndarray:
    """A decoded picture as uint8 [H, W, channels]: 1 is luma, 3 is RGB."""
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return array.reshape(*array.shape[:2], channels)


def read(path: str | Path, channels: int) -> np.ndarray:
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


def save(path: str | Path, image_u8: np.ndarray) -> None:
    """Write uint8 [H, W, 1 or 3] in the format that the extension names, whole or not at all.

    Raises OSError where the system refuses: no room, no permission, a file in place of a folder.
    """
    save_photograph(path, Photograph(image_u8))


def save_photograph(path: str | Path, photograph: Photograph) -> None:
    """The same with all that belongs to a picture of 8 bits a channel, or of 16 in grey without alpha.

    Formats without alpha get it over white.
    """
    path, (pixels, alpha, exif, icc_profile) = Path(path), photograph
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if alpha is not None and path.suffix.lower() in _ALPHALESS:
        white = Image.new(picture.mode, picture.size, "white")
        picture = Image.composite(picture, white, Image.fromarray(alpha[..., 0]))
    elif alpha is not None:
        picture.putalpha(Image.fromarray(alpha[..., 0]))
    known: dict[str, Any] = {"exif": exif} if exif else {}
    if icc_profile:
        known["icc_profile"] = icc_profile
    with unfinished(path) as part:
        picture.save(part, **known)


@contextmanager
def unfinished(path: str | Path) -> Iterator[Path]:
    """Where to write what shall become `path` when it is whole; gone if the block fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:  # on a full disk it would take the room of another
        part.unlink(missing_ok=True)
