"""What a training step asks of a TPU, by the TPU's own compiler: no TPU is needed, and nothing runs.

    python3.11 -m venv .venv-tpu
    .venv-tpu/bin/pip install --constraint constraints/tpu-compile.txt --editable '.[photos,tpu-compile]'
    .venv-tpu/bin/python -m benchmarks.tpu --list
    .venv-tpu/bin/python -m benchmarks.tpu pix2pix-256-b4-v5e --out benchmarks/results

docs/tpu.md says how to read the table.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import ours
from gan_jax import hlo
from gan_jax.recipes import cyclegan, dcgan, pix2pix, srgan, wgan
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import parallel

__all__ = ["CASES", "CHIPS", "Case", "Chip", "analyzed", "floors", "main", "table"]


class Chip(NamedTuple):
    """A kind of chip: the slice of 256 that is compiled for, and what Google's documentation says of one."""

    topology: str
    flops: float  # of bfloat16 products, a second
    bandwidth: float  # of main memory, bytes a second
    links: float  # to other chips, bytes a second


CHIPS = {
    "v5e": Chip("v5e:16x16", 197e12, 819e9, 1600e9 / 8),
    "v5p": Chip("v5p:8x8x4", 459e12, 2765e9, 4800e9 / 8),
    "v6e": Chip("v6e:16x16", 918e12, 1640e9, 3584e9 / 8),
}


class Case(NamedTuple):
    """A recipe's step with so many images a chip."""

    recipe: Recipe
    preset: str
    sides: Mapping[str, int]  # of the images of a batch, by name
    flags: Mapping[str, Any]
    chip: str
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
    "srresnet": (srgan.RECIPE, "srresnet-paper", {"source": 24, "target": 96}, _PHOTOS | _LOWER),
    "cyclegan-256": (cyclegan.RECIPE, "monet2photo", {"A": 256, "B": 256}, _FACADES | _LOWER),
    "dcgan-64": (dcgan.RECIPE, "pytorch", {"image": 64}, _FACADES),
    "wgan-gp-32": (wgan.RECIPE, "cifar10", {"image": 32}, _FACADES),
}
_BATCHES = {"wgan-gp-32": 5}  # one for each step of the critic


def _cases() -> dict[str, Case]:
    wanted = [(step, "v5e", 4) for step in _STEPS]
    for step in ("pix2pix-256", "srgan"):
        wanted += [*((step, "v5e", images) for images in (1, 16, 64)), (step, "v5p", 4), (step, "v6e", 4)]
    return {
        f"{step}-b{images}-{chip}": Case(*_STEPS[step], chip, images, _BATCHES.get(step, 1))
        for step, chip, images in wanted
    }


CASES = _cases()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the compiler says on stderr about the TPU that is not there."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _compiled(case: Case) -> Any:
    """The step, compiled for all chips of the slice."""
    from jax.experimental import topologies

    with _quiet():
        devices = topologies.get_topology_desc(platform="tpu", topology_name=CHIPS[case.chip].topology).devices
    mesh, count = parallel.data_mesh(devices), case.images * len(devices)
    one = {name: np.zeros((case.batches, side, side, 3), np.uint8) for name, side in case.sides.items()}
    method, _ = ours.started(case.recipe, case.preset, {**case.flags, "batch_size": count}, one)
    batch: Any = {
        name: jax.ShapeDtypeStruct((case.batches * count, *images.shape[1:]), np.uint8) for name, images in one.items()
    }
    step = parallel.compile_step(method, mesh).lower(parallel.abstract_state(method, batch, mesh), batch)
    with _quiet():
        return step.compile()


def floors(chip: Chip, flops: float, traffic: float, reduced: float) -> dict[str, float]:
    """Milliseconds that a step takes at the least, by what it is bound: its products, its memory, its links.

    `reduced` bytes are summed over all chips: each gives and takes them twice, less one part of many.
    """
    return {
        "products": 1e3 * flops / chip.flops,
        "memory": 1e3 * traffic / chip.bandwidth,
        "links": 1e3 * 2 * reduced / chip.links,
    }


def analyzed(compiled: Any, chip: Chip) -> dict[str, Any]:
    """What a compiled step asks of one chip: bytes in memory and moved, operations, collectives, floors."""
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    operations = hlo.operations(compiled.as_text())
    traffic, copies, collectives = Counter[str](), 0, Counter[tuple[str, str]]()
    for one in operations:
        traffic[one.kind] += one.traffic
        copies += one.kind == "copy" and one.traffic > 2**16
        for array in one.outputs if one.kind == "collective" else ():
            collectives[one.opcode, array.dtype] += one.times * array.nbytes
    return {
        "memory": {
            "arguments": memory.argument_size_in_bytes,
            "temporaries": memory.temp_size_in_bytes,
            "program": memory.generated_code_size_in_bytes,
        },
        "flops": cost["flops"],
        "traffic": {"all": traffic.total(), **dict(sorted(traffic.items()))},
        "copies": copies,  # of more than 64 KiB
        "collectives": [[*names, size] for names, size in sorted(collectives.items())],
        "floors": floors(chip, cost["flops"], traffic.total(), collectives.total()),
        "bytes accessed": cost["bytes accessed"],  # XLA's own count, for comparison
    }


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


def table(results: Mapping[str, Mapping[str, Any]], versions: str) -> str:
    """The results in Markdown."""
    peaks = "; ".join(
        f"{name} {chip.flops / 1e12:.0f} TFLOP/s, {chip.bandwidth / 1e9:.0f} GB/s, links {chip.links / 1e9:.0f} GB/s"
        for name, chip in CHIPS.items()
    )
    lines = [
        f"A chip's share of a training step on 256 chips, compiled, not run: {versions}. Peaks: {peaks}.",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|{'---|' * len(_HEADINGS)}",
    ]
    for name, result in results.items():
        case, traffic, memory = CASES[name], result["traffic"], result["memory"]
        collectives = ", ".join(f"{opcode} {kind} {size / 1e6:.1f} MB" for opcode, kind, size in result["collectives"])
        slowest = max(result["floors"].values())
        cells = [
            name,
            f"{memory['arguments'] / 1e6:.0f}",
            f"{memory['temporaries'] / 1e6:.0f}",
            f"{result['flops'] / 1e9:.1f}",
            f"{traffic['all'] / 1e6:.0f}",
            f"{traffic.get('copy', 0) / 1e6:.0f}",
            collectives,
            *(f"{floor:.2f}" for floor in result["floors"].values()),
            f"{1e3 * case.images * case.batches / slowest:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tpu", description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what is compiled; all cases unless given")
    parser.add_argument("--list", action="store_true", help="print the cases and do nothing else")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="add the results to tpu.json and tpu.md there")
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
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"  # or the compiler waits for a service of Google's machines
    jax.config.update("jax_platforms", "cpu")
    try:
        versions = f"jax {version('jax')}, libtpu {version('libtpu')}"
    except PackageNotFoundError:
        parser.error("libtpu, the TPU's compiler, is not installed; pip install --editable '.[photos,tpu-compile]'.")
    path = options.out / "tpu.json" if options.out else None
    results = json.loads(path.read_text())["cases"] if path and path.exists() else {}
    for name in options.cases or CASES:
        before = time.perf_counter()
        compiled = _compiled(CASES[name])
        print(f"{name}: compiled in {time.perf_counter() - before:.0f} s", file=sys.stderr, flush=True)
        results[name] = analyzed(compiled, CHIPS[CASES[name].chip])
        results = {known: results[known] for known in CASES if known in results}
        if path:  # after each: a long run that is ended leaves what it has
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"versions": versions, "cases": results}, indent=1) + "\n")
            path.with_suffix(".md").write_text(table(results, versions))
    print(table(results, versions), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
