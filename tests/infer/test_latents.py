"""Images from latents: what a sample depends on, grids, and files."""

import dataclasses

import numpy as np
import pytest

from gan_jax import cli, image
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.infer import latents
from tests.levels import assert_same_levels
from tests.samplers import untrained


@pytest.fixture(scope="module")
def plain():
    return untrained(0)


@pytest.fixture(scope="module")
def classed():
    return untrained(3, "uniform")


def test_a_sample_depends_on_its_seed_and_number_alone(plain):
    few, many = (latents.sample(plain, latents.latents_of(plain, count, seed=5)) for count in (3, 70))
    assert (many.shape, many.dtype) == ((70, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(few, many[:3])
    assert (few[0] != few[1]).any()
    assert (few != latents.sample(plain, latents.latents_of(plain, 3, seed=6))).any()


def test_latents_are_of_the_generators_distribution(plain, classed):
    assert float(np.abs(latents.latents_of(plain, 100)).max()) > 1.0
    assert float(np.abs(latents.latents_of(classed, 100)).max()) <= 1.0


def test_labels_choose_the_class(classed):
    z = np.tile(latents.latents_of(classed, 1), (3, 1))
    result = latents.sample(classed, z, [0, 1, 1])
    assert (result[0] != result[1]).any()
    assert_same_levels(result[1], result[2])  # another place in the batch may round otherwise
    assert latents.classes_of(classed) == 3
    assert latents.labels_in_turn(3, 5).tolist() == [0, 1, 2, 0, 1]


def test_class_rows_have_the_same_latents_in_every_row(classed, plain):
    rows = latents.class_rows(classed, seed=2)
    z = latents.latents_of(classed, 8, seed=2)
    expected = np.concatenate([latents.sample(classed, z, [label] * 8) for label in range(3)])
    # Other places in the batch may round otherwise.
    assert_same_levels(rows, np.asarray(image.grid(expected, 8)))
    assert latents.class_rows(plain).shape == (8 * 8 + 7 * 2, 8 * 8 + 7 * 2, 3)


def test_interpolations_begin_and_end_at_samples(plain, classed):
    ways = latents.interpolations(plain, rows=2, seed=3).reshape(2, 8, 8, 8, 3)
    ends = latents.sample(plain, latents.latents_of(plain, 4, seed=3)).reshape(2, 2, 8, 8, 3)
    assert np.abs(ways[:, [0, -1]].astype(int) - ends).max() <= 1
    assert latents.interpolations(classed, rows=2, label=1).shape == (16, 8, 8, 3)


@pytest.mark.parametrize(
    ("labels", "words"),
    [(None, "has 3 classes; wanted a label for each"), ([0, 3], r"labels are \[0, 3\]; wanted 0 to 2")],
)
def test_labels_that_do_not_fit_are_refused(classed, labels, words):
    with pytest.raises(latents.UnfitError, match=words):
        latents.sample(classed, np.zeros((2, 6), np.float32), labels)


@pytest.fixture(scope="module")
def files(tmp_path_factory, plain, classed, tiny_generator):
    folder = tmp_path_factory.mktemp("files")
    for name, model in (("plain", plain), ("classed", classed), ("translator", tiny_generator())):
        models.save(folder / f"{name}.safetensors", model)
    return folder


def call(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_a_grid_and_single_files_from_the_command_line(files, tmp_path, plain, capsys, monkeypatch):
    assert call("sample", files / "plain.safetensors", tmp_path / "grid.png", "--n", 5, "--seed", 3) == 0
    assert call("sample", files / "plain.safetensors", tmp_path / "single", "--n", 5, "--seed", 3) == 0
    assert "wrote 5 images" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        assert call("sample", files / "plain.safetensors", "--n", 5, "--seed", 3) == 0
    assert "wrote 5 images to samples.png" in capsys.readouterr().out
    assert (tmp_path / "samples.png").read_bytes() == (tmp_path / "grid.png").read_bytes()
    result = latents.sample(plain, latents.latents_of(plain, 5, seed=3))
    np.testing.assert_array_equal(image_files.read(tmp_path / "grid.png", 3), image.grid(result, 5))
    names = sorted(path.name for path in (tmp_path / "single").iterdir())
    assert names == [f"{i:05d}.png" for i in range(5)]
    np.testing.assert_array_equal(image_files.read(tmp_path / "single" / names[4], 3), result[4])


def test_classes_from_the_command_line(files, tmp_path, classed):
    file = files / "classed.safetensors"
    assert call("sample", file, tmp_path / "rows.png") == 0
    np.testing.assert_array_equal(image_files.read(tmp_path / "rows.png", 3), latents.class_rows(classed))
    assert call("sample", file, tmp_path / "ones", "--label", 1, "--n", 2) == 0
    expected = latents.sample(classed, latents.latents_of(classed, 2), [1, 1])
    np.testing.assert_array_equal(image_files.read(tmp_path / "ones" / "00001.png", 3), expected[1])
    assert call("sample", file, tmp_path / "ways.png", "--interpolate", "--n", 16) == 0
    assert image_files.read(tmp_path / "ways.png", 3).shape == (18, 78, 3)


def test_inspect_says_what_latents_are_wanted(files, capsys):
    assert call("inspect", files / "classed.safetensors") == 0
    said = capsys.readouterr().out
    assert "  uniform latents of 6 numbers -> 8x8 pixels of 3 channels in [-1.0, 1.0]" in said


def named(model, *names):
    return model._replace(spec=dataclasses.replace(model.spec, classes=names))


def test_a_class_is_called_by_its_name_or_by_its_number_where_none_has_that_name(classed):
    assert [latents.label_of(classed, name) for name in ("0", "2")] == [0, 2]
    with pytest.raises(
        latents.UnfitError, match=r"no class is cat, and .* no names of classes; wanted a number from 0"
    ):
        latents.label_of(classed, "cat")
    numbered = named(classed, "1", "2", "cat")
    assert [latents.label_of(numbered, name) for name in ("1", "2", "cat", "0")] == [0, 1, 2, 0]
    for wrong in ("3", "-1", "Cat", "", "0.0"):
        with pytest.raises(latents.UnfitError, match=r"from 0 to 2, or a name: 0 1, 1 2, 2 cat\.$"):
            latents.label_of(numbered, wrong)
    with pytest.raises(latents.UnfitError, match=r"no class is 2; wanted a name, behind its label: 0 0, 1 1, 2 5\.$"):
        latents.label_of(named(classed, "0", "1", "5"), "2")
    spec = dataclasses.replace(classed.spec, classes=tuple("abcdefghijkl"))
    assert spec.classes_in_words == "0 a, 1 b, 2 c, 3 d, 4 e, 5 f, 6 g, 7 h, 8 i, 9 j, ... (12 in all)"
    assert classed.spec.classes_in_words == ""


def test_the_class_that_was_made_is_said(tmp_path, classed, capsys):
    for name, model in (("numbers", classed), ("names", named(classed, "ant", "bee", "0"))):
        models.save(tmp_path / f"{name}.safetensors", model)
    for name, label, said in (("numbers", "1", "label 1"), ("names", "bee", "class bee (label 1)")):
        assert (
            call("sample", tmp_path / f"{name}.safetensors", tmp_path / f"{name}.png", "--label", label, "--n", 2) == 0
        )
        assert capsys.readouterr().out == f"wrote 2 images of {said} to {tmp_path / name}.png\n"
    np.testing.assert_array_equal(*(image_files.read(tmp_path / f"{name}.png", 3) for name in ("numbers", "names")))
    assert call("sample", tmp_path / "names.safetensors", tmp_path / "zero.png", "--label", "0", "--n", 2) == 0
    assert "of class 0 (label 2)" in capsys.readouterr().out  # its name, before it is another's number
    assert call("inspect", tmp_path / "names.safetensors") == 0
    assert capsys.readouterr().out.endswith("\n  classes: 0 ant, 1 bee, 2 0\n")
    assert call("inspect", tmp_path / "numbers.safetensors") == 0
    assert "classes:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "translator.safetensors", "a.png"], "a generator of pix2pix, which makes no images from latents"),
        (["sample", "plain.safetensors", "a.png", "--label", "1"], "has no classes, so none is 1; leave out"),
        (["sample", "classed.safetensors", "a.png", "--label", "3"], "no class is 3"),
        (["sample", "classed.safetensors", "a.png", "--label", "-1"], "no class is -1"),
        (["sample", "plain.safetensors", "a.png", "--n", "0"], "--n is 0; wanted at least 1."),
        (["sample", "plain.safetensors", "a.png", "--n", "9", "--interpolate"], "wanted a multiple of it."),
        (["sample", "plain.safetensors", "a.png", "--seed", "-1"], "--seed is -1; wanted at least 0"),
        (["sample", "plain.safetensors", "a.jpg"], "a grid is written as .png"),
        (["translate", "plain.safetensors", "in.png", "out"], "makes images from latents, not from images"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(files, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(files)
    assert call(*arguments) == 2
    assert words in capsys.readouterr().err
    assert sorted(path.suffix for path in files.iterdir()) == [".safetensors"] * 3


def test_write_says_how_many_it_wrote(plain, classed, tmp_path):
    assert latents.write(plain, tmp_path / "a.png") == 64
    assert latents.write(classed, tmp_path / "b.png") == 24  # eight of each class
    assert latents.write(classed, tmp_path / "c", count=2) == 2
