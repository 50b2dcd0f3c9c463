"""Whether images are two side by side, A and B of a pair: told by the seam in the middle, or by their sides.

Within a photograph the columns on both sides of the middle continue each other; between two images there is a jump.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from gan_jax.data import image_files

__all__ = ["hold_pairs", "jump", "look_like_pairs", "notes", "sample"]
__dir__ = __all__.copy

_LOOKED_AT = 16  # files of a folder
_NEAR = 8  # columns on each side that say how much neighbors differ
# Levels of 255: what compression leaves of a plain ground is less, and tells nothing.
_FLAT = 2.0
# Of scikit-image's images the median is 0.9 to 1.1, of pairs made of them 3 to 16: small ones and JPEG, too.
_WITHIN, _BETWEEN = 1.4, 2.0


def jump(image_u8: np.ndarray) -> float | None:
    """The step between the two columns in the middle of [H, W, C], over the steps between their neighbors.

    About 1 within an image, more where two meet. None where it tells nothing: plain ground, or too few pixels.
    """
    height, width = image_u8.shape[:2]
    near = min(_NEAR, width // 2 - 1)
    if near < 2 or height < 2:
        return None
    columns = image_u8[:, width // 2 - near - 1 : width // 2 + near + 1].astype(np.float32)
    steps = np.abs(np.diff(columns, axis=1)).mean(axis=(0, 2))
    middle, left, right = steps[near], np.median(steps[:near]), np.median(steps[near + 1 :])
    # Of both sides the livelier: a plain map may be beside a photograph.
    usual = max(left, right)
    return None if max(middle, usual) < _FLAT else float(middle / max(usual, _FLAT / 2))


def look_like_pairs(images_u8: Iterable[np.ndarray]) -> bool | None:
    """Whether images, each [H, W, C], are pairs side by side; None where that cannot be told.

    Where most have a plain ground in the middle, as drawings and products have, those twice as wide as high (or four
    times: halves of 2:1) are pairs, and those no wider than high are none.
    """
    seen = [(jump(image_u8), image_u8.shape[1] / image_u8.shape[0]) for image_u8 in images_u8]
    jumps = [height for height, _ in seen if height is not None]
    if not seen:
        return None
    if 2 * len(jumps) >= len(seen):
        return _by_seams(jumps)
    aspect = float(np.median([aspect for _, aspect in seen]))
    if min(abs(aspect - 2), abs(aspect - 4)) < 0.02:
        return True
    return False if aspect <= 1 else None


def hold_pairs(paths: Sequence[str | Path]) -> bool:
    """Whether most of some files, of which 16 are looked at, are exactly twice as wide as high and have a seam.

    False where that cannot be told. A file that cannot be read does not count.
    """
    files = _spread(paths)
    wide = [path for path in files if _is_twice_as_wide(path)]
    if 2 * len(wide) <= len(files):
        return False
    jumps = [height for height in map(jump, sample(wide)) if height is not None]
    return bool(jumps) and _by_seams(jumps) is True


def notes(folder: str | Path, paths: Sequence[str | Path]) -> tuple[str, ...]:
    """What a method of single images should say of a folder whose images `hold_pairs`."""
    if not hold_pairs(paths):
        return ()
    return (f"the images of {folder} look like A and B side by side, and are read as one image each.",)


def sample(paths: Sequence[str | Path]) -> Iterator[np.ndarray]:
    """Up to 16 of the images, spread evenly, as uint8 [H, W, 3]; without those that cannot be read."""
    for path in _spread(paths):
        with suppress(ValueError, OSError):
            yield image_files.read(path, 3)


def _spread(paths: Sequence[str | Path]) -> list[str | Path]:
    count = min(_LOOKED_AT, len(paths))
    return [paths[k * len(paths) // count] for k in range(count)]


def _is_twice_as_wide(path: str | Path) -> bool:
    with suppress(ValueError, OSError), image_files.opened(path) as image:
        return bool(image.width == 2 * image.height)
    return False


def _by_seams(jumps: Sequence[float]) -> bool | None:
    median = float(np.median(jumps))
    return None if _WITHIN < median < _BETWEEN else median > _WITHIN
