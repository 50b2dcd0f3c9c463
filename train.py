"""Train as with pytorch-CycleGAN-and-pix2pix: python train.py --dataroot FOLDER --name NAME --model pix2pix."""

import sys

from gan_jax.recipes import cyclegan, pix2pix


def _model(arguments: list[str]) -> str:
    """What --model names; nothing where it is missing or names nothing."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name == "--model":
            return value if equals else following
    return ""


def main(arguments: list[str]) -> int:
    """Trains what --model names; returns the exit code."""
    if not any(argument.partition("=")[0] in ("--model", "-h", "--help") for argument in arguments):
        print("error: no --model: give --model pix2pix or --model cycle_gan.", file=sys.stderr)
        return 2
    return (cyclegan if _model(arguments) == "cycle_gan" else pix2pix).main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
