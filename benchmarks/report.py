"""Results as JSON and as a table in Markdown, with the machine and the versions that they hold for."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.timing import Times

__all__ = ["Machine", "Result", "best", "surroundings", "table", "write"]

_ROOT = Path(__file__).parents[1]
_HEADINGS = (
    "case",
    "gan_jax (ms)",
    "other (ms)",
    "other / gan_jax",
    "other's best",
    "GFLOP",
    "floor, FLOP (ms)",
    "floor, bytes (ms)",
    "peak memory (MB)",
)


class Machine(NamedTuple):
    """Rates that were measured: the best of several runs."""

    flops: float  # of a float32 matrix product, a second
    bandwidth: float  # bytes read and written, a second


class Result(NamedTuple):
    """A case's times by variant, and what one run of it asks of a machine."""

    title: str
    ours: Mapping[str, Times]
    theirs: Mapping[str, Times]
    flops: int = 0  # 0: not counted
    traffic: int = 0
    memory: tuple[int, int] | None = None  # bytes at the peak, ours and the other's

    @property
    def ratio(self) -> float:
        """How many times as fast as the other's fastest variant our fastest is, by their medians."""
        return best(self.theirs)[1].median / best(self.ours)[1].median


def best(variants: Mapping[str, Times]) -> tuple[str, Times]:
    """The fastest variant's name and its times."""
    return min(variants.items(), key=lambda item: item[1].median)


def surroundings(*packages: str) -> dict[str, Any]:
    """The machine, the versions of Python and of packages, the commit and the date."""
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in cpu.splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=_ROOT, capture_output=True, text=True)
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "avx512": "avx512f" in cpu,
        "device": jax.devices()[0].device_kind,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "commit": commit.stdout.strip(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
    }


def table(results: Sequence[Result], machine: Machine, around: Mapping[str, Any]) -> str:
    """The results in Markdown."""
    vectors = "AVX-512" if around["avx512"] else "no AVX-512"
    lines = [
        f"{around['cpu']}, {around['cores']} cores, {vectors}; device {around['device']}; Python {around['python']}, "
        f"jax {around['jax']}, torch {around['torch']}; commit {around['commit']}, {around['date']}.",
        f"Measured: {machine.flops / 1e9:.0f} GFLOP/s in float32 matrix products, {machine.bandwidth / 1e9:.1f} GB/s.",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|{'---|' * len(_HEADINGS)}",
    ]
    for result in results:
        (_, ours), (variant, theirs) = best(result.ours), best(result.theirs)
        floors = ["", "", ""]
        if result.flops:
            by_flops, by_bytes = result.flops / machine.flops, result.traffic / machine.bandwidth
            floors = [f"{result.flops / 1e9:.1f}", f"{1e3 * by_flops:.1f}", f"{1e3 * by_bytes:.1f}"]
        memory = " / ".join(f"{1e-6 * size:.0f}" for size in result.memory or ())
        cells = [result.title, _shown(ours), _shown(theirs), f"**{result.ratio:.2f}**", variant, *floors, memory]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(times: Times) -> str:
    """Median and quartiles in milliseconds."""
    median, lower, upper = (_digits(1e3 * value) for value in (times.median, times.lower, times.upper))
    return f"{median} ({lower}–{upper})"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def write(
    folder: Path, stem: str, results: Mapping[str, Result], machine: Machine, around: Mapping[str, Any]
) -> list[Path]:
    """Writes `stem`.json, with everything that was measured, and `stem`.md; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.json", folder / f"{stem}.md"]
    cases = {
        name: {
            **result._asdict(),
            "ours": {variant: times._asdict() for variant, times in result.ours.items()},
            "theirs": {variant: times._asdict() for variant, times in result.theirs.items()},
            "ratio": result.ratio,
        }
        for name, result in results.items()
    }
    everything = {"surroundings": around, "machine": machine._asdict(), "cases": cases}
    paths[0].write_text(json.dumps(everything, indent=1) + "\n")
    paths[1].write_text(table(list(results.values()), machine, around))
    return paths
