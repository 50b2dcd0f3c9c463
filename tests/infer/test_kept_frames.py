"""The folder of a video's frames: what it says of them, whose it is, and what is read from it."""

import json

import numpy as np
import pytest

from gan_jax.data import image_files, video
from gan_jax.infer import kept_frames
from gan_jax.infer.engine import Options
from tests.errors.cases import refusing


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"a clip")
    return tmp_path / "clip.mp4"


def test_what_decides_the_pixels_is_described(clip, tiny_generator):
    def described(generator, options=Options(), **asked):  # noqa: B008 - a tuple
        return kept_frames.described(generator, clip, options, **{"batch_size": 1, "seed": 0, **asked})

    generator = tiny_generator()
    plain = described(generator)
    assert json.loads(json.dumps(plain)) == plain

    def differing(other):
        return {name for name in plain if plain[name] != other[name]}

    assert differing(described(tiny_generator())) == set()
    assert differing(described(generator, Options(64, 2.5, True))) == {"tile", "outscale", "self_ensemble"}
    assert differing(described(generator, batch_size=2, seed=1)) == {"batch_size", "seed"}
    assert differing(described(tiny_generator(norm="running"))) == {"norm"}
    still = tiny_generator(dropout=False)
    assert differing(described(still)) == {"dropout"}
    assert described(still) == described(still, seed=1)  # draws nothing
    generator.variables["params"]["down1"]["kernel"] = generator.variables["params"]["down1"]["kernel"] + 1.0
    assert differing(described(generator)) == {"generator"}
    clip.write_bytes(b"b clip")  # of the same size
    assert differing(described(generator)) == {"clip", "generator"}


def test_a_folder_is_of_one_job(tmp_path):
    asked = {"clip": "a1", "generator": "b2", "tile": None, "batch_size": 1}
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / ".DS_Store").write_text("x")
    for folder in (tmp_path / "new" / "frames", empty):
        kept_frames.enter(folder, asked)
        assert json.loads((folder / kept_frames.FRAMES_JSON).read_text()) == asked
        kept_frames.enter(folder, asked)
    other = {**asked, "clip": "a2", "tile": 64}
    with pytest.raises(ValueError, match="of another job: the clip is another; --tile was None and is 64"):
        kept_frames.enter(empty, other)
    (empty / kept_frames.FRAMES_JSON).write_text("[]")
    with pytest.raises(ValueError, match=r"frames.json is damaged; name another folder, or remove .*empty"):
        kept_frames.enter(empty, asked)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="file is a file; wanted a folder"):
        kept_frames.enter(tmp_path / "file", asked)
    with pytest.raises(ValueError, match=r"holds files but no frames.json, so no frames of ours; name another"):
        kept_frames.enter(tmp_path, asked)


@pytest.mark.parametrize("channels", [1, 3])
def test_frames_come_back_as_they_were_kept(tmp_path, channels, monkeypatch):
    said = []
    kept = kept_frames.KeptFrames(tmp_path, (6, 4, channels), said.append)
    frames = np.random.default_rng(0).integers(0, 256, (3, 6, 4, channels), np.uint8)
    kept.write({0: frames[0], 2: frames[1], 1_000_000: frames[2]})
    assert {path.name for path in tmp_path.iterdir()} == {"000000.png", "000002.png", "1000000.png"}
    assert kept.count() == 3
    found = kept.read(range(3))
    assert list(found) == [0, 2]
    np.testing.assert_array_equal(list(found.values()), frames[:2])
    (tmp_path / "000000.png").write_bytes(b"")  # as a machine without power leaves it
    image_files.save(tmp_path / "000002.png", np.zeros((6, 5, channels), np.uint8))
    assert kept.read(range(3)) == {}
    assert [words.partition(".png ")[2] for words in said] == [
        "is damaged or not an image; it is computed again.",
        "has 5x6 pixels and frames here have 4x6; it is computed again.",
    ]
    refusing(image_files, "save")(monkeypatch)
    with pytest.raises(video.BrokenError, match=r"000001.png cannot be written \(No space left on device\); make room"):
        kept.write({1: frames[0]})
