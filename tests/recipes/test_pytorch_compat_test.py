"""test.py: images, scores and the page of a finished run, and its refusals."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_jax import infer
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.recipes import pytorch_compat_test

ROOT = Path(__file__).parents[2]


@pytest.fixture
def test(finished_run, facades_folder, tmp_path):
    """(flags) -> the exit code of testing the run that all tests share; images go below tmp_path/tiny."""

    def start(*flags):
        line = ["--dataroot", facades_folder, "--name", "tiny", "--checkpoints_dir", finished_run.parent]
        return pytorch_compat_test.main(
            [str(flag) for flag in (*line, "--results_dir", tmp_path, "--model", "pix2pix", *flags)]
        )

    return start


@pytest.fixture
def singles(tmp_path):
    """A folder of three single images, one of them in a sub-folder and with a name that a URL must quote."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "sub/c #1.png"):
        image_files.save(tmp_path / "in" / name, rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    return tmp_path / "in"


def read(path):
    return image_files.read(path, 3)


def test_pairs_are_translated_and_scored_as_the_run_scored_them(test, finished_run, facades_folder, tmp_path, capsys):
    assert test("--gpu_ids", 0, "--netG", "unet_256", "--norm", "batch") == 0
    said = capsys.readouterr().out
    folder = tmp_path / "tiny" / "test_latest"
    assert len(list((folder / "images").iterdir())) == 9
    both = read(facades_folder / "test" / "test_0001.png")
    np.testing.assert_array_equal(read(folder / "images" / "test_0001_real_A.png"), both[:, :32])
    np.testing.assert_array_equal(read(folder / "images" / "test_0001_real_B.png"), both[:, 32:])
    fake = infer.translate(models.load(finished_run), both[:, :32])
    np.testing.assert_array_equal(read(folder / "images" / "test_0001_fake_B.png"), fake)

    row = json.loads((finished_run / "results" / "scores.json").read_text())["rows"][0]
    # The run translates on eight devices, which is another program: of a hundred values one may be a level off.
    scores = re.search(r"mean PSNR ([\d.]+) dB, mean SSIM ([\d.-]+) \(rgb: 8-bit RGB", said).groups()
    np.testing.assert_allclose([float(score) for score in scores], [row["psnr"], row["ssim"]], atol=1e-3)
    assert "wrote 3 of 3\n" in said
    assert "ignored --netG, --norm: the generator's file says" in said
    assert "ignored --gpu_ids: " in said


def test_the_page_shows_every_image_by_relative_paths(test, singles, tmp_path):
    assert test("--dataroot", singles, "--model", "test") == 0
    folder = tmp_path / "tiny" / "test_latest"
    page = (folder / "index.html").read_text()
    links = re.findall(r'src="([^"]*)"', page)
    assert links[-1] == "images/sub/c%20%231_fake.png"
    assert len(links) == 6
    assert all((folder / link.replace("%20", " ").replace("%23", "#")).is_file() for link in links)
    assert "http" not in page


def test_single_images_need_no_reference_and_get_no_score(test, singles, finished_run, tmp_path, capsys):
    assert test("--dataroot", singles, "--dataset_mode", "single", "--preprocess", "none", "--phase", "val") == 0
    said = capsys.readouterr().out
    assert "wrote 3 of 3" in said
    assert "PSNR" not in said
    images = tmp_path / "tiny" / "val_latest" / "images"
    np.testing.assert_array_equal(read(images / "a_real.png"), read(singles / "a.png"))
    fake = infer.translate(models.load(finished_run), read(singles / "a.png"))
    np.testing.assert_array_equal(read(images / "a_fake.png"), fake)


def test_images_are_resized_as_the_run_does_unless_flags_say_otherwise(test, singles, tmp_path):
    fake = tmp_path / "tiny" / "test_latest" / "images" / "a_fake.png"
    assert test("--dataroot", singles, "--model", "test", "--num_test", 1) == 0
    assert read(fake).shape == (32, 32, 3)
    assert test("--dataroot", singles, "--model", "test", "--how_many", 1, "--fineSize", 64) == 0
    assert read(fake).shape == (64, 64, 3)
    assert not fake.with_name("b_fake.png").exists()


def test_the_best_generator_and_other_splits_have_folders_of_their_own(test, tmp_path, tiny_generator, capsys):
    run = tmp_path / "runs" / "tiny"
    run.mkdir(parents=True)
    best = tiny_generator(dropout=False)
    models.save(run / "tiny.safetensors", tiny_generator())
    models.save(run / "tiny_best.safetensors", best)
    flags = ["--checkpoints_dir", run.parent, "--phase", "train", "--num_test", 1, "--crop_size", 32]
    assert test(*flags, "--epoch", "best") == 0
    assert "wrote 1 of 1" in capsys.readouterr().out
    (source,) = (tmp_path / "tiny" / "train_best" / "images").glob("train*_real_A.png")
    fake = read(source.with_name(source.name.replace("real_A", "fake_B")))
    np.testing.assert_array_equal(infer.translate(best, read(source)), fake)


def test_a_kept_epoch_is_tested(test, finished_run, tmp_path, tiny_generator, capsys):
    """Of a run of two epochs of two steps each."""
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    kept = tiny_generator(dropout=False)
    (tmp_path / "runs" / "tiny" / "kept" / "2").mkdir(parents=True)
    models.save(tmp_path / "runs" / "tiny" / "kept" / "2" / "tiny.safetensors", kept)
    flags = ["--checkpoints_dir", tmp_path / "runs", "--num_test", 1]
    assert test(*flags, "--which_epoch", 1) == 0
    images = tmp_path / "tiny" / "test_1" / "images"
    fake = read(images / "test_0000_fake_B.png")
    np.testing.assert_array_equal(infer.translate(kept, read(images / "test_0000_real_A.png")), fake)
    assert test(*flags, "--epoch", 2) == 2
    assert "keeps no generator of epoch 2; it keeps those of epoch 1: give one of them." in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["{}", "{}A", "A/{}"])
def test_any_split_of_the_data_is_a_phase(layout, test, facades_folder, tmp_path, capsys):
    root, halves = tmp_path / "data", {"A": slice(0, 32), "B": slice(32, 64)}
    for split in ("train", "blind"):
        image = read(facades_folder / "test" / "test_0001.png")
        if layout == "{}":
            image_files.save(root / split / "x.png", image)
        for side, half in halves.items() if layout != "{}" else ():
            image_files.save(root / layout.replace("A", side).format(split) / "x.png", image[:, half])
    assert test("--dataroot", root, "--phase", "blind") == 0
    assert "wrote 1 of 1" in capsys.readouterr().out
    images = tmp_path / "tiny" / "blind_latest" / "images"
    np.testing.assert_array_equal(read(images / "x_real_B.png"), image[:, halves["B"]])
    assert test("--dataroot", root, "--phase", "night") == 2
    assert "holds no images of --phase night" in capsys.readouterr().err


def test_more_than_ten_failures_end_with_their_number(test, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for i in range(12):
        image_files.save(tmp_path / "in" / f"{i}.png", np.zeros((20, 30, 3), np.uint8))
        (tmp_path / "in" / f"{i}.png").write_bytes((tmp_path / "in" / f"{i}.png").read_bytes()[:40])
    assert test("--dataroot", tmp_path / "in", "--model", "test") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "error: ... and 2 more."


def test_another_direction_is_said_and_taken(test, facades_folder, tmp_path, capsys):
    assert test("--direction", "AtoB") == 0
    assert "exchanges" not in capsys.readouterr().out
    assert test("--direction", "BtoA") == 0
    assert "trained AtoB: --direction BtoA exchanges" in capsys.readouterr().out
    both = read(facades_folder / "test" / "test_0000.png")
    images = tmp_path / "tiny" / "test_latest" / "images"
    np.testing.assert_array_equal(read(images / "test_0000_real_A.png"), both[:, 32:])
    np.testing.assert_array_equal(read(images / "test_0000_real_B.png"), both[:, :32])


def test_eval_and_no_dropout_change_how_the_generator_behaves(test, finished_run, facades_folder, tmp_path):
    source = read(facades_folder / "test" / "test_0000.png")[:, :32]
    model = models.load(finished_run)
    for flag, changes in (("--eval", {"norm": "running", "dropout": False}), ("--no_dropout", {"dropout": False})):
        assert test(flag, "--num_test", 1) == 0
        fake = read(tmp_path / "tiny" / "test_latest" / "images" / "test_0000_fake_B.png")
        changed = model._replace(spec=dataclasses.replace(model.spec, **changes))
        np.testing.assert_array_equal(fake, infer.translate(changed, source))
        assert np.abs(fake.astype(int) - infer.translate(model, source)).max() > 0


def test_a_folder_that_holds_only_a_generator_is_tested_as_the_pytorch_code_does(tmp_path, tiny_generator, singles):
    (tmp_path / "pretrained").mkdir()
    models.save(tmp_path / "pretrained" / "latest.safetensors", tiny_generator())
    line = ["--dataroot", singles, "--name", "pretrained", "--checkpoints_dir", tmp_path, "--results_dir", tmp_path]
    assert pytorch_compat_test.main([str(argument) for argument in (*line, "--model", "test", "--num_test", 1)]) == 0
    assert read(tmp_path / "pretrained" / "test_latest" / "images" / "a_fake.png").shape == (256, 256, 3)


def test_a_run_on_photographs_makes_its_inputs_itself(tmp_path, tiny_generator):
    (tmp_path / "gray").mkdir()
    models.save(tmp_path / "gray" / "gray.safetensors", tiny_generator(in_channels=1))
    recipe = {"direction": "AtoB", "derive": "grey", "preprocess": "crop", "load_size": 286, "crop_size": 256}
    (tmp_path / "gray" / "config.json").write_text(json.dumps({"recipe": recipe}))
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image_files.save(tmp_path / "photos" / "test" / "a.png", photo)
    line = ["--dataroot", tmp_path / "photos", "--name", "gray", "--checkpoints_dir", tmp_path]
    assert pytorch_compat_test.main([str(argument) for argument in (*line, "--results_dir", tmp_path)]) == 0
    images = tmp_path / "gray" / "test_latest" / "images"
    np.testing.assert_array_equal(read(images / "a_real_B.png"), photo)
    gray = read(images / "a_real_A.png")
    np.testing.assert_array_equal(gray[..., 0], image_files.read(tmp_path / "photos" / "test" / "a.png", 1)[..., 0])


def test_an_image_that_cannot_be_decoded_is_named_and_the_rest_is_done(test, singles, tmp_path, capsys):
    whole = (singles / "b.png").read_bytes()
    (singles / "b.png").write_bytes(whole[: len(whole) // 2])
    assert test("--dataroot", singles, "--model", "test") == 1
    said = capsys.readouterr()
    assert "wrote 2 of 3" in said.out
    assert "b.png is damaged" in said.err
    assert (tmp_path / "tiny" / "test_latest" / "images" / "sub" / "c #1_fake.png").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--name", "nobody"], "nobody does not exist"),
        (["--dataroot", "nowhere"], "no folder nowhere"),
        (["--dataroot", "nowhere", "--model", "test"], "nowhere does not exist"),
        (["--model", "cycle_gan"], "tiny_AtoB.safetensors does not exist"),
        (["--epoch", "100"], "tiny keeps no generator of epoch 100; a run keeps what --keep, --save_epoch_freq"),
        (["--epoch", "first"], "--epoch is first; wanted latest, best, or an epoch that --save_epoch_freq kept"),
        (["--phase", "blind"], "holds no images of --phase blind"),
        (["--phase", "../val"], "--phase is ../val; wanted the name of one folder"),
        (["--aspect_ratio", "1.5"], "--aspect_ratio 1.5: images keep their sides"),
        (["--num_test", "0"], "--num_test is 0; wanted at least 1"),
        (["--crop_size", "-3"], "--crop_size is -3; wanted at least 1"),
    ],
)
def test_what_cannot_be_tested_is_said_in_a_sentence(test, flags, words, capsys, tmp_path):
    assert test(*flags) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_images_that_make_no_pair_and_folders_without_any(test, singles, tmp_path, capsys):
    image_files.save(tmp_path / "odd" / "test" / "a.png", np.zeros((20, 31, 3), np.uint8))
    assert test("--dataroot", tmp_path / "odd") == 2
    assert "A and B side by side need an even width" in capsys.readouterr().err
    image_files.save(tmp_path / "trains" / "train" / "a.png", np.zeros((20, 30, 3), np.uint8))
    assert test("--dataroot", tmp_path / "trains") == 2
    assert "no images to test on; --phase train" in capsys.readouterr().err
    assert not (tmp_path / "tiny").exists()


def test_a_run_without_a_best_generator_or_with_a_damaged_recipe_is_refused(test, finished_run, tmp_path, capsys):
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    shutil.copy(finished_run / "tiny.safetensors", tmp_path / "runs" / "tiny")
    assert test("--checkpoints_dir", tmp_path / "runs", "--epoch", "best") == 2
    assert "use --epoch latest" in capsys.readouterr().err
    (tmp_path / "runs" / "tiny" / "config.json").write_text("[]")
    assert test("--checkpoints_dir", tmp_path / "runs") == 2
    assert "config.json is damaged" in capsys.readouterr().err


def test_the_program_itself(finished_run, facades_folder, tmp_path):
    """As the PyTorch code's README has it, from a working folder of its own."""
    (tmp_path / "checkpoints").symlink_to(finished_run.parent)
    line = [sys.executable, ROOT / "test.py", "--dataroot", facades_folder, "--model", "pix2pix", "--name", "tiny"]
    done = subprocess.run([*line, "--direction", "AtoB"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "results" / "tiny" / "test_latest" / "index.html").is_file()
