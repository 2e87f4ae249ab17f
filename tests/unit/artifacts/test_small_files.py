"""A wheel's metadata may come from a near mirror: what it says is checked, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer

WHEELS = [wheels.wheel(f"small{n}", "1.0", size=20_000) for n in range(6)]


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    """Far away: every answer takes a third of a second."""
    with RecordingServer(name="origin") as server:
        server.delay = 0.3
        yield server


@pytest.fixture
def near() -> Iterator[RecordingServer]:
    with RecordingServer(name="near") as server:
        yield server


@pytest.fixture
def index(origin: RecordingServer) -> Index:
    index = Index()
    index.add(*WHEELS)
    index.mount_origin(origin)
    return index


@pytest.fixture
def app(
    tmp_path: Path, origin: RecordingServer, near: RecordingServer, index: Index
) -> Iterator[App]:
    """A gateway that has measured both."""
    base = index.mount_mirror(near, metadata=True)
    # Else it would be cut out of the wheel.
    near.fail(modes.status(404), "*.whl")
    with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("near", base)]) as app:
        for source, rtt in (("near", 0.01), ("origin", 0.3)):
            app.parts.sources.report(source, "wheel", bytes=20_000, seconds=rtt, rtt=rtt)
        yield app


def metadata(index: Index, number: int) -> str:
    return f"{index.path(WHEELS[number].name)}.metadata"


def test_near_mirrors_metadata_is_served_when_it_is_right(
    app: App, index: Index, near: RecordingServer
) -> None:
    assert app.ask(metadata(index, 0)).body == WHEELS[0].metadata
    asked = [request for request in near.seen if request.path.endswith(".metadata")]
    assert len(asked) == 1
    assert "authorization" not in asked[0].headers


def test_near_mirrors_lie_is_dropped_and_the_origin_answers(
    app: App, index: Index, near: RecordingServer
) -> None:
    near.fail(modes.swapped(b"Metadata-Version: 2.1\nName: small0\nVersion: 6.6.6\n"), "*.metadata")
    assert app.ask(metadata(index, 0)).body == WHEELS[0].metadata
    near.heal()
    app.ask(metadata(index, 1))
    # It is not asked again so soon.
    assert len([r for r in near.seen if r.path.endswith(".metadata")]) == 1


def test_mirror_that_has_no_metadata_is_not_asked_for_more_than_three(
    app: App, index: Index, near: RecordingServer
) -> None:
    near.fail(modes.status(404), "*.metadata")
    for number in range(6):
        assert app.ask(metadata(index, number)).body == WHEELS[number].metadata
    assert len([r for r in near.seen if r.path.endswith(".metadata")]) <= 3


def test_silent_mirror_costs_nothing(app: App, index: Index, near: RecordingServer) -> None:
    near.fail(modes.SILENT, "*.metadata")
    assert app.ask(metadata(index, 0)).body == WHEELS[0].metadata
