"""What a set of scores says: means, intervals, comparisons, and the whole as a table, CSV or JSON."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.evaluate.protocol import BANDS, PROTOCOLS, Protocol
from gan_jax.evaluate.scoring import LOWER_IS_BETTER, METRICS, Score
from gan_jax.files import shown
from gan_jax.scores import metric as metric_of

__all__ = [
    "Comparison",
    "Evaluation",
    "as_csv",
    "as_json",
    "as_table",
    "compare",
    "interval",
    "json_number",
    "mean",
]
__dir__ = __all__.copy


class Evaluation(NamedTuple):
    """Scores of a set of images, or why there are none; with those of bicubic and of another set, where asked for."""

    protocol: Protocol
    scores: Sequence[Score]
    failures: Sequence[str] = ()
    notes: Sequence[str] = ()  # what else there is to know of the files
    bicubic: Sequence[Score] = ()
    other: Sequence[Score] = ()

    @property
    def psnr(self) -> float:
        """Mean of the images' PSNR."""
        return self.mean("psnr")

    @property
    def ssim(self) -> float:
        """Mean of the images' SSIM."""
        return self.mean("ssim")

    @property
    def metrics(self) -> list[str]:
        """Names of the scored metrics."""
        return list(self.scores[0].values) if self.scores else []

    def mean(self, metric: str) -> float:
        """Mean of the images' values."""
        return mean([score.values[metric] for score in self.scores])


class Comparison(NamedTuple):
    """Outputs against others on one metric, image by image: mean difference, its interval, who is better how often."""

    difference: float
    interval: tuple[float, float] | None
    wins: int
    ties: int
    losses: int


def mean(values: Sequence[float]) -> float:
    """The mean of the images' values; nan of none."""
    return sum(values) / len(values) if values else math.nan


def interval(values: Sequence[float], *, resamples: int = 10_000) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval of the mean, the same for the same values; None of fewer than two.

    Efron 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    if len(values) < 2:
        return None
    rng, array = np.random.default_rng(0), np.asarray(values, np.float64)
    # A hundred at a time: all resamples of thousands of images would fill the memory.
    draws = (rng.integers(len(array), size=(100, len(array))) for _ in range(resamples // 100))
    with np.errstate(invalid="ignore"):  # inf - inf
        means = [array[draw].mean(axis=1) for draw in draws]
    # No interpolation, which would make nan of two infinite means.
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975), method="inverted_cdf").tolist()
    return low, high


def compare(scores: Sequence[Score], others: Sequence[Score], metric: str) -> Comparison:
    """The paired comparison of two sets of scores of the same images on a metric; equal infinities are a tie."""
    pairs = [(score.values[metric], other.values[metric]) for score, other in zip(scores, others, strict=True)]
    differences = [0.0 if ours == theirs else ours - theirs for ours, theirs in pairs]
    above, below = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    wins, losses = (below, above) if metric in LOWER_IS_BETTER else (above, below)
    return Comparison(mean(differences), interval(differences), wins, len(pairs) - above - below, losses)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values; an infinite one is the string "inf"."""
    protocol, names = evaluation.protocol, evaluation.metrics
    values: dict[str, Any] = {
        "protocol": {
            **protocol._asdict(),
            "values": protocol.values and protocol.values._asdict(),
            "crop_border": protocol.border,
            "description": protocol.description,
            "metrics": {name: METRICS[name] for name in names},
        },
        "count": len(evaluation.scores),
        **_json_means(evaluation.scores, names),
        "interval_95": {name: _json_interval(interval(_column(evaluation.scores, name))) for name in names},
    }
    if evaluation.bicubic:
        values["bicubic"] = _json_means(evaluation.bicubic, names)
    if evaluation.other:
        values["other"] = _json_means(evaluation.other, names)
        values["comparison"] = {
            name: {
                **compared._asdict(),
                "difference": json_number(compared.difference),
                "interval": _json_interval(compared.interval),
            }
            for name in names
            for compared in [compare(evaluation.scores, evaluation.other, name)]
        }
    values["images"] = [
        {"name": score.name, **{name: json_number(score.values[name]) for name in names}} for score in evaluation.scores
    ]
    return values


def as_csv(evaluation: Evaluation) -> str:
    """One row an image: name and metrics, then those of the others and of bicubic."""
    names = evaluation.metrics
    sets = {"": evaluation.scores, "other_": evaluation.other, "bicubic_": evaluation.bicubic}
    sets = {prefix: scores for prefix, scores in sets.items() if scores}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *(prefix + name for prefix in sets for name in names)])
    for row in zip(*sets.values(), strict=True):
        writer.writerow([row[0].name, *(score.values[name] for score in row for name in names)])
    return text.getvalue()


def as_table(evaluation: Evaluation) -> str:
    """One line an image, means, intervals, comparison, and what the numbers are, for a terminal."""
    names, scores = evaluation.metrics, evaluation.scores
    rows = [["image", *(metric_of(name).title_with_unit for name in names)]]
    rows += [[shown(row.name), *(_shown(row.values[name], name) for name in names)] for row in scores]
    rows.append(["mean", *(_shown(evaluation.mean(name), name) for name in names)])
    rows.append(["95 % interval", *(_shown_interval(interval(_column(scores, name)), name) for name in names)])
    for title, others in (("others' mean", evaluation.other), (_bicubic_title(evaluation), evaluation.bicubic)):
        if others:
            rows.append([title, *(_shown(mean(_column(others, name)), name) for name in names)])
    lines = _aligned(rows)
    if evaluation.other:
        rows = [["outputs less others", "difference", "95 % interval", "better", "equal", "worse"]]
        for name in names:
            compared = compare(scores, evaluation.other, name)
            counts = (compared.wins, compared.ties, compared.losses)
            cells = [_shown(compared.difference, name), _shown_interval(compared.interval, name), *map(str, counts)]
            rows.append([metric_of(name).title_with_unit, *cells])
        lines += ["", *_aligned(rows)]
    protocol = evaluation.protocol
    standard = PROTOCOLS.get(protocol.name, BANDS)
    flags = (protocol.y_channel, protocol.crop_border) != (standard.y_channel, standard.crop_border)
    lines += ["", f"protocol {protocol.name}{', changed by flags' if flags else ''}: {protocol.description}"]
    lines += [METRICS[name] for name in names]
    return "\n".join(lines)


def json_number(value: float) -> float | str:
    """JSON has no infinity and no nan: they become "inf", "-inf" and "nan"."""
    return value if math.isfinite(value) else str(value)


def _column(scores: Sequence[Score], name: str) -> list[float]:
    return [score.values[name] for score in scores]


def _json_means(scores: Sequence[Score], names: Sequence[str]) -> dict[str, float | str]:
    return {name: json_number(mean(_column(scores, name))) for name in names}


def _json_interval(ends: tuple[float, float] | None) -> list[float | str] | None:
    return None if ends is None else [json_number(value) for value in ends]


def _shown(value: float, name: str) -> str:
    return f"{value:.{metric_of(name).decimals_of_one}f}"


def _shown_interval(ends: tuple[float, float] | None, name: str) -> str:
    return "" if ends is None else " to ".join(_shown(value, name) for value in ends)


def _bicubic_title(evaluation: Evaluation) -> str:
    return f"bicubic x{evaluation.protocol.scale}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of the cells: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    pads = [str.ljust, *[str.rjust] * (len(widths) - 1)]
    return ["  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)) for row in rows]
