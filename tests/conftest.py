"""Every test runs on the CPU as eight devices, and compiles fast rather than well."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"

import jax

jax.config.update("jax_disable_most_optimizations", True)
