"""Image files in their own depth: uint8 or uint16 [H, W, C], C 1 (gray) or 3 (RGB)."""

import logging
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from gan_jax.data import image_files
from gan_jax.files import unfinished

__all__ = ["read", "read_image_file", "save"]
__dir__ = __all__.copy

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters of its words is said here

_PHOTOMETRIC = 262  # tag of TIFF 6.0


def read(path: str | Path) -> np.ndarray:
    """An image file as uint8, or as uint16 if its channels have 16 bits: PNG and TIFF. Alpha is laid over white.

    Pillow reads 16-bit gray; it would cut 16-bit color to 8 bits, so that other decoders take over. Raises ValueError
    naming the file if it is damaged, huge or of another kind; ImportError if the `deep` extra is missing.
    """
    path = Path(path)
    with image_files.opened(path, deep=True) as image:
        if _of_8_bits(image):
            pixels = image_files.decoded(image)
            return image_files.as_array(pixels, 1 if pixels.mode == "L" else 3)
        array = _decoded(path, image, 0)
    return _over_white(array) if array.shape[2] in (2, 4) else array


def read_image_file(path: str | Path, channels: int, *, frame: int = 0) -> image_files.ImageFile:
    """A frame of an image file in its own depth, with all that belongs to it and 1 or 3 channels.

    Raises as `read` does, and ValueError for a frame that is not there.
    """
    path = Path(path)
    with image_files.opened(path, frame=frame, deep=True) as image:
        if _of_8_bits(image):
            return image_files.image_file(image, channels)
        exif, icc_profile = image_files.lasting_exif(image), image.info.get("icc_profile")
        frames, array = image_files.frames_of(image), _decoded(path, image, frame)
    colors = array.shape[2] // 2 * 2 - 1 if array.shape[2] in (2, 4) else array.shape[2]
    alpha = array[..., colors:] if colors < array.shape[2] else None
    pixels = np.ascontiguousarray(image_files.in_channels(array[..., :colors], channels))
    return image_files.ImageFile(pixels, alpha, exif, image_files.profile_for(channels, icc_profile), frames)


def _of_8_bits(image: Image.Image) -> bool:
    """Whether an opened image has at most 8 bits a channel; gray of 12 counts as of 16, as Pillow reads it."""
    return image.mode not in image_files.GRAY_16 and not image_files.is_deep(image)


def save(path: str | Path, image_file: image_files.ImageFile, *, quality: int | None = None) -> None:
    """Write an image in its own depth, whole or not at all: 16 bits as PNG or TIFF; `quality` is that of `image_files`.

    A 16-bit TIFF keeps the color profile and not the EXIF. Raises ValueError for 16 bits in another format,
    ImportError if the `deep` extra is missing that 16 bits in color or with alpha take, and OSError as
    `image_files.save` does.
    """
    path = Path(path)
    if image_file.pixels.dtype == np.uint8:
        image_files.save_image_file(path, image_file, quality=quality)
        return
    suffix = path.suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise ValueError("16 bits a channel are written to .png or .tif alone")
    if image_file.pixels.shape[2] == 1 and image_file.alpha is None:
        image_files.save_image_file(path, image_file)
        return
    layers = [image_file.pixels] if image_file.alpha is None else [image_file.pixels, image_file.alpha]
    array = np.concatenate(layers, axis=2)
    try:
        with unfinished(path) as part:
            if suffix == ".png":
                part.write_bytes(_png(array, image_file))
            else:
                _write_tiff(part, array, image_file)
    except ImportError:
        raise ImportError("16 bits in color or with alpha: pip install 'gan_jax[deep]'") from None


def _png(array: np.ndarray, image_file: image_files.ImageFile) -> bytes:
    import imagecodecs

    chunks = b""
    if image_file.icc_profile:
        chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(image_file.icc_profile))
    if image_file.exif:
        chunks += _chunk(b"eXIf", image_file.exif.removeprefix(b"Exif\0\0"))
    content = bytes(imagecodecs.png_encode(array))
    after_header = 8 + 25  # the signature, and the chunk IHDR
    return content[:after_header] + chunks + content[after_header:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _write_tiff(path: Path, array: np.ndarray, image_file: image_files.ImageFile) -> None:
    import tifffile

    tifffile.imwrite(
        path,
        array,
        photometric="rgb" if array.shape[2] >= 3 else "minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"] if image_file.alpha is not None else None,
        iccprofile=image_file.icc_profile,
        metadata=None,
    )


def _decoded(path: Path, image: Image.Image, frame: int) -> np.ndarray:
    """uint16 [H, W, 1 to 4], upright, of an opened file of 16 bits a channel. Raises ValueError for odd files."""
    gray = image.mode in image_files.GRAY_16
    if image.format not in ("PNG", "TIFF") or not (gray or image.mode in ("LA", "RGB", "RGBA")):
        raise image_files.RefusedError(
            f"{path} is 16-bit {image.format} of mode {image.mode}; wanted PNG or TIFF, gray or RGB."
        )
    if isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
        raise image_files.RefusedError(
            f"{path} has 16 bits a channel and is inverted, with 0 as white; save it with 0 as black."
        )
    orientation = image_files.orientation(image)
    try:
        array = _gray(image) if gray else _color(image, frame)
    except Exception as error:
        # tifffile names the package that it lacks for a compression in an error of its own.
        if isinstance(error, ImportError) or "imagecodecs" in str(error):
            raise ImportError(f"{path} has 16 bits a channel; pip install 'gan_jax[deep]' to read it.") from None
        raise
    array = array.reshape(*array.shape[:2], -1)
    turned = gray and image.format == "TIFF"
    return array if turned else _upright(array, orientation)


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """The array as EXIF's orientation, 1 to 8, means it."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array


def _gray(image: Image.Image) -> np.ndarray:
    image.load()  # before NumPy asks for the sides: Pillow turns a TIFF while it loads it
    return np.asarray(image).astype(np.uint16)


def _color(image: Image.Image, frame: int) -> np.ndarray:
    """By another decoder, of the file that Pillow has opened."""
    assert isinstance(image, ImageFile)
    assert image.fp is not None
    image.fp.seek(0)
    if image.format == "PNG":
        import imagecodecs

        return imagecodecs.png_decode(image.fp.read())
    import tifffile

    with tifffile.TiffFile(image.fp) as pages:
        page: Any = pages.pages[frame]
        array = page.asarray()
        planes_apart = page.keyframe.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        return np.moveaxis(array, 0, -1) if planes_apart else array


def _over_white(array: np.ndarray) -> np.ndarray:
    colors, alpha = array[..., :-1].astype(np.int64), array[..., -1:].astype(np.int64)
    # floor(x + 0.5) in integers.
    return ((2 * (colors * alpha + 65535 * (65535 - alpha)) + 65535) // (2 * 65535)).astype(np.uint16)
