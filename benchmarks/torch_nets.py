"""The same networks in PyTorch, as straightforward as they are there: our layers, norms, biases and dropout."""

import itertools

import torch
from torch import Tensor, nn

__all__ = [
    "RRDBNet",
    "dcgan_critic",
    "dcgan_generator",
    "patch_gan",
    "resnet",
    "srgan_critic",
    "srresnet",
    "unet",
    "vgg19",
]


class UNet(nn.Module):
    """pix2pix's U-Net of 8 levels with batch norm, dropout in the first three layers of the decoder."""

    def __init__(self, depth: int = 8, width: int = 64) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.down = nn.ModuleList()
        for level, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths])):
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(outputs)] if 0 < level < depth - 1 else []
            self.down.append(nn.Sequential(*layers))
        self.up = nn.ModuleList()
        for step, outputs in enumerate(reversed(widths[:-1])):
            inputs = widths[-1] if step == 0 else 2 * widths[-1 - step]
            layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs)]
            layers += [nn.Dropout(0.5)] if step < 3 else []
            self.up.append(nn.Sequential(*layers))
        self.out = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        encoded = []
        for layer in self.down:
            x = layer(x)
            encoded.append(x)
        for layer, skip in zip(self.up, reversed(encoded[:-1]), strict=True):
            x = torch.cat([skip, layer(x)], dim=1)
        return self.out(x)


def unet() -> nn.Module:
    return UNet()


def patch_gan(channels: int, norm: type[nn.Module], width: int = 64) -> nn.Module:
    """The 70x70 critic; a convolution in front of batch norm has no bias."""
    biased = norm is not nn.BatchNorm2d
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for inputs, outputs, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        layers.append(nn.Conv2d(inputs * width, outputs * width, 4, stride, 1, bias=biased))
        layers += [norm(outputs * width), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class Residual(nn.Module):
    """x + layers(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def resnet(blocks: int = 9, width: int = 64) -> nn.Module:
    """CycleGAN's generator, with instance norm and biases."""

    def normed(features: int) -> tuple[nn.Module, nn.Module]:
        return nn.InstanceNorm2d(features), nn.ReLU(inplace=True)

    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), *normed(width)]
    for factor in (1, 2):
        layers += [nn.Conv2d(factor * width, 2 * factor * width, 3, 2, 1), *normed(2 * factor * width)]
    full = 4 * width
    for _ in range(blocks):
        first = nn.ReflectionPad2d(1), nn.Conv2d(full, full, 3), *normed(full)
        layers.append(Residual(*first, nn.ReflectionPad2d(1), nn.Conv2d(full, full, 3), nn.InstanceNorm2d(full)))
    for factor in (4, 2):
        outputs = factor * width // 2
        layers += [nn.ConvTranspose2d(factor * width, outputs, 3, 2, 1, output_padding=1), *normed(outputs)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def srresnet(blocks: int = 16, width: int = 64) -> nn.Module:
    """SRGAN's generator for x4: one slope a PReLU, no bias in front of batch norm, linear output."""

    def normed() -> tuple[nn.Module, nn.Module]:
        return nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)

    layers = [Residual(*normed(), nn.PReLU(), *normed()) for _ in range(blocks)]
    up = [nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU()]
    up += [nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU()]
    head = nn.Conv2d(3, width, 9, 1, 4), nn.PReLU()
    return nn.Sequential(*head, Residual(*layers, *normed()), *up, nn.Conv2d(width, 3, 9, 1, 4))


class _Dense(nn.Module):
    """Five convolutions, each of all maps before it."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for index in range(5):
            outputs = growth if index < 4 else width
            self.add_module(f"conv{index + 1}", nn.Conv2d(width + index * growth, outputs, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for index in range(4):
            layer = self.get_submodule(f"conv{index + 1}")
            maps.append(nn.functional.leaky_relu(layer(torch.cat(maps, 1)), 0.2, inplace=True))
        return x + 0.2 * self.get_submodule("conv5")(torch.cat(maps, 1))


class _Dense3(nn.Module):
    """Three dense blocks under a skip."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_Dense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """ESRGAN's generator for x4, by the names of Real-ESRGAN's files."""

    def __init__(self, blocks: int = 23, width: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, width, 3, 1, 1)
        self.body = nn.Sequential(*(_Dense3(width, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(width, width, 3, 1, 1)
        self.conv_up1, self.conv_up2, self.conv_hr = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(3))
        self.conv_last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for layer in (self.conv_up1, self.conv_up2):
            x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
            x = nn.functional.leaky_relu(layer(x), 0.2, inplace=True)
        return self.conv_last(nn.functional.leaky_relu(self.conv_hr(x), 0.2, inplace=True))


def srgan_critic(size: int = 96, width: int = 64) -> nn.Module:
    """SRGAN's critic with its dense head."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True)]
    inputs = width
    for layer in range(1, 8):
        outputs = width * 2 ** (layer // 2)
        layers.append(nn.Conv2d(inputs, outputs, 3, 1 + layer % 2, 1, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
        inputs = outputs
    layers += [nn.Flatten(), nn.Linear(inputs * (size // 16) ** 2, 1024), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Linear(1024, 1))


class VGG19(nn.Module):
    """VGG19 up to relu5_4, of images in [-1, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for block, (count, outputs) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))):
            layers += [nn.MaxPool2d(2)] if block else []
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.ReLU(inplace=True)]
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(((x + 1.0) / 2.0 - self.mean) / self.std)


def vgg19() -> nn.Module:
    return VGG19().requires_grad_(False)


def dcgan_generator(latent: int, size: int, width: int) -> nn.Module:
    """Latents [N, latent, 1, 1] to images, with batch norm and without biases."""
    doublings = size.bit_length() - 3
    layers: list[nn.Module] = []
    inputs = latent
    for step in range(doublings):
        outputs = width * 2 ** (doublings - 1 - step)
        stride, padding = (1, 0) if step == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers, nn.ConvTranspose2d(inputs, 3, 4, 2, 1, bias=False), nn.Tanh())


def dcgan_critic(size: int, width: int, *, batch_norm: bool) -> nn.Module:
    """Images to logits [N, 1, 1, 1]; with batch norm and without biases, or the other way round."""
    doublings = size.bit_length() - 3
    layers: list[nn.Module] = []
    inputs = 3
    for layer in range(doublings):
        outputs = width * 2**layer
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not batch_norm))
        layers += [nn.BatchNorm2d(outputs)] if batch_norm and layer else []
        # In place, a gradient penalty could not go through it twice.
        layers.append(nn.LeakyReLU(0.2, inplace=batch_norm))
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1, 4, 1, 0, bias=not batch_norm))
