"""WGAN and WGAN-GP: `python -m experiments.wgan --help` says how."""

import sys

from gan_jax.recipes.wgan import main

if __name__ == "__main__":
    sys.exit(main())
