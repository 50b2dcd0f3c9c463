"""The score of one image against its reference under a protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax import scores
from gan_jax.evaluate import host
from gan_jax.evaluate.protocol import PROTOCOLS, Protocol

__all__ = ["LOWER_IS_BETTER", "METRICS", "SMALLEST", "Lpips", "Score", "cropped", "parse_metrics", "score"]
__dir__ = __all__.copy

METRICS = {
    "psnr": "PSNR in dB, from the mean square over all pixels and channels",
    "ssim": "SSIM of 11x11 Gaussian windows, sigma 1.5, inside the image, mean of the channels",
    "ms_ssim": "MS-SSIM, five scales of SSIM's windows",
    "lpips": "LPIPS 0.1 of AlexNet, on RGB whatever the protocol, lower is better",
}
SMALLEST = {"psnr": 1, "ssim": 11, "ms_ssim": 161, "lpips": 31}  # sides that a metric takes
LOWER_IS_BETTER = tuple(name for name in METRICS if scores.METRICS[name].better == "↓")

Lpips = Callable[[np.ndarray, np.ndarray], Any]


class Score(NamedTuple):
    """One image's values by metric."""

    name: str
    values: Mapping[str, float]

    @property
    def psnr(self) -> float:
        """PSNR in decibels, inf for identical images."""
        return self.values["psnr"]

    @property
    def ssim(self) -> float:
        """Mean SSIM."""
        return self.values["ssim"]


def parse_metrics(text: str) -> tuple[str, ...]:
    """The metrics of a list with commas. Raises ValueError for none and for unknown ones."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise ValueError(f"--metrics has {', '.join(unknown) or 'nothing'}; wanted some of {','.join(METRICS)}.")
    return names


def score(
    name: str,
    output: np.ndarray,
    reference: np.ndarray,
    protocol: Protocol = PROTOCOLS["rgb"],
    *,
    metric_names: Sequence[str] = ("psnr", "ssim"),
    lpips: Lpips | None = None,
) -> Score:
    """One image [H, W, C], uint8 or uint16, or of the protocol's values, against its reference under a protocol.

    `lpips` maps uint8 RGB batches to distances [N]. Raises ValueError where shapes or depths differ or the image is
    too small, TypeError for other dtypes.
    """
    output, reference = cropped(output, reference, protocol, metric_names)
    if protocol.values is not None:
        peak = protocol.values.width
        # SSIM's luminance is that of numbers from 0 on.
        x, y = (np.subtract(side, protocol.values.low, dtype=np.float64) for side in (output, reference))
    else:
        peak = float(np.iinfo(reference.dtype).max)
        x, y = output, reference
        if protocol.y_channel:
            x, y = (host.luma(side, rounded=protocol.round_y) for side in (x, y))
    formulas: dict[str, Callable[[], float]] = {
        "psnr": lambda: host.psnr(x, y, peak),
        "ssim": lambda: host.ssim(x, y, peak),
        "ms_ssim": lambda: host.ms_ssim(x, y, peak),
        "lpips": lambda: _lpips(output, reference, lpips),
    }
    return Score(name, {metric: formulas[metric]() for metric in metric_names})


def cropped(
    output: np.ndarray, reference: np.ndarray, protocol: Protocol, metric_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Both without the border; ValueError for pairs that the metrics cannot score."""
    if output.shape != reference.shape or output.dtype != reference.dtype:
        sides = [f"{side.dtype}{list(side.shape)}" for side in (output, reference)]
        raise ValueError(f"the image is {sides[0]} and its reference {sides[1]}; they must be alike.")
    known = ("uint8", "uint16") if protocol.values is None else (protocol.values.dtype,)
    if reference.dtype not in known:
        raise TypeError(f"the images are {reference.dtype}, whose range is not known; wanted {' or '.join(known)}.")
    border, (height, width) = protocol.border, output.shape[:2]
    largest = max(metric_names, key=lambda name: SMALLEST[name])
    smallest = SMALLEST[largest] + 2 * border
    if min(height, width) < smallest:
        raise ValueError(
            f"the image is {width}x{height}; {largest} with a border of {border} wants sides of {smallest} or more: "
            f"remove the pair or leave {largest} out."
        )
    if "lpips" in metric_names and output.dtype != np.uint8:
        raise ValueError("the image has 16 bits a channel; LPIPS wants 8: convert the images or leave lpips out.")
    kept = np.s_[border : height - border, border : width - border]
    return output[kept], reference[kept]


def _lpips(output: np.ndarray, reference: np.ndarray, lpips: Lpips | None) -> float:
    """The distance of RGB images; gray is repeated three times."""
    if lpips is None:
        raise ValueError("LPIPS wants its network; give `lpips`.")
    batches = (np.broadcast_to(side[None], (1, *side.shape[:2], 3)) for side in (output, reference))
    return float(np.asarray(lpips(*batches))[0])
