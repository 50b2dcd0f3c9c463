import errno
import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import finding, image_files, layouts, scan, sources, transforms


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def paint(path, value=0, size=(8, 6), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    color = value if len(mode) == 1 else (value,) * len(mode)
    Image.new(mode, size, color).save(path, **options)


def paint_halves(path, a=10, b=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((6, 16, 3), a, np.uint8)
    image[:, 8:] = b
    Image.fromarray(image).save(path)


def open_rgb(root, split="train", **options):
    return layouts.open_pairs(root, split, **{"source_channels": 3, "target_channels": 3} | options)


def values(pair):
    return int(pair["source"][0, 0, 0]), int(pair["target"][0, -1, 0])


# Layouts


@pytest.mark.parametrize("layout", ["{split}{side}", "{side}/{split}"])
def test_two_folders_are_paired_by_path_without_extension(tmp_path, layout):
    for split in ("train", "test"):
        for side, value, extension in (("A", 10, "png"), ("B", 200, "BMP")):
            folder = tmp_path / layout.format(split=split, side=side)
            paint(folder / f"b.{extension}", value + 1)
            paint(folder / "street" / f"a.{extension}", value)
    source = open_rgb(tmp_path)
    assert [source[i]["name"] for i in range(len(source))] == ["b", "street/a"]
    assert [values(source[i]) for i in range(2)] == [(11, 201), (10, 200)]
    assert values(open_rgb(tmp_path, direction="BtoA")[1]) == (200, 10)
    assert len(open_rgb(tmp_path, "test")) == 2
    scan.check_headers(source)


def test_side_by_side_images_are_cut_in_the_middle(tmp_path):
    paint_halves(tmp_path / "train" / "1.png")
    pair = open_rgb(tmp_path)[0]
    assert pair["name"] == "1"
    assert pair["source"].shape == pair["target"].shape == (6, 8, 3)
    assert pair["source"].dtype == np.uint8
    assert (pair["source"] == 10).all()
    assert (pair["target"] == 200).all()
    assert values(open_rgb(tmp_path, direction="BtoA")[0]) == (200, 10)


@pytest.mark.parametrize("derive", transforms.DERIVE)
@pytest.mark.parametrize("channels", [(1, 3), (3, 3), (1, 1), (3, 1)])
def test_derived_source_is_made_from_the_photograph(tmp_path, derive, channels):
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "train" / "sub").mkdir(parents=True)
    Image.fromarray(photo).save(tmp_path / "train" / "sub" / "a.png")
    source = open_rgb(tmp_path, derive=derive, source_channels=channels[0], target_channels=channels[1])
    target = photo if channels[1] == 3 else transforms.gray(photo)
    np.testing.assert_array_equal(source[0]["target"], target)
    derived = transforms.deriver(derive, channels[0])
    center = transforms.center("crop", load_size=20, crop_size=20, derive=derived)
    result = center(source[0], np.random.default_rng(0))["source"]
    expected = transforms.DERIVE[derive](target)[:, 5:25]
    assert result.shape == (20, 20, channels[0])
    assert (result == (transforms.gray(expected) if channels[0] == 1 else expected)).all()


def test_sources_print_alike_everywhere(tmp_path):
    paint_halves(tmp_path / "train" / "1.png")
    assert repr(open_rgb(tmp_path)) == f"Pairs(1 in {tmp_path}/train, AtoB, 3 to 3 channels)"
    photos = open_rgb(tmp_path, derive="gray", source_channels=1)
    assert repr(photos) == f"Images(1 in {tmp_path}/train, target, 3 channels)"


def test_hidden_files_and_other_files_are_ignored_and_links_followed(tmp_path):
    paint_halves(tmp_path / "elsewhere.png")
    for name in (".hidden.png", ".cache/1.png", "b.PNG", "a.png"):
        paint_halves(tmp_path / "data" / "train" / name)
    (tmp_path / "data" / "train" / "notes.txt").write_text("no image")
    (tmp_path / "data" / "train" / "c.png").symlink_to(tmp_path / "elsewhere.png")
    assert finding.list_images(tmp_path / "data" / "train") == ["a.png", "b.PNG", "c.png"]
    assert len(open_rgb(tmp_path / "data")) == 3


# Splits


@pytest.mark.parametrize(("there", "expected"), [("test", "val"), ("val", "test")])
def test_val_and_test_stand_in_for_each_other(tmp_path, there, expected):
    paint_halves(tmp_path / "train" / "1.png")
    assert open_rgb(tmp_path, expected) is None
    paint_halves(tmp_path / there / "2.png")
    assert open_rgb(tmp_path, expected).folders == (tmp_path / there,)
    paint_halves(tmp_path / expected / "3.png")
    assert open_rgb(tmp_path, expected).folders == (tmp_path / expected,)


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 1), (19, 1), (40, 4)])
def test_without_split_folders_a_tenth_is_held_out(tmp_path, count, held):
    for i in range(count):
        paint_halves(tmp_path / f"{i}.png")
    splits = {split: open_rgb(tmp_path, split) for split in ("train", "val", "test")}
    names = {split: source.files if source else [] for split, source in splits.items()}
    assert names["val"] == names["test"]
    assert len(names["val"]) == held
    assert sorted([*names["train"], *names["val"]]) == [(file,) for file in finding.list_images(tmp_path)]
    if count == 40:
        assert names["val"] != sorted([*names["train"], *names["val"]])[-4:]


def test_limit_takes_the_first_of_the_sorted_split(tmp_path):
    for i in range(12):
        paint_halves(tmp_path / "split" / "train" / f"{i:02}.png")
        paint_halves(tmp_path / "flat" / f"{i:02}.png")
    everything, three = (open_rgb(tmp_path / "split", limit=limit) for limit in (None, 3))
    assert three.files == everything.files[:3] == [("00.png",), ("01.png",), ("02.png",)]
    assert repr(three) == f"Pairs(3 in {tmp_path}/split/train, AtoB, 3 to 3 channels)"
    assert three.fingerprint != everything.fingerprint == open_rgb(tmp_path / "split", limit=99).fingerprint
    assert len(open_rgb(tmp_path / "split", limit=2, derive="gray")) == 2
    # Held out first: a limit moves no image from one split to the other.
    for split in ("train", "val"):
        assert open_rgb(tmp_path / "flat", split, limit=1).files == open_rgb(tmp_path / "flat", split).files[:1]


def test_any_source_can_be_exchanged(tmp_path):
    paint_halves(tmp_path / "train" / "1.png")
    forward, backward = open_rgb(tmp_path), open_rgb(tmp_path, direction="BtoA")
    exchanged = sources.SwappedPairs(forward)
    assert len(exchanged) == 1
    assert repr(exchanged) == f"SwappedPairs({forward!r})"
    assert values(exchanged[0]) == values(backward[0])
    assert exchanged[0]["name"] == "1"


# What is refused when a source is opened


def test_names_without_a_partner_are_counted_and_three_are_named(tmp_path):
    for name in "abc":
        paint(tmp_path / "trainA" / f"{name}.png")
    for name in "cdef":
        paint(tmp_path / "trainB" / f"{name}.png")
    with pytest.raises(ValueError, match=r"no partner .* \S*A/a\.png, \S*A/b\.png, \S*B/d\.png, \.\.\. \(5 in all\)"):
        open_rgb(tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path):
    for file in ("trainA/a.png", "trainA/a.bmp", "trainB/a.png"):
        paint(tmp_path / file)
    with pytest.raises(ValueError, match=r"trainA/a\.bmp differs from another image in its extension only"):
        open_rgb(tmp_path)


def test_missing_and_empty_folders_say_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*/none; wanted one with images"):
        open_rgb(tmp_path / "none")
    paint(tmp_path / "halved" / "trainA" / "a.png")
    with pytest.raises(FileNotFoundError, match=r"no folder .*/halved/trainB; wanted"):
        open_rgb(tmp_path / "halved")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images in .*; wanted .*\.png \.jpg.*trainA"):
        open_rgb(tmp_path / "empty")
    paint_halves(tmp_path / "test" / "1.png")
    with pytest.raises(FileNotFoundError, match=r"no folder .*/train; wanted"):
        open_rgb(tmp_path)


def test_settings_that_cannot_be_met_are_refused(tmp_path):
    paint_halves(tmp_path / "train" / "1.png")
    with pytest.raises(ValueError, match=r"4 and 3 channels are asked for; files have 1 \(gray\) or 3 \(RGB\)"):
        open_rgb(tmp_path, source_channels=4)
    with pytest.raises(ValueError, match=r"direction BtoA.*derive edges.*use direction AtoB"):
        open_rgb(tmp_path, derive="edges", direction="BtoA")
    with pytest.raises(
        ValueError, match=r"^limit is 0, which leaves no images; use at least 1, or none to read all\.$"
    ):
        open_rgb(tmp_path, limit=0)


# Decoding


def png16(color_type, channels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 4, 4, 16, color_type, 0, 0, 0)
    rows = (b"\0" + b"\x12\x34" * channels * 4) * 4
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def decoded(path, channels=3):
    source = open_rgb(path.parent, derive="gray", target_channels=channels)
    scan.check_headers(source)
    return source[0]["target"]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_orientation_is_applied(tmp_path, name):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the right half becomes the lower one
    Image.fromarray(image).save(tmp_path / name, exif=exif)
    upright = decoded(tmp_path / name)
    assert upright.shape == (32, 16, 3)
    assert upright[:8].max() < 10
    assert upright[-8:].min() > 245
    header = scan.read_headers(tmp_path, [name])[0]
    assert isinstance(header, scan.Header)
    assert (header.width, header.height, header.mode) == (16, 32, "RGB")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_over_white(tmp_path, mode):
    color = (100, 100, 100, 51) if mode == "RGBA" else (100, 51)
    Image.new(mode, (4, 4), color).save(tmp_path / "a.png")
    assert (decoded(tmp_path / "a.png") == 224).all()  # 0.2 * 100 + 0.8 * 255
    assert decoded(tmp_path / "a.png", channels=1).shape == (4, 4, 1)


def test_palette_is_expanded_and_its_transparency_is_white(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "a.png")
    assert (decoded(tmp_path / "a.png") == (255, 0, 0)).all()
    image.save(tmp_path / "a.png", transparency=1)
    assert (decoded(tmp_path / "a.png") == 255).all()


def test_gray_and_color_become_the_wanted_channels(tmp_path):
    for name, mode, color in (
        ("a.png", "L", 77),
        ("b.png", "RGB", (255, 0, 0)),
        ("c.tif", "CMYK", (0, 255, 255, 0)),
    ):
        (tmp_path / mode).mkdir()
        Image.new(mode, (4, 4), color).save(tmp_path / mode / name)
    assert (decoded(tmp_path / "L" / "a.png") == 77).all()
    assert (decoded(tmp_path / "RGB" / "b.png", channels=1) == 76).all()  # 0.299 * 255
    assert (decoded(tmp_path / "CMYK" / "c.tif") == (255, 0, 0)).all()


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (decoded(tmp_path / "a.gif") == (255, 0, 0)).all()


# Headers


def damage(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def test_truncated_image_is_named_when_it_is_decoded(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name in ("a.png", "a.jpg"):
        folder = tmp_path / name[2:]
        folder.mkdir()
        Image.fromarray(noise).save(folder / name)
        damage(folder / name, 3000)
        source = open_rgb(folder)
        scan.check_headers(source)
        with pytest.raises(ValueError, match=f"{folder / name} is damaged or not an image; replace or remove it"):
            source[0]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n\0\0"])
def test_files_that_are_no_images_are_named_and_counted(tmp_path, content):
    paint_halves(tmp_path / "a.png")
    for name in "bcd":
        (tmp_path / f"{name}.png").write_bytes(content)
    source = open_rgb(tmp_path, derive="gray", split="train")
    bad = sum(file[0] != "a.png" for file in source.files)
    with pytest.raises(ValueError, match=rf"\w\.png is damaged or not an image.* {bad - 1} more cannot be used"):
        scan.check_headers(source)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", png16(0, 1), "more than 8 bits a channel; convert it to 8 bits"),
        ("a.png", png16(2, 3), "more than 8 bits a channel"),
        ("a.png", png16(6, 4), "more than 8 bits a channel"),
        ("a.ppm", b"P6 4 4 65535\n" + bytes(96), "more than 8 bits a channel"),
        ("a.pgm", b"P5 4 4 65535\n" + bytes(32), "more than 8 bits a channel"),
    ],
)
def test_deep_images_are_refused_before_and_while_decoding(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    source = open_rgb(tmp_path)
    for use in (scan.check_headers, lambda source: source[0]):
        with pytest.raises(ValueError, match=f"{name} has {reason}"):
            use(source)


def test_float_images_are_refused_by_mode(tmp_path):
    Image.new("F", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif has mode F; convert it to 8 bits"):
        scan.check_headers(open_rgb(tmp_path))


@pytest.mark.parametrize("limit", [30, 45])  # Pillow raises above twice its limit and only warns above it
def test_huge_images_are_refused_by_their_header(tmp_path, monkeypatch, limit):
    paint_halves(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=rf"a\.png has more than {2 * limit} pixels.*scale it down"):
        scan.check_headers(open_rgb(tmp_path))


def test_pairs_of_two_sizes_are_refused_with_both(tmp_path):
    paint(tmp_path / "trainA" / "a.png", size=(8, 6))
    paint(tmp_path / "trainB" / "a.png", size=(8, 7))
    with pytest.raises(ValueError, match=r"A/a\.png is 8x6 but \S*B/a\.png is 8x7"):
        scan.check_headers(open_rgb(tmp_path))


def test_odd_width_is_refused_side_by_side_only(tmp_path):
    paint(tmp_path / "train" / "a.png", size=(7, 6))
    with pytest.raises(ValueError, match=r"a\.png is 7x6; A and B side by side need an even width"):
        scan.check_headers(open_rgb(tmp_path))
    scan.check_headers(open_rgb(tmp_path, derive="gray"))


@pytest.mark.parametrize(
    ("smallest", "expected"),
    [
        (9, "is 8x16; wanted at least 9 pixels on each side: enlarge or remove it"),
        ((16, 9), "is 8x16; wanted at least 9 pixels in width and 16 in height: enlarge or remove it"),
        ((17, 8), "is 8x16; wanted at least 8 pixels in width and 17 in height: enlarge or remove it"),
        (8, None),
        ((16, 8), None),
    ],
)
def test_images_smaller_than_wanted_are_named(tmp_path, smallest, expected):
    paint(tmp_path / "photos" / "a.png", size=(8, 16))
    paint(tmp_path / "halves" / "a.png", size=(16, 16))
    photos, halves = open_rgb(tmp_path / "photos", derive="gray"), open_rgb(tmp_path / "halves")
    if expected is None:
        scan.check_headers(photos, smallest=smallest)
        scan.check_headers(halves, smallest=smallest)
        return
    for source, message in ((photos, expected), (halves, expected.replace("8x16", "8x16 for A and B each"))):
        with pytest.raises(ValueError, match=rf"a\.png {message}\.$"):
            scan.check_headers(source, smallest=smallest)


def test_unreadable_image_is_named_with_a_remedy(tmp_path, monkeypatch):
    paint_halves(tmp_path / "a.png")
    source = open_rgb(tmp_path)

    def refuse(path, *rest):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    # Not by chmod: tests may run as root, who may read everything.
    monkeypatch.setattr(Image, "open", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=r"a\.png cannot be read; see that it exists and may be read, or remove it\.$"):
        scan.check_headers(source)
    with pytest.raises(PermissionError, match=r"a\.png cannot be read; see that it exists"):
        source[0]


def test_link_to_nowhere_is_named_with_a_remedy(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "none")
    with pytest.raises(ValueError, match=r"a\.png cannot be read; see that it exists"):
        scan.check_headers(open_rgb(tmp_path))


def test_headers_are_cached_until_the_file_changes(tmp_path, cache, monkeypatch):
    paint_halves(tmp_path / "a.png")
    scan.check_headers(open_rgb(tmp_path))
    assert len(list((cache / "gan_jax").iterdir())) == 1
    with monkeypatch.context() as without_pillow:
        without_pillow.setattr(Image, "open", None)
        scan.check_headers(open_rgb(tmp_path))
    paint(tmp_path / "a.png", size=(7, 6))
    with pytest.raises(ValueError, match="7x6"):
        scan.check_headers(open_rgb(tmp_path))


def test_cache_keeps_the_images_of_the_other_split(tmp_path, cache):
    for i in range(10):
        paint_halves(tmp_path / f"{i}.png")
    for split in ("train", "val"):
        scan.check_headers(open_rgb(tmp_path, split))
    (file,) = (cache / "gan_jax").iterdir()
    assert len(json.loads(file.read_text())) == 10


@pytest.mark.parametrize("content", [b"", b'{"a.png": [1', b"[1]", b'{"a.png": 3}', b"\xff\xfe"])
def test_damaged_cache_is_replaced(tmp_path, cache, content):
    paint_halves(tmp_path / "a.png")
    scan.check_headers(open_rgb(tmp_path))
    (file,) = (cache / "gan_jax").iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    scan.check_headers(open_rgb(tmp_path))
    assert file.read_bytes() == good


def test_cache_that_cannot_be_written_is_not_used(tmp_path, cache, monkeypatch):
    paint_halves(tmp_path / "a.png")
    (cache / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    scan.check_headers(open_rgb(tmp_path))


def test_fingerprint_sees_names_and_sizes_but_not_the_place(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (8, 6)).save(content, "PNG")
    prints = []
    for root, name, extra in (("x", "a", b""), ("y", "a", b""), ("x2", "b", b""), ("x3", "a", b"!")):
        folder = tmp_path / root
        folder.mkdir()
        (folder / f"{name}.png").write_bytes(content.getvalue() + extra)
        prints.append(open_rgb(folder).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
    assert len(bytes.fromhex(prints[0])) == 32


def test_vanished_file_is_no_damaged_one(tmp_path):
    paint_halves(tmp_path / "train" / "a.png")
    source = open_rgb(tmp_path)
    os.remove(tmp_path / "train" / "a.png")
    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        source[0]
    with pytest.raises(ValueError, match=r"a\.png"):
        scan.check_headers(source)


# Two kinds of images


def open_kind(root, side, split="train", **options):
    return layouts.open_side(root, split, side, **{"key": side, "channels": 3} | options)


@pytest.mark.parametrize("layout", ["{split}{side}", "{side}/{split}"])
def test_kinds_are_opened_apart_and_need_no_partners(tmp_path, layout):
    for split, side, count in (("train", "A", 3), ("train", "B", 2), ("test", "A", 1), ("val", "B", 1)):
        for i in range(count):
            paint(tmp_path / layout.format(split=split, side=side) / f"{side}{i}.png", i, size=(8 + i, 6))
    a, b = (open_kind(tmp_path, side) for side in "AB")
    assert (len(a), len(b)) == (3, 2)
    assert {name: value for name, value in a[2].items() if name != "A"} == {"name": "A2"}
    assert a[2]["A"].shape == (6, 10, 3)
    scan.check_headers(a)
    # val and test stand in for each other.
    assert open_kind(tmp_path, "A", "val").folders == (tmp_path / layout.format(split="test", side="A"),)
    assert open_kind(tmp_path, "B", "test").folders == (tmp_path / layout.format(split="val", side="B"),)
    assert len(open_kind(tmp_path, "A", limit=2)) == 2
    assert repr(b) == f"Images(2 in {tmp_path / layout.format(split='train', side='B')}, B, 3 channels)"


def test_without_split_folders_a_tenth_of_each_kind_is_held_out(tmp_path):
    for i in range(20):
        paint(tmp_path / "A" / f"{i}.png")
    paint(tmp_path / "B" / "1.png")
    train, test = (open_kind(tmp_path, "A", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (18, 2)
    assert {train.name(i) for i in range(18)}.isdisjoint({test.name(i) for i in range(2)})
    assert open_kind(tmp_path, "B", "val") is None


def test_a_missing_kind_is_named_with_what_was_found(tmp_path):
    paint(tmp_path / "trainA" / "1.png")
    assert open_kind(tmp_path, "B", "test") is None
    with pytest.raises(
        FileNotFoundError, match=r"no folder .*trainB; found trainA in .*, wanted trainA and trainB, or"
    ):
        open_kind(tmp_path, "B")
    (tmp_path / "trainB").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images in .*trainB"):
        open_kind(tmp_path, "B")
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        open_kind(tmp_path / "nowhere", "B")
    with pytest.raises(ValueError, match="limit is 0, which leaves no images"):
        open_kind(tmp_path, "A", limit=0)


def test_one_side_of_pairs(tmp_path):
    for i in range(4):
        paint_halves(tmp_path / "train" / f"{i}.png", a=i, b=100 + i)
    result = open_rgb(tmp_path)
    side = sources.OneSide(result, "target", "B", range(2, 4))
    assert (len(side), len(sources.OneSide(result, "source", "A"))) == (2, 4)
    assert (side[1]["name"], int(side[1]["B"][0, 0, 0]), set(side[1])) == ("3", 103, {"name", "B"})
    assert side.fingerprint == f"{result.fingerprint} target range(2, 4)"


def test_unpaired_is_as_long_as_its_longest_part(tmp_path):
    for side, count in (("A", 3), ("B", 2)):
        for i in range(count):
            paint(tmp_path / f"train{side}" / f"{side}{i}.png", i)
    both = sources.UnpairedDataset(*(open_kind(tmp_path, side) for side in "AB"))
    assert len(both) == 3
    assert [(int(both[i]["A"][0, 0, 0]), int(both[i]["B"][0, 0, 0])) for i in range(3)] == [(0, 0), (1, 1), (2, 0)]
    before = both.fingerprint
    paint(tmp_path / "trainB" / "B0.png", 5, size=(9, 9))
    assert sources.UnpairedDataset(*(open_kind(tmp_path, side) for side in "AB")).fingerprint != before


def test_the_files_of_a_split_are_found_under_any_layout(tmp_path):
    for name in ("train/b.png", "train/a.png", "val/c.png"):
        image_files.save(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    folders, files = layouts.files_of("test", lambda split: (tmp_path / split,), instead="")
    assert (folders, files) == ((tmp_path / "val",), [("c.png",)])
    assert layouts.files_of("train", lambda split: (tmp_path / split,), instead="")[1] == [("a.png",), ("b.png",)]


def test_a_tenth_is_held_out_and_never_all():
    files = [(f"{i}.png",) for i in range(20)]
    train, val = (layouts.held_out(files, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (18, 2)
    assert sorted(train + val) == sorted(files)
    assert layouts.held_out(files[:1], "train") == files[:1]
    assert layouts.held_out(files[:1], "test") == []


# What is said of a folder


def test_gray_is_gray(tmp_path):
    paint(tmp_path / "train" / "1.png")
    photos = layouts.open_pairs(str(tmp_path), "train", derive="gray", source_channels=1, target_channels=3)
    gray = open_rgb(tmp_path, derive="gray", source_channels=1)
    assert (photos, repr(photos), photos.fingerprint) == (gray, repr(gray), gray.fingerprint)


@pytest.mark.parametrize("layout", ["train{}", "{}/train", "{}"])
def test_single_photographs_are_not_looked_for_among_those_of_two_kinds(tmp_path, layout):
    for side in "AB":
        paint(tmp_path / layout.format(side) / "1.png")
    with pytest.raises(
        ValueError, match=r"derive blur makes A of single photographs, and .* has folders of A and of B"
    ):
        open_rgb(tmp_path, derive="blur")


def test_what_of_files_is_not_read_is_said(tmp_path):
    for name in ("1.png", "2.png"):
        paint_halves(tmp_path / "train" / name)
    (tmp_path / "train" / "3.heic").write_bytes(b"x")
    pairs = open_rgb(tmp_path)
    (note,) = pairs.notes
    assert note.startswith(f"{tmp_path / 'train'}: left out 3.heic, whose name or format is not")
    assert scan.check_headers(pairs) == ()
    frames = [Image.new("L", (16, 6), value) for value in (0, 100, 200)]
    frames[0].save(tmp_path / "train" / "4.gif", save_all=True, append_images=frames[1:])
    said = f"of files with several frames or pages the first is taken: {tmp_path / 'train' / '4.gif'} (3)."
    assert scan.check_headers(open_rgb(tmp_path)) == (said,)


def test_what_is_beside_the_folders_of_splits_is_said(tmp_path):
    paint_halves(tmp_path / "train" / "1.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    assert open_rgb(tmp_path).notes == ()
    paint_halves(tmp_path / "more" / "2.png")
    paint_halves(tmp_path / "3.png")
    words = f"{tmp_path} has folders of splits; what is beside them is not read: 3.png, more."
    assert open_rgb(tmp_path).notes == (words,)
    for side in "AB":
        paint(tmp_path / f"train{side}" / "1.png")
    (note,) = open_rgb(tmp_path).notes
    assert note.endswith("not read: 3.png, more, train.")
    single = layouts.open_side(tmp_path, "train", "A", key="A", channels=3)
    assert single.notes == (note,)
    assert layouts.left_out(tmp_path, [tmp_path], []) == ()
    both = sources.UnpairedDataset(sources.OneSide(open_rgb(tmp_path), "source", "A"), single)
    assert both.notes == (note, note)
    kinds = tmp_path / "kinds"
    for side in ("A", "B", "C"):
        paint(kinds / side / "1.png")
    assert [*layouts.open_side(kinds, "train", "A", key="A", channels=3).notes] == [
        f"{kinds} has folders of splits; what is beside them is not read: C."
    ]
