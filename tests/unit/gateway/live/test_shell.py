"""The page itself: both languages, a strict policy, nothing from elsewhere, and small."""

from __future__ import annotations

import importlib.metadata
import json
import re
from importlib import resources

import pytest

from headrace.gateway.live import history, incidents, shell, tools
from headrace.models import Fault
from headrace.policy.source_conditions import SourceCondition
from lib.capabilities import lacks

FILES = resources.files("headrace.gateway.live").joinpath("files")
SCRIPTS = "".join(FILES.joinpath(name).read_text("utf-8") for name in ("live.js", "drawing.js"))


def words(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(FILES.joinpath(f"{language}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB, zh;q=0.9", "en"),
        ("fr, zh-TW;q=0.5, en;q=0.4", "zh"),
        ("zh;q=0, en;q=0.1", "en"),
        ("*", "en"),
        ("zh;q=oops", "en"),
        (";;,,;q=1", "en"),
        ("zh" * 5000, "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_likes_best(accepted: str, language: str) -> None:
    assert shell.language(accepted) == language
    assert shell.language(accepted, "zh") == "zh"
    assert shell.language(accepted, "xx") == language


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    english, chinese = words("en"), words("zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        blanks = sorted(re.findall(r"\{\w+\}", text))
        assert sorted(re.findall(r"\{\w+\}", chinese[key])) == blanks, key
        if key != "lang" and len(text) > 12 and not blanks:
            assert re.search(r"[\u4e00-\u9fff]", chinese[key]), key


def test_every_word_that_is_shown_is_in_the_dictionary_and_none_is_left_over() -> None:
    page = FILES.joinpath("live.html").read_text("utf-8")
    used = set(re.findall(r"\{\{([a-z_]+)\}\}", page)) - {"words"}
    used |= set(re.findall(r'say\("([a-z_]+)"', SCRIPTS))
    used |= set(re.findall(r"words\.([a-z_]+)", SCRIPTS))
    used |= {f"fault_{each.value.replace('-', '_')}" for each in Fault}
    used |= {f"state_{each.name.lower()}" for each in SourceCondition}
    used |= {f"ago_{each}" for each in history.WINDOWS}
    used |= {f"kind_{each.value}" for each in history.HappeningKind}
    used |= {f"e_{each.value}" for each in history.HappeningKind}
    used |= {f"i_{each}" for each in incidents.FORMS}
    used |= {f"weak_{each}" for each in ("stale", "provisional")}
    used |= {f"tool_{each}" for each in tools.STATES}
    # Chosen within a call, or headings of a table.
    used |= {"saved_big", "saved_more", "store_free", "store_all", "ask_days", "ask_all"}
    used |= {"source", "rate", "rtt", "failures", "given", "stands", "nothing_now", "common"}
    used |= {"checking", "left", "waiting", "tools_none", "no_events"}
    assert used == words("en").keys()


def test_nothing_on_the_page_is_from_elsewhere_or_runs_within_it() -> None:
    for name in ("live.html", *shell.ASSETS):
        text = FILES.joinpath(name).read_text("utf-8")
        found = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text)
        assert not [each for each in found if "www.w3.org" not in each], name
    page = FILES.joinpath("live.html").read_text("utf-8")
    assert not re.search(r"\son\w+=|style=|javascript:", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPTS)
    for rule in ("default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"):
        assert rule in shell.POLICY
    assert "unsafe" not in shell.POLICY


def test_no_word_can_end_the_element_that_holds_it() -> None:
    for language in shell.LANGUAGES:
        page = shell.shell(language).decode("utf-8")
        data = page.partition('id="words">')[2].partition("</script>")[0]
        assert json.loads(data) == words(language)
        assert "{{" not in page


def test_the_wheel_has_every_file_of_the_page() -> None:
    """tox installs the wheel that it has built, and its record says what was in it."""
    installed = [str(each) for each in importlib.metadata.files("headrace") or ()]
    if not any(each.endswith("headrace/gateway/live/shell.py") for each in installed):
        pytest.skip(lacks("packages", "headrace is used in place; tox installs its wheel"))
    within = "headrace/gateway/live/files/"
    names = {each.removeprefix(within) for each in installed if each.startswith(within)}
    assert names == {"live.html", "en.json", "zh.json", *shell.ASSETS}
