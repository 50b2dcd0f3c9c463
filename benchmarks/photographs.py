"""Training crops of large photographs, by each way to read them: crops a second, and how far reduced decoding is off.

    python -m benchmarks.photographs --count 8

The photographs are drawn, JPEG of 21 megapixels and some 10 MB; nothing but batches is made of them.
"""

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_jax.data import caching, image_files, pipeline, prepare, sources, super_resolution, tfds_source, transforms

__all__ = ["main"]

_HEIGHT, _WIDTH = 3744, 5616
_BATCH, _CROP = 16, 96
_LOAD, _CUT = 286, 256


def _photograph() -> np.ndarray:
    """Noise of all scales, with the fall of a photograph's spectrum, and a sensor's grain: uint8 [H, W, 3]."""
    rng = np.random.default_rng(0)
    levels = np.zeros((_HEIGHT, _WIDTH, 3), np.float32)
    for size in 2.0 ** np.arange(1, 11):
        coarse = rng.normal(0.0, size, (int(_HEIGHT / size) + 2, int(_WIDTH / size) + 2, 3)).astype(np.float32)
        for channel in range(3):
            band = Image.fromarray(coarse[..., channel])
            levels[..., channel] += np.asarray(band.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC))
    low, high = np.quantile(levels[::16, ::16], (0.01, 0.99))
    grain = rng.normal(0.0, 3.0, levels.shape).astype(np.float32)
    return np.clip((levels - low) * (255.0 / (high - low)) + grain, 0.0, 255.0).astype(np.uint8)


def _draw(folder: Path, count: int) -> None:
    """So many photographs, of one that is moved by another distance for each."""
    folder.mkdir(parents=True)
    photograph = _photograph()
    for index in range(count):
        moved = np.roll(photograph, (211 * index, 307 * index), (0, 1))
        Image.fromarray(moved).save(folder / f"{index:03}.jpg", quality=92)


@contextlib.contextmanager
def _as_it_is(source: Any) -> Iterator[Any]:
    yield source


def _rate(source: Any, transform: transforms.Transform, seconds: float, *, warm: int = 2, **options: Any) -> float:
    """Images a second of a stream of batches, behind its first `warm` ones."""
    made = pipeline.batches(source, batch_size=_BATCH, seed=0, transform=transform, threads=2, **options)
    for _ in range(warm):
        next(made)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(made)
        steps += 1
    taken = time.perf_counter() - start
    made.close()
    return steps * _BATCH / taken


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photographs", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=8, help="photographs (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="that each way is measured, at least (%(default)s)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="photographs-"))
    try:
        _measure(folder, options.count, options.seconds)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, count: int, seconds: float) -> None:
    _draw(folder / "photographs/train", count)
    size = np.mean([path.stat().st_size for path in (folder / "photographs/train").iterdir()])
    print(f"{count} photographs of {_WIDTH}x{_HEIGHT}, {size / 1e6:.1f} MB each")
    photographs = super_resolution.open_split(folder / "photographs", "train", scale=4, channels=3)
    cropped = super_resolution.crop(_CROP, 4, flip=True)
    epoch = -(-count // _BATCH)
    ways: dict[str, tuple[Any, dict[str, Any]]] = {
        "the files": (_as_it_is(photographs), {}),
        "--crops_per_image 4": (_as_it_is(photographs), {"crops": 4, "warm": 4}),
        "--crops_per_image 16": (_as_it_is(photographs), {"crops": 16, "warm": 16}),
        "--cache ram": (caching.cached(photographs, 2**34), {"warm": 2 * epoch + 2}),
        "--cache disk": (caching.cached(photographs, 2**34, folder=folder / "decoded"), {"warm": 2 * epoch + 2}),
    }
    print(f"crops of {_CROP}, batches of {_BATCH}, two threads:")
    for name, (way, given) in ways.items():
        with way as source:
            print(f"  {name:24}{_rate(source, cropped, seconds, **given):9.1f} a second", flush=True)
    start = time.perf_counter()
    prepare.prepare(folder / "photographs", folder / "tiles", prepare.Settings("photographs", tile=480, step=240))
    prepared = time.perf_counter() - start
    tiles = tfds_source.open_resolutions(folder / "tiles", "train", channels=3, smallest=_CROP)
    rate = _rate(tiles, cropped, seconds)
    print(f"  {'tiles of 480':24}{rate:9.1f} a second, prepared in {prepared:.0f} s", flush=True)

    print(f"resized to {_LOAD}, cropped to {_CUT}:")
    resized = transforms.jitter("resize_and_crop", load_size=_LOAD, crop_size=_CUT)
    files = [(path.name,) for path in sorted((folder / "photographs/train").iterdir())]
    whole = transforms.resize(image_files.read(folder / "photographs/train" / files[0][0], 3), _LOAD, _LOAD)
    for gap in (None, 1.0, 2.0, 3.0):
        reduced = None if gap is None else sources.Reduced((_LOAD, _LOAD), gap)
        images = sources.Images((folder / "photographs/train",), files, "target", 3, reduced)
        levels = np.abs(transforms.resize(images[0]["target"], _LOAD, _LOAD).astype(int) - whole)
        name = "the files" if gap is None else f"--reducing_gap {gap:g}"
        off = "" if gap is None else f", {levels.mean():.2f} levels off in the mean, {levels.max()} at most"
        print(f"  {name:24}{_rate(images, resized, seconds):9.1f} a second{off}", flush=True)


if __name__ == "__main__":
    main()
