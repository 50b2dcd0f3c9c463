"""The generators that are installed with the program.

    python -m experiments.boxed upscale_x2
    python -m experiments.boxed upscale_x4

train on free photographs, fetched from Debian's archive, and write gan_jax/boxed/.
"""

import sys

from gan_jax.recipes.boxed import main

if __name__ == "__main__":
    sys.exit(main())
