"""`python -m gan_jax.cli` is `gan-jax`."""

import sys

from gan_jax.cli import main

if __name__ == "__main__":
    sys.exit(main())
