"""What is written into the box: a small network, and photographs of a few pixels."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from gan_jax import boxed, networks
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.recipes import boxed as recipe
from gan_jax.recipes import srgan

SIDE = 36


@pytest.fixture
def run(tmp_path):
    """The folder of a run with an untrained generator, and one of test photographs."""
    module = networks.SRVGGNetCompact(scale=2, layers=1, width=4)
    x = np.zeros((1, 8, 8, 3), np.float32)
    params, _ = jax.jit(networks.from_linen(module).init)(jax.random.key(0), x)
    spec = models.ModelSpec(
        architecture=networks.describe(module),
        in_channels=3,
        method="srresnet",
        norm="running",
        dropout=False,
        input_range=(0.0, 1.0),
        output_range=(0.0, 1.0),
        step=7,
    )
    folder = tmp_path / "upscale_x2"
    models.save(folder / "upscale_x2.safetensors", models.Model(spec, {"params": params, "stats": {}}))
    (folder / "log.jsonl").write_text('{"kind": "train", "step": 7, "seconds": 61.3}\n')
    rng = np.random.default_rng(0)
    for split in ("test", "native"):
        for name in ("lomiri_Dragonfly", "lomiri_sunset"):
            coarse = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
            image_files.save(tmp_path / "free" / split / f"{name}.png", coarse.repeat(4, 0).repeat(4, 1))
    return folder


def test_the_file_and_what_was_measured_are_written(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(boxed, "_FOLDER", tmp_path / "box")
    monkeypatch.setattr(recipe.timing, "seconds_a_megapixel", lambda model: 1.234)
    recipe.write("upscale_x2", [run], tmp_path / "free")
    facts = boxed.facts("upscale_x2")
    assert json.loads(capsys.readouterr().out) == facts
    assert (facts["scale"], facts["steps"], facts["training_seconds"]) == (2, [7], 61)
    assert facts["seconds_a_megapixel"] == 1.23
    assert facts["photographs"] == ["lomiri_Dragonfly", "lomiri_sunset"]
    assert set(facts["scores"]) == {"clean", "jpeg", "native"}
    for scored in facts["scores"].values():
        assert scored["psnr"]["bicubic"] > 10
    # Bytes of a PNG and those of a JPEG of it differ, and clean inputs come out better.
    assert facts["scores"]["clean"]["psnr"]["bicubic"] > facts["scores"]["jpeg"]["psnr"]["bicubic"]
    whole, half = models.load(run), models.load(boxed.file("upscale_x2"))
    assert dataclasses.replace(whole.spec) == half.spec
    for ours, theirs in zip(jax.tree.leaves(half.variables), jax.tree.leaves(whole.variables), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)  # of half precision's 11 bits
    assert boxed.file("upscale_x2").stat().st_size < (run / "upscale_x2.safetensors").stat().st_size
    # A column each for bicubic, the model and the photograph; a row each for the clean and the JPEG input.
    assert image_files.read(run / "upscale_x2.jpg", 3).shape == (2 * SIDE * 2, 3 * SIDE * 2, 3)


def test_scores_of_a_model_stand_beside_bicubics(run):
    target = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    scored = recipe.judge(models.load(run), [(target[::2, ::2], target)])
    assert {"psnr", "ssim"} <= set(scored)
    assert set(scored["psnr"]) == {"model", "bicubic"}


def test_the_command_wants_a_name_and_the_presets_are_there(capsys):
    assert recipe.main([]) == 2
    assert "wanted one of upscale_x2, upscale_x4" in capsys.readouterr().out
    assert recipe.main(["--help"]) == 0
    for name in boxed.NAMES:
        assert srgan.PRESETS[name].scale == int(name[-1])
        assert srgan.PRESETS[name].degradation.clean == 0.5
    second = srgan.PRESETS["upscale_x4_features"]
    assert (second.stage, second.degradation) == ("srgan", srgan.PRESETS["upscale_x4"].degradation)
