"""A run's report: one static HTML page that needs nothing but itself, written from the run's folder.

Everything that comes from those files is escaped. Equal files give equal bytes with one installation:
no times and no random names.
"""

import base64
import io
import json
import math
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from gan_jax import files
from gan_jax.terminal import console

__all__ = ["write"]
__dir__ = __all__.copy

_T = TypeVar("_T")
_Shown = tuple[str, pathlib.Path]  # a kind of picture and its file
_Captions = Mapping[str, Mapping[str, Any]]  # by group of pictures: what each kind is called there, and the "title"
_Series = dict[int, float]  # step -> value, NaN and inf included
_Log = dict[tuple[str, str], _Series]  # by kind and key

_MAX_ROWS, _MAX_STRIPS, _MAX_WARNINGS = 12, 24, 6
_PICTURE_BUDGET = 6_000_000  # characters of data URIs; past it photos become JPEG
_JPEG_QUALITY, _JPEG_SIDE = 90, 2200  # pixels: twice the width of the page, for dense displays
_PIXELATED_SIDE, _LARGE_SIDE = 128, 200  # pixels: up to here enlarged unblurred; from here three fill a line
_MAX_POINTS, _MANY_POINTS, _FEW_POINTS = 300, 40, 15  # a line drawn; also smoothed; also dotted
_HEADLINE_SCORES, _NARROW_ROW = 3, 3  # scores; pictures of a row that has half the page
_KINDS = ("input", "output", "reconstructed", "identity", "target")  # in this order; others after them
_REFERENCE_ROW = "ground truth"  # a score table's upper bound, which competes with nobody


class _Metric(NamedTuple):
    words: str
    better: str  # a key of _GOODNESS, or "" where nothing is known
    decimals: int
    unit: str = ""


_GOODNESS: dict[str, Callable[[float], float]] = {
    "↑": lambda value: value,
    "↓": lambda value: -value,
    "→ 1": lambda value: -abs(value - 1.0),
}
_METRICS = {
    "psnr": _Metric("PSNR", "↑", 2, "dB"),
    "ssim": _Metric("SSIM", "↑", 4),
    "lpips": _Metric("LPIPS", "↓", 4),
    "label/per_pixel": _Metric("label pixels", "↑", 3),
    "label/per_class": _Metric("label classes", "↑", 3),
    "label/iou": _Metric("label IoU", "↑", 3),
    "histogram/L": _Metric("L histogram", "↑", 3),  # in common with the targets'
    "histogram/a": _Metric("a histogram", "↑", 3),
    "histogram/b": _Metric("b histogram", "↑", 3),
    "sharpness": _Metric("sharpness", "→ 1", 3),  # relative to the targets' own
    "health/agreement": _Metric("correlation of light and dark", "↑", 3),
    "health/variety": _Metric("variety", "→ 1", 3),
    "health/contrast": _Metric("contrast", "", 1),
    "consistency": _Metric("class consistency", "↑", 3),
    "kernel": _Metric("kernel distance", "↓", 4),
    "frechet": _Metric("Fréchet distance", "↓", 3),
    "sinkhorn": _Metric("Sinkhorn", "↓", 3),
    "high_quality": _Metric("near a mode", "↑", 3),
}


def write(run: str | pathlib.Path) -> pathlib.Path:
    """Write `run/report.html`, in one move, from whatever the run's folder holds so far; returns its path.

    Raises FileNotFoundError where `run` is not a run's folder, ValueError where a file in it is broken.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").is_file():
        raise FileNotFoundError(f"{run} is not a run's folder (it has no config.json); name that of one run.")
    report = run / "report.html"
    files.write(report, _page(run).encode("utf-8", "backslashreplace"))  # names may hold bytes that are no text
    return report


def _page(run: pathlib.Path) -> str:
    config, log = _read_object(run / "config.json"), _read_log(run / "log.jsonl")
    scores, data = run / "results" / "scores.json", _fields(config.get("data"))
    captions = {group: _fields(named) for group, named in _fields(config.get("pictures")).items()}
    groups, strips = _test_groups(run / "results", captions), _strips(run / "samples")
    embedded = _embedded([item for rows in groups.values() for row in rows for item in row] + strips)
    finished = _is_finished(config, log)
    title = ": ".join(_text(config[key]) for key in ("name", "method") if key in config)
    versions = {key: config[key] for key in ("device",) if key in config} | _fields(config.get("versions"))
    sections = {
        "Warnings": _warnings(run / "log.jsonl"),
        "Scores": _scores(_read_object(scores) if scores.is_file() else {}, data.get("notes"), finished),
        "Test pictures": _groups_html(groups, captions, embedded) or _missing("No test pictures", finished),
        "The fixed batch over time": _strips_html(strips, captions, embedded) or _missing("No samples", finished),
        "Curves": _curves(log) or _missing("Nothing logged", finished),
        "Recipe": _pairs(_fields(config.get("recipe"))),
        "Data": _pairs({key: value for key, value in data.items() if key not in ("notes", "fingerprints")}),
        "Networks": _networks(_fields(config.get("networks"))),
        "Made with": _pairs(versions),
    }
    body = "\n".join(f"<section>\n<h2>{name}</h2>\n{html}\n</section>" for name, html in sections.items() if html)
    return (
        f"{_HEAD}<title>{title or 'run'}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"{_headline(config, log)}\n{body}\n<script>{_JS}</script>\n</body>\n</html>\n"
    )


# --- reading ------------------------------------------------------------------------------------------------


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); write it anew.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}, wanted a JSON object; write it anew.")
    return found


def _read_log(path: pathlib.Path) -> _Log:
    lines = path.read_bytes().splitlines() if path.is_file() else []
    log: _Log = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            kind, step = str(record["kind"]), int(record["step"])
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            if number == len(lines):
                break  # a kill cut it short
            raise ValueError(
                f"{path}, line {number} is {line[:60]!r}, wanted a JSON object with a kind and a step; remove the line."
            ) from error
        values = {key: _number(value) for key, value in record.items() if key not in ("step", "epoch")}
        for key, value in values.items():
            if value is not None:
                log.setdefault((kind, key), {})[step] = value
    return log


def _warnings(path: pathlib.Path) -> str:
    """The last warnings of a log that `_read_log` has read."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines if line.startswith(b'{"kind": "warning"') and line.endswith(b"}")]
    # Of those that differ in their numbers only, the last.
    kinds = {re.sub(r"\d+", "", str(row.get("text", ""))): row for row in rows}
    shown = sorted(kinds.values(), key=lambda row: int(row["step"]))[-_MAX_WARNINGS:]
    return "\n".join(_note(f"Step {int(row['step']):,}: {_text(row.get('text', ''))}") for row in shown)


def _number(value: object) -> float | None:
    """A JSON number, or one of the strings that stand for those JSON lacks; None for anything else."""
    if isinstance(value, str) and value.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _fields(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _test_groups(results: pathlib.Path, captions: _Captions) -> dict[str, list[list[_Shown]]]:
    """Rows of pictures of one name, all kinds that the folder holds, for each group: "" where none has a folder."""
    there = {path.name for path in results.glob("*") if path.is_dir()}
    kinds = [*(kind for kind in _KINDS if kind in there), *sorted(there - set(_KINDS))]
    folders = {path.name for path in (results / "output").glob("*") if path.is_dir()}
    groups = {}
    for group in [name for name in captions if name in folders] or [""]:
        outputs = results / "output" / group
        found = sorted(path.relative_to(results / "output").as_posix() for path in outputs.rglob("*.png"))
        if names := _evenly(found, _MAX_ROWS):
            files = ([(kind, results / kind / name) for kind in kinds] for name in names)
            groups[group] = [[item for item in row if item[1].is_file()] for row in files]
    return groups


def _strips(samples: pathlib.Path) -> list[_Shown]:
    """The input, the outputs by ascending step, and the target, as far as they exist."""
    found = ((re.fullmatch(r"step_(\d+)\.png", path.name), path) for path in samples.glob("step_*.png"))
    steps = _evenly(sorted((int(match[1]), path) for match, path in found if match), _MAX_STRIPS)
    shown = [(f"step {step:,}", path) for step, path in steps]
    shown = [("input", samples / "input.png"), *shown, ("target", samples / "target.png")]
    return [(caption, path) for caption, path in shown if path.is_file()]


def _evenly(items: Sequence[_T], count: int) -> list[_T]:
    """At most `count` items, the first and the last among them."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in chosen]


# --- pictures -----------------------------------------------------------------------------------------------


class _Picture(NamedTuple):
    """A picture as the page holds it."""

    uri: str
    width: int
    height: int


def _embedded(shown: Iterable[_Shown]) -> dict[_Shown, _Picture | None]:
    """The pictures of files; None for those that cannot be read."""
    files = {item: item[1].read_bytes() for item in shown}
    heavy = sum(map(len, files.values())) * 4 / 3 > _PICTURE_BUDGET
    return {item: _picture(data, heavy) for item, data in files.items()}


def _picture(png: bytes, heavy: bool) -> _Picture | None:
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError):  # Pillow's words for a file that a kill cut short
        return None
    width, height = image.size
    uri = _data_uri("png", png)
    if heavy and image.mode in ("L", "RGB"):  # palettes (label maps), alpha and 16 bit would suffer
        jpeg = io.BytesIO()
        image.thumbnail((_JPEG_SIDE, _JPEG_SIDE))
        image.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
        uri = min(uri, _data_uri("jpeg", jpeg.getvalue()), key=len)
    return _Picture(uri, width, height)


def _figures(pictures: Iterable[tuple[str, _Picture | None]]) -> list[str]:
    """Captions and pictures side by side at one size: those that are smaller in their file are said to be."""
    pictures = list(pictures)
    widest = max((picture.width for _, picture in pictures if picture), default=0)
    return [_figure(caption, picture, widest) for caption, picture in pictures]


def _figure(caption: str, picture: _Picture | None, widest: int) -> str:
    if picture is None:
        return _note(f"{caption}: this picture cannot be read.")
    width, height = picture.width, picture.height
    kind = "pixelated" if height <= _PIXELATED_SIDE else "large" if width > _LARGE_SIDE else ""
    caption += f", enlarged from {width}x{height}" if width < widest else ""
    return (
        f'<figure class="{kind}"><figcaption>{caption}</figcaption><img src="{picture.uri}" alt="{caption}" '
        f'width="{width}" height="{height}" style="--aspect:{width / height:.3f}"></figure>'
    )


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _groups_html(
    groups: Mapping[str, Sequence[Sequence[_Shown]]],
    captions: _Captions,
    embedded: Mapping[_Shown, _Picture | None],
) -> str:
    parts = []
    for group, rows in groups.items():
        named = captions.get(group, {})
        lines = [_figures((_text(named.get(item[0], item[0])), embedded[item]) for item in row) for row in rows]
        cells = "\n".join(
            f'<div class="row"><h4>{_name(row[0][1].stem)}</h4><div class="beside">{"".join(line)}</div></div>'
            for row, line in zip(rows, lines, strict=True)
        )
        wide = " wide" if max(map(len, rows)) > _NARROW_ROW else ""
        title = f"<h3>{_text(named['title'])}</h3>\n" if "title" in named else ""
        parts.append(f'{title}<div class="rows{wide}">\n{cells}\n</div>')
    return "\n".join(parts)


def _strips_html(strips: Sequence[_Shown], captions: _Captions, embedded: Mapping[_Shown, _Picture | None]) -> str:
    if not strips:
        return ""
    named = captions.get("", {})
    figures = _figures((_text(named.get(item[0], item[0])), embedded[item]) for item in strips)
    shown = dict(zip((kind for kind, _ in strips), figures, strict=True))
    above, below = shown.pop("input", ""), shown.pop("target", "")
    stacked = "\n".join(shown.values())
    titles = [_text(words["title"]) for words in captions.values() if "title" in words]
    rows = _note(f"Rows of each picture, from above: {', '.join(titles)}.") if titles else ""
    # The slider shows the pictures of the list below it, so that each is in the page once; without JavaScript
    # the slider stays hidden and the list open.
    return (
        f'{rows}<div id="slider" hidden><label for="time">Step</label><input id="time" type="range" min="0">'
        f'<output for="time"></output></div>\n<div class="strips">{above}'
        f'<figure id="player" hidden><figcaption>{_text(named.get("output", "output"))}</figcaption></figure>{below}'
        f'</div>\n<details id="steps" open><summary>The output by step ({len(shown)} shown)</summary>'
        f'<div class="strips">{stacked}</div></details>'
    )


# --- words and tables ---------------------------------------------------------------------------------------


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


def _metric(key: str) -> _Metric:
    # A run of several generators has each score under the generator's name.
    name, _, rest = key.partition("/")
    if rest in _METRICS:
        return _METRICS[rest]._replace(words=f"{name} {_METRICS[rest].words}")
    return _METRICS.get(key, _Metric(key.replace("_", " ").replace("/", " "), "", 4))


def _heading(key: str) -> str:
    metric = _metric(key)
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{escape(metric.words)}{unit} {metric.better}".strip()


def _note(words: str) -> str:
    return f'<p class="note">{words}</p>'


def _missing(words: str, finished: bool) -> str:
    """What a run under way lacks; a finished one has no such part."""
    return "" if finished else _note(f"{words} yet.")


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{words}</th>' for words in head)
    body = "\n".join(rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _pairs(values: Mapping[str, Any]) -> str:
    rows = (f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in values.items())
    pairs = "\n".join(rows)
    return f'<dl class="pairs">\n{pairs}\n</dl>' if pairs else ""


def _headline(config: Mapping[str, Any], log: _Log) -> str:
    step, total = _last_step(log), config.get("steps")
    if step is None and config and total is None:
        facts = []  # nothing that counts steps
    elif step is None:
        facts = [("State", "not started", "no step logged yet")]
    elif isinstance(total, int):
        facts = [("State", "finished" if step >= total else "unfinished", f"at step {step:,} of {total:,}")]
    else:
        facts = [("State", f"step {step:,}", "the last one logged")]
    if seconds := [value for (_, key), series in log.items() if key == "seconds" for value in series.values()]:
        facts.append(("Time", console.clock(max(seconds)), "of training, with its validations"))
    validated = [key for kind, key in log if kind == "validation"]
    scores: list[tuple[str, str, str]] = []
    for known, key in ((known, key) for known in _METRICS for key in validated):
        metric, series = _metric(key), log["validation", key]
        if not metric.better or known.startswith("health/") or known not in (key, key.partition("/")[2]):
            continue
        finite = [at for at, value in series.items() if math.isfinite(value)]
        if finite and len(scores) < _HEADLINE_SCORES:
            best = max(finite, key=lambda at: _GOODNESS[metric.better](series[at]))
            value = f"{_rounded(series[best], metric.decimals)} {metric.unit}"
            scores.append((f"Best validation {metric.words}", value, f"at step {best:,}"))
    tiles = "".join(f"<div><dt>{a}</dt><dd>{b}<small>{c}</small></dd></div>" for a, b, c in [*facts, *scores])
    name, method = _text(config.get("name", "run")), _text(config.get("method", ""))
    return f'<header>\n<p>{method}</p>\n<h1>{name}</h1>\n<dl class="facts">{tiles}</dl>\n</header>'


def _is_finished(config: Mapping[str, Any], log: _Log) -> bool:
    """Whether every step is done, or there is nothing that counts steps."""
    step, total = _last_step(log), config.get("steps")
    if not isinstance(total, int):
        return bool(config) and step is None and total is None
    return step is not None and step >= total


def _last_step(log: _Log) -> int | None:
    return max((step for series in log.values() for step in series), default=None)


def _scores(scores: Mapping[str, Any], notes: object, finished: bool) -> str:
    rows = [row for row in scores.get("rows") or () if isinstance(row, dict)]
    if rows:
        table = _score_table(scores, rows)
    elif "unscored" in scores:
        table = _note(f"No test scores: {_text(scores['unscored'])}.")
    else:
        table = _missing("No test scores", finished)
    said = [_note(f"Note: {_text(note)}") for note in notes] if isinstance(notes, list) else []
    return "\n".join(part for part in (table, *said) if part)


def _score_table(scores: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row if key != "name"))
    rivals = [row for row in rows if row.get("name") != _REFERENCE_ROW]
    best = {key: _best(key, rivals) for key in keys}
    lines = []
    for row in rows:
        words = {key: _score(key, row) for key in keys}
        leads = {key for key in keys if row in rivals and words[key] == best[key]}
        cells = "".join(f"<td>{f'<strong>{words[key]}</strong>' if key in leads else words[key]}</td>" for key in keys)
        kind = "" if row in rivals else ' class="reference"'
        lines.append(f'<tr{kind}><th scope="row">{_text(row.get("name", ""))}</th>{cells}</tr>')
    parts = (("split", "{} split"), ("count", "{} images"), ("protocol", "{}"))
    about = "; ".join(form.format(_text(scores[key])) for key, form in parts if key in scores)
    legend = "↑ higher is better, ↓ lower is better, → 1 nearer to 1 is better. Bold: best of its column."
    return _table(["", *map(_heading, keys)], lines) + f"\n{_note(about)}\n{_note(legend)}"


def _score(key: str, row: Mapping[str, Any]) -> str:
    value = _number(row.get(key))
    return "–" if value is None else _rounded(value, _metric(key).decimals)


def _best(key: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The best score of a column, as it is shown; None where there is nothing to choose from."""
    better = _metric(key).better
    finite = [row for row in rows if (value := _number(row.get(key))) is not None and math.isfinite(value)]
    if not better or len(finite) < 2:
        return None
    return _score(key, max(finite, key=lambda row: _GOODNESS[better](float(row[key]))))


def _networks(networks: Mapping[str, Any]) -> str:
    lines = []
    for role, described in networks.items():
        fields = _fields(described)
        count = fields.get("parameters")
        parameters = f"{count:,}" if isinstance(count, int) else "–"
        rest = {key: value for key, value in fields.items() if key not in ("name", "parameters")}
        words = ", ".join(f"{_text(key)} {_text(value)}" for key, value in rest.items())
        lines.append(
            f'<tr><th scope="row">{": ".join(_text(name) for name in (role, fields.get("name")) if name)}</th>'
            f'<td>{parameters}</td><td class="words">{words}</td></tr>'
        )
    return _table(["", "parameters", ""], lines) if lines else ""


# --- curves -------------------------------------------------------------------------------------------------

_LEFT, _TOP, _WIDTH, _HEIGHT = 50, 6, 292, 156  # the plot, inside the 360 x 190 units of the drawing


def _curves(log: _Log) -> str:
    charts: dict[str, dict[str, _Series]] = {}
    for (kind, key), values in log.items():
        if key == "seconds":
            continue
        title, line = _placed(kind, key)
        charts.setdefault(title, {})[line] = values
    if not charts:
        return ""
    last = max(_last_step(log) or 0, 1)
    drawn = (_chart(title, charts[title], last) for title in sorted(charts, key=_rank))
    legend = "Faint: as logged; strong: smoothed. The number ends the line. Scales leave out the outermost 1%."
    return _note(legend) + '\n<div class="charts">\n' + "\n".join(drawn) + "\n</div>"


def _placed(kind: str, key: str) -> tuple[str, str]:
    """The chart that a logged value belongs to, and the name of its line there; both escaped."""
    family, _, rest = (escape(part.replace("_", " ")) for part in key.partition("/"))
    if kind == "validation":
        title = "Validation label scores ↑" if family == "label" else f"Validation {_heading(key)}"
        return title, escape(_metric(key).words)
    if family == "loss" and rest:
        stem = rest.split()[0]
        # A generator's whole loss is far larger than its adversarial part: together they would hide the game.
        adversarial = stem in ("critic", "gan")
        return ("Adversarial losses" if adversarial else f"{stem[0].upper()}{stem[1:]} loss"), rest
    named = {"images_per_s": "Throughput (images/s)", "data_wait": "Waiting for data (share of time)"}
    return named.get(key, "Learning rate" if key == "lr" else family.capitalize()), rest or family


def _rank(title: str) -> int:
    """Losses, then validation, then everything else, each in the log's order."""
    if title.endswith(("loss", "losses")):
        return 0 if title.startswith("Adversarial") else 1
    return 2 if title.startswith("Validation") else 3


def _chart(title: str, lines: Mapping[str, _Series], last_step: int) -> str:
    thinned = {name: _thinned(values) for name, values in lines.items()}
    low, high = _limits(list(thinned.values()))

    def drawn(points: np.ndarray, kind: str) -> str:
        x, y = points[:, 0] / last_step * _WIDTH, (high - points[:, 1]) / (high - low) * _HEIGHT
        places = [(f"{a:.1f}", f"{b:.1f}") for a, b in zip(x, y, strict=True)]
        path = " ".join(",".join(place) for place in places)
        dots = [f'<circle cx="{a}" cy="{b}" r="2.5"/>' for a, b in places] * (len(points) <= _FEW_POINTS)
        return f'<g class="{kind}"><polyline points="{path}"/>{"".join(dots)}</g>'

    marks, legend = [], []
    for index, (name, points) in enumerate(thinned.items()):
        colour, noisy = f"c{index % 6}", _is_noisy(points)
        strong = _smoothed(points) if noisy else points
        marks += [drawn(points, f"{colour} faint")] * noisy + [drawn(strong, colour)]
        end = f" <b>{_brief(strong[-1, 1])}</b>" if len(points) else ""
        bad = [step for step, value in sorted(lines[name].items()) if not math.isfinite(value)]
        warning = f" (not finite at step {bad[0]:,})" if bad else ""
        legend.append(f'<span class="{colour}">{name}{end}{warning}</span>')
    return (
        f'<figure class="chart"><figcaption><h3>{title}</h3>{"".join(legend)}</figcaption>'
        f'<svg viewBox="0 0 360 190" role="img" aria-label="{title}">{_axes(low, high, last_step)}'
        # An inner svg cuts off what leaves the plot; half a dot may.
        f'<svg x="{_LEFT}" y="{_TOP}" width="{_WIDTH + 3}" height="{_HEIGHT}">{"".join(marks)}</svg></svg>'
        "</figure>"
    )


def _thinned(values: _Series) -> np.ndarray:
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
    # As many digits as tell neighbours apart.
    digits = 2 + math.floor(math.log10(max(map(abs, levels)) / (levels[1] - levels[0])))
    for tick in levels:
        y = _TOP + (high - tick) / (high - low) * _HEIGHT
        marks.append(f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{_brief(tick, digits)}</text>')
    for tick in _ticks(0, last_step, min(last_step, 5)):
        x, words = _LEFT + tick / last_step * _WIDTH, _brief(tick) if tick else "step 0"
        marks.append(f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">{words}</text>')
    return "".join(marks)


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers in [low, high]: at most `count` + 1 of them, at least two."""
    least = (high - low) / count
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _brief(value: float, digits: int = 3) -> str:
    if not 1e3 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(value) < 1e4 else f"{value / 1e3:.4g}k" if abs(value) < 1e6 else f"{value / 1e6:.4g}M"


# --- the page -----------------------------------------------------------------------------------------------

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

_CSS = """
:root { --paper: #fff; --ink: #1b1d21; --soft: #626973; --line: #e4e6ea; --tint: #f6f7f9;
 --c0: #0b66c3; --c1: #cf5a00; --c2: #0f7f6b; --c3: #7b3fe4; --c4: #c2185b; --c5: #7a6a00 }
@media (prefers-color-scheme: dark) { :root { --paper: #15171b; --ink: #e7e9ec; --soft: #9aa2ad;
 --line: #2d3138; --tint: #1c1f24;
 --c0: #62adff; --c1: #ff9d5c; --c2: #4fc7b0; --c3: #be9bff; --c4: #ff80b5; --c5: #d2b93a } }
* { box-sizing: border-box; margin: 0 }
[hidden] { display: none !important }
body { max-width: 1148px; margin: 0 auto; padding: 48px 24px 96px; background: var(--paper);
 color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
 font-variant-numeric: tabular-nums }
h1 { font-size: 34px; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere }
h2 { font-size: 19px; letter-spacing: -.01em; margin-bottom: 16px }
h3 { font-size: 15px; font-weight: 600; margin: 28px 0 12px }
h4, .chart h3 { font-size: 13px; font-weight: 600; margin: 0; color: var(--ink); overflow-wrap: anywhere }
section { margin-top: 56px }
header p, .note, dt, figcaption, small, summary, label, td { color: var(--soft) }
dt, figcaption, small, thead th { font-size: 12.5px }
.note { font-size: 13px; margin-top: 8px }
.facts { display: flex; flex-wrap: wrap; gap: 20px 44px; margin-top: 28px }
.facts dd { font-size: 24px; font-weight: 600; line-height: 1.3; letter-spacing: -.01em }
.facts small { display: block; font-weight: 400; letter-spacing: 0 }
.scroll, .strips { overflow-x: auto }
table { border-collapse: collapse; min-width: min(100%, 560px) }
th, td { padding: 9px 0 9px 36px; text-align: right; vertical-align: top;
 border-bottom: 1px solid var(--line) }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap }
th:first-child { padding-left: 0; text-align: left; font-weight: 500; min-width: 9.5em }
.reference th { color: var(--soft); font-weight: 400 }
.words { text-align: left }
strong, .chart b { color: var(--ink); font-weight: 700 }
img { display: block; height: auto; border-radius: 3px; background: var(--tint) }
.pixelated img { image-rendering: pixelated }
.rows { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr));
 gap: 28px 40px }
.rows:has(.large), .wide { grid-template-columns: 1fr }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 104px), 1fr)); gap: 6px }
.beside img { width: 100% }
.beside figure:only-child { max-width: 560px }
.strips * + figure { margin-top: 10px }
.strips figcaption { position: sticky; left: 0; width: max-content }
.strips img { width: clamp(calc(var(--aspect) * 84px), 100%, calc(var(--aspect) * 256px)) }
#slider { display: flex; align-items: center; gap: 14px; margin-bottom: 14px }
#slider input { flex: 1; min-width: 0; max-width: 520px; height: 32px; accent-color: var(--c0) }
#slider output { font-weight: 600; min-width: 6em }
details { margin-top: 20px }
summary { cursor: pointer; padding: 4px 0 10px }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr));
 gap: 32px 28px; margin-top: 20px }
.chart { display: flex; flex-direction: column; justify-content: space-between }
.chart span { margin-right: 14px; white-space: nowrap }
.chart span::before { content: ""; display: inline-block; width: 12px; height: 3px; margin: 0 6px 3px 0;
 border-radius: 2px; background: var(--colour) }
.chart > svg { width: 100%; height: auto; margin-top: 6px }
svg text { fill: var(--soft); font-size: 10.5px }
svg line { stroke: var(--line) }
polyline { fill: none; stroke: var(--colour); stroke-width: 1.6; stroke-linejoin: round }
circle { fill: var(--colour) }
.faint { opacity: .35 }
.faint polyline { stroke-width: 1 }
.c0 { --colour: var(--c0) } .c1 { --colour: var(--c1) } .c2 { --colour: var(--c2) }
.c3 { --colour: var(--c3) } .c4 { --colour: var(--c4) } .c5 { --colour: var(--c5) }
.pairs { columns: 3 300px; column-gap: 40px }
.pairs div { display: flex; justify-content: space-between; gap: 20px; padding: 5px 0;
 break-inside: avoid; border-bottom: 1px solid var(--line) }
.pairs dt { flex: none; max-width: 60%; overflow-wrap: anywhere }
.pairs dd { text-align: right; overflow-wrap: anywhere; font-size: 13.5px }
@media (max-width: 600px) { body { padding: 28px 16px 64px } section { margin-top: 44px }
 h1 { font-size: 27px } th, td { padding-left: 20px }
 .facts { gap: 16px 28px } .facts dd { font-size: 20px } }
"""

_JS = """
const frames = [...document.querySelectorAll("#steps figure")];
if (frames.length > 1) {
  const ids = ["slider", "time", "player", "steps"];
  const [slider, time, player, steps] = ids.map(id => document.getElementById(id));
  const image = frames[0].querySelector("img").cloneNode();
  const show = () => {
    const frame = frames[time.value];
    image.src = frame.querySelector("img").src;
    image.alt = slider.querySelector("output").textContent = frame.querySelector("figcaption").textContent;
  };
  player.className = frames[0].className;
  player.append(image);
  time.max = time.value = frames.length - 1;
  time.addEventListener("input", show);
  show();
  slider.hidden = player.hidden = steps.open = false;
}
"""
