import dataclasses

import numpy as np
import pytest
from PIL import Image

from gan_jax import infer
from gan_jax.data import pictures as pictures_io


def pictures(n, height=16, width=24, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def pixels(path):
    return pictures_io.read(path, 3)


def assert_same(a, b):
    """Equal up to one level at a rounding boundary: XLA sums in another order for another batch size."""
    difference = np.abs(a.astype(int) - b.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("size", [(16, 24), (8, 8), (13, 21), (1, 1), (1, 30), (3, 5)])
def test_any_size_comes_back_at_that_size(tiny_generator, size):
    images = pictures(2, *size)
    outputs = infer.translate(tiny_generator(), images)
    assert outputs.dtype == np.uint8
    assert outputs.shape == images.shape
    assert infer.translate(tiny_generator(), images[0]).shape == (*size, 3)


def test_an_output_depends_on_its_image_alone(tiny_generator):
    model, images = tiny_generator(), pictures(4)
    images[2] //= 8  # dark, so that shared statistics would show
    together = infer.translate(model, images)
    alone = np.stack([infer.translate(model, image) for image in images])
    assert_same(together, alone)
    assert_same(infer.translate(model, images[::-1])[::-1], together)


def test_noise_follows_the_seed(tiny_generator):
    model, images = tiny_generator(), pictures(1)
    np.testing.assert_array_equal(infer.translate(model, images, seed=1), infer.translate(model, images, seed=1))
    assert (infer.translate(model, images, seed=1) != infer.translate(model, images, seed=2)).any()


def test_the_file_says_how_norm_and_dropout_behave(tiny_generator):
    model, images = tiny_generator(), pictures(1)
    variants = [
        model._replace(spec=dataclasses.replace(model.spec, norm=norm, dropout=dropout))
        for norm in ("image", "running")
        for dropout in (True, False)
    ]
    outputs = [infer.translate(variant, images).tobytes() for variant in variants]
    assert len(set(outputs)) == 4


def test_padding_is_a_reflection_that_does_not_show(tiny_generator):
    model, images = tiny_generator(norm="none", dropout=False), pictures(1, 13, 21)
    padded = np.pad(images, ((0, 0), (0, 3), (0, 3), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(infer.translate(model, images), infer.translate(model, padded)[:, :13, :21])


def test_arrays_that_do_not_fit_are_refused(tiny_generator):
    model = tiny_generator()
    with pytest.raises(TypeError, match="images are float64; wanted uint8"):
        infer.translate(model, np.zeros((1, 8, 8, 3)))
    for shape in ((8, 8), (1, 8, 8, 1), (1, 0, 8, 3)):
        with pytest.raises(ValueError, match="wants \\[N, H, W, 3\\]"):
            infer.translate(model, np.zeros(shape, np.uint8))


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(("a.png", "b.jpg", "deep/c.bmp", "deep/er/d.png")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures(1, 9 + i, 12, seed=i)[0]).save(path)
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
        wanted = infer.translate(model, pixels(folder / "in" / name))
        np.testing.assert_array_equal(pixels(folder / "out1" / name), wanted)
        assert_same(pixels(folder / "out3" / name), wanted)


def test_one_picture_may_be_written_to_a_named_file(folder):
    assert infer.plan([folder / "in" / "a.png"], folder / "x.jpg") == [(folder / "in" / "a.png", folder / "x.jpg")]
    assert infer.plan([folder / "in" / "b.jpg"], folder / "out")[0].output == folder / "out" / "b.png"


def test_two_outputs_of_one_name_are_refused(folder):
    Image.new("RGB", (4, 4)).save(folder / "in" / "b.png")
    with pytest.raises(ValueError, match=r"b.jpg and .*b.png would both be written to .*b.png"):
        infer.plan([folder / "in"], folder / "out")


def test_unreadable_inputs_are_named_and_the_rest_is_done(folder, tiny_generator):
    (folder / "in" / "a.png").write_bytes(b"no picture")
    failures = infer.translate_files(tiny_generator(), infer.plan([folder / "in"], folder / "out"))
    assert len(failures) == 1
    assert "a.png is damaged or not a picture" in failures[0]
    assert len(list((folder / "out").rglob("*.png"))) == 3


def test_outputs_that_cannot_be_written_are_named(folder, tiny_generator):
    (folder / "out").write_text("a file where the folder should be")
    failures = infer.translate_files(tiny_generator(), infer.plan([folder / "in"], folder / "out"))
    assert len(failures) == 4
    assert "cannot be written" in failures[0]


def test_colour_pictures_become_grey_for_a_grey_generator(folder, tiny_generator):
    model = tiny_generator(in_channels=1)
    assert infer.translate_files(model, infer.plan([folder / "in" / "a.png"], folder / "out")) == []
    grey = pictures_io.read(folder / "in" / "a.png", 1)
    np.testing.assert_array_equal(pixels(folder / "out" / "a.png"), infer.translate(model, grey))


def test_originals_are_never_overwritten(folder):
    for inputs, output in (([folder / "in"], folder / "in"), ([folder / "in" / "a.png"], folder / "in" / "a.png")):
        with pytest.raises(ValueError, match=r"is one of the inputs and would be overwritten"):
            infer.plan(inputs, output)


def test_outputs_below_the_inputs_are_not_inputs_of_the_next_call(folder, tiny_generator):
    for _ in range(2):
        jobs = infer.plan([folder / "in"], folder / "in" / "out")
        assert len(jobs) == 4
        assert infer.translate_files(tiny_generator(), jobs) == []


def test_a_critic_is_not_a_generator(tiny_generator):
    model = tiny_generator()
    critic = model._replace(spec=dataclasses.replace(model.spec, kind="critic"))
    with pytest.raises(ValueError, match="holds a critic; wanted a generator"):
        infer.translate(critic, pictures(1))


def test_long_arrays_are_computed_in_parts(tiny_generator):
    model, images = tiny_generator(), pictures(11)
    assert_same(infer.translate(model, images)[10], infer.translate(model, images[10]))
