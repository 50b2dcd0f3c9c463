"""SRResNet and SRGAN: `python -m experiments.srgan --help` says how."""

import sys

from gan_jax.recipes.srgan import main

if __name__ == "__main__":
    sys.exit(main())
