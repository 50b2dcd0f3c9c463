"""Keys of scores, and the table of metrics."""

import pytest

from gan_jax import evaluate, scores
from gan_jax.scores import ScoreKey

KEYS = {
    "psnr": ScoreKey("psnr"),
    "AtoB/psnr": ScoreKey("psnr", generator="AtoB"),
    "label/iou": ScoreKey("iou", "label"),
    "AtoB/health/agreement": ScoreKey("agreement", "health", "AtoB"),
    "AtoB/odd/one": ScoreKey("one", "odd", "AtoB"),
    "a/b/odd/one": ScoreKey("one", "odd", "a/b"),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_has_parts_and_is_put_together_again(key):
    assert ScoreKey.parse(key) == KEYS[key]
    assert str(KEYS[key]) == f"{KEYS[key]}" == key


def test_a_keys_metric_is_that_of_any_generator():
    assert ScoreKey.parse("AtoB/health/agreement").metric == "health/agreement"
    assert ScoreKey.parse("BtoA/psnr").metric == ScoreKey.parse("psnr").metric == "psnr"
    assert {ScoreKey.parse(key).family for key in scores.METRICS} == {"", *scores.FAMILIES}


def test_metrics_are_called_by_their_titles_and_their_generators():
    assert scores.metric("psnr").title_with_unit == "PSNR (dB)"
    assert scores.metric("AtoB/psnr").heading == "AtoB PSNR (dB) ↑"
    assert scores.metric("health/contrast").heading == "contrast"
    assert scores.metric("AtoB/odd_one/x").heading == "AtoB odd one x"
    assert evaluate.METRICS.keys() <= scores.METRICS.keys()


def test_the_better_of_two_values():
    assert scores.goodness(2.0, "↑") > scores.goodness(1.0, "↑")
    assert scores.goodness(1.0, "↓") > scores.goodness(2.0, "↓")
    assert scores.goodness(0.75, "→ 1") > scores.goodness(1.5, "→ 1")
    assert scores.goodness(2.0, "") == scores.goodness(1.0, "")
