"""Single arrays: PyTorch's kernels as ours and ours as PyTorch's, and the places of ours in their tree."""

from typing import Any

import jax
import numpy as np

from gan_jax.interop.naming.layout import Layout

__all__ = [
    "from_theirs",
    "leaves",
    "place",
    "right_from_theirs",
    "right_to_theirs",
    "right_vector",
    "singular",
    "to_theirs",
]
__dir__ = __all__.copy


def from_theirs(module: Any, layer: str, array: np.ndarray) -> np.ndarray:
    """(out, in, h, w), of a transposed convolution (in, out, h, w), as HWIO; (out, in) as IO, a map's pixels as HWC."""
    if layer.startswith("dense") and array.ndim == 4 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if _is_transposed(module, layer) else array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        channels, side = _flattened(module, layer, array.shape[1])
        if channels * side**2 != array.shape[1]:
            return array.T  # of a shape that does not fit, as the caller finds
        return array.reshape(-1, channels, side, side).transpose(2, 3, 1, 0).reshape(array.shape[::-1])
    return array


def to_theirs(layout: Layout, module: Any, layer: str, array: np.ndarray) -> np.ndarray:
    """The way back of `from_theirs`."""
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose((2, 3, 0, 1) if _is_transposed(module, layer) else (3, 2, 0, 1)))
    if array.ndim == 2:
        channels, side = _flattened(module, layer, array.shape[0])
        array = array.reshape(side, side, channels, -1).transpose(3, 2, 0, 1).reshape(array.shape[::-1])
        return np.ascontiguousarray(array[:, :, None, None] if layout.dense_as_conv else array)
    return np.ascontiguousarray(array)


def right_from_theirs(module: Any, layer: str, kernel: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The vector v of spectral norm, in the order of our kernel's numbers for one output; `kernel` is PyTorch's."""
    return from_theirs(module, layer, v.reshape(1, *kernel.shape[1:])).reshape(-1)


def right_to_theirs(layout: Layout, module: Any, layer: str, kernel: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The way back of `right_from_theirs`; `kernel` is ours."""
    return to_theirs(layout, module, layer, v.reshape(*kernel.shape[:-1], 1)).reshape(-1)


def right_vector(module: Any, layer: str, kernel: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The vector v of spectral norm that PyTorch before 1.1, which stored none, found for u; of PyTorch's kernel."""
    v = u @ _matrix(module, layer, kernel)
    return v / np.linalg.norm(v)


def singular(module: Any, layer: str, kernel: np.ndarray, u: np.ndarray, v: np.ndarray) -> float | None:
    """What spectral norm divides by in evaluation, u W v; None where the vectors do not fit the kernel."""
    matrix = _matrix(module, layer, kernel).astype(np.float32)
    if u.shape != matrix.shape[:1] or v.shape != matrix.shape[1:]:
        return None
    return float(u.astype(np.float32) @ matrix @ v.astype(np.float32))


def _matrix(module: Any, layer: str, kernel: np.ndarray) -> np.ndarray:
    """PyTorch's kernel with a row for each output."""
    kernel = kernel.swapaxes(0, 1) if _is_transposed(module, layer) else kernel
    return kernel.reshape(kernel.shape[0], -1)


def _is_transposed(module: Any, layer: str) -> bool:
    return layer.startswith("up") and getattr(module, "upsample", "transposed") == "transposed"


def _flattened(module: Any, layer: str, inputs: int) -> tuple[int, int]:
    """Channels and side of the map that a dense layer reads: torch flattens (C, H, W), we (H, W, C)."""
    side = module.flattened_side if layer == "dense0" else 1
    return inputs // side**2, side


def place(path: tuple[Any, ...]) -> tuple[str, str, bool]:
    """A leaf's layer, its name there, and whether it is a statistic."""
    collection, *layer, leaf = [entry.key for entry in path]
    inner = ("batch_stats", "batch", "spectral_norm", "spectral")
    return "/".join(part for part in layer if part not in inner), leaf, collection == "stats"


def leaves(tree: Any) -> list[tuple[tuple[str, str, bool], Any]]:
    """The leaves of {"params": ..., "stats": ...} with their places."""
    return [(place(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]
