"""What the answers to a study say: scores of methods with intervals, how raters differ, and methods in pairs."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_jax import errors

__all__ = ["Answers", "MethodScore", "Pairing", "Scores", "as_json", "as_table", "read", "score"]
__dir__ = __all__.copy

_RESAMPLES = 4000
_FLIPS = 20_000


class Answers(NamedTuple):
    """What one rater answered, practice apart."""

    rater: str
    values: Mapping[tuple[str, str], float]  # by method and image: whether fooled, or 1 to 5


class MethodScore(NamedTuple):
    """One method's score: the mean of the raters' means."""

    method: str
    mean: float
    interval: tuple[float, float]  # 95 %
    spread: float  # standard deviation of the raters' means; 0 of one
    lowest: float  # of the raters' means
    highest: float
    answers: int


class Pairing(NamedTuple):
    """Two methods on the images that one rater saw by both."""

    method: str
    other: str
    difference: float  # of the means, the first's above the other's
    p: float  # of as large a difference by chance
    pairs: int


class Scores(NamedTuple):
    """All that is said of a study."""

    kind: str
    raters: int
    methods: Sequence[MethodScore]
    pairings: Sequence[Pairing]


def read(paths: Sequence[str | Path]) -> tuple[str, list[Answers]]:
    """The kind of a study, and the answers in files of it. Raises ValueError for other files, and one rater twice."""
    first: dict[str, Any] = {}
    everything: list[Answers] = []
    by_rater: dict[str, Path] = {}
    for path in map(Path, paths):
        content = _content(path)
        first = first or {**content, "path": path}
        for key in ("study", "kind"):
            if content[key] != first[key]:
                raise ValueError(f"{path} answers another study than {first['path']}; score the two apart.")
        rater = content["rater"]
        if rater in by_rater:
            raise ValueError(f"{path} and {by_rater[rater]} are both of the rater {rater}; keep one of them.")
        by_rater[rater] = path
        everything.append(Answers(rater, content["values"]))
    if not everything:
        raise ValueError("there are no answers; name the JSON files that raters saved.")
    return first["kind"], everything


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        kind = {"choice": "fooled", "mos": "score"}[content["kind"]]
        asked = [row for row in content["answers"] if not row["practice"]]
        values = {(str(row["method"]), str(row["image"])): float(row[kind]) for row in asked}
        least, most = (0, 1) if kind == "fooled" else (1, 5)
        if not values or not all(least <= value <= most for value in values.values()):
            raise ValueError
        return {"study": content["study"], "kind": content["kind"], "rater": str(content["rater"]), "values": values}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} holds no answers of a study; name the JSON files that raters saved.") from None


def score(kind: str, answers: Sequence[Answers], *, seed: int = 0) -> Scores:
    """The scores of all methods, by their mean, and of each two of them; the same for the same answers.

    Fooled is a share, 0 to 1; opinions are 1 to 5. Intervals are percentiles of a bootstrap over raters and, within
    each, over images. The paired test flips signs of the differences on one image by one rater at random, and p is the
    share of the flipped means that are as far from 0.
    """
    methods = sorted({method for rater in answers for method, _ in rater.values})
    rng = np.random.default_rng(seed)
    rows = [_method(method, answers, rng) for method in methods]
    pairings = [_pairing(one, other, answers, rng) for one, other in itertools.combinations(methods, 2)]
    best_first = sorted(rows, key=lambda row: -row.mean)
    return Scores(kind, len(answers), best_first, [pairing for pairing in pairings if pairing.pairs])


def _method(method: str, answers: Sequence[Answers], rng: np.random.Generator) -> MethodScore:
    by_rater = [
        np.array([value for (name, _), value in sorted(rater.values.items()) if name == method]) for rater in answers
    ]
    by_rater = [values for values in by_rater if len(values)]
    means = np.array([values.mean() for values in by_rater])
    # For each rater means of resampled answers, of which each resample then takes those of resampled raters.
    resampled = np.stack(
        [values[rng.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1) for values in by_rater], axis=1
    )
    chosen = rng.integers(0, len(by_rater), (_RESAMPLES, len(by_rater)))
    low, high = np.percentile(np.take_along_axis(resampled, chosen, axis=1).mean(axis=1), (2.5, 97.5))
    spread = float(means.std(ddof=1)) if len(means) > 1 else 0.0
    count = sum(map(len, by_rater))
    interval = float(low), float(high)
    return MethodScore(method, float(means.mean()), interval, spread, float(means.min()), float(means.max()), count)


def _pairing(one: str, other: str, answers: Sequence[Answers], rng: np.random.Generator) -> Pairing:
    differences = np.array(
        [
            value - rater.values[other, image]
            for rater in answers
            for (method, image), value in sorted(rater.values.items())
            if method == one and (other, image) in rater.values
        ]
    )
    if not len(differences):
        return Pairing(one, other, math.nan, math.nan, 0)
    seen = abs(differences.sum()) - 1e-9
    told_apart = differences[differences != 0]
    extreme = 1  # the one that was seen
    for size in [1000] * (_FLIPS // 1000):
        signs = rng.integers(0, 2, (size, len(told_apart))) * 2 - 1
        extreme += int((abs(signs @ told_apart) >= seen).sum())
    return Pairing(one, other, float(differences.mean()), extreme / (_FLIPS + 1), len(differences))


def as_json(scores: Scores) -> dict[str, Any]:
    """The scores in values of JSON."""
    return {
        "kind": scores.kind,
        "raters": scores.raters,
        "methods": [{**row._asdict(), "interval": list(row.interval)} for row in scores.methods],
        "pairs": [pairing._asdict() for pairing in scores.pairings],
    }


def as_table(scores: Scores) -> str:
    """The scores for a terminal."""
    is_choice = scores.kind == "choice"
    factor, unit, digits = (100.0, " %", 1) if is_choice else (1.0, "", 2)

    def shown(value: float) -> str:
        return f"{factor * value:.{digits}f}"

    title = "fooled" if is_choice else "mean opinion"
    raters = "1 rater" if scores.raters == 1 else f"{scores.raters} raters"
    head = ["", f"{title}{unit}", "95 % interval", "raters' spread", "from - to", "answers"]
    rows = [
        [
            row.method,
            shown(row.mean),
            " - ".join(map(shown, row.interval)),
            shown(row.spread),
            f"{shown(row.lowest)} - {shown(row.highest)}",
            f"{row.answers:,}",
        ]
        for row in scores.methods
    ]
    widths = [max(len(line[k]) for line in [head, *rows]) for k in range(len(head))]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if k == 0 else f"{cell:>{width}}"
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *rows]
    ]
    pairs = [
        f"{pairing.method} - {pairing.other}: {factor * pairing.difference:+.{digits}f}{unit}, p = {pairing.p:.4f} "
        f"({pairing.pairs:,} images that a rater saw by both)"
        for pairing in scores.pairings
    ]
    about = "a half is what nobody can tell from real" if is_choice else "1 bad to 5 excellent"
    return "\n".join([f"{raters}; {about}", *lines, *errors.few(pairs)])
