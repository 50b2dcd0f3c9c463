"""SRResNet and SRGAN, ESRGAN and Real-ESRGAN.

    python -m experiments.srgan demo        # two CPU cores, 7 min 20 s
    python -m experiments.srgan real        # both stages twice: bicubic and second-order degradations

Five photographs, x2, and two others to test: SRResNet 34.49 dB and LPIPS .068, SRGAN 34.32 dB and .057, bicubic
32.93 dB and .132 (PSNR of Y). `real`, the two degraded by second order: bicubic 25.54 dB and .639, SRGAN of bicubic
25.23 dB and .619, SRGAN of second order 25.77 dB and .574. `--help_all` says all the rest; `gan-jax train srgan` is the
same.
"""

import sys

from gan_jax.recipes.srgan import main

if __name__ == "__main__":
    sys.exit(main())
