"""Recipes on prepared data sets: what they train on and score is what they train on and score of the folder."""

import itertools

import numpy as np
import pytest

from gan_jax import cli
from gan_jax.data import image_files, pipeline
from gan_jax.data.demo.day_night import DayNight
from gan_jax.recipes import cyclegan, dcgan, pix2pix, preview, srgan

COUNTS = {"train": 6, "test": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of pairs, of one side of them with classes, and of the other in two resolutions."""
    root = tmp_path_factory.mktemp("data")
    for split, count in COUNTS.items():
        scenes = DayNight(split, count, (40, 44))
        for i in range(count):
            for side, key in (("A", "source"), ("B", "target")):
                image_files.save(root / "pairs" / f"{split}{side}" / f"{i}.png", scenes[i][key])
            image_files.save(root / "classes" / split / f"{'ab'[i % 2]}" / f"{i}.png", scenes[i]["source"])
            image_files.save(root / "high" / split / f"{i}.jpg", scenes[i]["target"])
            image_files.save(root / "low" / split / f"{i}.png", scenes[i]["target"][::4, ::4])
    return root


def prepared(*arguments):
    assert cli.main(["data", "prepare", *map(str, arguments), "--workers", "1"]) == 0
    return arguments[1]


def batches(experiment):
    stream = pipeline.batches(experiment.train, batch_size=2, seed=1, transform=experiment.train_transform, threads=1)
    taken = list(itertools.islice(stream, 4))
    stream.close()
    return {name: np.stack([batch[name] for batch in taken]) for name in taken[0]}


def assert_same(recipe, of_folder, of_prepared, flags):
    flags = flags.split()
    parts = [recipe.build(["--dataroot", str(place), *flags])[1] for place in (of_folder, of_prepared)]
    expected, given = map(batches, parts)
    assert expected.keys() == given.keys()
    for name in expected:
        np.testing.assert_array_equal(given[name], expected[name])
    splits = [part.evaluator.splits for part in parts]
    for name in splits[0]:
        assert len(splits[0][name]) == len(splits[1][name])
    return parts


SIZES = "--load_size 36 --crop_size 32"


def test_pix2pix(root, tmp_path, capsys):
    place = prepared(root / "pairs", tmp_path / "out", *SIZES.split())
    assert_same(pix2pix, root / "pairs", place, f"{SIZES} --direction BtoA")
    captured = capsys.readouterr()
    assert f"the images of {root / 'pairs'} are taken for pairs; --kind says otherwise" in captured.err
    assert "6 in train, 2 in test" in captured.out
    assert "stored as pixels" in captured.out


def test_pix2pix_with_derive_on_photographs(root, tmp_path):
    place = prepared(root / "high", tmp_path / "out")
    assert_same(pix2pix, root / "high", place, f"{SIZES} --derive gray")
    with pytest.raises(ValueError, match="has single images; give --derive gray or"):
        pix2pix.build(["--dataroot", str(place)])


@pytest.mark.parametrize("mode", ["unaligned", "aligned"])
def test_cyclegan(root, tmp_path, mode):
    kind = "unpaired" if mode == "unaligned" else "pairs"
    place = prepared(root / "pairs", tmp_path / "out", *SIZES.split(), "--kind", kind)
    assert_same(cyclegan, root / "pairs", place, f"{SIZES} --dataset_mode {mode} --lambda_identity 0")
    if mode == "aligned":
        with pytest.raises(ValueError, match=r"has no split trainA, but .*dataset_mode aligned reads pairs"):
            cyclegan.build(["--dataroot", str(place)])


def test_dcgan(root, tmp_path):
    place = prepared(root / "classes", tmp_path / "out", "--size", "32")
    assert_same(dcgan, root / "classes", place, "--size 32 --conditional")


def test_srgan_with_low_resolution_and_without(root, tmp_path):
    flags = "--gt_size 16 --scale 4"
    place = prepared(root / "high", tmp_path / "both", "--dataroot_lq", root / "low")
    expected = srgan.build(["--dataroot", str(root / "high"), "--dataroot_lq", str(root / "low"), *flags.split()])[1]
    given = srgan.build(["--dataroot", str(place), *flags.split()])[1]
    a, b = batches(expected), batches(given)
    assert a.keys() == b.keys() == {"target", "source"}
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    with pytest.raises(ValueError, match="low resolution is given as it is"):
        srgan.build(["--dataroot", str(place), "--noise", "3", *flags.split()])
    with pytest.raises(ValueError, match="wanted the ratio of --scale 2"):
        srgan.build(["--dataroot", str(place), "--gt_size", "16", "--scale", "2"])
    assert_same(srgan, root / "high", prepared(root / "high", tmp_path / "high"), f"{flags} --noise 3")


def test_preview_draws_what_is_trained_on(root, tmp_path, capsys):
    out = tmp_path / "seen.png"
    config, experiment = pix2pix.build(["--dataroot", str(root / "pairs"), *SIZES.split()])
    lines = preview.draw(config, experiment, out, count=3)
    batch = next(pipeline.batches(experiment.train, batch_size=3, seed=0, transform=experiment.train_transform))
    drawn = image_files.read(out, 3)
    assert drawn.shape == (14 + 3 * 36, 2 * 36, 3)
    np.testing.assert_array_equal(drawn[14:46, :32], batch["source"][0])
    np.testing.assert_array_equal(drawn[14 + 72 : 118, 36:68], batch["target"][2])
    assert lines[0].startswith("source: uint8 32x32, 3 channels, ")
    flags = ["--dataroot", str(root / "high"), "--gt_size", "16", "--out", str(out)]
    assert cli.main(["data", "preview", "srgan", *flags]) == 0
    said = capsys.readouterr().out
    assert "source: uint8 4x4, 3 channels" in said
    assert "target: uint8 16x16, 3 channels" in said
    assert cli.main(["data", "preview", "dcgan", "--dataroot", str(root / "classes"), "--out", str(out)]) == 0
    assert "label: [" in capsys.readouterr().out
    assert cli.main(["data", "preview"]) == 2
    assert cli.main(["data", "preview", "--help"]) == 0
    assert cli.main(["data", "preview", "pix"]) == 2
    assert "there is no recipe pix; perhaps pix2pix is meant" in capsys.readouterr().err


def test_images_smaller_than_the_crop_are_said_before_the_first_step(root, tmp_path):
    place = prepared(root / "pairs", tmp_path / "out", *SIZES.split())
    with pytest.raises(ValueError, match=r"train of .* has an image 36 wide or 36 high; wanted at least 64"):
        pix2pix.build(["--dataroot", str(place), "--preprocess", "crop", "--crop_size", "64"])
    with pytest.raises(FileNotFoundError, match=r"nothing is not prepared in .*where there is internet, prepare it"):
        pix2pix.build(["--dataroot", "tfds:nothing"])
