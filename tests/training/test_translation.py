"""Scores of the results table."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np

from gan_jax import evaluate, infer
from gan_jax.data import image_files
from gan_jax.data.demo.facades import Facades
from gan_jax.data.sources import fingerprint
from gan_jax.training import translation


def images(n=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 12, 14, 3), dtype=np.uint8)


def test_scores_of_the_truth():
    scores = translation.score(images(), images(), images())
    assert (scores["psnr"], scores["sharpness"]) == (np.inf, 1.0)
    assert [scores[f"histogram/{name}"] for name in "Lab"] == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(scores["ssim"], 1.0, atol=1e-6)


def test_scores_are_those_of_the_protocol_that_is_named():
    targets = [*images(), np.full((16, 40, 3), 9, np.uint8)]
    outputs = [*images(seed=1), np.full((16, 40, 3), 12, np.uint8)]
    protocol = evaluate.PROTOCOLS["rgb"]
    each = [evaluate.score("", *pair, protocol) for pair in zip(outputs, targets, strict=True)]
    ours = translation.score(outputs, targets, outputs)
    for name in ("psnr", "ssim"):
        np.testing.assert_allclose(ours[name], np.mean([score.values[name] for score in each]), rtol=1e-12)
    assert translation.TranslationEvaluator({}).protocol == f"rgb: {protocol.description}"


def test_sharpness_is_a_ratio_of_means_so_that_one_flat_image_does_no_harm():
    targets = images()
    targets[1] = 100
    scores = translation.score(images(), targets, targets)
    assert 1.0 < scores["sharpness"] < 3.0
    flat = np.full_like(targets, 9)
    assert np.isnan(translation.score(images(), flat, flat)["sharpness"])


def test_label_scores_see_outputs_targets_and_sources():
    def label_scores(outputs, targets, sources):
        return {"source": float((outputs == sources).mean()), "target": float((outputs == targets).mean())}

    scores = translation.score(images(), images(seed=1), images(), label_scores=label_scores)
    assert scores["label/source"] == 1.0
    assert scores["label/target"] < 0.1


def test_histograms_are_those_of_all_pixels_of_images_of_any_sizes():
    black, white = np.zeros((12, 14, 3), np.uint8), np.full((24, 14, 3), 255, np.uint8)
    scores = translation.score([black, black[:, ::-1]], [black, black], [black, black])
    assert scores["histogram/L"] == 1.0
    scores = translation.score([black, white], [black, np.zeros_like(white)], [black, white])
    np.testing.assert_allclose(scores["histogram/L"], 1 / 3, rtol=1e-6)
    gray = translation.score(images()[..., :1], images()[..., :1], images())
    assert not any(name.startswith("histogram") for name in gray)


def test_the_table_has_a_line_a_row():
    rows = [{"name": "generator", "psnr": 20.0, "label/iou": 0.5}, {"name": "truth", "psnr": "inf", "label/iou": 1.0}]
    lines = translation.score_table({"count": 2, "split": "test", "protocol": "rgb: all", "rows": rows}).splitlines()
    assert lines[0] == "2 images of the test split; rgb: all"
    assert lines[1].split() == ["psnr", "iou"]
    assert lines[2].split() == ["generator", "20.0000", "0.5000"]
    assert lines[3].split() == ["truth", "inf", "1.0000"]


def test_json_is_written_whole_and_read_back(tmp_path):
    assert translation.read_scores(tmp_path) is None
    translation.write_json(tmp_path / "scores.json", {"step": 3})
    assert translation.read_scores(tmp_path) == {"step": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]
    (tmp_path / "scores.json").write_text(json.dumps([1]))
    assert translation.read_scores(tmp_path) is None


def task(val=2, test=2, **fields):
    sources = (None if count is None else Facades(split, count, 32) for split, count in (("val", val), ("test", test)))
    return translation.Task(
        *sources, val_transform=lambda pair, rng: pair, test_transform=lambda pair, rng: pair, **fields
    )


def test_a_table_of_the_same_generator_and_images_is_not_made_again(tmp_path, tiny_generator):
    models = {"generator": tiny_generator()}
    evaluator = translation.TranslationEvaluator({"generator": task()})
    first = evaluator.test(models, tmp_path)
    assert first["fingerprint"] == fingerprint(evaluator.splits["test"])
    (tmp_path / "output" / "test_0000.png").unlink()
    assert evaluator.test(models, tmp_path) == first
    assert not (tmp_path / "output" / "test_0000.png").exists()
    assert translation.TranslationEvaluator({"generator": task(test=3)}).test(models, tmp_path)["count"] == 3


def test_two_generators_have_a_task_each(tmp_path, tiny_generator):
    back = task(source="target", target="source", baselines={"copy": lambda image: image}, scores_truth=True)
    evaluator = translation.TranslationEvaluator({"AtoB": task(), "BtoA": back})
    models = dict.fromkeys(evaluator.tasks, tiny_generator())
    assert set(evaluator.splits) == {"val AtoB", "val BtoA", "test AtoB", "test BtoA"}
    scores, image = evaluator.validate(models)
    assert {name for name in scores if name.endswith("psnr")} == {"AtoB/psnr", "BtoA/psnr"}
    assert image.shape == evaluator.references()["input"].shape == evaluator.references()["target"].shape == (64, 64, 3)
    np.testing.assert_array_equal(evaluator.references()["input"][:32], evaluator.references()["target"][32:])
    errors = [10 ** (-scores[f"{name}/psnr"] / 20) for name in evaluator.tasks]
    np.testing.assert_allclose(evaluator.selection_loss(scores), np.mean(errors))
    table = evaluator.test(models, tmp_path)
    assert [row["name"] for row in table["rows"]] == ["AtoB", "BtoA", "BtoA: copy", "BtoA: ground truth"]
    assert table["rows"][-1]["psnr"] == "inf"
    assert (tmp_path / "output" / "BtoA" / "test_0001.png").exists()
    # An untrained network: its input, which is the target, is nearer; of the truth nothing is said.
    (note,) = table["notes"]
    assert note.startswith(
        "nearer to the true images than BtoA, in PSNR and SSIM: BtoA: copy. It has learned too little"
    )
    # A method's own scores may be others.
    other = task(baselines={"copy": lambda image: image}, score=lambda *_: {"likeness": 1.0})
    alone = translation.TranslationEvaluator({"generator": other})
    assert "notes" not in alone.test({"generator": tiny_generator()}, tmp_path / "other")


def test_without_targets_there_are_images_and_no_scores(tmp_path, tiny_generator):
    evaluator = translation.TranslationEvaluator({"generator": task(target=None)})
    models = {"generator": tiny_generator()}
    scores, image = evaluator.validate(models)
    assert (evaluator.selection_loss(scores), image.shape) == (None, (32, 64, 3))
    assert set(scores) == {"health/agreement", "health/contrast", "health/variety"}
    assert set(evaluator.references()) == {"input"}
    table = evaluator.test(models, tmp_path)
    assert table["rows"] == []
    assert translation.score_table(table) == "2 images of the test split; nothing says what these images should be."
    assert translation.score_table({**table, "count": 0, "unscored": "none"}) == "none."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input", "output", "scores.json"]


def test_the_way_back_is_taken_from_the_output_and_from_the_input(tmp_path, tiny_generator):
    there = task(back="BtoA", title="A to B", captions={"output": "fake B"}, baselines={"copy": lambda image: image})
    evaluator = translation.TranslationEvaluator({"AtoB": there, "BtoA": task(source="target", target=None)})
    models = {"AtoB": tiny_generator(), "BtoA": tiny_generator(dropout=False)}
    assert evaluator.captions == {"AtoB": {"title": "A to B", "output": "fake B"}}
    assert [row["name"] for row in evaluator.test(models, tmp_path)["rows"]] == ["A to B", "A to B: copy"]

    def read(kind):
        return image_files.read(tmp_path / kind / "AtoB" / "test_0000.png", 3)

    for kind, seen in (("output", "input"), ("reconstructed", "output"), ("identity", "input")):
        model = models["AtoB" if kind == "output" else "BtoA"]
        np.testing.assert_array_equal(read(kind), infer.translate(model, read(seen)))
    assert not (tmp_path / "reconstructed" / "BtoA").exists()
    # A generator that takes gray images has no identity of colored ones.
    gray = {"AtoB": tiny_generator(out_channels=1), "BtoA": tiny_generator(in_channels=1)}
    there = task(back="BtoA", target=None)
    translation.TranslationEvaluator({"AtoB": there, "BtoA": task(val=None, test=None)}).test(gray, tmp_path / "gray")
    kinds = sorted(path.name for path in (tmp_path / "gray").iterdir())
    assert kinds == ["input", "output", "reconstructed", "scores.json"]


def test_without_targets_variety_is_compared_with_images_of_the_other_kind(tiny_generator):
    """Those of one brightness vary little, however much the inputs do."""
    sides = {"A": [0, 80, 160, 240], "B": [100, 104, 108, 112]}
    sources = {
        kind: [{"name": str(level), kind: np.full((8, 8, 3), level, np.uint8)} for level in levels]
        for kind, levels in sides.items()
    }
    tasks = {
        f"{a}to{b}": dataclasses.replace(task(), val=sources[a], source=a, target=None, back=f"{b}to{a}")
        for a, b in ("AB", "BA")
    }
    models = dict.fromkeys(tasks, tiny_generator(dropout=False))
    known, _ = translation.TranslationEvaluator(tasks).validate(models)
    alone = {name: dataclasses.replace(task, back=None) for name, task in tasks.items()}
    blind, _ = translation.TranslationEvaluator(alone).validate(models)
    ratio = known["AtoB/health/variety"] / blind["AtoB/health/variety"]
    np.testing.assert_allclose(ratio, 80 / 4, rtol=1e-6)  # of equally spaced levels


def of_one_pair(source, target):
    """A task of one pair of such shapes."""
    pair = {"name": "a", "source": np.zeros(source, np.uint8), "target": np.full(target, 7, np.uint8)}
    return dataclasses.replace(task(), val=[pair])


def test_gray_and_color_are_shown_beside_each_other():
    tasks = {"AtoB": of_one_pair((8, 8, 1), (8, 8, 3)), "BtoA": of_one_pair((8, 8, 3), (8, 8, 1))}
    evaluator = translation.TranslationEvaluator(tasks)
    assert evaluator.references()["input"].shape == evaluator.references()["target"].shape == (16, 8, 3)


def test_of_large_images_the_middle_is_shown_the_same_part_at_both_scales():
    shown = translation.TranslationEvaluator({"generator": of_one_pair((500, 300, 3), (1000, 600, 3))}).references()
    assert (shown["input"].shape, shown["target"].shape) == ((256, 256, 3), (512, 512, 3))


def test_without_images_there_is_nothing_to_do(tmp_path):
    evaluator = translation.TranslationEvaluator({"generator": task(val=None, test=None)})
    assert not evaluator.has_validation
    assert not evaluator.has_scores
    assert translation.TranslationEvaluator({"generator": task()}).has_scores
    assert not translation.TranslationEvaluator({"generator": task(target=None)}).has_scores
    assert evaluator.test({}, tmp_path) is None


def test_a_fingerprint_is_the_sources_own_where_it_has_one():
    assert fingerprint(SimpleNamespace(fingerprint="abc")) == "abc"
    assert fingerprint(None) == "None"
