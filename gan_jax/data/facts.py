"""Facts of image files that are decoded whole: what is wrong with one, and what it looks like, for comparing many."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_jax.data import image_files, rasters

__all__ = ["Facts", "alike", "facts_of", "read_facts", "shift"]
__dir__ = __all__.copy

_SIDE = 16  # of what an image is shrunk to, to compare it with others
_BITS = _SIDE * _SIDE
# Of 256 bits. With as many bands as one more than bits that differ, two images have at least one band in common.
_NEAR = 10
# Arrays of channels are seen from their least to their most, which are at least so far apart: 2 of uint16 are noise.
_STRETCHED = {"uint8": 255.0, "uint16": 512.0, "float32": 1e-12}
_FLAT = 4.0  # levels: of images that vary less the bits are noise


class Facts(NamedTuple):
    """Of one file. `problem` is why it cannot be used; then the rest is not known."""

    size: int  # in bytes
    problem: str | None = None
    format: str = ""
    mode: str = ""
    bits: int = 8
    width: int = 0
    height: int = 0
    frames: int = 1
    pixels: str = ""  # SHA-256 of the decoded pixels: equal for one image in two lossless formats
    look: bytes = b""  # 256 bits, each whether a part of the image is lighter than the next; empty of a plain one


def facts_of(path: str | Path, bands: rasters.Bands | None = None) -> Facts:
    """What there is to know of a file; with `bands`, of the array of channels in it."""
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        return Facts(0, f"{path} cannot be read ({error.strerror}); see that it exists and may be read, or remove it.")
    if not size:
        return Facts(0, f"{path} is empty; replace or remove it.")
    try:
        if bands is not None:
            return _facts_of_array(path, size, rasters.read(path, bands))
        with image_files.opened(path, deep=True) as image:
            deep = image_files.is_deep(image) or image.mode in image_files.GRAY_16
            kind, mode, frames = image.format or "", image.mode, image_files.frames_of(image)
            if deep:
                image.load()
                gray = np.asarray(image.convert("F")) if image.mode in image_files.GRAY_16 else image.convert("L")
                decoded, small = image, Image.fromarray(np.asarray(gray, np.float32) / (257 if mode[0] == "I" else 1))
            else:
                decoded = image_files.decoded(image)
                small = decoded.convert("L").convert("F")
            width, height = decoded.size
            digest = hashlib.sha256(f"{decoded.mode} {decoded.size}".encode() + decoded.tobytes()).hexdigest()
    except (ValueError, OSError, ImportError) as error:
        return Facts(size, str(error))
    bits = 16 if deep else 8
    return Facts(size, None, kind, mode, bits, width, height, frames, digest, _look(small))


def _facts_of_array(path: Path, size: int, array: np.ndarray) -> Facts:
    height, width = array.shape[:2]
    kind = rasters.kind_of(array)
    digest = hashlib.sha256(f"{kind} {width}".encode() + array.tobytes()).hexdigest()
    gray = array.mean(axis=2, dtype=np.float64)
    low, high = np.quantile(gray, (0.02, 0.98))  # one bright spot shall not make all else black
    levels = np.clip((gray - low) * (255.0 / max(high - low, _STRETCHED[kind.dtype])), 0.0, 255.0)
    look = _look(Image.fromarray(levels.astype(np.float32)))
    form = {"TIF": "TIFF", "JPG": "JPEG"}.get(name := path.suffix[1:].upper(), name)
    return Facts(size, None, form, str(kind), 8 * array.itemsize, width, height, 1, digest, look)


def _look(gray: Image.Image) -> bytes:
    small = np.asarray(gray.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX))
    if small.std() < _FLAT:
        return b""
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()


def read_facts(paths: Sequence[str | Path], *, threads: int = 4, bands: rasters.Bands | None = None) -> Iterator[Facts]:
    """The facts of files, in order, as they become known."""
    with ThreadPoolExecutor(threads) as pool:
        waiting, rest = (
            [pool.submit(facts_of, path, bands) for path in paths[: 4 * threads]],
            iter(paths[4 * threads :]),
        )
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(facts_of, path, bands) for path in islice(rest, 1)]


def alike(facts: Mapping[str, Facts]) -> list[tuple[list[str], bool]]:
    """Groups of files that show the same image, sorted; and of each group whether all of its pixels are equal.

    Those that look alike differ in at most 10 of 256 bits that say where an image gets lighter: by compression, size,
    or slight editing; plain images have to be equal.
    """
    above = {name: name for name in facts}

    def top(name: str) -> str:
        while above[name] != name:
            above[name] = name = above[above[name]]
        return name

    first: dict[object, str] = {}
    for name, of in facts.items():
        if of.problem is None:
            above[top(name)] = top(first.setdefault(of.pixels, name))
    looks = {name: np.frombuffer(of.look, np.uint8) for name, of in facts.items() if of.look}
    spread = {name: np.unpackbits(look) for name, look in looks.items()}
    ends = [_BITS * k // (_NEAR + 1) for k in range(_NEAR + 2)]
    for start, end in pairwise(ends):
        bands: dict[bytes, list[str]] = {}
        for name, bits in spread.items():
            bands.setdefault(bits[start:end].tobytes(), []).append(name)
        for names in bands.values():
            if len(names) < 2:
                continue
            known = np.stack([looks[name] for name in names])
            for k, name in enumerate(names[:-1]):
                differing = np.bitwise_count(known[k + 1 :] ^ known[k]).sum(axis=1)
                for other in np.flatnonzero(differing <= _NEAR):
                    above[top(names[k + 1 + int(other)])] = top(name)
    groups: dict[str, list[str]] = {}
    for name in facts:
        groups.setdefault(top(name), []).append(name)
    several = [sorted(group) for group in groups.values() if len(group) > 1]
    return sorted((group, len({facts[name].pixels for name in group}) == 1) for group in several)


def shift(a: np.ndarray, b: np.ndarray) -> tuple[int, int] | None:
    """How far (down, right) image b [H, W, C] is shifted against a of that size, by phase correlation of their edges.

    (0, 0) where nothing is better; None where that cannot be told, as of images that have no edges in common.
    """
    edges = [_edges(image) for image in (a, b)]
    if min(part.std() for part in edges) == 0:
        return None
    first, second = (np.fft.rfft2(part) for part in edges)
    product = second * np.conj(first)
    surface = np.fft.irfft2(product / (np.abs(product) + 1e-9), s=edges[0].shape)
    height, width = surface.shape
    best = np.unravel_index(int(np.argmax(surface)), surface.shape)
    down, right = (int(at) - (side if at > side // 2 else 0) for at, side in zip(best, surface.shape, strict=True))
    # Of unrelated images the maximum is about 4.5 / sqrt(pixels).
    if surface[best] * np.sqrt(height * width) < 12:
        return None
    return (0, 0) if max(abs(down), abs(right)) < 2 else (down, right)


def _edges(image: np.ndarray) -> np.ndarray:
    gray = image.astype(np.float32).mean(axis=2)
    down, right = np.gradient(gray)
    strength = np.hypot(down, right)
    window = np.outer(np.hanning(gray.shape[0]), np.hanning(gray.shape[1]))
    return (strength - strength.mean()) * window
