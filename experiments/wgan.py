"""WGAN and WGAN-GP.

    python -m experiments.wgan demo         # two CPU cores, 5 min 42 s: 90.8% of the samples are of their class
    python -m experiments.wgan ring         # two CPU cores, 5 min 33 s: modes found of 8 by three seeds, WGAN-GP 8, 8,
                                            # 8, WGAN 8, 8, 8, GAN 5, 8, 8

The demo trains WGAN-GP on ten classes of shapes at 32x32, 600 generator steps. `--help_all` says all the rest; `gan-jax
train wgan` is the same.
"""

import sys

from gan_jax.recipes.wgan import main

if __name__ == "__main__":
    sys.exit(main())
