"""A burst of small files: who gives each is decided when its turn has come, not when it is asked
for.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headrace.artifacts.held_files import STRAGGLES_AT_LEAST
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import until

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
