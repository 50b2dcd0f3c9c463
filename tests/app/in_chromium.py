"""The page in a browser. Run by `make test-slow`, in the app's own environment: Gradio wants an older Pillow."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains

from gan_jax import app, infer, model, networks
from gan_jax.data import image_files
from gan_jax.infer import latents
from gan_jax.model import Model, ModelSpec
from tests.browser import opened

# Whoever looks at the pages names a folder for their pictures.
PICTURES = os.environ.get("PICTURES")


def look(browser, name):
    if PICTURES:
        browser.picture(Path(PICTURES) / f"{name}.png")


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@contextlib.contextmanager
def served(generator, *, ended_by=signal.SIGINT, **environment):
    """The address of the page of a generator, which `gan-jax app` serves meanwhile."""
    command = [sys.executable, "-m", "gan_jax", "app", str(generator), "--port", str(free_port())]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | environment, **pipes) as process:
        try:
            said = process.stdout.readline()
            assert "Ctrl-C ends it" in said, process.stderr.read()
            yield re.search(r"http://127\.0\.0\.1:\d+/", said)[0]
        finally:
            process.send_signal(ended_by)
            _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")


def initialized(module, in_channels, **spec):
    inputs = [np.zeros(x.shape, x.dtype) for x in module.input_spec(in_channels)]
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), *inputs)
    return Model(ModelSpec(networks.describe(module), in_channels, **spec), {"params": params, "stats": stats})


@pytest.fixture(scope="module")
def enlarger(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "upscaler.safetensors"
    module = networks.SRResNet(blocks=1, width=4)
    model.save(path, initialized(module, 3, method="srresnet", norm="running", dropout=False))
    return path


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "shapes.safetensors"
    names = ("circle", "square", "star")
    module = networks.DCGANGenerator(size=16, width=2, classes=3)
    model.save(
        path, initialized(module, 4, method="dcgan", norm="running", dropout=False, latent="normal", classes=names)
    )
    return path


def downloaded(browser, folder, ending):
    browser.until(lambda: not browser.one("#download").get_attribute("disabled"))
    browser.one("#download").click()
    return browser.until(lambda: next(iter(folder.glob(f"*{ending}")), None))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 480])
def test_a_label_map_is_drawn_on_and_translated(width, finished_run, tmp_path):
    with served(finished_run) as address, opened(address, width=width, downloads=tmp_path) as browser:
        browser.one("#canvas canvas")
        browser.until(lambda: re.search(r"\d+%", browser.text()))  # the zoom, once it is laid out
        browser.one("#go").click()
        generator = model.load(finished_run)
        examples = sorted((finished_run / "results" / "input").glob("*.png"))
        expected = infer.translate(generator, image_files.read(examples[0], 3))
        browser.until(lambda: len(browser.all("#after img")) == 2)
        file = downloaded(browser, tmp_path, ".png")
        np.testing.assert_array_equal(image_files.read(file, 3), expected)
        look(browser, f"translate_{width}")

        # A stroke of the brush changes what comes out, and several samples come as one archive.
        canvas = browser.one("#canvas canvas")
        move = ActionChains(browser.driver).move_to_element_with_offset(canvas, -40, 0).click_and_hold()
        move.move_by_offset(80, 0).release().perform()
        number = browser.one('input[aria-label="number input for Samples"]')
        number.clear()
        number.send_keys("3\t")
        browser.one("#go").click()
        browser.until(lambda: len(browser.all("#samples img")) == 3)
        with zipfile.ZipFile(downloaded(browser, tmp_path, ".zip")) as archive:
            samples = [np.asarray(Image.open(archive.open(name)).convert("RGB")) for name in archive.namelist()]
        assert [name.endswith(f"_{k}.png") for k, name in enumerate(archive.namelist())] == [True] * 3
        assert all((sample != expected).any() for sample in samples)
        assert (samples[0] != samples[1]).any()
        look(browser, f"drawn_{width}")
        assert browser.foreign() == set()
        assert not browser.is_cut_off()


@pytest.mark.slow
def test_pictures_are_enlarged_and_bad_ones_answered_in_sentences(enlarger, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image_files.save(tmp_path / "good.png", pixels)
    content = (tmp_path / "good.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(content[:500])
    (tmp_path / "heavy.png").write_bytes(content + bytes(34_000_000))
    image_files.save(tmp_path / "huge.png", np.zeros((4100, 4100, 1), np.uint8))
    (tmp_path / "out").mkdir()
    with served(enlarger) as address, opened(address, downloads=tmp_path / "out") as browser:
        for name, sentence in (
            ("broken", "broken.png is damaged or not an image; replace or remove it."),
            ("huge", "huge.png has 4,100x4,100 pixels, and this page takes 16 million"),
            ("heavy", "exceed the maximum allowed size of 32.0 Mb"),
        ):
            browser.driver.get(address)
            browser.one("input[type=file]").send_keys(str(tmp_path / f"{name}.png"))
            browser.until(lambda sentence=sentence: sentence in browser.text())
            look(browser, name)
        browser.driver.get(address)
        browser.one("#go").click()
        browser.until(lambda: "there is no picture yet" in browser.text())
        browser.driver.get(address)
        browser.one("input[type=file]").send_keys(str(tmp_path / "good.png"))
        file = downloaded(browser, tmp_path / "out", "good_out.png")
        np.testing.assert_array_equal(image_files.read(file, 3), infer.translate(model.load(enlarger), pixels))
        look(browser, "upscale_1280")
        assert browser.foreign() == set()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 480])
def test_samples_of_latents(width, sampler, tmp_path):
    with served(sampler) as address, opened(address, width=width, downloads=tmp_path) as browser:
        browser.one("#go").click()
        browser.until(lambda: len(browser.all("#grid img")) == 16)
        with zipfile.ZipFile(downloaded(browser, tmp_path, ".zip")) as archive:
            first = np.asarray(Image.open(archive.open("shapes_0_0.png")))
        generator = model.load(sampler)
        expected = latents.sample(generator, latents.latents_of(generator, 1), [0])[0]
        np.testing.assert_array_equal(first, expected)
        look(browser, f"sample_{width}")
        assert browser.foreign() == set()
        assert not browser.is_cut_off()


@pytest.mark.slow
def test_several_people_are_answered_one_after_another(sampler):
    with served(sampler) as address, contextlib.ExitStack() as windows:
        browsers = [windows.enter_context(opened(address)) for _ in range(3)]
        for browser in browsers:
            browser.one("#go")
        threads = [threading.Thread(target=browser.one("#go").click) for browser in browsers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for browser in browsers:
            browser.until(lambda browser=browser: len(browser.all("#grid img")) == 16)


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_what_was_uploaded_goes_with_the_page(ended_by, enlarger, tmp_path):
    image_files.save(tmp_path / "good.png", np.zeros((8, 8, 3), np.uint8))
    there = tmp_path / "temporary"
    there.mkdir()
    with served(enlarger, ended_by=ended_by, TMPDIR=str(there)) as address, opened(address) as browser:
        browser.one("input[type=file]").send_keys(str(tmp_path / "good.png"))
        browser.until(lambda: len(browser.all("#after img")) == 2)
        assert any(path.is_file() for path in there.rglob("*"))
    assert not [path for path in there.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_an_example_is_translated_when_it_is_chosen_and_again_when_a_setting_changes(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / finished_run.name)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)  # no labels: there is no canvas
    for path in (run / "results" / "input").glob("*.png"):
        image_files.save(path, pixels)

    def sides(browser):
        return {image.get_property("naturalWidth") for image in browser.all("#after img")}

    with served(run) as address, opened(address) as browser:
        browser.one("#examples img").click()
        browser.until(lambda: sides(browser) == {32})
        browser.one('input[type=radio][value="as it is"]').click()
        browser.until(lambda: sides(browser) == {64})
        look(browser, "chosen")


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_so(sampler):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        command = [sys.executable, "-m", "gan_jax", "app", str(sampler), "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    sentence = f"error: the page cannot be served at 127.0.0.1:{port}: it is taken; give another --port or --host.\n"
    assert ended.stderr == sentence
    assert not list(Path(app.__file__).parent.glob("*.pyi"))  # which Gradio writes beside subclasses of its own
