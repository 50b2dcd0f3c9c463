"""Other projects' names of layers: all that is known of them, and the one place where it stands."""

from gan_jax.interop.naming import dcgan, features, pix2pix, super_resolution

__all__ = ["LAYOUTS", "WITHOUT_COUNTERPART"]
__dir__ = __all__.copy

LAYOUTS = (*pix2pix.LAYOUTS, *super_resolution.LAYOUTS, *dcgan.LAYOUTS, *features.LAYOUTS)

# Networks that are known and have no counterpart here: an array of theirs, whose they are, and what is in the way.
WITHOUT_COUNTERPART = {
    "down1.model.0.weight": (
        "PyTorch-GAN's pix2pix generator",
        "keeps the activations in its skips and ends in a nearest enlargement and a 4x4 convolution, and UNet here is "
        "the paper's",
    ),
}
