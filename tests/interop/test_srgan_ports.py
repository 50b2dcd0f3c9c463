"""SRGAN of leftthomas/SRGAN and PyTorch-GAN, whose generators end in tanh, beside numpy's reading of their layers.

The forwards are written from model.py of the one and implementations/srgan/models.py of the other.
"""

import jax
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.interop import convert
from gan_jax.networks import SRGANCritic, SRResNet
from tests.interop.test_chainer_networks import conv as chainer_conv
from tests.interop.test_chainer_networks import leaky

WIDTH = 4


class State(dict):
    """A state_dict of random arrays; none at its default."""

    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def conv(self, name, inputs, outputs, side=3):
        self[f"{name}.weight"] = self.rng.normal(0, (inputs * side**2) ** -0.5, (outputs, inputs, side, side))
        self[f"{name}.bias"] = self.rng.normal(0, 0.3, outputs)

    def norm(self, name, channels):
        for leaf, mean in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self[f"{name}.{leaf}"] = mean + self.rng.uniform(-0.5, 0.5, channels)

    def prelu(self, name):
        self[f"{name}.weight"] = self.rng.uniform(0.1, 0.4, 1)

    def float32(self):
        return {key: np.float32(array) for key, array in self.items()}


def conv(state, name, x, stride=1):
    arrays = {"c/W": state[f"{name}.weight"], "c/b": state[f"{name}.bias"]}
    return chainer_conv(arrays, "c", x, stride, state[f"{name}.weight"].shape[2] // 2)


def norm(state, name, x, eps=1e-5):
    weight, bias, mean, var = (
        state[f"{name}.{leaf}"][:, None, None] for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + eps) * weight + bias


def prelu(state, name, x):
    return np.where(x > 0, x, state[f"{name}.weight"] * x)


def shuffled(x):
    n, channels, height, width = x.shape
    x = x.reshape(n, channels // 4, 2, 2, height, width).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, channels // 4, 2 * height, 2 * width)


def leftthomas():
    state = State()
    state.conv("block1.0", 3, WIDTH, 9)
    state.prelu("block1.1")
    for block in range(2, 7):
        for index in (1, 2):
            state.conv(f"block{block}.conv{index}", WIDTH, WIDTH)
            state.norm(f"block{block}.bn{index}", WIDTH)
        state.prelu(f"block{block}.prelu")
    state.conv("block7.0", WIDTH, WIDTH)
    state.norm("block7.1", WIDTH)
    for step in range(2):
        state.conv(f"block8.{step}.conv", WIDTH, 4 * WIDTH)
        state.prelu(f"block8.{step}.prelu")
    state.conv("block8.2", WIDTH, 3, 9)
    return state


def leftthomas_forward(state, x):
    h = first = prelu(state, "block1.1", conv(state, "block1.0", x))
    for block in (f"block{index}" for index in range(2, 7)):
        y = prelu(state, f"{block}.prelu", norm(state, f"{block}.bn1", conv(state, f"{block}.conv1", h)))
        h = h + norm(state, f"{block}.bn2", conv(state, f"{block}.conv2", y))
    h = first + norm(state, "block7.1", conv(state, "block7.0", h))
    for step in range(2):
        h = prelu(state, f"block8.{step}.prelu", shuffled(conv(state, f"block8.{step}.conv", h)))
    return (np.tanh(conv(state, "block8.2", h)) + 1) / 2


def pytorch_gan(blocks=2):
    state = State()
    state.conv("conv1.0", 3, WIDTH, 9)
    state.prelu("conv1.1")
    for block in (f"res_blocks.{index}.conv_block" for index in range(blocks)):
        for place in (0, 3):
            state.conv(f"{block}.{place}", WIDTH, WIDTH)
            state.norm(f"{block}.{place + 1}", WIDTH)
        state.prelu(f"{block}.2")
    state.conv("conv2.0", WIDTH, WIDTH)
    state.norm("conv2.1", WIDTH)
    for place in (0, 4):
        state.conv(f"upsampling.{place}", WIDTH, 4 * WIDTH)
        state.norm(f"upsampling.{place + 1}", 4 * WIDTH)
        state.prelu(f"upsampling.{place + 3}")
    state.conv("conv3.0", WIDTH, 3, 9)
    return state


def pytorch_gan_forward(state, x, blocks=2):
    """The second argument of its BatchNorm2d(64, 0.8) is the eps; the upsampling layers have torch's."""
    h = first = prelu(state, "conv1.1", conv(state, "conv1.0", x))
    for block in (f"res_blocks.{index}.conv_block" for index in range(blocks)):
        y = prelu(state, f"{block}.2", norm(state, f"{block}.1", conv(state, f"{block}.0", h), 0.8))
        h = h + norm(state, f"{block}.4", conv(state, f"{block}.3", y), 0.8)
    h = first + norm(state, "conv2.1", conv(state, "conv2.0", h), 0.8)
    for place in (0, 4):
        h = norm(state, f"upsampling.{place + 1}", conv(state, f"upsampling.{place}", h))
        h = prelu(state, f"upsampling.{place + 3}", shuffled(h))
    return np.tanh(conv(state, "conv3.0", h))


def pytorch_gan_critic():
    state, inputs = State(), 3
    for layer, outputs in enumerate(WIDTH * 2 ** (layer // 2) for layer in range(8)):
        state.conv(f"model.{3 * layer - 1 if layer else 0}", inputs, outputs)
        if layer:
            state.norm(f"model.{3 * layer}", outputs)
        inputs = outputs
    state.conv("model.23", inputs, 1)
    return state


def pytorch_gan_critic_forward(state, x):
    h = leaky(conv(state, "model.0", x))
    for layer in range(1, 8):
        h = leaky(norm(state, f"model.{3 * layer}", conv(state, f"model.{3 * layer - 1}", h, 1 + layer % 2)))
    return conv(state, "model.23", h)


@pytest.mark.parametrize(
    ("state", "forward", "module", "side"),
    [
        (leftthomas(), leftthomas_forward, SRResNet(3, 4, 5, WIDTH, output="unit_tanh"), 6),
        (pytorch_gan(), pytorch_gan_forward, SRResNet(3, 4, 2, WIDTH, output="tanh"), 6),
        (pytorch_gan_critic(), pytorch_gan_critic_forward, SRGANCritic(width=WIDTH, head="conv"), 32),
    ],
    ids=["leftthomas", "PyTorch-GAN", "PyTorch-GAN's critic"],
)
def test_the_same_function(state, forward, module, side):
    got_module, variables = convert.from_torch(state.float32())
    assert got_module == module
    x = np.random.default_rng(1).uniform(0, 1, (2, 3, side, side + 2))
    expected = forward(state, x).transpose(0, 2, 3, 1)
    inputs = np.float32(x.transpose(0, 2, 3, 1))
    network = networks.from_linen(got_module)
    got = jax.jit(lambda x: network.apply(variables["params"], variables["stats"], x, train=False)[0])(inputs)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_what_pytorch_gan_does_otherwise_is_told(tmp_path):
    np.savez(tmp_path / "generator_9.npz", **pytorch_gan().float32())
    converted = convert.read(tmp_path / "generator_9.npz")
    assert converted.generator.spec.input_range == (-1.987, 2.438)
    told = " ".join(converted.notes)
    for words in ("batch norm of the upsampling layers", "ImageNet's mean", "adds 0.8 to a variance there"):
        assert words in told


def test_leftthomas_is_written_back():
    state = leftthomas().float32()
    module, variables = convert.from_torch(state)
    again, back = convert.from_torch(convert.to_torch(module, variables))
    assert again == module
    jax.tree.map(np.testing.assert_array_equal, back, variables)
