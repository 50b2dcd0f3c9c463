"""The report in a browser: values under the pointer, CSV files, enlarged images, and a table that fits its page.

Run by `make test-slow`, in the environment that has Selenium.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from gan_jax import report
from gan_jax.data import image_files
from tests.browser import opened

PICTURES = os.environ.get("PICTURES")
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


def run_of(folder, *, shift=0.0):
    """A run's folder with as many scores as any has."""
    rng = np.random.default_rng(0)
    config = {"name": folder.name, "method": "pix2pix", "recipe": {"lr": 2e-4 + shift}, "steps": 400}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"kind": "train", "step": s, "loss/critic": 1 + shift + s / 400, "loss/gan": 2.0} for s in range(10, 401, 10)
    ]
    rows += [{"kind": "validation", "step": s, "psnr": 18 + s / 400} for s in (200, 400)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for kind in ("input", "output", "target"):
        image_files.save(folder / "results" / kind / "a.png", rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
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
