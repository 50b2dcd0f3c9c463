"""Picture files in their own depth: uint8 or uint16 [H, W, C], C 1 (grey) or 3 (RGB)."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from gan_jax.data import pictures

_GREY_16 = ("I;16", "I;16L", "I;16B")


def read(path: Path) -> np.ndarray:
    """A picture file as uint8, or as uint16 if its channels have 16 bits: PNG and TIFF. Alpha is laid over white.

    Pillow reads 16-bit grey; it would cut 16-bit colour to 8 bits, so that other decoders take over. Raises ValueError
    naming the file if it is damaged, huge or in another format; ImportError if the `deep` extra is missing.
    """
    what = _header(path)
    if what is None:
        picture = pictures.read_picture(path)
        return pictures.as_array(picture, 1 if picture.mode == "L" else 3)
    file_format, mode = what
    if file_format not in ("PNG", "TIFF"):
        raise ValueError(f"{path} is {file_format} of 16 bits a channel; convert it to PNG or TIFF.")
    try:
        array = _read_grey(path) if mode in _GREY_16 else _read_colour(path, file_format)
    except ImportError:
        # Also what tifffile says of a compression that imagecodecs would know.
        raise ImportError(f"{path} has 16 bits a channel; pip install 'gan_jax[deep]' to read it.") from None
    except Exception as error:
        if getattr(error, "errno", None) is not None:
            raise
        if "imagecodecs" in str(error):
            raise ImportError(f"{path} has 16 bits a channel; pip install 'gan_jax[deep]' to read it.") from None
        # Damaged files make decoders raise nearly anything.
        raise ValueError(f"{path} is damaged or not a picture; replace or remove it.") from error
    array = array.reshape(*array.shape[:2], -1)
    if array.dtype != np.uint16 or array.shape[2] > 4:
        raise ValueError(f"{path} has {array.shape[2]} channels of {array.dtype}; wanted grey or RGB of uint16.")
    return _over_white(array) if array.shape[2] in (2, 4) else array


def _header(path: Path) -> tuple[str, str] | None:
    """Format and Pillow's mode of a picture of 16 bits a channel; None for any other file."""
    try:
        with Image.open(path) as image:
            if not (image.mode in _GREY_16 or pictures._deep(image)):
                return None
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
            found = str(image.format), image.mode
    except Exception:
        return None  # pictures.read_picture says what is wrong
    if turned:
        raise ValueError(f"{path} has 16 bits a channel and is to be turned, says its EXIF orientation; turn it.")
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
        planes_apart = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and array.ndim == 3
        return np.moveaxis(array, 0, -1) if planes_apart else array


def _over_white(array: np.ndarray) -> np.ndarray:
    colours, alpha = array[..., :-1].astype(np.int64), array[..., -1:].astype(np.int64)
    # floor(x + 0.5) in integers.
    return ((2 * (colours * alpha + 65535 * (65535 - alpha)) + 65535) // (2 * 65535)).astype(np.uint16)
