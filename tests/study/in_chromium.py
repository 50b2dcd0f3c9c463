"""Scripted raters answer the page in a browser, and the scores are theirs. Run by `make test-slow`."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from gan_jax import cli, study
from gan_jax.data import image_files
from tests.browser import opened

PICTURES = os.environ.get("PICTURES")
# A rater: of each method's images those whose number divides by its period fool it, or are rated by its list in turn.
RATER = """
const [kind, habits] = arguments;
const told = JSON.parse(document.getElementById("study").textContent);
const method = {}, seen = [], counts = {};
for (const scene of Object.values(told.scenes)) for (const [name, uri] of Object.entries(scene)) method[uri] = name;
window.setInterval(() => {
  const image = document.getElementById("image"), buttons = [...document.querySelectorAll("#buttons button")];
  if (!image.hidden && seen.at(-1) !== image.src) seen.push(image.src);
  if (!buttons.length) return;
  if (buttons.length === 1) { seen.length = 0; buttons[0].click(); return; }
  const practice = document.getElementById("progress").textContent.startsWith("Practice");
  const pair = seen.slice(-2).map(uri => method[uri]);
  const name = kind === "choice" ? pair.find(one => one !== "truth") : method[image.src];
  const count = practice ? 0 : (counts[name] = (counts[name] ?? 0) + 1);
  const real = pair.indexOf("truth");
  const value = kind === "mos" ? habits[name][count % habits[name].length]
    : 1 + (count % habits[name] ? real : 1 - real);
  seen.length = 0;
  buttons.find(button => button.dataset.value === String(value)).click();
}, 5);
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    for method in ("ours", "theirs", "real"):
        for k in range(16):
            colors = rng.integers(0, 256, (8, 8, 3))
            image_files.save(root / method / f"{k}.png", np.kron(colors, np.ones((24, 24, 1))).astype(np.uint8))
    return root


def look(browser, name):
    if PICTURES:
        browser.picture(Path(PICTURES) / f"{name}.png")


def answered(page, rater, kind, habits, folder, *, width=1280):
    """The file that a rater saved."""
    with opened(f"{page.as_uri()}?rater={rater}", width=width, downloads=folder) as browser:
        look(browser, f"study_{kind}_welcome_{width}")
        assert browser.one("#rater").get_attribute("value") == rater
        browser.script(RATER, kind, habits)
        browser.one("#begin button").click()
        look(browser, f"study_{kind}_{width}")
        assert not browser.is_cut_off()
        browser.one("#save").click()
        file = browser.until(lambda: next(iter(folder.glob(f"answers_{rater}.json")), None))
        look(browser, f"study_{kind}_end_{width}")
        assert browser.foreign() == set()
        assert browser.complaints() == []
        return file


@pytest.mark.slow
def test_raters_of_the_two_choice_test_are_fooled_as_often_as_the_scores_say(folders, tmp_path, capsys):
    line = ["study", *(str(folders / name) for name in ("ours", "theirs")), "--truth", str(folders / "real")]
    flags = ["--trials", "24", "--practice", "3", "--seconds", "0.05"]
    assert cli.main([*line, str(tmp_path), *flags]) == 0
    raters = {"r1": {"ours": 2, "theirs": 6}, "r2": {"ours": 3, "theirs": 12}}
    files = [
        answered(tmp_path / "index.html", rater, "choice", habits, tmp_path, width=width)
        for (rater, habits), width in zip(raters.items(), (1280, 480), strict=True)
    ]
    scores = {row.method: row for row in study.score(*study.read(files)).methods}
    assert scores["ours"].mean == pytest.approx((6 / 12 + 4 / 12) / 2)
    assert scores["theirs"].mean == pytest.approx((2 / 12 + 1 / 12) / 2)
    assert scores["ours"].interval[0] <= 5 / 12 <= scores["ours"].interval[1]
    contents = [json.loads(file.read_text()) for file in files]
    for content in contents:
        main = [row for row in content["answers"] if not row["practice"]]
        assert sum(row["practice"] for row in content["answers"]) == 3
        assert {row["image"] for row in main}.isdisjoint(row["image"] for row in content["answers"] if row["practice"])
        by_method = [{row["image"] for row in main if row["method"] == method} for method in ("ours", "theirs")]
        assert by_method[0] == by_method[1]
        assert {row["real"] for row in main} == {1, 2}
    orders = [[(row["image"], row["method"]) for row in content["answers"]] for content in contents]
    assert orders[0] != orders[1]
    capsys.readouterr()
    assert cli.main(["study", "score", *map(str, files)]) == 0
    assert "fooled %" in capsys.readouterr().out


@pytest.mark.slow
def test_opinions_are_those_of_the_raters(folders, tmp_path):
    made = study.make({"ours": folders / "ours"}, folders / "real", kind="mos", trials=20)
    page = study.write(tmp_path, made)
    habits = {"ours": [3, 4], "truth": [5, 4, 5, 5, 5]}
    files = [answered(page, f"m{width}", "mos", habits, tmp_path, width=width) for width in (1280, 480)]
    scores = {row.method: row.mean for row in study.score(*study.read(files)).methods}
    assert scores == {"truth": pytest.approx(4.8), "ours": pytest.approx(3.5)}


@pytest.mark.slow
def test_an_image_is_seen_as_long_as_it_is_said(folders, tmp_path):
    made = study.make({"ours": folders / "ours"}, folders / "real", trials=3, practice=0, seconds=0.4)
    with opened(study.write(tmp_path, made).as_uri()) as browser:
        browser.script(
            """window.times = []; let began = null;
            const look = () => {
              const hidden = document.getElementById("image").hidden;
              if (!hidden && began === null) began = performance.now();
              if (hidden && began !== null) { window.times.push(performance.now() - began); began = null; }
              requestAnimationFrame(look);
            };
            look();"""
        )
        browser.one("#rater").send_keys("x\n")
        browser.until(lambda: len(browser.script("return window.times")) == 2)
        # A frame or two of a busy machine.
        assert browser.script("return window.times") == pytest.approx([400, 400], abs=150)
        time.sleep(0.5)
        browser.one('#buttons button[data-value="1"]')  # without a time to answer in
