"""Image files: reading and writing them. Arrays are uint8 [H, W, C], C 1 (gray) or 3 (RGB).

Training and scoring see alpha over white; an `ImageFile` keeps it, and all else that a file has beside its colors.
"""

import io
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from PIL import ExifTags, Image, UnidentifiedImageError, features
from PIL.TiffImagePlugin import TiffImageFile
from scipy import ndimage

from gan_jax import errors
from gan_jax.data import metadata
from gan_jax.files import unfinished

__all__ = [
    "GRAY_16",
    "MODES",
    "WITH_QUALITY",
    "WRITTEN",
    "ImageFile",
    "RefusedError",
    "as_array",
    "count_all_frames",
    "count_frames",
    "decoded",
    "frame_notes",
    "frames_of",
    "image_file",
    "in_channels",
    "is_deep",
    "lasting_exif",
    "opened",
    "orientation",
    "pad",
    "padded_size",
    "png",
    "profile_for",
    "read",
    "read_image_file",
    "read_pil",
    "read_reduced",
    "require_written",
    "round_to",
    "save",
    "save_image_file",
    "seen_colors",
    "unmapped",
]
__dir__ = __all__.copy

# Pillow's words on odd files are not for users: what matters of them is said here.
warnings.filterwarnings("ignore", module=r"PIL(\.|$)")

# What outputs are written in: as exactly as the format can, for nothing that a network restored is to be lost again.
_JPEG = {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"}
_SAVED: dict[str, dict[str, Any]] = {
    **{suffix: {} for suffix in (".png", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pnm", ".jp2")},
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), _JPEG),
    ".webp": {"lossless": True},
    ".avif": {"quality": 95, "subsampling": "4:4:4"},
}
WRITTEN = tuple(_SAVED)
WITH_QUALITY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif")
_LONGEST_SIDES = {"JPEG": 65_535, "WEBP": 16_383, "AVIF": 65_536}
_ALPHALESS = (".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".ppm", ".pgm", ".pnm")

MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")  # at most 8 bits a channel
GRAY_16 = ("I;16", "I;16L", "I;16B")  # of more, as Pillow reads gray
_BITS_PER_SAMPLE = 258  # tag of TIFF 6.0
_WITH_FRAMES = (".gif", ".png", ".apng", ".webp", ".avif", ".avifs", ".tif", ".tiff", ".dcx", ".im")
# Formats whose further frames are other views or layers of the one image.
_ONE_IMAGE = ("MPO", "PSD")
_AS_IT_IS = " (pix2pix and CycleGAN read it as it is with --bands)"
# Below so much of full opacity, 8 of 255, nobody sees a color: 2 levels at most.
_INVISIBLE = 8 / 255

# What EXIF says of an image, rather than of the pixels of one file.
_LASTING = ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright")
_PASSING = ("ExifImageWidth", "ExifImageHeight", "ExifInteroperabilityOffset", "MakerNote")
# EXIF's orientations, and what turns them upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageFile(NamedTuple):
    """An image and what belongs to it."""

    pixels: np.ndarray  # uint8 or uint16 [H, W, 1 or 3], colors as stored, whatever alpha says
    alpha: np.ndarray | None = None  # the same dtype [H, W, 1]
    exif: bytes = b""  # without the orientation, which the pixels have
    icc_profile: bytes | None = None  # of the pixels' colors
    frames: int = 1  # that the file has
    place: tuple[Any, ...] = ()  # on the earth, as `rasters.place_of` has it


class RefusedError(ValueError):
    """An image that cannot be used: the message names it and says what to do."""


@contextmanager
def opened(path: str | Path, *, frame: int = 0, deep: bool = False) -> Iterator[Image.Image]:
    """Open a frame of an image of at most 8 bits a channel or, `deep`, of up to 16 too.

    Raises RefusedError for another, or if the block fails; but ImportError where it lacks a package.
    """
    try:
        with unmapped(path, frame=frame) as image:
            if deep and (is_deep(image) or image.mode in GRAY_16):
                yield image
                return
            if is_deep(image):
                raise RefusedError(f"{path} has more than 8 bits a channel; convert it to 8 bits{_AS_IT_IS}.")
            if image.mode not in MODES:
                raise RefusedError(f"{path} has mode {image.mode}; convert it to 8 bits, gray or RGB{_AS_IT_IS}.")
            yield image
    except Image.DecompressionBombError:
        assert Image.MAX_IMAGE_PIXELS is not None
        limit = f"{2 * Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit"
        raise RefusedError(f"{path} has more than {limit}; scale it down or cut it up.") from None
    except Exception as error:
        if isinstance(error, RefusedError | ImportError):
            raise
        # With a number it is the system's: no such file, permission denied.
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(f"{path} cannot be read; see that it exists and may be read, or remove it.") from None
        if isinstance(error, UnidentifiedImageError) and Path(path).suffix.lower() in (".tif", ".tiff"):
            words = f"{path} is damaged or no TIFF of 8 bits in gray or RGB; replace or convert it{_AS_IT_IS}."
            raise RefusedError(words) from error
        # Damaged files make decoders raise nearly anything: SyntaxError, struct.error, IndexError.
        raise RefusedError(f"{path} is damaged or not an image; replace or remove it.") from error


@contextmanager
def unmapped(path: str | Path, *, frame: int = 0) -> Iterator[Image.Image]:
    """`Image.open`, of what is not wrong beside the pixels, without Pillow's memory map: that reads a TIFF on its side
    by the sides it will be turned to.

    Raises what `Image.open` raises, and ValueError for a frame that is not there.
    """
    with open(path, "rb") as file:
        content, profile = metadata.png_without_faults(file)
        with _pillow(content) as image:
            if frame:
                last = frames_of(image) - 1
                if not 0 <= frame <= last:
                    raise RefusedError(f"{path} has no frame {frame}; wanted 0{f' to {last}' if last else ''}.")
                image.seek(frame)
            if profile:
                image.info["icc_profile"] = profile
            yield image


def _pillow(file: Any) -> Image.Image:
    try:
        return Image.open(file)
    except (Image.DecompressionBombError, OSError) as error:
        bare = None if getattr(error, "errno", None) or isinstance(error, Image.DecompressionBombError) else file
        bare = bare and metadata.jpeg_without_extras(bare)
        if bare is None:
            raise
        return Image.open(bare)


def frames_of(image: Image.Image) -> int:
    """The frames of an animation or the pages of a document, of an opened file: 1 for any other."""
    return 1 if image.format in _ONE_IMAGE else getattr(image, "n_frames", 1)


def count_frames(path: str | Path) -> int:
    """The frames or pages of an image file; 1 of what cannot be read, too, whose reader says why."""
    try:
        with unmapped(path) as image:
            return frames_of(image)
    except Exception:
        return 1


def count_all_frames(paths: Iterable[str | Path]) -> dict[str, int]:
    """The `count_frames` of those files whose format has frames."""
    return {str(path): count_frames(path) for path in paths if Path(path).suffix.lower() in _WITH_FRAMES}


def is_deep(image: Image.Image) -> bool:
    """Whether an opened file, not yet decoded, has 16 bits a channel, which Pillow would cut to 8 in silence."""
    # Of planes that a TIFF stores apart only the tag tells the depth.
    if isinstance(image, TiffImageFile) and 16 in np.atleast_1d(image.tag_v2.get(_BITS_PER_SAMPLE, ())):
        return True
    # Else the decoder's settings do: "RGB;16B", a PPM's maximum.
    tiles = getattr(image, "tile", ())
    return any(";16" in str(tile.args) or (tile.codec_name == "ppm" and tile.args[1] > 255) for tile in tiles)


def read_pil(path: str | Path) -> Image.Image:
    """Decode to "L" or "RGB": first frame, EXIF orientation applied, palette expanded, alpha over white.

    Raises ValueError naming the file if it is damaged, huge, or of more than 8 bits a channel.
    """
    with opened(path) as image:
        return decoded(image)


def decoded(image: Image.Image) -> Image.Image:
    """What `read_pil` reads, of an opened file."""
    image = _upright(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, _with_alpha(image)).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def read_image_file(path: str | Path, channels: int, *, frame: int = 0) -> ImageFile:
    """A frame of an image file of at most 8 bits a channel, with all that belongs to it; raises as `read_pil`."""
    with opened(path, frame=frame) as image:
        return image_file(image, channels)


def image_file(image: Image.Image, channels: int) -> ImageFile:
    """What `read_image_file` reads, of an opened file."""
    exif, icc_profile, frames = lasting_exif(image), image.info.get("icc_profile"), frames_of(image)
    image = _upright(image)
    alpha = None
    if image.has_transparency_data:
        image = _with_alpha(image)
        alpha = np.asarray(image.getchannel("A"))[..., None]
    return ImageFile(as_array(image, channels), alpha, exif, profile_for(channels, icc_profile), frames)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation of an opened file, 1 to 8; 1, upright, where nothing readable says another."""
    try:
        # Not image.getexif(), which decodes a whole PNG to find a late chunk.
        return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except Exception:  # of a damaged block decoders raise nearly anything, and the pixels are whole without it
        return 1


def frame_notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """A sentence on those files, of so many frames each by path, of which the first frame alone is used; or none."""
    several = [f"{path} ({count})" for path, count in counts.items() if count > 1]
    if not several:
        return ()
    return (f"of files with several frames or pages the first is taken: {errors.first_of(several, 3)}.",)


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # Pillow turns a TIFF meanwhile
    turn = _TURNS.get(orientation(image)) if image.format != "TIFF" else None
    return image if turn is None else image.transpose(turn)


def _with_alpha(image: Image.Image) -> Image.Image:
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def seen_colors(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Pixels [H, W, C] whose colors nobody sees, for want of alpha [H, W, 1], have those of the nearest that is seen.

    What enlarges an image, or looks at a pixel's neighbors, would else mix colors into it that were never shown.
    """
    limit = _INVISIBLE * np.iinfo(alpha.dtype).max
    opacity = alpha[..., 0]
    if opacity.min() > limit or opacity.max() == 0:
        return pixels
    seen = opacity > min(limit, opacity.max() - 1)
    rows, columns = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
    # Gradually, so that a fading shadow has no edge.
    own = np.minimum(alpha / limit, 1.0).astype(np.float32)
    mixed = own * pixels + (1.0 - own) * pixels[rows, columns]
    return np.where(seen[..., None], pixels, round_to(mixed, pixels.dtype))


def round_to(levels: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Levels [...] as whole numbers of an integer dtype, by the rule of `image.round_to`: halves up, and clipped."""
    limits = np.iinfo(dtype)
    return np.clip(np.floor(levels + 0.5), limits.min, limits.max).astype(dtype)


def lasting_exif(image: Image.Image) -> bytes:
    """What an opened file's EXIF says of the image: camera, time, place, author. Empty if it cannot be read."""
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
    except Exception:  # of a damaged block decoders raise nearly anything, and the image is whole without it
        return b""


def profile_for(channels: int, icc_profile: bytes | None) -> bytes | None:
    """A file's color profile where it speaks of so many channels: a print's CMYK says nothing of its RGB."""
    space = b"GRAY" if channels == 1 else b"RGB "
    return icc_profile if icc_profile and icc_profile[16:20] == space else None


def in_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 or uint16 [H, W, 1 or 3] as [H, W, channels]: 1 is luma, rounded as Pillow rounds it, 3 is RGB."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    # BT.601 luma in 16-bit fixed point; float64 holds its whole numbers exactly, and multiplies them fastest.
    total = pixels.astype(np.float64) @ np.array([19595.0, 38470.0, 7471.0])
    return ((total + 0x8000).astype(np.uint32) >> 16).astype(pixels.dtype)[..., None]


def as_array(image: Image.Image, channels: int) -> np.ndarray:
    """A decoded image as uint8 [H, W, channels]: 1 is luma, 3 is RGB."""
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return array.reshape(*array.shape[:2], channels)


def read(path: str | Path, channels: int) -> np.ndarray:
    """An image file as uint8 [H, W, channels]; raises ValueError as `read_pil` does."""
    return as_array(read_pil(path), channels)


def read_reduced(path: str | Path, channels: int, size: tuple[int, int], *, gap: float) -> np.ndarray:
    """As `read`; but a large JPEG is resized to `size`, (height, width), from no more pixels than it takes.

    It is decoded at half, a quarter or an eighth of its sides (Pillow's draft mode), as long as these are at least
    `gap` times the wanted ones: a few levels from the whole image resized. Images of other formats, and those that are
    not so much larger, come whole.
    """
    with opened(path) as image:
        turn, whole = _TURNS.get(orientation(image)), image.size
        width, height = size[::-1] if orientation(image) < 5 else size
        known = image.draft(None, (math.ceil(gap * width), math.ceil(gap * height)))
        if known is None or image.size == whole:
            return as_array(decoded(image), channels)
        # The last pixel of a side that does not divide stands for fewer than the others.
        colors = image.convert("L" if channels == 1 else "RGB")
        small = colors.resize((width, height), Image.Resampling.BICUBIC, known[1])
        return as_array(small if turn is None else small.transpose(turn), channels)


def padded_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The height and width that `pad` gives an image of a height and width: the next multiples."""
    height, width = size
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def pad(image_u8: np.ndarray, multiple: int) -> np.ndarray:
    """[H, W, C] with reflections below and on the right, up to the next multiples of `multiple`."""
    height, width = image_u8.shape[:2]
    padded = padded_size((height, width), multiple)
    if padded == (height, width):
        return image_u8
    edges = ((0, padded[0] - height), (0, padded[1] - width), (0, 0))
    # A single row or column has nothing to reflect.
    return np.pad(image_u8, edges, mode="reflect" if min(height, width) > 1 else "edge")


def save(path: str | Path, image_u8: np.ndarray) -> None:
    """Write uint8 [H, W, 1 or 3] in the format that the extension names, whole or not at all.

    Raises OSError where the system refuses: no room, no permission, a file in place of a folder.
    """
    save_image_file(path, ImageFile(image_u8))


def save_image_file(path: str | Path, image_file: ImageFile, *, quality: int | None = None) -> None:
    """The same with all that belongs to an image of 8 bits a channel, or of 16 in gray without alpha.

    JPEG and AVIF have quality 95 and full color, WebP is lossless, unless a `quality` of 1 to 100 is given. Formats
    without alpha get it over white. Raises ValueError where the format cannot hold the image.
    """
    path = Path(path)
    pixels, alpha, exif, icc_profile, *_ = image_file
    suffix = path.suffix.lower()
    require_written(path)
    known: dict[str, Any] = dict(_SAVED[suffix])
    if quality is not None and suffix in WITH_QUALITY:
        known |= {"quality": quality, "lossless": False} if suffix == ".webp" else {"quality": quality}
    kind = known.get("format", suffix[1:].upper())
    if max(pixels.shape[:2]) > (longest := _LONGEST_SIDES.get(kind, 2**31)):
        raise ValueError(f"{kind} holds sides of at most {longest:,} pixels; write .png")
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if alpha is not None and suffix in _ALPHALESS:
        white = Image.new(image.mode, image.size, "white")
        image = Image.composite(image, white, Image.fromarray(alpha[..., 0]))
    elif alpha is not None:
        image.putalpha(Image.fromarray(alpha[..., 0]))
    known |= {"exif": exif} if exif else {}
    known |= {"icc_profile": icc_profile} if icc_profile else {}
    with unfinished(path) as part:
        image.save(part, **known)


def require_written(path: str | Path) -> None:
    """Raises ValueError where no image is written under that extension."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN or (suffix == ".avif" and not features.check("avif")):
        raise ValueError(
            f"{path}: images are not written as {suffix or 'a file without extension'}; wanted .png, "
            ".jpg, .webp, .tif, .bmp, .ppm, .jp2 or .avif."
        )


def png(image_u8: np.ndarray) -> bytes:
    """An image uint8 [H, W, 1 or 3] as the bytes of a PNG file."""
    content = io.BytesIO()
    Image.fromarray(image_u8[..., 0] if image_u8.shape[2] == 1 else image_u8).save(content, "PNG")
    return content.getvalue()
