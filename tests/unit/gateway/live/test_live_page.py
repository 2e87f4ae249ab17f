"""The live page over HTTP: what it loads, what it is sent, and that nobody else pays for it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headrace.gateway.live import shell, snapshot, viewers
from headrace.gateway.peers import Sight
from headrace.models import Artifact, Fault, Origin, SourceFailed, TransferFinished
from lib import wheels
from lib.app import App
from lib.gateway import Gateway
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

SIX = wheels.wheel("six", "1.0", size=3000)
LARGE = wheels.wheel("large", "1.0", size=24 << 20)


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    index = Index()
    index.add(SIX)
    index.add(LARGE)
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made


@pytest.fixture
def app(tmp_path: Path, origin: RecordingServer) -> Iterator[App]:
    with App(tmp_path, f"{origin.url}/simple") as made:
        yield made


class Stream:
    """Server-sent events as they come."""

    def __init__(self, port: int, query: str = "", headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
        self._connection.request("GET", f"/live/events{query}", headers=headers or {})
        self.answer = self._connection.getresponse()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name = ""
        while line := self.answer.readline():
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: "):
                yield name, json.loads(text.removeprefix("data: "))

    def first(self, name: str) -> Any:
        return next(table for found, table in self if found == name)

    def close(self) -> None:
        # The answer holds the socket, too.
        self.answer.close()
        self._connection.close()


@pytest.fixture
def stream(app: App) -> Iterator[Stream]:
    made = Stream(app.port)
    yield made
    made.close()


def fetch(app: App, project: str, agent: str = "pip/26.3") -> bytes:
    (file,) = app.page(project).json()["files"]
    return app.ask(file["url"].partition("#")[0], {"User-Agent": agent}).body


# ------------------------------------------------------------------ loading


def test_a_page_load_takes_at_most_sixty_kilobytes(app: App) -> None:
    made = Origin("python", "https://index.example/simple")
    name = f"a-project-with-a-long-name-{'x' * 40}-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    artifact = Artifact("python", "/packages/a", name, "https://index.example/a.whl", made)
    network = app.parts.network()
    for number in range(60):
        source = f"a-mirror-of-somebody-{number}"
        app.parts.statistics.observe(
            source, "wheel", network=network, bytes=1 << 20, seconds=1.0, rtt=0.1
        )
        given = {source: 1 << 20, "origin": 1 << 20}
        app.parts.activity.observe(TransferFinished(artifact, 2 << 20, 1.0, given, {}))
        app.parts.activity.observe(SourceFailed(artifact, source, Fault.CUT))
    total = 0
    for path in ("", *shell.ASSETS, "snapshot"):
        told = app.ask(f"/live/{path}", {"Accept-Encoding": "gzip, br", "Accept-Language": "zh"})
        assert told.status == 200
        total += len(told.body)
        if path != "snapshot":
            assert told.headers["content-security-policy"] == shell.POLICY
            assert gzip.decompress(told.body) == app.ask(f"/live/{path}?lang=zh").body
    assert total < 60_000


def test_what_a_browser_asks_for_at_the_gateways_own_address_is_the_page(app: App) -> None:
    told = app.ask("/", {"Accept": "text/html,*/*"})
    assert (told.status, told.headers["location"]) == (302, "/live/")
    assert b'lang="zh-CN"' in app.ask("/live/", {"Accept-Language": "zh"}).body
    assert app.ask("/", {"Accept": "*/*"}).status == 404
    assert app.ask("/live/nothing").status == 404


def test_the_snapshot_tells_what_came_and_from_whom(app: App) -> None:
    fetch(app, "six")
    told = app.ask("/live/snapshot").json()
    (event,) = told["events"]
    assert (event["kind"], event["what"]) == ("finished", SIX.name)
    assert event["given"] == {"origin": len(SIX.data)}
    assert told["newest"] == 1
    assert told["state"]["totals"]["files"] == 1
    assert [each["id"] for each in told["state"]["sources"]] == ["origin"]


def test_older_events_are_told_when_they_are_asked_for(app: App) -> None:
    for number in range(150):
        app.parts.activity.incident(f"incident {number}")
    told = app.ask("/live/snapshot").json()["events"]
    assert len(told) == viewers.FIRST
    older = app.ask(f"/live/history?before={told[0]['number']}").json()["events"]
    assert [each["number"] for each in older][:2] == [90, 89]
    for odd in ("", "0", "-1", "x", "9" * 40):
        assert app.ask(f"/live/history?before={odd}").json() == {"events": []}


# ------------------------------------------------------------------ following


def test_a_stream_begins_with_all_there_is_and_goes_on_with_what_comes(
    app: App, stream: Stream
) -> None:
    assert stream.answer.headers["content-type"] == "text/event-stream"
    told = iter(stream)
    assert next(told) == ("begin", {"anew": True})
    assert next(told)[0] == "state"
    app.parts.activity.incident("a thing")
    found = next(table for name, table in told if name == "events")
    assert [each["what"] for each in found] == ["a thing"]


def test_a_download_is_seen_with_its_tool_its_parts_and_who_gives_them(
    app: App, origin: RecordingServer, stream: Stream
) -> None:
    go_on = threading.Event()
    origin.fail(modes.held(go_on, at=8 << 20), "*.whl")
    fetching = threading.Thread(target=fetch, args=(app, "large", "uv/0.13.1 {}"))
    fetching.start()
    try:
        seen = (t["downloads"] for name, t in stream if name == "now" and t["downloads"])
        one = next(each[0] for each in seen if each[0]["here"] > 1 << 20)
        assert (one["name"], one["size"]) == (LARGE.name, len(LARGE.data))
        assert one["tools"] == ["uv 0.13.1"]
        assert one["given"] == {"origin": one["here"]}
        assert sum(end - start for start, end, _ in one["parts"]) == one["here"]
        assert {flow[0] for flow in one["flows"]} == {"origin"}
    finally:
        go_on.set()
        fetching.join()


def test_a_browser_that_comes_back_is_told_what_it_missed_and_no_more(app: App) -> None:
    for number in range(5):
        app.parts.activity.incident(f"incident {number}")
    for query, headers in (("?seen=3", {}), ("", {"Last-Event-ID": "3"})):
        again = Stream(app.port, query, headers)
        told = iter(again)
        assert next(told) == ("begin", {"anew": False})
        events = next(table for name, table in told if name == "events")
        assert [each["number"] for each in events] == [4, 5]
        again.close()
    # A worker before counted further than this one.
    again = Stream(app.port, "?seen=900")
    assert next(iter(again)) == ("begin", {"anew": True})
    again.close()


def test_so_many_look_at_a_time_and_whoever_leaves_makes_room(app: App) -> None:
    def status() -> int:
        with contextlib.closing(Stream(app.port)) as made:
            return made.answer.status

    every = [Stream(app.port) for _ in range(viewers.MOST)]
    assert status() == 403
    every.pop().close()
    until(lambda: status() == 200)
    for each in every:
        each.close()


def test_while_nobody_looks_nothing_is_made_and_no_clock_runs(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(name: str, *_: object) -> dict[str, Any]:
        made.append(name)
        return {}

    for name in ("now", "state", "events", "store"):
        monkeypatch.setattr(snapshot, name, partial(make, name))
    live = app._server.lifespan.state["live"]
    for number in range(2000):
        app.parts.activity.incident(f"incident {number}")
    fetch(app, "six")
    assert (made, live.viewers) == ([], None)
    watched = Stream(app.port)
    watched.first("begin")
    looking: viewers.Viewers = live.viewers
    until(lambda: "now" in made)
    assert (len(looking), looking._clock is None) == (1, False)
    watched.close()
    until(lambda: not len(looking))
    assert looking._clock is None
    until(lambda: not looking._asking)
    known = len(made)
    fetch(app, "six")
    assert len(made) == known


def test_who_looks_does_not_keep_the_gateway_from_ending(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with Gateway(tmp_path / "gateway", origins=[f"{origin.url}/simple"]) as gateway:
        watched = Stream(gateway.port)
        watched.first("state")
        assert gateway.close() == 0
        # uvicorn says so where it had to end an answer itself.
        assert "timeout graceful shutdown exceeded" not in gateway.told()
        assert list(watched) is not None
        watched.close()


# ------------------------------------------------------------------ what it may do


def test_a_click_frees_what_nobody_used_for_so_long_and_says_how_much(app: App) -> None:
    fetch(app, "large")
    store = app.parts.store
    until(lambda: store.usage() >= len(LARGE.data))
    seal = app.ask("/live/snapshot").json()["seal"]

    def free(days: int) -> Any:
        headers = {"X-Headrace-Seal": seal, "X-Headrace-Unused-For": str(days * 86_400)}
        return app.ask("/live/store", headers, method="POST")

    assert free(7).json() == {"freed": 0}
    assert store.usage() >= len(LARGE.data)
    assert free(3).status == 400  # the page offers no such thing
    assert free(0).json()["freed"] >= len(LARGE.data)
    assert store.usage() == 0
    assert fetch(app, "large") == LARGE.data


def test_the_store_is_looked_at_for_whoever_looks(app: App) -> None:
    fetch(app, "six")
    watched = Stream(app.port)
    told = watched.first("store")
    assert told["limit"] == app.parts.store.limit
    assert [each["unused_for"] for each in told["free"]] == [30 * 86_400, 7 * 86_400, 0]
    watched.close()


def test_a_slow_browser_is_sent_less_and_not_later(app: App) -> None:
    """What changes meanwhile is one picture, not a queue of them."""
    made = viewers.Viewers(app.parts, list, beat=0.01)
    sent: list[bytes] = []

    async def play() -> None:
        stuck, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

        class Slow:
            async def begin(self, *_: object) -> None:
                pass

            async def more(self, data: bytes) -> None:
                sent.append(data)
                if len(sent) == 2:
                    stuck.set()
                    await go_on.wait()
                elif b"event: events" in data:
                    over.set()

            async def end(self) -> None:
                pass

            @contextlib.asynccontextmanager
            async def watched(self) -> AsyncIterator[asyncio.Future[None]]:
                yield asyncio.get_running_loop().create_future()

        exchange: Any = Slow()
        showing = asyncio.create_task(made.show(exchange, Sight.ALL, None))
        await stuck.wait()
        for number in range(500):
            app.parts.activity.incident(f"incident {number}")
            await asyncio.sleep(0)
        go_on.set()
        await over.wait()
        made.end()
        await showing
        await made.aclose()

    asyncio.run(play())
    told = b"".join(sent[2:])
    assert told.count(b"event: events") == 1
    assert told.count(b'"number":') == viewers.FIRST
