"""The final size of an output: bicubic on the host, a strip of rows at a time."""

from collections.abc import Sequence

import numpy as np

from gan_jax import image

__all__ = ["final_sides", "resized"]
__dir__ = __all__.copy

_STRIP = 64  # rows that are resized or rounded at once


def final_sides(sides: Sequence[int], scale: int, outscale: float | None) -> tuple[int, int]:
    """An output's height and width: `scale` times the input's, or `outscale` times, rounded, and at least 1."""
    height, width = (max(int(np.floor(side * (outscale or scale) + 0.5)), 1) for side in sides[:2])
    return height, width


def resized(array: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Floats [H, W, C] in [-1, 1] by bicubic to [*shape, C], rounded to `dtype`; a strip of rows at a time.

    float32 stays in [-1, 1], neither clipped nor rounded.
    """
    output = np.empty((*shape, array.shape[2]), dtype)
    if array.shape[:2] == shape:
        for row in range(0, shape[0], _STRIP):
            output[row : row + _STRIP] = _rounded(array[row : row + _STRIP], dtype)
        return output
    (rows, row_weights), (columns, column_weights) = (
        image.resampling_weights(old, new) for old, new in zip(array.shape, shape, strict=False)
    )
    for row in range(0, shape[0], _STRIP):
        strip = rows[row : row + _STRIP]
        first = strip.min()
        narrow = _mixed(array[first : strip.max() + 1].swapaxes(0, 1), columns, column_weights).swapaxes(0, 1)
        output[row : row + _STRIP] = _rounded(_mixed(narrow, strip - first, row_weights[row : row + _STRIP]), dtype)
    return output


def _mixed(array: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Along the first axis, the sums of the entries at places [new, taps] by weights [new, taps]."""
    # Tap by tap, for a gather of all taps would be that many times as large.
    shape = (-1, *[1] * (array.ndim - 1))
    return sum(
        array[places[:, tap]] * weights[:, tap].astype(np.float32).reshape(shape) for tap in range(places.shape[1])
    )


def _rounded(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype == np.float32:
        return array
    return image.round_to(image.rescale(np.clip(array, -1.0, 1.0), (-1.0, 1.0), (0.0, np.iinfo(dtype).max)), dtype)
