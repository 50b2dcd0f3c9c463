"""The page: a headline and sections of tables, images and charts, each of what the run holds of it."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from gan_jax import files, scores
from gan_jax.log import number
from gan_jax.report import charts
from gan_jax.report.read import Curves, EmbeddedImage, RunFiles, fields
from gan_jax.terminal import console

__all__ = ["render", "render_together"]
__dir__ = __all__.copy

_MAX_WARNINGS = 6
_MANY_COLUMNS = 5  # of scores: more stand closer
_PIXELATED_SIDE, _LARGE_SIDE = 128, 200  # pixels: up to here enlarged unblurred; from here three fill a line
_HEADLINE_SCORES, _NARROW_ROW = 3, 3  # scores; images of a row that has half the page
_REFERENCE_ROW = "ground truth"  # a score table's upper bound, which competes with nobody

# The policy makes the browser itself refuse any request; the empty icon saves it the one it makes unasked.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
"""


def render(run: RunFiles) -> str:
    """The whole page, with its styles and its script; everything that comes from the run is escaped."""
    config, data = run.config, fields(run.config.get("data"))
    title = ": ".join(_text(config[key]) for key in ("name", "method") if key in config)
    versions = {key: config[key] for key in ("device",) if key in config} | fields(config.get("versions"))
    sections = {
        "Warnings": _warnings(run.warnings),
        "Scores": _scores(run.scores, data.get("notes"), run.is_finished),
        "Test images": _groups(run) or _missing("No test images", run.is_finished),
        "The fixed batch over time": _samples(run) or _missing("No samples", run.is_finished),
        "Curves": _curves(run) or _missing("Nothing logged", run.is_finished),
        "Recipe": _pairs(fields(config.get("recipe"))),
        "Data": _pairs({key: value for key, value in data.items() if key not in ("notes", "fingerprints")}),
        "Networks": _networks(fields(config.get("networks"))),
        "Made with": _pairs(versions),
    }
    return _whole(title or "run", _headline(run), sections)


def render_together(runs: Mapping[str, RunFiles]) -> str:
    """The page of several runs by name: where their recipes differ, scores, test images, and curves overlaid."""
    names = [f'<span class="c{index % 6}">{_name(name)}</span>' for index, name in enumerate(runs)]
    legend = f'<p class="chart runs">{"".join(names)}</p>'
    headline = f"<header>\n<p>{len(runs)} runs</p>\n<h1>Side by side</h1>\n{legend}\n</header>"
    drawn = charts.overlay({name: run.curves for name, run in runs.items()})
    sections = {
        "Where they differ": _differences(runs),
        "Scores": _scores_together(runs),
        "Test images": _images_together(runs),
        "Curves": _charts(drawn, list(runs.values())),
    }
    return _whole("Side by side", headline, sections)


def _whole(title: str, headline: str, sections: Mapping[str, str]) -> str:
    body = "\n".join(f"<section>\n<h2>{name}</h2>\n{html}\n</section>" for name, html in sections.items() if html)
    return (
        f"{_HEAD}<title>{title}</title>\n<style>\n{_resource('style.css')}</style>\n</head>\n<body>\n"
        f"{headline}\n{body}\n<script>\n{_resource('script.js')}</script>\n</body>\n</html>\n"
    )


def _differences(runs: Mapping[str, RunFiles]) -> str:
    """Of recipes, images, steps and installations what is not the same in all runs."""
    said = []
    for run in runs.values():
        config, data = run.config, fields(run.config.get("data"))
        images = {f"images of {split}": digest for split, digest in fields(data.get("fingerprints")).items()}
        said.append(
            {"method": config.get("method"), "steps": config.get("steps")}
            | {f"--{name}": value for name, value in fields(config.get("recipe")).items() if name != "name"}
            | {name: _short(str(digest)) for name, digest in images.items()}
            | {f"version of {name}": value for name, value in fields(config.get("versions")).items()}
            | {"device": config.get("device")}
        )
    keys = list(dict.fromkeys(key for one in said for key in one))
    lines = []
    for key in keys:
        cells = [_text(one[key]) if key in one else "–" for one in said]
        if len(set(cells)) > 1:
            lines.append(f'<tr><th scope="row">{_text(key)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    if not lines:
        return _note("Nowhere: recipes, images, versions and devices are the same.")
    return f'<div class="differences">{_table(["", *map(_name, runs)], lines)}</div>'


def _short(digest: str) -> str:
    """As much of a fingerprint as tells two apart; the names of images that a program draws stay whole."""
    return digest[:12] if re.fullmatch(r"[0-9a-f]{20,}", digest) else digest


def _scores_together(runs: Mapping[str, RunFiles]) -> str:
    """The score tables of the runs as one, each line behind its run's name."""
    rows, protocols = [], []
    for name, run in runs.items():
        own = [row for row in run.scores.get("rows") or () if isinstance(row, dict)]
        if own:
            protocols.append(str(run.scores.get("protocol")))
        rows += [{**row, "name": name if row is own[0] else f"{name}: {row.get('name', '')}"} for row in own]
    if not rows:
        return ""
    about = {"protocol": protocols[0]} if len(set(protocols)) == 1 else {"protocol": "protocols differ; see each run"}
    return _score_table(about, rows)


def _images_together(runs: Mapping[str, RunFiles]) -> str:
    """Of test images that all runs have: the input, each run's output, and the target."""
    tested = {name: {row[0].name: row for row in run.groups.get("", ()) if row} for name, run in runs.items()}
    tested = {name: rows for name, rows in tested.items() if rows}
    common = [image for image in next(iter(tested.values()), {}) if all(image in rows for rows in tested.values())]
    cells = []
    for image in common:
        first = {shown.kind: shown.image for shown in next(iter(tested.values()))[image]}
        shown = [("input", first["input"])] * ("input" in first)
        for name, rows in tested.items():
            shown += [(_name(name), output.image) for output in rows[image] if output.kind == "output"]
        shown += [("target", first["target"])] * ("target" in first)
        figures = "".join(_figures(shown))
        cells.append(f'<div class="row"><h4>{_name(image)}</h4><div class="beside">{figures}</div></div>')
    lines = "\n".join(cells)
    return f'<div class="rows wide">\n{lines}\n</div>' if cells and len(tested) > 1 else ""


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _headline(run: RunFiles) -> str:
    config, curves, step, total = run.config, run.curves, run.last_step, run.config.get("steps")
    if step is None and config and total is None:
        facts = []  # nothing that counts steps
    elif step is None:
        facts = [("State", "not started", "no step logged yet")]
    elif isinstance(total, int):
        facts = [("State", "finished" if step >= total else "unfinished", f"at step {step:,} of {total:,}")]
    else:
        facts = [("State", f"step {step:,}", "the last one logged")]
    if seconds := [value for (_, key), series in curves.items() if key == "seconds" for value in series.values()]:
        facts.append(("Time", console.clock(max(seconds)), "of training, with its validations"))
    facts += _best_scores(curves)
    tiles = "".join(f"<div><dt>{a}</dt><dd>{b}<small>{c}</small></dd></div>" for a, b, c in facts)
    name, method = _text(config.get("name", "run")), _text(config.get("method", ""))
    return f'<header>\n<p>{method}</p>\n<h1>{name}</h1>\n<dl class="facts">{tiles}</dl>\n</header>'


def _best_scores(curves: Curves) -> list[tuple[str, str, str]]:
    """What the validations' best scores are called, their values, and when they were; the first few metrics'."""
    validated = {key: scores.ScoreKey.parse(key) for kind, key in curves if kind == "validation"}
    sections = []
    for key in (key for known in scores.METRICS for key, parsed in validated.items() if parsed.metric == known):
        metric, series = scores.metric(key), curves["validation", key]
        finite = [at for at, value in series.items() if math.isfinite(value)]
        if finite and metric.better and validated[key].family != "health":
            best = max(finite, key=lambda at: scores.goodness(series[at], metric.better))
            value = f"{_rounded(series[best], metric.decimals)} {metric.unit}"
            sections.append((f"Best validation {escape(metric.title)}", value, f"at step {best:,}"))
    return sections[:_HEADLINE_SCORES]


def _warnings(rows: Sequence[Mapping[str, Any]]) -> str:
    # Of those that differ in their numbers only, the last.
    kinds = {re.sub(r"\d+", "", str(row.get("text", ""))): row for row in rows}
    shown = sorted(kinds.values(), key=lambda row: row["step"])[-_MAX_WARNINGS:]
    return "\n".join(_note(f"Step {row['step']:,}: {_text(row.get('text', ''))}") for row in shown)


def _scores(table: Mapping[str, Any], notes: object, finished: bool) -> str:
    rows = [row for row in table.get("rows") or () if isinstance(row, dict)]
    if rows:
        html = _score_table(table, rows)
    elif "unscored" in table:
        html = _note(f"No test scores: {_text(table['unscored'])}.")
    else:
        html = _missing("No test scores", finished)
    lists = (table.get("notes"), notes)
    said = [_note(f"Note: {_text(note)}") for some in lists if isinstance(some, list) for note in some]
    return "\n".join(part for part in (html, *said) if part)


def _score_table(table: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row if key != "name"))
    competing = [row for row in rows if not str(row.get("name")).endswith(_REFERENCE_ROW)]
    best = {key: _best(key, competing) for key in keys}
    lines = []
    for row in rows:
        words = {key: _score(key, row) for key in keys}
        leads = {key for key in keys if row in competing and words[key] == best[key]}
        cells = "".join(f"<td>{f'<strong>{words[key]}</strong>' if key in leads else words[key]}</td>" for key in keys)
        kind = "" if row in competing else ' class="reference"'
        lines.append(f'<tr{kind}><th scope="row">{_text(row.get("name", ""))}</th>{cells}</tr>')
    parts = (("split", "{} split"), ("count", "{} images"), ("protocol", "{}"))
    about = "; ".join(form.format(_text(table[key])) for key, form in parts if key in table)
    legend = "↑ higher is better, ↓ lower is better, → 1 nearer to 1 is better. Bold: best of its column."
    headings = (escape(scores.metric(key).heading) for key in keys)
    return _table(["", *headings], lines, many=len(keys) > _MANY_COLUMNS) + f"\n{_note(about)}\n{_note(legend)}"


def _score(key: str, row: Mapping[str, Any]) -> str:
    value = number(row.get(key))
    return "–" if value is None else _rounded(value, scores.metric(key).decimals)


def _best(key: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The best score of a column, as it is shown; None where there is nothing to choose from."""
    better = scores.metric(key).better
    finite = [row for row in rows if (value := number(row.get(key))) is not None and math.isfinite(value)]
    if not better or len(finite) < 2:
        return None
    return _score(key, max(finite, key=lambda row: scores.goodness(float(row[key]), better)))


def _groups(run: RunFiles) -> str:
    parts = []
    for group, rows in run.groups.items():
        named = run.captions.get(group, {})
        lines = [_figures((_text(named.get(shown.kind, shown.kind)), shown.image) for shown in row) for row in rows]
        cells = "\n".join(
            f'<div class="row"><h4>{_name(row[0].name)}</h4><div class="beside">{"".join(line)}</div></div>'
            for row, line in zip(rows, lines, strict=True)
        )
        wide = " wide" if max(map(len, rows)) > _NARROW_ROW else ""
        title = f"<h3>{_text(named['title'])}</h3>\n" if "title" in named else ""
        parts.append(f'{title}<div class="rows{wide}">\n{cells}\n</div>')
    return "\n".join(parts)


def _samples(run: RunFiles) -> str:
    if not run.samples:
        return ""
    named = run.captions.get("", {})
    figures = _figures((_text(named.get(sample.kind, sample.kind)), sample.image) for sample in run.samples)
    shown = dict(zip((sample.kind for sample in run.samples), figures, strict=True))
    above, below = shown.pop("input", ""), shown.pop("target", "")
    stacked = "\n".join(shown.values())
    titles = [_text(words["title"]) for words in run.captions.values() if "title" in words]
    rows = _note(f"Rows of each image, from above: {', '.join(titles)}.") if titles else ""
    # The slider shows the images of the list below it, so that each is in the page once; without JavaScript
    # the slider stays hidden and the list open.
    return (
        f'{rows}<div id="slider" hidden><label for="time">Step</label><input id="time" type="range" min="0">'
        f'<output for="time"></output></div>\n<div class="strips">{above}'
        f'<figure id="player" hidden><figcaption>{_text(named.get("output", "output"))}</figcaption></figure>{below}'
        f'</div>\n<details id="steps" open><summary>The output by step ({len(shown)} shown)</summary>'
        f'<div class="strips">{stacked}</div></details>'
    )


def _figures(images: Iterable[tuple[str, EmbeddedImage | None]]) -> list[str]:
    """Captions and images side by side at one size: those that are smaller in their file are said to be."""
    images = list(images)
    widest = max((image.width for _, image in images if image), default=0)
    return [_figure(caption, image, widest) for caption, image in images]


def _figure(caption: str, image: EmbeddedImage | None, widest: int) -> str:
    if image is None:
        return _note(f"{caption}: this image cannot be read.")
    width, height = image.width, image.height
    kind = "pixelated" if height <= _PIXELATED_SIDE else "large" if width > _LARGE_SIDE else ""
    caption += f", enlarged from {width}x{height}" if width < widest else ""
    return (
        f'<figure class="{kind}"><figcaption>{caption}</figcaption><img src="{image.uri}" alt="{caption}" '
        f'width="{width}" height="{height}" style="--aspect:{width / height:.3f}"></figure>'
    )


def _curves(run: RunFiles) -> str:
    drawn = charts.draw(run.curves, run.last_step or 0)
    legend = "Faint: as logged; strong: smoothed. The number ends the line. Scales leave out the outermost 1%."
    return drawn and f"{_note(legend)}\n{_charts(drawn, [run])}"


def _charts(drawn: str, runs: Sequence[RunFiles]) -> str:
    return drawn and f'{charts.clocks([run.curves for run in runs])}<div class="charts">\n{drawn}\n</div>'


def _networks(networks: Mapping[str, Any]) -> str:
    lines = []
    for role, described in networks.items():
        network = fields(described)
        count = network.get("parameters")
        parameters = f"{count:,}" if isinstance(count, int) else "–"
        rest = {key: value for key, value in network.items() if key not in ("name", "parameters")}
        words = ", ".join(f"{_text(key)} {_text(value)}" for key, value in rest.items())
        lines.append(
            f'<tr><th scope="row">{": ".join(_text(name) for name in (role, network.get("name")) if name)}</th>'
            f'<td>{parameters}</td><td class="words">{words}</td></tr>'
        )
    return _table(["", "parameters", ""], lines) if lines else ""


def _pairs(values: Mapping[str, Any]) -> str:
    rows = (f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in values.items())
    pairs = "\n".join(rows)
    return f'<dl class="pairs">\n{pairs}\n</dl>' if pairs else ""


def _table(head: Sequence[str], rows: Iterable[str], *, many: bool = False) -> str:
    cells = "".join(f'<th scope="col">{words}</th>' for words in head)
    body = "\n".join(rows)
    kind = ' class="many"' if many else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{cells}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _note(words: str) -> str:
    return f'<p class="note">{words}</p>'


def _missing(words: str, finished: bool) -> str:
    """What a run under way lacks; a finished one has no such part."""
    return "" if finished else _note(f"{words} yet.")


def _text(value: object) -> str:
    """Anything from a file, readable and escaped."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, list | dict):
        return escape(json.dumps(value, ensure_ascii=False))
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))


def _name(file: str) -> str:
    """A file's name, whatever its bytes are, readable and escaped."""
    return escape(files.shown(file))


def _rounded(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:,.{decimals}f}" if abs(value) < 1e7 else f"{value:.3g}"
