"""The flags of the recipes' presets, by name: what papers and programs published, and what runs in minutes."""

from collections.abc import Mapping
from typing import Any

__all__ = ["CYCLEGAN", "DCGAN", "FIRST_STAGES", "PIX2PIX", "SRGAN", "WGAN"]
__dir__ = __all__.copy

_Flags = Mapping[str, Any]


def _datasets(*names: str, **flags: Any) -> dict[str, _Flags]:
    """Data sets below datasets/, each with the same other flags."""
    return {name: {"name": name, "dataroot": f"datasets/{name}", **flags} for name in names}


def _pix2pix(name: str, **flags: Any) -> dict[str, _Flags]:
    """As in the paper's section 6.2: the rate stays constant."""
    return {name: {**_datasets(name)[name], "lr_policy": "constant", "n_epochs_decay": 0, **flags}}


_PIX2PIX_DEMO: _Flags = {
    "dataroot": "builtin:embedded",
    "name": "demo",
    "load_size": 128,
    "crop_size": 128,
    "no_flip": True,
    "ndf": 16,
}
PIX2PIX: Mapping[str, _Flags] = {
    # 32 pixels are context enough for a facade: the inner layers of a deeper U-Net cost a fifth more time and bring
    # nothing (docs/gallery.md).
    "demo": {
        **_PIX2PIX_DEMO,
        "netG": "unet_32",
        "ngf": 32,
        "lr": 1e-3,
        "ema_decay": 0.999,
        "n_epochs": 6,
        "n_epochs_decay": 6,
        "val_freq": 1200,
        "save_latest_freq": 1200,
    },
    "ablate": {
        **_PIX2PIX_DEMO,
        "ngf": 16,
        "name": "ablation",
        "n_epochs": 1,
        "n_epochs_decay": 1,
        "val_freq": 400,
        "save_latest_freq": 400,
    },
    "upscale": {
        "dataroot": "builtin:photos",
        "name": "upscale",
        "preprocess": "crop",
        "crop_size": 64,
        "batch_size": 8,
        "ngf": 32,
        "ndf": 32,
        "no_dropout": True,
        "n_epochs": 250,
        "n_epochs_decay": 250,
        "val_freq": 250,
        "save_latest_freq": 250,
    },
    **_pix2pix("facades", direction="BtoA", n_epochs=200),
    **_pix2pix("cityscapes", direction="BtoA", n_epochs=200),
    **_pix2pix("maps", n_epochs=200),
    **_pix2pix("edges2shoes", n_epochs=15, batch_size=4),
    **_pix2pix("edges2handbags", n_epochs=15, batch_size=4),
    **_pix2pix("day2night", dataroot="datasets/night2day", direction="BtoA", n_epochs=17, batch_size=4),
    # Mirrored but not jittered.
    **_pix2pix("colorize", dataroot="datasets/photos", derive="lab", load_size=256, n_epochs=6, batch_size=4),
}

# The identity loss was for photographs and paintings alone (section 5.2 of CycleGAN's paper).
CYCLEGAN: Mapping[str, _Flags] = {
    "demo": {
        "dataroot": "builtin:embedded",
        "name": "demo_cyclegan",
        "load_size": 64,
        "crop_size": 64,
        "no_flip": True,
        "netG": "unet_32",  # the paper's ResNet, in more time, is 3 to 6 dB behind: docs/cyclegan.md
        "ngf": 32,
        "ndf": 16,
        "lambda_identity": 0.0,
        "lr": 8e-4,
        "ema_decay": 0.999,
        "n_epochs": 10,
        "n_epochs_decay": 10,
        "val_freq": 1000,
        "save_latest_freq": 1000,
    },
    **_datasets("monet2photo", "cezanne2photo", "ukiyoe2photo", "vangogh2photo"),
    **_datasets(
        "horse2zebra",
        "apple2orange",
        "summer2winter_yosemite",
        "iphone2dslr_flower",
        "maps",
        "facades",
        "cityscapes",
        lambda_identity=0.0,
    ),
}

_SRGAN_PAPER: _Flags = {
    "batch_size": 16,
    "gt_size": 96,
    "lr": 1e-4,
    "beta1": 0.9,
    "total_iter": 1_000_000,
    "gan_iter": 200_000,
    "gan_milestones": (100_000,),
    "gan_gamma": 0.1,
    "val_freq": 5000,
}
_SRGAN_DEMO: _Flags = {
    "name": "demo_srgan",  # checkpoints/demo is pix2pix's
    "stage": "both",
    "dataroot": "builtin:photos",
    "scale": 2,
    "gt_size": 64,
    "batch_size": 8,
    "netG": "msrresnet",
    "netD": "srgan_pool",
    "num_block": 4,
    "num_feat": 32,
    "num_feat_d": 16,
    "pixel_loss": "l1",
    "lr": 1e-3,
    "beta1": 0.9,
    "total_iter": 800,
    "gan_iter": 300,
    "gan_lr": 2e-4,
    "content": "vgg16",
    "content_layers": ("relu2_2", "relu3_3"),
    "content_scale": 1.0,
    "content_weight": 0.01,
    "pixel_weight": 1.0,
    "gan_weight": 1e-3,
    "val_freq": 200,
    "save_latest_freq": 200,
}
# The generators in the box (gan_jax/boxed), for two CPU cores: half of the inputs are clean, as photographs shrunk by
# bicubic are, the others softened and stored as JPEG.
_BOXED: _Flags = {
    "dataroot": "datasets/free",
    "netG": "srvgg",
    "num_feat": 32,
    "num_block": 8,
    "soften": 0.8,
    "jpeg": 60,
    "clean": 0.5,
    "pixel_loss": "l1",
    "lr": 1e-3,
    "beta1": 0.9,
    "beta2": 0.99,
    "cache": "ram",
    "val_freq": 1000,
    "save_latest_freq": 500,
}
# BasicSR's features: VGG19 before activation.
_BASICSR_CONTENT: _Flags = {"content_layers": ("conv5_4",), "content_distance": "l1", "content_scale": 1.0}
# First stages, with what `--stage both` takes for the second.
SRGAN: Mapping[str, _Flags] = {
    "demo": {**_SRGAN_DEMO, "upsample": "nearest"},  # pixel shuffle leaves a grid: docs/super_resolution.md
    "real": {**_SRGAN_DEMO, "name": "demo_real", "downscale": "second_order", "netD": "unet"},
    "upscale_x2": {
        **_BOXED,
        "name": "upscale_x2",
        "scale": 2,
        "gt_size": 64,
        "batch_size": 16,
        "total_iter": 2500,
        "periods": (2500,),
    },
    "upscale_x4": {
        **_BOXED,
        "name": "upscale_x4",
        "scale": 4,
        "gt_size": 96,
        "batch_size": 16,
        "soften": 1.6,
        "total_iter": 1800,
        "periods": (1800,),
    },
    # From there, a little nearer to photographs as LPIPS sees them, for a little of PSNR.
    "upscale_x4_features": {
        **_BOXED,
        "name": "upscale_x4_features",
        "stage": "srgan",
        "init_generator": "checkpoints/upscale_x4",
        "scale": 4,
        "gt_size": 96,
        "batch_size": 8,
        "soften": 1.6,
        "gan_mode": "none",
        "content": "vgg16",
        "content_layers": ("relu2_2",),
        "content_scale": 1.0,
        "content_weight": 0.02,
        "pixel_weight": 1.0,
        "lr": 3e-4,
        "total_iter": 300,
        "periods": (300,),
        "val_freq": 300,
        "save_latest_freq": 100,
    },
    "paper": _SRGAN_PAPER,
    "basicsr": {
        **_BASICSR_CONTENT,
        **_SRGAN_PAPER,
        "netG": "msrresnet",
        "netD": "vggstyle",
        "gt_size": 128,
        "lr": 2e-4,
        "beta2": 0.99,
        "periods": (250_000,) * 4,
        "ema_decay": 0.999,
        "gan_iter": 400_000,
        "gan_milestones": (50_000, 100_000, 200_000, 300_000),
        "gan_gamma": 0.5,
        "pixel_loss": "l1",
        "pixel_weight": 1e-2,
        "gan_weight": 5e-3,
    },
    # Wang et al. 2018, section 4.1, with the rates of the second stage from the authors' options.
    "esrgan": {
        **_SRGAN_PAPER,
        **_BASICSR_CONTENT,
        "netG": "rrdbnet",
        "netD": "vggstyle",
        "num_block": 23,
        "gt_size": 128,
        "lr": 2e-4,
        "milestones": (200_000, 400_000, 600_000, 800_000),
        "gan_iter": 400_000,
        "gan_milestones": (50_000, 100_000, 200_000, 300_000),
        "gan_gamma": 0.5,
        "pixel_loss": "l1",
        "pixel_weight": 1e-2,
        "gan_mode": "relativistic",
        "gan_weight": 5e-3,
    },
    # Wang et al. 2021, section 4.1, and train_realesr(net|gan)_x4plus.yml: four GPUs with 12 images and 180 pairs each.
    "realesrgan": {
        **_SRGAN_PAPER,
        "downscale": "second_order",
        "sharpen": True,
        "degrade_size": 400,
        "gt_size": 256,
        "batch_size": 48,
        "queue_size": 720,
        "netG": "rrdbnet",
        "netD": "unet",
        "num_block": 23,
        "lr": 2e-4,
        "beta2": 0.99,
        "ema_decay": 0.999,
        "gan_iter": 400_000,
        "gan_milestones": (),
        "content_layers": ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"),
        "content_layer_weights": (0.1, 0.1, 1.0, 1.0, 1.0),
        "content_distance": "l1",
        "content_scale": 1.0,
        "pixel_loss": "l1",
        "pixel_weight": 1.0,
        "gan_weight": 0.1,
    },
}
# Which preset is the first stage of a preset that is a second.
FIRST_STAGES: Mapping[str, str] = {
    "srgan-paper": "srresnet-paper",
    "srgan-basicsr": "srresnet-basicsr",
    "esrgan-paper": "rrdbnet-paper",
    "realesrgan": "realesrnet",
}


def _prepared(name: str, *, run: str | None = None, **flags: Any) -> _Flags:
    """A run on a data set of TFDS at 32x32."""
    return {"name": run or name, "dataroot": f"builtin:tfds:{name}", "size": 32, **flags}


DCGAN: Mapping[str, _Flags] = {
    "demo": {
        "dataroot": "builtin:embedded",
        "name": "demo_dcgan",
        "size": 32,
        "conditional": True,
        "nz": 32,
        "ngf": 32,
        "ndf": 32,
        "batch_size": 32,
        "lr": 5e-4,
        "n_epochs": 10,
        "n_epochs_decay": 10,
        "lr_policy": "linear",
        "ema_decay": 0.99,
        "val_freq": 500,
        "save_latest_freq": 500,
    },
    "pytorch": {},
    "paper": {"batch_size": 128, "latent": "uniform", "ngf": 128},
    "mnist": _prepared("mnist", conditional=True, output_nc=1),
    "fashion_mnist": _prepared("fashion_mnist", conditional=True, output_nc=1),
    "cifar10": _prepared("cifar10", conditional=True, flip=True, n_epochs=100),
}
WGAN: Mapping[str, _Flags] = {
    "demo": {
        "dataroot": "builtin:embedded",
        "name": "demo_wgan",
        "size": 32,
        "conditional": True,
        "nz": 32,
        "ngf": 32,
        "ndf": 16,
        "batch_size": 32,
        "lr": 1e-3,
        "n_epochs": 24,
        "ema_decay": 0.99,
        "val_freq": 100,
        "save_latest_freq": 100,
        "print_freq": 20,
    },
    "ring": {"name": "ring"},
    "wgan": {"clip": 0.01, "lr": 5e-5},
    # 200,000 generator steps, as in the programs of WGAN-GP's authors.
    "mnist": _prepared("mnist", run="mnist_wgan", output_nc=1, batch_size=50, norm="none", n_epochs=878),
    "cifar10": _prepared("cifar10", run="cifar10_wgan", nz=128, ngf=128, ndf=128, flip=True, n_epochs=1343),
}
