"""The benchmarks' own arithmetic, and their command, without PyTorch and without measuring anything."""

import json
import subprocess

import jax
import jax.numpy as jnp
import pytest

from benchmarks import __main__ as command
from benchmarks import profiles, report, sides
from benchmarks.cases import CASES
from benchmarks.timing import Program, Times, in_turns, require_same_networks
from gan_jax.networks import convolution

AROUND = {
    "cpu": "Some CPU",
    "cores": 2,
    "avx512": True,
    "device": "cpu",
    "python": "3.11.7",
    "jax": "0.10.2",
    "torch": "2.13.0",
    "commit": "abc",
    "date": "2026-01-01",
}
MACHINE = report.Machine(flops=2e11, bandwidth=1e10)
RESULT = report.Result(
    "a step",
    {"float32": Times(9.0, 0.45, 0.5, 0.55, 7)},
    {"NCHW eager": Times(1.0, 0.9, 1.0, 1.1, 7), "channels_last eager": Times(1.0, 0.6, 0.75, 0.8, 7)},
    flops=20_000_000_000,
    traffic=500_000_000,
    memory=(1_000_000_000, 1_500_000_000),
)


def test_programs_run_in_turns_and_short_ones_more_often():
    order = []
    programs = {name: Program(lambda name=name: order.append(name)) for name in ("A", "B")}
    times = in_turns(programs, rounds=2)
    assert order == ["A", "B"] * (2 + 10 * 2)
    assert times["A"].runs == times["B"].runs == 20
    assert 0 <= times["A"].lower <= times["A"].median <= times["A"].upper


def test_a_side_works_in_a_process_of_its_own():
    with sides.started("infer-dcgan-64", "ours", compiled=False) as side:
        assert list(side.programs) == ["float32"]
        assert side.programs["float32"].parameters.keys() == {"generator"}
        assert side.programs["float32"].run() is None
        seconds, flops = side.profile("float32")
        assert set(seconds) == {"input_gradient", "rest"}  # as layers up are computed
        assert min(seconds.values()) > 0
        assert set(flops) == {"input_gradient"}
    failing = sides.started("no case", "ours", compiled=False)
    with pytest.raises(subprocess.CalledProcessError), failing:
        pass


def test_times_are_quartiles_of_all_runs_but_the_first():
    assert Times.of(9.0, [4.0, 1.0, 3.0, 2.0, 5.0]) == Times(9.0, 2.0, 3.0, 4.0, 5)
    assert Times.of(9.0, [4.0]) == Times(9.0, 4.0, 4.0, 4.0, 1)


def test_networks_of_other_sizes_are_not_compared():
    ours, theirs = Program(int, {"generator": 10, "critic": 3}), Program(int, {"critic": 3, "generator": 11})
    require_same_networks(ours, ours)
    with pytest.raises(ValueError, match=r"'generator': 10.* on our side and .*'generator': 11.* state the same"):
        require_same_networks(ours, theirs)


def test_the_fastest_variant_counts():
    assert RESULT.ratio == 1.5


def test_the_table_and_what_is_written(tmp_path):
    written = report.write(
        tmp_path / "new", "cpu", {"step": RESULT, "files": RESULT._replace(flops=0, memory=None)}, MACHINE, AROUND
    )
    data, text = (path.read_text() for path in written)
    *_, row, without_floors = text.splitlines()
    cells = (
        "a step | 500 (450–550) | 750 (600–800) | **1.50** | channels_last eager | 20.0 | 100.0 | 50.0 | 1000 / 1500"
    )
    assert row == f"| {cells} |"
    assert without_floors.endswith("| channels_last eager |  |  |  |  |")
    assert "Some CPU, 2 cores, AVX-512" in text
    assert "200 GFLOP/s" in text
    read = json.loads(data)
    assert read["surroundings"] == AROUND
    assert read["cases"]["step"]["theirs"]["NCHW eager"]["upper"] == 1.1
    assert read["cases"]["step"]["ratio"] == 1.5


def test_the_list_names_every_case(capsys):
    assert command.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CASES)
    assert len({case.title for case in CASES.values()}) == len(CASES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["pix2pix"], "no case is called pix2pix; --list prints them"), (["--rounds", "0"], "wanted at least 1")],
)
def test_what_cannot_be_measured_is_said(arguments, said, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert said in capsys.readouterr().err


def test_the_time_in_which_several_operations_run_is_shared_out():
    spans = [(0.0, 4.0, "a"), (1.0, 3.0, "b"), (3.0, 5.0, "b"), (7.0, 8.0, "c")]
    assert profiles.in_turn(spans) == {"a": 2.5, "b": 2.5, "c": 1.0}  # together what any of them takes


def test_convolutions_and_both_gradients_are_told_apart():
    images, kernel = jnp.ones((2, 12, 12, 5)), jnp.ones((3, 3, 5, 7))

    @jax.jit
    def step(images, kernel):
        return jax.grad(lambda *of: convolution.conv(*of, stride=1, padding=1).std(), argnums=(0, 1))(images, kernel)

    program = Program(int, traced=lambda: step.trace(images, kernel))
    kinds = (profiles.FORWARD, *profiles.GRADIENTS)
    assert profiles.flops_by_kind(program) == dict.fromkeys(kinds, 2 * 2 * 12 * 12 * 9 * 5 * 7)
    operations = profiles.kinds(step.trace(images, kernel).lower().compile().as_text())
    assert set(operations.values()) == {*kinds, profiles.REST}
