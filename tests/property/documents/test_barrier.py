"""Law: whatever a mirror says in its pages and in metadata, and when it begins to lie, no file is
given that the origin alone would not have led to; a client ends with all of them, or with an error.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import wheels
from lib.app import App, mirror
from lib.index import Index, IndexFile
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.wheels import Built

#: Each requires the next two.
TREE = [wheels.wheel(f"p{n}", "1.0", [f"p{m}" for m in (n + 1, n + 2) if m < 5]) for n in range(5)]
UNWANTED = wheels.wheel("unwanted", "1.0")
NEWER = [wheels.wheel(f"p{n}", "6.6.6", ["unwanted"]) for n in range(5)]
OTHERS = [wheels.wheel(f"p{n}", "1.0", ["unwanted"], seed="other") for n in range(5)]


def _newer(there: RecordingServer, theirs: Index, number: int) -> None:
    del there
    theirs.add(NEWER[number])


def _other_digest(there: RecordingServer, theirs: Index, number: int) -> None:
    """The page claims the digest of other bytes for the true path, and these come."""
    theirs.files.remove(next(f for f in theirs.files if f.built is TREE[number]))
    theirs.files.append(IndexFile(TREE[number], claimed_sha256=OTHERS[number].sha256))
    _other_bytes(there, theirs, number)


def _other_bytes(there: RecordingServer, theirs: Index, number: int) -> None:
    del theirs
    there.fail(modes.swapped(OTHERS[number].data), f"*/p{number}-1.0-*.whl")


LIES: Mapping[str, Callable[[RecordingServer, Index, int], None]] = {
    "a release that never was": _newer,
    "another digest": _other_digest,
    "other bytes": _other_bytes,
}


@pytest.fixture(scope="module")
def origin() -> Iterator[tuple[RecordingServer, RecordingServer]]:
    index = Index()
    index.add(*TREE, UNWANTED)
    with RecordingServer(name="pages") as pages, RecordingServer(name="files") as files:
        index.mount_origin(pages, files)
        yield pages, files


def resolve(app: App, lie: Callable[[], None], after: int) -> dict[str, bytes] | None:
    """Do what a resolver does; return the files that it was given, None where it ended before."""
    chosen: dict[str, str] = {}
    waiting = ["p0"]
    while waiting:
        name = waiting.pop(0)
        if name in chosen:
            continue
        if len(chosen) == after:
            lie()
        page = app.page(name, User_Agent="me/1")
        if page.status != 200:
            return None
        newest = max(page.json()["files"], key=lambda file: str(file["filename"]))
        chosen[name] = newest["url"]
        metadata = app.ask(f"{newest['url']}.metadata", {"User-Agent": "me/1"})
        if metadata.status != 200:
            return None
        waiting += re.findall(r"(?m)^Requires-Dist: (\S+)", metadata.body.decode())
    given: dict[str, bytes] = {}
    for name, url in chosen.items():
        told = app.ask(url, {"User-Agent": "me/1"})
        if told.status == 200:
            given[name] = told.body
    return given


def _tree(built: Built) -> str:
    return built.project


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lies=st.dictionaries(st.integers(0, 4), st.sampled_from(sorted(LIES)), min_size=1),
    after=st.integers(0, 4),
    slow=st.sampled_from([0.0, 0.2]),
)
def test_nothing_that_a_lie_led_to_is_given(
    origin: tuple[RecordingServer, RecordingServer],
    lies: Mapping[int, str],
    after: int,
    slow: float,
) -> None:
    pages, files = origin
    theirs = Index()
    theirs.add(*TREE, UNWANTED)
    with tempfile.TemporaryDirectory() as root, RecordingServer(name="mirror") as there:
        described = mirror("m", theirs.mount_mirror(there, json=True), gives_documents=True)

        def lie() -> None:
            for number, kind in lies.items():
                LIES[kind](there, theirs, number)

        pages.delay = files.delay = 0.0
        with App(
            Path(root), f"{pages.url}/simple", mirrors=[described], provisional_after=0.01
        ) as app:
            app.page("unwanted")
            for source, rtt in (("m", 0.01), ("origin", 0.3)):
                app.parts.sources.report(source, "wheel", bytes=20_000, seconds=rtt, rtt=rtt)
            pages.delay, files.delay = 0.3, slow
            # A gate that never opened would end here by the limit that each question has.
            given = resolve(app, lie, after)
    right = {_tree(built): built.data for built in TREE}
    if given is not None:
        assert "unwanted" not in given
        for name, body in given.items():
            assert body == right[name]
        evil = "a release that never was" in lies.values()
        assert evil or given == right
