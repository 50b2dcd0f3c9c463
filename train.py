"""Train as with pytorch-CycleGAN-and-pix2pix: python train.py --dataroot FOLDER --name NAME --model pix2pix."""

import sys

from experiments import pix2pix


def main(arguments: list[str]) -> int:
    """Trains what --model names; returns the exit code."""
    if not any(argument.partition("=")[0] in ("--model", "-h", "--help") for argument in arguments):
        print("error: no --model: give --model pix2pix, the one that this version trains.", file=sys.stderr)
        return 2
    return pix2pix.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
