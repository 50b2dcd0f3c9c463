"""How long a training step takes to compile: with our convolutions and with plain ones, each in a process of its own.

    python -m benchmarks.compiling pix2pix-256-b1 cyclegan-128 > benchmarks/results/compiling.txt

The first run of a step less its second. No cache of compiled programs is used.
"""

import argparse
import contextlib
import subprocess
import sys
import time

import jax

from benchmarks import cases, report
from gan_jax.networks import convolution

STEPS = ("pix2pix-256-b1", "cyclegan-128", "srresnet", "srgan", "dcgan-64", "wgan-gp-32")


def compiled(name: str, *, plain: bool) -> tuple[float, float]:
    """Seconds of compilation and of a run."""
    program = cases.CASES[name].ours()["float32"]()
    seconds = []
    with convolution.plain() if plain else contextlib.nullcontext():
        for _ in range(2):
            begun = time.perf_counter()
            program.run()
            seconds.append(time.perf_counter() - begun)
    return seconds[0] - seconds[1], seconds[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiling", description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", default=STEPS)
    parser.add_argument("--only", choices=["ours", "plain"], help="in this process")
    options = parser.parse_args()
    if options.only:
        jax.config.update("jax_platforms", "cpu")
        for name in options.cases:
            print(*(f"{part:.1f}" for part in compiled(name, plain=options.only == "plain")))
        sys.exit()
    print(", ".join(f"{key} {value}" for key, value in report.surroundings("jax").items()))
    print("\nseconds            ours: to compile   a step  plain: to compile  a step", flush=True)
    for name in options.cases:
        cells = []
        for form in ("ours", "plain"):
            command = [sys.executable, "-m", "benchmarks.compiling", name, "--only", form]
            cells += subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        print("{:<20}{:>16}{:>8}{:>19}{:>8}".format(name, *cells), flush=True)
