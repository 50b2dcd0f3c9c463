"""Norms, dropout and biases, by the definitions of the PyTorch references."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.layers import BatchNorm, Conv, Dense, Dropout, InstanceNorm, PReLU, leaky_relu, pad


def images(n=4, seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, (n, 5, 6, 2)).astype(np.float32)


def apply_norm(x, statistics_batch=None, train=True):
    module = BatchNorm(statistics_batch)
    variables = module.init(jax.random.key(0), x, train=False)
    variables = {**variables, "params": {"scale": jnp.array([2.0, 0.5]), "bias": jnp.array([1.0, -1.0])}}
    return module.apply(variables, x, train=train, mutable=["batch_stats"])


def test_batch_norm_normalises_by_biased_and_remembers_unbiased_variance():
    x = images()
    y, stats = apply_norm(x)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    wanted = (x - mean) / np.sqrt(variance + 1e-5) * [2.0, 0.5] + [1.0, -1.0]
    np.testing.assert_allclose(y, wanted, atol=1e-5)
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
    wanted = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, wanted, atol=1e-5)


@pytest.mark.parametrize(("kind", "row"), [("reflect", [2, 1, 0, 1, 2, 1, 0]), ("replicate", [0, 0, 0, 1, 2, 2, 2])])
def test_padding(kind, row):
    x = jnp.broadcast_to(jnp.arange(3.0)[None, :, None], (3, 3, 2))[None]
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
    params = Dense(256).init(jax.random.key(0), jnp.zeros((1, 400)))["params"]
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
    params = Conv(64, 4, 2, 1, True).init(jax.random.key(0), x)["params"]
    assert params["kernel"].shape == (4, 4, 64, 64)
    np.testing.assert_allclose(params["kernel"].std(), 0.02, rtol=0.02)
    np.testing.assert_array_equal(params["bias"], 0.0)
    scale = BatchNorm().init(jax.random.key(0), jnp.zeros((1, 2, 2, 4096)), train=False)["params"]["scale"]
    np.testing.assert_allclose([scale.mean(), scale.std()], [1.0, 0.02], rtol=0.05)
