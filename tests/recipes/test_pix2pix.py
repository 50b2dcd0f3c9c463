"""The pix2pix recipe: its presets, every kind of data for two steps, and its own refusals."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import infer, losses, networks
from gan_jax import model as models
from gan_jax.data import image_files, transforms
from gan_jax.recipes import cyclegan, pairs, translators
from gan_jax.recipes import pix2pix as experiment
from gan_jax.training import run
from tests.levels import assert_same_levels


def start(*arguments):
    return run.main(lambda: experiment.build([str(argument) for argument in arguments]))


def test_defaults_are_those_of_the_pytorch_code():
    config = experiment.Config()
    assert (config.load_size, config.crop_size, config.batch_size, config.ngf, config.ndf) == (286, 256, 1, 64, 64)
    assert (config.lr, config.beta1, config.lambda_L1, config.n_layers_D) == (2e-4, 0.5, 100.0, 3)
    assert (config.n_epochs, config.n_epochs_decay, config.norm, config.gan_mode) == (100, 100, "batch", "vanilla")


def test_both_recipes_draw_their_weights_as_the_flags_say(facades_folder):
    """And as the layers do by themselves, bit for bit, where the flags are the defaults."""
    small = ["--dataroot", str(facades_folder), "--netG", "unet_32", "--ngf", "1", "--ndf", "1", "--n_layers_D", "1"]
    small += ["--crop_size", "32", "--load_size", "36", "--norm", "none", "--no_dropout"]
    batch = {name: np.zeros((1, 32, 32, 3), np.uint8) for name in ("source", "target")}
    _, parts = experiment.build([*small, "--init_type", "orthogonal", "--init_gain", "0.5"])
    kernel = np.asarray(parts.method.init(jax.random.key(0), batch).generator.params["down2"]["kernel"])
    matrix = np.moveaxis(kernel, -1, 0).reshape(kernel.shape[-1], -1)
    # A float32 QR of two rows.
    np.testing.assert_allclose(matrix @ matrix.T, 0.25 * np.eye(len(matrix)), atol=1e-6)

    config = dataclasses.replace(experiment.Config(), netG="unet_32", ngf=1)
    module, x = translators.generator_module(config, 3), np.zeros((1, 32, 32, 3), np.float32)
    plain = networks.from_linen(module).init(jax.random.key(3), x)
    jax.tree.map(np.testing.assert_array_equal, translators.fresh(config, module).init(jax.random.key(3), x), plain)
    for changed in ({"init_type": "xavier"}, {"init_gain": 0.03}):
        other = translators.fresh(dataclasses.replace(config, **changed), module).init(jax.random.key(3), x)
        assert np.abs(other[0]["down1"]["kernel"] - plain[0]["down1"]["kernel"]).max() > 1e-3

    _, parts = cyclegan.build([*small, "--init_type", "kaiming", "--dataset_mode", "aligned"])
    state = parts.method.init(jax.random.key(0), dict.fromkeys(("A", "B"), batch["source"]))
    for net in (state.AtoB, state.BtoA, state.critic_A, state.critic_B):
        kernels = [leaf for leaf in jax.tree.leaves(net.params) if leaf.ndim == 4]
        assert all(np.asarray(kernel).std() > 0.08 for kernel in kernels)  # 0.02 by themselves


# Isola et al. 2017, section 6.2: epochs and batch size.
PAPER = {
    "facades": (200, 1),
    "cityscapes": (200, 1),
    "maps": (200, 1),
    "edges2shoes": (15, 4),
    "edges2handbags": (15, 4),
    "day2night": (17, 4),
    "colorize": (6, 4),
}


def test_the_demo_builds():
    config, parts = experiment.build(["demo"])
    assert config.preset == config.name == "demo"
    assert len(parts.train) == 400


@pytest.mark.parametrize("preset", PAPER)
def test_presets_of_the_paper(preset, facades_folder, tmp_path):
    folder = tmp_path / "photos" if preset == "colorize" else facades_folder
    if preset == "colorize":
        for i in range(3):
            image_files.save(folder / f"{i}.png", np.zeros((16, 16, 3), np.uint8))
    config, parts = experiment.build([preset, "--dataroot", str(folder)])
    assert (config.n_epochs, config.batch_size) == PAPER[preset]
    assert (config.lr_policy, config.n_epochs_decay, config.crop_size) == ("constant", 0, 256)
    assert parts.networks["generator"]["depth"] == 8
    assert parts.specs["generator"].in_channels == (1 if preset == "colorize" else 3)


def test_every_preset_is_tested():
    assert set(experiment.PRESETS) == {"demo", "ablate", "upscale", *PAPER}


@pytest.mark.parametrize("preset", ["facades", "maps", "edges2shoes", "edges2handbags", "day2night"])
def test_a_data_set_that_lacks_is_named_with_its_archive(preset, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert experiment.main([preset]) == 2
    error = capsys.readouterr().err
    folder = experiment.PRESETS[preset].dataroot
    assert error.startswith(f"error: no folder {folder}; unpack http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/")
    assert error.count("\n") == 1


SMALL = ["--batch_size=8", "--n_epochs=1", "--n_epochs_decay=0", "--ngf=2", "--ndf=2", "--n_layers_D=1", "--name=two"]


@pytest.mark.parametrize("derive", ["gray", "lab"])
def test_photographs_are_colored(tmp_path, derive):
    rng = np.random.default_rng(0)
    for i in range(20):
        photo = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((40 + i, 36))
        (tmp_path / "photos").mkdir(exist_ok=True)
        photo.save(tmp_path / "photos" / f"{i}.jpg")
    flags = ["--dataroot", tmp_path / "photos", "--derive", derive, "--preprocess", "crop", "--crop_size", 32]
    assert start(*flags, *SMALL, "--checkpoints_dir", tmp_path) == 0
    spec = models.load(tmp_path / "two").spec
    assert spec.colors == (derive if derive == "lab" else None)
    assert (spec.in_channels, spec.out_channels, spec.step) == (1, 3, 3)
    scores = json.loads((tmp_path / "two" / "results" / "scores.json").read_text())
    baselines = ["gray input", "mean color"] if derive == "lab" else ["gray input"]
    assert [row["name"] for row in scores["rows"]] == ["generator", *baselines]
    assert scores["count"] == 2  # a tenth is held out
    held_out = sorted((tmp_path / "two" / "results" / "output").iterdir())
    assert {image_files.read(path, 3).shape[0] for path in held_out} == {36}
    if derive == "lab":
        light = [transforms.equally_light(image_files.read(path, 3)) for path in held_out]
        inputs = [image_files.read(tmp_path / "two" / "results" / "input" / path.name, 1) for path in held_out]
        for ours, theirs in zip(light, inputs, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_photos_to_labels_is_the_other_direction(tmp_path, facades_folder):
    flags = ["--dataroot", facades_folder, "--direction", "BtoA", "--load_size", 32, "--crop_size", 32]
    assert start(*flags, *SMALL, "--checkpoints_dir", tmp_path) == 0
    results = tmp_path / "two" / "results"
    image = image_files.read(facades_folder / "test" / "test_0000.png", 3)

    def read(kind):
        return image_files.read(results / kind / "test_0000.png", 3)

    np.testing.assert_array_equal(read("input"), image[:, 32:])
    np.testing.assert_array_equal(read("target"), image[:, :32])
    model = models.load(tmp_path / "two")
    # The run translates on eight devices, which is another program.
    assert_same_levels(infer.translate(model, image[:, 32:]), read("output"))


def test_the_embedded_set_scores_labels_and_a_baseline(monkeypatch, tmp_path):
    monkeypatch.setattr(pairs, "EMBEDDED_COUNTS", {"train": 8, "val": 2, "test": 2})
    flags = ["--dataroot", "embedded", "--load_size", 32, "--crop_size", 32, "--gan_mode", "none"]
    assert start(*flags, *SMALL, "--checkpoints_dir", tmp_path) == 0
    scores = json.loads((tmp_path / "two" / "results" / "scores.json").read_text())
    assert [row["name"] for row in scores["rows"]] == ["generator", "mean color of each class", "ground truth"]
    truth = scores["rows"][2]
    assert truth["label/per_pixel"] > 0.8
    assert all({"label/per_pixel", "label/per_class", "label/iou"} <= set(row) for row in scores["rows"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "give --dataroot FOLDER, or a preset (demo, ablate, upscale, facades"),
        (["dmeo"], "no preset is called dmeo; there is demo, ablate, upscale, facades"),
        (["--dataroot", "nowhere"], "no folder nowhere"),
        (
            ["--dataroot", "embedded", "--crop_size", "100"],
            "--crop_size 100: a U-Net of 5 levels takes multiples of 32, the nearest is 96",
        ),
        (["demo", "--crop_size", "256"], "crop_size 256 is larger than load_size 128"),
        (["demo", "--netG", "unet_256"], "multiples of 256"),
        (["demo", "--derive", "gray"], "leave out --derive, --input_nc and --output_nc"),
        (["demo", "--input_nc", "1"], "leave out --derive, --input_nc and --output_nc"),
        (["demo", "--ngf", "0"], "--ngf is 0; wanted at least 1"),
        (["demo", "--n_layers_D", "-1"], "--n_layers_D is -1; wanted at least 1"),
        (["demo", "--lambda_L1", "nan"], "--lambda_L1 is nan; wanted a finite number"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(flags, words, capsys, tmp_path):
    assert start(*flags, "--batch_size", 8, "--checkpoints_dir", tmp_path) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_broken_images_stop_a_run_before_it_begins(tmp_path, capsys):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (64, 32)).save(tmp_path / split / "a.png")
    (tmp_path / "train" / "b.png").write_bytes(b"")
    assert start("--dataroot", tmp_path, *SMALL, "--checkpoints_dir", tmp_path / "runs") == 2
    assert "b.png is damaged or not an image" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_photographs_smaller_than_the_crop_stop_a_run_before_it_begins(tmp_path, capsys):
    for name, side in (("a", 40), ("b", 20), ("c", 40)):
        image_files.save(tmp_path / "train" / f"{name}.png", np.zeros((side, 50, 3), np.uint8))
    flags = ["--dataroot", tmp_path, "--derive", "edges", "--preprocess", "crop", "--crop_size", 32]
    assert start(*flags, *SMALL, "--checkpoints_dir", tmp_path / "runs") == 2
    assert "b.png is 50x20; wanted at least 32 pixels on each side" in capsys.readouterr().err


def test_flags_reach_the_networks_and_the_file():
    flags = ["demo", "--norm=instance", "--no_dropout", "--ngf=3", "--ndf=5", "--n_layers_D=2"]
    _, parts = experiment.build(flags)
    generator_fields, critic_fields = parts.networks["generator"], parts.networks["critic"]
    assert (generator_fields["norm"], generator_fields["width"], generator_fields["dropout"]) == ("instance", 3, 0.0)
    assert (critic_fields["layers"], critic_fields["width"], critic_fields["norm"]) == (2, 5, "instance")
    spec = parts.specs["generator"]
    assert (spec.out_channels, spec.dropout, spec.size_multiple) == (3, False, 32)


def test_clipping_and_penalty_reach_the_method(monkeypatch, tiny_flags, tmp_path):
    given = {}
    monkeypatch.setattr(experiment, "pix2pix", lambda *_, **options: given.update(options))
    experiment.build(tiny_flags(tmp_path, "--gan_mode", "wgangp", "--norm", "instance", "--lambda_gp", "7"))
    assert (given["adversarial"], given["penalty_weight"]) == (losses.wasserstein, 7.0)
    experiment.build(tiny_flags(tmp_path, "--gan_mode", "wasserstein", "--clip", "0.02"))
    assert given["penalty_weight"] == 0.0
    critic = {"kernel": np.full(2, 0.5)}
    updates, _ = given["critic_tx"].update(critic, given["critic_tx"].init(critic), critic)
    np.testing.assert_allclose(critic["kernel"] + updates["kernel"], 0.02, rtol=1e-6)


def test_a_gradient_penalty_and_batch_norm_are_refused_in_one_sentence(tiny_flags, tmp_path, capsys):
    assert experiment.main(tiny_flags(tmp_path, "--gan_mode", "wgangp")) == 2
    assert "give --norm instance or --norm none" in capsys.readouterr().err


def photographs(folder, count=6):
    """Smooth in the middle, as images of one thing are."""
    rng = np.random.default_rng(0)
    for i in range(count):
        photo = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((36 + i, 36))
        folder.mkdir(parents=True, exist_ok=True)
        photo.save(folder / f"{i}.png")
    return folder


SIZES = ["--load_size=32", "--crop_size=32"]


def opened(*arguments):
    """The configuration of a command line, and the training images that it opens."""
    config, parts = experiment.build([str(argument) for argument in arguments])
    return config, type(parts.train).__name__


def test_photographs_are_not_cut_in_halves_unless_it_is_said(tmp_path, capsys):
    folder = photographs(tmp_path / "photos")
    where = ["--dataroot", folder, *SIZES]
    assert start(*where) == 2
    error = capsys.readouterr().err
    assert "photos look like single photographs, not like A and B side by side; give --derive gray or edges" in error
    assert "or --dataset_mode aligned if they are pairs all the same." in error
    for i in (1, 3, 5):
        (folder / f"{i}.png").unlink()  # odd widths
    assert opened(*where, "--dataset_mode", "aligned")[1] == "Pairs"
    gray, source = opened(*where, "--derive", "gray")
    assert (gray, source) == (opened(*where, "--derive", "grey")[0], "Images")
    assert gray.derive == "gray"
    assert opened(*where, "--derive", "gray", "--dataset_mode", "single")[1] == "Images"
    # Class folders, too, hold single images.
    photographs(tmp_path / "classes" / "cat")
    assert start("--dataroot", tmp_path / "classes", *SIZES) == 2


def test_pairs_are_not_taken_for_photographs_unless_it_is_said(facades_folder, capsys):
    where = ["--dataroot", facades_folder, *SIZES, "--derive", "edges"]
    assert start(*where) == 2
    assert "train look like A and B side by side, and --derive edges makes the input of" in capsys.readouterr().err
    assert opened(*where, "--dataset_mode", "single")[1] == "Images"
    assert start(*where, "--dataset_mode", "aligned") == 2
    assert "--dataset_mode aligned reads pairs, and --derive edges makes" in capsys.readouterr().err
    assert start("--dataroot", facades_folder, *SIZES, "--dataset_mode", "single") == 2
    assert "--dataset_mode single wants --derive gray or edges or blur or mosaic or lab" in capsys.readouterr().err


def test_a_run_goes_on_with_what_its_images_are_said_to_be():
    config = experiment.Config(dataset_mode="aligned")
    begun = dataclasses.asdict(experiment.Config())
    assert "dataset_mode" in config.free_to_change(begun)
    assert "derive" not in config.free_to_change(begun)


def test_training_images_alone_are_reduced(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for side, suffix in (("A", "jpg"), ("B", "png")):
            path = tmp_path / f"{split}{side}" / f"a.{suffix}"
            path.parent.mkdir()
            Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((301, 257)).save(path)
    flags = ["--dataroot", tmp_path, "--load_size=32x36", "--crop_size=32", "--reducing_gap=2"]
    for recipe in (experiment, cyclegan):
        sources = {}
        for gap in (2, None):
            _, parts = recipe.build([str(flag) for flag in flags[: None if gap else -1]])
            sources[gap] = parts.train
            for scored in parts.evaluator.splits.values():
                assert {image.shape for name, image in scored[0].items() if name != "name"} == {(257, 301, 3)}
        reduced = {name: image for name, image in sources[2][0].items() if name != "name"}
        assert {image.shape for image in reduced.values()} == {(32, 36, 3)}
        for name, image in reduced.items():
            whole = transforms.resize(sources[None][0][name], 32, 36)
            is_jpeg = (name == "source") or (name == "A")
            assert is_jpeg == (0 < np.abs(whole.astype(int) - image).mean() < 1)
            assert np.array_equal(whole, image) != is_jpeg
