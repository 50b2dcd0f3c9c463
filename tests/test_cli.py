"""The `gan-jax` command: every verb, its exit code and what it says."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gan_jax import checkpoint, cli, generator
from gan_jax.data import pictures


@pytest.fixture
def folder(tmp_path, tiny_generator):
    """A generator file and a folder tree of three pictures."""
    generator.save(tmp_path / "g.safetensors", tiny_generator())
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "sub/c.png"):
        pictures.save(tmp_path / "in" / name, rng.integers(0, 256, (12, 14, 3), dtype=np.uint8))
    return tmp_path


def gan_jax(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_translate_writes_every_picture_and_says_how_many(folder, capsys):
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out") == 0
    assert capsys.readouterr().out == "wrote 3 of 3\n"
    assert len(list((folder / "out").rglob("*.png"))) == 3


def test_translate_takes_several_inputs_a_limit_and_skips_what_is_there(folder, capsys):
    inputs = (folder / "in" / "a.png", folder / "in" / "sub")
    assert gan_jax("translate", folder / "g.safetensors", *inputs, folder / "out", "--limit", 1) == 0
    before = (folder / "out" / "a.png").stat().st_mtime_ns
    assert gan_jax("translate", folder / "g.safetensors", *inputs, folder / "out", "--skip_existing") == 0
    assert capsys.readouterr().out == "wrote 1 of 1\nwrote 1 of 1\n"
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "c.png"]
    assert (folder / "out" / "a.png").stat().st_mtime_ns == before


def test_an_unreadable_input_is_named_and_exits_with_1(folder, capsys):
    (folder / "in" / "a.png").write_bytes(b"")
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out") == 1
    said = capsys.readouterr()
    assert "wrote 2 of 3" in said.out
    assert "a.png is damaged" in said.err


def test_a_run_translates_with_its_last_generator(finished_run, folder):
    assert gan_jax("translate", finished_run, folder / "in" / "a.png", folder / "x.png") == 0
    assert pictures.read(folder / "x.png", 3).shape == (12, 14, 3)


def test_evaluate_prints_scores_and_writes_json_and_csv(folder, capsys):
    shutil.copytree(folder / "in", folder / "ref")
    flags = ("--json", folder / "s.json", "--csv", folder / "s.csv")
    assert gan_jax("evaluate", folder / "in", folder / "ref", *flags) == 0
    assert "protocol rgb: 8-bit RGB" in capsys.readouterr().out
    assert json.loads((folder / "s.json").read_text())["count"] == 3
    assert (folder / "s.csv").read_text().count("\n") == 4
    (folder / "ref" / "a.png").unlink()
    assert gan_jax("evaluate", folder / "in", folder / "ref") == 1
    assert "a.png has no partner of its name" in capsys.readouterr().err


def test_inspect_says_what_things_are(finished_run, folder, capsys):
    assert gan_jax("inspect", folder / "g.safetensors") == 0
    said = capsys.readouterr().out
    for words in ("generator of pix2pix", "UNet", "parameters", "multiples of 8", "each image's own", "dropout on"):
        assert words in said
    assert gan_jax("inspect", finished_run) == 0
    said = capsys.readouterr().out
    assert "run tiny of pix2pix, 4 of 4 steps done" in said
    assert "tiny_best.safetensors" in said
    newest = finished_run / "checkpoints" / "4"
    assert checkpoint.is_checkpoint(newest)
    assert gan_jax("inspect", newest) == 0
    assert "checkpoint after 4 steps" in capsys.readouterr().out
    shutil.copytree(newest, folder / "5")
    (folder / "5" / "digests.json").unlink()
    assert gan_jax("inspect", folder / "5") == 0
    assert "was cut short" in capsys.readouterr().out


def test_inspect_names_a_damaged_run(tmp_path, capsys):
    for text in ("{}", "[]", '{"name": 3'):
        (tmp_path / "config.json").write_text(text)
        assert gan_jax("inspect", tmp_path) == 2
        assert "config.json is damaged" in capsys.readouterr().err


def test_report_is_written_anew(finished_run, tmp_path, capsys):
    shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    assert gan_jax("report", tmp_path / "run") == 0
    assert (tmp_path / "run" / "report.html").read_bytes() == (finished_run / "report.html").read_bytes()


def test_photographs_are_prepared(tmp_path, capsys):
    assert gan_jax("data", "prepare", "photos", tmp_path / "photos") == 0
    assert "5 in train, 1 in val, 2 in test" in capsys.readouterr().out
    with Image.open(tmp_path / "photos" / "test" / "chelsea.png") as photo:
        assert min(photo.size) == 256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["translate", "nowhere", "in", "out"], "nowhere does not exist"),
        (["translate", "g.safetensors", "in"], "give at least one input and, last, an output"),
        (["translate", "g.safetensors", "nowhere", "out"], "nowhere does not exist"),
        (["translate", "g.safetensors", "in", "in"], "would be overwritten"),
        (["translate", "g.safetensors", "in", "out", "--limit", "-1"], "must be at least 1"),
        (["translate", "in", "in", "out"], "in holds no generator"),
        (["translate", "in/a.png", "in", "out"], "is not a whole .safetensors file"),
        (["evaluate", "in", "nowhere"], "nowhere does not exist"),
        (["inspect", "nowhere"], "nowhere does not exist"),
        (["inspect", "in"], "in is no run's folder"),
        (["report", "in"], "config.json"),
    ],
)
def test_wrong_inputs_are_said_in_a_sentence_and_exit_with_2(folder, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(folder)
    assert gan_jax(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["translat"], "translate"),
        (["translate", "a", "b", "c", "--limt", "3"], "--limit"),
        (["translate", "a", "b", "c", "--limit", "x"], "--limit"),
        (["evaluate", "a", "b", "--protocol", "rgbb"], "rgb"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_right(capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        gan_jax(*arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_help_needs_no_heavy_import():
    program = (
        "import sys\nfrom gan_jax import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'flax', 'optax', 'orbax', 'grain', 'PIL', 'tensorflow_datasets'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "translate" in done.stdout
