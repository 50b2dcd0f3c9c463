"""The curves of runs' logs as charts: SVG drawings of lines, smoothed where they are noisy, with their values."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape, unescape

import numpy as np

from gan_jax import scores
from gan_jax.report.read import Curves, Series

__all__ = ["clocks", "draw", "overlay"]
__dir__ = __all__.copy

_MAX_POINTS, _MANY_POINTS, _FEW_POINTS = 300, 40, 15  # a line drawn; also smoothed; also dotted
_LEFT, _TOP, _WIDTH, _HEIGHT = 50, 6, 292, 156  # the plot, inside the 360 x 190 units of the drawing


def clocks(runs: Sequence[Curves]) -> str:
    """The seconds that each run had trained by a step, for an axis of wall time; "" where one has logged none.

    The page's program reads them, and shows the switch.
    """
    told = [_thinned(_seconds(curves)).tolist() for curves in runs]
    if not told or not all(told):
        return ""
    return (
        '<p class="note" id="axis" hidden><label>Axis <select><option value="steps">steps</option>'
        '<option value="time">wall time</option></select></label></p>'
        f'<script type="application/json" id="clocks">{json.dumps(told, separators=(",", ":"))}</script>'
    )


def _seconds(curves: Curves) -> Series:
    return {step: value for (_, key), series in curves.items() if key == "seconds" for step, value in series.items()}


def draw(curves: Curves, last_step: int) -> str:
    """A figure of HTML for each chart, with what belongs together in one; "" where nothing was logged."""
    charts: dict[str, dict[str, Series]] = {}
    for (kind, key), values in curves.items():
        if key == "seconds":
            continue
        title, line = _placed(kind, key)
        charts.setdefault(title, {})[line] = values
    return _drawn(charts, last_step, [])


def overlay(runs: Mapping[str, Curves]) -> str:
    """The same for several runs by name: a figure for each value that any of them logged, with a line for each run."""
    charts: dict[tuple[str, str], dict[str, Series]] = {}
    for name, curves in runs.items():
        for (kind, key), values in curves.items():
            if key != "seconds":
                charts.setdefault(_placed(kind, key), {})[escape(name)] = values
    # What has a chart of its own in one run's report needs no more than its title.
    titles = [title for title, _ in charts]
    named = {
        title if titles.count(title) == 1 else f"{title}: {line}": lines for (title, line), lines in charts.items()
    }
    last_step = max((step for lines in charts.values() for values in lines.values() for step in values), default=0)
    return _drawn(named, last_step, [escape(name) for name in runs])


def _drawn(charts: Mapping[str, Mapping[str, Series]], last_step: int, runs: Sequence[str]) -> str:
    return "\n".join(_chart(title, charts[title], max(last_step, 1), runs) for title in sorted(charts, key=_rank))


def _placed(kind: str, key: str) -> tuple[str, str]:
    """The chart that a logged value belongs to, and the name of its line there; both escaped."""
    if kind == "validation":
        metric, parsed = scores.metric(key), scores.ScoreKey.parse(key)
        together = parsed.family == "label" and not parsed.generator
        return f"Validation {'label scores ↑' if together else escape(metric.heading)}", escape(metric.title)
    if kind == "gradients":
        return "Gradients (root mean square)", escape(key.replace("_", " "))
    family, _, rest = (escape(part.replace("_", " ")) for part in key.partition("/"))
    if family == "loss" and rest:
        stem = rest.split()[0]
        # A generator's whole loss is far larger than its adversarial part: together they would hide the game.
        adversarial = stem in ("critic", "gan")
        return ("Adversarial losses" if adversarial else f"{stem[0].upper()}{stem[1:]} loss"), rest
    named = {
        "images_per_s": "Throughput (images/s)",
        "data_wait": "Waiting for data (share of time)",
        "paused": "Validation and saving (share of time)",
    }
    return named.get(key, "Learning rate" if key == "lr" else family.capitalize()), rest or family


def _rank(title: str) -> int:
    """Losses, then validation, then everything else, each in the log's order."""
    if title.partition(":")[0].endswith(("loss", "losses")):
        return 0 if title.startswith("Adversarial") else 1
    return 2 if title.startswith("Validation") else 3


def _chart(title: str, lines: Mapping[str, Series], last_step: int, runs: Sequence[str]) -> str:
    """`runs` are whose the lines are, by their names; none: all are of one."""
    thinned = {name: _thinned(values) for name, values in lines.items()}
    low, high = _limits(list(thinned.values()))

    def drawn(points: np.ndarray, kind: str, line: int) -> str:
        x, y = points[:, 0] / last_step * _WIDTH, (high - points[:, 1]) / (high - low) * _HEIGHT
        places = [(f"{a:.1f}", f"{b:.1f}") for a, b in zip(x, y, strict=True)]
        path = " ".join(",".join(place) for place in places)
        dots = [f'<circle cx="{a}" cy="{b}" r="2.5"/>' for a, b in places] * (len(points) <= _FEW_POINTS)
        return f'<g class="{kind}" data-line="{line}"><polyline points="{path}"/>{"".join(dots)}</g>'

    marks, legend = [], []
    for index, (name, points) in enumerate(thinned.items()):
        color, noisy = f"c{index % 6}", _is_noisy(points)
        strong = _smoothed(points) if noisy else points
        marks += [drawn(points, f"{color} faint", index)] * noisy + [drawn(strong, color, index)]
        end = f" <b>{_brief(strong[-1, 1])}</b>" if len(points) else ""
        bad = [step for step, value in sorted(lines[name].items()) if not math.isfinite(value)]
        warning = f" (not finite at step {bad[0]:,})" if bad else ""
        legend.append(f'<span class="{color}">{name}{end}{warning}</span>')
    values = [
        [
            unescape(name),
            index % 6,
            [[step, _digits(value)] for step, value in sorted(series.items())],
            runs.index(name) if runs else 0,
        ]
        for index, (name, series) in enumerate(lines.items())
    ]
    # All that was logged, for the values under the pointer and the CSV file, which the page's program makes of it.
    told = {"plot": [_LEFT, _TOP, _WIDTH, _HEIGHT], "steps": last_step, "range": [low, high], "lines": values}
    return (
        f'<figure class="chart" data-told="{escape(json.dumps(told, separators=(",", ":")))}">'
        f"<figcaption><h3>{title}</h3>{''.join(legend)}</figcaption>"
        f'<svg viewBox="0 0 360 190" role="img" aria-label="{title}">{_axes(low, high, last_step)}'
        # An inner svg cuts off what leaves the plot; half a dot may.
        f'<svg x="{_LEFT}" y="{_TOP}" width="{_WIDTH + 3}" height="{_HEIGHT}">{"".join(marks)}</svg></svg>'
        "</figure>"
    )


def _digits(value: float) -> float | None:
    """A value in the digits that a chart's reader may want; JSON has none for what is not finite."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _thinned(values: Series) -> np.ndarray:
    """The finite points [n, 2] by ascending step, at most _MAX_POINTS: each the mean of a stretch."""
    finite = sorted((step, value) for step, value in values.items() if math.isfinite(value))
    points = np.array(finite, np.float64).reshape(-1, 2)
    if len(points) <= _MAX_POINTS:
        return points
    return np.stack([stretch.mean(0) for stretch in np.array_split(points, _MAX_POINTS)])


def _is_noisy(points: np.ndarray) -> bool:
    """Whether a line [n, 2] is long and goes up and down; a schedule's corners are not to be smoothed."""
    levels = points[:, 1]
    return len(points) > _MANY_POINTS and bool(np.abs(np.diff(levels)).sum() > 3 * np.ptp(levels))


def _smoothed(points: np.ndarray) -> np.ndarray:
    """The points [n, 2] under a Gaussian 1/40 of the line wide, with its weights renewed at the ends."""
    reach = len(points) // 8
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * 40 / len(points)) ** 2)
    weights = np.convolve(np.ones(len(points)), kernel, "same")
    return np.stack([points[:, 0], np.convolve(points[:, 1], kernel, "same") / weights], axis=1)


def _limits(lines: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate([points[:, 1] for points in lines])
    if not len(values):
        return 0.0, 1.0
    cut = 0.5 if len(values) > _MANY_POINTS else 0.0
    low, high = (float(limit) for limit in np.percentile(values, (cut, 100 - cut)))
    room = 0.06 * (high - low) or abs(high) / 2 or 1.0
    return (max(low - room, 0.0) if low >= 0 else low - room), high + room


def _axes(low: float, high: float, last_step: int) -> str:
    marks, levels = [], _ticks(low, high, 5)
    # As many digits as tell neighbors apart.
    digits = 2 + math.floor(math.log10(max(map(abs, levels)) / (levels[1] - levels[0])))
    for tick in levels:
        y = _TOP + (high - tick) / (high - low) * _HEIGHT
        marks.append(f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{_brief(tick, digits)}</text>')
    steps = []
    for tick in _ticks(0, last_step, min(last_step, 5)):
        x, words = _LEFT + tick / last_step * _WIDTH, _brief(tick) if tick else "step 0"
        steps.append(f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">{words}</text>')
    return f'{"".join(marks)}<g class="steps">{"".join(steps)}</g>'


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers in [low, high]: at most `count` + 1 of them, at least two."""
    least = (high - low) / count
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _brief(value: float, digits: int = 3) -> str:
    if not 1e3 <= abs(value) < 1e9:
        # The digits in front of the point are written whatever they are.
        return f"{value:,.0f}" if 10 ** (digits - 1) <= abs(value) < 1e3 else f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(value) < 1e4 else f"{value / 1e3:.4g}k" if abs(value) < 1e6 else f"{value / 1e6:.4g}M"
