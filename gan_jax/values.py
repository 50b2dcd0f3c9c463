"""What the numbers of an image are where they are no 8-bit levels: their dtype, and the range that networks see."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["DTYPES", "Values", "picture", "read_range", "read_values", "shown_channels", "values_of"]
__dir__ = __all__.copy

DTYPES = ("uint8", "uint16", "float32")


class Values(NamedTuple):
    """The numbers of images [..., H, W, C]: a dtype of DTYPES, and what networks see as -1 and as 1."""

    dtype: str
    low: float
    high: float

    @property
    def width(self) -> float:
        """That of the range: the peak of PSNR and SSIM, 65535 of all of uint16."""
        return self.high - self.low

    @property
    def words(self) -> str:
        """The dtype and the range, for people."""
        return f"{self.dtype} from {self.low:,.10g} to {self.high:,.10g}"

    def to_network(self, images: np.ndarray) -> np.ndarray:
        """Numbers of the dtype as float32 in [-1, 1]; those outside of the range become its ends."""
        # In float64: a narrow range far from 0 would lose its digits.
        scaled = np.subtract(images, self.low, dtype=np.float64) * (2.0 / self.width) - 1.0
        return np.clip(scaled, -1.0, 1.0).astype(np.float32)

    def from_network(self, images: np.ndarray) -> np.ndarray:
        """Floats in [-1, 1], clipped to it, as numbers of the dtype; integers rounded by floor(x + 0.5)."""
        numbers = (np.clip(images, -1.0, 1.0).astype(np.float64) + 1.0) * (self.width / 2.0) + self.low
        return (np.floor(numbers + 0.5) if self.dtype != "float32" else numbers).astype(self.dtype)


def values_of(dtype: str, given: tuple[float, float] | None = None) -> Values:
    """The values of a dtype: in the range that is given, or all of an integer's.

    Raises ValueError for floats without a range, and for a range beyond the integers.
    """
    if dtype == "float32":
        if given is None:
            raise ValueError("float32 says no range.")
        return Values(dtype, *given)
    most = float(np.iinfo(dtype).max)
    low, high = given or (0.0, most)
    if low < 0 or high > most:
        raise ValueError(f"the range {low:g}:{high:g} is wider than that of {dtype}, 0:{most:g}.")
    return Values(dtype, low, high)


def read_range(text: str) -> tuple[float, float]:
    """The range that a flag's text means, LOW:HIGH; ValueError for another text."""
    low, colon, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = 0.0, 0.0
    if not colon or not -math.inf < found[0] < found[1] < math.inf:
        raise ValueError(f"got {text}; wanted two numbers LOW:HIGH, the first the lower.")
    return found


def read_values(fields: Mapping[str, Any]) -> Values:
    """Those that a file says as JSON. Raises ValueError, KeyError or TypeError where they are none."""
    values = Values(fields["dtype"], float(fields["low"]), float(fields["high"]))
    if values.dtype not in DTYPES or not values.low < values.high:
        raise ValueError(f"values are {values}")
    return values


def shown_channels(channels: int, chosen: Sequence[int] = ()) -> tuple[int, ...]:
    """Which channels a picture shows: the chosen ones or, where none are, the first three, or of one or two the first.

    Raises ValueError for others than one or three, and for one that is not there.
    """
    shown = tuple(chosen) or ((0, 1, 2) if channels >= 3 else (0,))
    if len(shown) not in (1, 3) or not all(0 <= channel < channels for channel in shown):
        raise ValueError(
            f"the channels {' '.join(map(str, shown))} are to be shown of {channels}, counted from 0; wanted one, or "
            "three for red, green and blue."
        )
    return shown


def picture(images: np.ndarray, values: Values | None, channels: Sequence[int] = ()) -> np.ndarray:
    """Images [..., H, W, C] of those values as people see them, uint8 [..., H, W, 1 or 3]; without values as they are.

    The range goes from black to white. Raises as `shown_channels`.
    """
    if values is None:
        return images
    chosen = images[..., list(shown_channels(images.shape[-1], channels))]
    return np.floor((values.to_network(chosen) + 1.0) * 127.5 + 0.5).astype(np.uint8)
