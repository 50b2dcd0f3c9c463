"""Trainings that fail on purpose, as their users' do: the monitor says which way, and nothing of one that goes well."""

import numpy as np
import optax
import pytest

from gan_jax import losses, networks
from gan_jax.data import image_files
from gan_jax.log import read_log
from gan_jax.methods.dcgan import dcgan as dcgan_method
from gan_jax.recipes import dcgan, pix2pix
from gan_jax.training import run

COMMON = "--dataroot builtin:embedded --name tiny --n_epochs_decay 0 --print_freq 50 --val_freq 200 "
COMMON += "--save_latest_freq 100000 --ngf 4 --ndf 4 "
PAIRS = (
    COMMON
    + "--load_size 16 --crop_size 16 --no_flip --n_layers_D 1 --max_dataset_size 64 --batch_size 8 --n_epochs 100 "
)
SHAPES = COMMON + "--size 8 --max_dataset_size 64 --batch_size 8 --n_epochs 100 --classifier_steps 2 "


def warned(folder, recipe, flags, change=lambda experiment: experiment):
    """The rules that a run of a command line has broken, with the step of each."""

    def build():
        config, experiment = recipe.build([*flags.split(), "--checkpoints_dir", str(folder)])
        return config, change(experiment)

    assert run.main(build) == 0
    rows = read_log(folder / "tiny" / "log.jsonl")
    said = {row["rule"]: row["text"] for row in rows if row["kind"] == "warning" and "rule" in row}
    page = (folder / "tiny" / "report.html").read_text()
    assert all(text.split(";")[0].split("'")[0] in page for text in said.values())
    return said


@pytest.mark.slow
def test_a_run_that_goes_well_hears_nothing(tmp_path):
    assert warned(tmp_path, pix2pix, PAIRS) == {}


@pytest.mark.slow
def test_a_critic_that_is_far_larger_than_its_generator_wins(tmp_path):
    flags = SHAPES + "--ngf 1 --ndf 16 --lr 2e-3 --norm instance"
    assert "the critic has won" in warned(tmp_path, dcgan, flags)


@pytest.mark.slow
def test_a_critic_that_learns_nothing_loses(tmp_path):
    def stuck(experiment):
        nets = [networks.from_linen(networks.build(experiment.networks[name])) for name in ("generator", "critic")]
        tx = {"generator_tx": optax.adam(2e-3, b1=0.5), "critic_tx": optax.adam(0.0)}
        return experiment._replace(method=dcgan_method(*nets, adversarial=losses.non_saturating, **tx))

    assert "the generator has won" in warned(tmp_path, dcgan, SHAPES, stuck)


@pytest.mark.slow
def test_without_a_rate_nothing_moves(tmp_path):
    flags = PAIRS + "--lr 1e-20 --max_dataset_size 1 --batch_size 1 --n_epochs 700 --no_dropout"
    assert {"the losses stand still", "the images stand still"} <= set(warned(tmp_path, pix2pix, flags))


@pytest.mark.slow
def test_minimax_without_norms_vanishes(tmp_path):
    flags = SHAPES + "--gan_mode minimax --norm none --lr 1e-2 --ndf 16"
    assert "gradients vanish" in warned(tmp_path, dcgan, flags)


@pytest.mark.slow
def test_a_wasserstein_critic_without_bounds_explodes(tmp_path):
    flags = PAIRS + "--gan_mode wasserstein --clip 1e9 --lr 2e-2 --lambda_L1 0"
    assert "gradients explode" in warned(tmp_path, pix2pix, flags)


@pytest.mark.slow
def test_without_skips_condition_and_l1_the_outputs_collapse(tmp_path):
    flags = PAIRS + "--lambda_L1 0 --no_skips --unconditional"
    assert "the outputs have collapsed" in warned(tmp_path, pix2pix, flags)


def pairs(folder, training_targets):
    """Pairs of noise and itself to validate, with other targets to train on."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4), ("test", 2)):
        for i in range(count):
            source = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
            target = training_targets(source) if split == "train" else source
            image_files.save(folder / split / f"{i}.png", np.concatenate([source, target], axis=1))
    return f"--dataroot {folder} "


@pytest.mark.slow
def test_inverted_targets_give_inverted_colors(tmp_path):
    flags = PAIRS + pairs(tmp_path / "data", lambda source: 255 - source)
    assert "colors are inverted" in warned(tmp_path, pix2pix, flags + "--gan_mode none --lr 2e-3")


@pytest.mark.slow
def test_empty_targets_give_flat_images(tmp_path):
    flags = PAIRS + pairs(tmp_path / "data", lambda source: np.full_like(source, 255))
    assert "the images are flat" in warned(tmp_path, pix2pix, flags + "--gan_mode none --lr 2e-3")
