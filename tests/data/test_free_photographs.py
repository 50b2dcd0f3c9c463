"""Photographs out of Debian's packages: small packages made here, fetched by file: addresses."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import free_photographs


def deb(files):
    """A package: an `ar` archive of three members, the last a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    parts = (b"debian-binary", b"2.0\n"), (b"control.tar.xz", b"odd"), (b"data.tar.xz", packed.getvalue())
    head = b"%-16s0           0     0     100644  %-10d`\n"
    return b"!<arch>\n" + b"".join(head % (name, len(data)) + data + b"\n" * (len(data) % 2) for name, data in parts)


def read(path):
    """The pixels of a file, which is closed."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three photographs in a mirror of its own."""
    photo = np.random.default_rng(0).integers(0, 256, (600, 1200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "png", compress_level=0)
    data = deb({f"usr/photos/{name}.png": buffer.getvalue() for name in "abc"})
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "x+1_all.deb").write_bytes(data)
    monkeypatch.setattr(free_photographs, "_MIRROR", f"{tmp_path.as_uri()}/")
    made = free_photographs.Package(
        "pool/x+1_all.deb", hashlib.sha256(data).hexdigest(), "usr/photos", ["a.png"], ["b.png"], ["c.png"]
    )
    monkeypatch.setattr(free_photographs, "PACKAGES", {"x": made})
    return photo


def test_photographs_are_written_by_split(package, tmp_path):
    counts = free_photographs.prepare(tmp_path / "free", tmp_path / "debs")
    assert counts == {"train": 3, "val": 1, "test": 1, "native": 1}
    written = [path.relative_to(tmp_path / "free") for path in tmp_path.rglob("x_*.png")]
    sizes = {path.as_posix(): read(tmp_path / "free" / path).shape[1::-1] for path in written}
    assert sizes == {
        "train/x_a.png": (1200, 600),
        "train/x_a_half.png": (600, 300),
        "train/x_a_third.png": (400, 200),
        "val/x_b.png": (512, 300),
        "test/x_c.png": (1024, 512),
        "native/x_c.png": (1024, 600),
    }
    np.testing.assert_array_equal(read(tmp_path / "free/train/x_a.png"), package)
    assert (tmp_path / "debs" / "x+1_all.deb").exists()  # and is not fetched again


def test_a_package_that_is_another_or_not_there_is_refused(package, tmp_path):
    (tmp_path / "debs").mkdir()
    (tmp_path / "debs" / "x+1_all.deb").write_bytes(b"other")
    with pytest.raises(ValueError, match="remove it, to fetch it anew"):
        free_photographs.prepare(tmp_path / "free", tmp_path / "debs")
    (tmp_path / "pool" / "x+1_all.deb").unlink()
    with pytest.raises(OSError, match="put the file from snapshot"):
        free_photographs.prepare(tmp_path / "free", tmp_path / "none")


def test_no_scene_is_in_two_splits_and_the_test_photographs_are_lomiris():
    for name, package in free_photographs.PACKAGES.items():
        assert not set(package.train) & set(package.val)
        assert name.startswith("lomiri") == bool(package.test)
        assert not (package.test and (package.train or package.val))
    assert sum(len(package.test) for package in free_photographs.PACKAGES.values()) == 14
