"""The share of its time that a training loop waits for batches, with a sleep in place of pix2pix-256's step.

    python -m benchmarks.waiting --step 0.19

0.19 s is a quarter of the step at batch 1 in benchmarks/results/cpu.md. As with an accelerator, the processor's
cores are free for the batches meanwhile.
"""

import argparse
import time
from collections.abc import Mapping

from benchmarks import file_cases
from gan_jax.data import pipeline
from gan_jax.data.records import Stored

__all__ = ["main"]

_KINDS: Mapping[str, Stored | None] = {
    "a folder of JPEG": None,
    "prepared, pixels": "pixels",
    "prepared, PNG": "encoded",
}


def main() -> None:
    """Prints a line for each kind of data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__.split("\n")[0])
    parser.add_argument("--step", type=float, default=0.19, help="seconds of a step (%(default)s)")
    parser.add_argument("--steps", type=int, default=100, help="how many (%(default)s)")
    options = parser.parse_args()
    for name, stored in _KINDS.items():
        for batch_size in (1, 4):
            experiment = file_cases.experiment(stored)
            batches = pipeline.batches(
                experiment.train, batch_size=batch_size, seed=0, transform=experiment.train_transform, threads=2
            )
            next(batches)  # training compiles before its first step
            waited, start = 0.0, time.perf_counter()
            for _ in range(options.steps):
                before = time.perf_counter()
                next(batches)
                waited += time.perf_counter() - before
                time.sleep(options.step)
            share = waited / (time.perf_counter() - start)
            batches.close()
            print(
                f"{name:18} batch {batch_size}, a step of {options.step:g} s: waits {share:.2%} of its time", flush=True
            )


if __name__ == "__main__":
    main()
