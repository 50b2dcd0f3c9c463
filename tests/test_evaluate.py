import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import evaluate

GOLDEN = Path(__file__).parent / "golden" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())["pairs"]
RGB = evaluate.PROTOCOLS["rgb"]


@pytest.fixture
def folders(tmp_path):
    """Outputs and references of three golden pairs, one in a sub-folder and one under another extension."""
    for side, letter in (("out", "a"), ("ref", "b")):
        (tmp_path / side / "sub").mkdir(parents=True)
        for name, to in (("shift", "shift.png"), ("grey_noise", "sub/grey_noise.png"), ("identical", "same.png")):
            shutil.copy(GOLDEN / f"{name}_{letter}.png", tmp_path / side / to)
    with Image.open(tmp_path / "ref" / "shift.png") as picture:
        picture.save(tmp_path / "ref" / "shift.bmp")
    (tmp_path / "ref" / "shift.png").unlink()
    return tmp_path / "out", tmp_path / "ref"


def test_pictures_are_paired_by_path_and_scored_as_the_references_say(folders):
    result = evaluate.evaluate(*folders, RGB)
    assert [score.name for score in result.scores] == ["same", "shift", "sub/grey_noise"]
    for score, name in zip(result.scores, ("identical", "shift", "grey_noise"), strict=True):
        wanted = EXPECTED[name]["expected"]["rgb_crop0"]
        np.testing.assert_allclose(score.psnr, float(wanted["psnr_f64"]), rtol=1e-6)
        np.testing.assert_allclose(score.ssim, wanted["ssim_f64"], atol=1e-5)
    assert result.failures == []
    assert math.isinf(result.psnr)


def test_json_and_csv_hold_every_image_and_write_infinity_as_a_word(folders):
    result = evaluate.evaluate(*folders, RGB)
    values = json.loads(json.dumps(evaluate.as_json(result), allow_nan=False))
    assert values["protocol"]["name"] == "rgb"
    assert (values["count"], values["psnr"]) == (3, "inf")
    assert values["images"][0] == {"name": "same", "psnr": "inf", "ssim": values["images"][0]["ssim"]}
    rows = evaluate.as_csv(result).splitlines()
    assert rows[0] == "name,psnr,ssim"
    assert rows[1].startswith("same,inf,")
    assert len(rows) == 4


def test_the_table_names_images_mean_and_protocol(folders):
    lines = evaluate.as_table(evaluate.evaluate(*folders, RGB)).splitlines()
    assert [line.split()[0] for line in lines] == ["image", "same", "shift", "sub/grey_noise", "mean", "protocol"]


def test_pictures_without_partner_or_of_another_size_are_failures(folders):
    outputs, references = folders
    Image.new("RGB", (20, 20)).save(outputs / "alone.png")
    Image.new("RGB", (20, 20)).save(outputs / "shift.png")
    result = evaluate.evaluate(outputs, references, RGB)
    assert len(result.scores) == 2
    assert any("alone.png has no partner" in failure for failure in result.failures)
    assert any("shift.bmp is 121x101; make them one size" in failure for failure in result.failures)


def test_two_files_are_compared_whatever_their_names(folders):
    outputs, references = folders
    result = evaluate.evaluate(outputs / "shift.png", references / "shift.bmp", RGB)
    assert len(result.scores) == 1
    result = evaluate.evaluate(outputs / "same.png", references / "same.png", RGB)
    assert math.isinf(result.scores[0].psnr)


def test_nothing_in_common_and_nothing_there_are_said(folders, tmp_path):
    outputs, references = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        evaluate.evaluate(tmp_path / "nowhere", references, RGB)
    with pytest.raises(FileNotFoundError, match="no pictures in"):
        evaluate.evaluate(tmp_path / "empty", references, RGB)
    with pytest.raises(ValueError, match="are the same; give the outputs, then their references"):
        evaluate.evaluate(outputs, outputs / ".", RGB)
    with pytest.raises(ValueError, match="give two folders whose pictures have the same names"):
        evaluate.evaluate(outputs / "sub", references, RGB)


def test_two_pictures_of_one_name_cannot_be_paired(folders):
    outputs, _ = folders
    Image.new("RGB", (20, 20)).save(outputs / "shift.bmp")
    with pytest.raises(ValueError, match=r"have one name; keep one of them"):
        evaluate.by_stem(outputs)


def test_one_image_and_means():
    black, white = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 255, np.uint8)
    score = evaluate.score("x", black, white)
    assert score.name == "x"
    np.testing.assert_allclose(score.psnr, 0.0, atol=1e-5)
    assert evaluate.mean([1.0, 2.0]) == 1.5
    assert math.isnan(evaluate.mean([]))


def test_numbers_that_json_lacks_become_words():
    assert [evaluate.json_number(x) for x in (1.5, math.inf, math.nan)] == [1.5, "inf", "nan"]
