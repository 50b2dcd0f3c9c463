"""torch's initializations: deviations by its formulae, orthogonal rows, and all that must stay as it was."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.networks import layers


class _Layers(nn.Module):
    """One layer of each kind, wide enough that a deviation is measured to a few per cent."""

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(96, 3, 1, 1, True, name="conv")(x)
        x = layers.BatchNorm(name="norm")(x, train=train)
        x = layers.ConvTranspose(40, 4, 2, 1, True, name="transposed")(x)
        x = layers.Upsample(24, "transposed", True, name="up")(x)
        x = layers.Upsample(24, "pixel_shuffle", True, name="shuffle")(x)
        x = layers.PReLU(True, name="prelu")(x)
        return layers.Dense(200, name="dense")(x.mean(axis=(1, 2)), train=train)


X = jnp.zeros((1, 4, 4, 48))
# (fan_in, fan_out) as torch counts them: weight [O, I, h, w], and [I, O, h, w] of a transposed convolution, whose
# fan_in is of its outputs. The convolution before a pixel shuffle draws a quarter of its channels and repeats them.
FANS = {
    "conv": (48 * 9, 96 * 9),
    "transposed": (40 * 16, 96 * 16),
    "up": (24 * 16, 40 * 16),
    "shuffle": (24 * 9, 24 * 9),
    "dense": (24, 200),
}
DEVIATIONS = {
    "normal": lambda fan_in, fan_out, gain: gain,
    "xavier": lambda fan_in, fan_out, gain: gain * math.sqrt(2 / (fan_in + fan_out)),
    "kaiming": lambda fan_in, fan_out, gain: math.sqrt(2 / fan_in),
}


@pytest.fixture(scope="module")
def drawn():
    """(name, gain) -> the parameters of all layers."""

    @functools.cache
    def start(name, gain):
        return jax.jit(networks.initialized(_Layers(), name, gain).init)

    return lambda name, gain: start(name, gain)(jax.random.key(1), X)[0]


@pytest.mark.parametrize("name", DEVIATIONS)
def test_deviations_are_torchs(name, drawn):
    params = drawn(name, 0.3)
    for layer, fans in FANS.items():
        kernel = np.asarray(params[layer]["kernel"])
        expected = DEVIATIONS[name](*fans, 0.3)
        # Of n normal numbers the deviation is off by 1 / sqrt(2 n), one sigma; four of them.
        count = kernel.size // (4 if layer == "shuffle" else 1)
        np.testing.assert_allclose(kernel.std(), expected, rtol=4 / math.sqrt(2 * count), err_msg=layer)
        assert abs(kernel.mean()) < 4 * expected / math.sqrt(count)
        np.testing.assert_array_equal(params[layer]["bias"], 0.0)
    scale = np.asarray(params["norm"]["scale"])
    assert abs(scale.mean() - 1) < 4 * 0.3 / math.sqrt(scale.size)
    np.testing.assert_allclose(scale.std(), 0.3, rtol=4 / math.sqrt(2 * scale.size))
    np.testing.assert_array_equal(params["norm"]["bias"], 0.0)
    np.testing.assert_array_equal(params["prelu"]["slope"], 0.25)  # torch's init_weights knows no PReLU


def test_orthogonal_kernels_are_orthogonal_in_torchs_layout(drawn):
    params = drawn("orthogonal", 0.5)
    for layer, rows in {"conv": -1, "dense": -1, "transposed": -2, "up": -2}.items():
        kernel = np.asarray(params[layer]["kernel"])
        matrix = np.moveaxis(kernel, rows, 0).reshape(kernel.shape[rows], -1)
        gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        # A float32 QR of a few hundred rows.
        np.testing.assert_allclose(gram, 0.25 * np.eye(len(gram)), atol=1e-5, err_msg=layer)


def test_no_two_kernels_are_alike_and_the_key_decides(drawn):
    params = drawn("normal", 1.0)
    first = [np.asarray(params[layer]["kernel"]).ravel()[0] for layer in FANS]
    assert len(set(first)) == len(first)
    again = drawn("normal", 1.0)
    jax.tree.map(np.testing.assert_array_equal, params, again)


def test_pixel_shuffle_still_starts_without_checkerboards(drawn):
    kernel = np.asarray(drawn("xavier", 1.0)["shuffle"]["kernel"]).reshape(3, 3, 24, 24, 4)
    np.testing.assert_array_equal(kernel, np.repeat(kernel[..., :1], 4, axis=-1))


@pytest.mark.parametrize(
    ("module", "channels"),
    [
        (networks.UNet(depth=3, width=2), 3),
        (networks.ResNet(blocks=1, width=2, norm="instance", upsample="pixel_shuffle"), 3),
        (networks.PatchGAN(2, 2, spectral_norm=True), 6),
        (networks.PixelGAN(2), 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_networks_keep_their_shapes_and_every_kernel_is_drawn(module, channels):
    x = jnp.zeros((1, 32, 32, channels))
    plain = networks.from_linen(module)
    network = networks.initialized(module, "normal", 3.0)
    params, stats = jax.jit(network.init)(jax.random.key(0), x)
    before = jax.eval_shape(plain.init, jax.random.key(0), x)
    assert networks.difference((params, stats), before) is None
    for place, leaf in jax.tree_util.tree_leaves_with_path(params):
        if place[-1].key == "kernel":
            assert np.asarray(leaf).std() > 1.0, place  # 0.02 before
    assert network.apply is not None
    outputs = jax.jit(lambda: [n.apply(params, stats, x, train=False)[0] for n in (network, plain)])()
    np.testing.assert_array_equal(*outputs)


def test_the_vector_of_spectral_norm_is_that_of_the_new_kernel():
    module, x = networks.PatchGAN(1, 4, norm="none", spectral_norm=True), jnp.zeros((1, 16, 16, 3))
    params, stats = jax.jit(networks.initialized(module, "orthogonal", 1.0).init)(jax.random.key(0), x)
    kernel = np.asarray(params["conv1"]["kernel"])
    matrix = kernel.reshape(-1, kernel.shape[-1]).T
    u = np.asarray(stats["spectral_norm"]["conv1"]["spectral"]["u"])
    # All singular values of an orthogonal kernel are 1, whatever u; the network's own kernel has them at 0.2.
    np.testing.assert_allclose(np.linalg.norm(matrix.T @ u), 1.0, rtol=1e-5)
    _, other = jax.jit(networks.initialized(module, "xavier", 1.0).init)(jax.random.key(0), x)
    assert np.abs(u - np.asarray(other["spectral_norm"]["conv1"]["spectral"]["u"])).max() > 1e-3


@pytest.mark.parametrize("init_type", ["normal", "xavier", "kaiming", "orthogonal"])
def test_parameters_are_float32_in_a_process_of_64_bits_too(init_type):
    jax.config.update("jax_enable_x64", True)
    try:
        network = networks.initialized(_Layers(), init_type, 0.05)
        params, _ = jax.eval_shape(network.init, jax.random.key(0), X.astype(jnp.float32))
    finally:
        jax.config.update("jax_enable_x64", False)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="init_type is 'zeros'; wanted one of normal, xavier, kaiming, orthogonal"):
        networks.initialized(_Layers(), "zeros", 0.02)
