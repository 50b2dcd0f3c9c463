"""Sizes, parameter counts and behavior of every architecture; the counts are the PyTorch reference's."""

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.networks import (
    VGG,
    AlexNet,
    DCGANCritic,
    DCGANGenerator,
    MSRResNet,
    PatchGAN,
    PixelGAN,
    ResNet,
    RRDBNet,
    SRGANCritic,
    SRResNet,
    SRVGGNetCompact,
    UNet,
    UNetCritic,
    VGGStyleCritic,
    architecture,
    from_linen,
    srresnet,
)
from gan_jax.networks.layers import Dropout

SCHEDULE = json.loads((Path(__file__).parents[1] / "golden" / "schedule" / "schedule.json").read_text())


def shapes_of(module, *inputs):
    """The shapes of its parameters and of its output."""
    network = from_linen(module)
    params, stats = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    y, _ = jax.eval_shape(lambda p, s: network.apply(p, s, *inputs, train=True), params, stats)
    return params, jax.tree.map(lambda leaf: leaf.shape, y)


def size(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def parameters(module, channels, side=256):
    params, _ = shapes_of(module, jnp.zeros((1, side, side, channels)))
    return size(params)


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
        (SRResNet(), 1_547_350),
        (SRResNet(prelu="channel"), 1_548_547),
        (MSRResNet(), 1_517_571),
        (RRDBNet(), 16_697_987),
        # Pixel-unshuffles widen the first kernel alone.
        (RRDBNet(scale=2), 16_697_987 + 9 * 9 * 64),
        (RRDBNet(scale=1), 16_697_987 + 45 * 9 * 64),
        (SRVGGNetCompact(layers=32), 1_213_296),
        (SRVGGNetCompact(layers=32, activation="relu"), 1_213_296 - 33 * 64),
        (UNetCritic(), 4_376_897),
        (SRGANCritic(), 23_563_649),
        # The dense layer reads 512 numbers in place of 6 * 6 * 512.
        (SRGANCritic(head="pool"), 23_563_649 - 35 * 512 * 1024),
        # One 3x3 convolution in place of both dense layers.
        (SRGANCritic(head="conv"), 23_563_649 - (36 * 512 * 1024 + 2 * 1024 + 1) + 9 * 512 + 1),
        # ESRGAN's published critic has 14,502,281: biases in front of its nine norms, which BasicSR left out since.
        (VGGStyleCritic(), 14_502_281 - (64 + 2 * 128 + 2 * 256 + 4 * 512)),
        (DCGANCritic(), 2_765_568),
        (VGG(16, ("relu5_3",)), 14_714_688),
        (VGG(), 20_024_384),
        (AlexNet(), 2_469_696),
    ],
)
def test_parameter_counts(module, count):
    assert parameters(module, 3, getattr(module, "size", 256)) == count


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (DCGANGenerator(), 3_576_704),
        # Ten rows of one-hot labels more into the first layer.
        (DCGANGenerator(classes=10), 3_576_704 + 10 * 512 * 16),
    ],
)
def test_parameter_counts_from_latents(module, count):
    inputs = [jnp.zeros((2, 100)), *([jnp.zeros(2, int)] if module.classes else [])]
    params, shape = shapes_of(module, *inputs)
    assert (size(params), shape) == (count, (2, 64, 64, 3))


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
    ("module", "side"),
    [
        (PixelGAN(1, "none"), 5),
        (PatchGAN(1, 1, "none"), 40),
        pytest.param(PatchGAN(3, 1, "none"), 142, marks=pytest.mark.slow),
    ],
)
def test_the_gradient_of_one_logit_reaches_the_receptive_field(module, side):
    network = from_linen(module)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, side, side, 1)), jnp.float32)

    @jax.jit
    def gradient(x):
        params, stats = network.init(jax.random.key(0), x)
        # Weights of one sign, so that no path cancels another.
        params = jax.tree.map(lambda p: jnp.abs(p) + 0.1, params)

        def logit(x):
            logits, _ = network.apply(params, stats, x, train=False)
            return logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]

        return jax.grad(logit)(x)

    rows, columns = np.nonzero(np.asarray(gradient(x))[0, :, :, 0])
    expected = networks.receptive_field(module)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (expected, expected)


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
    params, stats = jax.eval_shape(network.init, jax.random.key(0), x)
    train = functools.partial(network.apply, train=True)
    y, new_stats = jax.eval_shape(lambda key, *inputs: train(*inputs, key=key), jax.random.key(1), params, stats, x)
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

    with pytest.raises(ValueError, match="64x96; this SRGAN critic's dense head wants 96x96"):
        from_linen(SRGANCritic()).init(jax.random.key(0), jnp.zeros((1, 64, 96, 3)))
    with pytest.raises(ValueError, match="96x96; this VGG-style critic wants 128x128"):
        from_linen(VGGStyleCritic()).init(jax.random.key(0), jnp.zeros((1, 96, 96, 3)))
    with pytest.raises(ValueError, match="32x32; this DCGAN critic wants 64x64"):
        from_linen(DCGANCritic()).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize("module", [DCGANCritic(size=48), DCGANGenerator(size=4), VGGStyleCritic(size=96)])
def test_only_powers_of_two_are_sizes_of_what_halves(module):
    with pytest.raises(ValueError, match=r"the size is \d+; .* power of two of at least 8"):
        shapes_of(module, jnp.zeros((1, 48)) if isinstance(module, DCGANGenerator) else jnp.zeros((1, 96, 96, 3)))


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (ResNet(out_channels=5, blocks=1, width=2), (2, 8, 12, 5)),
        (SRResNet(out_channels=1, scale=2, blocks=1, width=2), (2, 16, 24, 1)),
        (SRResNet(scale=3, blocks=1, width=2), (2, 24, 36, 3)),
        (SRResNet(scale=8, blocks=0, width=2), (2, 64, 96, 3)),
        (MSRResNet(scale=8, blocks=1, width=2), (2, 64, 96, 4)),
        (SRResNet(scale=3, blocks=0, width=2, upsample="nearest"), (2, 24, 36, 3)),
        (MSRResNet(scale=4, blocks=0, width=2, upsample="bilinear"), (2, 32, 48, 4)),
        (RRDBNet(out_channels=1, blocks=1, width=2, growth=1), (2, 32, 48, 1)),
        (RRDBNet(scale=1, blocks=1, width=2, growth=1), (2, 8, 12, 3)),
        (RRDBNet(scale=8, blocks=1, width=2, growth=1, doublings=3), (2, 64, 96, 3)),
        (SRVGGNetCompact(scale=1, layers=0, width=2), (2, 8, 12, 4)),
        (SRVGGNetCompact(scale=3, layers=1, width=2), (2, 24, 36, 4)),
        (UNetCritic(width=1, skips=False), (2, 8, 8, 1)),
        (SRGANCritic(width=1, head="pool"), (2, 1)),
        (SRGANCritic(width=1, head="conv"), (2, 1, 1, 1)),
    ],
)
def test_shapes_of_outputs(module, shape):
    assert shapes_of(module, jnp.zeros((2, 8, 12, 4)))[1] == shape


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (RRDBNet(scale=3), (1, 8, 8, 3), "the scale is 3; with 2 doublings RRDBNet wants a power of two of at most 4"),
        (RRDBNet(scale=8), (1, 8, 8, 3), "the scale is 8"),
        (RRDBNet(scale=0), (1, 8, 8, 3), "the scale is 0"),
        (RRDBNet(scale=1), (1, 8, 10, 3), "images are 8x10; this RRDBNet wants sides that are multiples of 4"),
        (UNetCritic(), (1, 16, 20, 3), "images are 16x20; this UNetCritic wants sides that are multiples of 8"),
        (UNetCritic(skips=False), (1, 7, 20, 3), "images are 7x20; this UNetCritic wants sides of at least 8"),
    ],
)
def test_what_real_esrgans_networks_refuse(module, shape, words):
    with pytest.raises(ValueError, match=words):
        shapes_of(module, jnp.zeros(shape))


def test_srresnet_with_a_bias_in_front_of_every_norm_has_the_third_known_count():
    params, _ = shapes_of(SRResNet(), jnp.zeros((1, 8, 8, 3)))
    norms = [scale for path, scale in jax.tree_util.tree_leaves_with_path(params) if "scale" in str(path)]
    assert size(params) + size(norms) == 1_549_462


@pytest.mark.parametrize("upsample", ["transposed", "pixel_shuffle", "nearest", "bilinear"])
def test_every_way_of_upsampling_keeps_sizes_and_names(upsample):
    default, module = UNet(depth=3, width=2), UNet(depth=3, width=2, upsample=upsample)
    assert module.size_multiple == 8
    params, shape = shapes_of(module, jnp.zeros((2, 8, 24, 4)))
    assert shape == (2, 8, 24, 3)
    assert jax.tree.structure(params) == jax.tree.structure(shapes_of(default, jnp.zeros((2, 8, 24, 4)))[0])
    side, outputs = (4, 4) if upsample == "transposed" else (3, 16 if upsample == "pixel_shuffle" else 4)
    assert params["up1"]["kernel"].shape == (side, side, 8, outputs)
    assert shapes_of(ResNet(blocks=1, width=2, upsample=upsample), jnp.zeros((2, 8, 12, 4)))[1] == (2, 8, 12, 3)
    assert shapes_of(DCGANGenerator(size=16, width=2, upsample=upsample), jnp.zeros((2, 7)))[1] == (2, 16, 16, 3)


@pytest.mark.parametrize("cls", [SRResNet, MSRResNet])
def test_super_resolution_may_start_without_a_checkerboard(cls):
    for icnr in (False, True):
        network = from_linen(cls(scale=2, blocks=0, width=2, icnr=icnr))
        start = jax.jit(lambda key, init=network.init: init(key, jnp.zeros((1, 4, 4, 3)))[0]["up1"]["kernel"])
        kernel = np.asarray(start(jax.random.key(0)))  # four neighboring outputs are the pixels of one block
        assert (kernel == np.repeat(kernel[..., ::4], 4, axis=-1)).all() == icnr


def test_outputs_of_srresnet():
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 3, (1, 6, 6, 3)), jnp.float32)

    @jax.jit
    def outputs_of(key):
        params, stats = from_linen(SRResNet(scale=2, blocks=0, width=8)).init(key, x)
        params["tail"]["kernel"] *= 9.0
        modules = {output: SRResNet(scale=2, blocks=0, width=8, output=output) for output in kinds}
        return {kind: from_linen(module).apply(params, stats, x, train=False)[0] for kind, module in modules.items()}

    kinds = ("linear", "tanh", "unit_tanh")
    outputs = {kind: np.asarray(output) for kind, output in outputs_of(jax.random.key(0)).items()}
    assert np.abs(outputs["linear"]).max() > 1
    np.testing.assert_allclose(outputs["tanh"], np.tanh(outputs["linear"]), atol=1e-6)
    np.testing.assert_allclose(outputs["unit_tanh"], (outputs["tanh"] + 1) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "critic", [DCGANCritic(32, 2), PatchGAN(2, 2), PixelGAN(2), SRGANCritic(32, 2, 4), VGGStyleCritic(32, 2)]
)
def test_spectral_norm_reaches_every_kernel_of_a_critic(critic):
    network, x = from_linen(critic.clone(spectral_norm=True)), jnp.zeros((1, 32, 32, 3))
    params, stats = jax.eval_shape(network.init, jax.random.key(0), x)
    kernels = {name: leaf["kernel"].shape[-1:] for name, leaf in params.items() if "kernel" in leaf}
    assert {name: leaf["spectral"]["u"].shape for name, leaf in stats["spectral_norm"].items()} == kernels
    inputs = {name: (np.prod(leaf["kernel"].shape[:-1]),) for name, leaf in params.items() if "kernel" in leaf}
    assert {name: leaf["spectral"]["v"].shape for name, leaf in stats["spectral_norm"].items()} == inputs
    _, new_stats = jax.eval_shape(lambda p, s: network.apply(p, s, x, train=True), params, stats)
    assert jax.tree.structure(new_stats) == jax.tree.structure(stats)
    assert "spectral_norm" not in jax.eval_shape(from_linen(critic).init, jax.random.key(0), x)[1]


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
@pytest.mark.parametrize("cls", [DCGANCritic, PatchGAN, SRGANCritic])
def test_critics_of_a_gradient_penalty_have_norms_of_one_image(cls, norm):
    critic = cls(width=2, norm=norm, **({} if cls is PatchGAN else {"size": 32}))
    params, stats = jax.eval_shape(from_linen(critic).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert not stats
    assert ("layer" in params.get("conv1_norm", {})) == (norm == "layer")
    # What follows has no bias of its own to swallow that of a convolution.
    assert all("bias" in layer for name, layer in params.items() if not name.endswith("_norm"))


@pytest.mark.parametrize("side", [8, 32, 128])
def test_dcgan_takes_any_power_of_two(side):
    z, images = jnp.zeros((2, 7)), jnp.zeros((2, side, side, 3))
    params, shape = shapes_of(DCGANGenerator(size=side, width=2), z)
    assert shape == images.shape
    assert params["up0"]["kernel"].shape == (4, 4, 7, side // 4)
    params, shape = shapes_of(DCGANCritic(size=side, width=2), images)
    assert shape == (2, 1)
    # With batch norm no layer has a bias, without it every layer has one.
    assert not any("bias" in layer for name, layer in params.items() if not name.endswith("_norm"))
    params, _ = shapes_of(DCGANCritic(size=side, width=2, norm="none"), images)
    assert all("bias" in layer for layer in params.values())


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (DCGANGenerator(size=8, width=2, classes=3), np.ones((2, 4))),
        (DCGANCritic(8, 2, classes=3), np.ones((2, 8, 8, 1))),
    ],
)
def test_dcgan_with_classes_answers_by_class(module, x):
    network, x = from_linen(module), jnp.asarray(x, jnp.float32)

    @jax.jit
    def out(labels):
        params, stats = network.init(jax.random.key(0), x, labels)
        return network.apply(params, stats, x, labels, train=False)[0]

    first, second = (np.asarray(out(np.array(labels))) for labels in ([0, 1], [0, 2]))
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[1] != second[1]).any()
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize(
    ("classes", "labels", "message"),
    [
        (3, None, "the shape None; a DCGAN of 3 classes wants .2,."),
        (3, np.zeros((2, 1), int), "the shape .2, 1."),
        (0, np.zeros(2, int), "a DCGAN of 0 classes wants None"),
    ],
)
def test_labels_and_classes_go_together(classes, labels, message):
    for module, x in (
        (DCGANGenerator(classes=classes), np.zeros((2, 4))),
        (DCGANCritic(8, classes=classes), np.zeros((2, 8, 8, 3))),
    ):
        with pytest.raises(ValueError, match=message):
            shapes_of(module, x, labels)


@pytest.mark.parametrize("module", [SRResNet(scale=5), MSRResNet(scale=1)])
def test_scales_that_no_layer_makes_are_refused(module):
    with pytest.raises(ValueError, match=f"the scale is {module.scale}; wanted one of 2, 3, 4, 8"):
        shapes_of(module, jnp.zeros((1, 8, 8, 3)))


def features(module, x):
    network = from_linen(module)
    params, stats = jax.jit(network.init)(jax.random.key(0), x)
    return network.apply(params, stats, x, train=False)[0]  # in the network's order, which jit forgets


@pytest.mark.parametrize("cls", [VGG, AlexNet])
def test_features_before_and_after_activation_and_in_either_range(cls):
    conv, relu, pool = ("conv2_1", "relu2_1", "pool1") if cls is VGG else ("conv2", "relu2", "pool1")
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (1, 40, 33, 3)), jnp.float32)
    maps = features(cls(layers=(relu, conv, pool), range_norm=False, width=2), x)
    assert list(maps) == [pool, conv, relu]
    assert (maps[conv] < 0).any()
    np.testing.assert_array_equal(maps[relu], np.maximum(maps[conv], 0))
    symmetric = features(cls(layers=(conv,), width=2), 2.0 * x - 1.0)
    np.testing.assert_allclose(symmetric[conv], maps[conv], atol=1e-5)


def test_alexnet_has_torchvisions_shapes():
    layers = ("conv1", "pool1", "relu2", "pool2", "relu3", "relu4", "relu5", "pool5")
    _, shapes = shapes_of(AlexNet(layers), jnp.zeros((1, 224, 224, 3)))
    sides = {"conv1": 55, "pool1": 27, "relu2": 27, "pool2": 13, "relu3": 13, "relu4": 13, "relu5": 13, "pool5": 6}
    widths = {
        "conv1": 64,
        "pool1": 64,
        "relu2": 192,
        "pool2": 192,
        "relu3": 384,
        "relu4": 256,
        "relu5": 256,
        "pool5": 256,
    }
    assert shapes == {layer: (1, sides[layer], sides[layer], widths[layer]) for layer in layers}


def test_nothing_behind_the_deepest_feature_is_built():
    params, _ = shapes_of(VGG(19, ("conv2_1", "relu1_2")), jnp.zeros((1, 16, 16, 3)))
    assert sorted(params) == ["conv1_1", "conv1_2", "conv2_1"]


def test_features_that_do_not_exist_and_gray_images_are_refused():
    x = jnp.zeros((1, 16, 16, 3))
    with pytest.raises(ValueError, match=r"layers are \('relu6_1',\); wanted one or more of conv1_1, relu1_1,"):
        shapes_of(VGG(19, ("relu6_1",)), x)
    with pytest.raises(ValueError, match=r"layers are \(\); wanted one or more of conv1, relu1, pool1"):
        shapes_of(AlexNet(()), x)
    with pytest.raises(ValueError, match="the depth is 17; wanted 16 or 19"):
        shapes_of(VGG(17), x)
    with pytest.raises(ValueError, match="images have 1 channels; ImageNet features want 3"):
        shapes_of(VGG(), x[..., :1])


def test_what_sides_are_multiples_of():
    multiples = {cls: cls().size_multiple for cls in (MSRResNet, ResNet, RRDBNet, SRResNet, UNet, PatchGAN)}
    assert multiples == {MSRResNet: 1, ResNet: 4, RRDBNet: 1, SRResNet: 1, UNet: 256, PatchGAN: 1}
    assert [RRDBNet(scale=scale).size_multiple for scale in (1, 2)] == [4, 2]
    assert [UNetCritic(skips=skips).size_multiple for skips in (False, True)] == [1, 8]
    assert [module.scale for module in (MSRResNet(scale=3), SRResNet(), UNet())] == [3, 4, 1]


def test_factors_of_a_scale():
    assert [srresnet.factors(scale) for scale in (2, 3, 4, 8)] == [(2,), (3,), (2, 2), (2, 2, 2)]
    with pytest.raises(ValueError, match="the scale is 5; wanted one of 2, 3, 4, 8"):
        srresnet.factors(5)


def test_networks_tell_what_they_take_and_give():
    for module, inputs in (
        (UNet(), (architecture.image_spec(256, 5),)),
        (ResNet(), (architecture.image_spec(64, 5),)),
        (PatchGAN(layers=6), (architecture.image_spec(192, 5),)),
        (SRGANCritic(size=32), (architecture.image_spec(32, 5),)),
        (DCGANGenerator(), (architecture.vector_spec(5),)),
        (DCGANCritic(32, classes=3), (architecture.image_spec(32, 5), *architecture.label_specs(3))),
    ):
        assert module.input_spec(5) == inputs
    assert [spec.shape for spec in DCGANGenerator(classes=3).input_spec(5)] == [(1, 5), (1,)]
    assert architecture.label_specs(0) == ()
    variables, output = networks.shapes(MSRResNet(scale=2, blocks=1, width=4), 5)
    assert variables["params"]["head"]["kernel"].shape == (3, 3, 5, 4)
    assert (variables["stats"], output.shape) == ({}, (1, 128, 128, 5))
    _, maps = networks.shapes(VGG(16, ("relu2_1", "relu1_1"), width=2), 3)
    assert {layer: leaf.shape for layer, leaf in maps.items()} == {"relu1_1": (1, 64, 64, 2), "relu2_1": (1, 32, 32, 4)}


@pytest.mark.parametrize("name", networks.catalogue())
def test_networks_tell_which_map_their_first_dense_layer_reads(name):
    module = networks.catalogue()[name]()
    params, _ = networks.shapes(module, 3)[0].values()
    if "dense0" in params:
        pixels = module.flattened_side**2
        assert params["dense0"]["kernel"].shape[0] % pixels == 0
        smaller = module.clone(width=module.width // 2)
        narrow, _ = networks.shapes(smaller, 3)[0].values()
        of_a_map = narrow["dense0"]["kernel"].shape[0] != params["dense0"]["kernel"].shape[0]
        assert of_a_map == (pixels > 1)
    else:
        assert module.flattened_side == 1


def test_train_and_dropout_are_independent():
    network = from_linen(UNet(depth=3, width=2))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 16, 16, 3)), jnp.float32)
    params, stats = jax.jit(network.init)(jax.random.key(0), x)
    apply = jax.jit(functools.partial(network.apply, params, stats, x), static_argnames="train")

    def out(train, seed=None):
        key = None if seed is None else jax.random.key(seed)
        return np.asarray(apply(train=train, key=key)[0])

    np.testing.assert_array_equal(out(False), out(False))
    assert (out(False) != out(True)).any()
    assert (out(False) != out(False, seed=1)).any()
    assert (out(True, seed=1) != out(True, seed=2)).any()
    np.testing.assert_array_equal(out(True, seed=1), out(True, seed=1))


def test_a_module_survives_its_description():
    for module in (
        UNet(out_channels=1, depth=4, norm="instance", skips=False, dropout_layers="port", upsample="bilinear"),
        ResNet(blocks=6, padding="replicate", upsample="nearest", dtype="bfloat16"),
        PatchGAN(layers=2, statistics_batch=1, spectral_norm=True),
        PixelGAN(width=8, norm="layer"),
        SRResNet(scale=2, prelu="channel", icnr=True, output="unit_tanh"),
        MSRResNet(scale=3, upsample="nearest"),
        RRDBNet(scale=8, growth=16, doublings=3),
        SRVGGNetCompact(activation="leaky_relu"),
        UNetCritic(skips=False),
        SRGANCritic(head="conv", norm="layer", spectral_norm=True),
        VGGStyleCritic(size=256, spectral_norm=True),
        DCGANGenerator(classes=10, upsample="pixel_shuffle"),
        DCGANCritic(size=32, norm="none", spectral_norm=True),
        VGG(16, ("relu2_2", "pool3"), dtype="bfloat16"),
        AlexNet(("conv1",), range_norm=False),
    ):
        built = networks.build(json.loads(json.dumps(networks.describe(module))))
        assert built == module
        assert hash(built) == hash(module)
        assert networks.catalogue()[type(module).__name__] is type(module)


def test_a_description_from_before_a_field_existed_still_builds():
    old = {"name": "UNet", "out_channels": 3, "depth": 8, "width": 64, "norm": "batch", "dropout": 0.5}
    assert networks.build({**old, "statistics_batch": None}) == UNet()


def test_unknown_descriptions_are_refused():
    with pytest.raises(ValueError, match="no architecture is called 'Net'; there are AlexNet, Chainer"):
        networks.build({"name": "Net"})
    with pytest.raises(ValueError, match="UNet has no field 'color'; it has depth, dropout, "):
        networks.build({"name": "UNet", "color": 3})
    expected = "UNet's upsample is 'cubic'; wanted one of 'transposed', 'pixel_shuffle', 'nearest', 'bilinear'"
    with pytest.raises(ValueError, match=expected):
        networks.build({"name": "UNet", "upsample": "cubic"})
    with pytest.raises(ValueError, match=expected):
        networks.require_known_values(UNet(upsample="cubic"))
    with pytest.raises(ValueError, match="PatchGAN's dtype is 'float16'; wanted one of 'float32', 'bfloat16'"):
        from_linen(PatchGAN(dtype="float16"))


def test_with_weights_returns_the_given_weights_and_refuses_others():
    network, x = from_linen(PatchGAN(layers=1, width=2)), jnp.zeros((1, 8, 8, 3))
    params, stats = jax.jit(network.init)(jax.random.key(5), x)
    started = networks.with_weights(network, params, stats)
    jax.tree.map(np.testing.assert_array_equal, started.init(jax.random.key(0), x)[0], params)
    with pytest.raises(ValueError, match=r"params/conv0/kernel has shape \(4, 4, 3, 2\), wanted \(4, 4, 6, 2\)"):
        started.init(jax.random.key(0), jnp.zeros((1, 8, 8, 6)))


@pytest.mark.parametrize("name", networks.catalogue())
def test_examples_fit_their_networks(name):
    """What generator files are checked with: every module takes its example, with classes too."""
    cls = networks.catalogue()[name]
    modules = [cls()]
    if "classes" in cls.__dataclass_fields__:
        modules.append(cls(classes=3))
    for module in modules:
        inputs = module.input_spec(3)
        params, _ = jax.eval_shape(networks.from_linen(module).init, jax.random.key(0), *inputs)
        assert jax.tree.leaves(params)
