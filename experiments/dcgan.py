"""DCGAN: `python -m experiments.dcgan --help` says how."""

import sys

from gan_jax.recipes.dcgan import main

if __name__ == "__main__":
    sys.exit(main())
