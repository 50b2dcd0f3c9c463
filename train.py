"""Train as with pytorch-CycleGAN-and-pix2pix: python train.py --dataroot FOLDER --name NAME --model pix2pix."""

import sys

from experiments import pix2pix
from gan_jax import run


def build():
    """The experiment that the command line means."""
    arguments = sys.argv[1:]
    if not any(argument.partition("=")[0] in ("--model", "-h", "--help") for argument in arguments):
        raise ValueError("no --model: give --model pix2pix, the one that this version trains.")
    return pix2pix.build(arguments)


if __name__ == "__main__":
    sys.exit(run.main(build))
