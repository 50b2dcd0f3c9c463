"""Arrays of channels in files: what is written is read, what channels are is said, and every fault is a sentence."""

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from gan_jax.data import image_files, rasters

RNG = np.random.default_rng(0)
FIVE = RNG.integers(0, 2**16, (20, 24, 5), dtype=np.uint16)


def array_of(dtype, channels):
    levels = (
        RNG.uniform(-50, 50, (20, 24, channels)) if dtype == "float32" else RNG.integers(0, 200, (20, 24, channels))
    )
    return levels.astype(dtype)


@pytest.mark.parametrize(("suffix", "bands"), [(".tif", "samples"), (".tiff", "pages"), (".npy", "samples")])
def test_what_is_written_is_read(tmp_path, suffix, bands):
    for dtype, channels in itertools.product(("uint8", "uint16", "float32"), (1, 2, 3, 4, 5)):
        array, path = array_of(dtype, channels), tmp_path / f"x{suffix}"
        rasters.write(str(path), array, bands)
        found = rasters.header(str(path), bands)
        assert found == (24, 20, rasters.kind_of(array))
        read = rasters.read(path, bands)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
    assert str(rasters.kind_of(array)) == "float32 in 5 channels"
    assert str(rasters.Kind("uint8", 1)) == "uint8 in 1 channel"


@pytest.mark.parametrize(
    "options",
    [
        {"planarconfig": "contig"},
        {"planarconfig": "contig", "tile": (16, 16), "byteorder": ">"},
        {"planarconfig": "contig", "compression": "zlib"},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "tile": (16, 16)},
    ],
)
def test_samples_of_a_pixel_are_channels_however_they_are_stored(tmp_path, options):
    stored = np.moveaxis(FIVE, -1, 0) if options["planarconfig"] == "separate" else FIVE
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", **options)
    assert rasters.header(tmp_path / "x.tif", "samples") == (24, 20, ("uint16", 5))
    read = rasters.read(tmp_path / "x.tif", "samples")
    assert read.dtype == np.dtype(np.uint16)  # of this machine's byte order
    np.testing.assert_array_equal(read, FIVE)


def test_pages_are_channels_where_that_is_said(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.moveaxis(FIVE, -1, 0), photometric="minisblack")
    np.testing.assert_array_equal(rasters.read(path, "pages"), FIVE)
    with pytest.raises(ValueError, match=r"x\.tif has 5 pages; --bands pages reads them as channels, else keep one"):
        rasters.header(path, "samples")
    tifffile.imwrite(path, FIVE, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ValueError, match="has 5 samples a pixel; --bands pages wants equal pages of one sample"):
        rasters.read(path, "pages")
    with tifffile.TiffWriter(path) as file:
        for page in (FIVE[..., 0], FIVE[:10, :, 0]):
            file.write(page, photometric="minisblack")
    with pytest.raises(ValueError, match="has pages that differ in size or dtype"):
        rasters.read(path, "pages")


def test_overviews_and_masks_are_no_channels(tmp_path):
    """As of cloud-optimized GeoTIFF."""
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(FIVE, photometric="minisblack", planarconfig="contig")
        file.write(FIVE[::2, ::2], photometric="minisblack", planarconfig="contig", subfiletype=1)
    np.testing.assert_array_equal(rasters.read(tmp_path / "x.tif", "samples"), FIVE)


def test_other_images_beside_them_are_gray_or_rgb(tmp_path):
    color = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    image_files.save(tmp_path / "color.png", color)
    image_files.save(tmp_path / "gray.png", color[..., :1])
    image_files.save(tmp_path / "photo.jpg", color)
    rasters.write(tmp_path / "deep.png", FIVE[..., :1], "samples")
    for name, kind in (
        ("color.png", ("uint8", 3)),
        ("gray.png", ("uint8", 1)),
        ("photo.jpg", ("uint8", 3)),
        ("deep.png", ("uint16", 1)),
    ):
        assert rasters.header(tmp_path / name, "samples") == (24, 20, kind)
        assert rasters.kind_of(rasters.read(tmp_path / name, "samples")) == kind
    np.testing.assert_array_equal(rasters.read(tmp_path / "deep.png", "pages"), FIVE[..., :1])


def test_npy_of_two_axes_in_fortran_order_and_from_many_threads(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(FIVE))
    np.save(tmp_path / "flat.npy", FIVE[..., 0])
    with ThreadPoolExecutor(8) as pool:
        for read in pool.map(lambda _: rasters.read(tmp_path / "x.npy", "samples"), range(64)):
            np.testing.assert_array_equal(read, FIVE)
    np.testing.assert_array_equal(rasters.read(tmp_path / "flat.npy", "samples"), FIVE[..., :1])


def written(path, array, **options):
    tifffile.imwrite(path, array, **options) if path.suffix == ".tif" else np.save(path, array)


@pytest.mark.parametrize(
    ("name", "array", "options", "words"),
    [
        ("x.tif", FIVE[..., 0], {"photometric": "miniswhite"}, "is miniswhite; save it upright, with 0 as black"),
        ("x.tif", FIVE[..., 0], {"extratags": [(274, "H", 1, 6, True)]}, "is turned by its orientation"),
        ("x.tif", FIVE[..., 0].astype(np.float64), {}, "is float64; wanted uint8, uint16 or float32"),
        ("x.tif", FIVE[..., 0].astype(np.int16), {}, "is int16; wanted"),
        ("x.tif", np.full((20, 24), np.nan, np.float32), {}, "has numbers that are NaN or infinite; fill them"),
        ("x.npy", np.full((20, 24), np.inf, np.float32), {}, "has numbers that are NaN or infinite; fill them"),
        (
            "x.npy",
            np.moveaxis(np.zeros((32, 40, 5), np.uint8), -1, 0),
            {},
            r"has the shape \(5, 32, 40\); wanted \(H, W\)",
        ),
        ("x.npy", np.zeros((3, 4, 5, 6), np.uint8), {}, "has the shape"),
        ("x.npy", np.zeros((20, 24)), {}, "is float64; wanted"),
        ("x.npy", np.zeros((20, 24), object), {}, "is object; wanted"),
    ],
)
def test_what_is_no_array_of_channels_is_refused(tmp_path, name, array, options, words):
    written(tmp_path / name, array, **options)
    with pytest.raises(image_files.RefusedError, match=words) as caught:
        rasters.header(tmp_path / name, "samples")
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("name", ["x.tif", "x.npy"])
def test_damaged_files_are_named(tmp_path, name):
    path = tmp_path / name
    rasters.write(path, FIVE, "samples")
    whole = path.read_bytes()
    for end, words in ((len(whole) // 2, "is cut off"), (20, "is damaged"), (4, "is damaged"), (0, "is damaged")):
        path.write_bytes(whole[:end])
        with pytest.raises(image_files.RefusedError, match=words):
            rasters.header(path, "samples")
    with pytest.raises(image_files.RefusedError, match="is damaged"):
        rasters.read(path, "samples")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"x\.\w+ cannot be read; see that it exists"):
        rasters.header(path, "samples")


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    rasters.require_written("x.NPY")
    for name in ("x.jpg", "x"):
        with pytest.raises(ValueError, match=r"are written to \.tif, \.tiff, \.npy or \.png"):
            rasters.require_written(name)
    for array in (FIVE, FIVE[..., :1].astype(np.float32)):
        with pytest.raises(ValueError, match="PNG holds uint8 and uint16 in 1 or 3 channels"):
            rasters.write(tmp_path / "x.png", array, "samples")
    assert list(tmp_path.iterdir()) == []


PLACE = (
    (33550, 12, 3, (10.0, 10.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 600_000.0, 5_300_040.0, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 3072, 0, 1, 32633), True),
    (34737, 2, 6, "UTM33|", True),
)


@pytest.mark.parametrize("bands", ["samples", "pages"])
def test_a_place_on_the_earth_is_written_again(tmp_path, bands):
    rasters.write(tmp_path / "x.tif", FIVE, bands, PLACE)
    place = rasters.place_of(str(tmp_path / "x.tif"))
    assert [tag[0] for tag in place] == [33550, 33922, 34735, 34737]
    rasters.write(tmp_path / "y.tif", FIVE[..., :2], bands, place)
    assert rasters.place_of(tmp_path / "y.tif") == place
    assert place[1][3] == PLACE[1][3]
    np.testing.assert_array_equal(rasters.read(tmp_path / "y.tif", bands), FIVE[..., :2])
    rasters.write(tmp_path / "z.npy", FIVE, bands, place)
    assert rasters.place_of(tmp_path / "z.npy") == ()


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    rasters.write(tmp_path / "x.tif", FIVE, "samples")
    np.save(tmp_path / "x.npy", FIVE)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(ImportError, match=r"x\.tif: pip install 'gan_jax\[deep\]' to read it"):
        rasters.header(tmp_path / "x.tif", "samples")
    with pytest.raises(ImportError, match="pip install"):
        rasters.write(tmp_path / "y.tif", FIVE, "samples")
    np.testing.assert_array_equal(rasters.read(tmp_path / "x.npy", "samples"), FIVE)
