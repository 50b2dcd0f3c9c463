"""The geometry of tiles: windows that overlap by what a network sees, whose cores make up an image side by side.

A window ends where the image ends, so that a network pads there as it pads the whole image.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Moments", "Span", "covers", "halved", "merged", "scaled_core", "spans", "within"]
__dir__ = __all__.copy


class Span(NamedTuple):
    """One window along one side of an image, and the part of it, its core, that the window answers for."""

    start: int
    stop: int
    core_start: int
    core_stop: int


class Moments(NamedTuple):
    """How many values there are, their mean and the sum of their squared distances to it: one norm's statistics."""

    values: float
    mean: np.ndarray
    squares: np.ndarray


def spans(side: int, tile: int, halo: int, multiple: int) -> list[Span]:
    """Windows of one size along `side`, a multiple of `multiple`, as they and their cores are.

    Cores are `tile` pixels long, rounded up to the multiple; those at the ends are longer by the halo. Between a core
    and where its window cuts the image lie `halo` pixels or more. If that is the whole side there is one window.
    """
    step, margin = (-(-length // multiple) * multiple for length in (max(tile, 1), halo))
    window = step + 2 * margin
    if window >= side:
        return [Span(0, side, 0, side)]
    windows: list[Span] = []
    while not windows or windows[-1].core_stop < side:
        start = min(len(windows) * step, side - window)
        core_start = windows[-1].core_stop if windows else 0
        windows.append(
            Span(start, start + window, core_start, side if start + window == side else start + margin + step)
        )
    return windows


def scaled_core(span: Span, scale: int) -> slice:
    """Where along a side of the output a core lies."""
    return slice(span.core_start * scale, span.core_stop * scale)


def covers(height: int, width: int, tile: int, halo: int, multiple: int) -> bool:
    """Whether one window of that tile is the whole image."""
    return len(spans(height, tile, halo, multiple)) == len(spans(width, tile, halo, multiple)) == 1


def halved(height: int, width: int, tile: int | None, halo: int, multiple: int, *, least: int = 16) -> int | None:
    """The next smaller tile that cuts the image, after `tile` or, None, the whole; None where there is none."""
    tile = max(height, width) if tile is None else tile
    while (tile := tile // 2) >= least:
        if not covers(height, width, tile, halo, multiple):
            return tile
    return None


def within(budget: float, pixel: float, halo: int, multiple: int, *, least: int) -> int:
    """The largest tile, but at least `least`, whose square window takes `budget` bytes at `pixel` bytes a pixel."""
    margin = -(-halo // multiple) * multiple
    tile = (int((budget / pixel) ** 0.5) - 2 * margin) // multiple * multiple
    return max(tile, least)


def merged(parts: Sequence[Moments]) -> Moments:
    """The moments of all the parts' values together, in float64. Chan et al. 1979, "Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances", eq. 2.1.
    """
    values, means, squares = (np.stack(column).astype(np.float64) for column in zip(*parts, strict=True))
    mean = values @ means / values.sum()
    return Moments(values.sum(), mean, squares.sum(axis=0) + values @ np.square(means - mean))
