"""The DCGAN and WGAN experiments from their command lines: what runs, goes on, and is refused."""

import json
import os
import re
import signal

import numpy as np
import pytest

from gan_jax import cli, model
from gan_jax.cli import inspection
from gan_jax.data import image_files
from gan_jax.log import read_log
from gan_jax.recipes import dcgan, ring, samplers, wgan
from gan_jax.training import meter, run

FLAGS = "--dataroot embedded --size 8 --max_dataset_size 32 --batch_size 8 --n_epochs 1 --nz 4 --ngf 2 --ndf 2 "
FLAGS += "--conditional --name tiny --print_freq 1 --val_freq 2 --save_latest_freq 2 --classifier_steps 2"
OF = {
    "dcgan": (dcgan, ""),
    "wgan": (wgan, "--clip 0.01 --n_critic 1"),
    "wgan_gp": (wgan, "--n_critic 2 --batch_size 8"),
}


def start(method, folder, *extra):
    experiment, flags = OF[method]
    return experiment.main([*FLAGS.split(), *flags.split(), "--checkpoints_dir", str(folder), *extra])


@pytest.mark.parametrize("method", ["dcgan", pytest.param("wgan", marks=pytest.mark.slow), "wgan_gp"])
def test_a_run_and_one_that_was_stopped_end_in_the_same_bytes(method, sections, tmp_path, monkeypatch):
    assert start(method, tmp_path / "whole") == 0
    step = meter.Meter.step

    def stop_at_one(self, number, metrics, waited):
        step(self, number, metrics, waited)
        if number == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(meter.Meter, "step", stop_at_one)
        code = start(method, tmp_path / "broken")
    if method == "wgan_gp":  # two steps in all: the signal comes with the last one
        assert code in (0, 143)
    else:
        assert code == 143
    assert start(method, tmp_path / "broken") == 0
    files = [tmp_path / name / "tiny" / "tiny.safetensors" for name in ("whole", "broken")]
    assert files[0].read_bytes() == files[1].read_bytes()
    spec = model.load(files[0]).spec
    assert (spec.method, spec.latent, spec.in_channels, spec.norm) == (method, "normal", 4, "running")
    assert cli.main(["sample", str(files[0].parent), str(tmp_path / "grid.png")]) == 0
    assert image_files.read(tmp_path / "grid.png", 3).shape == (98, 78, 3)
    scores = json.loads((files[0].parent / "results" / "scores.json").read_text())
    assert {"consistency", "kernel", "frechet", "sinkhorn"} < set(scores["rows"][0])
    rows = [row for row in read_log(files[0].parent / "log.jsonl") if row["kind"] == "train"]
    assert ("wasserstein" in rows[0]) == (method != "dcgan")
    assert ("loss/penalty" in rows[0]) == (method == "wgan_gp")
    result = sections(files[0].parent)
    assert re.findall("<h4>(.*?)</h4>", result["Test images"]) == ["interpolations", "samples"]
    assert "training images" in result["The fixed batch over time"]
    assert "generator: DCGANGenerator" in result["Networks"]
    assert "ground truth" in result["Scores"]


def test_images_without_classes_are_drawn_and_the_report_says_why_there_are_no_scores(sections, tmp_path, capsys):
    for i in range(10):
        image_files.save(tmp_path / "data" / f"{i}.png", np.full((8, 8, 3), 20 * i, np.uint8))
    flags = FLAGS.replace("embedded", str(tmp_path / "data")).replace("--conditional", "").split()
    assert dcgan.main([*flags, "--checkpoints_dir", str(tmp_path)]) == 0
    why = "samples are scored beside test images in folders of classes."
    assert f"\n{why}\n" in capsys.readouterr().out
    assert f"No test scores: {why}" in sections(tmp_path / "tiny")["Scores"]


@pytest.mark.parametrize("preset", sorted(dcgan.PRESETS))
def test_presets_of_dcgan_are_consistent(preset):
    config = dcgan.PRESETS[preset]
    config.check()
    assert config.preset == preset
    assert config.images_per_step == config.batch_size


@pytest.mark.parametrize("preset", sorted(wgan.PRESETS))
def test_presets_of_wgan_are_consistent(preset):
    config = wgan.PRESETS[preset]
    config.check()
    assert config.preset == preset
    assert config.images_per_step == 5 * config.batch_size


@pytest.mark.parametrize(
    ("method", "flags", "words"),
    [
        ("dcgan", ["--size", "24"], "--size is 24; wanted a power of two"),
        ("dcgan", ["--dataroot", "tfds:nothing"], "the data set nothing is not prepared in"),
        ("dcgan", ["--nz", "0"], "--nz is 0; wanted at least 1."),
        ("wgan_gp", ["--n_critic", "0"], "--n_critic is 0; wanted at least 1."),
        ("wgan_gp", ["--clip", "0"], "--clip is 0.0; wanted a finite number above 0."),
        (
            "wgan_gp",
            ["--lambda_gp", "-1"],
            "--lambda_gp is -1.0; wanted a finite number above 0, or --clip in its place.",
        ),
        ("wgan_gp", ["--beta2", "1"], "--beta2 is 1.0; wanted at least 0 and less than 1."),
    ],
)
def test_what_cannot_run_is_said_in_one_sentence(method, flags, words, tmp_path, capsys):
    assert start(method, tmp_path, *flags) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_classes_want_labels(tmp_path, capsys):
    for i in range(3):
        image_files.save(tmp_path / "data" / f"{i}.png", np.zeros((8, 8, 3), np.uint8))
    assert start("dcgan", tmp_path / "runs", "--dataroot", str(tmp_path / "data")) == 2
    assert "--conditional wants images with labels" in capsys.readouterr().err
    assert samplers.open_split(samplers.SamplerFlags(dataroot=str(tmp_path / "data")), "train").classes == ()
    assert run.main(lambda: dcgan.build([])) == 2
    assert "no training images" in capsys.readouterr().err
    assert dcgan.main(["--dataroot", str(tmp_path / "data"), "--lr_policy", "plateau"]) == 2
    assert "--lr_policy plateau watches scores, which need validation images with labels" in capsys.readouterr().err


def test_classes_have_their_names_everywhere_and_a_run_with_others_does_not_go_on(tmp_path, capsys):
    for name in ("10", "9", "two words"):
        for i in range(7):
            image_files.save(tmp_path / "data" / name / f"{i}.png", np.full((8, 8, 3), 20 * i, np.uint8))
    (tmp_path / "data" / "11").mkdir()
    where = ("--dataroot", str(tmp_path / "data"))
    assert start("dcgan", tmp_path, *where) == 0
    nothing = f"class 11 (label 2) has no training images; add some, or remove {tmp_path / 'data' / '11'}."
    assert f"note: {nothing}" in capsys.readouterr().out
    assert model.load(tmp_path / "tiny").spec.classes == ("9", "10", "11", "two words")
    assert cli.main(["sample", str(tmp_path / "tiny"), str(tmp_path / "a.png"), "--label", "two words"]) == 0
    assert "wrote 64 images of class two words (label 3)" in capsys.readouterr().out
    assert start("dcgan", tmp_path, *where) == 0
    # As the same command began it before labels were counted so.
    path = tmp_path / "tiny" / "config.json"
    config = json.loads(path.read_text())
    config["data"]["fingerprints"]["train"] = config["data"]["fingerprints"]["train"].partition(" ")[0]
    del config["data"]["classes"]
    path.write_text(json.dumps(config))
    assert start("dcgan", tmp_path, *where) == 2
    assert "the images or the order of the classes of train changed (19 before, 19 now)" in capsys.readouterr().err


def test_the_critic_of_wgan_gp_has_no_batch_norm_and_that_of_wgan_may(capsys):
    _, penalized = wgan.build(["demo"])
    _, clipped = wgan.build(["demo", "--clip", "0.01"])
    assert (penalized.networks["critic"]["norm"], clipped.networks["critic"]["norm"]) == ("none", "batch")
    assert (penalized.method_name, clipped.method_name) == ("wgan_gp", "wgan")
    _, layered = wgan.build(["demo", "--norm_d", "layer"])
    assert (layered.networks["critic"]["norm"], layered.networks["generator"]["norm"]) == ("layer", "batch")
    assert wgan.main(["demo", "--norm_d", "batch"]) == 2
    assert "batch norm mixes images; give --norm_d layer, instance or none" in capsys.readouterr().err


@pytest.mark.slow
def test_the_ring_is_drawn_trained_scored_and_reported(tmp_path, capsys):
    assert ring.compare(tmp_path / "ring", steps=2, batch=8) == 0
    scores = tmp_path / "ring" / "results" / "scores.json"
    before = scores.read_bytes()
    rows = json.loads(before)["rows"]
    assert [row["name"] for row in rows] == ["GAN", "WGAN", "WGAN-GP", "Sinkhorn"]
    assert "not started" not in (tmp_path / "ring" / "report.html").read_text()
    assert "lambda_gp 0.1" in inspection.describe(tmp_path / "ring")
    assert "WGAN-GP" in capsys.readouterr().out
    # Stopped before the last method, it goes on with that one; other settings are another comparison.
    table = json.loads(before)
    scores.write_text(json.dumps({**table, "rows": table["rows"][:3]}))
    assert ring.compare(tmp_path / "ring", steps=2, batch=8) == 0
    assert capsys.readouterr().out.startswith("Sinkhorn: ")
    assert scores.read_bytes() == before
    with pytest.raises(ValueError, match="or one with other settings; take another --name"):
        ring.compare(tmp_path / "ring", steps=3, batch=8)
    assert image_files.read(tmp_path / "ring" / "results" / "output" / "GAN.png", 3).shape == (360, 3 * 360, 3)


def test_the_ring_takes_no_settings_and_shows_its_own(tmp_path, capsys):
    where = ["--checkpoints_dir", str(tmp_path)]
    assert wgan.main(["ring", *where, "--clip", "0.01", "--seed", "3"]) == 2
    assert "ring has settings of its own, which --dry_run shows; leave out --seed, --clip." in capsys.readouterr().err
    assert wgan.main(["ring", *where, "--dry_run"]) == 0
    assert '"WGAN": "lr 0.0005, clip 0.1, n_critic 5"' in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_scores_of_points_of_the_ring_itself_and_of_one_mode():
    real = ring.draw_points(np.random.default_rng(0), ring.SCORED)
    result = ring.score(real)
    assert result["modes"] == 8
    assert result["high_quality"] > 0.98  # 1 - exp(-9 / 2) = 0.989 of a plane's Gaussian is within three deviations
    collapsed = ring.score(0.0 * real + ring.centers()[3])
    assert (collapsed["modes"], collapsed["high_quality"]) == (1, 1)
    assert collapsed["sinkhorn"] > 1.0 > 0.25 > result["sinkhorn"]
