"""Words for what comes with the program, beside files and folders of their names."""

import pytest

from gan_jax import builtin


def test_a_word_of_the_programs_own_and_a_folder_of_its_name_are_never_confused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("photos", "tfds:")
    assert [builtin.word(word, *words) for word in ("photos", "builtin:photos")] == ["photos"] * 2
    assert [builtin.word(word, *words) for word in ("tfds:mnist", "builtin:tfds:mnist")] == ["tfds:mnist"] * 2
    for path in ("photographs", "photos/", "./photos", "embedded", "data/photos", "~/photos", "."):
        assert builtin.word(path, *words) is None
    with pytest.raises(
        ValueError, match=r"there is builtin:photos and builtin:tfds:NAME; a folder of that name is \./b"
    ):
        builtin.word("builtin:embedded", *words)
    (tmp_path / "photos").mkdir()
    (tmp_path / "tfds:mnist").write_text("a file")
    for word in ("photos", "tfds:mnist"):
        with pytest.raises(ValueError, match=f"give --dataroot ./{word} or --dataroot builtin:{word}"):
            builtin.word(word, *words)
        assert builtin.word(f"builtin:{word}", *words) == word
        assert builtin.word(f"./{word}", *words) is None
    (tmp_path / "embedded").symlink_to("nowhere")
    with pytest.raises(ValueError, match="--dataroot embedded may mean"):
        builtin.word("embedded", "embedded")
