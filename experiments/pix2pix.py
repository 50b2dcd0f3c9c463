"""pix2pix: `python -m experiments.pix2pix --help` says how."""

import sys

from gan_jax.recipes.pix2pix import main

if __name__ == "__main__":
    sys.exit(main())
