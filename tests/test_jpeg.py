"""JPEG's coding against Pillow's encoder, which is libjpeg's."""

import io
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import degrade
from gan_jax.jpeg import diff_jpeg, jpeg

GOLDEN = Path(__file__).parent / "golden"


def pillow(image, quality, subsampling):
    file = io.BytesIO()
    mode = {} if image.shape[-1] == 1 else {"subsampling": subsampling}
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality, **mode)
    return np.asarray(Image.open(file)).reshape(image.shape)


PHOTO = np.asarray(Image.open(GOLDEN / "metrics" / "sr_x4_a.png").convert("RGB"))
CODE = jax.jit(jpeg, static_argnames="subsampling")


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_jpeg_is_pillows(subsampling):
    """Sides that neither 8 nor 2 divides, in color and gray.

    libjpeg's DCT is of integers and ours of floats, so a coefficient may fall on the other side of a half. The bounds
    are what was measured, with room: at most 5.3% of the values differ by more than a level,
    and the mean squared difference is at most 7% of what the coding itself does (at quality 95; 2% at 75).
    """
    odd = np.ascontiguousarray(PHOTO[20:181, 10:155])
    for quality in (10, 50, 75, 95):
        for image in (odd, odd[..., :1]):
            got = np.float64(CODE(image, quality, subsampling=subsampling))
            expected = np.float64(pillow(image, quality, subsampling))
            assert (np.abs(got - expected) > 1).mean() < 0.07
            assert np.square(got - expected).mean() < 0.09 * np.square(expected - image).mean()


def test_each_image_has_its_own_quality():
    images = np.stack([PHOTO[:40, :48], PHOTO[:40, :48]])
    both = CODE(images, jnp.array([10, 90]))
    for got, quality in zip(both, (10, 90), strict=True):
        # Of another batch a luma or a coefficient at a half may fall on its other side: a block of 16x16 pixels.
        assert (got != CODE(images[:1], jnp.array([quality]))[0]).mean() < 0.2
    assert (both[0] != both[1]).mean() > 0.5


DEGRADATIONS = np.load(GOLDEN / "degradations" / "arrays.npz")
DIFF_JPEGS = json.loads((GOLDEN / "degradations" / "cases.json").read_text())["diff_jpeg"]


@pytest.mark.parametrize("name", DIFF_JPEGS)
def test_real_esrgans_jpeg_is_basicsrs_also_of_a_part(name):
    """A coefficient that is rounded otherwise would be off by thousands of times as much."""
    case = DIFF_JPEGS[name]
    photos, quality = DEGRADATIONS[case["photos"]] / np.float32(255), np.float32(case["quality"])
    expected = DEGRADATIONS[case["out"]].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(diff_jpeg(photos, quality), expected, atol=3 * case["gap_f32_f64"], rtol=0)
    sides = photos.shape[1:3]
    padded = np.pad(photos, [(0, 0), (0, 21), (0, 9), (0, 0)], constant_values=0.7)
    part = jax.jit(diff_jpeg)(padded, quality, sides=sides)[:, : sides[0], : sides[1]]
    np.testing.assert_allclose(part, expected, atol=3 * case["gap_f32_f64"], rtol=0)


def test_real_esrgans_jpeg_of_gray_images():
    gray = PHOTO[:40, :48, :1] / np.float32(255)
    in_color = diff_jpeg(np.repeat(gray, 3, axis=-1), 60.0)
    np.testing.assert_allclose(diff_jpeg(gray, 60.0), in_color[..., :1], atol=1e-5)
    with pytest.raises(ValueError, match="images have 4 channels; JPEG wants 1 or 3"):
        diff_jpeg(np.zeros((8, 8, 4), np.float32), 50.0)


def test_jpeg_says_what_is_wrong():
    with pytest.raises(TypeError, match="images are float32; wanted uint8"):
        jpeg(np.zeros((8, 8, 3), np.float32), 50)
    with pytest.raises(ValueError, match="images have 4 channels; JPEG wants 1 or 3"):
        jpeg(np.zeros((8, 8, 4), np.uint8), 50)


def test_it_has_its_old_name_too():
    assert degrade.jpeg is jpeg
