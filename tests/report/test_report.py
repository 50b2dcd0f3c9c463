"""The report of a run: complete, self-contained, escaped, and patient with what a kill leaves behind."""

import html.parser
import json
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli, report
from gan_jax.report import charts, page, read

_VOID = {"meta", "link", "img", "input"}


class _Page(html.parser.HTMLParser):
    """Tags and text of a page; fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def _page(run: pathlib.Path) -> _Page:
    return _Page(report.write(run).read_text("utf-8"))


def _picture(path: pathlib.Path, height: int = 8, width: int = 8, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def _log(run: pathlib.Path, *records: dict[str, object]) -> None:
    (run / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def _train(step: int, **values: object) -> dict[str, object]:
    losses = {"loss/critic": 1.2 + step % 7, "loss/gan": 0.7, "loss/generator": 3.4, "loss/l1": 0.2}
    return {"kind": "train", "step": step, "epoch": 1.0, "images_per_s": 25.1, "lr": 2e-4} | losses | values


def _validation(step: int, **values: object) -> dict[str, object]:
    return {"kind": "validation", "step": step, "psnr": 18.2, "ssim": 0.41, "label/per_pixel": 0.7} | values


@pytest.fixture
def empty(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def full(tmp_path: pathlib.Path) -> pathlib.Path:
    config = {
        "name": "demo",
        "method": "pix2pix",
        "recipe": {"netG": "unet_256", "lr": 0.0002, "no_flip": False, "dataroot": "https://example.org/"},
        "data": {"train": 300, "size": [64, 64]},
        "networks": {"generator": {"name": "UNet", "parameters": 123456, "depth": 8}},
        "steps": 500,
        "versions": {"jax": "0.10.2"},
        "device": "2 x cpu",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    scores = [_validation(250, psnr=19.456), _validation(500)]
    _log(tmp_path, *(_train(step, data_wait=0.02) for step in range(1, 501)), *scores)
    for name in ("input", "target", "step_00000250", "step_00000500"):
        _picture(tmp_path / "samples" / f"{name}.png", width=32)
    for index in range(20):
        for kind in ("input", "output", "target"):
            _picture(tmp_path / "results" / kind / f"{index:02}.png")
    rows = [
        {"name": "generator", "psnr": 18.123, "ssim": 0.42, "sharpness": 0.93, "odd_one": 2},
        {"name": "mean color of each class", "psnr": 18.9, "ssim": 0.39, "sharpness": 1.2},
        {"name": "ground truth", "psnr": "inf", "ssim": 1.0, "sharpness": 1.0},
    ]
    table = {"split": "test", "count": 32, "rows": rows, "protocol": "RGB, 8 bit"}
    (tmp_path / "results" / "scores.json").write_text(json.dumps(table))
    return tmp_path


def test_a_full_run_has_every_section(full: pathlib.Path) -> None:
    page = _page(full)
    expected = ["Scores", "Test images", "The fixed batch over time", "Curves", "Recipe", "Data", "Networks"]
    assert re.findall("|".join([*expected, "Made with"]), page.text) == [*expected, "Made with"]
    for words in ("demo", "pix2pix", "finished", "at step 500 of 500", "19.46 dB", "at step 250", "123,456"):
        assert words in page.text
    assert page.count("img") == 12 * 3 + 4
    assert ("details", {"id": "steps", "open": None}) in page.tags  # readable without JavaScript
    charts = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg" and "role" in attributes]
    assert charts == [
        "Adversarial losses",
        "Generator loss",
        "L1 loss",
        "Validation PSNR (dB) ↑",
        "Validation SSIM ↑",
        "Validation label scores ↑",
        "Throughput (images/s)",
        "Learning rate",
        "Waiting for data (share of time)",
    ]


def test_rows_are_chosen_evenly(full: pathlib.Path) -> None:
    names = re.findall(r"<h4>(\d\d)</h4>", report.write(full).read_text("utf-8"))
    assert len(names) == 12
    assert (names[0], names[-1]) == ("00", "19")
    assert set(np.diff([int(name) for name in names])) == {1, 2}


def test_the_best_score_of_a_column_is_bold_and_the_ground_truth_does_not_compete(full: pathlib.Path) -> None:
    text = report.write(full).read_text("utf-8")
    assert re.findall("<strong>(.*?)</strong>", text) == ["0.4200", "0.930", "18.90"]
    assert "<td>∞</td>" in text
    assert "PSNR (dB) ↑" in text
    assert "sharpness → 1" in text


def test_lines_have_at_most_300_points_and_long_ones_are_smoothed(full: pathlib.Path) -> None:
    lines = [attributes["points"] or "" for tag, attributes in _page(full).tags if tag == "polyline"]
    assert max(len(line.split()) for line in lines) == 300
    assert report.write(full).read_text("utf-8").count('faint"') == 1  # of the long ones only the critic's is noisy


def test_nothing_is_loaded_from_outside(full: pathlib.Path) -> None:
    text = report.write(full).read_text("utf-8")
    for tag, attributes in _Page(text).tags:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert "://" not in "".join(value or "" for value in attributes.values())
    assert re.findall(r"\w+://\S*?(?=<)", text) == ["https://example.org/"]  # the recipe's, as text
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_an_empty_run_says_what_is_missing(empty: pathlib.Path) -> None:
    page = _page(empty)
    for words in ("no step logged yet", "No test scores yet", "No test images yet", "No samples yet"):
        assert words in page.text
    assert "Recipe" not in page.text


def test_a_run_under_way_says_how_far_it_is(empty: pathlib.Path) -> None:
    (empty / "config.json").write_text('{"steps": 1500}')
    _log(empty, _train(900))
    assert "unfinished" + "at step 900 of 1,500" in _page(empty).text


def test_a_folder_that_is_no_run_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"not a run's folder.*config\.json"):
        report.write(tmp_path)


@pytest.mark.parametrize("torn", ['{"kind": "tra', '{"kind": "train", "ste', "\x00\x00\x00", "{}", '{"a": "\\u00'])
def test_a_last_line_cut_short_is_ignored(empty: pathlib.Path, torn: str) -> None:
    _log(empty, _train(100), _train(200))
    whole = report.write(empty).read_bytes()
    with (empty / "log.jsonl").open("a") as log:
        log.write(torn)
    assert report.write(empty).read_bytes() == whole


@pytest.mark.parametrize("broken", ['{"kind": "tra', "[]", '{"kind": "train"}', '{"kind": "train", "step": "x"}'])
def test_a_broken_line_in_the_middle_is_named(empty: pathlib.Path, broken: str) -> None:
    good = json.dumps(_train(100))
    (empty / "log.jsonl").write_text(f"{good}\n{broken}\n{good}\n")
    with pytest.raises(ValueError, match=r"line 2 of .*log\.jsonl is damaged; remove that line"):
        report.write(empty)
    assert not (empty / "report.html").exists()


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_broken_json_files_are_named(full: pathlib.Path, content: str) -> None:
    (full / "results" / "scores.json").write_text(content)
    with pytest.raises(ValueError, match=r"scores\.json"):
        report.write(full)
    (full / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json"):
        report.write(full)


def test_hostile_names_are_escaped(empty: pathlib.Path) -> None:
    bad = "<script>alert('\"&')</script>"
    network = {"name": bad, "parameters": bad, bad: [bad, {bad: bad}]}
    config = {"name": bad, "method": bad, "recipe": {bad: bad}, "data": {bad: {bad: bad}}, "steps": bad}
    config |= {"networks": {bad: network}, "versions": {bad: bad}, "device": bad}
    (empty / "config.json").write_text(json.dumps(config))
    _log(empty, _train(1, **{bad: 1, f"loss/{bad}": 1}), _validation(1, **{bad: 1, "<i>/psnr": 1}))
    scores = {
        "split": bad,
        "count": bad,
        "protocol": {bad: bad},
        "rows": [{"name": bad, bad: 1, "psnr": bad}],
    }
    _picture(empty / "results" / "output" / "<script>&quot;.png")
    (empty / "results" / "scores.json").write_text(json.dumps(scores))
    page = _page(empty)
    assert page.count("script") == 1
    assert page.text.count("<script>") >= 12
    assert page.count("i") == 0
    assert "Best validation <i> PSNR" in page.text
    assert not any("onerror" in attributes for _, attributes in page.tags)


def test_values_that_are_not_finite_are_named_and_left_out(empty: pathlib.Path) -> None:
    values = [_train(1), _train(2, **{"loss/critic": float("nan")}), _train(3, **{"loss/l1": "inf"})]
    _log(empty, *values, _validation(3, psnr="inf", ssim=float("-inf")), _validation(4, psnr=None))
    page = _page(empty)
    assert "critic 3.2" not in page.text
    assert "critic 4.2 (not finite at step 2)" in page.text
    assert "l1 0.2 (not finite at step 3)" in page.text
    assert "PSNR (not finite at step 3)" in page.text
    assert "SSIM 0.41 (not finite at step 3)" in page.text
    drawn = " ".join(attributes["points"] or "" for tag, attributes in page.tags if tag == "polyline")
    assert not re.search("nan|inf", drawn)


@pytest.mark.parametrize("value", [0, 0.0, -3.5, 1e-12, 1e30, 5])
@pytest.mark.parametrize("step", [0, 1, 12345])
def test_a_single_point_is_drawn_inside_its_chart(empty: pathlib.Path, value: float, step: int) -> None:
    _log(empty, {"kind": "train", "step": step, "loss/l1": value})
    dots = [attributes for tag, attributes in _page(empty).tags if tag == "circle"]
    assert len(dots) == 1
    assert 0 <= float(dots[0]["cx"] or "nan") <= 360
    assert 0 <= float(dots[0]["cy"] or "nan") <= 190


def test_ticks_that_differ_are_written_differently(empty: pathlib.Path) -> None:
    _log(empty, _validation(1, psnr=18.0011), _validation(2, psnr=18.0019))
    text = report.write(empty).read_text("utf-8")
    ticks = re.findall(
        r'text-anchor="end">(.*?)</text>', text.split('aria-label="Validation PSNR')[1].split("</figure>")[0]
    )
    assert len(ticks) >= 2
    assert len(set(ticks)) == len(ticks)


def test_every_cut_of_a_sample_still_gives_a_page(empty: pathlib.Path) -> None:
    newest = empty / "samples" / "step_00000500.png"
    _picture(newest)
    data = newest.read_bytes()
    for length in range(0, len(data) - 24, 5):  # the last 24 bytes hold no pixels
        newest.write_bytes(data[:length])
        assert "step 500: this image cannot be read" in _page(empty).text


def test_small_images_are_embedded_as_they_are(full: pathlib.Path) -> None:
    tags = _page(full).tags
    assert {str(attributes["src"])[:22] for tag, attributes in tags if tag == "img"} == {"data:image/png;base64,"}
    assert sum(attributes.get("class") == "pixelated" for _, attributes in tags) == 12 * 3 + 4


def test_heavy_runs_get_jpeg_for_photos_and_keep_label_maps(
    full: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "_IMAGE_BUDGET", 1000)
    _picture(full / "samples" / "target.png", 64, 256)
    labels = Image.fromarray(np.zeros((64, 256), np.uint8)).convert("P")
    labels.save(full / "samples" / "input.png")
    page = _page(full)
    sources = {str(a["alt"]): str(a["src"])[:16] for tag, a in page.tags if tag == "img" and a["width"] == "256"}
    assert sources == {"input": "data:image/png;b", "target": "data:image/jpeg;"}


def test_many_samples_are_thinned_out_with_the_first_and_the_last(empty: pathlib.Path) -> None:
    for step in range(60):
        _picture(empty / "samples" / f"step_{step:08}.png", width=16)
    steps = [attributes["alt"] for tag, attributes in _page(empty).tags if tag == "img"]
    assert len(steps) == 24
    assert (steps[0], steps[-1]) == ("step 0", "step 59")


def test_a_run_without_inputs_shows_outputs_alone(empty: pathlib.Path) -> None:
    _picture(empty / "results" / "output" / "a.png")
    _picture(empty / "samples" / "step_00000001.png")
    assert [attributes["alt"] for tag, attributes in _page(empty).tags if tag == "img"] == [
        "output",
        "step 1",
    ]


def test_equal_runs_give_equal_bytes(full: pathlib.Path) -> None:
    first = report.write(full).read_bytes()
    os.utime(full / "log.jsonl", (0, 0))
    assert report.write(full).read_bytes() == first


def test_a_failed_write_leaves_the_old_report(full: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = report.write(full)
    assert path == full / "report.html"
    before = path.read_bytes()
    (full / "config.json").write_text("{}")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        report.write(full)
    assert path.read_bytes() == before
    assert [item.name for item in full.glob("report*")] == ["report.html"]


def test_scores_of_two_generators_and_warnings(empty: pathlib.Path) -> None:
    rows = [
        {"kind": "validation", "step": step, "AtoB/psnr": 10.0 + step, "BtoA/psnr": 20.0, "AtoB/label/iou": 0.5}
        for step in (1, 2)
    ]
    warnings = [{"kind": "warning", "step": step, "text": f"<{step}> is odd"} for step in range(1, 9)]
    _log(empty, *rows, *warnings)
    page = report.write(empty).read_text()
    for words in ("Best validation AtoB PSNR", "Best validation BtoA PSNR", "12.00 dB", "Validation AtoB PSNR (dB) ↑"):
        assert words in page
    assert "Step 8: &lt;8&gt; is odd" in page
    assert "Step 2: " not in page  # the last ones only


def test_each_direction_has_its_group_with_every_kind_of_image_in_order(empty: pathlib.Path) -> None:
    kinds = {"input": "A", "output": "fake B", "reconstructed": "rec A", "identity": "idt A", "target": "B"}
    named = {"AtoB": {"title": "A to B", **kinds}, "BtoA": {"title": "<B>", "output": "fake A"}, "../..": {}}
    (empty / "config.json").write_text(json.dumps({"pictures": named}))
    for kind in ("zebra", *kinds):
        _picture(empty / "results" / kind / "AtoB" / "1.png")
    _picture(empty / "results" / "output" / "BtoA" / "2.png")
    _picture(empty / "samples" / "step_00000001.png")
    page = _page(empty)
    headings = [words.strip() for words in re.findall(r"(?:A to B|<B>)\n", page.text.split("The fixed batch")[0])]
    assert headings == ["A to B", "<B>"]
    shown = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert shown == ["A", "fake B", "rec A", "idt A", "B", "zebra", "fake A", "step 1"]
    assert "Rows of each image, from above: A to B, <B>." in page.text


def test_images_of_one_generator_may_lie_in_folders(empty: pathlib.Path) -> None:
    (empty / "config.json").write_text(json.dumps({"pictures": {"": {"output": "enlarged", "target": "truth"}}}))
    for kind in ("output", "target"):
        _picture(empty / "results" / kind / "AtoB" / "1.png")
    assert [attributes["alt"] for tag, attributes in _page(empty).tags if tag == "img"] == ["enlarged", "truth"]


def test_low_resolution_is_shown_as_large_as_the_output_and_says_its_size(empty: pathlib.Path) -> None:
    for kind, side in (("input", 10), ("output", 40), ("target", 40)):
        _picture(empty / "results" / kind / "a.png", height=side, width=side + 2)
    shown = [attributes["alt"] for tag, attributes in _page(empty).tags if tag == "img"]
    assert shown == ["input, enlarged from 12x10", "output", "target"]


def test_the_headline_has_the_time_and_no_measure_of_health(empty: pathlib.Path) -> None:
    rows = [_validation(1, seconds=3725.4, **{"health/agreement": 0.9, "AtoB/health/agreement": 0.871})]
    _log(empty, _train(1, seconds=3700), *rows)
    page = _page(empty)
    header = page.text.split("Scores")[0]
    assert "1:02:05" in header
    assert "Best validation SSIM" in header
    assert "correlation" not in header
    charts = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg" and "role" in attributes]
    assert "Validation AtoB correlation of light and dark ↑" in charts
    assert not any("econds" in str(title) for title in charts)
    _log(empty, _train(1))  # of before there were seconds
    assert "Time" not in _page(empty).text.split("Scores")[0]


@pytest.mark.parametrize("total", [1, None])
def test_a_finished_run_has_no_part_that_says_it_is_missing(empty: pathlib.Path, total: int | None) -> None:
    (empty / "config.json").write_text(json.dumps({"name": "a", **({} if total is None else {"steps": total})}))
    if total:
        _log(empty, _train(1))
    page = _page(empty)
    assert "yet" not in page.text
    assert [heading for heading in ("Scores", "Test images", "The fixed batch") if heading in page.text] == []
    assert ("Curves" in page.text) == bool(total)


def test_why_there_are_no_scores_and_what_they_are_worth(empty: pathlib.Path) -> None:
    config = {"name": "a", "steps": 9, "data": {"test": 2, "notes": ["<few> images."]}}
    (empty / "config.json").write_text(json.dumps(config))
    (empty / "results").mkdir()
    (empty / "results" / "scores.json").write_text(
        json.dumps({"rows": [], "unscored": "nothing says <what>", "notes": ["gray is nearer."]})
    )
    text = _page(empty).text
    assert "No test scores: nothing says <what>." in text
    assert text.index("Note: gray is nearer.") < text.index("Note: <few> images.")
    assert "notes" not in text


def test_of_warnings_that_differ_in_numbers_the_last_is_shown(empty: pathlib.Path) -> None:
    flat = [{"kind": "warning", "step": step, "text": f"flat ({step / 2} of 255)"} for step in range(2, 12)]
    _log(empty, {"kind": "warning", "step": 1, "text": "75% of the time is waiting"}, *flat)
    section = _page(empty).text.split("Warnings")[1].split("Scores")[0]
    assert section.split("\n")[1:3] == ["Step 1: 75% of the time is waiting", "Step 11: flat (5.5 of 255)"]


def test_the_page_is_that_of_what_was_read(full: pathlib.Path) -> None:
    run = read.read_run(full)
    assert (run.last_step, run.is_finished, len(run.groups[""]), len(run.samples)) == (500, True, 12, 4)
    assert read.description(full) == (run.config, run.scores)
    assert page.render(run) == report.write(full).read_text("utf-8")
    assert run.curves["validation", "psnr"] == {250: 19.456, 500: 18.2}
    assert charts.draw(run.curves, 500) in page.render(run)
    assert charts.draw({}, 0) == ""


def test_styles_and_script_are_whole(empty: pathlib.Path) -> None:
    text = report.write(empty).read_text("utf-8")
    assert "<style>\n:root {" in text
    assert "}\n</script>" in text


def test_what_of_json_is_a_number_and_what_an_object() -> None:
    assert [read.number(value) for value in (1, 2.5, "inf", "-Infinity")] == [1.0, 2.5, np.inf, -np.inf]
    assert [read.number(value) for value in (True, None, "1", [1])] == [None] * 4
    assert [read.fields(value) for value in ({"a": 1}, None, [1])] == [{"a": 1}, {}, {}]


def _told(page: _Page) -> dict[str, dict[str, object]]:
    """What each chart holds for the page's program, by the chart's title."""
    titles = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg" and "role" in attributes]
    values = [attributes["data-told"] for _, attributes in page.tags if "data-told" in attributes]
    return {title: json.loads(value) for title, value in zip(titles, values, strict=True)}  # type: ignore[arg-type]


def test_charts_hold_all_values_and_not_those_that_are_drawn_alone(full: pathlib.Path) -> None:
    told = _told(_page(full))
    lines = {name: points for name, _, points, _ in told["Adversarial losses"]["lines"]}  # type: ignore[union-attr]
    assert list(lines) == ["critic", "gan"]
    assert lines["critic"] == [[step, 1.2 + step % 7] for step in range(1, 501)]
    assert told["Validation PSNR (dB) ↑"]["lines"] == [["PSNR", 0, [[250, 19.456], [500, 18.2]], 0]]
    _log(full, _train(1, **{"loss/l1": "inf"}), _train(2))
    assert _told(_page(full))["L1 loss"]["lines"] == [["l1", 0, [[1, None], [2, 0.2]], 0]]


def test_gradients_have_a_chart(empty: pathlib.Path) -> None:
    _log(empty, *({"kind": "gradients", "step": step, "generator": 0.1, "critic_A": 0.2} for step in (1, 2)))
    (lines,) = (chart["lines"] for title, chart in _told(_page(empty)).items() if title.startswith("Gradients"))
    assert [line[0] for line in lines] == ["generator", "critic A"]  # type: ignore[attr-defined]


def test_wall_time_is_an_axis_where_all_runs_have_logged_it(empty: pathlib.Path) -> None:
    timed = {("train", "seconds"): {10: 2.0, 20: 5.0}, ("validation", "seconds"): {15: 4.0}}
    html = charts.clocks([timed, {("train", "seconds"): {10: 8.0}}])
    (clocks,) = re.findall('<script type="application/json" id="clocks">(.*?)</script>', html)
    assert json.loads(clocks) == [[[10, 2], [15, 4], [20, 5]], [[10, 8]]]
    assert 'id="axis" hidden' in html
    assert charts.clocks([]) == charts.clocks([timed, {("train", "loss/l1"): {10: 1.0}}]) == ""
    _log(empty, {"kind": "train", "step": 1, "loss/l1": 1.0}, {"kind": "train", "step": 2, "loss/l1": 1.0})
    assert 'id="clocks"' not in report.write(empty).read_text()
    _log(empty, {"kind": "train", "step": 1, "seconds": 1.5, "loss/l1": 1.0})
    assert '<script type="application/json" id="clocks">[[[1.0,1.5]]]</script>' in report.write(empty).read_text()


@pytest.mark.parametrize(("value", "words"), [(400.0, "400"), (380.0, "380"), (0.25, "0.2"), (4.0, "4"), (99.6, "100")])
def test_ticks_are_written_out(value: float, words: str) -> None:
    assert charts._brief(value, 1) == words


@pytest.fixture
def both(full: pathlib.Path) -> list[pathlib.Path]:
    """Two runs that differ in a flag, their scores and their curves."""
    other = full / "other"
    config = json.loads((full / "config.json").read_text())
    config["recipe"] |= {"lr": 0.001, "new_flag": 7}
    config["data"]["fingerprints"] = {"train": "ab" * 32}
    _picture(other / "results" / "output" / "07.png", seed=1)
    _picture(other / "results" / "input" / "07.png")
    (other / "config.json").write_text(json.dumps(config))
    _log(other, *(_train(step, loss_x=0) for step in (1, 2)), _validation(2, psnr=21.0))
    rows = [{"name": "generator", "psnr": 21.0}]
    (other / "results" / "scores.json").write_text(json.dumps({"rows": rows, "protocol": "another"}))
    run = full / "run"
    run.mkdir()
    for name in ("config.json", "log.jsonl", "results"):
        (full / name).rename(run / name)
    return [run, other]


def test_runs_side_by_side_say_first_where_they_differ(both: list[pathlib.Path], tmp_path: pathlib.Path) -> None:
    path = report.write_together(tmp_path / "both.html", both)
    parsed = _Page(path.read_text("utf-8"))
    assert re.findall("Where they differ|Scores|Test images|Curves", parsed.text) == [
        "Where they differ", "Scores", "Test images", "Curves",
    ]  # fmt: skip
    text = path.read_text("utf-8")
    differences = re.findall('<tr><th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>', text)[:3]
    assert differences == [
        ("--lr", "0.0002", "0.001"),
        ("--new_flag", "–", "7"),
        ("images of train", "–", "abababababab"),
    ]
    assert "protocols differ; see each run" in parsed.text
    assert re.findall('<th scope="row">(.*?)</th>', text)[3:] == [
        "run", "run: mean color of each class", "run: ground truth", "other",
    ]  # fmt: skip
    assert [attributes["alt"] for tag, attributes in parsed.tags if tag == "img"] == ["input", "run", "other", "target"]
    runs = {name: read.read_run(run) for name, run in (("run", both[0]), ("other", both[1]))}
    assert page.render_together(runs) == path.read_text("utf-8")
    assert charts.overlay({name: run.curves for name, run in runs.items()}) in path.read_text("utf-8")
    told = _told(parsed)
    assert [[*line[:2], line[3]] for line in told["Adversarial losses: critic"]["lines"]] == [  # type: ignore[union-attr]
        ["run", 0, 0], ["other", 1, 1],
    ]  # fmt: skip
    assert "L1 loss" in told
    assert report.write_together(tmp_path / "again.html", both).read_bytes() == path.read_bytes()


def test_equal_recipes_are_said_to_be(both: list[pathlib.Path], tmp_path: pathlib.Path) -> None:
    (both[1] / "config.json").write_text((both[0] / "config.json").read_text())
    text = report.write_together(tmp_path / "both.html", both).read_text("utf-8")
    assert "Nowhere: recipes, images, versions and devices are the same." in text


def test_the_command_takes_several_runs(
    both: list[pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", *map(str, both)]) == 0
    assert capsys.readouterr().out == "comparison.html\n"
    assert cli.main(["report", str(both[0]), str(both[0])]) == 2
    assert "the folders of at least two runs" in capsys.readouterr().err
