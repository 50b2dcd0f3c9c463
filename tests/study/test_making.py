"""The page of a study holds its images and settings, and needs nothing else."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli, study
from gan_jax.data import image_files


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for method in ("a", "b", "real"):
        for k in range(8):
            image_files.save(tmp_path / method / f"{k}.png", rng.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    return tmp_path


def told(page):
    text = page.read_text()
    return json.loads(re.search(r'<script id="study" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def pixels(uri):
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image)


def test_the_page_holds_everything(folders, capsys):
    out = folders / "out"
    line = ["study", str(folders / "a"), str(folders / "b"), "--truth", str(folders / "real"), str(out), "--seed", "5"]
    assert cli.main(line) == 0
    said = capsys.readouterr()
    assert "index.html: 8 scenes of a, b, 0.0 MiB" in said.out
    assert "raters judge fewer than 40" in said.err
    assert [path.name for path in out.iterdir()] == ["index.html"]
    content = told(out / "index.html")
    assert (content["kind"], content["methods"], content["seed"], content["seconds"]) == ("choice", ["a", "b"], 5, 1.0)
    for method, folder in (("a", "a"), ("truth", "real")):
        expected = image_files.read(folders / folder / "3.png", 3)
        np.testing.assert_array_equal(pixels(content["scenes"]["3"][method]), expected)
    text = (out / "index.html").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"']?(?!data:)\w+:", text)
    assert "default-src 'none'" in text
    before = (out / "index.html").read_bytes()
    assert cli.main(line) == 0
    assert (out / "index.html").read_bytes() == before


def test_opinions_are_calibrated_by_the_truth_and_its_coarsest(folders):
    made = study.make({"a": folders / "a"}, folders / "real", kind="mos")
    assert made.methods == ("a", "truth")
    assert [score for score, _ in made.calibration] == [1, 5] * 5
    coarse = pixels(made.calibration[0][1])
    assert coarse.shape == (8, 12, 3)
    np.testing.assert_array_equal(coarse[:4, :4], np.broadcast_to(coarse[0, 0], (4, 4, 3)))
    alone = study.make({"a": folders / "a"}, kind="mos")
    assert (alone.methods, alone.calibration) == (("a",), [])
    assert alone.digest != made.digest


def test_names_cannot_end_the_script(folders, tmp_path):
    image_files.save(tmp_path / "odd" / "<" / "script><b>.png", np.zeros((8, 8, 3), np.uint8))
    made = study.make({"odd": tmp_path / "odd"}, kind="mos")
    assert list(told(study.write(tmp_path / "out", made))["scenes"]) == ["</script><b>"]


def test_what_would_tell_the_images_apart_is_refused(folders):
    with pytest.raises(ValueError, match="asks which image is the real one; give --truth"):
        study.make({"a": folders / "a"})
    image_files.save(folders / "a" / "3.png", np.zeros((9, 12, 3), np.uint8))
    with pytest.raises(ValueError, match="the images of 3 have different sizes"):
        study.make({"a": folders / "a"}, folders / "real")
    with pytest.raises(ValueError, match="a folder of a method is called truth"):
        study.make({"truth": folders / "a"}, kind="mos")
    image_files.save(folders / "other" / "x.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="have no image of one name"):
        study.make({"a": folders / "a", "other": folders / "other"}, kind="mos")
