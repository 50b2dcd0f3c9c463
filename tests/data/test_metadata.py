"""Images whose pixels are whole and whose optional matter is not."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import image_files, metadata, scan

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def encoded(kind, **options):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, kind, **options)
    return content.getvalue()


def chunk(kind, content, checksum=None):
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_with(*chunks, late=False):
    whole = encoded("PNG")
    place = len(whole) - 12 if late else 33
    return whole[:place] + b"".join(chunks) + whole[place:]


def jpeg_with(marker, content):
    whole = encoded("JPEG")
    return whole[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + whole[2:]


MUCH, PACKED = bytes(3_000_000), zlib.compress(bytes(3_000_000))
FAULTS = {
    "text of 3 MB": [chunk(b"tEXt", b"k\0" + MUCH)],
    "packed text of 3 MB": [chunk(b"zTXt", b"k\0\0" + PACKED)],
    "packed international text of 3 MB": [chunk(b"iTXt", b"k\0\1\0\0\0" + PACKED)],
    "XMP of 3 MB": [chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + MUCH)],
    "many texts": [chunk(b"tEXt", b"k\0" + bytes(2**20 - 9))] * 70,
    "text of an unknown packing": [chunk(b"zTXt", b"k\0\7abc")],
    "a text's wrong checksum": [chunk(b"tEXt", b"k\0v", 0)],
    "a time's wrong checksum": [chunk(b"tIME", bytes(7), 1)],
    "an unknown chunk's wrong checksum": [chunk(b"prVt", b"x", 0)],
    "an unknown chunk of no name": [chunk(b"a1c!", b"x")],
    "transparency of another length": [chunk(b"tRNS", b"\0\1")],
    "a short resolution": [chunk(b"pHYs", b"\0\0")],
    "a short gamma": [chunk(b"gAMA", b"\0")],
    "short primaries": [chunk(b"cHRM", bytes(9))],
    "an empty sRGB": [chunk(b"sRGB", b"")],
    "a profile without a name": [chunk(b"iCCP", b"")],
    "a profile of an unknown packing": [chunk(b"iCCP", b"p\0\7abc")],
    "a profile that is not packed": [chunk(b"iCCP", b"p\0\0abc")],
    "EXIF that is none": [chunk(b"eXIf", b"rubbish")],
    "an animation without frames": [chunk(b"acTL", b"\0")],
    "frames of no animation": [chunk(b"fdAT", bytes(9))],
    "frames out of order": [
        chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fcTL", struct.pack(">IIIIIHHBB", 7, 8, 8, 0, 0, 1, 1, 0, 0)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_beside_the_pixels_of_a_png_is_left_out(tmp_path, fault, late):
    path = tmp_path / "x.png"
    path.write_bytes(png_with(*FAULTS[fault], late=late))
    np.testing.assert_array_equal(image_files.read(path, 3), PIXELS)
    np.testing.assert_array_equal(image_files.read_image_file(path, 3).pixels, PIXELS)
    assert isinstance(scan._read_header(str(path), None), scan.Header)
    assert image_files.count_frames(path) == 1


SEGMENTS = {
    "a short JFIF": (0xE0, b"JF"),
    "EXIF that is none": (0xE1, b"Exif\0\0rubbish"),
    "EXIF cut short": (0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x0f\0\2\xff\xff"),
    "XMP that is none": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<<<"),
    "a short profile": (0xE2, b"ICC_PROFILE\0"),
    "Photoshop's resources cut short": (0xED, b"Photoshop 3.0\x008BIM\3\xed"),
    "Photoshop's rubbish": (0xED, b"Photoshop 3.0\x008BIMxx"),
    "a short mark of Adobe's": (0xEE, b"Adobe"),
    "views that are none": (0xE2, b"MPF\0II*\0\x08\0\0\0rubbish"),
    "a comment of no text": (0xFE, b"\xff\xfe\0"),
}


@pytest.mark.parametrize("fault", SEGMENTS)
def test_what_is_wrong_beside_the_pixels_of_a_jpeg_is_left_out(tmp_path, fault):
    (tmp_path / "sound.jpg").write_bytes(encoded("JPEG"))
    (tmp_path / "x.jpg").write_bytes(jpeg_with(*SEGMENTS[fault]))
    expected = image_files.read(tmp_path / "sound.jpg", 3)
    np.testing.assert_array_equal(image_files.read(tmp_path / "x.jpg", 3), expected)
    np.testing.assert_array_equal(image_files.read_image_file(tmp_path / "x.jpg", 3).pixels, expected)
    assert isinstance(scan._read_header(str(tmp_path / "x.jpg"), None), scan.Header)


def test_a_jpeg_without_extras_keeps_its_exif_and_profile():
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = bytes(16) + b"RGB " + bytes(200)
    whole = encoded("JPEG", exif=exif, icc_profile=profile, comment=b"gone")
    with Image.open(metadata.jpeg_without_extras(io.BytesIO(whole))) as image:
        assert (image.getexif()[0x0112], image.info["icc_profile"]) == (6, profile)
        assert "comment" not in image.info
    assert metadata.jpeg_without_extras(io.BytesIO(b"no jpeg")) is None


@pytest.mark.parametrize(
    ("kind", "options"), [("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_exif_that_is_none_turns_nothing(tmp_path, kind, options):
    path = tmp_path / f"x.{kind.lower()}"
    path.write_bytes(encoded(kind, exif=b"Exif\0\0rubbish", **options) if kind != "TIFF" else encoded(kind, **options))
    np.testing.assert_array_equal(image_files.read(path, 3), PIXELS)


def test_a_large_profile_is_kept(tmp_path):
    profile = bytes(16) + b"RGB " + np.random.default_rng(0).integers(0, 256, 2**21, dtype=np.uint8).tobytes()
    (tmp_path / "x.png").write_bytes(png_with(chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))))
    assert image_files.read_image_file(tmp_path / "x.png", 3).icc_profile == profile


@pytest.mark.parametrize("content", [png_with(), png_with(chunk(b"tEXt", b"k\0v")), encoded("JPEG"), b"", b"\x89PNG"])
def test_a_file_without_faults_is_not_copied(content):
    file = io.BytesIO(content)
    same, profile = metadata.png_without_faults(file)
    assert (same is file, same.tell(), profile) == (True, 0, None)


@pytest.mark.parametrize("spoilt", [b"IHDR", b"tRNS"])
def test_pixels_that_are_wrong_are_said(tmp_path, spoilt):
    rgba = io.BytesIO()
    Image.fromarray(PIXELS[..., 0]).convert("P").save(rgba, "PNG", transparency=bytes(range(256)))
    content = rgba.getvalue()
    place = content.index(spoilt) + 4 + int.from_bytes(content[content.index(spoilt) - 4 :][:4], "big")
    (tmp_path / "x.png").write_bytes(content[:place] + bytes(4) + content[place + 4 :])
    with pytest.raises(ValueError, match=r"x\.png is damaged"):
        image_files.read(tmp_path / "x.png", 3)
