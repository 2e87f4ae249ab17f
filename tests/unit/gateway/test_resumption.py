"""Clients that ask for the rest of a file, and say nothing of what they have (no If-Range).

Some of them (podman 5.8, skopeo 1.22) end when they are sent the whole instead: 200 is for those
alone who may hold wrong bytes, and who can only begin anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import until

MB = 1 << 20
LARGE = wheels.wheel("large", "1.0", size=12 * MB)
EVIL = wheels.wheel("large", "1.0", size=12 * MB, seed="evil")
SIZE = len(LARGE.data)
RESTS = (1, 5 * MB + 3, SIZE - 1)
Prepare = Callable[[App, RecordingServer, RecordingServer, str], None]


@pytest.fixture
def index() -> Index:
    made = Index()
    made.add(LARGE)
    return made


@pytest.fixture
def origin(index: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made


def _nothing(app: App, origin: RecordingServer, there: RecordingServer, path: str) -> None:
    del app, origin, there, path


def _stored(app: App, origin: RecordingServer, there: RecordingServer, path: str) -> None:
    del origin, there
    app.ask(path)
    until(lambda: app.parts.downloader.active == 0)


def _looked_into(app: App, origin: RecordingServer, there: RecordingServer, path: str) -> None:
    del origin, there
    app.ask(path, {"Range": "bytes=0-99,500-599"})


def _mirrors(*given: modes.Mode) -> Prepare:
    def prepare(app: App, origin: RecordingServer, there: RecordingServer, path: str) -> None:
        del app, origin, path
        for mode in given:
            there.fail(mode, "*.whl")

    return prepare


def _all(mode: modes.Mode) -> Prepare:
    def prepare(app: App, origin: RecordingServer, there: RecordingServer, path: str) -> None:
        del app, path
        there.close()
        origin.fail(mode, "*.whl")

    return prepare


STATES = {
    "cold": _nothing,
    "stored": _stored,
    "looked-into": _looked_into,
    "mirror-ignores-ranges": _mirrors(modes.NO_RANGES),
    "mirror-503": _mirrors(modes.status(503)),
    "mirror-429": _mirrors(modes.status(429, retry_after="60")),
    "mirror-cuts": _mirrors(modes.cut(100_000)),
    "mirror-html": _mirrors(modes.HTML),
    "origin-alone": _all(modes.OK),
    "origin-ignores-ranges": _all(modes.NO_RANGES),
    "origin-cuts": _all(modes.cut(2 * MB)),
}


@pytest.mark.parametrize("disk", ["store", "full"])
@pytest.mark.parametrize("state", STATES)
def test_rest_of_a_file_is_the_rest_whatever_state_the_gateway_is_in(
    tmp_path: Path, index: Index, origin: RecordingServer, state: str, disk: str
) -> None:
    if disk == "full":
        (tmp_path / "cache").mkdir(parents=True)
        (tmp_path / "cache" / "store").write_bytes(b"no folder can be made here")
    path = index.path(LARGE.name)
    with RecordingServer(name="mirror") as there:
        base = index.mount_mirror(there)
        with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("m", base)]) as app:
            app.page("large")
            STATES[state](app, origin, there, path)
            for start in RESTS:
                told = app.ask(path, {"Range": f"bytes={start}-", "User-Agent": "engine/5.8"})
                assert told.status == 206, (start, told.body[:200])
                assert told.headers["content-range"] == f"bytes {start}-{SIZE - 1}/{SIZE}"
                assert told.complete
                assert told.body == LARGE.data[start:]


def test_rest_is_refused_and_never_the_whole_where_nobody_has_it(
    tmp_path: Path, index: Index, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        app.page("large")
        origin.fail(modes.status(503), "*.whl")
        told = app.ask(index.path(LARGE.name), {"Range": "bytes=5000-"})
    assert told.status == 404


def test_only_those_who_may_hold_wrong_bytes_begin_anew(
    tmp_path: Path, index: Index, origin: RecordingServer
) -> None:
    """One client, which can take it back, was given a lie's beginning, which was found out; another
    one was given what is right; of a third one nothing is known.
    """
    victim = "pip/26.3"
    path = index.path(LARGE.name)
    released = threading.Event()
    with RecordingServer(name="liar") as liar:
        liar.fail(modes.swapped(EVIL.data), "*.whl")
        origin.fail(modes.held(released), "*.whl", times=3)
        base = index.mount_mirror(liar)
        with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("liar", base)]) as app:
            app.page("large")
            first = app.ask(path, {"User-Agent": victim})
            released.set()
            assert not first.complete, "it was not lied to"
            until(lambda: app.parts.downloader.active == 0)
            rest = {"Range": "bytes=5000000-"}
            unknown = app.ask(path, {**rest, "User-Agent": "other/1"})
            assert (unknown.status, unknown.body) == (200, LARGE.data)
            assert app.ask(path, {"User-Agent": "engine/5.8"}).body == LARGE.data
            other = app.ask(path, {**rest, "User-Agent": "engine/5.8"})
            assert (other.status, other.body) == (206, LARGE.data[5000000:])
            same = app.ask(path, {**rest, "User-Agent": victim})
            assert (same.status, same.body) == (200, LARGE.data)
            tag = app.ask(path, method="HEAD").headers["etag"]
            told = app.ask(path, {**rest, "User-Agent": victim, "If-Range": tag})
            assert told.status == 206
