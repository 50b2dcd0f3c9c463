import builtins
import io
import struct
import sys
import tempfile
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from gan_jax.data import high_bit_depth, image_files

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 2**16, (12, 14, 3), dtype=np.uint16)


def write_png(path, array):
    """A 16-bit PNG of 1 to 4 channels, which Pillow cannot write in color: unfiltered rows, PNG specification."""
    height, width, channels = array.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks.items():
            file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def test_images_of_8_bits_are_read_as_everywhere(tmp_path):
    array = RNG.integers(0, 256, (12, 14, 3), dtype=np.uint8)
    for name, image in (
        ("rgb.png", array),
        ("gray.tif", array[..., :1]),
        ("rgb.tif", array),
        ("gray.pgm", array[..., :1]),
    ):
        image_files.save(tmp_path / name, image)
        read = high_bit_depth.read(tmp_path / name)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bit_gray_needs_no_extra(tmp_path, monkeypatch, name):
    for package in ("tifffile", "imagecodecs"):
        monkeypatch.setitem(sys.modules, package, None)
    Image.fromarray(RGB[..., 0]).save(tmp_path / name)
    read = high_bit_depth.read(tmp_path / name)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, RGB[..., :1])


@pytest.mark.parametrize(
    "options",
    [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"planarconfig": "separate"}],
    ids=["plain", "big-endian", "deflated", "planes apart"],
)
def test_16_bit_color_of_tiff_is_never_cut_to_8_bits(tmp_path, monkeypatch, options):
    stored = np.moveaxis(RGB, -1, 0) if "planarconfig" in options else RGB
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="rgb", **options)
    np.testing.assert_array_equal(high_bit_depth.read(tmp_path / "x.tif"), RGB)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(ImportError, match=r"x.tif has 16 bits a channel; pip install 'gan_jax\[deep\]'"):
        high_bit_depth.read(tmp_path / "x.tif")


def test_16_bit_color_of_png_is_refused_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    for channels in (2, 3, 4):
        write_png(tmp_path / "x.png", np.resize(RGB, (12, 14, channels)))
        with pytest.raises(ImportError, match=r"x.png has 16 bits a channel; pip install 'gan_jax\[deep\]'"):
            high_bit_depth.read(tmp_path / "x.png")


@pytest.mark.slow  # the codecs are installed for these tests alone
def test_16_bit_color_of_png_is_read_with_the_extra(tmp_path):
    write_png(tmp_path / "x.png", RGB)
    np.testing.assert_array_equal(high_bit_depth.read(tmp_path / "x.png"), RGB)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    for alpha in (None, RGB[..., :1]):
        photograph = image_files.ImageFile(RGB, alpha, exif.tobytes(), bytes(16) + b"RGB " + bytes(108))
        high_bit_depth.save(tmp_path / "y.png", photograph)
        read = high_bit_depth.read_image_file(tmp_path / "y.png", 3)
        np.testing.assert_array_equal(read.pixels, RGB)
        assert (read.alpha is None) if alpha is None else (read.alpha == alpha).all()
        assert read.icc_profile == photograph.icc_profile
        assert b"Camera" in read.exif


def test_alpha_is_laid_over_white(tmp_path, monkeypatch):
    pixels = np.array([[[1000, 65535], [1000, 0], [1000, 32768]]], np.uint16)
    codecs = types.SimpleNamespace(png_decode=lambda data: pixels)
    monkeypatch.setitem(sys.modules, "imagecodecs", codecs)
    write_png(tmp_path / "x.png", pixels)
    half = 1000 * 32768 / 65535 + 65535 - 32768
    np.testing.assert_array_equal(high_bit_depth.read(tmp_path / "x.png")[0, :, 0], [1000, 65535, np.floor(half + 0.5)])


def test_what_cannot_be_read_in_its_own_depth_is_refused(tmp_path):
    Image.fromarray(RGB[..., 0]).save(tmp_path / "x.pgm")
    tifffile.imwrite(tmp_path / "signed.tif", RGB[..., 0].astype(np.int16))
    tifffile.imwrite(tmp_path / "cmyk.tif", np.resize(RGB, (12, 14, 4)), photometric="separated")
    tifffile.imwrite(tmp_path / "negative.tif", RGB[..., 0], photometric="miniswhite")
    tifffile.imwrite(tmp_path / "float.tif", RGB[..., 0].astype(np.float32))
    tifffile.imwrite(tmp_path / "cut.tif", RGB, photometric="rgb")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "cut.tif").read_bytes()[:-50])
    write_png(tmp_path / "cut.png", RGB[..., :1])
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-50])
    for name, words in {
        "x.pgm": "wanted PNG or TIFF",
        "signed.tif": "mode I; wanted PNG or TIFF, gray or RGB",
        "cmyk.tif": "mode CMYK; wanted PNG or TIFF, gray or RGB",
        "negative.tif": "0 as white",
        "float.tif": "mode F",
        "cut.tif": "is damaged",
        "cut.png": "is damaged",
    }.items():
        with pytest.raises(ValueError, match=words) as refused:
            high_bit_depth.read(tmp_path / name)
        assert str(refused.value).startswith(str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        high_bit_depth.read(tmp_path / "nowhere.png")


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_images_are_turned_upright_in_both_depths(tmp_path, name):
    array = RGB[..., 0] // 257 * 257
    ways = [np.asarray, np.fliplr, lambda x: x[::-1, ::-1], np.flipud]
    ways += [np.transpose, lambda x: np.rot90(x, -1), lambda x: x[::-1, ::-1].T, np.rot90]
    for orientation, turn in enumerate(ways, 1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(array).save(tmp_path / name, exif=exif)
        np.testing.assert_array_equal(high_bit_depth.read(tmp_path / name)[..., 0], turn(array))
        Image.fromarray((array // 257).astype(np.uint8)).save(tmp_path / name, exif=exif)
        np.testing.assert_array_equal(high_bit_depth.read(tmp_path / name)[..., 0], turn(array) // 257)


def test_deep_colors_are_turned_upright(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", RGB, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(high_bit_depth.read(tmp_path / "x.tif"), np.rot90(RGB, -1))


def fake_codecs(monkeypatch):
    """imagecodecs's encoder of PNG, as far as needed: the tests' own."""

    def png_encode(array):
        with tempfile.TemporaryDirectory() as folder:
            write_png(Path(folder, "x.png"), array)
            return Path(folder, "x.png").read_bytes()

    monkeypatch.setitem(sys.modules, "imagecodecs", types.SimpleNamespace(png_encode=png_encode))


def test_what_belongs_to_a_16_bit_image_is_written_with_it(tmp_path, monkeypatch):
    fake_codecs(monkeypatch)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    profile = bytes(16) + b"RGB " + bytes(108)
    photograph = image_files.ImageFile(RGB, RGB[..., :1], exif.tobytes(), profile)
    for name in ("x.png", "x.tif"):
        high_bit_depth.save(tmp_path / name, photograph)
        with Image.open(tmp_path / name) as written:
            assert written.size == (14, 12)
            assert written.info["icc_profile"] == profile
            assert name == "x.tif" or written.getexif()[ExifTags.Base.Make] == "Camera"
    read = high_bit_depth.read_image_file(tmp_path / "x.tif", 3)
    np.testing.assert_array_equal(read.pixels, RGB)
    np.testing.assert_array_equal(read.alpha, RGB[..., :1])
    assert read.icc_profile == profile
    gray = high_bit_depth.read_image_file(tmp_path / "x.tif", 1)
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(gray.pixels[..., 0] - luma).max() <= 1.5
    assert gray.icc_profile is None, "it speaks of red, green and blue"


def test_16_bits_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"16 bits a channel are written to .png or .tif alone"):
        high_bit_depth.save(tmp_path / "x.jpg", image_files.ImageFile(RGB))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ImportError, match=r"16 bits in color or with alpha: pip install 'gan_jax\[deep\]'"):
        high_bit_depth.save(tmp_path / "x.png", image_files.ImageFile(RGB))
    high_bit_depth.save(tmp_path / "gray.png", image_files.ImageFile(RGB[..., :1]))
    assert [path.name for path in tmp_path.iterdir()] == ["gray.png"]


def test_a_file_of_8_bits_is_opened_once(tmp_path, monkeypatch):
    array = RNG.integers(0, 256, (12, 14, 4), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "x.png")
    with image_files.opened(tmp_path / "x.png") as image:
        over_white = image_files.as_array(image_files.decoded(image), 3)
    with image_files.opened(tmp_path / "x.png") as image:
        photograph = image_files.image_file(image, 3)
    opened, unmapped = [], image_files.unmapped
    monkeypatch.setattr(image_files, "unmapped", lambda path, **how: opened.append(path) or unmapped(path, **how))
    np.testing.assert_array_equal(high_bit_depth.read(tmp_path / "x.png"), over_white)
    read = high_bit_depth.read_image_file(tmp_path / "x.png", 3)
    np.testing.assert_array_equal(read.pixels, photograph.pixels)
    np.testing.assert_array_equal(read.alpha, photograph.alpha)
    assert opened == [tmp_path / "x.png"] * 2


def test_gray_of_12_bits_is_read_as_pillow_does(tmp_path):
    """A TIFF by hand: no library here writes one."""
    tags = [(256, 3, 1, 4), (257, 3, 1, 2), (258, 3, 1, 12), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 134)]
    tags += [(277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 12)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    packed = bytes.fromhex("001002003004fffabc123800")
    start = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    (tmp_path / "x.tif").write_bytes(start.ljust(134, b"\0") + packed)
    expected = np.array([[0x001, 0x002, 0x003, 0x004], [0xFFF, 0xABC, 0x123, 0x800]], np.uint16)[..., None]
    np.testing.assert_array_equal(high_bit_depth.read(tmp_path / "x.tif"), expected)
    np.testing.assert_array_equal(high_bit_depth.read_image_file(tmp_path / "x.tif", 1).pixels, expected)


def test_a_file_of_16_bits_is_opened_once(tmp_path, monkeypatch):
    write_png(tmp_path / "color.png", RGB)
    Image.fromarray(RGB[..., 0]).save(tmp_path / "gray.png")
    tifffile.imwrite(tmp_path / "gray.tif", RGB[..., 0])
    tifffile.imwrite(tmp_path / "color.tif", RGB, photometric="rgb")
    files = []
    decode = types.SimpleNamespace(png_decode=lambda content: files.append(content) or RGB)
    monkeypatch.setitem(sys.modules, "imagecodecs", decode)
    opened, real_open = [], builtins.open

    def counted(path, *arguments, **options):
        opened.append(path)
        return real_open(path, *arguments, **options)

    for module in (builtins, io):
        monkeypatch.setattr(module, "open", counted)
    for name in ("color.png", "gray.png", "gray.tif", "color.tif"):
        expected = RGB[..., :1] if "gray" in name else RGB
        np.testing.assert_array_equal(
            high_bit_depth.read_image_file(tmp_path / name, expected.shape[2]).pixels, expected
        )
        assert opened == [tmp_path / name]
        opened.clear()
    assert files == [(tmp_path / "color.png").read_bytes()]


def test_odd_files_are_refused_in_words_of_their_own(tmp_path):
    tifffile.imwrite(tmp_path / "negative.tif", RGB[..., 0], photometric="miniswhite")
    with pytest.raises(image_files.RefusedError, match="inverted"):
        high_bit_depth.read(tmp_path / "negative.tif")
