"""A model card: its header is YAML, its text says what the run says, and nothing of the machine."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

from gan_jax import cli, infer, model, networks
from gan_jax.data import image_files
from gan_jax.infer import exported
from gan_jax.model import Model, ModelSpec
from gan_jax.report import card


def header(text):
    return re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1]


def test_a_card_says_what_the_run_says(finished_run):
    generator = model.load(finished_run)
    text = card.write(generator, "facades", finished_run)
    scores = json.loads((finished_run / "results" / "scores.json").read_text())
    config = json.loads((finished_run / "config.json").read_text())
    lines = header(text).splitlines()
    assert lines[:4] == [
        "license: unknown",
        "library_name: gan_jax",
        "pipeline_tag: image-to-image",
        "tags:",
    ]
    psnr = scores["rows"][0]["psnr"]
    assert f'    - type: "psnr"\n      value: {psnr!r}\n      name: "PSNR (dB)"' in header(text)
    assert f"| --- |\n| generator | {psnr:,.2f} |" in text
    assert scores["protocol"] in text
    assert f"| train | 16 | `{config['data']['fingerprints']['train']}` |" in text
    assert "| `--ngf` | 2 |" in text
    assert "| `--dataroot` | facades |" in text  # and not the folders above it
    assert str(finished_run.parent) not in text
    assert "gan-jax translate facades in/ out/" in text
    assert "## License" in text


def test_scores_of_another_step_are_not_this_generators(finished_run):
    generator = model.load(finished_run)
    earlier = generator._replace(spec=dataclasses.replace(generator.spec, step=2))
    text = card.write(earlier, "facades", finished_run)
    assert "model-index" not in text
    assert "## Scores" not in text
    assert "## Recipe" in text


def test_a_card_without_a_run_says_what_the_file_says(tiny_generator):
    text = card.write(tiny_generator(), "alone")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Use", "## License"]
    assert re.search(r"A generator of pix2pix, after 0 steps: UNet, [\d,]+ parameters; 3 channels in, 3 out", text)


def test_the_run_of_a_file(finished_run, tmp_path):
    assert card.run_of(finished_run / "tiny.safetensors") == finished_run
    assert card.run_of(finished_run / "kept" / "4" / "tiny.safetensors") == finished_run
    assert card.run_of(tmp_path / "x.safetensors") is None


def test_the_command_writes_a_folder_that_every_verb_takes(finished_run, tmp_path, capsys):
    folder = tmp_path / "hub" / "facades"
    assert cli.main(["export", str(finished_run), str(folder), "--format", "huggingface"]) == 0
    assert re.search(r"wrote .*facades: weights of 0\.\d MiB.*\nread back: the same", capsys.readouterr().out)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    own = (finished_run / "tiny.safetensors").read_bytes()
    assert (folder / "model.safetensors").read_bytes() == own
    described = json.loads((folder / "config.json").read_text())
    assert (described["model_type"], described["architectures"]) == ("gan_jax", ["UNet"])
    spec = model.load(finished_run).spec
    assert described["gan_jax"] == json.loads(json.dumps(model.described(spec)))

    images = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3), dtype=np.uint8)
    for k, image in enumerate(images):
        image_files.save(tmp_path / "in" / f"{k}.png", image)
    for name, path in (("a", finished_run), ("b", folder)):
        assert cli.main(["translate", str(path), str(tmp_path / "in"), str(tmp_path / name)]) == 0
    for k in range(2):
        assert (tmp_path / "a" / f"{k}.png").read_bytes() == (tmp_path / "b" / f"{k}.png").read_bytes()
    np.testing.assert_array_equal(
        infer.translate(model.load(folder), images), infer.translate(model.load(finished_run), images)
    )
    capsys.readouterr()
    assert cli.main(["inspect", str(folder)]) == 0
    assert "generator of pix2pix after 4 steps" in capsys.readouterr().out
    # It is no run: beside it a run stays the only one.
    assert cli.main(["report", str(folder)]) == 2
    assert "is not a run's folder" in capsys.readouterr().err


def test_the_card_of_an_earlier_export_stays(finished_run, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("license: mit")
    arguments = ["export", str(finished_run), str(tmp_path / "mine"), "--format", "huggingface"]
    assert cli.main(arguments) == 2
    assert "is there already, and its card may say what yours does not" in capsys.readouterr().err
    assert cli.main([*arguments, "--uint8"]) == 2
    assert "--uint8 and --size are for programs without gan_jax" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("classes", [0, 10])
def test_the_program_on_a_card_of_a_generator_of_latents_runs(classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = networks.DCGANGenerator(size=16, width=2, classes=classes)
    inputs = [np.zeros(x.shape, x.dtype) for x in module.input_spec(8)]
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), *inputs)
    spec = ModelSpec(networks.describe(module), 8, "dcgan", "running", False, latent="normal")
    generator = Model(spec, {"params": params, "stats": stats})
    text = card.write(generator, "shapes")
    exported.write_folder("shapes", generator, text)
    assert "pipeline_tag: unconditional-image-generation" in text
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(program, names)
    assert names["images"].shape == (8, 16, 16, 3)
