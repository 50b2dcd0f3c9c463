"""WGAN-GP's step with its critic steps unrolled, as it is compiled, beside the same in a loop.

python -m benchmarks.wgan_step > benchmarks/wgan_step.txt
"""

import functools
import platform
import time
from unittest import mock

import jax
import numpy as np
import optax

from gan_jax import networks
from gan_jax.method import train_step
from gan_jax.methods.wgan import wgan

BATCH, N_CRITIC, WIDTH, STEPS = 64, 5, 16, 5
SCAN = jax.lax.scan


def looped(*arguments, unroll):
    return SCAN(*arguments)


def seconds() -> tuple[float, float]:
    """To compile, and the fastest step."""
    generator = networks.from_linen(networks.DCGANGenerator(3, 32, WIDTH, "batch", 10))
    critic = networks.from_linen(networks.DCGANCritic(32, WIDTH, "none", 10))
    tx = optax.adam(1e-4, b1=0.0, b2=0.9, eps=1e-8)
    method = wgan(generator, critic, generator_tx=tx, critic_tx=tx, penalty_weight=10.0, conditional=True)
    count = BATCH * N_CRITIC
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    batch = {"image": images, "label": np.arange(count) % 10}
    state = jax.jit(method.init)(jax.random.key(0), batch)
    begun = time.perf_counter()
    step = jax.jit(functools.partial(train_step, method)).lower(state, batch).compile()
    compiled, times = time.perf_counter() - begun, []
    for _ in range(STEPS):
        begun = time.perf_counter()
        state, _ = jax.block_until_ready(step(state, batch))
        times.append(time.perf_counter() - begun)
    return compiled, min(times)


def main() -> None:
    print(f"{jax.default_backend()}, Python {platform.python_version()}, jax {jax.__version__}")
    print(f"WGAN-GP on 32x32, batch {BATCH}, {N_CRITIC} critic steps, width {WIDTH}; seconds\n")
    print(f"{'':10}{'compile':>10}{'step':>10}")
    rows = {"unrolled": seconds()}
    with mock.patch.object(jax.lax, "scan", looped):
        rows["loop"] = seconds()
    for name, (compiled, step) in rows.items():
        print(f"{name:10}{compiled:10.1f}{step:10.3f}")
    print(f"\nunrolled is {rows['loop'][1] / rows['unrolled'][1]:.1f} times as fast")


if __name__ == "__main__":
    main()
