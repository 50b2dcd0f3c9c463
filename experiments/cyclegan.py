"""CycleGAN: `python -m experiments.cyclegan --help` says how."""

import sys

from gan_jax.recipes.cyclegan import main

if __name__ == "__main__":
    sys.exit(main())
