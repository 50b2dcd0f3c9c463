"""What the page computes of pictures, broken and large ones too."""

import io
import zipfile
from typing import NamedTuple

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import image, infer, networks
from gan_jax.app import answers
from gan_jax.app.subject import Subject
from gan_jax.data import image_files, transforms
from gan_jax.infer import latents
from gan_jax.model import Model, ModelSpec

SUBJECT = Subject("x", "", "translate", 32, True, (), None, (), ())


def random_image(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_a_dropped_file_is_read_as_all_others_are_or_refused_by_its_bare_name(tmp_path, monkeypatch):
    pixels = random_image(12, 20)
    image_files.save(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(answers.dropped(tmp_path / "a.png", 3), pixels)
    assert answers.dropped(tmp_path / "a.png", 1).shape == (12, 20, 1)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"^b\.png is damaged or not an image; replace or remove it\.$"):
        answers.dropped(tmp_path / "b.png", 3)
    monkeypatch.setattr(answers, "MOST_PIXELS", 200)
    with pytest.raises(ValueError, match=r"^a\.png has 20x12 pixels, and this page takes 0 million; scale it down, or"):
        answers.dropped(tmp_path / "a.png", 3)


def test_what_is_drawn_has_the_palettes_colors():
    palette = ((0, 0, 255), (255, 0, 0))
    canvas = np.zeros((2, 3, 4), np.uint8)
    canvas[0, 0] = (250, 20, 0, 255)
    canvas[0, 1] = (255, 0, 0, 100)  # the edge of a brush over nothing
    canvas[1, 1] = (255, 0, 0, 200)
    drawn = answers.drawn(canvas, 3, palette)
    assert [[palette.index(tuple(pixel)) for pixel in row] for row in drawn.tolist()] == [[1, 0, 0], [0, 1, 0]]
    assert answers.drawn(canvas, 3, ())[1, 2].tolist() == [255, 255, 255]
    assert answers.drawn(canvas, 1, palette).shape == (2, 3, 1)


def test_pictures_are_fitted_by_the_shorter_side():
    labels = random_image(64, 96)
    small = answers.fitted(labels, 16, labels=True)
    assert small.shape == (16, 24, 3)
    assert {tuple(c) for c in small.reshape(-1, 3).tolist()} <= {tuple(c) for c in labels.reshape(-1, 3).tolist()}
    assert answers.fitted(labels[..., :1], 16, labels=False).shape == (16, 24, 1)
    assert answers.fitted(labels, 64, labels=False) is labels


def test_an_answer_is_what_translate_gives(tiny_generator):
    generator, pixels = tiny_generator(), random_image(16, 24)
    answer = answers.translated(generator, SUBJECT, pixels, seed=3)
    np.testing.assert_array_equal(answer.outputs[0], infer.translate(generator, pixels, seed=3))
    np.testing.assert_array_equal(answer.before, pixels)
    several = answers.translated(generator, SUBJECT, pixels, seed=3, count=2)
    np.testing.assert_array_equal(np.stack(several.outputs), infer.samples(generator, pixels, 2, seed=3))
    still = answers.translated(generator, SUBJECT._replace(has_noise=False), pixels, count=2)
    assert len(still.outputs) == 1


def test_photographs_are_derived_first(tiny_generator):
    generator, pixels = tiny_generator(in_channels=1), random_image(16, 24)
    offered = SUBJECT._replace(derive="edges")
    answer = answers.translated(generator, offered, pixels, derive=True)
    np.testing.assert_array_equal(answer.before, transforms.deriver("edges", 1)(pixels))
    plain = answers.translated(generator, offered, pixels)
    np.testing.assert_array_equal(plain.before, image_files.in_channels(pixels, 1))


def test_upscaling_shows_the_input_as_large_and_refuses_too_much(monkeypatch):
    module = networks.SRResNet(blocks=1, width=4)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    generator = Model(
        ModelSpec(networks.describe(module), 3, "srresnet", "running", False), {"params": params, "stats": stats}
    )
    pixels = random_image(16, 24)
    answer = answers.translated(generator, SUBJECT, pixels, outscale=2)
    assert answer.before.shape == answer.outputs[0].shape == (32, 48, 3)
    levels = np.asarray(image.imresize(pixels, shape=(32, 48)))
    np.testing.assert_array_equal(answer.before, np.clip(np.floor(levels + 0.5), 0, 255).astype(np.uint8))
    monkeypatch.setattr(answers, "MOST_PIXELS", 16 * 24 * 4)
    with pytest.raises(ValueError, match="the output has 96x64 pixels"):
        answers.translated(generator, SUBJECT, pixels)


def test_samples_are_those_of_the_verb():
    module = networks.DCGANGenerator(size=8, width=2, classes=3)
    inputs = [np.zeros(x.shape, x.dtype) for x in module.input_spec(4)]
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), *inputs)
    spec = ModelSpec(networks.describe(module), 4, "dcgan", "running", False, latent="normal")
    generator = Model(spec, {"params": params, "stats": stats})
    z = latents.latents_of(generator, 5, seed=2)
    for label, labels in ((None, [0, 1, 2, 0, 1]), (2, [2] * 5)):
        images = answers.samples(generator, seed=2, count=5, label=label)
        np.testing.assert_array_equal(np.stack(images), latents.sample(generator, z, labels))
    assert len(answers.samples(generator, count=9, interpolate=True)) == 16


class Read(NamedTuple):
    mode: str
    size: tuple[int, int]


def test_downloads_are_png_files():
    def read(content):
        with Image.open(io.BytesIO(content)) as file:
            return Read(file.mode, file.size)

    assert read(image_files.png(random_image(4, 6))) == ("RGB", (6, 4))
    assert read(image_files.png(random_image(4, 6, 1))) == ("L", (6, 4))
    with zipfile.ZipFile(io.BytesIO(answers.archive([random_image(4, 6)] * 2, "out"))) as file:
        assert file.namelist() == ["out_0.png", "out_1.png"]
        assert read(file.read("out_1.png")) == ("RGB", (6, 4))
