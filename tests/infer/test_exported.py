"""Generators as files for other programs: StableHLO here, ONNX in tests/networks/exports.py."""

import dataclasses
import re
import sys

import jax
import numpy as np
import pytest
from jax import export as jax_export

from gan_jax import cli, infer, networks
from gan_jax import model as models
from gan_jax.infer import exported
from gan_jax.model import Model, ModelSpec
from tests.levels import assert_same_levels


@pytest.fixture(scope="module")
def enlarger():
    module = networks.SRResNet(blocks=1, width=4)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    spec = ModelSpec(networks.describe(module), 3, "srresnet", "running", False, (0.0, 1.0))
    return Model(spec, {"params": params, "stats": stats})


def random_images(height, width, channels=3, count=2):
    return np.random.default_rng(height).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def test_a_file_of_any_size_computes_what_translate_does(enlarger, tmp_path):
    made = exported.write(tmp_path / "x.stablehlo", enlarger, "stablehlo", uint8=True)
    assert (made.sizes, made.note) == ("any", "")
    assert made.difference <= 1
    assert made.bytes == (tmp_path / "x.stablehlo").stat().st_size
    assert min(made.seconds) > 0
    call = exported.load(tmp_path / "x.stablehlo", "stablehlo")
    for size in ((16, 40), (33, 21)):
        images = random_images(*size)
        assert_same_levels(call(images), infer.translate(enlarger, images))
        assert_same_levels(exported.original(enlarger, uint8=True)(images), infer.translate(enlarger, images))
    platforms = jax_export.deserialize(bytearray((tmp_path / "x.stablehlo").read_bytes())).platforms
    assert platforms == ("cpu", "cuda", "tpu")


def test_padding_and_the_light_of_colors_are_inside(tiny_generator, tmp_path):
    """Of a network for multiples of 8, with dropout on in translate, which has no place in a file."""
    model = tiny_generator(in_channels=1, out_channels=2)
    # Weights less wild than the fixture's, which make float32's last digits levels.
    variables = {**model.variables, "params": jax.tree.map(lambda leaf: 0.2 * leaf, model.variables["params"])}
    model = Model(dataclasses.replace(model.spec, colors="lab"), variables)
    exported.write(tmp_path / "x", model, "stablehlo")
    call = exported.load(tmp_path / "x", "stablehlo")
    still = infer.with_options(model, dropout=False)
    images = random_images(19, 45, channels=1)
    outputs = call(images.astype(np.float32) / 255)
    assert outputs.dtype == np.float32
    assert_same_levels(np.rint(outputs * 255).astype(np.uint8), infer.translate(still, images))


def test_one_size_where_it_is_asked_for(enlarger, tmp_path):
    made = exported.write(tmp_path / "x", enlarger, "stablehlo", size=24)
    assert made.sizes == "24x24"
    assert exported.load(tmp_path / "x", "stablehlo")(np.zeros((3, 24, 24, 3), np.float32)).shape == (3, 96, 96, 3)


def test_a_network_that_is_written_for_no_size_falls_back_and_says_why(enlarger, tmp_path, monkeypatch):
    make = exported._stablehlo
    tried = []

    def fixed_alone(generator, uint8, sizes):
        tried.append(sizes.words)
        if sizes.words in ("any", "multiples of 8"):
            raise AttributeError("no symbols here")
        return make(generator, uint8, sizes)

    monkeypatch.setattr(exported, "_stablehlo", fixed_alone)
    monkeypatch.setattr(exported, "_FIXED", 32)
    made = exported.write(tmp_path / "x", enlarger, "stablehlo")
    assert tried == ["any", "32x32"]
    assert made.sizes == "32x32"
    assert made.note == "it cannot be written for any size (no symbols here); --size N gives another"


def test_a_file_that_computes_otherwise_is_not_left(enlarger, tmp_path, monkeypatch):
    load = exported.load
    monkeypatch.setattr(exported, "load", lambda path, form: lambda images: load(path, form)(images) + np.float32(0.01))
    with pytest.raises(
        exported.DifferentError, match=r"x is not written: its outputs differ from the generator's by 0\.01"
    ):
        exported.write(tmp_path / "x", enlarger, "stablehlo", size=16)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_read_back_as_another_model_is_not_left(tiny_generator, tmp_path, monkeypatch):
    model = tiny_generator()
    for changed in (
        model._replace(spec=dataclasses.replace(model.spec, step=7)),
        model._replace(variables=jax.tree.map(lambda leaf: 0 * leaf, model.variables)),
    ):
        monkeypatch.setattr(models, "load", lambda path, changed=changed: changed)
        with pytest.raises(exported.DifferentError, match="hub is not written: what is read back is another model"):
            exported.write_folder(tmp_path / "hub", model, "# card")
        assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "hub").mkdir()  # an empty one is no obstacle
    assert exported.write_folder(tmp_path / "hub", model, "# card") == tmp_path / "hub" / "model.safetensors"
    assert (tmp_path / "hub" / "README.md").read_text() == "# card"


def test_the_command_says_what_it_wrote_and_what_is_wrong(enlarger, tmp_path, capsys, monkeypatch):
    models.save(tmp_path / "g.safetensors", enlarger)
    arguments = ["export", str(tmp_path / "g.safetensors"), str(tmp_path / "g.stablehlo"), "--size", "16"]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert re.search(r"wrote .*g\.stablehlo: 0\.\d MiB, any number of images of 16x16 pixels\n", said)
    assert re.search(r"outputs differ by \S+ of the range at most; \d+ ms an image", said)
    assert cli.main([*arguments[:-1], "8"]) == 2
    assert "--size is 8; wanted at least 16" in capsys.readouterr().err
    assert cli.main([*arguments[:2], arguments[1]]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    assert cli.main([*arguments, "--format", "onnx"]) == 2
    assert "pip install 'gan_jax[export]'" in capsys.readouterr().err
    load = exported.load
    with monkeypatch.context() as patch:
        patch.setattr(exported, "load", lambda path, form: lambda images: load(path, form)(images) + np.float32(0.01))
        assert cli.main(arguments) == 1
    assert "error: " in capsys.readouterr().err
    (tmp_path / "damaged").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged is no whole stablehlo file"):
        exported.load(tmp_path / "damaged", "stablehlo")


def test_critics_and_generators_of_noise_are_refused(tiny_generator, tmp_path):
    model = tiny_generator()
    critic = model._replace(spec=dataclasses.replace(model.spec, kind="critic"))
    with pytest.raises(ValueError, match="wanted a generator"):
        exported.program(critic, uint8=True)
    with pytest.raises(ValueError, match="use gan-jax sample"):
        exported.write(
            tmp_path / "x", model._replace(spec=dataclasses.replace(model.spec, latent="normal")), "stablehlo"
        )
