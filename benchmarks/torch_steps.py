"""The same training steps in PyTorch, as its users write them: modules, `backward`, fused Adam."""

import contextlib
import itertools
import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from benchmarks import torch_nets
from benchmarks.timing import Program

__all__ = ["Placement", "cyclegan", "dcgan", "inference", "pix2pix", "placements", "srgan", "srresnet", "wgan_gp"]


class Placement(NamedTuple):
    """How PyTorch is asked to compute: each is a variant, and the fastest counts."""

    device: str
    channels_last: bool
    compiled: bool = False
    amp: bool = False

    @property
    def name(self) -> str:
        parts = "channels_last" if self.channels_last else "NCHW", "compile" if self.compiled else "eager"
        return " ".join((*parts, *(["bfloat16 AMP"] if self.amp else [])))

    def network(self, module: nn.Module) -> nn.Module:
        """A module on the device, in the layout, compiled if wanted."""
        module = module.to(self.device, memory_format=self._format)
        # Not module.compile(), which leaves an nn.Sequential as it is.
        return torch.compile(module) if self.compiled else module

    def images(self, array: np.ndarray, value_range: tuple[float, float] = (-1.0, 1.0)) -> Tensor:
        """uint8 [N, H, W, C] -> floats [N, C, H, W] on the device, in the layout."""
        low, high = value_range
        floats = torch.from_numpy(array.astype(np.float32) / 255.0 * (high - low) + low).permute(0, 3, 1, 2)
        return floats.to(self.device).contiguous(memory_format=self._format)

    def autocast(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.device, torch.bfloat16) if self.amp else contextlib.nullcontext()

    def program(self, networks: dict[str, nn.Module], run: Callable[[], object]) -> Program:
        """What `run` does with the networks, called by the names of ours, until the device has done it."""

        def done() -> None:
            run()
            if self.device == "cuda":
                torch.cuda.synchronize()

        return Program(done, {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()})

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def placements(*, compiled: bool) -> list[Placement]:
    """The variants that this machine is measured with; the first is plain enough for its operations to be counted."""
    if torch.cuda.is_available():
        modes = itertools.product((False, True), (False, True) if compiled else (False,))
        return [Placement("cuda", False), *(Placement("cuda", True, comp, amp) for amp, comp in modes)]
    plain = [Placement("cpu", False), Placement("cpu", True)]
    return plain + ([Placement("cpu", True, compiled=True)] if compiled else [])


def _adam(*modules: nn.Module, lr: float = 2e-4, betas: tuple[float, float] = (0.5, 0.999)) -> torch.optim.Optimizer:
    parameters = itertools.chain.from_iterable(module.parameters() for module in modules)
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=True)


def _trains(wanted: bool, *modules: nn.Module) -> None:
    for module in modules:
        module.requires_grad_(wanted)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _real(logits: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def _fake(logits: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))


def _squared(logits: Tensor, label: float) -> Tensor:
    return F.mse_loss(logits, torch.full_like(logits, label))


def pix2pix(batch: dict[str, np.ndarray], place: Placement) -> Program:
    generator = place.network(torch_nets.unet())
    critic = place.network(torch_nets.patch_gan(6, nn.BatchNorm2d))
    generator_adam, critic_adam = _adam(generator), _adam(critic)
    source, target = place.images(batch["source"]), place.images(batch["target"])

    def run() -> None:
        with place.autocast():
            fake = generator(source)
            _trains(True, critic)
            fake_logits = critic(torch.cat([source, fake.detach()], dim=1))
            real_logits = critic(torch.cat([source, target], dim=1))
            loss = 0.5 * (_fake(fake_logits) + _real(real_logits))
        _descend(critic_adam, loss)
        _trains(False, critic)
        with place.autocast():
            loss = _real(critic(torch.cat([source, fake], dim=1))) + 100.0 * F.l1_loss(fake, target)
        _descend(generator_adam, loss)

    return place.program({"generator": generator, "critic": critic}, run)


class _Pool:
    """50 images; half of the time one of them is shown in a new one's place."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.images = size, []

    def exchange(self, images: Tensor) -> Tensor:
        shown = []
        for image in images.detach().split(1):
            if len(self.images) < self.size:
                self.images.append(image.clone())
            elif random.random() > 0.5:
                slot = random.randrange(self.size)
                image, self.images[slot] = self.images[slot], image.clone()
            shown.append(image)
        return torch.cat(shown)


def cyclegan(batch: dict[str, np.ndarray], place: Placement) -> Program:
    to_b, to_a = (place.network(torch_nets.resnet()) for _ in "AB")
    critic_a, critic_b = (place.network(torch_nets.patch_gan(3, nn.InstanceNorm2d)) for _ in "AB")
    generator_adam, critic_adam = _adam(to_b, to_a), _adam(critic_a, critic_b)
    a, b = place.images(batch["A"]), place.images(batch["B"])
    pool_a, pool_b = _Pool(), _Pool()

    def run() -> None:
        _trains(False, critic_a, critic_b)
        with place.autocast():
            fake_b, fake_a = to_b(a), to_a(b)
            cycle = F.l1_loss(to_a(fake_b), a) + F.l1_loss(to_b(fake_a), b)
            identity = F.l1_loss(to_b(b), b) + F.l1_loss(to_a(a), a)
            loss = _squared(critic_b(fake_b), 1.0) + _squared(critic_a(fake_a), 1.0) + 10.0 * cycle + 5.0 * identity
        _descend(generator_adam, loss)
        _trains(True, critic_a, critic_b)
        with place.autocast():
            shown_a, shown_b = pool_a.exchange(fake_a), pool_b.exchange(fake_b)
            loss_a = _squared(critic_a(a), 1.0) + _squared(critic_a(shown_a), 0.0)
            loss_b = _squared(critic_b(b), 1.0) + _squared(critic_b(shown_b), 0.0)
        _descend(critic_adam, 0.5 * (loss_a + loss_b))

    return place.program({"AtoB": to_b, "BtoA": to_a, "critic_A": critic_a, "critic_B": critic_b}, run)


def srresnet(batch: dict[str, np.ndarray], place: Placement) -> Program:
    generator = place.network(torch_nets.srresnet())
    adam = _adam(generator, lr=1e-4, betas=(0.9, 0.999))
    source, target = place.images(batch["source"], (0.0, 1.0)), place.images(batch["target"])

    def run() -> None:
        with place.autocast():
            loss = F.mse_loss(generator(source), target)
        _descend(adam, loss)

    return place.program({"generator": generator}, run)


def srgan(batch: dict[str, np.ndarray], place: Placement) -> Program:
    generator, critic, vgg = map(place.network, (torch_nets.srresnet(), torch_nets.srgan_critic(), torch_nets.vgg19()))
    adams = [_adam(module, lr=1e-4, betas=(0.9, 0.999)) for module in (generator, critic)]
    source, target = place.images(batch["source"], (0.0, 1.0)), place.images(batch["target"])

    def run() -> None:
        _trains(False, critic)
        with place.autocast():
            fake = generator(source)
            with torch.no_grad():
                wanted = vgg(target) / 12.75
            loss = F.mse_loss(vgg(fake) / 12.75, wanted) + 1e-3 * _real(critic(fake))
        _descend(adams[0], loss)
        _trains(True, critic)
        with place.autocast():
            loss = _real(critic(target)) + _fake(critic(fake.detach()))
        _descend(adams[1], loss)

    return place.program({"generator": generator, "critic": critic, "content": vgg}, run)


def dcgan(batch: dict[str, np.ndarray], place: Placement) -> Program:
    generator = place.network(torch_nets.dcgan_generator(100, 64, 64))
    critic = place.network(torch_nets.dcgan_critic(64, 64, batch_norm=True))
    generator_adam, critic_adam = _adam(generator), _adam(critic)
    real = place.images(batch["image"])

    def run() -> None:
        with place.autocast():
            fake = generator(torch.randn(len(real), 100, 1, 1, device=place.device))
            loss = _real(critic(real)) + _fake(critic(fake.detach()))
        _trains(True, critic)
        _descend(critic_adam, loss)
        _trains(False, critic)
        with place.autocast():
            loss = _real(critic(fake))
        _descend(generator_adam, loss)
        _trains(True, critic)

    return place.program({"generator": generator, "critic": critic}, run)


def wgan_gp(batch: dict[str, np.ndarray], place: Placement, n_critic: int = 5) -> Program:
    """CIFAR-10's networks; five critic steps and one of the generator."""
    generator = place.network(torch_nets.dcgan_generator(128, 32, 128))
    # torch.compile has no second derivatives.
    critic = place._replace(compiled=False).network(torch_nets.dcgan_critic(32, 128, batch_norm=False))
    generator_adam, critic_adam = (_adam(module, lr=1e-4, betas=(0.0, 0.9)) for module in (generator, critic))
    shares: Iterable[Tensor] = place.images(batch["image"]).chunk(n_critic)
    count = len(batch["image"]) // n_critic

    def latents() -> Tensor:
        return torch.randn(count, 128, 1, 1, device=place.device)

    def run() -> None:
        _trains(True, critic)
        for real in shares:
            with place.autocast():
                with torch.no_grad():
                    fake = generator(latents())
                epsilon = torch.rand(count, 1, 1, 1, device=place.device)
                between = (epsilon * real + (1.0 - epsilon) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
                penalty = ((slope.flatten(1).norm(dim=1) - 1.0) ** 2).mean()
                loss = critic(fake).mean() - critic(real).mean() + 10.0 * penalty
            _descend(critic_adam, loss)
        _trains(False, critic)
        with place.autocast():
            loss = -critic(generator(latents())).mean()
        _descend(generator_adam, loss)

    return place.program({"generator": generator, "critic": critic}, run)


def inference(module: nn.Module, inputs: Tensor, place: Placement, *, train: bool = False) -> Program:
    """A generator at work; with `train` as pix2pix tests, dropout and the statistics of the batch."""
    generator = place.network(module.train(train))

    @torch.inference_mode()
    def run() -> None:
        with place.autocast():
            generator(inputs)

    return place.program({"generator": generator}, run)
