import numpy as np
import pytest
from PIL import Image, ImageOps

from gan_jax import files, image
from gan_jax.data import finding, image_files, transforms


def colors(height=4, width=6):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_is_saved_is_read_back(tmp_path):
    image_files.save(tmp_path / "deep" / "rgb.png", colors())
    np.testing.assert_array_equal(image_files.read(tmp_path / "deep" / "rgb.png", 3), colors())
    gray = colors()[..., :1]
    image_files.save(tmp_path / "gray.png", gray)
    np.testing.assert_array_equal(image_files.read(tmp_path / "gray.png", 1), gray)
    np.testing.assert_array_equal(image_files.read(tmp_path / "gray.png", 3), np.repeat(gray, 3, axis=-1))
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["gray.png", "rgb.png"]


def test_read_image_keeps_gray_gray_and_as_array_makes_luma(tmp_path):
    image_files.save(tmp_path / "rgb.png", colors())
    array = image_files.read_pil(tmp_path / "rgb.png")
    assert array.mode == "RGB"
    luma = image_files.as_array(array, 1)[..., 0]
    np.testing.assert_allclose(luma, colors() @ [0.299, 0.587, 0.114], atol=0.51)
    image_files.save(tmp_path / "gray.png", luma[..., None])
    assert image_files.read_pil(tmp_path / "gray.png").mode == "L"


def test_opened_names_what_fails_inside_it(tmp_path):
    image_files.save(tmp_path / "a.png", colors())
    with pytest.raises(ValueError, match=r"a\.png is damaged"), image_files.opened(tmp_path / "a.png") as array:
        array.crop("no box")


def test_16_bits_a_channel_are_refused_not_cut(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    deep = colors().astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "mixed.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "apart.tif", np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate")
    Image.fromarray(deep[..., 0]).save(tmp_path / "gray.png")
    (tmp_path / "color.ppm").write_bytes(b"P6 6 4 65535\n" + deep.astype(">u2").tobytes())
    for name in ("mixed.tif", "apart.tif", "gray.png", "color.ppm"):
        with Image.open(tmp_path / name) as array:
            assert image_files.is_deep(array), name
        with pytest.raises(ValueError, match="has more than 8 bits a channel; convert it to 8 bits"):
            image_files.read(tmp_path / name, 3)
    tifffile.imwrite(tmp_path / "shallow.tif", np.moveaxis(colors(), -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(image_files.read(tmp_path / "shallow.tif", 3), colors())


def test_alpha_lies_over_white(tmp_path):
    rgba = np.dstack([colors(), np.full((4, 6), 0, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert (image_files.read(tmp_path / "clear.png", 3) == 255).all()


def test_a_failed_save_leaves_the_old_file(tmp_path):
    image_files.save(tmp_path / "a.png", colors())
    with pytest.raises((ValueError, TypeError, KeyError)):
        image_files.save(tmp_path / "a.png", np.zeros((4, 6, 7), np.uint8))
    np.testing.assert_array_equal(image_files.read(tmp_path / "a.png", 3), colors())


def test_pad_reflects_to_the_next_multiple():
    array = np.arange(3 * 4 * 1, dtype=np.uint8).reshape(3, 4, 1)
    padded = image_files.pad(array, 5)
    assert padded.shape == (5, 5, 1)
    assert image_files.padded_size((3, 4), 5) == (5, 5)
    assert image_files.padded_size((10, 3), 4) == (12, 4)
    np.testing.assert_array_equal(padded[:3, :4], array)
    np.testing.assert_array_equal(padded[3, :4], array[1])
    np.testing.assert_array_equal(padded[:3, 4], array[:, 2])
    assert image_files.pad(array, 1) is array
    np.testing.assert_array_equal(image_files.pad(array[:1], 2), np.repeat(array[:1], 2, axis=0))


def test_a_photograph_keeps_what_belongs_to_it(tmp_path):
    alpha = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    profile = bytes(16) + b"RGB " + bytes(108)
    photograph = image_files.ImageFile(colors(), alpha, icc_profile=profile)
    for name in ("a.png", "a.tif", "a.webp"):
        image_files.save_image_file(tmp_path / name, photograph)
    for name in ("a.png", "a.tif"):
        read = image_files.read_image_file(tmp_path / name, 3)
        np.testing.assert_array_equal(read.pixels, colors())
        np.testing.assert_array_equal(read.alpha, alpha)
        assert read.icc_profile == profile
    image_files.save_image_file(tmp_path / "a.bmp", photograph._replace(icc_profile=None))
    over_white = image_files.read(tmp_path / "a.png", 3)
    assert np.abs(image_files.read(tmp_path / "a.bmp", 3).astype(int) - over_white).max() <= 1


def test_profiles_are_kept_for_the_colors_that_they_speak_of():
    rgb, cmyk, gray = (bytes(16) + space + bytes(108) for space in (b"RGB ", b"CMYK", b"GRAY"))
    assert image_files.profile_for(3, rgb) == rgb
    assert image_files.profile_for(1, gray) == gray
    for channels, profile in ((1, rgb), (3, cmyk), (3, gray), (3, None), (3, b"short")):
        assert image_files.profile_for(channels, profile) is None


def test_exif_that_cannot_be_read_is_no_reason_to_refuse_an_image(tmp_path):
    Image.fromarray(colors()).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x0f\0\2\xff\xff")
    with Image.open(tmp_path / "a.png") as image:
        assert image_files.lasting_exif(image) == b""


def test_channels_are_brought_to_what_is_wanted():
    for dtype in (np.uint8, np.uint16):
        array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (4, 6, 3), dtype=dtype, endpoint=True)
        assert image_files.in_channels(array, 3) is array
        gray = image_files.in_channels(array, 1)
        assert gray.dtype == dtype
        np.testing.assert_array_equal(image_files.in_channels(gray, 3), np.repeat(gray, 3, axis=2))
        if dtype == np.uint8:
            np.testing.assert_array_equal(gray[..., 0], np.asarray(Image.fromarray(array).convert("L")))


def test_every_extension_that_is_listed_is_read(tmp_path):
    """Those that Pillow writes, that is; what it reads alone has no file to try."""
    plain, written = Image.fromarray(colors(8, 8)), 0
    for suffix in finding.EXTENSIONS:
        path = tmp_path / f"a{suffix}"
        try:
            (plain if suffix not in (".xbm", ".msp") else plain.convert("1")).save(path)
        except (KeyError, ValueError, OSError):  # no writer
            path.unlink(missing_ok=True)
            continue
        written += 1
        assert image_files.read(path, 3).shape[2] == 3, suffix
    assert written > 30
    assert len(finding.list_images(tmp_path)) == written
    assert finding.survey(tmp_path).note is None


def test_a_limit_is_called_a_limit(tmp_path, monkeypatch):
    image_files.save(tmp_path / "a.png", colors(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    with pytest.raises(ValueError, match="has more than 1,400 pixels, Pillow's limit; scale it down or cut it up"):
        image_files.read(tmp_path / "a.png", 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 900)
    assert image_files.read(tmp_path / "a.png", 3).shape == (40, 40, 3), "up to twice the number Pillow only warns"


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".jp2", ".png", ".tif", ".bmp"])
def test_outputs_are_as_exact_as_their_format_can(tmp_path, suffix):
    """Colors that change from pixel to pixel survive: no halved chroma, no quality of 75."""
    smooth = np.kron(np.random.default_rng(0).integers(60, 200, (4, 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    smooth[::2, :, 0] += 40
    image_files.save(tmp_path / f"a{suffix}", smooth)
    error = np.abs(image_files.read(tmp_path / f"a{suffix}", 3).astype(int) - smooth)
    assert error.mean() < (2.5 if suffix in (".jpg", ".avif") else 1e-9)
    if suffix in image_files.WITH_QUALITY:
        image_files.save_image_file(tmp_path / f"b{suffix}", image_files.ImageFile(smooth), quality=5)
        assert (tmp_path / f"b{suffix}").stat().st_size < (tmp_path / f"a{suffix}").stat().st_size


def test_jpegs_have_quality_95_and_full_color(tmp_path):
    image_files.save(tmp_path / "a.jpg", colors(16, 16))
    Image.fromarray(colors(16, 16)).save(tmp_path / "b.jpg", quality=95, subsampling=0)
    with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
        assert a.quantization == b.quantization
        assert a.layer == b.layer


@pytest.mark.parametrize("name", ["a.gif", "a.heic", "a", "a.txt"])
def test_what_holds_no_image_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"images are not written as .*wanted .png"):
        image_files.save(tmp_path / name, colors())
    assert not list(tmp_path.iterdir())


def test_an_image_too_large_for_its_format_is_said(tmp_path):
    with pytest.raises(ValueError, match="WEBP holds sides of at most 16,383 pixels"):
        image_files.save(tmp_path / "a.webp", np.zeros((1, 16_384, 1), np.uint8))


def test_frames_are_counted_and_chosen(tmp_path):
    frames = [Image.new("L", (4, 4), 50 * k) for k in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.mpo", save_all=True, append_images=frames[1:])
    image_files.save(tmp_path / "a.png", colors())
    (tmp_path / "b.gif").write_bytes(b"no picture")
    counts = [image_files.count_frames(tmp_path / name) for name in ("a.gif", "a.mpo", "a.png", "b.gif")]
    assert counts == [3, 1, 1, 1], "the views of a camera's file are one image"
    files = sorted(tmp_path.iterdir())
    assert [*image_files.count_all_frames(files).values()] == [3, 1, 1], "an .mpo has no frames"
    assert image_files.frame_notes(image_files.count_all_frames(files)) == (
        f"of files with several frames or pages the first is taken: {tmp_path / 'a.gif'} (3).",
    )
    assert image_files.frame_notes({str(i): 3 for i in range(8)}) == (
        "of files with several frames or pages the first is taken: 0 (3), 1 (3), 2 (3), ... (8 in all).",
    )
    assert image_files.frame_notes({"1.png": 1}) == ()
    read = image_files.read_image_file(tmp_path / "a.gif", 1, frame=2)
    assert (read.pixels == 100).all()
    assert read.frames == 3


def test_colors_that_hardly_anybody_sees_fade_into_those_that_are_seen():
    pixels = np.array([[[200], [100], [50], [10]]], np.uint8)
    alpha = np.array([[[255], [9], [4], [0]]], np.uint8)
    seen = image_files.seen_colors(pixels, alpha)
    assert seen[0, :, 0].tolist() == [200, 100, 75, 100], "4 of 255 is half way to where a color counts"
    same = image_files.seen_colors(pixels, np.full((1, 4, 1), 255, np.uint8))
    assert same is pixels
    assert image_files.seen_colors(pixels, np.zeros((1, 4, 1), np.uint8)) is pixels, "nothing is seen"
    faint = image_files.seen_colors(pixels, np.array([[[3], [3], [0], [0]]], np.uint8))
    assert faint[0, :, 0].tolist() == [200, 100, 100, 100]


def test_frames_and_turns_of_an_opened_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(colors()).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as image:
        assert (image_files.frames_of(image), image_files.orientation(image)) == (1, 8)
    assert image_files.read(tmp_path / "a.jpg", 3).shape == (6, 4, 3)
    image_files.require_written(tmp_path / "a.jpg")


@pytest.mark.parametrize("turn", range(1, 9))
def test_images_are_turned_as_pillow_turns_them(tmp_path, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    for name in ("a.png", "a.tif", "a.webp"):
        Image.fromarray(colors()).save(tmp_path / name, exif=exif, lossless=True)
        with Image.open(tmp_path / name) as image:
            upright = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(image_files.read(tmp_path / name, 3), upright)


def test_what_is_unfinished_goes(tmp_path):
    with pytest.raises(FileNotFoundError), files.unfinished(tmp_path / "a.png") as part:
        (part.parent / "missing").read_bytes() if part.write_bytes(b"half") else None
    assert not list(tmp_path.iterdir())


def test_a_tiff_on_its_side_is_read_as_it_lies(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colors()).save(tmp_path / "a.tif", exif=exif)
    with image_files.unmapped(tmp_path / "a.tif") as image:
        image.load()
        np.testing.assert_array_equal(np.asarray(image), np.rot90(colors(), -1))
    np.testing.assert_array_equal(image_files.read(tmp_path / "a.tif", 3), np.rot90(colors(), -1))


@pytest.mark.parametrize("turned", [1, 3, 6])
def test_of_a_large_jpeg_no_more_is_decoded_than_it_takes(tmp_path, turned):
    y, x = np.mgrid[:203, :302] / 302.0
    smooth = np.stack([255 * (1 - x), 255 * y, 100 * (x + y)], axis=-1).astype(np.uint8)
    exif, path = Image.Exif(), tmp_path / "a.jpg"
    exif[0x0112] = turned
    for channels in (1, 3):
        Image.fromarray(smooth).save(path, exif=exif, quality=100, subsampling="4:4:4")
        whole = image_files.read(path, channels)
        size = (24, 20) if turned == 6 else (20, 24)
        reduced = image_files.read_reduced(path, channels, size, gap=1.2)
        assert reduced.shape == (*size, channels)
        # Of an eighth, whose last pixels stand for 3 rows and 6 columns: taken for 8, the far edge is 4 levels off.
        assert 0 < np.abs(reduced.astype(int) - transforms.resize(whole, *size)).max() <= 2
        np.testing.assert_array_equal(image_files.read_reduced(path, channels, (150, 150), gap=1.0), whole)
        path.with_suffix(".png").write_bytes(image_files.png(whole))
        np.testing.assert_array_equal(
            image_files.read_reduced(path.with_suffix(".png"), channels, size, gap=1.0), whole
        )
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match="is damaged or not an image"):
        image_files.read_reduced(path, 3, (20, 24), gap=1.0)


def test_levels_are_cut_and_rounded_with_halves_up():
    levels = np.array([-3.0, 0.49, 0.5, 1.5, 254.5, 300.0])
    assert image_files.round_to(levels, np.uint8).tolist() == [0, 0, 1, 2, 255, 255]
    assert image_files.round_to(levels, np.uint16).tolist() == [0, 0, 1, 2, 255, 300]
    np.testing.assert_array_equal(image_files.round_to(levels, np.uint8), image.round_to(levels, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luma_is_that_of_fixed_point_at_every_level(dtype):
    white = np.iinfo(dtype).max
    grays = np.arange(white + 1, dtype=dtype)[:, None, None]
    np.testing.assert_array_equal(image_files.in_channels(np.repeat(grays, 3, axis=2), 1), grays)
    colors = np.random.default_rng(0).integers(0, white, (64, 64, 3), dtype=dtype, endpoint=True)
    total = sum(weight * colors[..., k].astype(int) for k, weight in enumerate((19595, 38470, 7471)))
    np.testing.assert_array_equal(image_files.in_channels(colors, 1)[..., 0], (total + 0x8000) >> 16)
