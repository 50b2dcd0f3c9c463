"""Images of two programs, which round otherwise: of another batch size, another count of devices, another shape."""

import numpy as np


def assert_same_levels(a, b):
    """Equal up to one level at a rounding boundary.

    Outputs of float32 differ by some 1e-5 of their range, 1e-3 of a level: less than one value in a hundred lies so
    near to a boundary.
    """
    difference = np.abs(a.astype(int) - b.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01
