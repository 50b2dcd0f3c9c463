import numpy as np
import pytest
from PIL import Image

from gan_jax.data import pictures


def colours(height=4, width=6):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_is_saved_is_read_back(tmp_path):
    pictures.save(tmp_path / "deep" / "rgb.png", colours())
    np.testing.assert_array_equal(pictures.read(tmp_path / "deep" / "rgb.png", 3), colours())
    grey = colours()[..., :1]
    pictures.save(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(pictures.read(tmp_path / "grey.png", 1), grey)
    np.testing.assert_array_equal(pictures.read(tmp_path / "grey.png", 3), np.repeat(grey, 3, axis=-1))
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["grey.png", "rgb.png"]


def test_read_picture_keeps_grey_grey_and_as_array_makes_luma(tmp_path):
    pictures.save(tmp_path / "rgb.png", colours())
    picture = pictures.read_picture(tmp_path / "rgb.png")
    assert picture.mode == "RGB"
    luma = pictures.as_array(picture, 1)[..., 0]
    np.testing.assert_allclose(luma, colours() @ [0.299, 0.587, 0.114], atol=0.51)
    pictures.save(tmp_path / "grey.png", luma[..., None])
    assert pictures.read_picture(tmp_path / "grey.png").mode == "L"


def test_opened_names_what_fails_inside_it(tmp_path):
    pictures.save(tmp_path / "a.png", colours())
    with pytest.raises(ValueError, match=r"a\.png is damaged"), pictures.opened(tmp_path / "a.png") as picture:
        picture.crop("no box")


def test_16_bits_a_channel_are_refused_not_cut(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    deep = colours().astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "mixed.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "apart.tif", np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate")
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.png")
    (tmp_path / "colour.ppm").write_bytes(b"P6 6 4 65535\n" + deep.astype(">u2").tobytes())
    for name in ("mixed.tif", "apart.tif", "grey.png", "colour.ppm"):
        with Image.open(tmp_path / name) as picture:
            assert pictures.is_deep(picture), name
        with pytest.raises(ValueError, match="has more than 8 bits a channel; convert it to 8 bits"):
            pictures.read(tmp_path / name, 3)
    tifffile.imwrite(
        tmp_path / "shallow.tif", np.moveaxis(colours(), -1, 0), photometric="rgb", planarconfig="separate"
    )
    np.testing.assert_array_equal(pictures.read(tmp_path / "shallow.tif", 3), colours())


def test_alpha_lies_over_white(tmp_path):
    rgba = np.dstack([colours(), np.full((4, 6), 0, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert (pictures.read(tmp_path / "clear.png", 3) == 255).all()


def test_a_failed_save_leaves_the_old_file(tmp_path):
    pictures.save(tmp_path / "a.png", colours())
    with pytest.raises((ValueError, TypeError, KeyError)):
        pictures.save(tmp_path / "a.png", np.zeros((4, 6, 7), np.uint8))
    np.testing.assert_array_equal(pictures.read(tmp_path / "a.png", 3), colours())


def test_pad_reflects_to_the_next_multiple():
    picture = np.arange(3 * 4 * 1, dtype=np.uint8).reshape(3, 4, 1)
    padded = pictures.pad(picture, 5)
    assert padded.shape == (5, 5, 1)
    np.testing.assert_array_equal(padded[:3, :4], picture)
    np.testing.assert_array_equal(padded[3, :4], picture[1])
    np.testing.assert_array_equal(padded[:3, 4], picture[:, 2])
    assert pictures.pad(picture, 1) is picture
    np.testing.assert_array_equal(pictures.pad(picture[:1], 2), np.repeat(picture[:1], 2, axis=0))


def test_a_photograph_keeps_what_belongs_to_it(tmp_path):
    alpha = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    profile = bytes(16) + b"RGB " + bytes(108)
    photograph = pictures.Photograph(colours(), alpha, icc_profile=profile)
    for name in ("a.png", "a.tif", "a.webp"):
        pictures.save_photograph(tmp_path / name, photograph)
    for name in ("a.png", "a.tif"):
        read = pictures.read_photograph(tmp_path / name, 3)
        np.testing.assert_array_equal(read.pixels, colours())
        np.testing.assert_array_equal(read.alpha, alpha)
        assert read.icc_profile == profile
    pictures.save_photograph(tmp_path / "a.bmp", photograph._replace(icc_profile=None))
    over_white = pictures.read(tmp_path / "a.png", 3)
    assert np.abs(pictures.read(tmp_path / "a.bmp", 3).astype(int) - over_white).max() <= 1


def test_profiles_are_kept_for_the_colours_that_they_speak_of():
    rgb, cmyk, grey = (bytes(16) + space + bytes(108) for space in (b"RGB ", b"CMYK", b"GRAY"))
    assert pictures.profile_for(3, rgb) == rgb
    assert pictures.profile_for(1, grey) == grey
    for channels, profile in ((1, rgb), (3, cmyk), (3, grey), (3, None), (3, b"short")):
        assert pictures.profile_for(channels, profile) is None


def test_exif_that_cannot_be_read_is_no_reason_to_refuse_a_picture(tmp_path):
    Image.fromarray(colours()).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x0f\0\2\xff\xff")
    with Image.open(tmp_path / "a.png") as image:
        assert pictures.lasting_exif(image) == b""


def test_channels_are_brought_to_what_is_wanted():
    for dtype in (np.uint8, np.uint16):
        array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (4, 6, 3), dtype=dtype, endpoint=True)
        assert pictures.in_channels(array, 3) is array
        grey = pictures.in_channels(array, 1)
        assert grey.dtype == dtype
        np.testing.assert_array_equal(pictures.in_channels(grey, 3), np.repeat(grey, 3, axis=2))
        if dtype == np.uint8:
            np.testing.assert_array_equal(grey[..., 0], np.asarray(Image.fromarray(array).convert("L")))


def test_what_is_unfinished_goes(tmp_path):
    with pytest.raises(FileNotFoundError), pictures.unfinished(tmp_path / "a.png") as part:
        (part.parent / "missing").read_bytes() if part.write_bytes(b"half") else None
    assert not list(tmp_path.iterdir())


def test_a_tiff_on_its_side_is_read_as_it_lies(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colours()).save(tmp_path / "a.tif", exif=exif)
    with pictures.unmapped(tmp_path / "a.tif") as image:
        image.load()
        np.testing.assert_array_equal(np.asarray(image), np.rot90(colours(), -1))
    np.testing.assert_array_equal(pictures.read(tmp_path / "a.tif", 3), np.rot90(colours(), -1))
