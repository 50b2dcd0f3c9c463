"""Runs whose folder and data are in a bucket: of one process, and of several hosts that share no disk."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from gan_jax import buckets
from gan_jax.folders import RunFolder
from gan_jax.log import read_log
from gan_jax.recipes import pix2pix
from gan_jax.training import checkpoint, mirrors, run
from tests import fake_bucket, toy
from tests.training.hosts import Hosts, together


@pytest.fixture
def bucket(tmp_path, monkeypatch, facades_folder):
    """The folder in which fake://bucket is, with data in it; the cache is the test's own."""
    monkeypatch.setenv(fake_bucket.ROOT, str(tmp_path / "far"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fake_bucket.register()
    shutil.copytree(facades_folder, tmp_path / "far" / "bucket" / "data")
    return tmp_path / "far" / "bucket"


def train(arguments):
    """The exit code of the toy, joined as a recipe's command is."""

    def call():
        config = pix2pix.RECIPE.parse([str(argument) for argument in arguments])
        with run.joined(config):
            return run.execute(*toy.build(arguments))

    return run.guarded(call)


def files(folder):
    """By name, the content of all files but those that say times or places, and of checkpoints."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    changing = ("config.json", "log.jsonl", "report.html", "results/scores.json", "checkpoints/")
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(changing)}


def in_bucket(tiny_flags, *more):
    return tiny_flags("fake://bucket/runs", "--dataroot", "fake://bucket/data", *more)


def test_a_run_in_a_bucket_leaves_there_what_it_leaves_in_a_folder(bucket, tiny_flags, tmp_path, capsys):
    assert toy.start(tiny_flags(tmp_path / "plain")) == 0
    assert train(in_bucket(tiny_flags, "--n_epochs_decay", "0")) == 0
    shutil.rmtree(tmp_path / "cache")  # the next machine has nothing
    capsys.readouterr()
    assert train(in_bucket(tiny_flags, "--n_epochs_decay", "1")) == 2  # the data is there; the recipe is another
    assert "--n_epochs_decay was 0 and is 1" in capsys.readouterr().err
    shutil.rmtree(bucket / "runs")
    shutil.rmtree(tmp_path / "cache")
    assert train(in_bucket(tiny_flags)) == 0
    far = bucket / "runs" / "tiny"
    assert files(far) == files(tmp_path / "plain" / "tiny")
    assert [row["step"] for row in read_log(far / "log.jsonl") if row["kind"] == "train"] == [1, 2, 3, 4]
    assert checkpoint.damage(RunFolder(far).checkpoints / "4") is None
    recipe = json.loads((far / "config.json").read_text())["recipe"]
    assert (recipe["dataroot"], recipe["checkpoints_dir"]) == ("fake://bucket/data", "fake://bucket/runs")


def test_paths_are_placed_and_brought(bucket, tmp_path):
    """Of a configuration, all that is an address; of one process nothing is apart, and nothing waits to settle."""
    config = pix2pix.Config(dataroot="fake://bucket/data", checkpoints_dir=Path("fake://bucket/runs"), name="one")
    placed = mirrors.placed(config)
    assert buckets.address(placed.folder) == "fake://bucket/runs/one"
    assert not Path(placed.dataroot).exists()
    with mirrors.brought(placed):
        assert sorted(path.name for path in Path(placed.dataroot).iterdir()) == ["test", "train", "val"]
        assert not mirrors.apart(placed)
        mirrors.settle()
        (placed.folder / "log.jsonl").write_text("x")
    assert (bucket / "runs" / "one" / "log.jsonl").read_text() == "x"
    assert mirrors.placed(dataclasses.replace(config, dataroot="x", checkpoints_dir=Path("y"))).folder == Path("y/one")


def test_a_second_start_brings_nothing_over_the_run_that_is_trained(bucket, tmp_path):
    config = mirrors.placed(
        pix2pix.Config(dataroot="fake://bucket/data", checkpoints_dir=Path("fake://bucket/runs"), name="one")
    )
    with mirrors.brought(config):
        (config.folder / "log.jsonl").write_text("newer")
        far = bucket / "runs" / "one"
        (far / "log.jsonl").write_text("older")
        mark = (far / ".sent.json").read_text()
        (far / ".sent.json").write_text('{"by": "another"}')
        second = pytest.raises(ValueError, match="is training the run fake://bucket/runs/one; wait for it, stop it, or")
        with second, mirrors.brought(config):
            pass
        assert (config.folder / "log.jsonl").read_text() == "newer"
        (far / ".sent.json").write_text(mark)


def test_a_bucket_that_cannot_be_written_is_one_sentence(bucket, tiny_flags, capsys):
    (bucket.parent / "refused").touch()
    assert train(in_bucket(tiny_flags)) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.endswith("fake://bucket/runs/tiny cannot be written (Forbidden: 403); the same command tries it again.")


@pytest.mark.slow
def test_hosts_without_a_shared_disk_train_as_those_with_one(bucket, tiny_flags, tmp_path):
    """Two processes with caches of their own, stopped at a checkpoint and gone on with on new machines."""
    assert toy.start(tiny_flags(tmp_path / "plain")) == 0
    line = ["toy", *in_bucket(tiny_flags)]
    for run_number in range(2):
        caches = [str(tmp_path / f"disk_{run_number}_{process}") for process in range(2)]
        environment = {"XDG_CACHE_HOME": caches, fake_bucket.ROOT: str(bucket.parent)}
        group = Hosts(tmp_path / f"said{run_number}", together(2, *line), devices=4, environment=environment)
        assert group.wait() == [0, 0], group.err(0) + group.err(1)
        far = bucket / "runs" / "tiny"
        ours, plain = files(far), files(tmp_path / "plain" / "tiny")
        assert ours.keys() == plain.keys()
        assert ours["results/output/test_0001.png"]  # of the second process
        if run_number == 0:  # as if the first had been killed after step 2
            shutil.rmtree(far / "checkpoints" / "4")
            (far / "tiny.safetensors").unlink()
        else:
            assert "going on after step 2" in group.out(0)
            assert checkpoint.damage(far / "checkpoints" / "4") is None
