"""Untrained generators from latents."""

import jax
import jax.numpy as jnp

from gan_jax import networks
from gan_jax.generator import Generator, GeneratorSpec


def untrained(classes, latent="normal"):
    module = networks.DCGANGenerator(size=8, width=4, classes=classes)
    inputs = [jnp.zeros((1, 6)), *([jnp.zeros(1, int)] if classes else [])]
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), *inputs)
    params = jax.tree.map(lambda p: 20.0 * p, params)  # so that samples differ visibly
    spec = GeneratorSpec(networks.describe(module), 6, "dcgan", norm="running", dropout=False, latent=latent)
    return Generator(spec, {"params": params, "stats": stats})
