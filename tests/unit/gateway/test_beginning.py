"""A command asks to be led: what can be made ready while a far origin is asked is made ready."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headrace.gateway.intercepting import beginning
from headrace.gateway.intercepting.interceptions import Interceptions
from headrace.gateway.peers import Sight
from headrace.models import Request
from lib.app import App
from lib.waiting import HANG


def test_what_makes_an_authority_is_loaded_while_the_origin_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, loaded = threading.Event(), threading.Event()
    order: list[str] = []

    async def teach(*_: Any) -> None:
        asked.set()
        order.append("asked")
        # The origin's answer comes once all is loaded; who loads it after that is never done.
        assert await asyncio.to_thread(loaded.wait, HANG), "loaded only after the answer"
        order.append("answered")

    class Watched(Interceptions):
        @staticmethod
        def prepare() -> None:
            assert asked.wait(HANG), "the origin is asked first"
            Interceptions.prepare()
            order.append("loaded")
            loaded.set()

    monkeypatch.setattr(beginning, "teach", teach)
    begins = beginning.Beginning(Watched(tmp_path / "state"), machine=False)
    question = '{"runners": "/nowhere", "alone": [], "environment": {}}'
    request = Request("GET", "/interception", f"asked={quote(question)}", {})
    with App(tmp_path, "http://127.0.0.1:9/simple") as app:
        _, told = asyncio.run(begins(app.parts, request, Sight.ALL))
    assert order == ["asked", "loaded", "answered"]
    assert b"no public origin" in told
