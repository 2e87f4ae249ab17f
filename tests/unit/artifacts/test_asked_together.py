"""A file that several ask for in different ways at one time is fetched once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import until

THING = wheels.wheel("thing", "1.0", size=20_000)


def test_one_that_was_asked_for_before_its_page_is_the_one_that_its_page_names(
    tmp_path: Path,
) -> None:
    go = threading.Event()
    with RecordingServer(name="origin") as origin, ThreadPoolExecutor(2) as clients:
        index = Index()
        # From one page it is known where the origin keeps its files.
        index.add(wheels.wheel("teaches"), THING)
        index.mount_origin(origin)
        origin.fail(modes.held(go), "*thing*.whl", methods=("GET",))
        with App(tmp_path, f"{origin.url}/simple") as app:

            def asked() -> int:
                return len(origin.requests("*thing*.whl", "GET"))

            path = index.path(THING.name)
            app.ask("/simple/teaches/")
            before = clients.submit(app.ask, path)
            until(asked)
            app.ask("/simple/thing/")
            after = clients.submit(app.ask, path)
            until(lambda: len(_readers(app)) == 2 or asked() == 2)
            go.set()
            assert before.result().body == after.result().body == THING.data
        assert asked() == 1


def test_one_that_a_download_brings_is_not_asked_of_a_near_mirror_beside_it(
    tmp_path: Path,
) -> None:
    go = threading.Event()
    with (
        RecordingServer(name="origin") as origin,
        RecordingServer(name="near") as near,
        ThreadPoolExecutor(2) as clients,
    ):
        index = Index()
        index.add(THING)
        index.mount_origin(origin)
        mirrors = [mirror("near", index.mount_mirror(near))]
        near.fail(modes.held(go), "*.whl")
        origin.fail(modes.held(go), "*.whl", methods=("GET",))

        def beside() -> bool:
            """Whether it was asked for the whole, and not for the sample of a race."""
            return any("range" not in each.headers for each in near.requests("*.whl", "GET"))

        with App(tmp_path, f"{origin.url}/simple", mirrors=mirrors) as app:
            path = index.path(THING.name)
            app.ask("/simple/thing/")
            first = clients.submit(app.ask, path)
            until(lambda: origin.requests("*.whl", "GET"))
            app.parts.sources.report("near", "wheel", bytes=20_000, seconds=0.01, rtt=0.001)
            second = clients.submit(app.ask, path)
            until(lambda: len(_readers(app)) == 2 or beside())
            go.set()
            assert first.result().body == second.result().body == THING.data
        assert not beside()


def _readers(app: App) -> list[object]:
    return [one for each in app.parts.downloader._active.values() for one in each._readers]
