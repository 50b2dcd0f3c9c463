"""SRResNet and SRGAN, ESRGAN and Real-ESRGAN.

    python -m experiments.srgan demo        # two CPU cores, 7 min 17 s
    python -m experiments.srgan real        # Real-ESRGAN's training beside it

Five photographs, x2, and two others to test: SRResNet 34.58 dB and LPIPS .066, SRGAN 34.41 dB and .054, bicubic
32.93 dB and .132 (PSNR of Y). `--help_all` says all the rest; `gan-jax train srgan` is the same.
"""

import sys

from gan_jax.recipes.srgan import main

if __name__ == "__main__":
    sys.exit(main())
