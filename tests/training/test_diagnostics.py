"""The monitor on images whose state is known."""

import numpy as np
import pytest

from gan_jax.data.demo.facades import Facades
from gan_jax.training import diagnostics


@pytest.fixture(scope="module")
def photos():
    facades = Facades("val", 4, 32)
    return [facades[i]["target"] for i in range(4)]


def numbers(outputs, references):
    return {name.removeprefix("health/"): value for name, value in diagnostics.measures(outputs, references).items()}


def said(outputs, references):
    return diagnostics.warnings(diagnostics.measures(outputs, references))


def test_the_references_themselves_are_well(photos):
    result = numbers(photos, photos)
    np.testing.assert_allclose([result["agreement"], result["variety"]], 1.0)
    assert result["contrast"] == np.mean([photo.std() for photo in photos])
    assert said(photos, photos) == []
    # Neither are darker, or paler, or larger ones.
    assert said([photo // 3 for photo in photos], photos) == []
    assert said([photo.repeat(2, axis=0) for photo in photos], photos) == []


def test_inverted_colors_are_said(photos):
    (sentence,) = said([255 - photo for photo in photos], photos)
    assert sentence.startswith("light and dark are the reverse of what they should be (correlation -")
    np.testing.assert_allclose(numbers([255 - photo for photo in photos], photos)["agreement"], -1.0, atol=0.01)


def test_one_image_for_all_inputs_is_said(photos):
    (sentence,) = said([photos[0]] * 4, photos)
    assert "different inputs give nearly the same image (0% of the variety" in sentence
    nearly = [np.clip(photos[0] + np.int16(0.05) * photo, 0, 255).astype(np.uint8) for photo in photos]
    assert numbers(nearly, photos)["variety"] < 0.1


def test_flat_images_are_said_whatever_their_color(photos):
    for value in (0, 128, 255):
        sentences = said([np.full_like(photo, value) for photo in photos], photos)
        assert any("the images are flat (standard deviation 0.0 of 255)" in sentence for sentence in sentences)


def test_what_is_not_defined_is_left_out(photos):
    assert set(numbers(photos[:1], photos[:1])) == {"contrast", "agreement"}
    assert set(numbers([np.zeros_like(photos[0])], photos[:1])) == {"contrast"}
    gray = [photo[..., :1] for photo in photos]
    assert set(numbers(gray, photos)) == {"contrast", "agreement", "variety"}


def test_variety_is_that_of_real_images_of_the_kind_where_they_are_given(photos):
    lively, dull = photos, [128 + (photo // 8) for photo in photos]
    result = diagnostics.measures(dull, lively, dull)
    np.testing.assert_allclose(result["health/variety"], 1.0)
    assert result["health/agreement"] > 0.9
    assert diagnostics.measures(dull, lively)["health/variety"] < 0.2
    assert "health/variety" not in diagnostics.measures(dull[:1], lively[:1], lively)
    assert "health/variety" not in diagnostics.measures(dull, lively, lively[:1])


# docs/cyclegan.md: variety after 100, 200, ... steps, and the steps after which it is said.
MEASURED = {
    "facades": ([0.196, 0.448, 0.668, 0.684, 0.758, 0.821, 0.819, 0.808, 0.803], []),
    "facades at 250 times the rate": ([0.696, 0.590, 0.583, 0.585, 1.029, 0.642], []),
    "from gray": ([0.422, 0.661], []),
    "day to night": ([0.156, 0.181, 0.207, 0.305, 0.415, 0.541], []),
    "night to day": ([0.075, 0.160, 0.226, 0.379, 0.320, 0.455], []),
    "from edges": ([0.065, 0.154, 0.233, 0.361], []),
    "from edges, too short": ([0.06, 0.133, 0.188, 0.286], [400]),
    "from edges without skips": ([0.016, 0.021, 0.030, 0.068], [400]),
    "a GAN alone": ([0.027, 0.042, 0.025, 0.022, 0.022, 0.020, 0.029], [400, 500, 600, 700]),
    "one that collapses late": ([0.4, 0.7, 0.7, 0.1, 0.1, 0.1, 0.7], [500, 600]),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_collapsed_is_said_and_what_has_only_begun_is_not(name):
    varieties, said_at = MEASURED[name]
    earlier, result = {}, []
    for step, variety in zip(range(100, 1000, 100), varieties, strict=False):
        scores = {"AtoB/health/variety": variety}
        last = step == 100 * len(varieties)
        result += [step] * len(diagnostics.warnings(scores, earlier=None if last else earlier))
        earlier = {"step": step, **scores}
    assert result == said_at


def test_warnings_name_their_generator_and_look_at_nothing_else():
    scores = {"AtoB/psnr": -1.0, "AtoB/health/agreement": -0.8, "BtoA/health/agreement": 0.9, "agreement": -1.0}
    (sentence,) = diagnostics.warnings(scores)
    assert sentence.startswith("AtoB: light and dark")
    assert diagnostics.warnings({"health/agreement": -0.8})[0].startswith("light and dark")
