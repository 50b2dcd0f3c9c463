"""benchmarks/tpu.py: its command and arithmetic, without the TPU's compiler."""

import importlib.metadata

import jax
import jax.numpy as jnp
import pytest

from benchmarks import tpu

CHIP = tpu.Chip("v5e:16x16", flops=2e14, bandwidth=8e11, links=2e11)


def test_the_list_has_every_case(capsys):
    assert tpu.main(["--list"]) == 0
    lines = capsys.readouterr().out.split()
    assert lines == list(tpu.CASES)
    assert {"pix2pix-256-b64-v5e", "srgan-b4-v6e", "wgan-gp-32-b4-v5e"} < set(lines)


def test_an_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        tpu.main(["pix2pix"])
    assert "no case is called pix2pix; --list prints them." in capsys.readouterr().err


def test_without_the_compiler_it_says_what_to_install(capsys, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(tpu, "version", missing)
    with pytest.raises(SystemExit):
        tpu.main([])
    assert "pip install --editable '.[photos,tpu-compile]'" in capsys.readouterr().err


def test_floors_are_work_over_rates():
    times = tpu.floors(CHIP, flops=2e11, traffic=8e9, reduced=1e8)
    assert times == pytest.approx({"products": 1.0, "memory": 10.0, "links": 1.0})


def test_what_a_program_asks_of_a_chip_and_its_row():
    a, b = jax.ShapeDtypeStruct((64, 128), jnp.float32), jax.ShapeDtypeStruct((128, 32), jnp.float32)
    result = tpu.analyzed(jax.jit(jnp.dot).lower(a, b).compile(), CHIP)
    moved = 4 * (64 * 128 + 128 * 32 + 64 * 32)
    assert result["flops"] == 2 * 64 * 128 * 32
    assert result["traffic"] == {"all": moved, "product": moved}
    assert (result["copies"], result["collectives"]) == (0, [])
    assert result["memory"]["arguments"] == 4 * (64 * 128 + 128 * 32)
    result["collectives"] = [["all-reduce", "bf16", 109_000_000]]
    result["floors"] = {"products": 1.0, "memory": 4.0, "links": 0.5}
    text = tpu.table({"pix2pix-256-b4-v5e": result}, "jax 1, libtpu 2")
    assert text.startswith("A chip's share of a training step on 256 chips, compiled, not run: jax 1, libtpu 2.")
    assert text.splitlines()[-1].endswith("| all-reduce bf16 109.0 MB | 1.00 | 4.00 | 0.50 | 1000 |")
