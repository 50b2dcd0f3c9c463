"""Latents z [N, Z]: what a generator of images starts from. Drawing them, and ways from one to another."""

from typing import Literal

import jax
import numpy as np

__all__ = ["Distribution", "between", "draw"]
__dir__ = __all__.copy

Distribution = Literal["normal", "uniform"]


def draw(key: jax.Array, shape: tuple[int, ...], distribution: Distribution) -> jax.Array:
    """Latents [..., Z] of float32: each number from N(0, 1), or uniformly from [-1, 1)."""
    if distribution == "normal":
        return jax.random.normal(key, shape)
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def between(start: np.ndarray, end: np.ndarray, steps: int, distribution: Distribution) -> np.ndarray:
    """Latents [steps, Z] on the way from `start` [Z] to `end` [Z], both among them; `steps` is at least 2.

    Normal latents go along a great circle (White 2016, "Sampling Generative Networks", section 2.1): a straight line
    would pass nearer to 0 than nearly any latent lies. Uniform ones go along the line, which stays in their cube.
    """
    at = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, None]
    if distribution == "uniform":
        return (1.0 - at) * start + at * end
    cosine = np.vdot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if angle < 1e-3:  # so near to each other that the circle is a line
        return (1.0 - at) * start + at * end
    return (np.sin((1.0 - at) * angle) * start + np.sin(at * angle) * end) / np.sin(angle)
