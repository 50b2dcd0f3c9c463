"""The test program of pytorch-CycleGAN-and-pix2pix: `python -m experiments.testing --help` says how."""

import sys

from gan_jax.recipes.pytorch_compat_test import main

if __name__ == "__main__":
    sys.exit(main())
