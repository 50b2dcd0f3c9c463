"""Image files as arrays of any number of channels, in the files' own dtype: TIFF, .npy, and PNG and JPEG beside them.

What the channels of a TIFF are is said, not guessed: the samples of a pixel, or the pages of the file; none is taken
for alpha. A .npy file has [H, W] or [H, W, C] either way, and PNG and JPEG are gray or RGB.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax.data import high_bit_depth, image_files
from gan_jax.data.image_files import RefusedError
from gan_jax.files import unfinished
from gan_jax.values import DTYPES

__all__ = ["WRITTEN", "Bands", "Header", "Kind", "header", "kind_of", "place_of", "read", "require_written", "write"]
__dir__ = __all__.copy

Bands = Literal["samples", "pages"]
WRITTEN = (".tif", ".tiff", ".npy", ".png")
_TIFF = (".tif", ".tiff")
_PLAIN = (1, 2)  # photometric interpretations of TIFF 6.0: 0 is black, RGB
_PLACE = (33550, 33922, 34264, 34735, 34736, 34737)  # tags of GeoTIFF 1.1
_FEW = 16  # rows that no image to learn from has, and an axis of channels in the wrong place may

# Python 3.11 cannot parse headers of .npy files in several threads (CPython issue 106905).
_npy_header = threading.Lock()


class Kind(NamedTuple):
    """What all files of a folder have in common."""

    dtype: str
    channels: int

    def __str__(self) -> str:
        return f"{self.dtype} in {self.channels} channel{'' if self.channels == 1 else 's'}"


class Header(NamedTuple):
    """What a file has, known without decoding it."""

    width: int
    height: int
    kind: Kind


def kind_of(array: np.ndarray) -> Kind:
    """That of an array [H, W, C]."""
    return Kind(array.dtype.name, array.shape[2])


def header(path: str | Path, bands: Bands) -> Header:
    """What a file has. Of floats all are read, and NaN and infinite ones refused.

    Raises RefusedError naming the file if it is damaged, cut off or of another kind than can be read, OSError where the
    system refuses, ImportError if the `deep` extra is missing that it takes.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    with _named_errors(path):
        if suffix == ".npy":
            with path.open("rb") as file:
                shape, _, dtype = _npy_start(path, file)
                if path.stat().st_size < file.tell() + np.prod(shape, dtype=np.int64) * dtype.itemsize:
                    raise RefusedError(f"{path} is cut off; replace or remove it.")
                found = Header(shape[1], shape[0], Kind(dtype.name, shape[2]))
        elif suffix in _TIFF:
            with _tiff(path) as file:
                pages = _pages(path, file, bands)
                size, ends = file.filehandle.size, [_end(page) for page in pages]
                if max(ends) > size:
                    raise RefusedError(f"{path} is cut off; replace or remove it.")
                channels = len(pages) if bands == "pages" else pages[0].samplesperpixel
                found = Header(pages[0].imagewidth, pages[0].imagelength, Kind(pages[0].dtype.name, channels))
        else:
            with image_files.opened(path, deep=True) as image:
                deep = image_files.is_deep(image) or image.mode in image_files.GRAY_16
                gray = image.mode in (("LA", *image_files.GRAY_16) if deep else ("1", "L"))
                gray = gray and (deep or not image.has_transparency_data)
                turned = image_files.orientation(image) >= 5
                width, height = image.size[::-1] if turned else image.size
                return Header(width, height, Kind("uint16" if deep else "uint8", 1 if gray else 3))
    if found.kind.dtype == "float32":
        read(path, bands)
    return found


def read(path: str | Path, bands: Bands) -> np.ndarray:
    """A file as uint8, uint16 or float32 [H, W, C]; raises as `header`."""
    path = Path(path)
    suffix = path.suffix.lower()
    with _named_errors(path):
        if suffix == ".npy":
            with path.open("rb") as file:
                shape, fortran, dtype = _npy_start(path, file)
                content = np.fromfile(file, dtype, int(np.prod(shape)))
                array = content.reshape(shape, order="F" if fortran else "C")
        elif suffix in _TIFF:
            with _tiff(path) as file:
                pages = [_decoded(page) for page in _pages(path, file, bands)]
                array = np.concatenate(pages, axis=2)
        else:
            array = high_bit_depth.read(path)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise RefusedError(f"{path} has numbers that are NaN or infinite; fill them, or remove it.")
    return array


def place_of(path: str | Path) -> tuple[Any, ...]:
    """Where on the earth a TIFF lies, in GeoTIFF's tags as `write` takes them; nothing of other files."""
    path = Path(path)
    if path.suffix.lower() not in _TIFF:
        return ()
    with _named_errors(path), _tiff(path) as file:
        tags = (tag for tag in file.pages.first.tags if tag.code in _PLACE)
        return tuple((tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags)


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """What readers raise, as a sentence that names the file."""
    try:
        yield
    except RefusedError:
        raise
    except OSError as error:
        if error.errno is None:
            raise RefusedError(f"{path} is damaged; replace or remove it.") from error
        raise type(error)(f"{path} cannot be read; see that it exists and may be read, or remove it.") from None
    except Exception as error:
        # tifffile names the package that it lacks for a compression in an error of its own.
        if isinstance(error, ImportError) or "imagecodecs" in str(error):
            raise ImportError(f"{path}: pip install 'gan_jax[deep]' to read it.") from None
        raise RefusedError(f"{path} is damaged or no image of its format; replace or remove it.") from error


def _npy_start(path: Path, file: Any) -> tuple[tuple[int, int, int], bool, np.dtype]:
    """Shape [H, W, C], whether it is in Fortran's order, and dtype; the file is then where its numbers begin."""
    with _npy_header:
        version = np.lib.format.read_magic(file)
        start = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = start(file)
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[0] <= _FEW < min(shape[1:])):
        raise RefusedError(
            f"{path} has the shape {shape}; wanted (H, W) or (H, W, C): np.moveaxis(array, 0, -1) of (C, H, W)."
        )
    _require_dtype(path, dtype)
    return (shape[0], shape[1], shape[2] if len(shape) > 2 else 1), fortran, dtype


def _require_dtype(path: Path, dtype: np.dtype | None) -> None:
    if dtype is None or dtype.name not in DTYPES:
        raise RefusedError(f"{path} is {dtype and dtype.name}; wanted {', '.join(DTYPES[:-1])} or {DTYPES[-1]}.")


@contextmanager
def _tiff(path: Path) -> Iterator[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        yield file


def _pages(path: Path, file: Any, bands: Bands) -> list[Any]:
    """The pages that channels are taken from: one, or all. Not those that show another smaller, or mask it."""
    pages = [page for page in file.pages if not (page.is_reduced or page.is_mask)]
    first = pages[0]
    _require_dtype(path, first.dtype)
    if bands == "samples" and len(pages) > 1:
        raise RefusedError(f"{path} has {len(pages)} pages; --bands pages reads them as channels, else keep one.")
    alike = {(page.imagewidth, page.imagelength, page.dtype, page.samplesperpixel) for page in pages}
    if bands == "pages" and (len(alike) > 1 or first.samplesperpixel > 1):
        samples = max(page.samplesperpixel for page in pages)
        wrong = "pages that differ in size or dtype" if samples == 1 else f"{samples} samples a pixel"
        raise RefusedError(f"{path} has {wrong}; --bands pages wants equal pages of one sample each.")
    odd = next((page for page in pages if page.photometric not in _PLAIN or page.imagedepth > 1), None)
    if odd is not None or first.tags.valueof(274, default=1) != 1:
        what = "turned by its orientation" if odd is None else f"{getattr(odd.photometric, 'name', 'odd').lower()}"
        raise RefusedError(f"{path} is {what}; save it upright, with 0 as black or in RGB.")
    return pages


def _end(page: Any) -> int:
    """Where the last byte of a page's pixels is in its file."""
    return max((offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)


def _decoded(page: Any) -> np.ndarray:
    array = page.asarray(maxworkers=1)  # several files are read at a time
    array = array.reshape(-1, *page.shape[-2:]) if page.planarconfig == 2 else array
    return np.moveaxis(array, 0, -1) if page.planarconfig == 2 else array.reshape(*array.shape[:2], -1)


def require_written(path: str | Path) -> None:
    """Raises ValueError where no array is written under that extension."""
    if Path(path).suffix.lower() not in WRITTEN:
        raise ValueError(f"{path}: arrays of channels are written to {', '.join(WRITTEN[:-1])} or {WRITTEN[-1]}.")


def write(path: str | Path, array: np.ndarray, bands: Bands, place: Sequence[Any] = ()) -> None:
    """Write uint8, uint16 or float32 [H, W, C] as `read` reads it, whole or not at all; a TIFF at its `place_of`.

    Raises ValueError where the format that the extension names cannot hold it, OSError where the system refuses,
    ImportError if the `deep` extra is missing.
    """
    path = Path(path)
    require_written(path)
    suffix, channels = path.suffix.lower(), array.shape[2]
    if suffix == ".png":
        if array.dtype == np.float32 or channels not in (1, 3):
            raise ValueError("PNG holds uint8 and uint16 in 1 or 3 channels; write .tif or .npy")
        high_bit_depth.save(path, image_files.ImageFile(array))
        return
    flat = array[..., 0] if channels == 1 else array
    with unfinished(path) as part:
        if suffix == ".npy":
            with part.open("wb") as file:
                np.save(file, flat)
            return
        try:
            import tifffile
        except ImportError:
            raise ImportError("TIFF of many channels or floats: pip install 'gan_jax[deep]'") from None
        if bands == "pages":
            pages = np.moveaxis(array, -1, 0)
            tifffile.imwrite(part, pages, photometric="minisblack", metadata=None, extratags=place)
        else:
            kind = "rgb" if channels == 3 and array.dtype != np.float32 else "minisblack"
            together = "contig" if channels > 1 else None
            tifffile.imwrite(part, flat, photometric=kind, planarconfig=together, metadata=None, extratags=place)
