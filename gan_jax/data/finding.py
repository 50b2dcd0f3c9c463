"""Image files: finding them below folders, and saying which are left out."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gan_jax import errors

__all__ = ["EXTENSIONS", "KNOWN", "RASTERS", "Survey", "list_images", "looks_like_image", "notes", "stem", "survey"]
__dir__ = __all__.copy

# All that Pillow decodes to at most 8 bits a channel, of what people keep images in.
EXTENSIONS = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".avifs", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".tga", ".icb", ".vda", ".vst", ".qoi", ".psd", ".pcx", ".dcx", ".dds", ".sgi", ".rgb", ".rgba", ".bw",
    ".ras", ".xbm", ".xpm", ".im", ".msp", ".pcd", ".pxr", ".ico", ".cur", ".icns",
)  # fmt: skip
# What is read as arrays of channels (`data.rasters`).
RASTERS = (".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg")
_SHOWN_EXTENSIONS = ".png .jpg .webp .tif .bmp, or in another of Pillow's formats"
# Images too, which are named where they are left out.
_UNREAD = (
    ".heic", ".heif", ".jxl", ".jxr", ".svg", ".svgz", ".eps", ".ai", ".exr", ".hdr", ".pfm", ".fit", ".fits", ".xcf",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw", ".dcm", ".pdf", ".wmf",
    ".emf", ".bpg",
)  # fmt: skip
KNOWN = (*EXTENSIONS, *_UNREAD)
_SIGNATURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"8BPS", b"qoif")


class Survey(NamedTuple):
    """The images below a folder, and what looks like images there and cannot be read; sorted relative paths."""

    files: list[str]
    left_out: list[str]

    @property
    def note(self) -> str | None:
        """A sentence on what is left out, where anything is."""
        if not self.left_out:
            return None
        named = errors.first_of(self.left_out, 3)
        if len(self.left_out) == 1:
            return f"left out {named}, whose name or format is not read; rename it or convert it to PNG"
        return f"left out {named}, whose names or formats are not read; rename them or convert them to PNG"


def survey(folder: str | Path, *, extensions: tuple[str, ...] = EXTENSIONS) -> Survey:
    """What there is below a folder, through links too; hidden files and folders are not looked at."""
    folder = Path(folder)
    files: list[str] = []
    left_out: list[str] = []

    def look(where: Path, below: str, above: frozenset[str]) -> None:
        real = os.path.realpath(where)
        if real in above:
            return  # a link that leads back
        try:
            entries = list(os.scandir(where))
        except OSError:
            if not below:
                raise
            left_out.append(below.removesuffix("/"))
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{below}{entry.name}"
            leads_nowhere = entry.is_symlink() and not os.path.exists(entry.path)
            if not leads_nowhere and entry.is_dir():
                look(where / entry.name, f"{name}/", above | {real})
            elif entry.name.lower().endswith(extensions) and (leads_nowhere or entry.is_file()):
                files.append(name)  # whose reader says what is wrong with it
            elif leads_nowhere or (entry.is_file() and looks_like_image(Path(entry.path))):
                left_out.append(name)

    if folder.is_dir():
        look(folder, "", frozenset())
    return Survey(sorted(files), sorted(left_out))


def looks_like_image(path: str | Path) -> bool:
    """Whether a file's extension, or its first bytes, are those of an image, be it one that cannot be read here."""
    path = Path(path)
    if path.name.lower().endswith(KNOWN):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    webp_or_heif = (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[4:12] in (b"ftypavif", b"ftypheic")
    return webp_or_heif or start.startswith(_SIGNATURES)


def list_images(folder: str | Path, *, instead: str = "", extensions: tuple[str, ...] = EXTENSIONS) -> list[str]:
    """Sorted paths of the images below a folder, as `survey` finds them; FileNotFoundError if there are none.

    `instead` ends that error's sentence: what else would do.
    """
    folder = Path(folder)
    files, left_out = survey(folder, extensions=extensions)
    if not files:
        if extensions == EXTENSIONS and any(folder.rglob("*.npy")):
            raise FileNotFoundError(f"the files in {folder} are .npy; --bands samples reads them.")
        shown = _SHOWN_EXTENSIONS if extensions == EXTENSIONS else " ".join(extensions)
        got = "no images in" if folder.is_dir() else "no folder"
        beside = f" ({left_out[0]} cannot be read)" if left_out else ""
        raise FileNotFoundError(f"{got} {folder}{beside}; wanted files there that end in {shown}{instead}.")
    return files


def notes(roots: Iterable[str | Path], *, extensions: tuple[str, ...] = EXTENSIONS) -> list[str]:
    """Sentences on what of each folder is left out."""
    surveys = {str(root): survey(root, extensions=extensions).note for root in roots if Path(root).is_dir()}
    return [f"{root}: {note}." for root, note in surveys.items() if note]


def stem(file: str) -> str:
    """A relative path without its extension: what a name is below every folder of a set."""
    return os.path.splitext(file)[0]
