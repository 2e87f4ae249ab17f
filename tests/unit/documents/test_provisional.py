"""A mirror's page in a slow origin's place: when, how it is confirmed, and what a lie costs."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from headrace.documents import page_comparison
from headrace.documents.confirming import stand_ins
from headrace.documents.confirming.stand_ins import StandIns
from headrace.gateway.live.incidents import form_of
from headrace.http import caching
from headrace.interface.hookspecs import Ecosystem
from headrace.models import Artifact, Digest, Document, OperatorClass, Origin, ServeDocument
from headrace.policy.reputation import Record
from headrace.policy.selection import FAR
from headrace.upstream.client import Client
from lib import wheels
from lib.app import App, mirror
from lib.index import JSON, Index, IndexFile
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG, until

SLOW = 3.0
WARM = wheels.wheel("warm", "1.0")
THING = wheels.wheel("thing", "1.0", size=400_000)
NEWER = wheels.wheel("thing", "1.1", size=400_000)
EVIL = wheels.wheel("thing", "6.6.6", size=400_000)
TWIN = wheels.wheel("thing", "1.0", size=400_000, seed="evil")
OTHER = wheels.wheel("other", "1.0")
PAGE = "/simple/thing/"
KEY = ("m", "document")


@pytest.fixture
def index() -> Index:
    made = Index()
    made.add(WARM, THING)
    return made


@pytest.fixture
def pages(index: Index, files: RecordingServer) -> Iterator[RecordingServer]:
    """The origin's host for pages, which is the slow one."""
    with RecordingServer(name="pages") as made:
        made.cache_control = "max-age=600"
        index.mount_origin(made, files)
        yield made


@pytest.fixture
def files() -> Iterator[RecordingServer]:
    with RecordingServer(name="files") as made:
        yield made


@pytest.fixture
def theirs() -> Index:
    """What the mirror names; each test decides how it differs."""
    made = Index()
    made.add(WARM, THING)
    return made


@pytest.fixture
def there(theirs: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="mirror") as made:
        theirs.mount_mirror(made)
        yield made


def _agent(tool: str, version: str, **installer: object) -> str:
    facts = {"installer": installer, "python": "3.11.7", "system": {"name": "Linux"}}
    return f"{tool}/{version} {json.dumps(facts)}"


def start(
    root: Path,
    pages: RecordingServer,
    there: RecordingServer,
    *,
    provisional_after: float = 0.2,
    documents: str = "provisional",
    operator_class: OperatorClass = OperatorClass.ORGANISATION,
    evidence_until: dt.date | None = None,
) -> App:
    described = mirror(
        "m",
        there.url,
        gives_documents=True,
        operator_class=operator_class,
        evidence_until=evidence_until,
    )
    return App(
        root,
        f"{pages.url}/simple",
        mirrors=[described],
        provisional_after=provisional_after,
        documents=documents,
    )


def warm_up(app: App, pages: RecordingServer) -> None:
    """Let the gateway learn where the origin has its files; then the origin's pages get slow."""
    page = app.page("warm")
    assert app.ask(page.json()["files"][0]["url"]).status == 200
    pages.delay = SLOW


def first_path(app: App) -> str:
    return str(app.page("thing").json()["files"][0]["url"])


def test_slow_origins_page_is_given_by_the_mirror_and_says_so(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        released = threading.Event()
        pages.fail(modes.held(released), PAGE)
        told = app.page("thing")
        assert told.headers["x-headrace-provisional"] == "m"
        assert app.status()["documents"]["provisional"] == 1
        released.set()


def test_origins_page_follows_and_takes_its_place(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        app.page("thing")
        until(lambda: "x-headrace-provisional" not in app.page("thing").headers)
        assert len(pages.requests(PAGE)) == 1
        assert app.status()["incidents"] == []


def test_fast_origin_needs_no_stand_in(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there, provisional_after=HANG) as app:
        app.page("warm")
        assert "x-headrace-provisional" not in app.page("thing").headers
    assert there.requests("/simple/*") == []


def test_one_kept_page_tells_where_its_origin_has_all_files(
    tmp_path: Path,
    pages: RecordingServer,
    there: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading one costs milliseconds, and there are as many as a tree has packages."""
    pages.cache_control = "max-age=0"
    monkeypatch.setattr(caching, "BREATH", 0.0)
    read: list[str] = []
    real = page_comparison.provable

    def counted(ecosystem: Any, plan: ServeDocument, document: Document) -> str | None:
        read.append(plan.key)
        return real(ecosystem, plan, document)

    monkeypatch.setattr(stand_ins, "provable", counted)
    with start(tmp_path, pages, there, provisional_after=HANG) as app:
        app.page("warm")
        app.page("thing")
    assert read == []
    released = threading.Event()
    pages.fail(modes.held(released), "/simple/*")
    with start(tmp_path, pages, there) as app:
        told = [app.page(name).headers.get("x-headrace-provisional") for name in ("warm", "thing")]
        released.set()
    assert told == ["m", "m"]
    assert len(read) == 1


def test_origin_known_to_be_slow_is_not_waited_for(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    released = threading.Event()
    with start(tmp_path, pages, there, provisional_after=2 * HANG) as app:
        app.page("warm")
        for _ in range(9):
            app.parts.sources.report("origin", "document", bytes=1000, seconds=0.1, rtt=9 * HANG)
        pages.fail(modes.held(released), PAGE)
        # The mirror's pages have been measured too.
        app.parts.sources.report("m", "document", bytes=1000, seconds=0.05, rtt=0.02)
        assert app.page("thing").headers["x-headrace-provisional"] == "m"
        released.set()


def ask_at_once(app: App, *projects: str) -> list[Future[str | None]]:
    """Ask for pages on connections of their own; give who supplied each."""

    def ask(project: str) -> str | None:
        return app.page(project).headers.get("x-headrace-provisional")

    pool = ThreadPoolExecutor(len(projects))
    asked = [pool.submit(ask, project) for project in projects]
    pool.shutdown(wait=False)
    return asked


@pytest.mark.parametrize(("round_trip", "meanwhile"), [(2 * FAR, 1), (FAR / 4, 0)])
def test_page_of_a_far_origin_is_fetched_while_it_is_learned_how_to_read_it(  # noqa: PLR0917
    tmp_path: Path,
    index: Index,
    pages: RecordingServer,
    files: RecordingServer,
    there: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    round_trip: float,
    meanwhile: int,
) -> None:
    index.add(OTHER)
    index.mount_origin(pages, files)
    monkeypatch.setattr(Client, "round_trip", lambda *_: round_trip)
    monkeypatch.setattr(stand_ins, "LEARNT_WITHIN", HANG)
    heard = StandIns.heard
    monkeypatch.setattr(StandIns, "heard", lambda self, origin, _: heard(self, origin, round_trip))
    released, third = threading.Event(), "/simple/thing/"
    pages.fail(modes.held(released), "/simple/*")
    with start(tmp_path, pages, there, provisional_after=HANG) as app:
        first = ask_at_once(app, "warm", "other")
        until(lambda: len(pages.requests("/simple/*")) == 2)
        (last,) = ask_at_once(app, "thing")
        if meanwhile:
            until(lambda: len(there.requests(third)) == meanwhile)
        until(lambda: len(app.parts.documents._flights._flights) == 3)
        assert len(there.requests(third)) == meanwhile
        released.set()
        assert last.result(HANG) == ("m" if meanwhile else None)
        assert [each.result(HANG) for each in first] == [None, None]
    assert len(there.requests(third)) == meanwhile


def test_each_file_of_it_costs_the_origin_one_head(
    tmp_path: Path, pages: RecordingServer, files: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        path = first_path(app)
        files.forget()
        assert app.ask(path).body == THING.data
        assert [seen.status for seen in files.requests(path, "HEAD")] == [200]


def test_file_that_the_origin_does_not_have_is_never_given_whole(
    tmp_path: Path,
    pages: RecordingServer,
    files: RecordingServer,
    there: RecordingServer,
    theirs: Index,
) -> None:
    theirs.files.clear()
    theirs.add(EVIL)
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        path = first_path(app)
        assert "6.6.6" in path
        told = app.ask(path)
        assert told.body != EVIL.data
        assert files.requests(path, "HEAD")


def test_lie_about_a_files_digest_gives_nobody_other_bytes(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer, theirs: Index
) -> None:
    """The mirror names the evil file's sha256 under the true file's path, and serves the evil."""
    theirs.files.clear()
    theirs.files.append(IndexFile(THING, claimed_sha256=TWIN.sha256))
    there.fail(modes.swapped(TWIN.data), "*.whl")
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        entry = app.page("thing").json()["files"][0]
        # Its client would only fail by it.
        assert entry["hashes"] == {}
        # The path is the content's own digest: what comes is the true file.
        assert app.ask(entry["url"]).body == THING.data
        until(lambda: app.status()["incidents"])
        (incident,) = app.status()["incidents"]
        assert "names other bytes" in incident["what"]
        assert form_of(incident["what"])["form"] == "other_bytes"


def test_a_lie_about_a_files_length_is_not_believed_against_the_origin(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    """A mirror's page tells no sizes, so that the liar is the first to say one."""
    there.fail(modes.swapped(EVIL.data), "*.whl")
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        assert app.ask(first_path(app)).body == THING.data


def test_false_page_costs_the_mirror_its_right_across_restarts(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer, theirs: Index
) -> None:
    theirs.add(EVIL)
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        app.page("thing")
        until(lambda: app.status()["incidents"])
        (incident,) = app.status()["incidents"]
        assert incident["what"].startswith("mirror m gave a page for")
    there.forget()
    with start(tmp_path, pages, there) as app:
        pages.delay = 0
        app.page("warm", Cache_Control="no-cache")
        pages.delay = 1.0
        assert app.page("thing", Cache_Control="no-cache").status == 200
    assert there.requests(PAGE) == []


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    "meant",
    [
        {"User-Agent": _agent("uv", "0.13.9", subcommand=["pip", "compile"])},
        {"User-Agent": _agent("pip", "26.3"), "Cache-Control": "max-age=0"},
        {"Cache-Control": "no-cache"},
    ],
    ids=["writes it down", "refreshes", "no-cache"],
)
def test_who_keeps_what_a_page_says_or_wants_it_anew_gets_the_origins_own(
    tmp_path: Path,
    pages: RecordingServer,
    there: RecordingServer,
    meant: dict[str, str],
    *,
    kept: bool,
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        pages.delay = 1.0
        if kept:
            assert app.page("thing").headers["x-headrace-provisional"] == "m"
        told = app.ask("/simple/thing/", {"Accept": JSON, **meant})
        assert "x-headrace-provisional" not in told.headers
        assert told.status == 200


def test_what_a_mirror_said_is_no_last_known_page_for_who_keeps_it(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        pages.fail(modes.status(503), PAGE)
        assert app.page("thing").headers["x-headrace-provisional"] == "m"
        told = app.page("thing", Cache_Control="no-cache")
        assert (told.status, told.headers["location"]) == (302, f"{pages.url}/simple/thing/")


def test_page_that_lacks_what_was_served_before_is_not_shown(
    tmp_path: Path,
    pages: RecordingServer,
    there: RecordingServer,
    index: Index,
) -> None:
    index.add(NEWER)
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        pages.delay = 0
        versions = app.page("thing").json()["versions"]
        pages.delay = 1.0
        again = app.page("thing", Cache_Control="no-cache")
        assert again.json()["versions"] == versions == ["1.0", "1.1"]
        assert "x-headrace-provisional" not in again.headers


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_what_a_mirrors_page_does_not_name_is_looked_for_in_the_origins_own(
    tmp_path: Path, pages: RecordingServer, index: Index, there: RecordingServer, suffix: str
) -> None:
    # The client has its path from a page of before, or from a list of its own.
    newer = index.add(NEWER)
    content = NEWER.metadata if suffix else NEWER.data
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        assert app.page("thing").headers["x-headrace-provisional"] == "m"
        told = app.ask(newer.path + suffix)
    assert (told.status, told.body) == (200, content)


def test_page_of_a_nameless_operator_is_not_asked_for(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there, operator_class=OperatorClass.COMMUNITY) as app:
        warm_up(app, pages)
        pages.delay = 1.0
        app.page("thing")
    assert there.requests("/simple/*") == []


# ---------------------------------------------------------------- old evidence

LONG_AGO = dt.date(2020, 1, 1)


def learned(app: App) -> Record:
    """Wait until something was learned of the mirror's pages."""
    while (record := app.parts.statistics.snapshot(app.parts.network()).get(KEY)) is None:
        time.sleep(0.01)
    return record


def test_a_mirror_of_old_evidence_gives_pages_when_one_was_the_origins(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer, index: Index, theirs: Index
) -> None:
    for each in (index, theirs):
        each.add(OTHER)
    with start(tmp_path, pages, there, evidence_until=LONG_AGO) as app:
        warm_up(app, pages)
        pages.delay = 1.0
        assert "x-headrace-provisional" not in app.page("thing").headers
        assert learned(app).pauses == 0
        assert len(there.requests(PAGE)) == 1
        pages.delay = SLOW
        assert app.page("other").headers["x-headrace-provisional"] == "m"


def test_a_mirror_of_old_evidence_whose_page_lags_gives_none(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer, index: Index, theirs: Index
) -> None:
    for each in (index, theirs):
        each.add(OTHER)
    index.add(NEWER)
    with start(tmp_path, pages, there, evidence_until=LONG_AGO) as app:
        warm_up(app, pages)
        pages.delay = 1.0
        assert "x-headrace-provisional" not in app.page("thing").headers
        assert learned(app).paused_until > time.time() + page_comparison.LAGGED - 60
        assert "x-headrace-provisional" not in app.page("other").headers
        assert there.requests("/simple/other/") == []
        assert "lacks 1 file of" in app.status()["incidents"][0]["what"]
        assert form_of(app.status()["incidents"][0]["what"])["form"] == "behind"


def test_a_mirror_of_old_evidence_is_left_in_peace_by_a_quick_origin(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there, evidence_until=LONG_AGO, provisional_after=30.0) as app:
        app.page("warm")
        app.page("thing")
    assert there.requests("/simple/*") == []


def test_no_page_of_a_nameless_operator_is_tried_either(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    community = OperatorClass.COMMUNITY
    with start(tmp_path, pages, there, evidence_until=LONG_AGO, operator_class=community) as app:
        pages.delay = 0.5
        app.page("thing")
        app.page("warm")
    assert there.requests("/simple/*") == []


def test_setting_forbids_it(tmp_path: Path, pages: RecordingServer, there: RecordingServer) -> None:
    with start(tmp_path, pages, there, documents="origin") as app:
        warm_up(app, pages)
        pages.delay = 1.0
        app.page("thing")
    assert there.requests("/simple/*") == []


def test_mirrors_page_that_is_none_waits_for_the_origin(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    there.content[PAGE] = Reply(b"<html><form>sign in</form></html>", 200, "text/html")
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        pages.delay = 1.0
        told = app.page("thing")
    assert (told.status, "x-headrace-provisional" in told.headers) == (200, False)


def test_origin_that_says_no_such_page_wins_over_a_mirror(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer, index: Index
) -> None:
    index.files.pop()
    with start(tmp_path, pages, there) as app:
        app.page("warm")
        assert app.page("thing").status == 404
    assert there.requests("/simple/*") == []


def test_dead_origin_of_pages_leaves_the_confirmed_word_of_a_mirror(
    tmp_path: Path, pages: RecordingServer, files: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        pages.close()
        told = app.page("thing")
        assert told.headers["x-headrace-provisional"] == "m"
        path = told.json()["files"][0]["url"]
        assert app.ask(path).body == THING.data
        assert files.requests(path, "HEAD")


def test_mirrors_page_promises_no_metadata(
    tmp_path: Path, pages: RecordingServer, there: RecordingServer
) -> None:
    with start(tmp_path, pages, there) as app:
        warm_up(app, pages)
        assert not app.page("thing").json()["files"][0].get("core-metadata")


class Careless:
    """An ecosystem that takes any URL for a proof."""

    def confirmation(self, artifact: Artifact) -> str | None:
        return artifact.url


def test_head_proves_nothing_where_the_path_is_not_the_digest() -> None:
    origin = Origin("python", "http://127.0.0.1:9/simple")
    path = f"/packages/{THING.blake2b[:2]}/{THING.blake2b[2:4]}/{THING.blake2b[4:]}/{THING.name}"
    url = f"http://127.0.0.1:9{path}"
    named = Artifact("python", path, THING.name, url, origin, provisional="m")
    right = replace(named, digest=Digest("blake2b_256", THING.blake2b))
    # A mirror's page may name any sha256 beside a path that the origin has.
    wrong = replace(named, digest=Digest("sha256", TWIN.sha256))
    careless = cast("Ecosystem", Careless())
    assert page_comparison.proof(careless, right) == url
    assert page_comparison.proof(careless, wrong) is None
    assert page_comparison.proof(careless, named) is None
