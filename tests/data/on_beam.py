"""Apache Beam's direct runner writes what processes write. Run by `make test-slow`, in Beam's own environment."""

import numpy as np
import pytest

from gan_jax import cli
from gan_jax.data import image_files, on_beam, prepare

SIZES = {"load_size": 18, "crop_size": 16}


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 3)):
        for side in "AB":
            for i in range(count):
                path = tmp_path / "pairs" / f"{split}{side}" / f"{i:02d}.png"
                image_files.save(path, rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    return tmp_path / "pairs"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_direct_runner_writes_the_same_bytes(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_SHARD", 4000)
    settings = prepare.Settings("pairs", **SIZES)
    prepare.prepare(pairs, tmp_path / "1" / "out", settings)
    summary = prepare.prepare(pairs, tmp_path / "2" / "out", settings, beam=["--runner=DirectRunner"])
    assert (summary.shards, summary.made) == (8, 8)
    assert contents(tmp_path / "1" / "out") == contents(tmp_path / "2" / "out")


def test_the_command_passes_beams_flags_on(pairs, tmp_path, capsys):
    sizes = ["--load_size", "18", "--crop_size", "16"]
    line = ["data", "prepare", str(pairs), str(tmp_path / "out"), *sizes]
    assert cli.main([*line, "--beam=--runner=NoSuchRunner"]) == 2
    assert "Beam's pipeline failed" in capsys.readouterr().err
    assert cli.main([*line, "--beam=--runner=DirectRunner --direct_num_workers=2"]) == 0
    assert "12 in train, 3 in test" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    on_beam.write_all(_Nothing(), [], tmp_path / "work", ["--runner=DirectRunner"])
    with pytest.raises(ValueError, match=r"Beam's pipeline failed: .*x\.png is damaged"):
        on_beam.write_all(_Damaged(), ["x.png"], tmp_path / "other", ["--runner=DirectRunner"])


class _Nothing:
    def write(self, job):
        del job


class _Damaged:
    def write(self, job):
        raise ValueError(f"{job} is damaged")
