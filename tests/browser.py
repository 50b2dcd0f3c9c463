"""Debian's Chromium, headless, driven by Selenium: for tests that `make test-slow` names, in an environment with it."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

PATIENCE = 120  # seconds, in which a first image is compiled too


class Browser:
    """A window of a width, and what happened in it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> Any:
        """The first element, once there is one that can be seen."""
        return self.until(lambda: next((e for e in self.all(css) if e.is_displayed() or e.tag_name == "input"), None))

    def until(self, call: Callable[[], Any]) -> Any:
        """What `call` gives, once it is something."""
        end = time.monotonic() + PATIENCE
        while not (result := call()):
            assert time.monotonic() < end, self.text()
            time.sleep(0.1)
        return result

    def text(self) -> str:
        return str(self.driver.execute_script("return document.body.innerText"))

    def script(self, words: str, *arguments: Any) -> Any:
        return self.driver.execute_script(words, *arguments)

    def foreign(self) -> set[str]:
        """The addresses, since this was last asked, that it tried to reach outside of this machine and its files."""
        asked = set()
        for row in self.driver.get_log("performance"):
            message = json.loads(row["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                asked.add(parameters.get("request", parameters)["url"])
        return {url for url in asked if urlparse(url).hostname not in ("127.0.0.1", None)}

    def complaints(self) -> list[str]:
        """What the page's program ran into, since this was last asked."""
        rows = self.driver.get_log("browser")
        return [row["message"] for row in rows if row["level"] == "SEVERE" and "favicon" not in row["message"]]

    def is_cut_off(self) -> bool:
        """Whether anything is wider than the window."""
        return bool(self.script("return document.documentElement.scrollWidth > window.innerWidth + 1"))

    def picture(self, path: str | Path) -> None:
        """Writes the whole page as a PNG."""
        window = self.driver.get_window_size()
        more = self.script("return document.documentElement.scrollHeight - window.innerHeight")
        self.driver.set_window_size(window["width"], window["height"] + more)
        time.sleep(1)  # until it is laid out and drawn
        self.driver.save_screenshot(str(path))
        self.driver.set_window_size(window["width"], window["height"])


@contextlib.contextmanager
def opened(address: str, *, width: int = 1280, downloads: str | Path | None = None) -> Iterator[Browser]:
    """A window with a page."""
    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    assert None not in (program, driver), "these tests want Chromium: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},900"):
        options.add_argument(flag)
    if downloads is not None:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        window.set_window_size(width, 900)
        window.get(address)
        yield Browser(window)
    finally:
        window.quit()
