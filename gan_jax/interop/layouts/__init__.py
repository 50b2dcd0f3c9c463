"""Other projects' names of layers: all that is known of them, and the one place where it stands."""

from gan_jax.interop.layouts import dcgan, features, pix2pix, super_resolution

LAYOUTS = (*pix2pix.LAYOUTS, *super_resolution.LAYOUTS, *dcgan.LAYOUTS, *features.LAYOUTS)

# Networks that are known and have no counterpart here: an array of theirs, whose they are, and what is in the way.
WITHOUT_COUNTERPART = {
    "block8.0.conv.weight": ("leftthomas/SRGAN's generator", "ends in tanh, and SRResNet here is linear"),
    "res_blocks.0.conv_block.0.weight": (
        "PyTorch-GAN's SRGAN generator",
        "has batch norm in its upsampling layers and ends in tanh, and SRResNet here does not",
    ),
    "model.23.weight": ("PyTorch-GAN's SRGAN critic", "judges patches of 16x16, and SRGANCritic here whole images"),
}
