"""pix2pix.

    python -m experiments.pix2pix demo      # two CPU cores, 3 min 12 s: PSNR 23.10 dB, SSIM 0.807, label pixels 0.94
    python -m experiments.pix2pix ablate    # two CPU cores, 55 min: the paper's tables, docs/results.md
    python -m experiments.pix2pix upscale   # beside bicubic, SRResNet and SRGAN: the table of docs/super_resolution.md

The demo has 400 facades of 128x128 and 4,800 steps. `--help_all` says all the rest; `gan-jax train pix2pix` is the
same.
"""

import sys

from gan_jax.recipes.pix2pix import main

if __name__ == "__main__":
    sys.exit(main())
