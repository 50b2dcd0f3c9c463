"""The `gan-jax` command: every verb, its exit code and what it says."""

import dataclasses
import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from gan_jax import cli, degrade, errors, image, infer, networks, recipes
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.training import checkpoint


@pytest.fixture
def folder(tmp_path, tiny_generator):
    """A generator file and a folder tree of three images."""
    models.save(tmp_path / "g.safetensors", tiny_generator())
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "sub/c.png"):
        image_files.save(tmp_path / "in" / name, rng.integers(0, 256, (12, 14, 3), dtype=np.uint8))
    return tmp_path


def untrained(module, spec):
    """The module's arrays, all zeros, and the spec with its description."""
    params, stats = jax.eval_shape(
        networks.from_linen(module).init, jax.random.key(0), *module.input_spec(spec.in_channels)
    )
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), {"params": params, "stats": stats})
    return models.Model(dataclasses.replace(spec, architecture=networks.describe(module)), variables)


@pytest.fixture
def odd_files(folder):
    """The folder, and beside it files that are no generator, or not one of this program, and an empty folder."""
    model = models.load(folder / "g.safetensors")
    critic = dataclasses.replace(model.spec, kind="critic", in_channels=6)
    models.save(folder / "g_critic.safetensors", untrained(networks.PatchGAN(layers=2, width=4), critic))
    features = dataclasses.replace(model.spec, kind="features")
    (folder / "other").mkdir()
    models.save(folder / "other" / "features.safetensors", model._replace(spec=features))
    arrays = {"x": np.zeros(2, np.float32)}
    (folder / "other" / "foreign.safetensors").write_bytes(safetensors.numpy.save(arrays))
    newer = {"gan_jax": json.dumps({"format": models.FORMAT_VERSION + 1})}
    (folder / "other" / "newer.safetensors").write_bytes(safetensors.numpy.save(arrays, newer))
    (folder / "other" / "cut.safetensors").write_bytes((folder / "g.safetensors").read_bytes()[:-100])
    still = untrained(model.module.clone(norm="none", dropout=0.0), dataclasses.replace(model.spec, dropout=False))
    models.save(folder / "other" / "still.safetensors", still)
    (folder / "empty").mkdir()
    return folder


def gan_jax(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_translate_writes_every_image_and_says_how_many(folder, capsys):
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


def test_processes_share_the_images(folder, capsys):
    """What two of them write is what one writes."""
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "alone") == 0
    for process in (0, 1):
        share = ("--num_processes", 2, "--process_id", process)
        assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out", *share) == 0
    assert capsys.readouterr().out == "wrote 3 of 3\nwrote 2 of 2\nwrote 1 of 1\n"
    alone = {path.relative_to(folder / "alone"): path.read_bytes() for path in (folder / "alone").rglob("*.png")}
    assert {path.relative_to(folder / "out"): path.read_bytes() for path in (folder / "out").rglob("*.png")} == alone
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out", *share[:3], 2) == 2
    assert "--process_id is 2; wanted at least 0 and less than --num_processes" in capsys.readouterr().err


def test_an_unreadable_input_is_named_and_exits_with_1(folder, capsys):
    (folder / "in" / "a.png").write_bytes(b"")
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out") == 1
    said = capsys.readouterr()
    assert "wrote 2 of 3" in said.out
    assert "a.png is damaged" in said.err


def png_header(width, height):
    """The beginning of a PNG file of that size, without its pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + bytes(4)
        + b"IDAT"
    )


def test_every_unusable_input_is_named_and_the_rest_is_done(folder, capsys):
    whole = (folder / "in" / "a.png").read_bytes()
    damaged = {
        "text.png": b"no picture",
        "empty.png": b"",
        "cut.png": whole[: len(whole) * 2 // 3],
        "cut.jpg": (folder / "in" / "b.jpg").read_bytes()[:-60],
        "bomb.png": png_header(30000, 30000),
    }
    for name, content in damaged.items():
        (folder / "in" / name).write_bytes(content)
    # Two files named cut would have one output.
    (folder / "in" / "cut.jpg").rename(folder / "in" / "cut_too.jpg")
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out", "--batch_size", 2) == 1
    said = capsys.readouterr()
    assert said.out == "wrote 3 of 8\n"
    assert len(list((folder / "out").rglob("*.*"))) == 3
    lines = sorted(said.err.splitlines())
    expected = [
        ("bomb.png", "more than", "pixels"),
        ("cut.png", "is damaged"),
        ("cut_too.jpg", "is damaged"),
        ("empty.png", "is damaged"),
        ("text.png", "is damaged"),
    ]
    assert len(lines) == len(expected)
    for line, (name, *words) in zip(lines, expected, strict=True):
        assert line.startswith(f"error: {folder / 'in' / name} ")
        assert all(word in line for word in words)


def test_images_of_any_channels_are_brought_to_the_generators(folder, capsys):
    rgb = image_files.read_pil(folder / "in" / "a.png")
    for mode, name in (("L", "gray.png"), ("RGBA", "alpha.png"), ("CMYK", "print.jpg"), ("P", "palette.png")):
        array = rgb.convert(mode)
        if mode == "RGBA":
            array.putalpha(128)
        (folder / "modes").mkdir(exist_ok=True)
        array.save(folder / "modes" / name)
    assert gan_jax("translate", folder / "g.safetensors", folder / "modes", folder / "out") == 0
    assert capsys.readouterr().out == "wrote 4 of 4\n"
    model = models.load(folder / "g.safetensors")
    for name in ("gray.png", "alpha.png", "print.jpg", "palette.png"):
        stored, result = (
            image_files.read_image_file(path, 3)
            for path in (folder / "modes" / name, (folder / "out" / name).with_suffix(".png"))
        )
        np.testing.assert_array_equal(result.pixels, infer.translate(model, stored.pixels))
        assert (result.alpha is None) == (name != "alpha.png")
    np.testing.assert_array_equal(image_files.read_image_file(folder / "out" / "alpha.png", 3).alpha, 128)


def test_a_folder_that_cannot_be_written_to_is_named_for_every_image(folder, capsys):
    (folder / "file").write_text("a file where a folder should be")
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "file" / "out") == 1
    said = capsys.readouterr()
    assert said.out == "wrote 0 of 3\n"
    assert said.err.count("cannot be written (Not a directory); move the file away") == said.err.count("\n") == 3


def test_a_full_disk_is_said_once_an_image(folder, monkeypatch, capsys):
    def save(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", save)
    for flags in ((), ("--samples", 2)):
        assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out", *flags) == 1
        said = capsys.readouterr()
        assert said.out.startswith("wrote 0 of 3\n")
        assert said.err.count("cannot be written (No space left on device); make room") == said.err.count("\n") == 3
    assert not list((folder / "out").rglob("*.*"))


def test_samples_are_written_with_their_mean_and_deviation(folder, capsys):
    arguments = ("translate", folder / "g.safetensors", folder / "in")
    assert gan_jax(*arguments, folder / "out", "--samples", 2, "--seed", 3) == 0
    assert capsys.readouterr().out == "wrote 3 of 3\nthe *_std images show 10 times the standard deviation\n"
    names = [f"{stem}_{kind}.png" for stem in "ab" for kind in ("mean", "sample_0", "sample_1", "std")]
    assert sorted(path.name for path in (folder / "out").glob("*.png")) == names
    assert gan_jax(*arguments, folder / "one", "--seed", 3) == 0
    for name in ("a", "sub/c"):
        one = (folder / "one" / f"{name}.png").read_bytes()
        assert (folder / "out" / f"{name}_sample_0.png").read_bytes() == one
        assert (folder / "out" / f"{name}_sample_1.png").read_bytes() != one
    capsys.readouterr()
    (folder / "out" / "b_mean.png").unlink()
    assert gan_jax(*arguments, folder / "out", "--samples", 2, "--seed", 3, "--skip_existing") == 0
    assert capsys.readouterr().out.startswith("wrote 1 of 1\n"), "one of its files was missing"


def test_dropout_and_norm_override_the_file(folder):
    model, array = models.load(folder / "g.safetensors"), folder / "in" / "a.png"
    options = {"dropout": False, "norm": "running"}
    flags = {"dropout": ("--dropout", "off"), "norm": ("--norm", "running")}
    for name, value in options.items():
        assert gan_jax("translate", folder / "g.safetensors", array, folder / "x.png", *flags[name]) == 0
        expected = infer.translate(infer.with_options(model, **{name: value}), image_files.read(array, 3))
        np.testing.assert_array_equal(image_files.read(folder / "x.png", 3), expected)
        assert (expected != infer.translate(model, image_files.read(array, 3))).any()


def test_size_and_ensemble_are_options(folder, capsys):
    array, model = folder / "in" / "a.png", models.load(folder / "g.safetensors")
    flags = ("--outscale", 1.5, "--self_ensemble", "--dropout", "off", "--tile", 8)
    assert gan_jax("translate", folder / "g.safetensors", array, folder / "x.png", *flags) == 0
    read, still = image_files.read(array, 3), infer.with_options(model, dropout=False)
    expected = infer.translate(still, read, outscale=1.5, self_ensemble=True)
    np.testing.assert_array_equal(image_files.read(folder / "x.png", 3), expected)
    said = capsys.readouterr().err.splitlines()
    words = "UNet sees 15 pixels to each side, so that an image of 16x16 is computed whole."
    assert said == [f"note: {array}: {words}"]


def test_the_help_says_how_deviations_are_scaled(capsys):
    with pytest.raises(SystemExit) as stopped:
        gan_jax("translate", "--help")
    assert stopped.value.code == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"{infer.STD_SCALE} stands for a deviation of 1 of 255 levels" in words
    assert f"255 for {255 / infer.STD_SCALE} and more" in words


def test_a_critic_beside_the_generator_is_left_out_and_described(odd_files, capsys):
    assert gan_jax("translate", odd_files, odd_files / "in" / "a.png", odd_files / "x.png") == 0
    capsys.readouterr()
    assert gan_jax("inspect", odd_files / "g_critic.safetensors") == 0
    said = capsys.readouterr().out
    for words in ("critic of pix2pix", "PatchGAN", "layers 2", "parameters", "6 channels in [-1.0, 1.0] -> logits"):
        assert words in said
    assert "dropout" not in said


def test_a_run_translates_with_its_last_generator(finished_run, folder):
    assert gan_jax("translate", finished_run, folder / "in" / "a.png", folder / "x.png") == 0
    assert image_files.read(folder / "x.png", 3).shape == (12, 14, 3)


def test_an_installed_model_is_taken_by_its_name(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert gan_jax("translate", "upscale_x2", "in/a.png", "big.png") == 0
    assert image_files.read(folder / "big.png", 3).shape == (24, 28, 3)
    assert gan_jax("inspect", "upscale_x4") == 0
    assert "SRVGGNetCompact" in capsys.readouterr().out
    (folder / "upscale_x2").mkdir()
    assert gan_jax("translate", "builtin:upscale_x2", "in/a.png", "other.png") == 0
    assert (folder / "other.png").read_bytes() == (folder / "big.png").read_bytes()
    assert gan_jax("translate", "./upscale_x2", "in/a.png", "none.png") == 2
    assert "upscale_x2 holds no generator" in capsys.readouterr().err


def test_models_lists_what_is_installed(capsys, monkeypatch):
    assert gan_jax("models") == 0
    said = capsys.readouterr().out
    for words in ("upscale_x2: photographs 2 times as large", "upscale_x4: photographs 4 times", "JPEG of quality 75"):
        assert words in said
    monkeypatch.setattr("gan_jax.infer.timing.seconds_a_megapixel", lambda model: 12.5)
    assert gan_jax("models", "--time") == 0
    said = capsys.readouterr().out
    assert "12.5 s for a megapixel" in said
    assert "seconds on this machine." in said


def test_evaluate_prints_scores_and_writes_json_and_csv(folder, capsys):
    shutil.copytree(folder / "in", folder / "ref")
    flags = ("--json", folder / "s.json", "--csv", folder / "s.csv")
    assert gan_jax("evaluate", folder / "in", folder / "ref", *flags) == 0
    assert "protocol rgb: 8-bit RGB" in capsys.readouterr().out
    assert json.loads((folder / "s.json").read_text())["count"] == 3
    assert (folder / "s.csv").read_text().count("\n") == 4
    (folder / "ref" / "a.png").unlink()
    assert gan_jax("evaluate", folder / "in", folder / "ref") == 2
    assert "a.png has no partner of its name" in capsys.readouterr().err


def test_inspect_says_what_things_are(finished_run, folder, capsys):
    assert gan_jax("inspect", folder / "g.safetensors") == 0
    said = capsys.readouterr().out
    for words in ("generator of pix2pix", "UNet", "parameters", "multiples of 8", "each image's own", "dropout on"):
        assert words in said
    assert "learned from" not in said
    model = models.load(folder / "g.safetensors")
    spec = dataclasses.replace(model.spec, degradation=degrade.describe(degrade.Degradation(jpeg=90)))
    models.save(folder / "x4.safetensors", model._replace(spec=spec))
    assert gan_jax("inspect", folder / "x4.safetensors") == 0
    said = capsys.readouterr().out
    assert "learned from bicubic (jpeg 90, noise 0.0, scale 4, subsampling 4:2:0)" in said
    assert gan_jax("inspect", finished_run) == 0
    said = capsys.readouterr().out
    assert "run tiny of pix2pix, 4 of 4 steps done" in said
    assert re.search(r"--batch_size 8(\s|$)", said)
    assert "--lambda_L1" not in said
    assert "more flags have their defaults; --all shows them" in said
    assert max(map(len, said.splitlines())) < 200  # but for the folders' names
    assert gan_jax("inspect", finished_run, "--all") == 0
    said = capsys.readouterr().out
    assert "--lambda_L1 100.0" in said
    assert "more flags" not in said
    assert "tiny_best.safetensors" in said
    newest = finished_run / "checkpoints" / "4"
    assert checkpoint.is_checkpoint(newest)
    assert gan_jax("inspect", newest) == 0
    assert "checkpoint after 4 steps" in capsys.readouterr().out
    shutil.copytree(newest, folder / "5")
    (folder / "5" / "digests.json").unlink()
    assert gan_jax("inspect", folder / "5") == 0
    assert "was cut short" in capsys.readouterr().out


def test_a_kept_step_is_used_and_named(folder, finished_run, tiny_generator, capsys):
    shutil.copytree(finished_run, folder / "run")
    (folder / "run" / "kept" / "2").mkdir(parents=True)
    kept = tiny_generator(dropout=False)
    models.save(folder / "run" / "kept" / "2" / "tiny.safetensors", kept)
    assert gan_jax("translate", folder / "run", folder / "in" / "a.png", folder / "a.png", "--step", 2) == 0
    assert capsys.readouterr().err == f"note: the generator is {folder / 'run' / 'kept' / '2' / 'tiny.safetensors'}.\n"
    expected = infer.translate(kept, image_files.read(folder / "in" / "a.png", 3))
    np.testing.assert_array_equal(image_files.read(folder / "a.png", 3), expected)
    assert gan_jax("convert", folder / "run", folder / "t.safetensors", "--to_torch", "--step", 2) == 0
    capsys.readouterr()
    assert gan_jax("inspect", folder / "run") == 0
    assert "  kept: step 2\n" in capsys.readouterr().out


def test_a_folder_of_runs_is_inspected_and_reported_run_by_run(finished_run, tmp_path, capsys):
    """A run that cannot be is named, and the others are done."""
    for name in ("a", "b"):
        shutil.copytree(finished_run, tmp_path / name)
        (tmp_path / name / "report.html").unlink()
    (tmp_path / "a" / "log.jsonl").write_text("x\n" * 2)
    assert gan_jax("report", tmp_path) == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'b' / 'report.html'}\n"
    assert "line 1 of " in said.err
    assert (tmp_path / "b" / "report.html").read_bytes() == (finished_run / "report.html").read_bytes()
    assert gan_jax("inspect", tmp_path) == 0
    assert capsys.readouterr().out.count(": run tiny of pix2pix, 4 of 4 steps done") == 2


def test_inspect_shows_flags_as_they_are_typed(tmp_path, capsys):
    recipe = {"preset": "demo", "no_flip": True, "milestones": [1, 20], "dataroot": "my photos", "lr": 0.1, "x": None}
    changed = ["preset", "no_flip", "milestones", "dataroot"]
    config = {"name": "a", "method": "pix2pix", "recipe": recipe, "changed": changed}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert gan_jax("inspect", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "  demo --no_flip --milestones 1 20 --dataroot 'my photos'",
        "  2 more flags have their defaults; --all shows them",
    ]
    # An older run does not say what was changed: all of it is shown, on lines of a readable length.
    del config["changed"]
    config["recipe"] = recipe | {f"flag_{i}": i for i in range(60)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert gan_jax("inspect", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert sum(line.count("--") for line in lines) == 65
    assert max(map(len, lines)) <= 102
    assert all(line.split()[-2].startswith("--") for line in lines[1:])


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
        (["translate", "g.safetensors", "in", "out", "--limit", "-1"], "--limit is -1; wanted at least 1"),
        (["translate", "g.safetensors", "in", "out", "--batch_size", "0"], "--batch_size is 0; wanted at least 1"),
        (["translate", "g.safetensors", "in", "out", "--samples", "-2"], "--samples is -2; wanted at least 1"),
        (["translate", "g.safetensors", "in", "out", "--tile", "-1"], "--tile is -1; wanted at least 1, or 0"),
        (["translate", "g.safetensors", "in", "out", "--outscale", "0"], "--outscale is 0; wanted more than 0"),
        (["translate", "g.safetensors", "in", "out", "--seed", "-1"], "--seed is -1; wanted at least 0"),
        (["translate", "g.safetensors", "in", "out", "--seed", str(2**70)], "wanted at least 0 and less than 2**32"),
        (["translate", "g.safetensors", "in", "out", "--samples", "2", "--dropout", "off"], "samples would be equal"),
        (["translate", "g.safetensors", "empty", "out"], "no images in empty"),
        (["translate", "g.safetensors", "empty"], "give at least one input and, last, an output"),
        (["translate", "g_critic.safetensors", "in", "out"], "holds a critic; wanted a generator"),
        (["translate", "other", "in", "out"], "other holds several generators"),
        (["translate", "other/features.safetensors", "in", "out"], "holds a features; wanted a generator"),
        (["translate", "other/foreign.safetensors", "in", "out"], "it holds no state_dict"),
        (["translate", "other/newer.safetensors", "in", "out"], "install a newer gan_jax"),
        (["translate", "other/cut.safetensors", "in", "out"], "is not a whole .safetensors file"),
        (["translate", "other/still.safetensors", "in", "out", "--samples", "2"], "no dropout layers, so that all"),
        (["translate", "other/still.safetensors", "in", "out", "--dropout", "on"], "this UNet has no dropout layers"),
        (["translate", "other/still.safetensors", "in", "out", "--norm", "running"], "no running statistics"),
        (["translate", "in", "in", "out"], "in holds no generator"),
        (["translate", "in/a.png", "in", "out"], "it is no PyTorch file, nor other weights"),
        (["evaluate", "in", "nowhere"], "nowhere does not exist"),
        (["inspect", "nowhere"], "nowhere does not exist"),
        (["inspect", "in"], "in is no run's folder"),
        (["report", "in"], "config.json"),
    ],
)
def test_wrong_inputs_are_said_in_a_sentence_and_exit_with_2(odd_files, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(odd_files)
    assert gan_jax(*arguments) == 2
    error = capsys.readouterr().err
    assert not (odd_files / "out").exists()
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["translate", "a", "b", "c", "--limit", "x"], "--limit"),
        (["translate", "a", "b", "c", "--samples", "2.5"], "--samples"),
        (["translate", "a", "b", "c", "--dropout", "maybe"], "off"),
        (["translate", "a", "b", "c", "--norm", "batch"], "running"),
        (["evaluate", "a", "b", "--protocol", "rgbb"], "rgb"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_right(capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        gan_jax(*arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["translat"], "there is no verb translat; perhaps translate is meant"),
        (["train"], "gan-jax train wants a recipe's name first: pix2pix, cyclegan"),
        (["train", "cycle_gan"], "there is no recipe cycle_gan; perhaps cyclegan is meant; wanted one of pix2pix"),
        (["train", "pix2pix", "--sede", "3"], "perhaps --seed is meant"),
        (["pix2pix"], "there is no verb pix2pix; use train pix2pix"),
        (["predict"], "there is no verb predict; use translate"),
        (["--limit", "3"], "there is no verb --limit"),
        (["translate", "a", "b", "c", "--limt", "3"], "perhaps --limit is meant"),
        (["translate", "a", "b", "c", "--sampels", "3"], "perhaps --samples is meant"),
        (["translate", "-n", "x", "-i", "in"], "the generator's file or its run's folder comes first"),
        (["translate", "a", "in", "out", "--fp32"], "arithmetic is float32"),
        (["translate", "a", "in", "--output_dir", "out"], "the output is given without a flag, as the last"),
        (["translate", "--weights", "a", "in", "out"], "the generator's file or its run's folder comes first"),
        (["sample", "a", "-n", "4"], "give --n N"),
        (["shrink", "a", "out", "-s", "4"], "give --scale N"),
        (["evaluate", "-o", "a"], "outputs and references are given without a flag, in this order"),
        (["convert", "a", "b", "--arch", "UNet"], "give --architecture NAME"),
        (["evaluate", "a", "b", "--json", "s", "--csv", "s"], "--json and --csv both name s"),
        (["translate", "a", "in", "out", "--ext", "jpg"], "give --format"),
        (["translate", "a", "in", "out", "-s", "4"], "give --outscale N"),
        (["evaluate", "a", "b", "--test_y"], "give --y_channel"),
        (["evaluate", "a", "b", "--metric", "psnr"], "give --metrics"),
        (["translate", "a", "in", "out", "-dn", "0.5"], "gan-jax blend makes one generator of two"),
        (["interpolate", "a", "b"], "there is no verb interpolate; use blend"),
        (["sample", "a", "--nsamples", "3"], "give --n N"),
        (["translate", "a", "in", "out", "--suffix", "a/b"], "without separators"),
        (["translate", "a", "in", "out", "--quality", "0"], "--quality is 0; wanted 1 to 100"),
        (["translate", "a", "in", "out", "--frame", "-1"], "--frame is -1"),
        (["evaluate", "a", "b", "c"], "there are 3 folders"),
        (["evaluate", "a"], "one folder holds both outputs and references"),
        (["evaluate", "a", "b", "--outputs", "x"], "'x' is no pattern of names"),
        (["evaluate", "a", "b", "--outputs", "{}_a", "--suffix", "_b"], "both say what outputs are called"),
    ],
)
def test_the_words_of_other_programs_lead_to_ours(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert gan_jax(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_version_and_help_are_said(capsys):
    assert gan_jax("--version") == 0
    assert capsys.readouterr().out.startswith("gan_jax ")
    for arguments, code in ((["--help"], 0), ([], 2)):
        assert gan_jax(*arguments) == code
        text = capsys.readouterr().out
        assert all(f"  {verb} " in text for verb in ("train", *cli._VERBS))
    assert gan_jax("train", "--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in recipes.NAMES)


@pytest.mark.parametrize("name", recipes.NAMES)
def test_recipes_are_trained_by_the_command(name, capsys):
    """Each has a module of that name whose recipe --help shows, as it is typed."""
    with pytest.raises(SystemExit) as stopped:
        gan_jax("train", name, "--help")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: gan-jax train {name} " in text
    assert "--dataroot" in text
    assert recipes.load(name).presets["demo"].dataroot.startswith("builtin:")


def test_the_package_is_the_command():
    shown = subprocess.run([sys.executable, "-m", "gan_jax", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("gan_jax ")


def test_names_formats_and_halves_are_options(folder, capsys):
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", "--suffix", "_out", folder / "out") == 0
    assert {path.name for path in (folder / "out").rglob("*.*")} == {"a_out.png", "b_out.png", "c_out.png"}
    same = ("--format", "same", "--quality", "60", "--half", "left")
    assert gan_jax("translate", folder / "g.safetensors", *same, folder / "in", folder / "same") == 0
    assert {path.name for path in (folder / "same").rglob("*.*")} == {"a.png", "b.jpg", "c.png"}
    assert image_files.read(folder / "same" / "a.png", 3).shape == (12, 7, 3)
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "x", "--quality", "60") == 2
    assert "--quality is for .jpg, .webp and .avif" in capsys.readouterr().err


def test_pairs_that_are_translated_as_one_image_are_said(folder, capsys):
    rows, columns = np.mgrid[:16, :16]
    smooth = np.stack([8 * rows, 8 * columns, 4 * (rows + columns)], axis=-1).astype(np.uint8)
    for k in range(3):
        pair = np.concatenate([smooth, 255 - np.rot90(smooth, k)], axis=1)
        image_files.save(folder / "pairs" / f"{k}.png", pair)
    assert gan_jax("translate", folder / "g.safetensors", folder / "pairs", folder / "out") == 0
    assert "--half left takes the left image" in capsys.readouterr().err
    assert gan_jax("translate", folder / "g.safetensors", folder / "pairs", folder / "half", "--half", "left") == 0
    assert capsys.readouterr().err == ""
    assert image_files.read(folder / "half" / "0.png", 3).shape == (16, 16, 3)


def test_flags_for_a_folder_are_refused_for_one_file(folder, capsys):
    for flags in (["--suffix", "_x"], ["--format", "jpg"]):
        assert gan_jax("translate", folder / "g.safetensors", folder / "in" / "a.png", folder / "x.png", *flags) == 2
        assert "x.png is one image" in capsys.readouterr().err
    assert gan_jax("convert", folder / "g.safetensors", folder / "h.safetensors") == 2
    assert "is a file of gan_jax already" in capsys.readouterr().err


def test_what_is_left_out_is_said_and_notes_end_after_ten(folder, capsys):
    (folder / "in" / "phone.heic").write_bytes(b"x")
    frames = [Image.new("L", (8, 8), 99 * k) for k in range(2)]
    for k in range(12):
        frames[0].save(folder / "in" / f"{k}.gif", save_all=True, append_images=frames[1:])
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out") == 0
    notes = capsys.readouterr().err.splitlines()
    assert "left out phone.heic, whose name or format is not read" in notes[0]
    assert notes[-1] == "note: ... and 3 more notes."
    assert len(notes) == 11


def test_errors_end_after_ten(folder, capsys):
    for k in range(25):
        (folder / "in" / f"{k}.png").write_bytes(b"no picture")
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out") == 1
    errors_said = capsys.readouterr().err.splitlines()
    assert (len(errors_said), errors_said[-1]) == (11, "error: ... and 15 more.")
    assert gan_jax("evaluate", folder / "in", folder / "out") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: ... and 15 more."


ODD = [b"\x83e.png", b"two\nlines.png", b"a;b'c\".png", b"{}.png", b"\xe6\x97\xa5.png", b" .png"]


def test_names_of_any_bytes_go_through_every_verb(folder, capfdbinary):
    """By a process of its own, whose streams are those of a shell."""
    shutil.rmtree(folder / "in")
    (folder / "in").mkdir()
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for name in ODD:
        image_files.save(folder / "in" / os.fsdecode(name), array)
    program = "import sys; from gan_jax import cli; sys.exit(max(cli.main(line.split()) for line in sys.argv[1:]))"
    lines = [
        "translate g.safetensors in out",
        "evaluate out in --json s.json --csv s.csv",
        "shrink in small --scale 2",
        "evaluate out nowhere",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", program, *lines], cwd=folder, env=environment, check=False)
    said = capfdbinary.readouterr()
    assert done.returncode == 2, "the last one"
    assert said.err.splitlines() == [b"error: nowhere does not exist; name an image or a folder of images."]
    for place in ("out", "small"):
        assert sorted(os.listdir(os.fsencode(folder / place))) == sorted(ODD)
    rows = (folder / "s.csv").read_bytes()
    assert b"\n\x83e," in rows
    names = {row["name"] for row in json.loads((folder / "s.json").read_text())["images"]}
    assert names == {os.fsdecode(name).removesuffix(".png") for name in ODD}
    assert b"two\\nlines" in said.out, "a table has a line an image"


def test_results_of_other_programs_are_scored_as_they_are(folder, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "sub/c"):
        for kind in ("real_A", "fake_B", "real_B"):
            array = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            image_files.save(folder / "images" / f"{name}_{kind}.png", array)
            image_files.save(folder / ("inputs" if kind == "real_B" else "else") / f"{name}.png", array)
            if kind == "fake_B":
                image_files.save(folder / "results" / f"{name}_out.png", array)
    written = folder / "s.json"
    one = ("--outputs", "{}_fake_B.png", "--references", "{}_real_B.png", "--json", written)
    assert gan_jax("evaluate", folder / "images", *one) == 0
    first = json.loads(written.read_text())
    assert [row["name"] for row in first["images"]] == ["a", "b", "sub/c"]
    assert gan_jax("evaluate", folder / "results", folder / "inputs", "--suffix", "_out", "--json", written) == 0
    assert json.loads(written.read_text())["images"] == first["images"]
    (folder / "results" / "a_out.png").rename(folder / "results" / "a_out.PNG")
    assert gan_jax("evaluate", folder / "results", folder / "inputs", "--outputs", "{}_out.png") == 0
    one = folder / "inputs" / "a.png"
    assert gan_jax("evaluate", one, one, "--suffix", "_x") == 2
    assert "are the same" in capsys.readouterr().err
    assert gan_jax("evaluate", folder / "images", "--outputs", "{}_fake_C", "--references", "{}_real_B") == 2
    assert "no image in" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_leaves_the_old_one(folder, monkeypatch, capsys):
    image_files.save(folder / "x" / "a.png", np.zeros((16, 16, 3), np.uint8))
    shutil.copytree(folder / "x", folder / "y")
    (folder / "s.csv").write_text("old")
    assert gan_jax("evaluate", folder / "x", folder / "y", "--csv", folder / "x") == 2
    assert "is a folder; name a file to write to" in capsys.readouterr().err
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full", "s")))
    assert gan_jax("evaluate", folder / "x", folder / "y", "--csv", folder / "s.csv") == 2
    assert (folder / "s.csv").read_text() == "old"


@pytest.mark.parametrize("name", ["net_G.pth", "net_G.safetensors", "model"])
def test_damaged_weights_of_another_program_are_named(folder, capsys, name):
    (folder / name).write_bytes(b"PK\x03\x04rest of an archive")
    for verb in (["translate", folder / name, folder / "in", folder / "out"], ["sample", folder / name]):
        assert gan_jax(*verb) == 2
        assert f"{folder / name} is damaged or no PyTorch file" in capsys.readouterr().err


def test_verbs_write_the_same_under_64_bits(folder, monkeypatch):
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "out") == 0
    jax.config.update("jax_enable_x64", True)
    try:
        assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "wide") == 0
        assert jax.config.jax_enable_x64, "it is given back"
    finally:
        jax.config.update("jax_enable_x64", False)
    for path in (folder / "out").rglob("*.png"):
        assert (folder / "wide" / path.relative_to(folder / "out")).read_bytes() == path.read_bytes()


def test_an_error_of_the_system_gets_its_cause_and_a_remedy():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert errors.in_words(full) == "No space left on device; make room, then give the same command again."
    assert errors.in_words(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a.png")) == (
        "a.png: Permission denied; allow it, or choose another place."
    )
    assert errors.in_words(FileNotFoundError("no folder a; make one.")) == "no folder a; make one."
    assert errors.remedy(full) == "make room, then give the same command again"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("a is 1; wanted 2."), 2, "error: a is 1; wanted 2.\n"),
        (ImportError("pip install it."), 2, "error: pip install it.\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_what_a_user_can_cause_has_an_exit_code(capsys, error, code, words):
    def call():
        raise error

    assert errors.exit_code(call, interrupted="stopped") == code
    assert capsys.readouterr().err == words
    assert errors.exit_code(lambda: 7) == 7


def test_lists_of_errors_end_after_ten():
    lines = [str(k) for k in range(1, 2012)]
    assert errors.few(lines[:10]) == lines[:10]
    assert errors.few(lines) == [*lines[:10], "... and 2,001 more."]
    assert errors.first_of(["a", "b"], 2) == "a, b"
    assert errors.first_of(["a", "b", "c"], 2) == "a, b, ... (3 in all)"


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


def test_shrink_makes_the_low_resolution_of_the_papers(tmp_path, capsys):
    array = np.random.default_rng(0).integers(0, 256, (22, 17, 3), dtype=np.uint8)
    image_files.save(tmp_path / "in" / "sub" / "a.png", array)
    image_files.save(tmp_path / "in" / "small.png", array[:2])
    assert gan_jax("shrink", tmp_path / "in", tmp_path / "out", "--scale", 4) == 1
    expected = np.clip(np.asarray(image.imresize(array[:20, :16].astype(np.float32), scale=1 / 4)), 0, 255)
    result = image_files.read(tmp_path / "out" / "sub" / "a.png", 3)
    # Rounded: within half a level, and 1e-4 for float32 of another program.
    np.testing.assert_allclose(result, expected, atol=0.5 + 1e-4, rtol=0)
    printed = capsys.readouterr()
    assert "wrote 1 of 2" in printed.out
    assert "small.png is smaller than --scale 4" in printed.err
    assert gan_jax("shrink", tmp_path / "in", tmp_path / "out", "--scale", 1) == 2
    assert gan_jax("shrink", tmp_path / "in") == 2


def test_inspect_says_what_a_generator_of_points_makes(tmp_path, capsys):
    module = networks.MLP(2, width=3)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), np.zeros((1, 4), np.float32))
    spec = models.ModelSpec(networks.describe(module), 4, "wgan", norm="running", dropout=False, latent="normal")
    models.save(tmp_path / "points.safetensors", models.Model(spec, {"params": params, "stats": stats}))
    assert gan_jax("inspect", tmp_path / "points.safetensors") == 0
    assert "normal latents of 4 numbers -> 2 numbers in [-1.0, 1.0]" in capsys.readouterr().out
