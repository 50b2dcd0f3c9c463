"""The CycleGAN recipe: two folders of images, pairs and the embedded set for some steps, and its own refusals."""

import json
import re

import jax
import numpy as np
import pytest

from gan_jax import cli, infer, losses
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.data.demo.day_night import DayNight
from gan_jax.log import read_log
from gan_jax.recipes import cyclegan as experiment
from gan_jax.recipes import pytorch_compat_test, unpaired
from gan_jax.training import meter, run

# A U-Net without norm: the quickest to compile.
SMALL = "--name two --n_epochs 1 --n_epochs_decay 0 --netG unet_32 --norm none --ngf 1 --ndf 1 --n_layers_D 1 "
SMALL += (
    "--pool_size 2 --lambda_identity 0 --load_size 36 --crop_size 32 --print_freq 1 --val_freq 2 --save_latest_freq 2"
)


def start(*arguments):
    return run.main(lambda: experiment.build([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Two folders of unequal numbers and sizes: 4 by day and 3 by night to train on, 2 and 1 to test."""
    root = tmp_path_factory.mktemp("data") / "kinds"
    folders = {
        "trainA": (4, "source", 32),
        "trainB": (3, "target", 40),
        "testA": (2, "source", 32),
        "testB": (1, "target", 40),
    }
    for folder, (count, key, height) in folders.items():
        scenes = DayNight("train" if "train" in folder else "test", count, (height, 36))
        for i in range(count):
            image_files.save(root / folder / f"{folder}{i}.png", scenes[i][key])
    return root


@pytest.fixture(scope="module")
def finished(kinds, tmp_path_factory):
    """The folder of a run of four steps that went through; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("runs")
    assert start("--dataroot", kinds, *SMALL.split(), "--checkpoints_dir", folder) == 0
    return folder / "two"


def test_defaults_are_those_of_the_pytorch_code():
    config = experiment.Config()
    assert (config.netG, config.norm, config.no_dropout, config.gan_mode) == (
        "resnet_9blocks",
        "instance",
        True,
        "lsgan",
    )
    assert (config.lambda_A, config.lambda_B, config.lambda_identity, config.pool_size) == (10.0, 10.0, 0.5, 50)
    assert (config.lr, config.beta1, config.n_epochs, config.n_epochs_decay) == (2e-4, 0.5, 100, 100)
    assert (config.load_size, config.crop_size, config.batch_size, config.n_layers_D) == (286, 256, 1, 3)


def test_an_epoch_is_as_long_as_the_larger_folder_and_both_directions_are_exported(finished):
    assert json.loads((finished / "config.json").read_text())["steps"] == 4
    names = {path.name for path in finished.glob("*.safetensors")}
    assert names == {
        "two_AtoB.safetensors",
        "two_BtoA.safetensors",
        "two_critic_A.safetensors",
        "two_critic_B.safetensors",
    }
    spec = models.load(finished / "two_BtoA.safetensors").spec
    assert (spec.method, spec.step, spec.dropout, spec.architecture["name"]) == ("cyclegan", 4, False, "UNet")
    with pytest.raises(
        ValueError, match=r"holds several generators \(two_AtoB.safetensors, two_BtoA.safetensors\); give --direction"
    ):
        models.load(finished)


def test_translate_takes_the_folder_and_a_direction(finished, kinds, tmp_path, capsys):
    image = kinds / "testB" / "testB0.png"
    assert cli.main(["translate", str(finished), str(image), str(tmp_path / "a.png"), "--direction", "BtoA"]) == 0
    fake = infer.translate(models.load(finished, direction="BtoA"), image_files.read(image, 3))
    np.testing.assert_array_equal(image_files.read(tmp_path / "a.png", 3), fake)
    capsys.readouterr()
    assert cli.main(["translate", str(finished), str(image), str(tmp_path / "b.png")]) == 2
    assert "give --direction AtoB or BtoA" in capsys.readouterr().err


def test_images_without_counterparts_are_translated_and_not_scored(finished):
    scores = json.loads((finished / "results" / "scores.json").read_text())
    assert (scores["count"], scores["rows"]) == (3, [])
    written = sorted(path.relative_to(finished / "results").as_posix() for path in finished.glob("results/output/*/*"))
    assert written == ["output/AtoB/testA0.png", "output/AtoB/testA1.png", "output/BtoA/testB0.png"]
    rows = [row for row in read_log(finished / "log.jsonl") if row["kind"] == "validation"]
    assert {f"{name}/health/contrast" for name in ("AtoB", "BtoA")} <= set(rows[0])
    assert not any("psnr" in name for name in rows[0])
    page = (finished / "report.html").read_text()
    assert "Validation AtoB contrast" in page
    # Four steps make flat images, and that is said.
    assert "BtoA: the images are flat" in page


def test_the_report_shows_both_ways_there_and_back(finished, sections):
    result = sections(finished)
    body = result["Test images"]
    assert re.findall("<h3>(.*?)</h3>|<h4>(.*?)</h4>", body) == [
        ("A to B", ""), ("", "testA0"), ("", "testA1"), ("B to A", ""), ("", "testB0"),
    ]  # fmt: skip
    there, back = (["{0}", "fake {1}", "reconstructed {0}", "identity {0}"] for _ in "AB")
    there, back = [word.format("A", "B") for word in there], [word.format("B", "A") for word in back]
    assert re.findall('alt="(.*?)"', body) == [*there, *there, *back]
    assert "No test scores: nothing says what these images should be." in result["Scores"]
    assert "from above: A to B, B to A." in result["The fixed batch over time"]
    header = (finished / "report.html").read_text().split("</header>")[0]
    assert "Best validation" not in header
    assert "AtoB: UNet" in result["Networks"]


def test_pairs_are_shown_with_their_counterparts_and_scored_by_direction(facades_folder, sections, tmp_path, capsys):
    mode = ["--dataset_mode", "aligned", "--max_dataset_size", 2, "--val_freq", 100]
    assert start("--dataroot", facades_folder, *SMALL.split(), *mode, "--checkpoints_dir", tmp_path) == 0
    result = sections(tmp_path / "two")
    captions = re.findall('alt="(.*?)"', result["Test images"])
    assert captions[:5] == ["A", "fake B", "reconstructed A", "identity A", "B"]
    assert captions[-5:] == ["B", "fake A", "reconstructed B", "identity B", "A"]
    rows = re.findall('<th scope="row">(.*?)</th>', result["Scores"])
    assert rows == ["A to B", "A to B: the input", "B to A", "B to A: the input"]
    few = "the test has 2 images: with fewer than 8 images, scores mean little."
    said = capsys.readouterr().out.splitlines()
    assert (said.count(f"  note: {few}"), said.count(f"note: {few}")) == (1, 1)
    assert result["Scores"].count(few) == 1


def test_the_command_line_translates_with_either(finished, kinds, tmp_path):
    model = models.load(finished / "two_AtoB.safetensors")
    arguments = ["translate", finished / "two_AtoB.safetensors", kinds / "testA", tmp_path / "out"]
    assert cli.main([str(argument) for argument in arguments]) == 0
    image = image_files.read(kinds / "testA" / "testA0.png", 3)
    np.testing.assert_array_equal(image_files.read(tmp_path / "out" / "testA0.png", 3), infer.translate(model, image))


def test_stopped_and_resumed_it_ends_in_the_same_bytes(finished, kinds, tmp_path, monkeypatch):
    """The pools, of which half are exchanged by then, are in the checkpoint."""
    line = ["--dataroot", kinds, *SMALL.split(), "--checkpoints_dir", tmp_path]

    class KilledError(Exception):
        pass

    step = meter.Meter.step

    def killed(self, number, metrics, waited):
        step(self, number, metrics, waited)
        if number == 3:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(meter.Meter, "step", killed)
        with pytest.raises(KilledError):
            start(*line)
    assert start(*line) == 0
    for file in finished.glob("*.safetensors"):
        assert (tmp_path / "two" / file.name).read_bytes() == file.read_bytes(), file.name
    logs = [read_log(folder / "log.jsonl") for folder in (tmp_path / "two", finished)]
    rows = [[(row["step"], row.get("loss/generators"), row.get("loss/critic_A")) for row in log] for log in logs]
    assert rows[0] == rows[1]


def test_test_py_writes_both_directions(finished, kinds, tmp_path, capsys):
    line = ["--dataroot", kinds, "--name", "two", "--checkpoints_dir", finished.parent, "--results_dir", tmp_path]
    assert (
        pytorch_compat_test.main(
            [str(argument) for argument in (*line, "--model", "cycle_gan", "--preprocess", "none")]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "2 images fake_B" in said
    assert "1 images fake_A" in said
    assert "wrote 3 of 3" in said
    images = tmp_path / "two" / "test_latest" / "images"
    assert len(list(images.iterdir())) == 6
    image = image_files.read(kinds / "testB" / "testB0.png", 3)
    np.testing.assert_array_equal(image_files.read(images / "testB0_real_B.png", 3), image)
    fake = infer.translate(models.load(finished / "two_BtoA.safetensors"), image)
    np.testing.assert_array_equal(image_files.read(images / "testB0_fake_A.png", 3), fake)
    # A folder alone, by the generator that --model_suffix names.
    line[1] = kinds / "testB"
    singles = [*line, "--model", "test", "--model_suffix", "_B", "--preprocess", "none", "--phase", "val"]
    assert pytorch_compat_test.main([str(argument) for argument in singles]) == 0
    result = image_files.read(tmp_path / "two" / "val_latest" / "images" / "testB0_fake.png", 3)
    np.testing.assert_array_equal(result, fake)
    assert pytorch_compat_test.main([str(argument) for argument in (*singles, "--epoch", "best")]) == 2
    assert "a run writes it when validation scores it" in capsys.readouterr().err


def test_the_embedded_scenes_are_apart_in_training_and_known_in_the_test(monkeypatch):
    monkeypatch.setattr(unpaired, "EMBEDDED_COUNTS", {"train": 3, "val": 2, "test": 2})
    _, parts = experiment.build(["demo"])
    day, night = (part.indices for part in parts.train.parts)
    assert (day, night, len(parts.train)) == (range(3), range(3, 6), 3)
    tasks = parts.evaluator.tasks
    pair = tasks["BtoA"].test[1]
    assert (tasks["BtoA"].source, tasks["BtoA"].target) == ("target", "source")
    np.testing.assert_array_equal(tasks["AtoB"].baselines["the input"](pair["source"]), pair["source"])
    assert parts.networks["AtoB"]["depth"] == 5


def test_pairs_are_trained_on_apart_and_scored(facades_folder):
    flags = ["--dataroot", facades_folder, "--dataset_mode", "aligned", "--direction", "BtoA", "--lambda_identity", 0]
    _, parts = experiment.build([str(flag) for flag in flags])
    pair = parts.evaluator.tasks["AtoB"].test[0]
    whole = image_files.read(facades_folder / "test" / "test_0000.png", 3)
    np.testing.assert_array_equal(pair["source"], whole[:, 32:])
    first = parts.train.parts[1][0]["B"]
    np.testing.assert_array_equal(first, image_files.read(facades_folder / "train" / "train_0000.png", 3)[:, :32])
    assert len(parts.train) == 16


def test_direction_exchanges_the_folders(kinds):
    _, parts = experiment.build(["--dataroot", str(kinds), "--direction", "BtoA"])
    assert [len(part) for part in parts.train.parts] == [3, 4]
    assert parts.evaluator.tasks["AtoB"].test[0]["name"] == "testB0"


@pytest.mark.parametrize(
    ("flags", "weights"),
    [
        ([], (10.0, 10.0)),
        (["--cycle", "forward", "--lambda_A", "3"], (3.0, 0.0)),
        (["--cycle", "backward"], (0.0, 10.0)),
        (["--cycle", "none"], (0.0, 0.0)),
    ],
)
def test_ablations_are_a_flag_each(flags, weights):
    config, _ = experiment.build(["demo", *flags])
    assert config.cycle_weights == weights


def test_clipping_and_penalty_reach_the_method(monkeypatch):
    given = {}
    monkeypatch.setattr(experiment, "cyclegan", lambda *_, **options: given.update(options))
    experiment.build(["demo", "--gan_mode", "wgangp", "--lambda_gp", "7"])
    assert (given["adversarial"], given["penalty_weight"]) == (losses.wasserstein, 7.0)
    experiment.build(["demo", "--gan_mode", "wasserstein", "--clip", "0.02"])
    assert given["penalty_weight"] == 0.0
    critic = {"kernel": np.full(2, 0.5)}
    updates, _ = given["critic_tx"].update(critic, given["critic_tx"].init(critic), critic)
    np.testing.assert_allclose(critic["kernel"] + updates["kernel"], 0.02, rtol=1e-6)


def test_presets_are_the_papers(kinds):
    for name in experiment.PRESETS.keys() - {"demo"}:
        config, _ = experiment.build([name, "--dataroot", str(kinds)])
        assert config.lambda_identity == (0.5 if name.endswith("2photo") else 0.0)
        assert (config.n_epochs, config.n_epochs_decay, config.crop_size) == (100, 100, 256)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "give --dataroot FOLDER, or a preset (demo, monet2photo"),
        (["dmeo"], "no preset is called dmeo; there is demo"),
        (["horse2zebra"], "no folder datasets/horse2zebra; unpack http://efrosgans.eecs.berkeley.edu/cyclegan/"),
        (["--dataroot", "nowhere"], "no folder nowhere"),
        (["demo", "--derive", "gray"], "--derive gray makes pairs; use pix2pix"),
        (["demo", "--gan_mode", "none", "--cycle", "none"], "leaves no loss; give one of them"),
        (["demo", "--lambda_B", "nan"], "--lambda_B is nan; wanted a finite number"),
        (["demo", "--pool_size", "-1"], "--pool_size is -1; wanted at least 0"),
        (["demo", "--input_nc", "1", "--lambda_identity", "0.5"], "give --lambda_identity 0"),
        (["demo", "--input_nc", "1"], "images in RGB: leave out --input_nc"),
        (["demo", "--preprocess", "none"], "--preprocess none is for images of your own"),
        (["demo", "--init_generator", "a.safetensors"], "--init_generator starts one network, and CycleGAN has two"),
        (["demo", "--parallel", "pmap"], "cannot be right with image pools (--pool_size 0 turns them off)"),
        (["demo", "--parallel", "pmap", "--gan_mode", "relativistic"], "cannot be right with --gan_mode relativistic"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(flags, words, capsys, tmp_path):
    assert start(*flags, "--batch_size", len(jax.devices()), "--checkpoints_dir", tmp_path) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_unpaired_images_cannot_do_is_refused(kinds, facades_folder, tmp_path, capsys):
    assert start("--dataroot", kinds, "--lr_policy", "plateau", "--checkpoints_dir", tmp_path) == 2
    assert "--lr_policy plateau watches scores, which images without counterparts lack" in capsys.readouterr().err
    assert start("--dataroot", facades_folder, "--checkpoints_dir", tmp_path) == 2
    assert "found test, train, val in" in capsys.readouterr().err
