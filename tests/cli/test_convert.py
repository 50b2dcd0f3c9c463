"""`gan-jax convert`, `inspect`, `translate` and `blend` on PyTorch's files, and the converted network at work."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import cli, image, infer, networks
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.interop import convert, torch_file
from gan_jax.networks import MSRResNet, ResNet, RRDBNet, SRResNet, SRVGGNetCompact, UNet
from tests import save_like_torch
from tests.interop import torch_writer
from tests.interop.test_convert import esrgans_names, esrgans_names_of_2018
from tests.networks import golden

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"
UNET = GOLDEN / "unet_64_instance" / "weights.pth"


def gan_jax(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def unet(tmp_path, capsys):
    """The file made of the PyTorch U-Net without a flag, and what was said."""
    assert gan_jax("convert", UNET, tmp_path / "unet.safetensors") == 0
    return tmp_path / "unet.safetensors", capsys.readouterr().out


def test_a_converted_generator_translates_as_its_network_computes(unet, tmp_path):
    path, said = unet
    assert "wrote" in said
    assert "(--dropout)" in said  # what the file does not show is told, with the flag that says otherwise
    model = models.load(path)
    channels = model.spec.in_channels, model.spec.out_channels
    array = np.random.default_rng(0).integers(0, 256, (64, 64, channels[0]), dtype=np.uint8)
    image_files.save(tmp_path / "in" / "a.png", array)
    assert gan_jax("translate", path, tmp_path / "in", tmp_path / "out", "--dropout", "off") == 0
    network = networks.from_linen(model.module)
    batch = image.to_float(array)[None]
    apply = jax.jit(network.apply, static_argnames="train")
    output, _ = apply(model.variables["params"], model.variables["stats"], batch, train=True)
    got = image_files.read(tmp_path / "out" / "a.png", channels[1]).astype(int)
    assert np.abs(got - np.asarray(image.to_uint8(output[0]), int)).max() <= 1  # another program may round otherwise
    assert (got == np.asarray(image.to_uint8(output[0]))).mean() > 0.99


def test_the_way_back_gives_the_same_names_and_bits(unet, tmp_path):
    path, _ = unet
    assert gan_jax("convert", "--to_torch", path, tmp_path / "back.safetensors") == 0
    back, original = safetensors.numpy.load_file(tmp_path / "back.safetensors"), torch_file.load(UNET)
    assert back.keys() == original.keys()
    for name, array in original.items():
        np.testing.assert_array_equal(back[name], array)


def test_inspect_says_what_a_foreign_file_is(capsys):
    assert gan_jax("inspect", UNET) == 0
    said = capsys.readouterr().out
    assert "UNet" in said
    assert "pytorch-CycleGAN-and-pix2pix" in said
    assert models.is_foreign(UNET)


def test_another_programs_file_is_translated_with_as_it_is(tmp_path, capsys):
    """In each wrapping that ESRGAN's files have, and as .safetensors; one line says what it was taken for."""
    state = dict(np.load(GOLDEN / "rrdbnet_x4" / "weights.npz"))
    other = {name: 0 * array for name, array in state.items()}
    old = esrgans_names_of_2018(state)
    contents = {"plain": state, "params": {"params": state}, "both": {"params_ema": state, "params": other}}
    contents |= {"trunk": esrgans_names(state), "old": old}
    for name, content in contents.items():
        save_like_torch.save(tmp_path / f"{name}.pth", content)
    (tmp_path / "old.safetensors").write_bytes(safetensors.numpy.save(old))
    array = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image_files.save(tmp_path / "in.png", array)
    expected = infer.translate(convert.generator(tmp_path / "plain.pth"), array)
    assert expected.std() > 10
    names = [*(f"{name}.pth" for name in contents), "old.safetensors"]
    words = "RRDBNet(out_channels=3, scale=4, blocks=2, width=8, growth=4, doublings=2)"
    projects = ["BasicSR"] * 3 + ["ESRGAN and BSRGAN"] + ["ESRGAN of 2018"] * 2
    for name, project in zip(names, projects, strict=True):
        assert gan_jax("translate", tmp_path / name, tmp_path / "in.png", tmp_path / "out.png") == 0
        np.testing.assert_array_equal(image_files.read(tmp_path / "out.png", 3), expected)
        said = capsys.readouterr().err
        assert said.startswith(f"note: {tmp_path / name} is {project}'s {words}; ")
        assert said.count("note:") == 1
        assert ("params_ema, the moving average, rather than params" in said) == (name == "both.pth")
        assert gan_jax("inspect", tmp_path / name) == 0
        assert f"{words}, named as in {project}" in capsys.readouterr().out


def test_the_way_to_torch_writes_basicsrs_names(tmp_path, capsys):
    state = dict(np.load(GOLDEN / "rrdbnet_x2" / "weights.npz"))
    save_like_torch.save(tmp_path / "old.pth", esrgans_names_of_2018(state))
    assert gan_jax("convert", "--to_torch", tmp_path / "old.pth", tmp_path / "new.safetensors") == 0
    new = safetensors.numpy.load_file(tmp_path / "new.safetensors")
    assert new.keys() == state.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(new[name], array)


def test_two_files_are_blended(tmp_path, capsys):
    """Real-ESRGAN's dni_weight, of the first: w a + (1 - w) b, one of the files converted before."""
    state = dict(np.load(GOLDEN / "rrdbnet_x4" / "weights.npz"))
    other = {name: np.float32(1.0) - array for name, array in state.items()}
    save_like_torch.save(tmp_path / "a.pth", esrgans_names(state))
    save_like_torch.save(tmp_path / "b.pth", {"params_ema": other})
    assert gan_jax("convert", tmp_path / "b.pth", tmp_path / "b.safetensors") == 0
    target = tmp_path / "ab.safetensors"
    assert gan_jax("blend", tmp_path / "a.pth", tmp_path / "b.safetensors", target, "--weight", "0.25") == 0
    assert f"wrote {target}: 0.25 of {tmp_path / 'a.pth'}, 0.75 of" in capsys.readouterr().out
    got = convert.to_torch(models.load(target).module, models.load(target).variables)
    for name, array in state.items():
        np.testing.assert_allclose(got[name], 0.25 * array + 0.75 * other[name], atol=1e-6)


def test_flags_replace_what_the_project_does(tmp_path, capsys):
    target = tmp_path / "g.safetensors"
    flags = ["--set", "dropout=0.5", "dropout_layers=paper", "--dropout", "off", "--input_range", "0", "1"]
    assert gan_jax("convert", UNET, target, "--architecture", "UNet", *flags) == 0
    spec = models.load(target).spec
    assert (spec.dropout, spec.input_range, spec.output_range) == (False, (0.0, 1.0), (-1.0, 1.0))
    assert spec.architecture["dropout_layers"] == "paper"
    assert not models.is_foreign(target)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pth", "g.safetensors"], "nowhere.pth"),
        ([UNET, "g.pth"], "what is written is .safetensors"),
        ([UNET, "g.safetensors", "--architecture", "Net"], "no architecture is called 'Net'"),
        ([UNET, "g.safetensors", "--set", "width"], "write FIELD=VALUE"),
        ([UNET, "g.safetensors", "--norm", "running"], "this network has no running statistics"),
    ],
)
def test_what_cannot_be_converted_is_said_in_a_sentence(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert gan_jax("convert", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_value_ranges_are_those_of_the_file(tiny_generator):
    model = tiny_generator(dropout=False)
    array = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)

    def translated(**ranges):
        return infer.translate(model._replace(spec=dataclasses.replace(model.spec, **ranges)), array).astype(int)

    plain = translated()
    # An output of [-1, 1] read as [-3, 1] is lighter.
    lighter = np.clip((plain / 127.5 - 1 + 3) / 4 * 255, 0, 255)
    np.testing.assert_allclose(translated(output_range=(-3.0, 1.0)), lighter, atol=1.01)  # one rounding more
    # A network for [0, 1] sees the image's lighter half: what a network for [-1, 1] sees of that image.
    half = dataclasses.replace(model.spec, input_range=(0.0, 1.0))
    lighter_half = (image.to_float(array)[None] + 1) / 2
    network = networks.from_linen(model.module)
    apply = jax.jit(network.apply, static_argnames="train")
    expected, _ = apply(model.variables["params"], model.variables["stats"], lighter_half, train=True)
    got = infer.translate(model._replace(spec=half), array).astype(int)
    assert np.abs(got - np.asarray(image.to_uint8(expected[0]), int)).max() <= 1
    assert (got != plain).any()


def weights_file(folder, name):
    """A case's weights as torch.save writes them."""
    weights = dict(np.load(GOLDEN / name / "weights.npz"))
    (folder / "weights.pth").write_bytes(torch_writer.state_dict(weights))
    return weights, folder / "weights.pth"


@pytest.mark.parametrize("name", golden.SMALL)
def test_every_reference_is_recognized_without_a_flag(name, tmp_path, capsys):
    """What is written holds the arrays whose outputs and gradients tests/networks/test_parity.py compares."""
    weights, file = weights_file(tmp_path, name)
    case = golden.CASES[name]
    assert gan_jax("convert", file, tmp_path / "ours.safetensors") == 0
    capsys.readouterr()
    model = models.load(tmp_path / "ours.safetensors")
    assert model.module == case.module.clone(**{field: getattr(model.module, field) for field in case.fields})
    _, variables = convert.from_torch(weights, case.fields)
    jax.tree.map(np.testing.assert_array_equal, model.variables, variables)
    assert gan_jax("inspect", file) == 0
    assert f"{type(case.module).__name__}(" in capsys.readouterr().out
    assert gan_jax("inspect", tmp_path / "ours.safetensors") == 0
    said = capsys.readouterr().out
    assert type(case.module).__name__ in said
    kinds = {"critic": "-> logits", "features": "-> maps", "generator": "at test time"}
    assert ("normal latents of 32 numbers -> 64x64" if name == "dcgan_generator" else kinds[model.spec.kind]) in said


GENERATORS = UNet | ResNet | SRResNet | MSRResNet | RRDBNet | SRVGGNetCompact


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in golden.SMALL.items() if isinstance(case.module, GENERATORS)])
def test_the_command_line_makes_the_image_of_a_reference(name, tmp_path):
    """`convert`, then `translate` of a PNG: the converted network's output, rounded."""
    weights, file = weights_file(tmp_path, name)
    case = golden.CASES[name]
    fields = [f"{field}={value}" for field, value in case.fields.items()]
    assert gan_jax("convert", file, tmp_path / "g.safetensors", *(["--set", *fields] if fields else [])) == 0
    model = models.load(tmp_path / "g.safetensors")
    side = max(model.spec.size_multiple, 16)
    array = np.random.default_rng(0).integers(0, 256, (side, side, model.spec.in_channels), dtype=np.uint8)
    image_files.save(tmp_path / "in" / "a.png", array)
    options = ["--dropout", "off"] if model.spec.dropout else []
    assert gan_jax("translate", tmp_path / "g.safetensors", tmp_path / "in", tmp_path / "out", *options) == 0
    module, variables = convert.from_torch(weights, case.fields)
    (low, high), (black, white) = model.spec.input_range, model.spec.output_range
    batch = array[None].astype(np.float32) / 255 * (high - low) + low
    network = networks.from_linen(module)
    output, _ = network.apply(variables["params"], variables["stats"], batch, train=model.spec.norm == "image")
    levels = np.clip((np.asarray(output[0], np.float64) - black) / (white - black), 0, 1) * 255
    got = image_files.read(tmp_path / "out" / "a.png", model.spec.out_channels)
    assert got.shape == levels.shape
    assert np.abs(got - levels).max() <= 0.5 + 1e-2  # rounded, of float32 sums in another order
