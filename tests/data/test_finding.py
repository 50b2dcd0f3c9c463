import os

import numpy as np
import pytest

from gan_jax.data import finding, image_files


def colors(height=4, width=6):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_looks_like_an_image_and_is_left_out_is_named(tmp_path):
    image_files.save(tmp_path / "a.png", colors())
    image_files.save(tmp_path / "b.jpg", colors())
    (tmp_path / "b.jpg").rename(tmp_path / "without extension")
    image_files.save(tmp_path / "sub" / "c.webp", colors())
    (tmp_path / "sub" / "c.webp").rename(tmp_path / "sub" / "c.webp_")
    (tmp_path / "phone.HEIC").write_bytes(bytes(32))
    for name in ("notes.txt", "list.csv", ".hidden.png"):
        (tmp_path / name).write_text("no image")
    result = finding.survey(tmp_path)
    assert result == (["a.png"], ["phone.HEIC", "sub/c.webp_", "without extension"])
    assert result.note == (
        "left out phone.HEIC, sub/c.webp_, without extension, whose names or formats are not read; rename them or "
        "convert them to PNG"
    )
    assert finding.notes([tmp_path, tmp_path / "a.png"]) == [f"{tmp_path}: {result.note}."]


def test_a_pipe_is_no_image(tmp_path):
    for name in ("pipe", "pipe.png"):
        os.mkfifo(tmp_path / name)
    assert finding.survey(tmp_path) == ([], [])
    (tmp_path / "x").write_bytes(b"GIF89a")
    assert finding.looks_like_image(tmp_path / "x")
    assert not finding.looks_like_image(tmp_path / "nowhere")


def test_links_are_followed_and_do_not_go_round(tmp_path):
    image_files.save(tmp_path / "there" / "a.png", colors())
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "there")
    (tmp_path / "here" / "b.png").symlink_to(tmp_path / "there" / "a.png")
    (tmp_path / "there" / "back").symlink_to(tmp_path / "here")
    assert finding.list_images(tmp_path / "here") == ["b.png", "linked/a.png"]


def test_links_to_nowhere_and_to_themselves_stop_nothing_and_are_named(tmp_path):
    image_files.save(tmp_path / "a.png", colors())
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("not here")
    (tmp_path / "b.png").symlink_to("not here either")
    assert finding.survey(tmp_path) == (["a.png", "b.png"], ["loop", "nowhere"]), "b.png is named by its reader"


def test_a_folder_inside_that_may_not_be_looked_into_is_left_out_and_named(tmp_path, monkeypatch):
    image_files.save(tmp_path / "a.png", colors())
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refused(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(finding.os, "scandir", refused)
    assert finding.survey(tmp_path) == (["a.png"], ["closed"])


def test_a_folder_that_may_not_be_looked_into_is_said(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(finding.os, "scandir", refused)
    with pytest.raises(PermissionError):
        finding.list_images(tmp_path)


def test_a_stem_is_the_path_without_its_extension():
    assert [finding.stem(name) for name in ("a.png", "b/c.d.jpg", "e")] == ["a", "b/c.d", "e"]
