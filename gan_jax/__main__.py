"""`python -m gan_jax` is the `gan-jax` command."""

import sys

from gan_jax.cli import main

if __name__ == "__main__":
    sys.exit(main())
