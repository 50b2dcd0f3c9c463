"""How long a generator takes for a picture, on whatever JAX finds."""

import time

import numpy as np

from gan_jax.infer import arrays
from gan_jax.model import Model

__all__ = ["seconds_a_megapixel"]
__dir__ = __all__.copy

_SIDE = 1024  # of what is translated: 2**20 pixels
_TRIES = 3


def seconds_a_megapixel(generator: Model) -> float:
    """Seconds for a million pixels that go in, without compiling: the best of three times one image of 1024x1024."""
    shape = (_SIDE, _SIDE, generator.spec.in_channels)
    image_u8 = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    generator = arrays.on_device(generator)
    arrays.translate(generator, image_u8)  # compiles
    seconds = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        arrays.translate(generator, image_u8)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1e6 / _SIDE**2
