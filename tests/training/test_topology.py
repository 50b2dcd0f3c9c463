"""What a step asks of chips that are not there: the arithmetic and the words, with the compiler's part played."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from jax.experimental import topologies

from gan_jax.training import parallel, topology
from gan_jax.training.dry_run import on_slice
from tests import toy

CHIP = topology.Chip(flops=2e14, bandwidth=8e11, links=2e11, memory=1e9, axes=2)


@pytest.fixture
def slice_of_eight(monkeypatch):
    """The eight virtual devices in the place of any slice."""
    monkeypatch.setattr(topology, "versions", lambda kind: "jax 1, libtpu 2")
    there = topology.Slice("v5e:16x16", "v5e", tuple(jax.devices()))
    monkeypatch.setattr(topology, "open_slice", lambda name: there)
    return there


def test_floors_are_work_over_rates():
    times = topology.floors(CHIP, flops=2e11, traffic=8e9, reduced=1e8)
    assert times == pytest.approx({"products": 1.0, "memory": 10.0, "links": 1.0})


def test_what_a_program_asks_of_a_chip():
    a, b = jax.ShapeDtypeStruct((64, 128), jnp.float32), jax.ShapeDtypeStruct((128, 32), jnp.float32)
    result = topology.analyzed(jax.jit(jnp.dot).lower(a, b).compile(), CHIP)
    moved = 4 * (64 * 128 + 128 * 32 + 64 * 32)
    assert result["flops"] == 2 * 64 * 128 * 32
    assert result["traffic"] == {"all": moved, "product": moved}
    assert (result["copies"], result["collectives"]) == (0, [])
    assert result["memory"]["arguments"] == 4 * (64 * 128 + 128 * 32)
    assert topology.sums(result) == "none"


ASKED = {
    "memory": {"arguments": 100_000_004, "temporaries": 80_000_000, "program": 0},
    "flops": 2e11,
    "traffic": {"all": 8e9},
    "collectives": [["all-reduce", "bf16", 109_000_000]],
    "floors": {"products": 1.0, "memory": 4.0, "links": 0.5},
}


def test_the_batch_that_fills_a_chip():
    """A state of 100 MB, and 20 MB an image: four take 180 MB of a gigabyte, 45 fill it."""
    assert topology.filling(ASKED, CHIP, images=4, nbytes=4) == 44
    assert topology.filling(ASKED, CHIP._replace(memory=1e7), images=4, nbytes=4) == 0


def test_what_is_said_of_a_step():
    assert topology.lines(ASKED, CHIP, chips=256, images=4, nbytes=4) == [
        "  memory: 0.100 GB state and batch, 0.080 temporaries, 0.000 program; 0.18 of 1.0 GB: it fits",
        "  work: 200.0 GFLOP, 8.00 GB to and from memory",
        "  collectives: all-reduce bf16 109.0 MB",
        "  time, at the least: products 1.00 ms, memory 4.00 ms, links 0.50 ms",
        "  images a second, at the most: 1000, and 256000 of all chips; bound by memory",
        "  full at 44 images, or more: reckoned from this one, as if all but the state grew with the batch",
    ]


def test_a_dry_run_for_a_slice_compiles_and_runs_nothing(slice_of_eight, tiny_flags, tmp_path, capsys, monkeypatch):
    ran = []
    monkeypatch.setattr(parallel, "compile_init", lambda *given: ran.append(given))
    assert toy.start(tiny_flags(tmp_path, "--batch_size", "16", "--dry_run", "--topology", "v5e:16x16")) == 0
    said = capsys.readouterr().out
    for words in (
        '"device": "8 x cpu"',
        "compiling a step for v5e:16x16, a batch of 2 on each of 8 chips: it takes minutes",
        "not run: jax 1, libtpu 2. A step asks of each chip:",
        "  collectives: all-reduce f32 0.0 MB",
        "dry run: nothing was written.",
    ):
        assert words in said
    assert (ran, list(tmp_path.glob("checkpoints/*"))) == ([], [])
    assert toy.start(tiny_flags(tmp_path, "--batch_size", "1", "--dry_run", "--topology", "v5e:16x16")) == 0
    assert "a batch of 1 on one of its 8 chips" in capsys.readouterr().out


def test_a_step_that_is_too_large(slice_of_eight, tiny_flags, tmp_path, tiny_batch, capsys, monkeypatch):
    def refuse(*given, **options):
        raise jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 20.50G of 15.75G hbm. Exceeded by 4.75G."
        )

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    (config, experiment), mesh = toy.build(tiny_flags(tmp_path)), parallel.data_mesh()
    with pytest.raises(topology.TooLargeError) as raised:
        topology.compiled(experiment.method, tiny_batch(), mesh)
    assert (raised.value.used, raised.value.there) == (20.5 * 2**30, 15.75 * 2**30)
    assert on_slice(config, experiment, {"name": "tiny"}, tiny_batch(), slice_of_eight, mesh) == 1
    assert "it does not fit: the step takes 22.0 GB of a chip, which has 16.9. Take" in capsys.readouterr().out


def test_a_step_that_is_too_large_for_a_gpu(slice_of_eight, tiny_flags, tmp_path, tiny_batch, capsys, monkeypatch):
    """Whose compiler leaves that to the run."""
    topology.require_fitting(ASKED, CHIP)
    with pytest.raises(topology.TooLargeError) as raised:
        topology.require_fitting(ASKED, CHIP._replace(memory=1.8e8))
    assert (raised.value.used, raised.value.there) == (180_000_004, 1.8e8)
    (config, experiment), mesh = toy.build(tiny_flags(tmp_path)), parallel.data_mesh()
    monkeypatch.setitem(topology.CHIPS, "v5e", CHIP._replace(memory=1.0))
    assert on_slice(config, experiment, {"name": "tiny"}, tiny_batch(), slice_of_eight, mesh) == 1
    assert "it does not fit: the step takes 0.0 GB of a chip, which has 0.0. Take" in capsys.readouterr().out


def test_gpus_are_described_to_their_compiler(monkeypatch):
    asked = []

    def describe(**given):
        asked.append(given)
        return SimpleNamespace(devices=jax.devices())

    monkeypatch.setattr(topologies, "get_topology_desc", describe)
    monkeypatch.setattr(topology, "version", lambda name: "1")
    assert topology.open_slice("h100:8") == topology.Slice("h100:8", "h100", tuple(jax.devices()))
    (given,) = asked
    assert (given["platform"], given["topology"]) == ("cuda", "1x1x8")
    for fact in ("core_count: 132 ", "cuda_compute_capability: { major: 9 }", "memory_bandwidth: 3352000000000 "):
        assert fact in given["target_config"]


def test_slices_that_there_are_not(monkeypatch):
    monkeypatch.setattr(topology, "version", lambda name: "1")
    assert topology.versions("v5e") == "jax 1, libtpu 1"
    assert topology.versions("a100") == "jax 1, jax-cuda12-pjrt 1"
    for name in ("v5e", "v5e:16", "v5e:4x4x4", "v5p:4x4", "v9:2x2", "16x16", "a100", "a100:0", "a100:9", "a100:2x4"):
        with pytest.raises(ValueError, match=f"--topology is {name}; wanted a kind of chip and a slice's sides"):
            topology.open_slice(name)
