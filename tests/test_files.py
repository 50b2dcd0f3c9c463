import os

import pytest

from gan_jax import files

NAMES = [
    b"\x83e",
    "日本.txt".encode(),
    b"a b.json",
    b"two\nlines",
    b"n" * 255,
    b"x." + b"e" * 253,
    b"-x",
    b"{}%s#?&.csv",
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_any_name_that_the_system_allows_is_written_whole(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    files.require_possible(path)
    files.write(path, "text")
    files.write(path, b"more")
    assert os.listdir(os.fsencode(tmp_path)) == [name]
    assert path.read_bytes() == b"more"


def test_text_keeps_the_bytes_of_names(tmp_path):
    files.write(tmp_path / "x.csv", os.fsdecode(b"\x83e") + ",ü\n")
    assert (tmp_path / "x.csv").read_bytes() == b"\x83e," + "ü\n".encode()


def test_a_file_is_whole_or_as_it_was(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), files.unfinished(tmp_path / "a") as part:
        part.write_text(str(1 / 0) if part.write_text("half") else "")
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_kill_leaves_is_known_by_its_name():
    for name in ("a.png", "config.json", "n" * 255, ".hidden", "x." + "e" * 200):
        assert files.is_part(files.part_name(name))
        assert len(files.part_name(name)) < 40
        assert not files.is_part(name)
    assert os.path.splitext(files.part_name("a.png"))[1] == ".png", "writers choose their format by it"
    assert files.part_name("a.png") != files.part_name("b.png")


@pytest.mark.parametrize("path", ["n" * 256, f"{'d' * 256}/x.png", f"new/{'ü' * 128}.png"])
def test_names_that_cannot_be_made_are_said(tmp_path, path):
    with pytest.raises(ValueError, match=r"cannot be made: its name has \d+ bytes, and the file system takes 255"):
        files.require_possible(tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_names_are_shown_in_characters_that_a_page_or_a_table_takes():
    assert files.shown("plain ü 日本.png") == "plain ü 日本.png"
    assert files.shown(os.fsdecode(b"\x83e\n\x1b[31m.png")) == r"\x83e\n\x1b[31m.png"


def test_a_lock_is_held_by_one_program_and_names_it(tmp_path):
    lock = tmp_path / "lock"
    with files.locked(lock, "this"):
        with (
            pytest.raises(ValueError, match=f"process {os.getpid()} on .* is training this;"),
            files.locked(lock, "this"),
        ):
            pass
        assert lock.exists()
    assert not lock.exists()
