"""A real Chromium, driven by its own driver, without a screen."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.capabilities import lacks
from lib.waiting import until

__all__ = ["Browser", "open_browser"]

#: Where Debian and others have them.
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One window."""

    def __init__(self, driver: Any, shots: Path) -> None:
        """`shots` is the folder of screenshots."""
        self.driver = driver
        self._shots = shots

    def go(self, url: str) -> None:
        """Load a page."""
        self.driver.get(url)

    def run(self, script: str, *values: object) -> Any:
        """Run a script's body in the page; give what it returns."""
        return self.driver.execute_script(script, *values)

    def text(self, selector: str) -> str:
        """Give the text that a person sees in the first element that fits; "" without one."""
        told = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return str(told)

    def count(self, selector: str) -> int:
        """Count elements."""
        found: int = self.run("return document.querySelectorAll(arguments[0]).length", selector)
        return found

    def click(self, selector: str) -> None:
        """Press what fits, as a person does: it must be there to be pressed."""
        self.driver.find_element("css selector", selector).click()

    def wait(self, what: Callable[[], Any]) -> Any:
        """Wait until something is so."""
        return until(what, self.state)

    def state(self) -> str:
        """Give what is seen, and what the page complained of."""
        told = self.driver.get_log("browser")
        return f"{self.text('body')}\n{told}"

    def complaints(self) -> list[str]:
        """Give what the browser found wrong with the page: errors of scripts, of its policy."""
        return [str(each["message"]) for each in self.driver.get_log("browser")]

    def command(self, name: str, **values: object) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, values)

    def screen(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of so many pixels, with the colours that its user likes."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def speaks(self, languages: str) -> None:
        """Prefer these languages, as an Accept-Language header has them."""
        agent = self.run("return navigator.userAgent")
        self.command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=languages)

    def shot(self, name: str) -> Path:
        """Keep a picture of the whole page; give its path."""
        import base64  # noqa: PLC0415 - for this alone

        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path = self._shots / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path


@contextlib.contextmanager
def open_browser(folder: Path, shots: Path) -> Iterator[Browser]:
    """Start one with a profile of its own in `folder`; skip where there is none."""
    selenium = pytest.importorskip(
        "selenium.webdriver", reason=lacks("browser", "selenium is not installed")
    )
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip(lacks("browser", "there is no Chromium with its driver"))
    options = selenium.ChromeOptions()
    options.binary_location = found
    for word in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-background-networking", "--hide-scrollbars"),
        *("--no-proxy-server", f"--user-data-dir={folder}"),
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = selenium.ChromeService(driver)
    made = selenium.Chrome(options=options, service=service)
    try:
        yield Browser(made, shots)
    finally:
        made.quit()
