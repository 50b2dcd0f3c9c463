import pytest
from PIL import Image

from gan_jax.data import finding, layouts, scan
from gan_jax.data.demo import skimage_photos


def test_photographs_become_a_folder_to_train_on(tmp_path):
    pytest.importorskip("skimage")
    counts = skimage_photos.prepare(tmp_path)
    written = {split: finding.list_images(tmp_path / split) for split in ("train", "val", "test")}
    assert counts == {split: len(files) for split, files in written.items()} == {"train": 5, "val": 1, "test": 2}
    assert written["test"] == ["chelsea.png", "coffee.png"]
    assert len({file for files in written.values() for file in files}) == 8
    for split, files in written.items():
        for file in files:
            with Image.open(tmp_path / split / file) as photo:
                assert photo.mode == "RGB"
                assert min(photo.size) == 256
    source = layouts.open_pairs(tmp_path, "train", derive="gray", source_channels=1, target_channels=3)
    assert source is not None
    assert len(source) == 5
    scan.check_headers(source)


def test_photographs_keep_their_aspect(tmp_path):
    pytest.importorskip("skimage")
    skimage_photos.prepare(tmp_path)
    with Image.open(tmp_path / "test" / "coffee.png") as photo:
        assert photo.size == (384, 256)


def test_missing_extra_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(skimage_photos, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gan_jax\[photos\]'"):
        skimage_photos.prepare(tmp_path)
    assert not list(tmp_path.iterdir())
