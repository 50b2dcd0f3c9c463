"""Tiles give what the whole image gives, whatever the network; and what becomes of an image that fails."""

import dataclasses

import jax
import numpy as np
import pytest

from gan_jax import image, networks
from gan_jax.infer import compiled, engine, memory, resize
from gan_jax.model import Model, ModelSpec
from gan_jax.networks import windowed

KEY = jax.random.key(3)


def generator_of(module, *, norm="running", dropout=False):
    """Random weights, and running statistics and biases that are not the neutral ones."""
    init = jax.jit(networks.from_linen(module).init)
    params, stats = init(jax.random.key(0), np.zeros((1, 16, 16, 3), np.float32))
    rng = np.random.default_rng(0)

    def drawn(leaf):
        return leaf + rng.uniform(0.1, 0.4, leaf.shape).astype(np.float32) if leaf.ndim == 1 else 3.0 * leaf

    params, stats = jax.tree.map(drawn, (params, stats))
    spec = ModelSpec(
        architecture=networks.describe(module),
        in_channels=3,
        method="test",
        norm=norm,
        dropout=dropout,
    )
    return Model(spec, {"params": params, "stats": stats})


def random_image(height, width, seed=0):
    """Noise over a gradient, so that no tile has the statistics of another."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 200, width)[None, :, None] * np.linspace(0.2, 1, height)[:, None, None]
    return (slope + rng.integers(0, 56, (height, width, 3))).astype(np.uint8)


def computed(generator, images, tile, dtype=np.float32, said=None):
    planned = planned_for(generator, images, engine.Options(tile))
    if said is not None and planned.note:
        said.append(planned.note)
    return engine._computed(planned, generator, images, KEY, np.dtype(dtype), "an image")


def planned_for(generator, images, options):
    return engine.plan(generator, images[0].shape[:2], options, memory.available_bytes)


def each(generator, images, options, **how):
    return engine.run(planned_for(generator, images, options), generator, images, KEY, **how)


SMALL_ENHANCER = networks.MSRResNet(scale=2, blocks=1, width=4)
LAYER_NORMED = networks.UNet(depth=3, width=4, norm="layer", dropout=0.0, upsample="bilinear")
NETWORKS = {
    "srresnet": (networks.SRResNet(scale=2, blocks=1, width=4), {}, (61, 47), (5,)),
    "msrresnet": (SMALL_ENHANCER, {}, (43, 58), (3, 16)),
    "resnet, running": (networks.ResNet(blocks=1, width=4, norm="batch"), {}, (66, 90), (4,)),
    "resnet, instance": (networks.ResNet(blocks=1, width=4), {"norm": "image"}, (66, 90), (24,)),
    "resnet, zeros": (networks.ResNet(blocks=2, width=4, norm="batch", padding="zero"), {}, (66, 90), (4,)),
    "resnet, zeros, instance": (networks.ResNet(blocks=1, width=4, padding="zero"), {"norm": "image"}, (61, 78), (24,)),
    "unet, running": (networks.UNet(depth=3, width=4, dropout=0.0), {}, (61, 90), (8,)),
    "unet, with its noise": (networks.UNet(depth=3, width=4), {"norm": "image", "dropout": True}, (61, 90), (16,)),
    "unet, layer norm": (LAYER_NORMED, {"norm": "image"}, (61, 90), (24,)),
}  # fmt: skip


_SLOW = ("resnet, zeros, instance", "unet, with its noise", "unet, layer norm")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in _SLOW else ()) for n in NETWORKS])
def test_tiles_give_what_the_whole_image_gives(name):
    module, fields, sides, sizes = NETWORKS[name]
    generator, images = generator_of(module, **fields), [random_image(*sides)]
    (whole,) = computed(generator, images, 0)
    assert whole.shape == (sides[0] * generator.spec.scale, sides[1] * generator.spec.scale, 3)
    assert whole.std() > 0.03
    for tile in sizes:
        said = []
        (tiled,) = computed(generator, images, tile, said=said)
        assert not said, "it was cut"
        np.testing.assert_allclose(tiled, whole, atol=1e-4, rtol=0)


def test_a_seam_would_show():
    """The test above can fail: without a halo, or each tile's own statistics, tiles differ from the whole."""
    generator, images = generator_of(*NETWORKS["resnet, running"][:1]), [random_image(66, 90)]
    (whole,) = computed(generator, images, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windowed, "receptive_radius", lambda *_: 0)
        assert np.abs(computed(generator, images, 24)[0] - whole).max() > 1e-3
    generator = generator_of(networks.ResNet(blocks=1, width=4), norm="image")
    (whole,) = computed(generator, images, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windowed, "norm_widths", lambda *_: ())
        assert np.abs(computed(generator, images, 24)[0] - whole).max() > 1e-2


@pytest.mark.parametrize(
    ("module", "scale", "radius"),
    [
        # 4, then 2 for the block, 1 for merge and up1, and 4 of the output's pixels.
        (networks.SRResNet(scale=2, blocks=1, width=4), 2, 10),
        (SMALL_ENHANCER, 2, 5),
        # With B blocks 8 B + 11, and 2 ** (depth + 1) - 1: by hand, from both sides of a cut.
        (networks.ResNet(blocks=1, width=4), 1, 19),
        (networks.ResNet(blocks=1, width=4, padding="zero"), 1, 19),
        (networks.UNet(depth=3, width=4), 1, 15),
        (networks.UNet(depth=5, width=4, norm="instance"), 1, 63),
    ],
)
def test_how_far_networks_see(module, scale, radius):
    assert windowed.receptive_radius(module, 3) == radius


def test_norms_are_counted_and_windows_use_what_they_are_given():
    batch = networks.ResNet(blocks=1, width=4, norm="batch")
    assert windowed.norm_widths(batch, 3, False) == ()
    assert windowed.norm_widths(batch, 3, True) == (4, 8, 16, 16, 16, 8, 4)
    assert windowed.norm_widths(networks.ResNet(blocks=1, width=4), 3, False) == (4, 8, 16, 16, 16, 8, 4)
    generator = generator_of(networks.UNet(depth=3, width=4, norm="instance", dropout=0.0), norm="image")
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 24, 3)).astype(np.float32)
    params, stats = generator.variables["params"], generator.variables["stats"]

    @jax.jit
    def twice(params, stats, x):
        alone, inputs = windowed.apply_tile(generator.module, params, stats, x, own_statistics=True)
        own = [(y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))) for y in inputs]
        given, _ = windowed.apply_tile(generator.module, params, stats, x, own_statistics=True, statistics=own)
        return alone, given

    alone, given = twice(params, stats, x)
    np.testing.assert_allclose(given, alone, atol=1e-5)


def test_a_network_that_sees_everything_is_run_whole_and_says_so():
    generator, said = generator_of(networks.UNet(depth=3, width=4, dropout=0.0)), []
    images = [random_image(40, 47)]
    (asked,) = computed(generator, images, 16, said=said)
    np.testing.assert_array_equal(asked, computed(generator, images, 0)[0])
    assert said == ["UNet sees 15 pixels to each side, so that an image of 48x40 is computed whole."]


def out_of_memory_above(patch, pixels):
    """Programs for more input pixels than that find no memory; returns the windows' sizes that were tried."""
    tried = []

    def limited(program):
        def run(*arguments):
            images = next(x.images if isinstance(x, compiled.Window) else x for x in arguments[3:4])
            tried.append(images.shape[:3])
            if np.prod(images.shape[:3]) > pixels:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
            return program(*arguments)

        return run

    for name in ("apply_whole", "apply_tile", "moments"):
        patch.setattr(compiled, name, limited(getattr(compiled, name)))
    return tried


def test_tiles_are_halved_until_they_fit(monkeypatch):
    module, fields, sides, _ = NETWORKS["msrresnet"]
    generator, images = generator_of(module, **fields), [random_image(*sides, seed=seed) for seed in range(2)]
    whole = computed(generator, images, 0)
    tried = out_of_memory_above(monkeypatch, 1200)
    # Two are too many, one is too large, 29 + 10 pixels are still, 14 would be below the least.
    with pytest.raises(engine.Failure, match=r"^an image does not fit into the device's memory; scale it down.$"):
        computed(generator, images, None)
    assert tried == [(2, 43, 58), (1, 43, 58), (1, 39, 39)]
    monkeypatch.undo()
    tried = out_of_memory_above(monkeypatch, 1600)
    for ours, expected in zip(computed(generator, images, None), whole, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4, rtol=0)
    assert tried[:4] == [(2, 43, 58), (1, 43, 58), (1, 39, 39), (1, 39, 39)]


def test_another_error_of_the_device_is_not_taken_for_one_of_memory(monkeypatch):
    def fail(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(compiled, "apply_whole", fail)
    generator = generator_of(SMALL_ENHANCER)
    for count in (1, 2):
        with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
            computed(generator, [random_image(9, 9)] * count, None)


def test_tiles_are_chosen_by_the_memory_that_is_free(monkeypatch):
    module, fields, sides, _ = NETWORKS["msrresnet"]
    generator, images = generator_of(module, **fields), [random_image(*sides), random_image(*sides, seed=1)]
    whole = computed(generator, images, None)
    monkeypatch.setattr(engine, "_SMALL", 0)
    monkeypatch.setattr(engine, "_LEAST", 8)
    pixel = windowed.activation_bytes_per_pixel(module, 3)
    for budget, biggest in ((1e9, (2, 43, 58)), (3000 * pixel, (1, 43, 58)), (900 * pixel, (1, 30, 30))):
        monkeypatch.setattr(memory, "available_bytes", lambda *, generous, budget=budget: budget)
        with pytest.MonkeyPatch.context() as patch:
            tried = out_of_memory_above(patch, 10**9)
            for ours, expected in zip(computed(generator, images, None), whole, strict=True):
                np.testing.assert_allclose(ours, expected, atol=1e-4, rtol=0)
        assert set(tried) == {biggest}


def test_the_budget_is_a_part_of_what_is_free(monkeypatch):
    assert 0 < memory.available_bytes(generous=False) <= memory.available_bytes(generous=True) < 2**50
    monkeypatch.setattr(memory, "_free_on_host", lambda: 8 * 2.0**30)
    assert memory.available_bytes(generous=True) == 4 * 2**30
    assert memory.available_bytes(generous=False) == 2 * 2**30


def test_feature_maps_are_counted_while_they_are_needed():
    def chain(x):
        return (x * 2.0 + 1.0).sum()

    def fan(x):
        return x * 2.0 + x * 3.0

    x = jax.ShapeDtypeStruct((100,), np.float32)
    assert windowed._peak(jax.make_jaxpr(chain)(x).jaxpr) == 2 * 400
    assert windowed._peak(jax.make_jaxpr(fan)(x).jaxpr) == 3 * 400
    narrow, wide = (
        windowed.activation_bytes_per_pixel(networks.MSRResNet(scale=2, blocks=1, width=w), 3) for w in (4, 8)
    )
    assert narrow < wide < 2 * narrow


def test_a_plan_says_all_that_is_decided_and_asks_for_memory_where_that_decides(monkeypatch):
    asked = []

    def budget(*, generous):
        asked.append(generous)
        return room

    generator, multiple, room = generator_of(networks.ResNet(blocks=1, width=4), norm="image"), 4, 1e9

    def plan(size, tile=None, **options):
        return engine.plan(generator, size, engine.Options(tile, **options), budget)

    small = plan((61, 47), outscale=1.5)
    assert small == engine.Plan((64, 48), engine.Options(outscale=1.5)), "whole, and as many at once as there are"
    assert plan((61, 47), 64) == engine.Plan((64, 48), engine.Options(64), together=1)
    cut = plan((200, 90), 48)
    assert (cut.padded, cut.tile, cut.together, cut.norms, cut.note) == ((200, 92), 48, 1, 7, None)
    rows, columns = cut.spans
    assert [span.core_stop for span in rows] == [68, 116, 164, 200]
    assert [(span.start, span.stop) for span in columns] == [(0, 88), (4, 92)]
    assert cut.transposed.padded == (92, 200)
    assert cut.transposed.spans == (columns, rows)
    assert not asked
    monkeypatch.setattr(engine, "_SMALL", 0)
    pixel = windowed.activation_bytes_per_pixel(generator.module, 3)
    for images, together in ((3.5, 3), (1.0, 1)):
        room = images * pixel * 200 * 92
        assert plan((200, 90)) == engine.Plan((200, 92), engine.Options(), together=together)
    assert asked == [True, True], "its norms would cost tiles many passes"
    room = 4000 * pixel
    assert plan((200, 90), 0).together == 1
    assert plan((200, 90)).tile == engine._LEAST
    assert asked[-2:] == [True, False]
    monkeypatch.setattr(engine, "_LEAST", 8)
    assert plan((200, 90)).tile == int(4000**0.5) // multiple * multiple - 2 * 20


def test_turning_eight_ways_has_a_way_back():
    x = random_image(5, 7)
    turned = [engine.rotate(x, way) for way in range(8)]
    assert len({way.tobytes() + bytes(way.shape) for way in turned}) == 8
    for way in range(8):
        np.testing.assert_array_equal(engine.unrotate(turned[way], way), x)


def test_the_self_ensemble_commutes_with_turning():
    generator, x = generator_of(networks.UNet(depth=3, width=4, dropout=0.0)), random_image(21, 30)
    options = engine.Options(self_ensemble=True)
    (ours,) = each(generator, [x], options)
    assert ours.dtype == np.uint8
    for way in (2, 4, 5):  # half a turn, the mirror image, and that by a quarter
        (theirs,) = each(generator, [engine.rotate(x, way)], options)
        difference = np.abs(engine.rotate(ours, way).astype(int) - theirs)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01
    (alone,) = each(generator, [x], engine.Options())
    (turned,) = each(generator, [engine.rotate(x, 4)], engine.Options())
    assert np.abs(engine.rotate(alone, 4).astype(int) - turned).max() > 5, "alone it does not"


@pytest.mark.parametrize("shape", [(100, 50), (129, 91), (30, 40), (86, 60), (1, 1)])
def test_the_final_size_is_matlabs_bicubic_of_the_floats(shape):
    x = np.random.default_rng(0).uniform(-1.2, 1.2, (86, 60, 3)).astype(np.float32)
    expected = np.asarray(image.to_uint8(image.imresize(x, shape=shape)))
    ours = resize.resized(x, shape, np.dtype(np.uint8))
    assert np.abs(ours.astype(int) - expected).max() <= 1
    assert (ours != expected).mean() < 0.001
    wide = resize.resized(x, shape, np.dtype(np.uint16))
    np.testing.assert_allclose(wide / 32767.5 - 1, np.clip(image.imresize(x, shape=shape), -1, 1), atol=2e-5)


def test_weights_of_resampling_are_those_of_imresize():
    x = np.random.default_rng(0).uniform(0, 1, (9, 1, 1))
    for new in (4, 9, 23):
        places, weights = image.resampling_weights(9, new)
        ours = (x[places, 0, 0] * weights).sum(axis=1)
        np.testing.assert_allclose(ours, np.asarray(image.imresize(x, shape=(new, 1)))[:, 0, 0], atol=1e-6)


def test_final_sides_are_rounded():
    x = np.zeros((10, 3, 3))
    assert resize.final_sides(x.shape, 4, None) == (40, 12)
    assert resize.final_sides(x.shape, 4, 1.25) == (13, 4)
    assert resize.final_sides(x.shape, 4, 0.01) == (1, 1)


def test_outputs_of_another_size_do_not_depend_on_tiles():
    module, fields, sides, _ = NETWORKS["msrresnet"]
    generator, images = generator_of(module, **fields), [random_image(*sides)]
    (whole,) = each(generator, images, engine.Options(tile=0, outscale=1.5))
    assert whole.shape == (65, 87, 3)
    (tiled,) = each(generator, images, engine.Options(tile=16, outscale=1.5))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def not_finite(generator):
    params = jax.tree.map(np.array, generator.variables["params"])
    params["tail"]["bias"][:] = np.inf
    return generator._replace(variables={**generator.variables, "params": params})


@pytest.mark.parametrize("tile", [0, 16])
def test_an_output_that_is_not_finite_is_computed_again_in_float32(monkeypatch, tile):
    module, fields, sides, _ = NETWORKS["msrresnet"]
    good, said = generator_of(module, **fields), []
    bad, images = not_finite(good), [random_image(*sides)]
    options = engine.Options(tile=tile)
    with pytest.raises(engine.Failure, match=r"^an image has an output that is not finite; see"):
        each(bad, images, options, say=said.append)
    monkeypatch.setattr(engine, "in_float32", lambda generator: good)
    (ours,) = each(bad, images, options, say=said.append)
    np.testing.assert_array_equal(ours, each(good, images, options)[0])
    assert said == ["the output was not finite and is computed again in float32."]
    with pytest.raises(engine.Failure, match="not finite"):
        each(bad, images * 2, options)
    monkeypatch.setattr(engine, "in_float32", lambda generator: bad)
    with pytest.raises(engine.Failure, match="not finite, in float32 too"):
        each(bad, images, options)


def test_in_float32_there_is_nothing_more_exact():
    generator = generator_of(SMALL_ENHANCER)
    assert engine.in_float32(generator) is None
    for dtype, expected in (("float32", None), ("bfloat16", "float32")):
        spec = dataclasses.replace(generator.spec, architecture={**generator.spec.architecture, "dtype": dtype})
        exact = engine.in_float32(generator._replace(spec=spec))
        assert (exact and exact.spec.architecture["dtype"]) == expected


def test_16_bits_in_are_16_bits_out():
    module, fields, sides, _ = NETWORKS["msrresnet"]
    generator, x = generator_of(module, **fields), random_image(*sides)
    (floats,) = computed(generator, [x], 0)
    (deep,) = each(generator, [x.astype(np.uint16) * 257], engine.Options())
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 32767.5 - 1.0, np.clip(floats, -1, 1), atol=4e-5)
    assert len(np.unique(deep)) > 1000, "more than 8 bits hold"


def test_programs_know_what_a_spec_wants():
    spec = generator_of(SMALL_ENHANCER, dropout=True).spec
    assert compiled.signature(spec, "uint8", sides=(3, 4)).sides == (3, 4)
    assert compiled.signature(dataclasses.replace(spec, dropout=False), "uint8", sides=(3, 4)).sides is None


@pytest.mark.parametrize(
    ("scale", "dtype", "sides"), [(4, "float32", (41, 58)), (2, "float32", (61, 90)), (4, "bfloat16", (41, 58))]
)
def test_a_network_that_sees_far_is_computed_stage_by_stage(scale, dtype, sides):
    """Tiles of each stage with what that stage sees; the whole network sees hundreds of pixels."""
    module = networks.RRDBNet(scale=scale, blocks=2, width=4, growth=2, dtype=dtype)
    generator, images = generator_of(module), [random_image(*sides)]
    planned = planned_for(generator, images, engine.Options(12))
    assert len(planned.stages) == 4
    assert all(len(rows) * len(columns) > 1 for (rows, columns), _ in planned.stages[:1] + planned.stages[-1:])
    (whole,), (tiled,) = (computed(generator, images, tile) for tile in (0, 12))
    assert tiled.shape == (scale * sides[0], scale * sides[1], 3)
    assert whole.std() > 0.05
    # 1e-4 of the range [-1, 1]; in bfloat16 a convolution of another shape may round otherwise, in every layer by up to
    # 1/256 of what these outputs, up to 5, are made of (0.094 of 3.3 was seen, with jax 0.12).
    relative, absolute = (0.0, 2e-4) if dtype == "float32" else (0.03, 0.05)
    np.testing.assert_allclose(tiled, whole, rtol=relative, atol=absolute)
    turned = planned.transposed
    assert turned.stages[0].spans == planned.stages[0].spans[::-1]


def test_what_the_stages_of_a_network_see():
    reaches = windowed.stage_reaches(networks.RRDBNet(scale=2, blocks=2, width=4, growth=2), 3)
    head, block, _, tail = reaches
    assert (head.multiple, head.sides[0] / head.sides[1], head.channels) == (2, 0.5, 4)
    assert [at.radius for at in reaches] == [2, 15, 15, 3]
    assert (block.multiple, block.sides[0] / block.sides[1]) == (1, 1.0)
    assert (tail.sides[0] / tail.sides[1], tail.channels) == (4.0, 3)
    assert 0 < head.bytes_per_pixel < block.bytes_per_pixel
    assert windowed.stage_reaches(SMALL_ENHANCER, 3) == ()


def test_memory_alone_cuts_each_stage_by_what_it_needs(monkeypatch):
    monkeypatch.setattr(engine, "_SMALL", 0)
    monkeypatch.setattr(engine, "_LEAST", 16)
    generator = generator_of(networks.RRDBNet(blocks=2, width=4, growth=2))
    tail = windowed.stage_reaches(generator.module, 3)[-1]
    room = tail.bytes_per_pixel * 40**2
    planned = engine.plan(generator, (200, 300), engine.Options(), lambda generous: room)
    for (rows, columns), at in zip(
        (stage.spans for stage in planned.stages), windowed.stage_reaches(generator.module, 3), strict=True
    ):
        sides = [spans[0].stop - spans[0].start for spans in (rows, columns)]
        assert sides[0] * sides[1] * at.bytes_per_pixel <= room or max(sides) <= 16 + 2 * at.radius
    assert len({len(rows) for (rows, _), _ in planned.stages}) > 1
    smaller = engine._smaller(planned, generator)
    assert smaller.tile < planned.tile
    assert smaller.stages


def test_a_stage_in_the_middle_gives_its_maps_as_they_are():
    module = networks.RRDBNet(blocks=1, width=4, growth=2)
    generator, (stage, name) = generator_of(module), module.stages[1]
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype(np.float32)
    window = compiled.Window(x, np.zeros(2, int), np.array([[0, 8], [0, 8]]))
    params = generator.variables["params"][name]
    signature = compiled.signature(generator.spec, "uint8")
    maps, finite = compiled.apply_stage(stage, signature, False, False, params, window, x)
    assert finite
    np.testing.assert_allclose(maps, stage.apply({"params": params}, x)[0], rtol=1e-5, atol=1e-5)
