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
    "c1.batchnorm.weight": (
        "chainer-pix2pix's encoder, decoder or critic",
        "begins or ends with 3x3 convolutions of stride 1 and has no tanh, and UNet and PatchGAN here are the paper's",
    ),
    "dc4.weight": (
        "Chainer's DCGAN generator",
        "begins with a dense layer, normalises its 8192 outputs one by one and ends in a sigmoid at 32x32, and "
        "DCGANGenerator here is the paper's",
    ),
    "c3_0.weight": (
        "Chainer's DCGAN critic",
        "has pairs of 3x3 and 4x4 convolutions and a dense layer, and DCGANCritic here is the paper's",
    ),
}
