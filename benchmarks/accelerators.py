"""What a training step asks of a TPU or a GPU, by its own compiler: none is needed, and nothing runs.

    python3.11 -m venv .venv-tpu
    .venv-tpu/bin/pip install --constraint constraints/tpu-compile.txt --editable '.[photos,tpu-compile]'
    python3.11 -m venv .venv-gpu
    .venv-gpu/bin/pip install --constraint constraints/python3.11.txt --editable '.[photos,gpu-compile]'
    .venv-tpu/bin/python -m benchmarks.accelerators --list
    .venv-tpu/bin/python -m benchmarks.accelerators pix2pix-256-b4-v5e --out benchmarks/results
    .venv-gpu/bin/python -m benchmarks.accelerators pix2pix-256-b4-a100 --out benchmarks/results

docs/accelerators.md says how to read the table.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

from benchmarks import ours
from gan_jax import perceptual
from gan_jax.recipes import cyclegan, dcgan, pix2pix, srgan, wgan
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import parallel, topology

__all__ = ["CASES", "Case", "main", "table"]

_WHOLE = {"v5e": "v5e:16x16", "v5p": "v5p:8x8x4", "v6e": "v6e:16x16", "a100": "a100:1"}  # TPUs: 256 chips each
_SMALLER = ("v5e:4x4", "v5p:4x4x4", "v6e:8x8")


class Case(NamedTuple):
    """A recipe's step with so many images a chip."""

    recipe: Recipe
    preset: str
    sides: Mapping[str, int]  # of the images of a batch, by name
    flags: Mapping[str, Any]
    slice: str
    images: int
    batches: int = 1  # in one step


_FACADES, _PHOTOS = {"dataroot": "builtin:embedded"}, {"dataroot": "builtin:photos"}
_LOWER = {"dtype": "bfloat16"}
_STEPS: Mapping[str, tuple[Recipe, str, Mapping[str, int], Mapping[str, Any]]] = {
    "pix2pix-256": (
        pix2pix.RECIPE,
        "facades",
        {"source": 256, "target": 256},
        _FACADES | _LOWER | {"statistics_batch": 1},
    ),
    "srgan": (srgan.RECIPE, "srgan-paper", {"source": 24, "target": 96}, _PHOTOS | _LOWER),
    "rrdbnet": (srgan.RECIPE, "rrdbnet-paper", {"source": 32, "target": 128}, _PHOTOS | _LOWER),
    "esrgan": (srgan.RECIPE, "esrgan-paper", {"source": 32, "target": 128}, _PHOTOS | _LOWER),
    "realesrnet": (srgan.RECIPE, "realesrnet", {"target": 400}, _PHOTOS | _LOWER),
    "realesrgan": (srgan.RECIPE, "realesrgan", {"target": 400}, _PHOTOS | _LOWER),
    "srresnet": (srgan.RECIPE, "srresnet-paper", {"source": 24, "target": 96}, _PHOTOS | _LOWER),
    "cyclegan-256": (cyclegan.RECIPE, "monet2photo", {"A": 256, "B": 256}, _FACADES | _LOWER),
    "dcgan-64": (dcgan.RECIPE, "pytorch", {"image": 64}, _FACADES),
    "wgan-gp-32": (wgan.RECIPE, "cifar10", {"image": 32}, _FACADES),
}
_ONE_GPU = {  # its preset's whole batch, and for pix2pix some more
    "pix2pix-256": (1, 4, 16, 64),
    "srgan": (16, 64),
    "rrdbnet": (16,),
    "esrgan": (16,),
    "realesrnet": (48,),
    "realesrgan": (48,),
    "srresnet": (16,),
    "cyclegan-256": (1,),
    "dcgan-64": (128,),
    "wgan-gp-32": (64,),
}
_RRDBNETS = {"rrdbnet", "esrgan", "realesrnet", "realesrgan"}  # too large for a TPU's compiler and two cores
_BATCHES = {"wgan-gp-32": 5}  # one for each step of the critic


def _cases() -> dict[str, Case]:
    wanted = [(step, "v5e", 4) for step in _STEPS if step not in _RRDBNETS]
    for step in ("pix2pix-256", "srgan"):
        wanted += [*((step, "v5e", images) for images in (1, 16, 64)), (step, "v5p", 4), (step, "v6e", 4)]
        wanted += [(step, name, 4) for name in _SMALLER]
    wanted += [(step, "a100", images) for step, batches in _ONE_GPU.items() for images in batches]
    return {
        f"{step}-b{images}-{name.replace(':', '-')}": Case(
            *_STEPS[step], _WHOLE.get(name, name), images, _BATCHES.get(step, 1)
        )
        for step, name, images in wanted
    }


CASES = _cases()


def _compiled(case: Case) -> Any:
    """The step, compiled for all chips of the slice."""
    devices = topology.open_slice(case.slice).devices
    count = case.images * len(devices)
    config = dataclasses.replace(case.recipe.preset(case.preset), **case.flags, batch_size=count)
    with mock.patch.object(perceptual, "content_features", ours.random_content):
        method = case.recipe.experiment(config).method
    batch = {
        name: jax.ShapeDtypeStruct((case.batches * count, side, side, 3), np.uint8) for name, side in case.sides.items()
    }
    return topology.compiled(method, batch, parallel.data_mesh(devices))


_HEADINGS = (
    "step, images a chip, chip",
    "state and batch (MB)",
    "temporaries (MB)",
    "GFLOP",
    "traffic (MB)",
    "of it copies (MB)",
    "collectives",
    "floor: products (ms)",
    "memory (ms)",
    "links (ms)",
    "images a second and chip, at most",
)


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results in Markdown."""
    versions = "; ".join(sorted({result["versions"] for result in results.values()}))
    peaks = "; ".join(
        f"{name} {chip.flops / 1e12:.0f} TFLOP/s, {chip.bandwidth / 1e9:.0f} GB/s, links {chip.links / 1e9:.0f} GB/s"
        for name, chip in topology.CHIPS.items()
    )
    lines = [
        f"A chip's share of a training step on 256 TPU chips, on the slice named, or on one GPU, compiled, not run: "
        f"{versions}.",
        f"Peaks: {peaks}.",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|{'---|' * len(_HEADINGS)}",
    ]
    for name, result in results.items():
        case, traffic, memory = CASES[name], result["traffic"], result["memory"]
        slowest = max(result["floors"].values())
        cells = [
            name,
            f"{memory['arguments'] / 1e6:.0f}",
            f"{memory['temporaries'] / 1e6:.0f}",
            f"{result['flops'] / 1e9:.1f}",
            f"{traffic['all'] / 1e6:.0f}",
            f"{traffic.get('copy', 0) / 1e6:.0f}",
            topology.sums(result),
            *(f"{floor:.2f}" for floor in result["floors"].values()),
            f"{1e3 * case.images * case.batches / slowest:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerators", description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what is compiled; all cases unless given")
    parser.add_argument("--list", action="store_true", help="print the cases and do nothing else")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="add the results to accelerators.json and .md there")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Compiles case by case, and prints the table; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(CASES))
        return 0
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}; --list prints them.")
    path = options.out / "accelerators.json" if options.out else None
    results = json.loads(path.read_text()) if path and path.exists() else {}
    for name in options.cases or CASES:
        kind = CASES[name].slice.partition(":")[0]
        try:
            versions = topology.versions(kind)
        except ValueError as error:
            parser.error(str(error))
        before = time.perf_counter()
        compiled = _compiled(CASES[name])
        print(f"{name}: compiled in {time.perf_counter() - before:.0f} s", file=sys.stderr, flush=True)
        results[name] = {"versions": versions, **topology.analyzed(compiled, topology.CHIPS[kind])}
        results = {known: results[known] for known in CASES if known in results}
        if path:  # after each: a long run that is ended leaves what it has
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(results, indent=1) + "\n")
            path.with_suffix(".md").write_text(table(results))
    print(table(results), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
