"""A second resolve of the same tree asks its origin whether the pages still stand, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace_pip.index.ecosystem
import headrace_pip.simple_api.json_form
from headrace.artifacts.index import ArtifactIndex
from headrace.documents import cache, read_ahead
from headrace.documents.confirming import stand_ins
from headrace.http import caching
from headrace.system.storage.pages import PageStore
from lib import wheels
from lib.app import App
from lib.index import Index
from lib.serial_resolver import PIP, resolve
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

TREE = 12


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    made = Index()
    for number in range(TREE):
        below = [f"p{child}" for child in range(3 * number + 1, 3 * number + 4) if child < TREE]
        made.add(wheels.wheel(f"p{number}", "1.0", requires=below))
    with RecordingServer(name="origin") as server:
        made.mount_origin(server)
        yield server


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what costs; memory for no more than a page's artifacts, and nothing is fresh."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, as_what: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def counting(*args: Any, **rest: Any) -> Any:
            counted[as_what] += 1
            return real(*args, **rest)

        monkeypatch.setattr(owner, name, counting)

    count(headrace_pip.simple_api.json_form, "load", "pages read")
    count(headrace_pip.index.ecosystem.PythonEcosystem, "leads_to", "asked what comes next")
    count(PageStore, "put", "pages written")
    count(cache, "version_of", "pages hashed")
    count(stand_ins, "provable", "pages read for mirrors")
    monkeypatch.setattr(caching, "BREATH", 0.0)
    monkeypatch.setattr(caching, "DEFAULT_LIFETIME", 0.0)
    monkeypatch.setattr(read_ahead, "PATIENCE", HANG)
    monkeypatch.setattr(read_ahead, "AGAIN", 0.0)
    bounds: Any = ArtifactIndex.__init__.__kwdefaults__
    monkeypatch.setitem(bounds, "limit", 3)
    return counted


def at_rest(app: App, origin: RecordingServer) -> None:
    """Wait until nobody reads ahead any more."""

    def still() -> bool:
        asked = len(origin.requests("*"))
        ahead = app.parts.read_ahead
        return not ahead.waiting and not ahead.under_way and asked == len(origin.requests("*"))

    until(still)


def test_a_tree_that_was_resolved_is_resolved_again_without_reading_a_page(
    tmp_path: Path, origin: RecordingServer, calls: Counter[str]
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        assert resolve(app) == TREE
        at_rest(app, origin)
        assert calls["pages read"] >= TREE
        calls.clear()
        before = len(origin.requests("*"))
        assert resolve(app) == TREE
        at_rest(app, origin)
        asked = origin.requests("*")[before:]
    assert {each.status for each in asked} == {304}
    assert calls == Counter()


def test_what_a_changed_page_leads_to_is_asked_again(
    tmp_path: Path, origin: RecordingServer, calls: Counter[str]
) -> None:
    index = Index()
    index.add(wheels.wheel("p0", "1.0", requires=["p1"]))
    index.add(wheels.wheel("p1", "1.0"))
    index.mount_origin(origin)
    with App(tmp_path, f"{origin.url}/simple") as app:
        assert resolve(app) == 2
        index.add(wheels.wheel("p0", "2.0", requires=["p2"]))
        index.add(wheels.wheel("p2", "1.0"))
        app.page("p0", User_Agent=PIP)
        until(lambda: bool(origin.requests("/simple/p2/")))
    assert calls["pages read"] > 2


def test_a_client_of_another_platform_is_read_ahead_for_by_itself(
    tmp_path: Path, origin: RecordingServer, calls: Counter[str]
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        app.page("p0", User_Agent=PIP)
        at_rest(app, origin)
        before = calls["asked what comes next"]
        app.page("p0", User_Agent=PIP.replace("x86_64", "aarch64"))
        until(lambda: calls["asked what comes next"] > before)
