"""The scores of simulated raters: their true rates are found, within the intervals, and differences that are there."""

import json
import math

import numpy as np
import pytest

from gan_jax import cli, study
from gan_jax.study import Answers


def simulated(rates, *, raters, images, seed, spread=0.0):
    """Raters whom each method fools at its rate, give or take what raters differ by."""
    rng = np.random.default_rng(seed)
    everything = []
    for rater in range(raters):
        own = {method: np.clip(rate + rng.normal(0, spread), 0, 1) for method, rate in rates.items()}
        values = {(m, str(k)): float(rng.uniform() < own[m]) for m in rates for k in range(images)}
        everything.append(Answers(str(rater), values))
    return everything


def test_true_rates_lie_in_their_intervals_as_often_as_these_say(monkeypatch):
    monkeypatch.setattr(study.scoring, "_RESAMPLES", 400)
    monkeypatch.setattr(study.scoring, "_FLIPS", 1000)
    rates, inside = {"a": 0.4, "b": 0.15}, []
    for seed in range(60):
        answers = simulated(rates, raters=12, images=20, seed=seed, spread=0.05)
        for row in study.score("choice", answers).methods:
            inside.append(row.interval[0] <= rates[row.method] <= row.interval[1])
    # 120 intervals of 95 %: fewer than 105 of them come once in 10,000 times; a few raters make them a little short.
    assert sum(inside) >= 105


def test_a_difference_is_found_and_none_is_not_invented():
    found = study.score("choice", simulated({"a": 0.4, "b": 0.2}, raters=10, images=20, seed=0))
    (pairing,) = found.pairings
    assert (pairing.method, pairing.other, pairing.pairs) == ("a", "b", 200)
    assert pairing.difference == pytest.approx(0.2, abs=0.1)
    assert pairing.p < 0.001
    by_chance = [
        study.score("choice", simulated({"a": 0.3, "b": 0.3}, raters=5, images=20, seed=seed)).pairings[0].p
        for seed in range(20)
    ]
    assert sum(p < 0.05 for p in by_chance) <= 4


def test_scores_by_hand():
    answers = [
        Answers("x", {("a", "1"): 5, ("a", "2"): 4, ("b", "1"): 2, ("b", "2"): 3}),
        Answers("y", {("a", "1"): 3, ("b", "2"): 1}),
    ]
    scores = study.score("mos", answers)
    a, b = scores.methods
    assert (a.method, a.mean, a.lowest, a.highest, a.answers) == ("a", 3.75, 3.0, 4.5, 3)
    assert (b.mean, b.spread) == (1.75, pytest.approx(math.sqrt(1.125)))
    assert a.interval[0] <= a.mean <= a.interval[1]
    (pairing,) = scores.pairings
    # On two images one rater saw both: +3 and +1. Of four ways to flip the signs two are as far from 0.
    assert (pairing.difference, pairing.pairs) == (2.0, 2)
    assert pairing.p == pytest.approx(0.5, abs=0.02)
    assert study.score("mos", answers) == scores
    one = study.score("mos", answers[:1])
    assert (one.raters, one.methods[0].spread) == (1, 0.0)


def written(path, rater, answers, kind="mos", digest="d"):
    path.write_text(json.dumps({"study": digest, "kind": kind, "rater": rater, "answers": answers}))
    return str(path)


def test_files_are_scored(tmp_path, capsys):
    def answers(*scores):
        rows = [{"image": str(k), "method": "a", "practice": False, "score": s} for k, s in enumerate(scores)]
        return [{"image": "p", "method": "a", "practice": True, "score": 1}, *rows]

    files = [written(tmp_path / f"{name}.json", name, answers(*s)) for name, s in (("x", (4, 5)), ("y", (3, 4)))]
    assert cli.main(["study", "score", *files, "--json", str(tmp_path / "scores.json")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 raters; 1 bad to 5 excellent\n")
    assert "a          4.00" in said
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["methods"][0]["mean"] == 4.0
    assert scores == study.as_json(study.score(*study.read(files)))
    assert study.as_table(study.score(*study.read(files))) == said.rstrip("\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": "other"}, r"b\.json answers another study than .*a\.json; score the two apart"),
        ({"rater": "x"}, r"b\.json and .*a\.json are both of the rater x; keep one of them"),
        ({"answers": []}, r"b\.json holds no answers of a study"),
        ({"answers": [{"image": "1", "method": "a", "practice": False, "score": 9}]}, "holds no answers"),
        ({"kind": "other"}, "holds no answers"),
    ],
)
def test_other_files_are_refused(tmp_path, change, words):
    rows = [{"image": "1", "method": "a", "practice": False, "score": 3}]
    first = written(tmp_path / "a.json", "x", rows)
    second = written(tmp_path / "b.json", **{"rater": "y", "answers": rows, **change})
    with pytest.raises(ValueError, match=words):
        study.read([first, second])
    with pytest.raises(ValueError, match="there are no answers"):
        study.read([])
