"""Test as with pytorch-CycleGAN-and-pix2pix: python test.py --dataroot FOLDER --name NAME --model pix2pix."""

import sys

from gan_jax.recipes import pytorch_compat_test

if __name__ == "__main__":
    sys.exit(pytorch_compat_test.main())
