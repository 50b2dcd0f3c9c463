"""Facades read back: the classes of label maps and photos, and the photo of mean colors that a generator must beat."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gan_jax.data.demo import facades
from gan_jax.data.image_files import round_to

__all__ = ["colors_to_labels", "decode_labels", "mean_color_lookup", "paint"]
__dir__ = __all__.copy


def colors_to_labels(label_maps: np.ndarray) -> np.ndarray:
    """Class indices, uint8 [..., H, W], of label maps, uint8 [..., H, W, 3]: the nearest palette color's."""
    label_maps = np.asarray(label_maps)
    nearest = _distances(label_maps.reshape(-1, 3), facades.PALETTE).argmin(0)
    return nearest.reshape(label_maps.shape[:-1]).astype(np.uint8)


def decode_labels(photos: np.ndarray) -> np.ndarray:
    """Class indices, uint8 [..., H, W], of photos, uint8 [..., H, W, 3]: the nearest paint's.

    A pixel counts as much as the mean around it: noise does not decide, and a thin sill is not lost.
    """
    photos = np.asarray(photos)
    groups = [
        np.array(paints) if label == facades.BACKGROUND else np.concatenate([paints, np.multiply(paints, 0.75)])
        for label, paints in enumerate(facades.PAINTS)  # in the light and, but for the sky, in the shade
    ]
    starts = np.cumsum([0, *map(len, groups[:-1])])
    signatures = np.concatenate(groups)
    images = photos.reshape(-1, *photos.shape[-3:])
    labels = np.empty(images.shape[:-1], np.uint8)
    for image, label_map in zip(images, labels, strict=True):
        distances = np.minimum.reduceat(_distances(image.reshape(-1, 3), signatures), starts)
        cost = np.minimum(distances, 60**2).reshape(-1, *label_map.shape)  # one outlier is not worth a neighborhood
        label_map[...] = (cost + _local_mean(cost, max(1, round(min(label_map.shape) / 128)))).argmin(0)
    return labels.reshape(photos.shape[:-1])


def _distances(colors: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Squared distances [references, colors]."""
    a, b = colors.astype(np.float32), references.astype(np.float32)
    return (b**2).sum(-1)[:, None] - 2 * b @ a.T + (a**2).sum(-1)


def _local_mean(planes: np.ndarray, radius: int) -> np.ndarray:
    """Each value of [N, H, W] replaced by the mean of the square of this radius around it."""
    _, height, width = planes.shape
    side = range(2 * radius + 1)
    padded = np.pad(planes, ((0, 0), (radius, radius), (radius, radius)), mode="edge")
    rows = np.sum([padded[:, k : k + height] for k in side], axis=0)
    return np.sum([rows[:, :, k : k + width] for k in side], axis=0) / len(side) ** 2


def mean_color_lookup(pairs: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """The mean photo color of each class, float [12, 3], black for a class that no pair has."""
    totals, counts = np.zeros((12, 3)), np.zeros((12, 1))
    for pair in pairs:
        members = np.eye(12)[colors_to_labels(pair["source"]).ravel()]
        totals += members.T @ pair["target"].reshape(-1, 3)
        counts += members.sum(0)[:, None]
    return totals / np.maximum(counts, 1)


def paint(label_maps: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Label maps, uint8 [..., H, W, 3], with each class in its own of `colors` [12, 3], rounded to uint8."""
    return round_to(colors, np.uint8)[colors_to_labels(label_maps)]
