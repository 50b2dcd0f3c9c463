"""Every test runs on the CPU as eight devices, and compiles fast rather than well."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"

import jax
import numpy as np
import optax
import pytest

from gan_jax import networks
from gan_jax.generator import Generator, GeneratorSpec
from gan_jax.methods.pix2pix import pix2pix

jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory, monkeypatch):
    """No test reads or leaves a header cache in the user's home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def tiny_method():
    """A pix2pix of a few hundred parameters, for 8x8 images, by SGD: (options) -> method."""

    def make(**options):
        return pix2pix(
            networks.from_linen(networks.UNet(depth=2, width=2, dropout=0.0)),
            networks.from_linen(networks.PatchGAN(layers=1, width=2)),
            **{"generator_tx": optax.sgd(1e-2), "critic_tx": optax.sgd(1e-2), **options},
        )

    return make


@pytest.fixture(scope="session")
def tiny_batch():
    """(size, seed) -> a batch of random 8x8 pairs."""

    def make(size=8, seed=0):
        rng = np.random.default_rng(seed)
        return {name: rng.integers(0, 256, (size, 8, 8, 3), dtype=np.uint8) for name in ("source", "target")}

    return make


@pytest.fixture(scope="session")
def tiny_generator():
    """(fields) -> an untrained U-Net generator for multiples of 8."""

    def make(in_channels=3, out_channels=3, dropout=True, norm="image", **fields):
        module = networks.UNet(out_channels=out_channels, depth=3, width=4, **fields)
        x = np.zeros((1, 8, 8, in_channels), np.float32)
        params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), x)
        # Larger than at the start of training, so that outputs are not all grey.
        params = jax.tree.map(lambda p: 10.0 * p, params)
        spec = GeneratorSpec(
            architecture=networks.describe(module),
            in_channels=in_channels,
            out_channels=out_channels,
            method="pix2pix",
            norm=norm,
            dropout=dropout,
            size_multiple=8,
        )
        return Generator(spec, {"params": params, "stats": stats})

    return make
