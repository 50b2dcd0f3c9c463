"""The embedded facades by day and by night: two kinds of images whose counterparts are known."""

from typing import Any

import numpy as np

from gan_jax.data.demo import facade_scores, facades

__all__ = ["DayNight", "at_night"]
__dir__ = __all__.copy

_MOON = np.array([0.20, 0.25, 0.42])  # what the night leaves of each color
_LAMP = np.array([255.0, 190.0, 90.0])
_LIT = (facades.WINDOW, facades.SHOP)


def at_night(photo_u8: np.ndarray, label_map_u8: np.ndarray) -> np.ndarray:
    """A facade's photo as the night shows it: dark and blue, with light behind windows and shops; uint8 [H, W, 3].

    Nothing of the scene is lost, so that the day can be told from the night as well as the night from the day.
    """
    lit = np.isin(facade_scores.colors_to_labels(label_map_u8), _LIT)[..., None]
    lamps = (0.55 + 0.45 * photo_u8.mean(axis=-1, keepdims=True) / 255.0) * _LAMP
    return np.rint(np.where(lit, lamps, photo_u8 * _MOON)).astype(np.uint8)


class DayNight:
    """A random-access source of {"name", "source": by day, "target": by night}, as `facades.Facades` makes them."""

    def __init__(self, split: str, count: int, size: int | tuple[int, int] = 64, seed: int = 0) -> None:
        self._facades = facades.Facades(split, count, size, seed)

    def __len__(self) -> int:
        return len(self._facades)

    def __getitem__(self, i: int) -> dict[str, Any]:
        pair = self._facades[i]
        return {"name": pair["name"], "source": pair["target"], "target": at_night(pair["target"], pair["source"])}

    def __repr__(self) -> str:
        return f"DayNight of {self._facades!r}"
