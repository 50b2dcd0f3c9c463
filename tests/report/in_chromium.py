"""The report in a browser: values under the pointer, CSV files, wall time, enlarged images, a table that fits its page.

Run by `make test-slow`, in the environment that has Selenium.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from gan_jax import report
from gan_jax.data import image_files
from tests.browser import opened

PICTURES = os.environ.get("PICTURES")
LEVELS = {"input": 200, "output": 90, "target": 60}
KEYS = [
    "psnr",
    "ssim",
    "lpips",
    "sharpness",
    "histogram/L",
    "histogram/a",
    "histogram/b",
    "label/per_pixel",
    "label/iou",
]


def run_of(folder, *, shift=0.0, pace=1.0):
    """A run's folder with as many scores as any has."""
    rng = np.random.default_rng(0)
    config = {"name": folder.name, "method": "pix2pix", "recipe": {"lr": 2e-4 + shift}, "steps": 400}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"kind": "train", "step": s, "seconds": pace * s, "loss/critic": 1 + shift + s / 400, "loss/gan": 2.0}
        for s in range(10, 401, 10)
    ]
    rows += [{"kind": "validation", "step": s, "psnr": 18 + s / 400} for s in (100, 200, 300, 400)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for kind in ("input", "output", "target"):
        image_files.save(folder / "results" / kind / "a.png", rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        image_files.save(folder / "results" / kind / "b.png", np.full((32, 32, 3), LEVELS[kind], np.uint8))
    names = ("generator", "mean color of each class", "ground truth")
    scores = {"protocol": "rgb", "rows": [{"name": name, **dict.fromkeys(KEYS, 12.345)} for name in names]}
    (folder / "results" / "scores.json").write_text(json.dumps(scores))
    return folder


def look(browser, name):
    if PICTURES:
        browser.driver.save_screenshot(str(Path(PICTURES) / f"{name}.png"))


@pytest.mark.slow
def test_values_are_under_the_pointer_and_in_csv_files(tmp_path):
    page = report.write(run_of(tmp_path / "run"))
    with opened(page.as_uri(), downloads=tmp_path) as browser:
        chart = browser.one("figure.chart svg[role=img]")
        browser.script("arguments[0].scrollIntoView({block: 'center'})", chart)
        # The middle of the plot, which is 292 of 360 units wide behind 50.
        offset = round(chart.size["width"] * ((50 + 146) / 360 - 0.5))
        ActionChains(browser.driver).move_to_element_with_offset(chart, offset, 0).perform()
        assert browser.one(".tip").text.split() == ["step", "200", "critic", "1.5", "gan", "2"]
        look(browser, "report_hover")
        browser.one("figure.chart button").click()
        file = browser.until(lambda: next(iter(tmp_path.glob("Adversarial_losses.csv")), None))
        lines = file.read_text().splitlines()
        assert lines[:2] == ["step,critic,gan", "10,1.025,2"]
        assert len(lines) == 41
        assert browser.complaints() == []
        assert browser.foreign() == set()


@pytest.mark.slow
def test_images_are_enlarged_to_their_pixels_and_gone_through(tmp_path):
    page = report.write(run_of(tmp_path / "run"))
    with opened(page.as_uri()) as browser:
        image = browser.one(".beside img")
        browser.script("arguments[0].scrollIntoView({block: 'center'})", image)
        image.click()
        zoomed = browser.one("dialog[open] img")
        width = zoomed.size["width"]
        assert width % 32 == 0
        assert width > 320
        assert browser.one("dialog p").text == f"input, 32x32, each pixel as {width // 32}x{width // 32}"
        look(browser, "report_zoom")
        ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
        assert browser.one("dialog p").text.startswith("output, ")
        zoomed.click()
        assert browser.all("dialog[open]") == []
        assert browser.complaints() == []


def seen(browser, across):
    """The color that the enlarged image has at a share of its width, as the window shows it."""
    box = browser.script("return arguments[0].getBoundingClientRect().toJSON()", browser.one("dialog .stage"))
    with Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())) as window:
        return window.convert("RGB").getpixel((box["x"] + across * box["width"], box["y"] + box["height"] / 2))


@pytest.mark.slow
def test_images_are_compared_up_to_a_border_and_by_their_difference(tmp_path):
    page = report.write(run_of(tmp_path / "run"))
    with opened(page.as_uri()) as browser:
        image = browser.all(".beside img[alt=output]")[1]
        browser.script("arguments[0].scrollIntoView({block: 'center'})", image)
        image.click()
        assert [option.text for option in browser.all("dialog option")] == ["nothing", "input", "target"]
        assert not browser.all("dialog input[type=range]")[0].is_displayed()
        assert {seen(browser, 0.1), seen(browser, 0.9)} == {(90,) * 3}
        Select(browser.one("dialog select")).select_by_visible_text("target")
        assert "right of the border: target" in browser.one("dialog p").text
        assert (seen(browser, 0.1), seen(browser, 0.9)) == ((90,) * 3, (60,) * 3)
        look(browser, "report_slider")
        browser.script("arguments[0].focus()", browser.one("dialog input[type=range]"))
        ActionChains(browser.driver).send_keys(Keys.HOME).perform()
        assert (seen(browser, 0.1), seen(browser, 0.9)) == ((60,) * 3,) * 2
        ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()  # which moves the border, not the image
        assert browser.one("dialog p").text.startswith("output, ")
        browser.one("dialog input[type=checkbox]").click()
        assert {seen(browser, 0.1), seen(browser, 0.9)} == {(4 * (90 - 60),) * 3}
        assert "difference, four times as bright, to target" in browser.one("dialog p").text
        look(browser, "report_difference")
        browser.one("dialog .over").click()
        assert browser.all("dialog[open]") == []
        # What is compared with stays for the images that follow.
        first = browser.all(".beside img")[0]
        browser.script("arguments[0].scrollIntoView({block: 'center'})", first)
        first.click()
        assert "to target" in browser.one("dialog p").text
        assert browser.complaints() == []
        assert browser.foreign() == set()


@pytest.mark.slow
def test_curves_are_by_step_or_by_wall_time(tmp_path):
    runs = [run_of(tmp_path / name, pace=pace) for name, pace in (("fast", 3.0), ("slow", 9.0))]
    page = report.write_together(tmp_path / "both.html", runs)
    ends = "return [...document.querySelector('figure.chart').querySelectorAll('polyline')].map(line => "
    ends += "Number(line.getAttribute('points').split(' ').pop().split(',')[0]))"
    with opened(page.as_uri()) as browser:
        assert browser.script(ends) == [292, 292]
        Select(browser.one("#axis select")).select_by_value("time")
        assert browser.script(ends) == pytest.approx([292 / 3, 292], abs=0.2)
        chart = browser.one("figure.chart svg[role=img]")
        browser.script("arguments[0].scrollIntoView({block: 'center'})", chart)
        labels = browser.script(
            "return [...arguments[0].querySelectorAll('.steps text')].map(a => a.textContent)", chart
        )
        assert labels == ["0 min", "20 min", "40 min", "60 min"]
        # At 20 minutes one was done, and the other had done a third.
        offset = round(chart.size["width"] * ((50 + 292 / 3) / 360 - 0.5))
        ActionChains(browser.driver).move_to_element_with_offset(chart, offset, 0).perform()
        said = browser.one(".tip").text
        assert "20 min" in said or "19.5 min" in said
        look(browser, "report_wall_time")
        Select(browser.one("#axis select")).select_by_value("steps")
        assert browser.script(ends) == [292, 292]
        assert browser.complaints() == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 480])
def test_the_score_table_fits_its_page(width, tmp_path):
    page = report.write(run_of(tmp_path / "run"))
    with opened(page.as_uri(), width=width) as browser:
        assert not browser.is_cut_off()
        table = browser.one(".scroll")
        fits = browser.script("return arguments[0].scrollWidth <= arguments[0].clientWidth", table)
        assert fits == (width == 1280)  # a telephone's page scrolls the table alone


@pytest.mark.slow
def test_runs_side_by_side_fit_and_share_their_charts(tmp_path):
    runs = [run_of(tmp_path / name, shift=shift) for name, shift in (("first", 0.0), ("second", 0.5))]
    page = report.write_together(tmp_path / "both.html", runs)
    with opened(page.as_uri()) as browser:
        chart = browser.one("figure.chart svg[role=img]")
        browser.script("arguments[0].scrollIntoView({block: 'center'})", chart)
        ActionChains(browser.driver).move_to_element(chart).perform()
        words = browser.one(".tip").text.split()
        assert (words[2], words[4]) == ("first", "second")
        assert float(words[5]) == pytest.approx(float(words[3]) + 0.5)
        look(browser, "report_together")
        assert not browser.is_cut_off()
        assert browser.complaints() == []
