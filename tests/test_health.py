"""The monitor on pictures whose state is known."""

import numpy as np
import pytest

from gan_jax import health
from gan_jax.data.synthetic import Facades


@pytest.fixture(scope="module")
def photos():
    facades = Facades("val", 4, 32)
    return [facades[i]["target"] for i in range(4)]


def numbers(outputs, references):
    return {name.removeprefix("health/"): value for name, value in health.measures(outputs, references).items()}


def said(outputs, references):
    return health.warnings(health.measures(outputs, references))


def test_the_references_themselves_are_well(photos):
    found = numbers(photos, photos)
    np.testing.assert_allclose([found["agreement"], found["variety"]], 1.0)
    assert found["contrast"] == np.mean([photo.std() for photo in photos])
    assert said(photos, photos) == []
    # Neither are darker, or paler, or larger ones.
    assert said([photo // 3 for photo in photos], photos) == []
    assert said([photo.repeat(2, axis=0) for photo in photos], photos) == []


def test_inverted_colours_are_said(photos):
    (sentence,) = said([255 - photo for photo in photos], photos)
    assert sentence.startswith("light and dark are the reverse of what they should be (correlation -")
    np.testing.assert_allclose(numbers([255 - photo for photo in photos], photos)["agreement"], -1.0, atol=0.01)


def test_one_picture_for_all_inputs_is_said(photos):
    (sentence,) = said([photos[0]] * 4, photos)
    assert "different inputs give nearly the same picture (0% of the variety" in sentence
    nearly = [np.clip(photos[0] + np.int16(0.05) * photo, 0, 255).astype(np.uint8) for photo in photos]
    assert numbers(nearly, photos)["variety"] < 0.1


def test_flat_pictures_are_said_whatever_their_colour(photos):
    for value in (0, 128, 255):
        sentences = said([np.full_like(photo, value) for photo in photos], photos)
        assert any("the pictures are flat (standard deviation 0.0 of 255)" in sentence for sentence in sentences)


def test_what_is_not_defined_is_left_out(photos):
    assert set(numbers(photos[:1], photos[:1])) == {"contrast", "agreement"}
    assert set(numbers([np.zeros_like(photos[0])], photos[:1])) == {"contrast"}
    grey = [photo[..., :1] for photo in photos]
    assert set(numbers(grey, photos)) == {"contrast", "agreement", "variety"}


def test_warnings_name_their_generator_and_look_at_nothing_else():
    scores = {"AtoB/psnr": -1.0, "AtoB/health/agreement": -0.8, "BtoA/health/agreement": 0.9, "agreement": -1.0}
    (sentence,) = health.warnings(scores)
    assert sentence.startswith("AtoB: light and dark")
    assert health.warnings({"health/agreement": -0.8})[0].startswith("light and dark")
