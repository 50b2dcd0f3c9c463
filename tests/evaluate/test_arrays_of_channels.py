"""Scores of arrays of channels: the peak is that of the dtype or of the range that is said."""

import json
import math

import numpy as np
import pytest
from skimage import metrics as skimage_metrics

from gan_jax import cli, evaluate
from gan_jax.data import rasters
from gan_jax.evaluate import scoring
from gan_jax.values import Values, values_of

RNG = np.random.default_rng(0)
REFERENCE = RNG.integers(5000, 60_000, (24, 28, 5), dtype=np.uint16)
OUTPUT = (REFERENCE + RNG.integers(-900, 900, REFERENCE.shape)).astype(np.uint16)
DEEP = evaluate.BANDS._replace(values=values_of("uint16"), channels=5)


def test_psnr_of_16_bits_by_hand():
    reference = np.full((12, 12, 5), 1000, np.uint16)
    output = reference.copy()
    output[..., 2] += 650  # 650 off in one of five channels
    by_hand = 10 * math.log10(65_535**2 / (650**2 / 5))
    assert evaluate.score("x", output, reference, DEEP).psnr == pytest.approx(by_hand, abs=1e-9)
    of_range = evaluate.BANDS._replace(values=values_of("uint16", (0, 10_000)), channels=5)
    by_hand = 10 * math.log10(10_000**2 / (650**2 / 5))
    assert evaluate.score("x", output, reference, of_range).psnr == pytest.approx(by_hand, abs=1e-9)


def test_scores_are_those_of_scikit_image():
    score = evaluate.score("x", OUTPUT, REFERENCE, DEEP)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2, "full": True}
    assert score.psnr == pytest.approx(
        skimage_metrics.peak_signal_noise_ratio(REFERENCE, OUTPUT, data_range=65_535), abs=1e-9
    )
    _, maps = skimage_metrics.structural_similarity(REFERENCE, OUTPUT, data_range=65_535, **options)
    assert score.ssim == pytest.approx(maps[5:-5, 5:-5].mean(), abs=1e-5)
    # Units: the same numbers from -1000 on, as floats.
    floats = Values("float32", -1000.0, 64_535.0)
    shifted = (side.astype(np.float32) - 1000 for side in (OUTPUT, REFERENCE))
    same = evaluate.score("x", *shifted, evaluate.BANDS._replace(values=floats, channels=5))
    assert same.values == pytest.approx(score.values, abs=1e-6)


def test_the_protocol_says_numbers_peak_and_channels():
    assert DEEP.title == (
        "bands: uint16 from 0 to 65,535, peak 65,535, all 5 channels as they are, no border cropped, "
        "mean of the images' values"
    )
    one = evaluate.BANDS._replace(values=Values("float32", -1000.0, 3000.0), channels=1, crop_border=2)
    assert "peak 4,000, the channel as it is, 2 pixels cropped from each border" in one.description
    with pytest.raises(TypeError, match="wanted uint16"):
        scoring.cropped(OUTPUT.astype(np.float32), REFERENCE.astype(np.float32), DEEP, ["psnr"])


@pytest.fixture
def folders(tmp_path):
    for i in range(2):
        rasters.write(tmp_path / "out" / f"{i}.tif", OUTPUT, "samples")
        rasters.write(tmp_path / "ref" / f"{i}.npy", REFERENCE, "samples")
    return str(tmp_path / "out"), str(tmp_path / "ref")


def test_the_command_line_scores_folders(folders, tmp_path, capsys):
    assert cli.main(["evaluate", *folders, "--bands", "samples", "--json", str(tmp_path / "x.json")]) == 0
    scores = json.loads((tmp_path / "x.json").read_text())
    assert scores["psnr"] == pytest.approx(evaluate.score("x", OUTPUT, REFERENCE, DEEP).psnr)
    assert scores["protocol"]["values"] == {"dtype": "uint16", "low": 0.0, "high": 65_535.0}
    assert scores["protocol"]["channels"] == 5
    assert "protocol bands: uint16 from 0 to 65,535, peak 65,535, all 5" in capsys.readouterr().out
    assert cli.main(["evaluate", *folders, "--bands", "samples", "--values", "0:10000"]) == 0
    assert "peak 10,000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--bands", "samples", "--y_channel"], "--bands compares numbers as they are; leave out luma"),
        (["--bands", "samples", "--metrics", "lpips"], "leave out luma, --self_check and lpips"),
        (["--bands", "samples", "--protocol", "srgan"], "--protocol srgan compares images, and --bands arrays"),
        (["--values", "0:1"], "--values is for arrays of channels; give --bands too"),
        (["--bands", "samples", "--values", "1"], "wanted two numbers LOW:HIGH"),
        (["--bands", "samples", "--values", "0:70000"], "is wider than that of uint16"),
    ],
)
def test_what_cannot_be_scored_is_a_sentence(folders, flags, words, capsys):
    assert cli.main(["evaluate", *folders, *flags]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_arrays_of_another_kind_are_named_and_floats_want_a_range(folders, tmp_path, capsys):
    rasters.write(tmp_path / "out" / "1.tif", OUTPUT[..., :4], "samples")
    assert cli.main(["evaluate", *folders, "--bands", "samples"]) == 2
    assert "out/1.tif is uint16 in 4 channels, and the first reference uint16 in 5 channels; make them alike." in (
        capsys.readouterr().err
    )
    for side, array in (("out", OUTPUT), ("ref", REFERENCE)):
        rasters.write(tmp_path / "f" / side / "x.tif", array[..., :1].astype(np.float32), "samples")
    floats = [str(tmp_path / "f" / side) for side in ("out", "ref")]
    assert cli.main(["evaluate", *floats, "--bands", "samples"]) == 2
    assert "is float32, whose range is not known (its numbers are 5" in capsys.readouterr().err
    assert cli.main(["evaluate", *floats, "--bands", "samples", "--values=-1000:64535"]) == 0
    assert "float32 from -1,000 to 64,535, peak 65,535, the channel as it is" in capsys.readouterr().out
    assert cli.main(["evaluate", *folders]) == 2  # without --bands
    assert "are .npy; --bands samples reads them" in capsys.readouterr().err
