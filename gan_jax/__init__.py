"""Image-to-image GANs and super-resolution in JAX; import the module you need, this one imports nothing."""

__version__ = "0.1.0"
