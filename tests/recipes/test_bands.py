"""Recipes on arrays of channels: 16 bits and five channels trained, scored and translated, and what is refused."""

import json
import math

import jax
import numpy as np
import pytest

from gan_jax import cli, infer
from gan_jax import model as models
from gan_jax.data import image_files, rasters
from gan_jax.recipes import bands, cyclegan, pix2pix, preview
from gan_jax.values import Values, values_of
from tests.data.test_bands import array

TINY = ["--load_size=36", "--crop_size=32", "--ngf=2", "--ndf=2", "--n_layers_D=1", "--batch_size=8", "--name=tiny"]
SHORT = ["--n_epochs=2", "--n_epochs_decay=0", "--val_freq=1", "--save_latest_freq=1", "--no_dropout"]
COUNTS = {"train": 8, "val": 2, "test": 3}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Five channels of 16 bits to one of floats, and to three of 16 bits."""
    root = tmp_path_factory.mktemp("arrays")
    for number, (split, count) in enumerate(COUNTS.items()):
        for i in range(count):
            a, seed = array(100 * number + i, size=(40, 44)), 100 * number + i
            of = {"floats": array(seed, 1, "float32", (40, 44)), "deep": np.ascontiguousarray(65_535 - a[..., :3])}
            for name, b in of.items():
                rasters.write(root / name / f"{split}A" / f"{i}.tif", a, "samples")
                rasters.write(root / name / f"{split}B" / f"{i}.tif", b, "samples")
    return root


def built(recipe, root, *flags):
    return recipe.build(["--dataroot", str(root), "--bands", "samples", *TINY, *flags])


def read(path):
    return rasters.read(path, "samples")


def test_five_channels_of_16_bits_are_trained_scored_and_translated(root, tmp_path, capsys):
    flags = ["--dataroot", str(root / "deep"), "--bands", "samples", *TINY, *SHORT, "--output_shown", "2", "1", "0"]
    assert cli.main(["train", "pix2pix", *flags, "--checkpoints_dir", str(tmp_path)]) == 0
    assert "uint16 from 0 to 65,535, peak 65,535, all 3 channels as they are" in capsys.readouterr().out
    run = tmp_path / "tiny"
    spec = models.load(run).spec
    assert (spec.bands, spec.in_channels, spec.out_channels, spec.step) == ("samples", 5, 3, 2)
    assert (spec.input_values, spec.output_values) == (values_of("uint16"), values_of("uint16"))

    # What was scored is what was written, by hand.
    arrays = run / "results" / "arrays"
    pairs = [
        (read(arrays / "output" / f"{i}.npy"), read(arrays / "target" / f"{i}.npy")) for i in range(COUNTS["test"])
    ]
    assert all(side.dtype == np.uint16 and side.shape == (32, 32, 3) for pair in pairs for side in pair)
    by_hand = [10 * math.log10(65_535**2 / np.mean((a.astype(float) - b) ** 2)) for a, b in pairs]
    scores = json.loads((run / "results" / "scores.json").read_text())
    assert scores["rows"][0]["psnr"] == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert not any(key.startswith("histogram") for key in scores["rows"][0])
    shown = image_files.read(run / "results" / "target" / "0.png", 3)
    np.testing.assert_array_equal(shown, np.floor(pairs[0][1][..., ::-1] / 257 + 0.5))
    assert (run / "samples" / "target.png").is_file()
    assert "data:image/png" in (run / "report.html").read_text()

    out = tmp_path / "out"
    assert cli.main(["translate", str(run), str(root / "deep" / "testA"), str(out)]) == 0
    made = read(out / "0.tif")
    assert (made.dtype, made.shape) == (np.uint16, (40, 44, 3))
    whole = read(root / "deep" / "testA" / "0.tif")
    np.testing.assert_allclose(made.astype(float), infer.translate(models.load(run), whole), atol=2)
    assert cli.main(["evaluate", str(out), str(root / "deep" / "testB"), "--bands", "samples"]) == 0
    assert cli.main(["translate", str(run), str(root / "deep" / "testA"), str(out), "--format", "npy"]) == 0
    np.testing.assert_array_equal(read(out / "0.npy"), made)
    capsys.readouterr()
    for wrong in (["--half", "left"], ["--format", "jpg"], ["--frame", "0"]):
        assert cli.main(["translate", str(run), str(root / "deep" / "testA"), str(tmp_path / "x"), *wrong]) == 2
        assert "arrays of channels" in capsys.readouterr().err


def test_a_stopped_run_goes_on_as_if_it_had_not(root, tmp_path):
    """Of floats, whose outputs are in their units."""
    flags = ["--dataroot", str(root / "floats"), "--bands", "samples", *TINY, "--output_values=-45:45", "--no_dropout"]
    flags += ["--val_freq", "9", "--save_latest_freq", "1", "--n_epochs_decay", "0", "--lr_policy", "constant"]

    def trained(name, epochs, *more):
        where = ["--checkpoints_dir", str(tmp_path / name), "--n_epochs", str(epochs), *more]
        assert pix2pix.main([*flags, *where]) == 0
        return models.load(tmp_path / name / "tiny")

    whole = trained("whole", 3)
    trained("parts", 1)
    parts = trained("parts", 3, "--cache", "disk")
    jax.tree.map(np.testing.assert_array_equal, parts.variables, whole.variables)
    assert whole.spec.output_values == Values("float32", -45.0, 45.0)
    made = read(tmp_path / "whole" / "tiny" / "results" / "arrays" / "output" / "0.npy")
    assert made.dtype == np.float32
    assert -45 <= made.min() < made.max() <= 45


def test_cyclegan_takes_them_by_the_same_flags(root, tmp_path):
    flags = ["--lambda_identity", "0", "--netG", "unet_32", "--output_values=-45:45"]
    _, parts = built(cyclegan, root / "floats", *flags)
    ends = {
        name: (spec.input_values, spec.output_values) for name, spec in parts.specs.items() if spec.kind == "generator"
    }
    floats = Values("float32", -45.0, 45.0)
    assert ends == {"AtoB": (values_of("uint16"), floats), "BtoA": (floats, values_of("uint16"))}
    assert {key: of.kinds for key, of in parts.evaluator.splits.items()}["test AtoB"] == {"A": ("uint16", 5)}
    _, aligned = built(cyclegan, root / "floats", *flags, "--dataset_mode", "aligned")
    assert "float32 from -45 to 45" in aligned.evaluator.protocol
    assert "uint16 from 0 to 65,535" in aligned.evaluator.protocol
    for experiment in (parts, aligned):
        task = experiment.evaluator.tasks["BtoA"]
        assert task.made.channels == 5
        item = experiment.train_transform(experiment.train.parts[1][0], np.random.default_rng(0))
        assert item["B"].dtype == np.float32
        assert np.abs(item["B"]).max() <= 1
    with pytest.raises(ValueError, match="the identity loss compares images of 5 and 1 channels"):
        built(cyclegan, root / "floats", "--output_values=-45:45")


def test_preview_draws_the_channels_that_are_chosen(root, tmp_path):
    config, parts = built(pix2pix, root / "deep", "--input_shown", "4", "--output_shown", "2", "1", "0")
    lines = preview.draw(config, parts, tmp_path / "seen.png")
    assert lines[0].startswith("source: float32 32x32, 5 channels, -0.9")
    sheet = image_files.read(tmp_path / "seen.png", 3)[14:46]
    gray, color = sheet[:32, :32], sheet[:32, 36:68]
    assert (gray == gray[..., :1]).all()
    assert (color != color[..., :1]).any()


@pytest.mark.parametrize(
    ("recipe", "name", "flags", "words"),
    [
        (
            pix2pix,
            "floats",
            [],
            "0.tif is float32, which says no range; give --output_values LOW:HIGH (the num",
        ),
        (pix2pix, "deep", ["--input_nc", "4"], "0.tif is uint16 in 5 channels; leave it out."),
        (
            pix2pix,
            "deep",
            ["--output_values", "0:70000"],
            "the output is uint16 in 3 channels: the range 0:70000 is",
        ),
        (
            pix2pix,
            "deep",
            ["--input_shown", "7"],
            "the input is uint16 in 5 channels: the channels 7 are to",
        ),
        (
            pix2pix,
            "deep",
            ["--derive", "gray"],
            "--derive gray makes the input of 8-bit photographs; leave",
        ),
        (pix2pix, "demo", [], "the embedded facades are drawn in 8 bits; leave out --bands"),
        (cyclegan, "demo", [], "the embedded day and night are drawn in 8 bits; leave out --bands"),
    ],
)
def test_what_cannot_be_trained_on_is_a_sentence(root, recipe, name, flags, words, capsys, tmp_path):
    where = ["demo"] if name == "demo" else ["--dataroot", str(root / name)]
    assert recipe.main([*where, "--bands", "samples", *TINY, "--checkpoints_dir", str(tmp_path), *flags]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--input_values", "0:1"], "--input_values is for arrays of channels; give --bands too, or leave it out."),
        (["--output_nc", "4"], "--output_nc is 4; wanted 1 or 3 of images, and with --bands what the files have."),
        (["--output_nc", "0"], "--output_nc is 0; wanted at least 1"),
    ],
)
def test_flags_of_arrays_are_for_arrays(flags, words):
    with pytest.raises(ValueError, match=words):
        pix2pix.build(["demo", *flags])


def test_another_kind_of_validation_images_is_named(root, tmp_path):
    for side, i in (("A", 0), ("B", 0), ("A", 1), ("B", 1)):
        rasters.write(tmp_path / f"train{side}" / f"{i}.tif", array(i, 2, size=(40, 44)), "samples")
        rasters.write(tmp_path / f"val{side}" / f"{i}.tif", array(i, 2 + (side == "B"), size=(40, 44)), "samples")
    for recipe, more in ((pix2pix, []), (cyclegan, []), (cyclegan, ["--dataset_mode", "aligned"])):
        with pytest.raises(
            ValueError, match=r"valB/0\.tif of val\w* is uint16 in 3 channels, and those of training are"
        ):
            built(recipe, tmp_path, *more)


def test_numbers_that_take_little_of_the_range_are_said(tmp_path):
    for side, i in (("A", 0), ("B", 0), ("A", 1), ("B", 1)):
        rasters.write(tmp_path / f"train{side}" / f"{i}.tif", array(i, 2, size=(40, 44)) // 16, "samples")
    _, parts = built(pix2pix, tmp_path, "--output_values", "0:4095")
    (note,) = parts.train.notes
    assert note.startswith("the input is uint16, and the numbers of some images are 2")
    assert "--input_values" in note
    assert parts.specs["generator"].output_values == Values("uint16", 0.0, 4095.0)


def test_runs_from_before_there_were_bands_go_on():
    config = pix2pix.Config()
    assert "output_nc" in config.free_to_change({**config.__dict__, "output_nc": 3})
    assert "output_nc" not in config.free_to_change({**config.__dict__, "output_nc": 1})
    assert {"input_shown", "output_shown"} <= config.free_to_change(config.__dict__)
    assert bands.counted(config, {}) is config
