"""Sizes, parameter counts and behaviour of every architecture; the counts are the PyTorch reference's."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.networks import PatchGAN, PixelGAN, ResNet, UNet, from_linen
from gan_jax.networks.layers import Dropout

SCHEDULE = json.loads((Path(__file__).parents[1] / "golden" / "schedule" / "schedule.json").read_text())


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
        # Every decoder layer but the first reads half as many channels.
        (UNet(skips=False), 54_413_955 - 16 * (3 * 512 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)),
        (ResNet(), 11_378_179),
        (ResNet(blocks=6), 7_837_699),
        (ResNet(norm="batch"), 11_383_427),
        (ResNet(blocks=6, norm="batch"), 7_841_411),
        (PixelGAN(norm="instance"), 8_705),
    ],
)
def test_parameter_counts(module, count):
    assert parameters(module, 3) == count


def test_pixelgan_parameter_count_for_pairs():
    assert parameters(PixelGAN(), 6) == 9_024


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


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5])
def test_receptive_fields_of_patchgan(layers):
    # PyTorch's, measured there by gradient too: tests/golden/schedule/schedule.json.
    assert networks.receptive_field(PatchGAN(layers)) == SCHEDULE["receptive_field"]["sizes"][str(layers)]


@pytest.mark.parametrize(
    ("module", "side"), [(PixelGAN(1, "none"), 5), (PatchGAN(1, 1, "none"), 40), (PatchGAN(3, 1, "none"), 142)]
)
def test_the_gradient_of_one_logit_reaches_the_receptive_field(module, side):
    network = from_linen(module)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, side, side, 1)), jnp.float32)
    # Weights of one sign, so that no path cancels another.
    params, stats = network.init(jax.random.key(0), x)
    params = jax.tree.map(lambda p: jnp.abs(p) + 0.1, params)

    def logit(x):
        logits, _ = network.apply(params, stats, x, train=False)
        return logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]

    rows, columns = np.nonzero(np.asarray(jax.grad(logit)(x))[0, :, :, 0])
    wanted = networks.receptive_field(module)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (wanted, wanted)


def test_what_states_no_convolutions_has_no_receptive_field():
    with pytest.raises(ValueError, match="UNet states no `convolutions`"):
        networks.receptive_field(UNet())


@pytest.mark.parametrize(
    ("module", "sides"),
    [
        (UNet(depth=8, width=1), [2, 4, 8]),
        (UNet(depth=7, width=1), [2, 4, 8]),
        (UNet(depth=6, width=1), [2, 4]),
        (UNet(depth=9, width=1, skips=False), [2, 4, 8]),
        (UNet(depth=9, width=1, dropout_layers="port"), [4, 8, 16, 32]),
        (UNet(depth=8, width=1, dropout_layers="port"), [4, 8, 16]),
        (UNet(depth=7, width=1, dropout_layers="port"), [4, 8]),
        (UNet(depth=5, width=1, dropout_layers="port"), []),
        (UNet(depth=8, width=1, dropout=0.0), []),
        (ResNet(blocks=2, width=1, dropout=0.5), [64, 64]),
        (ResNet(blocks=2, width=1), []),
    ],
)
def test_places_of_dropout(module, sides):
    """By the sides of the maps that it drops from."""
    side = getattr(module, "depth", 8)
    x = jnp.zeros((1, 2**side, 2**side, 1))

    def dropped():
        variables = module.init(jax.random.key(0), x, train=False)
        is_dropout = lambda layer, _: isinstance(layer, Dropout)  # noqa: E731
        _, state = module.apply(variables, x, train=False, capture_intermediates=is_dropout, mutable="intermediates")
        return state.get("intermediates", {})

    assert sorted(leaf.shape[1] for leaf in jax.tree.leaves(jax.eval_shape(dropped))) == sides


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
    with pytest.raises(ValueError, match="30x32; a ResNet generator wants sides that are multiples of 4, and 8"):
        from_linen(ResNet()).init(jax.random.key(0), jnp.zeros((1, 30, 32, 3)))
    # The blocks reflect maps of a quarter of the side, and a map of one pixel has nothing to reflect.
    with pytest.raises(ValueError, match="4x32; a ResNet generator"):
        from_linen(ResNet()).init(jax.random.key(0), jnp.zeros((1, 4, 32, 3)))


def test_resnet_takes_any_multiple_of_its_own_and_any_channels():
    module = ResNet(out_channels=5, blocks=1, width=2)
    network, x = from_linen(module), jnp.zeros((1, 8, 12, 4))
    params, stats = jax.eval_shape(network.init, jax.random.key(0), x)
    y, _ = jax.eval_shape(lambda p: network.apply(p, stats, x, train=True), params)
    assert y.shape == (1, 8, 12, 5)
    assert module.size_multiple == 4


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
    for module in (
        UNet(out_channels=1, depth=4, norm="instance", skips=False, dropout_layers="port"),
        ResNet(blocks=6, padding="replicate"),
        PatchGAN(layers=2, statistics_batch=1),
        PixelGAN(width=8),
    ):
        assert networks.build(networks.describe(module)) == module
        assert networks.catalogue()[type(module).__name__] is type(module)


def test_a_description_from_before_a_field_existed_still_builds():
    old = {"name": "UNet", "out_channels": 3, "depth": 8, "width": 64, "norm": "batch", "dropout": 0.5}
    assert networks.build({**old, "statistics_batch": None}) == UNet()


def test_unknown_descriptions_are_refused():
    with pytest.raises(ValueError, match="no architecture is called 'Net'; there are PatchGAN, PixelGAN, ResNet"):
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
