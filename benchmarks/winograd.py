"""Winograd's form of 3x3 convolutions beside XLA's, on a CPU; wants nothing but the package.

    python -m benchmarks.winograd > benchmarks/results/winograd.txt

F(m, 3) computes m x m outputs of (m + 2)^2 products and not 9 m^2: 2.25 times fewer for m = 2, 4 times for m = 4 (Lavin
and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"). The package takes none of it: docs/performance.md.
"""

import functools
import platform
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# Of SRResNet and VGG at a batch of 16 crops, and of one image in SRResNet and in a ResNet's blocks.
SHAPES = [
    (16, 24, 24, 64),
    (16, 96, 96, 64),
    (16, 48, 48, 128),
    (16, 24, 24, 256),
    (16, 12, 12, 512),
    (1, 128, 128, 64),
    (1, 64, 64, 256),
]
_INPUTS = {
    2: [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    4: [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
}
_KERNELS = {
    2: [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
    4: [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
}
_OUTPUTS = {
    2: [[1, 1, 1, 0], [0, 1, -1, -1]],
    4: [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
}


def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _weighed(weights: Sequence[float], parts: Sequence[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, (w * part for w, part in zip(weights, parts, strict=True) if w))


def _every(x: jax.Array, axis: int, start: int, count: int, step: int) -> jax.Array:
    return lax.slice_in_dim(x, start, start + (count - 1) * step + 1, step, axis)


def winograd(x: jax.Array, kernel: jax.Array, *, m: int, images: int | None) -> jax.Array:
    """The same, of all images at once or of so many after each other."""
    (n, height, width, inputs), outputs, side = x.shape, kernel.shape[3], m + 2
    down, across = -(-height // m), -(-width // m)
    by = np.array(_KERNELS[m], np.float32)
    kernels = jnp.einsum("ar,bs,rsio->abio", by, by, kernel, precision="highest").reshape(-1, inputs, outputs)
    edges = [(0, 0), (1, down * m + 1 - height), (1, across * m + 1 - width), (0, 0)]

    def of(padded: jax.Array) -> jax.Array:
        rows = [_every(padded, 1, i, down, m) for i in range(side)]
        rows = lax.optimization_barrier([_weighed(weights, rows) for weights in _INPUTS[m]])
        tiles = jnp.stack(
            [_weighed(w, [_every(row, 2, i, across, m) for i in range(side)]) for row in rows for w in _INPUTS[m]]
        )
        products = lax.dot_general(tiles.reshape(side**2, -1, inputs), kernels, (((2,), (1,)), ((0,), (0,))))
        products = products.reshape(side, side, -1, down, across, outputs)
        columns = lax.optimization_barrier([[_weighed(w, list(row)) for w in _OUTPUTS[m]] for row in products])
        y = [jnp.stack([_weighed(w, [row[j] for row in columns]) for j in range(m)], 3) for w in _OUTPUTS[m]]
        return jnp.stack(y, 2).reshape(-1, down * m, across * m, outputs)

    padded = jnp.pad(x, edges)
    if images is None:
        y = of(padded)
    else:
        y = lax.map(of, padded.reshape(-1, images, *padded.shape[1:])).reshape(n, down * m, across * m, outputs)
    return y[:, :height, :width]


def measured(form: jax.stages.Wrapped, *arrays: jax.Array) -> float:
    """The median of nine runs, in milliseconds."""
    seconds = []
    for _ in range(11):
        start = time.perf_counter()
        jax.block_until_ready(form(*arrays))
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[2:])


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    print(f"Python {platform.python_version()}, jax {version('jax')}, float32; milliseconds, median of nine")
    print("difference: the worst from XLA's in float64, over its largest value\n")
    forms = {"XLA": plain}
    for m in (2, 4):
        forms |= {f"F({m}, 3)": functools.partial(winograd, m=m, images=None)}
        forms |= {f"F({m}, 3), image by image": functools.partial(winograd, m=m, images=1)}
    for n, height, width, channels in SHAPES:
        keys = jax.random.split(jax.random.key(0))
        x = jax.random.normal(keys[0], (n, height, width, channels))
        kernel = jax.random.normal(keys[1], (3, 3, channels, channels)) / np.sqrt(9 * channels)
        with jax.enable_x64(True):
            exact = np.asarray(plain(jnp.asarray(x, jnp.float64), jnp.asarray(kernel, jnp.float64)))
        print(f"{n} x {height}x{width}, {channels} channels: {18 * n * height * width * channels**2 / 1e9:.1f} GFLOP")
        for name, form in forms.items():
            if n > 1 or not name.endswith("image"):
                compiled = jax.jit(form)
                difference = np.abs(np.asarray(compiled(x, kernel)) - exact).max() / np.abs(exact).max()
                print(f"  {name:28}{measured(compiled, x, kernel):8.1f}   difference {difference:.0e}", flush=True)
