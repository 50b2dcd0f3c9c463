import dataclasses
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import ExifTags, Image

from gan_jax import image as image_math
from gan_jax import infer, networks
from gan_jax.data import high_bit_depth, transforms
from gan_jax.data import image_files as images_io
from gan_jax.infer import arrays, compiled, engine, streams
from gan_jax.model import Model, ModelSpec
from gan_jax.training import parallel
from tests.levels import assert_same_levels


def random_images(n, height=16, width=24, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def pixels(path):
    return images_io.read(path, 3)


@pytest.mark.parametrize("size", [(16, 24), (8, 8), (13, 21), (1, 1), (1, 30), (3, 5)])
def test_any_size_comes_back_at_that_size(tiny_generator, size):
    images = random_images(2, *size)
    outputs = infer.translate(tiny_generator(), images)
    assert outputs.dtype == np.uint8
    assert outputs.shape == images.shape
    assert infer.translate(tiny_generator(), images[0]).shape == (*size, 3)


def test_an_output_depends_on_its_image_alone(tiny_generator):
    model, images = tiny_generator(), random_images(4)
    images[2] //= 8  # dark, so that shared statistics would show
    together = infer.translate(model, images)
    alone = np.stack([infer.translate(model, image) for image in images])
    assert_same_levels(together, alone)
    assert_same_levels(infer.translate(model, images[::-1])[::-1], together)


def test_noise_follows_the_seed(tiny_generator):
    model, images = tiny_generator(), random_images(1)
    np.testing.assert_array_equal(infer.translate(model, images, seed=1), infer.translate(model, images, seed=1))
    assert (infer.translate(model, images, seed=1) != infer.translate(model, images, seed=2)).any()


def test_the_file_says_how_norm_and_dropout_behave(tiny_generator):
    model, images = tiny_generator(), random_images(1)
    variants = [
        model._replace(spec=dataclasses.replace(model.spec, norm=norm, dropout=dropout))
        for norm in ("image", "running")
        for dropout in (True, False)
    ]
    outputs = [infer.translate(variant, images).tobytes() for variant in variants]
    assert len(set(outputs)) == 4


def test_options_override_what_the_file_says(tiny_generator):
    model, images = tiny_generator(norm="running"), random_images(1)
    assert infer.with_options(model) == model
    assert infer.with_options(model, dropout=False, norm="image").spec == tiny_generator(dropout=False).spec
    assert model.spec.dropout, "the given generator stays as it was"
    off = infer.with_options(model, dropout=False)
    np.testing.assert_array_equal(infer.translate(off, images, seed=1), infer.translate(off, images, seed=2))


def test_options_that_a_network_cannot_take_are_refused(tiny_generator):
    # The module's fields, which the spec's "dropout" and "norm" say nothing about.
    spec = tiny_generator().spec
    architecture = {**spec.architecture, "norm": "instance", "dropout": 0.0}
    model = Model(dataclasses.replace(spec, architecture=architecture), {"params": {}, "stats": {}})
    with pytest.raises(ValueError, match="dropout cannot be on: this UNet has no dropout layers"):
        infer.with_options(model, dropout=True)
    with pytest.raises(ValueError, match='norm cannot be "running": this UNet has no running statistics'):
        infer.with_options(model, norm="running")
    assert not infer.with_options(model, dropout=False, norm="image").spec.dropout


def test_images_that_shared_statistics_in_training_are_normalized_alone(tiny_generator):
    model, images = tiny_generator(), random_images(3)
    architecture = {**model.spec.architecture, "statistics_batch": 2}
    grouped = model._replace(spec=dataclasses.replace(model.spec, architecture=architecture))
    for norm in ("image", "running"):
        # Another module is another program.
        assert_same_levels(
            infer.translate(infer.with_options(grouped, norm=norm), images),
            infer.translate(infer.with_options(model, norm=norm), images),
        )


def test_samples_differ_and_the_first_is_the_translation(tiny_generator):
    model, images = tiny_generator(), random_images(2)
    samples = infer.samples(model, images, 3, seed=5)
    assert samples.dtype == np.uint8
    assert samples.shape == (3, *images.shape)
    np.testing.assert_array_equal(samples[0], infer.translate(model, images, seed=5))
    assert len({sample.tobytes() for sample in samples}) == 3
    assert (infer.samples(model, images, 3, seed=6) != samples).any(axis=(1, 2, 3, 4)).all()
    assert infer.samples(model, images[0], 2).shape == (2, *images.shape[1:])


def test_a_sample_depends_on_image_seed_and_number_alone(tiny_generator):
    model, images = tiny_generator(), random_images(3)
    images[2] //= 8
    samples = infer.samples(model, images, 4)
    np.testing.assert_array_equal(infer.samples(model, images, 2), samples[:2])
    assert_same_levels(infer.samples(model, images[1], 4), samples[:, 1])
    everywhere = jax.sharding.NamedSharding(parallel.data_mesh(), jax.sharding.PartitionSpec())
    eight = model._replace(variables=jax.device_put(model.variables, everywhere))
    # Eight devices run another program.
    assert_same_levels(infer.samples(eight, images, 4), samples)


def test_samples_that_would_all_be_equal_are_refused(tiny_generator):
    model, images = tiny_generator(), random_images(1)
    architecture = {**model.spec.architecture, "dropout": 0.0}
    without = model._replace(spec=dataclasses.replace(model.spec, architecture=architecture))
    for refused, words in (
        (infer.with_options(model, dropout=False), "dropout is off"),
        (without, "no dropout layers"),
    ):
        with pytest.raises(ValueError, match=f"{words}, so that all samples would be equal"):
            infer.samples(refused, images, 2)
        with pytest.raises(ValueError, match=words):
            infer.translate_files(refused, [], samples=2)
    with pytest.raises(ValueError, match="0 samples are asked for; wanted at least 1"):
        infer.samples(model, images, 0)


def test_padding_is_a_reflection_that_does_not_show(tiny_generator):
    model, images = tiny_generator(norm="none", dropout=False), random_images(1, 13, 21)
    padded = np.pad(images, ((0, 0), (0, 3), (0, 3), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(infer.translate(model, images), infer.translate(model, padded)[:, :13, :21])


def test_arrays_that_do_not_fit_are_refused(tiny_generator):
    model = tiny_generator()
    with pytest.raises(TypeError, match="images are float64; wanted uint8 or uint16"):
        infer.translate(model, np.zeros((1, 8, 8, 3)))
    for shape in ((8, 8), (1, 8, 8, 1), (1, 0, 8, 3)):
        with pytest.raises(ValueError, match="wants \\[N, H, W, 3\\]"):
            infer.translate(model, np.zeros(shape, np.uint8))


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(("a.png", "b.jpg", "deep/c.bmp", "deep/er/d.png")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_images(1, 9 + i, 12, seed=i)[0]).save(path)
    return tmp_path


def test_folders_keep_their_relative_paths(folder, tiny_generator):
    jobs = infer.plan([folder / "in"], folder / "out")
    assert infer.translate_files(tiny_generator(), jobs, batch_size=3) == []
    written = sorted(path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*.*"))
    assert written == ["a.png", "b.png", "deep/c.png", "deep/er/d.png"]
    assert pixels(folder / "out" / "deep" / "er" / "d.png").shape == (12, 12, 3)


def test_files_hold_what_translate_gives_whatever_the_batch_size(folder, tiny_generator):
    model = tiny_generator()
    for batch_size in (1, 3):
        infer.translate_files(model, infer.plan([folder / "in"], folder / f"out{batch_size}"), batch_size=batch_size)
    for name in ("a.png", "deep/er/d.png"):
        expected = infer.translate(model, pixels(folder / "in" / name))
        np.testing.assert_array_equal(pixels(folder / "out1" / name), expected)
        assert_same_levels(pixels(folder / "out3" / name), expected)


def test_files_of_samples_their_mean_and_their_deviation(folder, tiny_generator):
    model = tiny_generator()
    # Fainter images, whose samples differ by few levels in most places.
    model.variables["params"]["up3"]["kernel"] *= 0.05
    for count, batch_size in ((3, 1), (2, 3)):
        out = folder / f"out{count}"
        jobs = infer.plan([folder / "in"], out, samples=count)
        assert infer.translate_files(model, jobs, batch_size=batch_size, seed=4, samples=count) == []
        assert len(list(out.rglob("*.*"))) == 4 * (count + 2)
        for name in ("a.png", "deep/er/d.png"):
            files = infer.outputs(infer.Job(folder / "in" / name, out / name), samples=count)
            *samples, mean, std = np.stack([pixels(file) for file in files])
            for got, expected in zip(
                samples, infer.samples(model, pixels(folder / "in" / name), count, seed=4), strict=True
            ):
                assert_same_levels(got, expected)
            # What is written is the exact value, rounded.
            assert np.abs(mean - np.mean(samples, axis=0)).max() <= 0.5 + 1e-9
            shown = 10 * np.std(np.asarray(samples, float), axis=0)
            assert np.abs(std - np.minimum(shown, 255)).max() <= 0.5 + 1e-9
            assert shown.max() > 255 > np.median(shown) > 10, "some reach the ceiling, most do not"


def test_names_of_samples_sort_as_their_numbers():
    job = infer.Job(Path("in/a.jpg"), Path("out/a.b.png"))
    assert infer.outputs(job) == [job.output]
    names = [path.name for path in infer.outputs(job, samples=2)]
    assert names == ["a.b_sample_0.png", "a.b_sample_1.png", "a.b_mean.png", "a.b_std.png"]
    eleven = [path.name for path in infer.outputs(job, samples=11)]
    assert eleven[0] == "a.b_sample_00.png"
    assert sorted(eleven[:11]) == eleven[:11]
    assert infer.outputs(job, samples=10)[9].name == "a.b_sample_9.png"


def test_memory_does_not_grow_with_the_samples(folder, tiny_generator, monkeypatch):
    result, written, most, lock = 0, 0, 0, threading.Lock()

    def compute(planned, generator, images, noise, **_):
        nonlocal result, most
        result += len(images)
        most = max(most, result - written)
        return list(images)

    def save(path, photograph, *, quality):
        nonlocal written
        with lock:
            written += 1

    monkeypatch.setattr(engine, "run", compute)
    monkeypatch.setattr(high_bit_depth, "save", save)
    jobs = infer.plan([folder / "in" / "a.png"], folder / "out", samples=200)
    assert infer.translate_files(tiny_generator(), jobs, samples=200) == []
    assert (result, written) == (200, 202)
    assert most <= streams._AHEAD + 3  # those that wait, the new one, and one in each writer's hands


def test_one_image_may_be_written_to_a_named_file(folder):
    job = infer.Job(folder / "in" / "a.png", folder / "x.jpg")
    assert infer.plan([folder / "in" / "a.png"], folder / "x.jpg") == [job]
    assert infer.plan([folder / "in" / "b.jpg"], folder / "out")[0].output == folder / "out" / "b.png"


def test_two_outputs_of_one_name_are_refused(folder):
    Image.new("RGB", (4, 4)).save(folder / "in" / "b.png")
    with pytest.raises(ValueError, match=r"b.jpg and .*b.png would both be written to .*b.png"):
        infer.plan([folder / "in"], folder / "out")


def test_unreadable_inputs_are_named_and_the_rest_is_done(folder, tiny_generator):
    (folder / "in" / "a.png").write_bytes(b"no picture")
    failures = infer.translate_files(tiny_generator(), infer.plan([folder / "in"], folder / "out"))
    assert len(failures) == 1
    assert "a.png is damaged or not an image" in failures[0]
    assert len(list((folder / "out").rglob("*.png"))) == 3


def test_outputs_that_cannot_be_written_are_named(folder, tiny_generator):
    (folder / "file").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="file is a file; wanted a folder"):
        infer.plan([folder / "in"], folder / "file")
    for samples in (None, 2):
        jobs = infer.plan([folder / "in"], folder / "file" / "out", samples=samples)
        failures = infer.translate_files(tiny_generator(), jobs, samples=samples)
        assert len(failures) == 4
        assert "cannot be written" in failures[0]


def test_generators_of_other_channels_than_images_have_are_refused(folder, tiny_generator):
    jobs = infer.plan([folder / "in"], folder / "out")
    model = tiny_generator()
    four = {**model.spec.architecture, "out_channels": 4}
    for changes in ({"in_channels": 2}, {"architecture": four}):
        other = model._replace(spec=dataclasses.replace(model.spec, **changes))
        with pytest.raises(ValueError, match="and image files have 1 or 3"):
            infer.translate_files(other, jobs)


def test_color_images_become_gray_for_a_gray_generator(folder, tiny_generator):
    model = tiny_generator(in_channels=1)
    assert infer.translate_files(model, infer.plan([folder / "in" / "a.png"], folder / "out")) == []
    gray = images_io.read(folder / "in" / "a.png", 1)
    np.testing.assert_array_equal(pixels(folder / "out" / "a.png"), infer.translate(model, gray))


def test_originals_are_never_overwritten(folder):
    for inputs, output in (([folder / "in"], folder / "in"), ([folder / "in" / "a.png"], folder / "in" / "a.png")):
        with pytest.raises(ValueError, match=r"is one of the inputs and would be overwritten"):
            infer.plan(inputs, output)


def test_samples_do_not_overwrite_originals_either(tmp_path):
    for name in ("out/deep/x_mean.png", "other/deep/x.png"):
        images_io.save(tmp_path / name, random_images(1)[0])
    inputs = [tmp_path / "out" / "deep", tmp_path / "other"]
    assert len(infer.plan(inputs, tmp_path / "out")) == 2
    with pytest.raises(ValueError, match=r"deep/x_mean.png is one of the inputs and would be overwritten"):
        infer.plan(inputs, tmp_path / "out", samples=2)


def test_outputs_below_the_inputs_are_not_inputs_of_the_next_call(folder, tiny_generator):
    for _ in range(2):
        jobs = infer.plan([folder / "in"], folder / "in" / "out")
        assert len(jobs) == 4
        assert infer.translate_files(tiny_generator(), jobs) == []


def test_images_may_lie_below_the_folder_to_write_to(folder, monkeypatch):
    for inputs in ([folder / "in" / "a.png"], [folder / "in"]):
        jobs = infer.plan(inputs, folder)
        assert jobs[0] == infer.Job(folder / "in" / "a.png", folder / "a.png")
    monkeypatch.chdir(folder)
    assert len(infer.plan([Path("in")], folder / "in" / "deep")) == 2, "earlier outputs, however they are named"


def test_a_critic_is_not_a_generator(tiny_generator):
    model = tiny_generator()
    critic = model._replace(spec=dataclasses.replace(model.spec, kind="critic"))
    for use in (
        lambda: infer.translate(critic, random_images(1)),
        lambda: infer.samples(critic, random_images(1), 2),
        lambda: infer.translate_files(critic, []),
        lambda: infer.with_options(critic),
    ):
        with pytest.raises(ValueError, match="holds a critic; wanted a generator"):
            use()


def test_what_is_asked_of_a_generator_is_looked_at_on_its_own(tiny_generator):
    model = tiny_generator()
    arrays.require_generator(model)
    arrays.require_samples(model, 1)
    with pytest.raises(ValueError, match="0 samples are asked for; wanted at least 1"):
        arrays.require_samples(model, 0)
    keys = [jax.random.key_data(arrays.noise_key(*which)).tolist() for which in ((3, 0), (3, 1), (4, 0))]
    assert len({tuple(key) for key in keys}) == 3
    assert keys[0] == jax.random.key_data(jax.random.key(3)).tolist()


def test_long_arrays_are_computed_in_parts(tiny_generator):
    model, images = tiny_generator(), random_images(11)
    assert_same_levels(infer.translate(model, images)[10], infer.translate(model, images[10]))


def test_a_generator_on_the_device_translates_as_before(tiny_generator):
    model = tiny_generator()
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    moved = infer.on_device(model)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(moved.variables))
    np.testing.assert_array_equal(infer.translate(moved, image), infer.translate(model, image))


@pytest.fixture(scope="module")
def enhancer():
    """An untrained network that enlarges by two."""
    module = networks.MSRResNet(scale=2, blocks=1, width=4)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    return Model(generator_spec(module), {"params": jax.tree.map(lambda p: 5.0 * p, params), "stats": stats})


def generator_spec(module):
    return ModelSpec(
        architecture=networks.describe(module),
        in_channels=3,
        method="srresnet",
        norm="running",
        dropout=False,
        input_range=(0.0, 1.0),
        output_range=(0.0, 1.0),
    )


def test_arrays_are_enlarged_in_their_own_depth(enhancer):
    images = random_images(2, 20, 24)
    whole = infer.translate(enhancer, images)
    assert whole.shape == (2, 40, 48, 3)
    assert_same_levels(infer.translate(enhancer, images, tile=4), whole)
    deeper = infer.translate(enhancer, images.astype(np.uint16) * 257)
    assert deeper.dtype == np.uint16
    assert_same_levels(np.floor(deeper / 257 + 0.5), whole)
    assert infer.translate(enhancer, images, outscale=1.5).shape == (2, 30, 36, 3)


def test_an_output_that_is_not_finite_fails_alone_and_is_not_written(folder, enhancer, monkeypatch):
    bad = (pixels(folder / "in" / "a.png"), pixels(folder / "in" / "b.jpg"))
    computed = engine._outputs

    def outputs(planned, generator, images, *rest):
        narrow = generator.spec.architecture["dtype"] == "bfloat16"
        if any(np.array_equal(x, y) for x in images for y in bad[: 1 + narrow]):
            raise engine._NotFiniteError
        return computed(planned, generator, images, *rest)

    monkeypatch.setattr(engine, "_outputs", outputs)
    architecture = {**enhancer.spec.architecture, "dtype": "bfloat16"}
    enhancer = enhancer._replace(spec=dataclasses.replace(enhancer.spec, architecture=architecture))
    said = []
    # Sides of 9 and 10: no two images have one size, but the first batch is filled up with itself.
    jobs = infer.plan([folder / "in"], folder / "out")
    failures = infer.translate_files(enhancer, jobs, batch_size=2, say=said.append)
    assert failures == [
        f"{folder / 'in' / 'a.png'} has an output that is not finite, in float32 too; the generator may be damaged."
    ]
    words = "the output was not finite and is computed again in float32."
    assert said == [f"{folder / 'in' / name}: {words}" for name in ("a.png", "b.jpg")]
    assert sorted(path.name for path in (folder / "out").rglob("*.png")) == ["b.png", "c.png", "d.png"]
    with pytest.raises(ValueError, match="an image has an output that is not finite"), pytest.warns(RuntimeWarning):
        infer.translate(enhancer, np.stack([bad[0], bad[0] // 2]))
    with pytest.warns(RuntimeWarning, match="computed again in float32"):
        infer.translate(enhancer, bad[1])


def test_an_image_too_large_for_memory_is_named(folder, enhancer, monkeypatch):
    def fail(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    for name in ("apply_whole", "apply_tile"):
        monkeypatch.setattr(compiled, name, fail)
    failures = infer.translate_files(enhancer, infer.plan([folder / "in" / "a.png"], folder / "out"))
    assert failures == [f"{folder / 'in' / 'a.png'} does not fit into the device's memory; scale it down."]


def photograph(path, mode="RGB", size=(24, 18)):
    """A file with an orientation, a camera, a place and a color profile."""
    rng = np.random.default_rng(1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: 0.01, ExifTags.Base.ExifImageWidth: 24}
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    channels = {"RGB": 3, "RGBA": 4, "L": 1, "LA": 2}[mode]
    pixels = rng.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8).squeeze()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif.tobytes(), icc_profile=profile(b"RGB "))


def opened(path):
    """The values as they are stored, not turned upright."""
    with Image.open(path) as image:
        return np.array(image)


def profile(space):
    return bytes(16) + space + bytes(108)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_the_camera_and_the_profile_stay_and_the_orientation_is_applied(tmp_path, enhancer, name):
    photograph(tmp_path / name)
    assert infer.translate_files(enhancer, infer.plan([tmp_path / name], tmp_path / "out")) == []
    with Image.open(tmp_path / "out" / "x.png") as written:
        assert written.size == (36, 48)
        exif = written.getexif()
        assert dict(exif).keys() == {ExifTags.Base.Make, ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
        assert exif[ExifTags.Base.Make] == "Camera"
        assert exif.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}
        assert exif.get_ifd(ExifTags.IFD.Exif).keys() == {ExifTags.Base.ExposureTime}, "its size is not the output's"
        assert written.info["icc_profile"] == profile(b"RGB ")
    read = images_io.read(tmp_path / name, 3)
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "x.png"), infer.translate(enhancer, read))


def test_alpha_is_enlarged_too(tmp_path, enhancer):
    photograph(tmp_path / "in" / "x.png", "RGBA")
    stored = opened(tmp_path / "in" / "x.png")
    jobs = infer.plan([tmp_path / "in"], tmp_path / "out")
    assert infer.translate_files(enhancer, jobs) == []
    with Image.open(tmp_path / "out" / "x.png") as written:
        assert (written.mode, written.size) == ("RGBA", (36, 48))
        upright = np.rot90(stored, -1)
        alpha = infer.translate(enhancer, np.repeat(upright[..., 3:], 3, axis=2))
        luma = Image.fromarray(alpha).convert("L")
        assert_same_levels(np.array(written)[..., 3], np.array(luma))
        colors = images_io.seen_colors(upright[..., :3], upright[..., 3:])
        assert_same_levels(np.array(written)[..., :3], infer.translate(enhancer, colors))
    opaque = stored.copy()
    opaque[..., 3] = 255
    Image.fromarray(opaque).save(tmp_path / "in" / "x.png")
    assert infer.translate_files(enhancer, jobs, outscale=1.5) == []
    with Image.open(tmp_path / "out" / "x.png") as written:
        assert written.size == (36, 27)
        assert (np.array(written)[..., 3] == 255).all(), "it stays opaque"


def test_alpha_of_an_image_that_keeps_its_size_is_untouched(tmp_path, tiny_generator):
    photograph(tmp_path / "x.png", "LA", (24, 16))
    model = tiny_generator()
    assert infer.translate_files(model, infer.plan([tmp_path / "x.png"], tmp_path / "out")) == []
    alpha = np.rot90(opened(tmp_path / "x.png")[..., 1], -1)
    np.testing.assert_array_equal(opened(tmp_path / "out" / "x.png")[..., 3], alpha)
    job = infer.Job(tmp_path / "x.png", tmp_path / "x.jpg")
    assert infer.translate_files(model, [job], outscale=0.5) == []
    assert pixels(tmp_path / "x.jpg").shape == (12, 8, 3)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bit_images_stay_16_bit(tmp_path, enhancer, name):
    stored = np.random.default_rng(0).integers(0, 2**16, (18, 24), dtype=np.uint16)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    Image.fromarray(stored).save(tmp_path / name, exif=exif)
    spec = dataclasses.replace(enhancer.spec, in_channels=1)
    init = jax.jit(networks.from_linen(enhancer.module).init)
    params, stats = init(jax.random.key(0), np.zeros((1, 8, 8, 1), np.float32))
    gray = Model(spec, {"params": params, "stats": stats})
    assert infer.translate_files(gray, [infer.Job(tmp_path / name, tmp_path / f"out{name[1:]}")]) == []
    written = high_bit_depth.read(tmp_path / f"out{name[1:]}")
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, infer.translate(gray, np.rot90(stored)[..., None].copy()))
    (failure,) = infer.translate_files(gray, [infer.Job(tmp_path / name, tmp_path / "out.jpg")])
    assert failure.endswith("out.jpg cannot be written (16 bits a channel are written to .png or .tif alone).")


@pytest.fixture
def colorizer(tiny_generator):
    """A generator of the colors of Lab, which are as strong as they come."""
    model = tiny_generator(in_channels=1, out_channels=2)
    return model._replace(spec=dataclasses.replace(model.spec, colors="lab"))


def test_a_colorizer_keeps_the_light(colorizer):
    """Of every level, whole and in tiles; the colors are the network's."""
    grays = random_images(2, 64, 72, channels=1)
    outputs = infer.translate(colorizer, grays)
    assert (outputs.shape, outputs.dtype) == ((2, 64, 72, 3), np.uint8)
    np.testing.assert_array_equal([transforms.equally_light(output) for output in outputs], grays)
    assert (outputs.std(axis=-1) > 10).mean() > 0.5
    assert_same_levels(infer.translate(colorizer, grays, tile=16), outputs)
    deep = grays.astype(np.uint16) * 257
    light = image_math.lightness(infer.translate(colorizer, deep) / np.float32(32767.5) - 1)
    np.testing.assert_allclose(light, image_math.lightness(image_math.to_float(grays)), atol=2e-4)


def test_files_of_a_colorizer_keep_the_light_of_colors_and_their_depth(tmp_path, colorizer):
    photograph(tmp_path / "x.png", "RGB", (24, 16))
    stored = np.random.default_rng(0).integers(0, 2**16, (16, 24), dtype=np.uint16)
    Image.fromarray(stored).save(tmp_path / "deep.tif")
    jobs = infer.plan([tmp_path / "x.png", tmp_path / "deep.tif"], tmp_path / "out", extension=None)
    assert infer.translate_files(colorizer, jobs) == []
    before, after = pixels(tmp_path / "x.png"), pixels(tmp_path / "out" / "x.png")
    np.testing.assert_allclose(
        transforms.equally_light(after).astype(int), transforms.equally_light(before).astype(int), atol=1
    )
    deep = high_bit_depth.read(tmp_path / "out" / "deep.tif")
    assert (deep.shape, deep.dtype) == ((16, 24, 3), np.uint16)
    light = image_math.lightness(deep / np.float32(32767.5) - 1)
    np.testing.assert_allclose(light, image_math.lightness(stored[..., None] / np.float32(32767.5) - 1), atol=2e-4)


def test_a_generator_of_noise_takes_no_images(tiny_generator):
    model = tiny_generator()
    noise = model._replace(spec=dataclasses.replace(model.spec, latent="normal"))
    with pytest.raises(ValueError, match="makes images from latents, not from images; use gan-jax sample"):
        infer.translate(noise, random_images(1))


def test_few_large_images_wait_in_memory(folder, enhancer, monkeypatch):
    """Where one image has more bytes than may wait, one is read ahead and one is being written."""
    monkeypatch.setattr(streams, "_WAITING_BYTES", 1)
    reading, most = 0, 0
    read_image_file, run = high_bit_depth.read_image_file, engine.run

    def read(*arguments, **options):
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        return read_image_file(*arguments, **options)

    def compute(*arguments, **options):
        nonlocal reading
        reading -= 1
        return run(*arguments, **options)

    monkeypatch.setattr(high_bit_depth, "read_image_file", read)
    monkeypatch.setattr(engine, "run", compute)
    assert infer.translate_files(enhancer, infer.plan([folder / "in"], folder / "out")) == []
    assert most <= 2


# Colors that nobody sees


def disc(side=32, dtype=np.uint8, inside=(255, 0, 0), outside=(0, 0, 0)):
    """A disc on a transparent ground of another color: [H, W, 4]."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    within = (np.hypot(rows, columns) < 0.35 * side)[..., None]
    top = np.iinfo(dtype).max
    colors = np.where(within, np.array(inside), np.array(outside)) * (top // 255)
    return np.concatenate([colors, within * top], axis=2).astype(dtype)


def over_white(rgba):
    alpha = rgba[..., 3:].astype(float) / np.iinfo(rgba.dtype).max
    return alpha * rgba[..., :3] + (1 - alpha) * np.iinfo(rgba.dtype).max


@pytest.fixture(scope="module")
def bilinear():
    """A generator that enlarges four times by bilinear interpolation and nothing else."""
    module = networks.MSRResNet(scale=4, blocks=1, width=4)
    shapes = jax.eval_shape(networks.from_linen(module).init, jax.random.key(0), *module.input_spec(3))
    params, stats = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    spec = ModelSpec(networks.describe(module), 3, "srresnet", "running", False)
    unit = dataclasses.replace(spec, input_range=(0.0, 1.0), output_range=(0.0, 1.0))
    return Model(unit, {"params": params, "stats": stats})


@pytest.mark.parametrize("options", [{}, {"outscale": 1.7}, {"tile": 8}, {"self_ensemble": True}], ids=str)
@pytest.mark.parametrize("keeps_size", [False, True], ids=["enlarges", "keeps its size"])
def test_hidden_colors_reach_nothing_that_is_seen(tmp_path, bilinear, tiny_generator, keeps_size, options):
    """Two images that look alike over any ground give outputs that do, whatever the colors below alpha 0."""
    model, result = tiny_generator(dropout=False) if keeps_size else bilinear, []
    for name, outside in (("black", (0, 0, 0)), ("green", (3, 250, 9))):
        image = disc(outside=outside)
        if name == "green":
            image[4:9, 2:5, :3] = np.random.default_rng(0).integers(0, 256, (5, 3, 3))
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        jobs = infer.plan([tmp_path / f"{name}.png"], tmp_path / "out")
        assert infer.translate_files(model, jobs, **options) == []
        result.append(over_white(opened(tmp_path / "out" / f"{name}.png")))
    np.testing.assert_array_equal(result[0], result[1])
    if not keeps_size:
        assert result[0][..., 0].min() > 250, "red on white has no dark rim"


def test_hidden_colors_of_16_bits_stay_hidden(tmp_path, bilinear):
    photograph = images_io.ImageFile(*np.split(disc(dtype=np.uint16), [3], axis=2))
    hidden = images_io.seen_colors(photograph.pixels, photograph.alpha)
    assert (hidden == (65535, 0, 0)).all()
    assert over_white(np.concatenate([infer.translate(bilinear, hidden)[::4, ::4], photograph.alpha], 2)).dtype == float


# Names, formats, frames


def test_names_get_a_suffix_and_a_format(folder):
    Image.new("RGB", (4, 4)).save(folder / "in" / "c.gif")
    planned = {job.output.name for job in infer.plan([folder / "in"], folder / "out", suffix="_x2", extension=".jpg")}
    assert planned == {"a_x2.jpg", "b_x2.jpg", "c_x2.jpg"} | {f"{name}_x2.jpg" for name in planned_below(folder)}
    kept = {job.input.name: job.output.suffix for job in infer.plan([folder / "in"], folder / "out", extension=None)}
    assert (kept["a.png"], kept["b.jpg"], kept["c.gif"]) == (".png", ".jpg", ".png"), "what cannot be written is .png"


def planned_below(folder):
    return {path.stem for path in (folder / "in").rglob("*") if path.is_file()} - {"a", "b", "c"}


def test_inputs_of_one_stem_go_together_where_they_keep_their_formats(folder):
    Image.new("RGB", (4, 4)).save(folder / "in" / "b.png")
    with pytest.raises(ValueError, match="--format same"):
        infer.plan([folder / "in"], folder / "out")
    planned = [job.output.name for job in infer.plan([folder / "in"], folder / "out", extension=None)]
    assert {"b.png", "b.jpg"} <= set(planned)


@pytest.mark.parametrize("name", ["x.heic", "x.gif", "x.jxl", "x.exr", "x.CR2", "x.svg"])
def test_an_output_that_looks_like_a_file_is_one_or_an_error(folder, name):
    with pytest.raises(ValueError, match="images are not written as"):
        infer.plan([folder / "in" / "a.png"], folder / name)
    assert not (folder / name).exists()
    (folder / name).mkdir()
    assert infer.plan([folder / "in" / "a.png"], folder / name)[0].output.parent == folder / name


@pytest.mark.parametrize("name", ["out.txt", "out.jpgg", "out.zip"])
def test_one_image_does_not_make_a_folder_that_looks_like_a_file(folder, name):
    with pytest.raises(ValueError, match="images are not written as"):
        infer.plan([folder / "in" / "a.png"], folder / name)
    assert infer.plan([folder / "in" / "a.png"], folder / "v1.2")[0].output.parent == folder / "v1.2"
    assert infer.names_a_file([folder / "in" / "a.png"], folder / name)
    assert not infer.names_a_file([folder / "in"], folder / name)


def test_advice_that_cannot_help_is_not_given(folder):
    images_io.save(folder / "more" / "a.png", random_images(1, 4, 4)[0])
    with pytest.raises(ValueError, match=r"rename one, or translate them into two folders\.$"):
        infer.plan([folder / "in", folder / "more"], folder / "out")


def test_several_images_do_not_go_into_one_file(folder):
    with pytest.raises(ValueError, match=r"x\.png is the name of one image"):
        infer.plan([folder / "in"], folder / "x.png")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        infer.plan([folder / "nowhere"], folder / "x.png")


def test_a_name_that_no_file_can_have_is_said_before_the_work(folder):
    longest = "n" * 251 + ".png"
    Image.new("RGB", (4, 4)).save(folder / "in" / "a.bmp")
    (folder / "in" / "a.bmp").rename(folder / "in" / longest)
    assert infer.plan([folder / "in"], folder / "out")
    for options in ({"suffix": "_out"}, {"samples": 2}, {"extension": ".webp"}):
        with pytest.raises(ValueError, match=r"nnn.* cannot be made: its name has \d+ bytes"):
            infer.plan([folder / "in"], folder / "out", **options)


def test_a_name_as_long_as_names_can_be_is_written(folder, tiny_generator):
    longest = folder / "in" / ("n" * 251 + ".png")
    (folder / "in" / "a.png").rename(longest)
    jobs = infer.plan([longest], folder / "out")
    assert infer.translate_files(tiny_generator(), jobs) == []
    assert [path.name for path in (folder / "out").iterdir()] == [longest.name]


def frames(count=3, height=8, width=8):
    return [np.full((height, width, 3), 60 * k, np.uint8) for k in range(count)]


@pytest.mark.parametrize("name", ["x.gif", "x.tif", "x.png", "x.webp"])
def test_frames_are_said_and_chosen_on_purpose(tmp_path, tiny_generator, name):
    first, *others = map(Image.fromarray, frames())
    lossless = {"lossless": True} if name == "x.webp" else {}
    first.save(tmp_path / name, save_all=True, append_images=others, **lossless)
    model, said = tiny_generator(dropout=False), []
    jobs = infer.plan([tmp_path / name], tmp_path / "out")
    assert infer.translate_files(model, jobs, say=said.append) == []
    (note,) = said
    assert f"{name} has 3 frames, of which the first is taken" in note
    said.clear()
    jobs = infer.plan([tmp_path / name], tmp_path / "out", frame="all")
    assert [job.output.name for job in jobs] == [f"x_frame_{k}.png" for k in range(3)]
    assert infer.translate_files(model, jobs, say=said.append) == []
    for k, image in enumerate(frames()):
        assert_same_levels(pixels(tmp_path / "out" / f"x_frame_{k}.png"), infer.translate(model, image))
    assert (
        infer.translate_files(model, infer.plan([tmp_path / name], tmp_path / "second", frame=1), say=said.append) == []
    )
    assert_same_levels(pixels(tmp_path / "second" / "x.png"), infer.translate(model, frames()[1]))
    assert said == [], "what was chosen needs no word"
    (failure,) = infer.translate_files(model, infer.plan([tmp_path / name], tmp_path / "out", frame=3))
    assert failure.endswith("has no frame 3; wanted 0 to 2.")


def test_a_half_of_a_pair_is_taken(tmp_path, tiny_generator):
    left, right = random_images(2, 8, 8)
    images_io.save(tmp_path / "ab.png", np.concatenate([left, right], axis=1))
    model = tiny_generator(dropout=False)
    for half, image in (("left", left), ("right", right)):
        jobs = infer.plan([tmp_path / "ab.png"], tmp_path / half)
        assert infer.translate_files(model, jobs, half=half) == []
        assert_same_levels(pixels(tmp_path / half / "ab.png"), infer.translate(model, image))


def test_progress_counts_what_is_done_and_what_failed(folder, tiny_generator):
    (folder / "in" / "a.png").write_bytes(b"no picture")
    jobs, seen = infer.plan([folder / "in"], folder / "out"), []
    infer.translate_files(tiny_generator(), jobs, progress=lambda *counts: seen.append(counts))
    assert seen == [(k + 1, len(jobs)) for k in range(len(jobs))]
