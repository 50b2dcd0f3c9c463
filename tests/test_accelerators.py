"""benchmarks/accelerators.py: its command and its table, without any compiler."""

import importlib.metadata

import pytest

from benchmarks import accelerators
from gan_jax.training import topology


def test_the_list_has_every_case(capsys):
    assert accelerators.main(["--list"]) == 0
    lines = capsys.readouterr().out.split()
    assert lines == list(accelerators.CASES)
    assert {"pix2pix-256-b64-v5e", "srgan-b4-v6e-8x8", "wgan-gp-32-b4-v5e", "realesrgan-b48-a100"} < set(lines)


def test_an_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        accelerators.main(["pix2pix"])
    assert "no case is called pix2pix; --list prints them." in capsys.readouterr().err


def test_without_the_compiler_it_says_what_to_install(capsys, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(topology, "version", missing)
    for case, extra in (("pix2pix-256-b4-v5e", "tpu-compile"), ("pix2pix-256-b4-a100", "gpu-compile")):
        with pytest.raises(SystemExit):
            accelerators.main([case])
        assert f"pip install 'gan_jax[{extra}]'" in capsys.readouterr().err


def test_a_row_of_the_table():
    result = {
        "versions": "jax 1, libtpu 2",
        "memory": {"arguments": 688e6, "temporaries": 384e6, "program": 20e6},
        "flops": 347e9,
        "traffic": {"all": 3238e6, "copy": 93e6},
        "collectives": [["all-reduce", "bf16", 109_000_000]],
        "floors": {"products": 1.0, "memory": 4.0, "links": 0.5},
    }
    text = accelerators.table({"pix2pix-256-b4-v5e": result})
    assert text.startswith("A chip's share of a training step on 256 TPU chips, on the slice named, or on one GPU, ")
    assert "not run: jax 1, libtpu 2.\n" in text
    assert text.splitlines()[-1] == (
        "| pix2pix-256-b4-v5e | 688 | 384 | 347.0 | 3238 | 93 | all-reduce bf16 109.0 MB | 1.00 | 4.00 | 0.50 | 1000 |"
    )
