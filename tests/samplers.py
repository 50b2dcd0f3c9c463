"""Untrained generators from latents."""

import jax
import jax.numpy as jnp

from gan_jax import networks
from gan_jax.model import Model, ModelSpec


def untrained(classes, latent="normal"):
    module = networks.DCGANGenerator(size=8, width=4, classes=classes)
    inputs = [jnp.zeros((1, 6)), *([jnp.zeros(1, int)] if classes else [])]
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), *inputs)
    params = jax.tree.map(lambda p: 20.0 * p, params)  # so that samples differ visibly
    spec = ModelSpec(networks.describe(module), 6, "dcgan", norm="running", dropout=False, latent=latent)
    return Model(spec, {"params": params, "stats": stats})
