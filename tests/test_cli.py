"""The `gan-jax` command: every verb, its exit code and what it says."""

import dataclasses
import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

import jax
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from gan_jax import checkpoint, cli, degrade, errors, generator, image, infer, networks
from gan_jax.data import pictures


@pytest.fixture
def folder(tmp_path, tiny_generator):
    """A generator file and a folder tree of three pictures."""
    generator.save(tmp_path / "g.safetensors", tiny_generator())
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "sub/c.png"):
        pictures.save(tmp_path / "in" / name, rng.integers(0, 256, (12, 14, 3), dtype=np.uint8))
    return tmp_path


def untrained(module, spec):
    """The module's arrays, all zeros, and the spec with its description."""
    params, stats = jax.eval_shape(
        networks.from_linen(module).init, jax.random.key(0), *networks.example(module, spec.in_channels)
    )
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), {"params": params, "stats": stats})
    return generator.Generator(dataclasses.replace(spec, architecture=networks.describe(module)), variables)


@pytest.fixture
def odd_files(folder):
    """The folder, and beside it files that are no generator, or not one of this program, and an empty folder."""
    model = generator.load(folder / "g.safetensors")
    critic = dataclasses.replace(model.spec, kind="critic", in_channels=6, out_channels=1)
    generator.save(folder / "g_critic.safetensors", untrained(networks.PatchGAN(layers=2, width=4), critic))
    features = dataclasses.replace(model.spec, kind="features")
    (folder / "other").mkdir()
    generator.save(folder / "other" / "features.safetensors", model._replace(spec=features))
    arrays = {"x": np.zeros(2, np.float32)}
    (folder / "other" / "foreign.safetensors").write_bytes(safetensors.numpy.save(arrays))
    newer = {"gan_jax": json.dumps({"format": generator.FORMAT_VERSION + 1})}
    (folder / "other" / "newer.safetensors").write_bytes(safetensors.numpy.save(arrays, newer))
    (folder / "other" / "cut.safetensors").write_bytes((folder / "g.safetensors").read_bytes()[:-100])
    still = untrained(model.module.clone(norm="none", dropout=0.0), dataclasses.replace(model.spec, dropout=False))
    generator.save(folder / "other" / "still.safetensors", still)
    (folder / "empty").mkdir()
    return folder


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
    wanted = [
        ("bomb.png", "more than", "pixels"),
        ("cut.png", "is damaged"),
        ("cut_too.jpg", "is damaged"),
        ("empty.png", "is damaged"),
        ("text.png", "is damaged"),
    ]
    assert len(lines) == len(wanted)
    for line, (name, *words) in zip(lines, wanted, strict=True):
        assert line.startswith(f"error: {folder / 'in' / name} ")
        assert all(word in line for word in words)


def test_pictures_of_any_channels_are_brought_to_the_generators(folder, capsys):
    rgb = pictures.read_picture(folder / "in" / "a.png")
    for mode, name in (("L", "grey.png"), ("RGBA", "alpha.png"), ("CMYK", "print.jpg"), ("P", "palette.png")):
        picture = rgb.convert(mode)
        if mode == "RGBA":
            picture.putalpha(128)
        (folder / "modes").mkdir(exist_ok=True)
        picture.save(folder / "modes" / name)
    assert gan_jax("translate", folder / "g.safetensors", folder / "modes", folder / "out") == 0
    assert capsys.readouterr().out == "wrote 4 of 4\n"
    model = generator.load(folder / "g.safetensors")
    for name in ("grey.png", "alpha.png", "print.jpg", "palette.png"):
        stored, made = (
            pictures.read_photograph(path, 3)
            for path in (folder / "modes" / name, (folder / "out" / name).with_suffix(".png"))
        )
        np.testing.assert_array_equal(made.pixels, infer.translate(model, stored.pixels))
        assert (made.alpha is None) == (name != "alpha.png")
    np.testing.assert_array_equal(pictures.read_photograph(folder / "out" / "alpha.png", 3).alpha, 128)


def test_a_folder_that_cannot_be_written_to_is_named_for_every_picture(folder, capsys):
    (folder / "file").write_text("a file where a folder should be")
    assert gan_jax("translate", folder / "g.safetensors", folder / "in", folder / "file" / "out") == 1
    said = capsys.readouterr()
    assert said.out == "wrote 0 of 3\n"
    assert said.err.count("cannot be written (Not a directory); make room") == said.err.count("\n") == 3


def test_a_full_disk_is_said_once_a_picture(folder, monkeypatch, capsys):
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
    assert capsys.readouterr().out == "wrote 3 of 3\nthe *_std pictures show 10 times the standard deviation\n"
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
    model, picture = generator.load(folder / "g.safetensors"), folder / "in" / "a.png"
    options = {"dropout": False, "norm": "running"}
    flags = {"dropout": ("--dropout", "off"), "norm": ("--norm", "running")}
    for name, value in options.items():
        assert gan_jax("translate", folder / "g.safetensors", picture, folder / "x.png", *flags[name]) == 0
        wanted = infer.translate(infer.with_options(model, **{name: value}), pictures.read(picture, 3))
        np.testing.assert_array_equal(pictures.read(folder / "x.png", 3), wanted)
        assert (wanted != infer.translate(model, pictures.read(picture, 3))).any()


def test_size_and_ensemble_are_options(folder, capsys):
    picture, model = folder / "in" / "a.png", generator.load(folder / "g.safetensors")
    flags = ("--outscale", 1.5, "--self_ensemble", "--dropout", "off", "--tile", 8)
    assert gan_jax("translate", folder / "g.safetensors", picture, folder / "x.png", *flags) == 0
    read, still = pictures.read(picture, 3), infer.with_options(model, dropout=False)
    wanted = infer.translate(still, read, outscale=1.5, self_ensemble=True)
    np.testing.assert_array_equal(pictures.read(folder / "x.png", 3), wanted)
    said = capsys.readouterr().err.splitlines()
    words = "UNet sees 15 pixels to each side, so that a picture of 16x16 is computed whole."
    assert said == [f"note: {picture}: {words}"]


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
    assert pictures.read(folder / "x.png", 3).shape == (12, 14, 3)


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
    model = generator.load(folder / "g.safetensors")
    spec = dataclasses.replace(model.spec, degradation=degrade.describe(degrade.Degradation(jpeg=90)))
    generator.save(folder / "x4.safetensors", model._replace(spec=spec))
    assert gan_jax("inspect", folder / "x4.safetensors") == 0
    said = capsys.readouterr().out
    assert "learned from bicubic (jpeg 90, noise 0.0, scale 4, subsampling 4:2:0)" in said
    assert gan_jax("inspect", finished_run) == 0
    said = capsys.readouterr().out
    assert "run tiny of pix2pix, 4 of 4 steps done" in said
    assert "--batch_size 8 --" in said
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
        (["translate", "g.safetensors", "empty", "out"], "no pictures in empty"),
        (["translate", "g.safetensors", "empty"], "give at least one input and, last, an output"),
        (["translate", "g_critic.safetensors", "in", "out"], "holds a critic; wanted a generator"),
        (["translate", "other", "in", "out"], "other holds several generators"),
        (["translate", "other/features.safetensors", "in", "out"], "holds a features; wanted a generator"),
        (["translate", "other/foreign.safetensors", "in", "out"], "was not written by gan_jax"),
        (["translate", "other/newer.safetensors", "in", "out"], "install a newer gan_jax"),
        (["translate", "other/cut.safetensors", "in", "out"], "is not a whole .safetensors file"),
        (["translate", "other/still.safetensors", "in", "out", "--samples", "2"], "no dropout layers, so that all"),
        (["translate", "other/still.safetensors", "in", "out", "--dropout", "on"], "this UNet has no dropout layers"),
        (["translate", "other/still.safetensors", "in", "out", "--norm", "running"], "no running statistics"),
        (["translate", "in", "in", "out"], "in holds no generator"),
        (["translate", "in/a.png", "in", "out"], "is not a whole .safetensors file"),
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
        (["translat"], "translate"),
        (["translate", "a", "b", "c", "--limt", "3"], "--limit"),
        (["translate", "a", "b", "c", "--limit", "x"], "--limit"),
        (["translate", "a", "b", "c", "--sampels", "3"], "--samples"),
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


def test_an_error_of_the_system_gets_its_cause_and_a_remedy():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert errors.in_words(full) == "No space left on device; make room, then give the same command again."
    assert errors.in_words(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a.png")) == (
        "a.png: Permission denied; allow it, or choose another place."
    )
    assert errors.in_words(FileNotFoundError("no folder a; make one.")) == "no folder a; make one."


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
    picture = np.random.default_rng(0).integers(0, 256, (22, 17, 3), dtype=np.uint8)
    pictures.save(tmp_path / "in" / "sub" / "a.png", picture)
    pictures.save(tmp_path / "in" / "small.png", picture[:2])
    assert gan_jax("shrink", tmp_path / "in", tmp_path / "out", "--scale", 4) == 1
    wanted = np.clip(np.asarray(image.imresize(picture[:20, :16].astype(np.float32), scale=1 / 4)), 0, 255)
    found = pictures.read(tmp_path / "out" / "sub" / "a.png", 3)
    np.testing.assert_array_equal(found, np.floor(wanted + 0.5).astype(np.uint8))
    printed = capsys.readouterr()
    assert "wrote 1 of 2" in printed.out
    assert "small.png is smaller than --scale 4" in printed.err
    assert gan_jax("shrink", tmp_path / "in", tmp_path / "out", "--scale", 1) == 2
    assert gan_jax("shrink", tmp_path / "in") == 2
