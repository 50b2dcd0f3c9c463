"""The runnable scripts, one a paper; what they run is gan_jax.recipes."""
