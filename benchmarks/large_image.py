"""A photograph of 40 megapixels through `gan-jax translate`: how much memory and time a small x2 network takes.

    python -m benchmarks.large_image > benchmarks/large_image.txt

The image is noise over a gradient, 7680x5208; the network an untrained MSRResNet of two blocks of width 8.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from gan_jax import model, networks

WIDTH, HEIGHT, SCALE = 7680, 5208, 2


def write_generator(path: Path) -> None:
    module = networks.MSRResNet(scale=SCALE, blocks=2, width=8)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    spec = model.ModelSpec(
        architecture=networks.describe(module),
        in_channels=3,
        method="none",
        norm="running",
        dropout=False,
        input_range=(0.0, 1.0),
        output_range=(0.0, 1.0),
    )
    model.save(path, model.Model(spec, {"params": params, "stats": stats}))


def write_image(path: Path) -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 191, WIDTH, dtype=np.float32)[None, :, None]
    noise = rng.integers(0, 64, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(noise + slope.astype(np.uint8)).save(path, compress_level=1)


def run(*arguments: str) -> tuple[float, float, float]:
    """Seconds by the clock and of the processors, and the child's peak of resident memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "gan_jax.cli", *arguments], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"gan-jax {' '.join(arguments)} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    names = ("jax", "numpy", "pillow")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    load = os.getloadavg()[0]
    print(
        f"{os.cpu_count()} cores, {load:.0f} programs waiting for them, Python {platform.python_version()}, {packages}"
    )
    print(f"{WIDTH}x{HEIGHT} RGB, {WIDTH * HEIGHT / 1e6:.0f} megapixels; out x{SCALE}: ", end="")
    print(f"{WIDTH * HEIGHT * SCALE**2 / 1e6:.0f} megapixels, a canvas of {WIDTH * HEIGHT * SCALE**2 * 3 / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_generator(folder / "g.safetensors")
        write_image(folder / "large.png")
        Image.new("RGB", (64, 64)).save(folder / "small.png")
        print(f"\n{'':44} seconds  processor seconds  peak memory (MB)", flush=True)
        for what, image, flags in (
            ("an image of 64x64: the programs alone", "small.png", ()),
            ("the large image, tiles chosen by memory", "large.png", ()),
        ):
            arguments = (str(folder / "g.safetensors"), str(folder / image), str(folder / "out.png"))
            seconds, busy, peak = run("translate", *arguments, *flags)
            print(f"{what:44} {seconds:7.0f}  {busy:17.0f}  {peak:16.0f}", flush=True)
            with Image.open(folder / "out.png") as written, Image.open(folder / image) as read:
                if written.size != (read.width * SCALE, read.height * SCALE):
                    raise SystemExit(f"{image} gave {written.size}")
