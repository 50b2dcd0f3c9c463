"""A photograph of 2.5 megapixels to 40 by an RRDBNet x4, Real-ESRGAN's network, beside a program of PyTorch.

    python -m benchmarks.rrdbnet_image > benchmarks/results/rrdbnet_image.txt

Both read the same file, of PyTorch's first weights, and the same image, noise over a gradient. It wants the extra
`bench`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import report

SCALE = 4


def _write_generator(path: Path) -> None:
    """In a process of its own, so that none of its threads and memory are measured."""
    program = (
        "import sys, torch; from benchmarks import torch_nets; torch.manual_seed(0); "
        "torch.save({'params_ema': torch_nets.RRDBNet().state_dict()}, sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


def _write_image(path: Path, width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 191, width, dtype=np.float32)[None, :, None]
    noise = rng.integers(0, 64, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise + slope.astype(np.uint8)).save(path, compress_level=1)


def _run(*command: str | Path) -> tuple[float, float, float]:
    """Seconds by the clock and of the processors, and the child's peak of resident memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rrdbnet_image", description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1302)
    options = parser.parse_args()
    pixels = options.width * options.height / 1e6
    print(f"{options.width}x{options.height} RGB, {pixels:.1f} megapixels, to {pixels * SCALE**2:.0f}")
    print(", ".join(f"{key} {value}" for key, value in report.surroundings("jax", "torch", "pillow").items()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generator, image = folder / "rrdbnet_x4.pth", folder / "image.png"
        _write_generator(generator)
        _write_image(image, options.width, options.height)
        print(f"{'':36} seconds  a megapixel out  processor seconds  peak memory (MB)", flush=True)
        for what, program in (
            ("gan-jax translate", ("gan_jax.cli", "translate")),
            ("PyTorch, tiles of 256 and 10 around", ("benchmarks.torch_programs", "upscale")),
        ):
            seconds, busy, peak = _run(*program, generator, image, folder / "out.png")
            each = seconds / (pixels * SCALE**2)
            print(f"{what:36} {seconds:7.0f}  {each:15.2f}  {busy:17.0f}  {peak:16.0f}", flush=True)
            with Image.open(folder / "out.png") as written:
                if written.size != (options.width * SCALE, options.height * SCALE):
                    raise SystemExit(f"{what} gave {written.size}")
