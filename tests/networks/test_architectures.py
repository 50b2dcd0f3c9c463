"""Sizes, parameter counts and behaviour of every architecture; the counts are the PyTorch reference's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.networks import PatchGAN, UNet, from_linen


def parameters(module, channels, side=256):
    shapes, _ = jax.eval_shape(from_linen(module).init, jax.random.key(0), jnp.zeros((1, side, side, channels)))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (UNet(), 54_413_955),
        (UNet(norm="instance"), 54_409_603),
        (UNet(depth=7), 41_828_995),
        (UNet(depth=7, norm="instance"), 41_825_667),
    ],
)
def test_unet_parameter_counts(module, count):
    assert parameters(module, 3) == count


@pytest.mark.parametrize(
    ("layers", "batch", "instance"),
    [
        (1, 139_585, 136_385),
        (2, 666_433, 662_977),
        (3, 2_768_705, 2_764_737),
        (4, 6_964_033, 6_959_553),
        (5, 11_159_361, 11_154_369),
    ],
)
def test_patchgan_parameter_counts(layers, batch, instance):
    assert parameters(PatchGAN(layers=layers), 6) == batch
    assert parameters(PatchGAN(layers=layers, norm="instance"), 3) == instance


@pytest.mark.parametrize(("layers", "side", "patches"), [(3, 256, 30), (3, 70, 6), (1, 128, 62), (5, 256, 6)])
def test_patchgan_gives_the_references_map(layers, side, patches):
    network = from_linen(PatchGAN(layers=layers, width=1))
    x = jnp.zeros((2, side, side, 6))
    params, stats = jax.eval_shape(network.init, jax.random.key(0), x)
    logits, _ = jax.eval_shape(lambda p, s: network.apply(p, s, x, train=True), params, stats)
    assert logits.shape == (2, patches, patches, 1)


def test_patchgan_sees_70_pixels():
    """The gradient of one logit reaches 70x70 input pixels."""
    network = from_linen(PatchGAN(width=1, norm="none"))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 142, 142, 1)), jnp.float32)
    # Weights of one sign, so that no path cancels another.
    params, stats = network.init(jax.random.key(0), x)
    params = jax.tree.map(lambda p: jnp.abs(p) + 0.1, params)
    middle = jax.grad(lambda x: network.apply(params, stats, x, train=False)[0][0, 7, 7, 0])(x)
    rows = np.flatnonzero(np.abs(middle[0, :, :, 0]).sum(1))
    assert rows[-1] - rows[0] + 1 == 70


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_unet_takes_any_multiple_and_any_channels(norm):
    network = from_linen(UNet(out_channels=5, depth=3, width=2, norm=norm))
    x = jnp.zeros((2, 16, 24, 4))
    params, stats = network.init(jax.random.key(0), x)
    y, new_stats = network.apply(params, stats, x, train=True, key=jax.random.key(1))
    assert y.shape == (2, 16, 24, 5)
    assert jax.tree.structure(new_stats) == jax.tree.structure(stats)
    assert bool(stats) == (norm == "batch")


def test_sizes_that_do_not_fit_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="48x64; a U-Net of depth 5 wants sides that are multiples of 32"):
        from_linen(UNet(depth=5)).init(jax.random.key(0), jnp.zeros((1, 48, 64, 3)))
    with pytest.raises(ValueError, match="16x16; a PatchGAN of 3 layers wants 24"):
        from_linen(PatchGAN()).init(jax.random.key(0), jnp.zeros((1, 16, 16, 6)))


def test_train_and_dropout_are_independent():
    network = from_linen(UNet(depth=5, width=2))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 32, 32, 3)), jnp.float32)
    params, stats = network.init(jax.random.key(0), x)

    def out(train, seed=None):
        key = None if seed is None else jax.random.key(seed)
        return np.asarray(network.apply(params, stats, x, train=train, key=key)[0])

    np.testing.assert_array_equal(out(False), out(False))
    assert (out(False) != out(True)).any()
    assert (out(False) != out(False, seed=1)).any()
    assert (out(True, seed=1) != out(True, seed=2)).any()
    np.testing.assert_array_equal(out(True, seed=1), out(True, seed=1))


def test_a_module_survives_its_description():
    for module in (UNet(out_channels=1, depth=4, norm="instance"), PatchGAN(layers=2, statistics_batch=1)):
        assert networks.build(networks.describe(module)) == module
        assert networks.catalogue()[type(module).__name__] is type(module)


def test_unknown_descriptions_are_refused():
    with pytest.raises(ValueError, match="no architecture is called 'Net'; there are PatchGAN, UNet"):
        networks.build({"name": "Net"})
    with pytest.raises(ValueError, match="UNet cannot be built"):
        networks.build({"name": "UNet", "colour": 3})


def test_starting_from_returns_the_given_weights_and_refuses_others():
    network, x = from_linen(PatchGAN(layers=1, width=2)), jnp.zeros((1, 8, 8, 3))
    params, stats = network.init(jax.random.key(5), x)
    started = networks.starting_from(network, params, stats)
    jax.tree.map(np.testing.assert_array_equal, started.init(jax.random.key(0), x)[0], params)
    with pytest.raises(ValueError, match=r"\['conv0'\]\['kernel'\] has shape \(4, 4, 3, 2\), wanted \(4, 4, 6, 2\)"):
        started.init(jax.random.key(0), jnp.zeros((1, 8, 8, 6)))
