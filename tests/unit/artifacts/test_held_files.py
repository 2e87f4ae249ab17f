"""A burst of small files: who gives each is decided when its turn has come, not when it is asked
for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.artifacts.held_files import STRAGGLES_AT_LEAST
from headrace.models import Artifact, Digest, Origin
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

WHEELS = [wheels.wheel(f"small{n}", "1.0", size=20_000) for n in range(8)]


def test_files_that_wait_go_to_a_mirror_that_became_known_meanwhile(tmp_path: Path) -> None:
    # So long that nobody is asked beside another one.
    seconds = 100 * STRAGGLES_AT_LEAST
    go = threading.Event()
    with (
        RecordingServer(name="origin") as origin,
        RecordingServer(name="first") as first,
        RecordingServer(name="second") as second,
    ):
        index = Index()
        index.add(*WHEELS)
        index.mount_origin(origin)
        mirrors = [
            mirror(each.name, index.mount_mirror(each), rank=rank)
            for rank, each in enumerate((first, second))
        ]
        first.fail(modes.held(go), "*.whl")
        second.fail(modes.status(404), "*.whl")
        with (
            App(tmp_path, f"{origin.url}/simple", mirrors=mirrors, connections_per_mirror=1) as app,
            ThreadPoolExecutor(len(WHEELS)) as clients,
        ):
            report = app.parts.sources.report
            report("origin", "wheel", bytes=20_000, seconds=9 * seconds, rtt=9 * seconds)
            report("first", "wheel", bytes=20_000, seconds=seconds, rtt=seconds)
            for wheel in WHEELS:
                app.ask(f"/simple/{wheel.project}/")
            asking = [clients.submit(app.ask, index.path(wheel.name)) for wheel in WHEELS]
            outstanding, total = app.parts.held_files.outstanding, sum(len(w.data) for w in WHEELS)
            until(lambda: outstanding["first"] == total)
            second.heal()
            report("second", "wheel", bytes=20_000, seconds=seconds / 50, rtt=seconds / 50)
            go.set()
            assert {each.result().body for each in asking} == {wheel.data for wheel in WHEELS}
        assert len(second.requests("*.whl", "GET")) >= len(WHEELS) - 1


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A gateway that has the first wheel in memory."""
    with RecordingServer(name="origin") as origin, RecordingServer(name="near") as near:
        index = Index()
        index.add(WHEELS[0])
        index.mount_origin(origin)
        mirrors = [mirror("near", index.mount_mirror(near))]
        with App(tmp_path, f"{origin.url}/simple", mirrors=mirrors) as app:
            app.parts.sources.report("origin", "wheel", bytes=20_000, seconds=HANG, rtt=HANG)
            app.parts.sources.report("near", "wheel", bytes=20_000, seconds=0.1, rtt=0.1)
            app.ask(f"/simple/{WHEELS[0].project}/")
            assert app.ask(index.path(WHEELS[0].name)).body == WHEELS[0].data
            assert near.requests("*.whl", "GET")
            yield app


def named(digest: Digest) -> Artifact:
    """The first wheel as a page names it."""
    index = Index()
    index.add(WHEELS[0])
    path = index.path(WHEELS[0].name)
    origin = Origin("python", "https://index.example/simple")
    url = f"https://files.example{path}"
    return Artifact("python", path, WHEELS[0].name, url, origin, digest, len(WHEELS[0].data))


def test_bytes_in_memory_are_hashed_once_for_a_digest(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    is_of = Digest.is_of

    def counted(digest: Digest, content: bytes) -> bool:
        hashed.append(digest.algorithm)
        return is_of(digest, content)

    monkeypatch.setattr(Digest, "is_of", counted)
    for _ in range(3):
        for digest in (
            Digest("sha256", WHEELS[0].sha256),
            Digest("blake2b_256", WHEELS[0].blake2b),
        ):
            assert app.parts.held_files.held(named(digest)) == WHEELS[0].data
    assert hashed == ["blake2b_256"]


def test_bytes_in_memory_are_nobodys_who_names_another_digest(app: App) -> None:
    right, wrong = Digest("sha256", WHEELS[0].sha256), Digest("sha256", "0" * 64)
    given = [app.parts.held_files.held(named(one)) for one in (right, wrong, wrong, right, wrong)]
    assert given == [WHEELS[0].data, None, None, WHEELS[0].data, None]
