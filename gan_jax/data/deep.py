"""Picture files in their own depth: uint8 or uint16 [H, W, C], C 1 (grey) or 3 (RGB)."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from gan_jax.data import pictures

_GREY_16 = ("I;16", "I;16L", "I;16B")
_PHOTOMETRIC = 262  # tag of TIFF 6.0


def read(path: Path) -> np.ndarray:
    """A picture file as uint8, or as uint16 if its channels have 16 bits: PNG and TIFF. Alpha is laid over white.

    Pillow reads 16-bit grey; it would cut 16-bit colour to 8 bits, so that other decoders take over. Raises ValueError
    naming the file if it is damaged, huge or of another kind; ImportError if the `deep` extra is missing.
    """
    what = _header(path)
    if what is None:
        picture = pictures.read_picture(path)
        return pictures.as_array(picture, 1 if picture.mode == "L" else 3)
    try:
        array = _read_grey(path) if what.mode in _GREY_16 else _read_colour(path, what.format)
    except Exception as error:
        # tifffile names the package that it lacks for a compression in an error of its own.
        if isinstance(error, ImportError) or "imagecodecs" in str(error):
            raise ImportError(f"{path} has 16 bits a channel; pip install 'gan_jax[deep]' to read it.") from None
        if getattr(error, "errno", None) is not None:
            raise
        # Damaged files make decoders raise nearly anything.
        raise ValueError(f"{path} is damaged or not a picture; replace or remove it.") from error
    array = array.reshape(*array.shape[:2], -1)
    return _over_white(array) if array.shape[2] in (2, 4) else array


class _Header(NamedTuple):
    format: str
    mode: str


def _header(path: Path) -> _Header | None:
    """What a picture of 16 bits a channel is; None for any other file. Raises ValueError for odd ones."""
    try:
        with Image.open(path) as image:
            if not (image.mode in _GREY_16 or pictures.is_deep(image)):
                return None
            found = _Header(str(image.format), image.mode)
            # Not image.getexif(), which decodes a whole PNG to find a late chunk.
            turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) != 1
            inverted = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
    except Exception:
        return None  # pictures.read_picture says what is wrong
    if found.format not in ("PNG", "TIFF") or found.mode not in (*_GREY_16, "LA", "RGB", "RGBA"):
        raise ValueError(f"{path} is 16-bit {found.format} of mode {found.mode}; wanted PNG or TIFF, grey or RGB.")
    if turned or inverted:
        what = "turned by its EXIF orientation" if turned else "inverted, with 0 as white"
        raise ValueError(f"{path} has 16 bits a channel and is {what}; save it upright, with 0 as black.")
    return found


def _read_grey(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.uint16)


def _read_colour(path: Path, file_format: str) -> np.ndarray:
    if file_format == "PNG":
        import imagecodecs

        return imagecodecs.png_decode(path.read_bytes())
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        array = page.asarray()
        planes_apart = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        return np.moveaxis(array, 0, -1) if planes_apart else array


def _over_white(array: np.ndarray) -> np.ndarray:
    colours, alpha = array[..., :-1].astype(np.int64), array[..., -1:].astype(np.int64)
    # floor(x + 0.5) in integers.
    return ((2 * (colours * alpha + 65535 * (65535 - alpha)) + 65535) // (2 * 65535)).astype(np.uint16)
