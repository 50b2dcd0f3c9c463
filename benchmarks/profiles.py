"""Where the time of a step goes, on a CPU: by the operations of both sides' profilers, beside the floor of each kind.

    python -m benchmarks.profiles dcgan-64 pix2pix-256-b4 > benchmarks/results/profiles_avx512.txt

An operation of ours counts with its share of the time in which it runs: XLA runs several at once. PyTorch's floats
in NCHW and channels_last are profiled, and the faster one is shown; its profiler gives both gradients as one.
"""

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.extend import core

from benchmarks.timing import Program

__all__ = ["FORWARD", "GRADIENTS", "REST", "flops_by_kind", "in_turn", "kinds", "ours", "theirs"]

FORWARD, REST = "correlation", "rest"  # a kind of operation; the scopes are those of networks/convolution.py
GRADIENTS = ("input_gradient", "kernel_gradient")

_Span = tuple[float, float, str]  # when an operation begins and ends, and its name


def ours(program: Program) -> dict[str, float]:
    """Seconds of a JAX program by kind of operation: of the median of three runs."""
    assert program.traced is not None
    operations = kinds(program.traced().lower().compile().as_text())

    def profiled() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            with jax.profiler.trace(folder):
                program.run()
            (path,) = Path(folder).rglob("*.xplane.pb")
            spans = _spans(jax.profiler.ProfileData.from_file(str(path)), operations)
        seconds = dict.fromkeys(operations.values(), 0.0)
        for name, nanoseconds in in_turn(spans).items():
            seconds[operations[name]] += 1e-9 * nanoseconds
        return seconds

    return _median(program, profiled)


def _median(program: Program, profiled: Callable[[], dict[str, float]]) -> dict[str, float]:
    for _ in range(2):  # in which it is compiled, and its memory met
        program.run()
    return sorted((profiled() for _ in range(3)), key=lambda seconds: sum(seconds.values()))[1]


def _spans(profile: jax.profiler.ProfileData, names: Container[str]) -> list[_Span]:
    """When each operation of those names ran; one that its threads go on with ends where the profile says so."""
    spans: dict[str, tuple[float, float]] = {}
    for event in (event for plane in profile.planes for line in plane.lines for event in line.events):
        if (name := event.name.removeprefix("end: ")) in names:
            start, end = spans.get(name, (event.start_ns, event.start_ns))
            spans[name] = min(start, event.start_ns), max(end, event.start_ns + event.duration_ns)
    return [(*span, name) for name, span in spans.items()]


def kinds(text: str) -> dict[str, str]:
    """The kind of each operation of a compiled program's entry, by its name.

    What is fused or in a loop counts as the convolution or product in it, if there is one.
    """
    entry = ""  # what stands before the first computation; the last one is the entry
    computations: dict[str, list[str]] = {entry: []}
    for line in text.splitlines():
        if line.endswith("{") and not line.startswith(" "):
            entry = line.removeprefix("ENTRY ").split()[0]
            computations[entry] = []
        elif " = " in line:
            computations[entry].append(line.strip().removeprefix("ROOT "))

    def lines(line: str) -> Iterator[str]:
        yield line
        for called in re.findall(r"(?:calls|to_apply|body)=(%[\w.\-]+)", line):
            for one in computations[called]:
                yield from lines(one)

    found = {}
    for line in computations[entry]:
        name, inside = line.split(" = ")[0], list(lines(line))
        product = next((one for one in inside if " convolution(" in one or " dot(" in one), line)
        if "op_name" not in product:  # XLA turned it around; what it is for is told where it is read
            readers = (one for one in computations[entry] if re.search(rf"[( ]{re.escape(name)}[,)]", one))
            product = next(readers, product)
        found[name.removeprefix("%")] = _kind(product)
    return found


def _kind(named: str) -> str:
    """By the scopes that an operation was traced in, which its name or its line in a program tells."""
    scopes = [scope for scope in re.split(r'[/"()]', named) if scope in (FORWARD, *GRADIENTS)]
    return scopes[-1] if scopes else REST


def in_turn(spans: Iterable[_Span]) -> Counter[str]:
    """Each operation's time, that in which several run shared out among them: together, the time in which any runs."""
    edges = sorted((when, change, name) for start, end, name in spans for when, change in ((start, 1), (end, -1)))
    running, times, before = Counter[str](), Counter[str](), 0.0
    for when, change, name in edges:
        if count := running.total():
            for other, many in running.items():
                times[other] += (when - before) * many / count
        running[name] += change
        running += Counter()  # without what has ended
        before = when
    return times


def theirs(program: Program) -> dict[str, float]:
    """The same of a program of PyTorch; its operations run one after another."""
    from torch.profiler import ProfilerActivity, profile

    def profiled() -> dict[str, float]:
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            program.run()
        seconds = {FORWARD: 0.0, "gradients": 0.0, REST: 0.0}
        for event in profiler.key_averages():
            convolution = FORWARD if "backward" not in event.key else "gradients"
            seconds[convolution if "conv" in event.key else REST] += 1e-6 * event.self_cpu_time_total
        return seconds

    return _median(program, profiled)


def flops_by_kind(program: Program) -> dict[str, int]:
    """Multiplications and additions of a JAX program's convolutions as they are defined, by kind."""
    assert program.traced is not None
    total = Counter[str]()
    for kind, flops in _convolutions(program.traced().jaxpr.jaxpr, "", 1):
        total[kind] += flops
    return dict(total)


def _convolutions(jaxpr: core.Jaxpr, outside: str, times: int) -> Iterator[tuple[str, int]]:
    for equation in jaxpr.eqns:
        scope = f"{outside}/{equation.source_info.name_stack}"
        if equation.primitive.name == "conv_general_dilated":
            kind = _kind(scope)
            yield kind, times * _flops(kind, equation)
            continue
        within = times * equation.params["length"] if equation.primitive.name == "scan" else times
        inside = list(_inside(equation.params))
        # Where each platform has a form, the plain one is the last.
        for one in inside[-1:] if equation.primitive.name == "cond" else inside:
            yield from _convolutions(one, scope, within)


def _inside(params: Mapping[str, Any]) -> Iterator[core.Jaxpr]:
    for value in params.values():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, core.ClosedJaxpr):
                yield one.jaxpr
            elif isinstance(one, core.Jaxpr):
                yield one


def _flops(kind: str, convolution: Any) -> int:
    """Of a convolution: an output's, or for the gradients an output of the convolution that they are of."""
    (left, right), (output,) = ([one.aval for one in side] for side in (convolution.invars, convolution.outvars))
    numbers = convolution.params["dimension_numbers"]
    if kind == "input_gradient":
        return 2 * left.size * right.size // left.shape[numbers.lhs_spec[1]]
    return 2 * output.size * right.size // right.shape[numbers.rhs_spec[0]]


def main(cases: list[str]) -> None:
    """Prints the table, case by case."""
    from benchmarks import floors, report, sides

    machine = floors.measured("cpu")
    around = report.surroundings("jax", "torch")
    print(", ".join(f"{key} {value}" for key, value in around.items()))
    rate = f"{machine.flops / 1e9:.0f} GFLOP/s in float32 matrix products"
    print(f"{rate}; milliseconds, the median of three profiled runs\n")
    print(f"{'':38}{'floor':>8}{'gan_jax':>9}{'PyTorch':>9}", flush=True)
    for case in cases:
        with sides.started(case, "ours", compiled=False) as one, sides.started(case, "theirs", compiled=False) as other:
            mine, flops = one.profile("float32")
            variants = [other.profile(variant)[0] for variant in other.programs]
        yours = min(variants, key=lambda seconds: sum(seconds.values()))
        floor = {kind: count / machine.flops for kind, count in flops.items()}
        rows = {
            "convolutions": (floor.get(FORWARD), mine.get(FORWARD), yours.get(FORWARD)),
            "their inputs' gradients": (floor.get(GRADIENTS[0]), mine.get(GRADIENTS[0]), None),
            "their kernels' gradients": (floor.get(GRADIENTS[1]), mine.get(GRADIENTS[1]), None),
            "both gradients": (
                *(sum(side.get(kind, 0.0) for kind in GRADIENTS) for side in (floor, mine)),
                yours.get("gradients"),
            ),
            "the rest": (None, mine.get(REST), yours.get(REST)),
            "all": tuple(sum(side.values()) for side in (floor, mine, yours)),
        }
        print(case)
        for name, row in rows.items():
            if any(row):
                cells = "".join(f"{1e3 * cell:9.0f}" if cell else f"{'':9}" for cell in row)
                print(f"  {name:35}{cells}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiles", description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="+", metavar="CASE", help="of those that python -m benchmarks --list prints")
    main(parser.parse_args().cases)
