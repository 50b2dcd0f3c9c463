"""Errors: gan-jax train."""

from tests.errors.cases import Case

TITLE = "gan-jax train"
CASES = [
    Case(
        "no recipe",
        "gan-jax train",
        "gan-jax train wants a recipe's name first: pix2pix, cyclegan, srgan, dcgan, wgan; for instance gan-jax "
        "train pix2pix demo.",
    ),
    Case(
        "a flag before the recipe",
        "gan-jax train --seed 3 pix2pix",
        "gan-jax train wants a recipe's name first: pix2pix, cyclegan, srgan, dcgan, wgan; for instance gan-jax "
        "train pix2pix demo.",
    ),
    Case(
        "a recipe that there is not",
        "gan-jax train pix2pixhd",
        "there is no recipe pix2pixhd; perhaps pix2pix is meant; wanted one of pix2pix, cyclegan, srgan, dcgan, wgan.",
    ),
    Case(
        "no images to train on",
        "gan-jax train dcgan",
        "no training images: give --dataroot FOLDER, or a preset.",
    ),
]
