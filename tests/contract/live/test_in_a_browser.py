"""The live page in a real Chromium, beside real downloads: what a person sees of them.

Screenshots lie below the test's folder, or in HEADRACE_TEST_SHOTS.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib import wheels
from lib.capabilities import lacks
from lib.gateway import headrace
from lib.index import JSON
from lib.serving import modes
from lib.terminals.browser import Browser, open_browser
from lib.waiting import HANG
from lib.world import MB, World, make_world

LARGE = wheels.wheel("large", "2.9.1", size=24 * MB)
SMALL = wheels.wheel("six", "1.17", size=30_000)
LIED = wheels.wheel("lied", "1.0", size=9 * MB)
PHONE = (360, 780)
SCREEN = (1280, 900)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Browser]]:
    """A gateway between uneven sources, and a browser that has its page open."""
    root = tmp_path_factory.mktemp("live")
    shots = Path(os.environ.get("HEADRACE_TEST_SHOTS") or root / "shots")
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(open_browser(root / "profile", shots))
        made = make_world(root, stack, mirrors=3, mirror_rate=4 * MB, origin_rate=2 * MB)
        for each in (LARGE, SMALL, LIED):
            made.index.add(each)
        # One mirror gives a page in place of one file, and one cuts another file short.
        made.mirrors[0].fail(modes.HTML, "*lied*")
        made.mirrors[2].fail(modes.cut(300_000), "*large*")
        browser.screen(*SCREEN)
        open_page(made, browser)
        yield made, browser


def open_page(made: World, browser: Browser) -> None:
    """Open it by the address that `headrace open` gives."""
    gateway = made.gateway
    place = gateway.root / "state" / "gateway.json"
    place.write_text(json.dumps({"host": "127.0.0.1", "port": gateway.port}), "utf-8")
    asked = [*headrace(), "open", "--url"]
    told = subprocess.run(asked, env=gateway.env, capture_output=True, text=True, check=True)
    browser.speaks("en-US,en")
    browser.go(told.stdout.strip())
    browser.wait(lambda: browser.count("#sources *"))
    # What opened it stays in no history.
    assert browser.run("return location.href") == f"{gateway.url}/live/"


def fetch(made: World, project: str, agent: str = "pip/26.3") -> int:
    page = made.gateway.get(f"/simple/{project}/", {"Accept": JSON, "User-Agent": agent})[2]
    (file,) = json.loads(page)["files"]
    return made.gateway.get(file["url"].partition("#")[0], {"User-Agent": agent})[0]


def again(made: World, browser: Browser, languages: str) -> None:
    browser.speaks(languages)
    browser.go(f"{made.gateway.url}/live/")
    browser.wait(lambda: browser.count("#timeline [data-kind]"))


def test_a_download_moves_and_a_takeover_and_a_refusal_appear(shown: tuple[World, Browser]) -> None:
    made, browser = shown
    assert fetch(made, "six") == 200
    browser.wait(lambda: SMALL.name in browser.text("#timeline"))
    fetching = threading.Thread(target=fetch, args=(made, "large"))
    fetching.start()
    try:
        browser.wait(lambda: browser.count(".download svg rect"))
        label = "return document.querySelector('.download svg')?.getAttribute('aria-label') ?? ''"
        first = browser.wait(lambda: browser.run(label))
        assert LARGE.name in first
        assert "for pip 26.3" in browser.text(".download")
        browser.wait(lambda: browser.run(label) != first)
        browser.wait(lambda: len(set(colours(browser))) > 1)
        browser.wait(lambda: browser.count("#timeline [data-kind=takeover]"))
        browser.shot("downloading-en")
        browser.screen(*SCREEN, dark=True)
        browser.shot("downloading-dark")
        browser.screen(*SCREEN)
    finally:
        fetching.join(HANG)
    browser.wait(lambda: LARGE.name in browser.text("#timeline [data-kind=finished]"))
    assert "mirror2 cut its answer short; another source took over" in browser.text("#timeline")
    browser.wait(lambda: "Nothing is coming" in browser.text("#now"))
    assert fetch(made, "lied") == 200
    browser.wait(lambda: browser.count("#timeline [data-kind=refusal]"))
    assert "Refused: mirror0 gave something else than the file" in browser.text("#timeline")
    browser.click("button[data-kind=trouble]")
    assert browser.count("#timeline [data-kind=finished]") == 0
    browser.click("button[data-kind=all]")
    browser.shot("afterwards-en")
    assert browser.complaints() == []


def colours(browser: Browser) -> list[str]:
    script = (
        "return [...document.querySelectorAll('.download svg rect:not(.flow)')]"
        ".map((each) => each.getAttribute('class'))"
    )
    found: list[str] = browser.run(script)
    return found


def test_it_speaks_the_browsers_language_and_the_one_that_is_chosen(
    shown: tuple[World, Browser],
) -> None:
    made, browser = shown
    fetch(made, "six")
    again(made, browser, "zh-CN,zh;q=0.9,en;q=0.5")
    assert browser.run("return document.documentElement.lang") == "zh-CN"
    assert "下载来源" in browser.text("body")
    browser.shot("zh")
    browser.click("nav a[lang=en]")
    browser.wait(lambda: "Sources" in browser.text("body"))
    assert browser.run("return document.documentElement.lang") == "en"
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_nothing_is_wider_than_its_screen(
    shown: tuple[World, Browser],
    size: tuple[int, int],
    dark: bool,  # noqa: FBT001 - pytest's way
) -> None:
    made, browser = shown
    fetch(made, "six")
    browser.screen(*size, dark=dark)
    again(made, browser, "en")
    assert browser.run("return document.documentElement.scrollWidth") <= size[0]
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 3 * 128) is dark
    browser.shot(f"{size[0]}-{'dark' if dark else 'light'}")


def test_what_a_click_frees_is_asked_once_more_and_a_keyboard_is_enough(
    shown: tuple[World, Browser],
) -> None:
    made, browser = shown
    fetch(made, "six")
    again(made, browser, "en")
    browser.screen(*SCREEN)
    browser.wait(lambda: browser.count("#store button"))
    browser.run("document.querySelector('#store button:last-of-type').focus()")
    press(browser, "Enter")
    browser.wait(lambda: browser.run("return document.getElementById('ask').open"))
    browser.shot("asked")
    press(browser, "Escape")
    browser.wait(lambda: not browser.run("return document.getElementById('ask').open"))
    assert "freed" not in browser.text("#store")
    browser.click("#store button:last-of-type")
    browser.click("#ask-yes")
    browser.wait(lambda: "freed" in browser.text("#store"))
    browser.wait(lambda: browser.count("#store button") == 0)
    assert browser.complaints() == []


def press(browser: Browser, key: str) -> None:
    codes = {"Enter": 13, "Escape": 27}
    text = {"text": "\r"} if key == "Enter" else {}
    for kind in ("keyDown", "keyUp"):
        named = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        browser.command("Input.dispatchKeyEvent", **named, **(text if kind == "keyDown" else {}))


def test_a_screen_reader_and_weak_eyes_are_served(
    shown: tuple[World, Browser], tmp_path: Path
) -> None:
    """axe-core finds nothing, in either colours and languages, wide and narrow."""
    made, browser = shown
    script = axe(tmp_path)
    fetch(made, "six")
    for size, dark, languages in ((SCREEN, False, "en"), (SCREEN, True, "zh"), (PHONE, True, "en")):
        browser.screen(*size, dark=dark)
        again(made, browser, languages)
        browser.run(script)
        found: list[Any] = browser.driver.execute_async_script(
            "axe.run().then((told) => arguments[0](told.violations.map("
            "(each) => [each.id, each.nodes.map((node) => node.html)])))"
        )
        assert found == [], (size, dark, languages)


def axe(folder: Path) -> str:
    """Give axe-core's script, from npm's registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(lacks("programs", "there is no npm to bring axe-core"))
    packed = subprocess.run(
        [npm, "pack", "axe-core@4", "--silent"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if packed.returncode:
        pytest.skip(lacks("programs", "npm cannot bring axe-core from its registry"))
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")
