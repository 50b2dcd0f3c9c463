"""Norms, dropout and biases, by the definitions of the PyTorch references."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks import PixelGAN, convolution, from_linen
from gan_jax.networks.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    InstanceNorm,
    LayerNorm,
    PReLU,
    SpectralNorm,
    Upsample,
    as_float32,
    computed_in,
    icnr,
    leaky_relu,
    pad,
)


def images(n=4, seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, (n, 5, 6, 2)).astype(np.float32)


def apply_norm(x, statistics_batch=None, train=True):
    module = BatchNorm(statistics_batch)

    @jax.jit
    def apply(x):
        variables = module.init(jax.random.key(0), x, train=False)
        variables = {**variables, "params": {"scale": jnp.array([2.0, 0.5]), "bias": jnp.array([1.0, -1.0])}}
        return module.apply(variables, x, train=train, mutable=["batch_stats"])

    return apply(x)


def test_batch_norm_normalizes_by_biased_and_remembers_unbiased_variance():
    x = images()
    y, stats = apply_norm(x)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = (x - mean) / np.sqrt(variance + 1e-5) * [2.0, 0.5] + [1.0, -1.0]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(stats["batch_stats"]["mean"], 0.1 * mean, rtol=1e-5)
    unbiased = x.reshape(-1, 2).var(0, ddof=1)
    np.testing.assert_allclose(stats["batch_stats"]["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)


def test_batch_norm_in_evaluation_uses_running_statistics():
    x = images()
    y, stats = apply_norm(x, train=False)
    np.testing.assert_allclose(y, x / np.sqrt(1 + 1e-5) * [2.0, 0.5] + [1.0, -1.0], atol=1e-5)
    np.testing.assert_array_equal(stats["batch_stats"]["mean"], 0.0)


def test_statistics_of_groups_equal_the_groups_alone():
    x = images(6)
    together, stats = apply_norm(x, statistics_batch=2)
    alone = [apply_norm(x[i : i + 2]) for i in (0, 2, 4)]
    np.testing.assert_allclose(together, np.concatenate([y for y, _ in alone]), atol=1e-5)
    running = np.mean([s["batch_stats"]["var"] for _, s in alone], axis=0)
    np.testing.assert_allclose(stats["batch_stats"]["var"], running, rtol=1e-5)


def test_a_batch_that_does_not_split_into_groups_is_refused():
    with pytest.raises(ValueError, match="batch of 4 does not split into groups of statistics_batch 3"):
        apply_norm(images(), statistics_batch=3)


def test_instance_norm_is_batch_norm_of_one_image_without_scale():
    x = images()
    y = InstanceNorm().apply({}, x)
    expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("reflect", [3, 2, 1, 2, 3, 2, 1]),
        ("replicate", [1, 1, 1, 2, 3, 3, 3]),
        ("zero", [0, 0, 1, 2, 3, 0, 0]),
    ],
)
def test_padding(kind, row):
    x = jnp.broadcast_to(jnp.arange(1.0, 4.0)[None, :, None], (3, 3, 2))[None]
    np.testing.assert_array_equal(pad(x, 2, kind)[0, 3, :, 1], row)
    np.testing.assert_array_equal(pad(x.swapaxes(1, 2), 2, kind)[0, :, 3, 0], row)


def test_leaky_relu_has_the_slope_at_zero_as_torch():
    values, slopes = jax.vmap(jax.value_and_grad(lambda x: leaky_relu(x, 0.2)))(jnp.array([-2.0, 0.0, 3.0]))
    np.testing.assert_allclose(values, [-0.4, 0.0, 3.0])
    np.testing.assert_allclose(slopes, [0.2, 0.2, 1.0])


@pytest.mark.parametrize(("per_channel", "slopes"), [(False, [0.5, 0.5]), (True, [0.5, 2.0])])
def test_prelu_learns_one_slope_or_one_a_channel(per_channel, slopes):
    module = PReLU(per_channel)
    params = module.init(jax.random.key(0), jnp.zeros((1, 2)))["params"]
    np.testing.assert_array_equal(params["slope"], [0.25] * (2 if per_channel else 1))
    params = {"slope": jnp.array(slopes[: params["slope"].size])}
    y = module.apply({"params": params}, jnp.array([[-3.0, -3.0], [4.0, 0.0]]))
    np.testing.assert_allclose(y, [[-3.0 * slopes[0], -3.0 * slopes[1]], [4.0, 0.0]])


def test_dense_starts_as_torch_does():
    params = jax.device_get(jax.jit(Dense(256).init)(jax.random.key(0), jnp.zeros((1, 400)))["params"])
    assert params["kernel"].shape == (400, 256)
    np.testing.assert_allclose([params["kernel"].min(), params["kernel"].max()], [-0.05, 0.05], rtol=1e-2)
    np.testing.assert_allclose(params["kernel"].std(), 0.05 / np.sqrt(3), rtol=1e-2)
    np.testing.assert_array_equal(params["bias"], 0.0)


def test_dropout_needs_a_key_and_keeps_the_mean():
    x = jnp.ones((1, 64, 64, 4))
    np.testing.assert_array_equal(Dropout(0.5).apply({}, x), x)
    y = Dropout(0.5).apply({}, x, rngs={"dropout": jax.random.key(0)})
    assert set(np.unique(y)) == {0.0, 2.0}
    np.testing.assert_allclose(y.mean(), 1.0, atol=0.05)


def test_kernels_start_as_the_references_do():
    x = jnp.zeros((1, 8, 8, 64))
    params = jax.device_get(jax.jit(Conv(64, 4, 2, 1, True).init)(jax.random.key(0), x)["params"])
    assert params["kernel"].shape == (4, 4, 64, 64)
    np.testing.assert_allclose(params["kernel"].std(), 0.02, rtol=0.02)
    np.testing.assert_array_equal(params["bias"], 0.0)
    init = jax.jit(functools.partial(BatchNorm().init, train=False))
    scale = np.asarray(init(jax.random.key(0), jnp.zeros((1, 2, 2, 4096)))["params"]["scale"])
    np.testing.assert_allclose([scale.mean(), scale.std()], [1.0, 0.02], rtol=0.05)


def test_layer_norm_is_of_one_image_with_a_scale_and_a_bias_a_channel():
    x = images()
    params = {"scale": jnp.array([2.0, 0.5]), "bias": jnp.array([1.0, -1.0])}
    y = LayerNorm().apply({"params": params}, x)
    mean, variance = (statistic((1, 2, 3), keepdims=True) for statistic in (x.mean, x.var))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5) * [2.0, 0.5] + [1.0, -1.0], atol=1e-5)
    started = LayerNorm().init(jax.random.key(0), x)["params"]
    np.testing.assert_array_equal(started["scale"], 1.0)
    np.testing.assert_array_equal(started["bias"], 0.0)


def test_the_dtype_changes_at_the_edges_alone():
    x = jnp.ones((1, 2), jnp.float32)
    assert computed_in(x, "float32") is as_float32(x) is x
    assert computed_in(x, "bfloat16").dtype == jnp.bfloat16
    assert as_float32(computed_in(x, "bfloat16")).dtype == jnp.float32


def test_norms_take_their_statistics_in_float32():
    """The mean of 2 and 1/16 beside it, 300 times each, has no bfloat16; sums in bfloat16 stop growing at 256 ones."""
    x = jnp.broadcast_to(jnp.array([1.0, 1.0078125], jnp.bfloat16)[None, None, :, None], (1, 300, 2, 1))
    expected = np.array([-1.0, 1.0]) * 0.00390625 / np.sqrt(0.00390625**2 + 1e-5)
    batch = BatchNorm(scale_init=jax.nn.initializers.ones)

    @jax.jit
    def outputs(x):
        y, stats = batch.apply(batch.init(jax.random.key(0), x, train=False), x, train=True, mutable=["batch_stats"])
        layer = LayerNorm().apply(LayerNorm().init(jax.random.key(0), x), x)
        return (y, InstanceNorm().apply({}, x), layer), stats

    normed, stats = outputs(x)
    for output in normed:
        assert output.dtype == jnp.bfloat16
        # bfloat16's own rounding of the result.
        np.testing.assert_allclose(output[0, 0, :, 0].astype(jnp.float32), expected, rtol=2**-8)
    assert stats["batch_stats"]["mean"].dtype == jnp.float32
    np.testing.assert_allclose(stats["batch_stats"]["mean"], 0.1 * 1.00390625, rtol=1e-6)


# As torch.nn.Upsample's documentation shows it, align_corners=False.
TWICE = {
    "nearest": [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]],
    "bilinear": [[1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3, 3.25, 3.75, 4]],
}


@pytest.mark.parametrize("kind", TWICE)
def test_resize_convolutions_enlarge_as_torch_does(kind):
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
    identity = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    y = jax.jit(Upsample(1, kind, False).apply)({"params": {"kernel": identity}}, x)
    np.testing.assert_array_equal(y[0, :, :, 0], TWICE[kind])


@pytest.mark.parametrize("factor", [2, 3])
def test_icnr_starts_as_nearest_neighbors_of_a_plain_convolution(factor):
    x = images(2)
    module = Upsample(4, "pixel_shuffle", True, factor)

    @jax.jit
    def start(key):
        params = module.init(key, x)["params"]
        plain = convolution.conv(x, params["kernel"][..., :: factor**2], stride=1, padding=1)
        return plain, module.apply({"params": params}, x)

    plain, y = (np.asarray(output) for output in start(jax.random.key(0)))
    # Convolutions of other widths add in another order: 18 terms of up to 10 * 0.06, of a rounding of 6e-8 each.
    np.testing.assert_allclose(y, plain.repeat(factor, axis=1).repeat(factor, axis=2), rtol=0, atol=1e-6)
    assert (plain[0, 0, 0] != plain[0, 0, 1]).any()
    # The variance is that of the initializer underneath.
    kernel = icnr(jax.nn.initializers.normal(0.02), factor)(jax.random.key(0), (3, 3, 64, 64 * factor**2))
    np.testing.assert_allclose(kernel.std(), 0.02, rtol=0.02)


@pytest.mark.parametrize("kind", ["pixel_shuffle", "nearest", "bilinear", "transposed"])
def test_only_transposed_convolutions_start_with_a_checkerboard(kind):
    """A gray area stays one, away from the zeros around the map."""
    x, module = jnp.ones((1, 6, 6, 3)), Upsample(2, kind, True, kernel_size=3)
    y, variables = jax.jit(module.init_with_output)(jax.random.key(0), x)
    assert variables["params"].keys() == {"kernel", "bias"}
    inside = np.asarray(y)[0, 3:-3, 3:-3]
    assert (float(np.ptp(inside, axis=(0, 1)).max()) > 1e-3) == (kind == "transposed")


@pytest.mark.parametrize("kernel_size", [3, 4])
def test_transposed_upsampling_is_the_references_transposed_convolution(kernel_size):
    x = images(2)
    reference = ConvTranspose(5, kernel_size, 2, 1, True, output_padding=4 - kernel_size)
    variables = reference.init(jax.random.key(0), x)
    y = Upsample(5, "transposed", True, kernel_size=kernel_size).apply(variables, x)
    # Two programs may add in two orders: at most 8 terms of up to 10 * 0.06, of a rounding of 6e-8 each.
    np.testing.assert_allclose(y, reference.apply(variables, x), rtol=0, atol=5e-7)
    assert y.shape == (2, 10, 12, 5)


def kernel_of(shape=(4, 4, 3, 5)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def torch_matrix(kernel):
    """(out, in * kh * kw), whose largest singular value torch.nn.utils.parametrizations.spectral_norm divides by."""
    return kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[-1], -1).astype(np.float64)


def test_spectral_norm_converges_to_the_largest_singular_value():
    kernel, norm = kernel_of(), SpectralNorm()
    largest = np.linalg.svd(torch_matrix(kernel))[1][0]

    @jax.jit
    def again(stats):
        return norm.apply(stats, kernel, train=True, mutable=["spectral_norm"])

    stats = norm.init(jax.random.key(0), kernel, train=False)
    # The iterations of the start are close already.
    np.testing.assert_allclose(kernel / norm.apply(stats, kernel, train=False), largest, rtol=0.05)
    for _ in range(100):
        normalized, stats = again(stats)
    np.testing.assert_allclose(kernel / normalized, largest, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(torch_matrix(np.asarray(normalized)))[1][0], 1.0, rtol=1e-4)
    np.testing.assert_allclose(norm.apply(stats, kernel, train=False), normalized, rtol=1e-4)


@pytest.mark.parametrize("train", [True, False])
def test_one_pass_of_spectral_norm_and_its_gradient_are_the_papers(train):
    """Miyato et al. 2018, algorithm 1 and eq. 12, in float64; in evaluation v is what is stored, as in torch."""
    kernel, cotangent, matrix = kernel_of(), kernel_of()[::-1], torch_matrix(kernel_of())
    u = np.array([0.6, 0.0, 0.8, 0.0, 0.0])
    stored = np.sqrt(np.arange(1.0, 1.0 + matrix.shape[1]) / sum(range(1, matrix.shape[1] + 1)))
    v = matrix.T @ u / np.linalg.norm(matrix.T @ u) if train else stored
    left = matrix @ v / np.linalg.norm(matrix @ v) if train else u
    sigma = left @ matrix @ v

    def value(kernel):
        vectors = {"u": u, "v": stored.reshape(3, 4, 4).transpose(1, 2, 0).reshape(-1)}  # the kernel is HWIO
        stats = {"spectral_norm": {name: jnp.asarray(vector, jnp.float32) for name, vector in vectors.items()}}
        y, new = SpectralNorm().apply(stats, kernel, train=train, mutable=["spectral_norm"] if train else [])
        return (y * cotangent).sum(), (y, new.get("spectral_norm", stats["spectral_norm"]))

    gradient, (y, new) = jax.jit(jax.grad(value, has_aux=True))(kernel)
    np.testing.assert_allclose(torch_matrix(np.asarray(y)), matrix / sigma, rtol=1e-5)
    np.testing.assert_allclose(new["u"], left, atol=1e-6)
    np.testing.assert_allclose(new["v"], v.reshape(3, 4, 4).transpose(1, 2, 0).reshape(-1), atol=1e-6)
    direction = torch_matrix(cotangent)
    expected = (direction - (direction * matrix).sum() / sigma * np.outer(left, v)) / sigma
    np.testing.assert_allclose(torch_matrix(np.asarray(gradient)), expected, rtol=1e-5, atol=1e-5)


def test_spectral_norm_of_a_network_is_a_statistic():
    network, x = from_linen(PixelGAN(2, "none", spectral_norm=True)), jnp.asarray(images(1))

    @jax.jit
    def everything(key):
        params, stats = network.init(key, x)
        moved = jax.tree.map(lambda p: p + 0.1, params)
        # Kernels are normalized, biases are not: ten times the kernels are the same critic.
        tenfold = jax.tree.map(lambda p: 10.0 * p if p.ndim == 4 else p, moved)
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), moved, tenfold)
        y, same = network.apply(moved, stats, x, train=False)
        mapped = jax.vmap(lambda params: network.apply(params, stats, x, train=False)[0])(both)
        return stats, same, network.apply(moved, stats, x, train=True)[1], y, mapped

    stats, same, new, y, mapped = everything(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, same, stats)
    for layer in ("conv0", "conv1"):  # the last has one output, and a unit vector of one number
        u, old = (tree["spectral_norm"][layer]["spectral"]["u"] for tree in (new, stats))
        assert (u != old).any()
        np.testing.assert_allclose(np.linalg.norm(u), 1.0, rtol=1e-6)
    np.testing.assert_allclose(mapped, np.stack([y, y]), rtol=1e-4)


def test_dense_layers_have_spectral_norm_too():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6)), jnp.float32)
    module = Dense(3, spectral_norm=True)
    y, variables = jax.jit(module.init_with_output)(jax.random.key(0), x)
    kernel = np.asarray(variables["params"]["kernel"])
    np.testing.assert_allclose(y, x @ kernel / np.linalg.svd(kernel)[1][0], rtol=0.05)
