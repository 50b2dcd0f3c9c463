"""Trainings that fail on purpose, as their users' do: the monitor says which way, and nothing of one that goes well.

The method is pix2pix's and so are the flags; the networks see one pixel at a time, so that each run takes seconds.
"""

import dataclasses

import numpy as np
import optax
import pytest

from gan_jax import networks
from gan_jax.data import image_files
from gan_jax.log import read_log
from gan_jax.methods.pix2pix import pix2pix as pix2pix_method
from gan_jax.recipes import flags, pix2pix
from gan_jax.training import run

COMMON = "--name tiny --dataset_mode aligned --netG resnet_6blocks --load_size 16 --crop_size 16 --no_flip "
COMMON += "--batch_size 8 --n_epochs 360 "
COMMON += "--n_epochs_decay 0 --print_freq 25 --val_freq 200 --save_latest_freq 100000 --lr 2e-3 "


def write_pairs(folder, target, validated):
    """16 pairs of noise and a target made of it to train on, and some whose targets are made otherwise to look at."""
    rng = np.random.default_rng(0)
    for split, count, made in (("train", 16, target), ("val", 4, validated), ("test", 2, validated)):
        for i in range(count):
            source = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
            image_files.save(folder / split / f"{i}.png", np.concatenate([source, made(source)], axis=1))


def warned(folder, given, target, *, validated=None, generator=(8, 1), critic=(8, 1), critic_lr=None):
    """The rules that a run breaks, by its flags, its targets, and the width and layers of its networks."""
    write_pairs(folder / "data", target, validated or target)
    given = f"{COMMON}{given} --dataroot {folder / 'data'} --checkpoints_dir {folder}"

    def build():
        config, experiment = pix2pix.build(given.split())
        modules = {"generator": networks.MLP(3, *generator), "critic": networks.MLP(1, *critic)}
        tx = flags.adam(config, run.steps_per_epoch(config, len(experiment.train)))
        method = pix2pix_method(
            *map(networks.from_linen, modules.values()),
            generator_tx=tx,
            critic_tx=config.critic_tx(tx) if critic_lr is None else optax.adam(critic_lr),
            adversarial=config.adversarial,
            l1_weight=config.lambda_L1,
        )
        described = {name: networks.describe(module) for name, module in modules.items()}
        spec = dataclasses.replace(experiment.specs["generator"], architecture=described["generator"], dropout=False)
        return config, experiment._replace(method=method, networks=described, specs={"generator": spec})

    assert run.main(build) == 0
    rows = read_log(folder / "tiny" / "log.jsonl")
    said = {row["rule"]: row["text"] for row in rows if row["kind"] == "warning" and "rule" in row}
    page = (folder / "tiny" / "report.html").read_text()
    assert all(text.split(";")[0].split("'")[0] in page for text in said.values())
    return set(said)


def mixed(source):
    """What a linear network can make of each pixel: its colors in another order, and duller."""
    return (64 + source[..., ::-1] // 2).astype(np.uint8)


def black_or_white(source):
    """What a linear network cannot: as light as each pixel's red, in two levels."""
    return np.where(source[..., :1] > 127, 255, 0).repeat(3, axis=-1).astype(np.uint8)


def itself(source):
    """The source."""
    return source


def shuffled(source):
    """The colors of the source at places of no relation to it."""
    return np.random.default_rng(source.sum()).permutation(source.reshape(-1, 3)).reshape(source.shape)


@pytest.mark.slow
def test_a_run_that_goes_well_hears_nothing(tmp_path):
    assert warned(tmp_path, "", mixed) == set()


@pytest.mark.slow
def test_a_critic_wins_where_its_generator_hardly_learns(tmp_path):
    given = "--lambda_L1 0 --lr 1e-6"
    assert "the critic has won" in warned(tmp_path, given, black_or_white, critic=(32, 2), critic_lr=2e-3)


@pytest.mark.slow
def test_a_generator_wins_where_its_critic_hardly_learns(tmp_path):
    assert "the generator has won" in warned(tmp_path, "--lambda_L1 0 --lr 5e-3", mixed, critic_lr=1e-6)


@pytest.mark.slow
def test_without_a_rate_nothing_moves(tmp_path):
    given = "--lr 1e-20 --max_dataset_size 8 --n_epochs 720"
    assert {"the losses stand still", "the images stand still"} <= warned(tmp_path, given, mixed)


@pytest.mark.slow
def test_a_rate_that_kills_every_unit_of_the_critic_vanishes(tmp_path):
    assert "gradients vanish" in warned(tmp_path, "--lambda_L1 0", mixed, critic=(16, 3), critic_lr=100.0)


@pytest.mark.slow
def test_a_wasserstein_critic_without_bounds_explodes(tmp_path):
    given = "--gan_mode wasserstein --clip 1e9 --lambda_L1 0"
    assert "gradients explode" in warned(tmp_path, given, mixed, critic=(16, 6))


@pytest.mark.slow
def test_targets_that_have_no_relation_to_their_sources_collapse(tmp_path):
    assert "the outputs have collapsed" in warned(tmp_path, "--gan_mode none", shuffled)


@pytest.mark.slow
def test_inverted_targets_give_inverted_colors(tmp_path):
    said = warned(tmp_path, "--gan_mode none", lambda source: 255 - source, validated=itself)
    assert "colors are inverted" in said


@pytest.mark.slow
def test_empty_targets_give_flat_images(tmp_path):
    said = warned(tmp_path, "--gan_mode none", lambda source: np.full_like(source, 255), validated=itself)
    assert "the images are flat" in said
