"""SSIM beside scikit-image's on one core, and how far apart the conventions of PSNR and SSIM are.

    python -m benchmarks.ssim > benchmarks/ssim.txt

The images are scikit-image's photographs at their own sizes, beside their reduction and enlargement by four.
"""

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from gan_jax import evaluate, image, metrics

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SCALE, BORDER = 4, 4
SSIM = {"channel_axis": 2, "data_range": 255}
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def photographs() -> dict[str, np.ndarray]:
    folder = Path(find_spec("skimage").submodule_search_locations[0], "data")
    photos = {}
    for name in NAMES:
        with Image.open(folder / name) as photo:
            photos[Path(name).stem] = np.asarray(image.mod_crop(np.asarray(photo.convert("RGB")), SCALE))
    return photos


def rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def bicubic(photo: np.ndarray, finish: Callable = rounded) -> np.ndarray:
    """MATLAB's bicubic down, rounded, and up, finished."""
    small = rounded(np.asarray(image.imresize(photo, scale=1 / SCALE)))
    return finish(np.asarray(image.imresize(small, shape=photo.shape[:2])))


def pillow(photo: np.ndarray) -> np.ndarray:
    """The same by Pillow's bicubic."""
    height, width = photo.shape[:2]
    small = Image.fromarray(photo).resize((width // SCALE, height // SCALE), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def best(task: Callable[[], object], repeats: int = 7) -> float:
    # The least disturbed run: other programs can only slow one down.
    return min(seconds(task) for _ in range(repeats))


def speed(photos: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
    def ours(output: np.ndarray, photo: np.ndarray) -> float:
        return evaluate.score("", output, photo, metric_names=("ssim",)).ssim

    def theirs(output: np.ndarray, photo: np.ndarray) -> float:
        return structural_similarity(output, photo, **SSIM, **GAUSSIAN)

    def compiled(output: np.ndarray, photo: np.ndarray) -> float:
        return float(metrics.ssim(output[None], photo[None])[0])

    first_photo = next(iter(photos))
    compilation = seconds(lambda: ours(outputs[first_photo], photos[first_photo]))
    print(f"{'milliseconds an image, RGB':28} scikit-image  evaluate  ratio  metrics.ssim  ratio  |difference|")
    totals = np.zeros(3)
    for name, photo in photos.items():
        pair = (outputs[name], photo)
        difference = abs(ours(*pair) - theirs(*pair))
        times = np.array([best(lambda pair=pair, f=f: f(*pair)) for f in (theirs, ours, compiled)])
        totals += times
        row(f"{name} {photo.shape[1]}x{photo.shape[0]}", times, f"{difference:14.1e}")
    row("all", totals, "")
    print(f"evaluate compiles once for all sizes: {compilation:.1f} s more; metrics.ssim compiles for each size\n")


def row(name: str, times: np.ndarray, end: str) -> None:
    theirs, ours, compiled = times * 1000
    print(f"{name:28} {theirs:12.1f} {ours:9.1f} {theirs / ours:6.2f} {compiled:13.1f} {theirs / compiled:6.2f}{end}")


def mean_scores(photos: dict[str, np.ndarray], outputs: dict[str, np.ndarray], protocol: evaluate.Protocol) -> tuple:
    scores = [evaluate.score(name, outputs[name], photos[name], protocol) for name in photos]
    return evaluate.mean([s.psnr for s in scores]), evaluate.mean([s.ssim for s in scores])


def full_range(images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Luma of 0..255, as OpenCV's and Pillow's YCbCr have it."""
    return {name: rounded(np.asarray(image.full_range_luma(array))) for name, array in images.items()}


def conventions(photos: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
    srgan, rgb = evaluate.PROTOCOLS["srgan"], evaluate.PROTOCOLS["rgb"]
    psnr, ssim = mean_scores(photos, outputs, srgan)
    print(f"{'bicubic x4, mean of ' + str(len(photos)) + ' images':52}  PSNR (dB)    SSIM     less srgan's")

    def show(what: str, other_psnr: float | None, other_ssim: float | None) -> None:
        cells = [f"{other_psnr:9.4f}" if other_psnr else " " * 9, f"{other_ssim:9.5f}" if other_ssim else " " * 9]
        cells.append(f"{other_psnr - psnr:+9.4f}" if other_psnr else " " * 9)
        cells.append(f"{other_ssim - ssim:+9.5f}" if other_ssim else " " * 9)
        print(f"{what:52}", *cells)

    scaled = {name: evaluate.with_options(protocol, scale=SCALE) for name, protocol in evaluate.PROTOCOLS.items()}
    show("srgan: Y, not rounded, border 4", psnr, ssim)
    show("basicsr-y --scale 4: the same here", *mean_scores(photos, outputs, scaled["basicsr-y"]))
    show("matlab-y --scale 4: Y rounded", *mean_scores(photos, outputs, scaled["matlab-y"]))
    show("basicsr-rgb --scale 4", *mean_scores(photos, outputs, scaled["basicsr-rgb"]))
    show("rgb", *mean_scores(photos, outputs, rgb))
    show("Y, no border cropped", *mean_scores(photos, outputs, srgan._replace(crop_border=0)))
    luma = rgb._replace(crop_border=BORDER)
    show("Y of full range (OpenCV, Pillow), border 4", *mean_scores(full_range(photos), full_range(outputs), luma))
    cut = {name: bicubic(photo, lambda x: np.clip(x, 0, 255).astype(np.uint8)) for name, photo in photos.items()}
    show("srgan, outputs cut off in place of rounded", *mean_scores(photos, cut, srgan))
    by_pillow = {name: pillow(photo) for name, photo in photos.items()}
    show("srgan, bicubic by Pillow in place of MATLAB's", *mean_scores(photos, by_pillow, srgan))
    scores = [evaluate.score(name, outputs[name], photos[name], srgan) for name in photos]
    pooled = -10 * np.log10(np.mean([10 ** (-score.psnr / 10) for score in scores]))
    show("srgan, PSNR of the images' mean square error", pooled, None)

    kept = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    pairs = [[np.asarray(image.luma(x))[kept] for x in (outputs[name], photos[name])] for name in photos]
    variants = {
        "scikit-image, Gaussian, population moments": GAUSSIAN,
        "scikit-image, Gaussian, sample moments": GAUSSIAN | {"use_sample_covariance": True},
        "scikit-image's default: 7x7 mean, sample moments": {},
    }
    for what, options in variants.items():
        show(what, None, float(np.mean([structural_similarity(*pair, **SSIM, **options) for pair in pairs])))


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    # JAX starts its threads at the first computation, on the cores that are left then.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    names = ("jax", "numpy", "scikit-image", "pillow")
    print(f"one core, Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    photos = photographs()
    outputs = {name: bicubic(photo) for name, photo in photos.items()}
    print()
    speed(photos, outputs)
    conventions(photos, outputs)
