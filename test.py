"""Test as with pytorch-CycleGAN-and-pix2pix: python test.py --dataroot FOLDER --name NAME --model pix2pix."""

import sys

from experiments import testing

if __name__ == "__main__":
    sys.exit(testing.main())
