"""No file goes to a client before the origin has confirmed all that led the client to it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headrace.gateway import serve_artifact
from lib import wheels
from lib.app import App, Told, mirror
from lib.index import Index, IndexFile
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import until

WARM = wheels.wheel("warm", "1.0")
THING = wheels.wheel("thing", "1.0", requires=["other"])
OTHER = wheels.wheel("other", "1.0", size=300_000)
EVIL = wheels.wheel("thing", "6.6.6", requires=["other"])
ME, ELSE = {"User-Agent": "me/1"}, {"User-Agent": "else/1"}


@dataclass(slots=True)
class Renamed(IndexFile):
    """A file that a page gives another name than its address has."""

    own_name: str = ""

    @property
    def path(self) -> str:
        """Path in the official layout, decoded."""
        digest = self.built.blake2b
        return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.own_name}"


@pytest.fixture
def files() -> Iterator[RecordingServer]:
    with RecordingServer(name="files") as made:
        yield made


@pytest.fixture
def pages(files: RecordingServer) -> Iterator[RecordingServer]:
    index = Index()
    index.add(WARM, THING, OTHER)
    with RecordingServer(name="pages") as made:
        made.cache_control = "max-age=600"
        index.mount_origin(made, files)
        yield made


@pytest.fixture
def theirs() -> Index:
    """What the mirror names."""
    made = Index()
    made.add(WARM, THING, OTHER)
    return made


@pytest.fixture
def held() -> threading.Event:
    """Until when the origin gives no page."""
    return threading.Event()


@pytest.fixture
def app(
    tmp_path: Path, pages: RecordingServer, theirs: Index, held: threading.Event
) -> Iterator[App]:
    """A gateway whose origin gives no page any more, and has its files."""
    with RecordingServer(name="mirror") as there:
        base = theirs.mount_mirror(there, json=True)
        described = mirror("m", base, gives_documents=True)
        origin = f"{pages.url}/simple"
        with App(tmp_path, origin, mirrors=[described], provisional_after=0.05) as made:
            made.page("warm")
            for source, rtt in (("m", 0.01), ("origin", 0.3)):
                made.parts.sources.report(source, "wheel", bytes=20_000, seconds=rtt, rtt=rtt)
            pages.fail(modes.held(held), "/simple/*")
            yield made
            held.set()


def file_of(app: App, project: str, who: dict[str, str]) -> str:
    page = app.page(project, User_Agent=who["User-Agent"])
    assert page.headers["x-headrace-provisional"] == "m"
    return str(page.json()["files"][-1]["url"])


def told(app: App, who: dict[str, str]) -> None:
    """Have a client told what a mirror's newest thing requires."""
    metadata = app.ask(f"{file_of(app, 'thing', who)}.metadata", who)
    assert b"Requires-Dist: other" in metadata.body


def test_metadata_of_a_mirrors_page_is_cut_out_of_its_wheel(
    app: App, files: RecordingServer
) -> None:
    wheel = file_of(app, "thing", ME)
    assert app.ask(f"{wheel}.metadata", ME).body == THING.metadata
    assert files.requests("*.metadata") == []


def test_file_waits_for_the_word_on_what_led_to_it(app: App, files: RecordingServer) -> None:
    confirmed = threading.Event()
    files.fail(modes.held(confirmed), "*thing*", methods=("HEAD",))
    told(app, ME)
    path = file_of(app, "other", ME)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(app.ask, path, ME)
        # Its own confirmation is here, and whoever was told nothing has it.
        until(lambda: bool(files.requests(path, "HEAD")))
        assert app.ask(path, ELSE).body == OTHER.data
        assert not asked.done()
        confirmed.set()
        assert asked.result().body == OTHER.data


def test_what_a_lie_led_to_is_not_given_until_the_client_begins_anew(
    app: App, held: threading.Event, theirs: Index
) -> None:
    path = file_of(app, "other", ME)
    theirs.add(EVIL)
    told(app, ME)
    refused = app.ask(path, ME)
    assert refused.status == 404
    assert b"thing-6.6.6" in refused.body
    held.set()
    assert app.ask(path, ELSE).body == OTHER.data
    names = [each["filename"] for each in app.page("thing", User_Agent="me/1").json()["files"]]
    assert names == [THING.name]
    assert app.ask(path, ME).body == OTHER.data


def test_mirror_that_named_what_is_not_there_gives_no_pages_any_more(
    app: App, held: threading.Event, theirs: Index
) -> None:
    theirs.add(EVIL)
    told(app, ME)
    until(lambda: app.status()["incidents"])
    held.set()
    # Nor those that it gave before.
    assert "x-headrace-provisional" not in app.page("thing").headers


def test_lie_itself_is_not_given(app: App, files: RecordingServer, theirs: Index) -> None:
    theirs.add(EVIL)
    path = file_of(app, "thing", ME)
    answer = app.ask(path, ME)
    assert (answer.status, answer.headers["location"]) == (302, files.url + path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for the origin's word."""
    monkeypatch.setattr(serve_artifact, "HEADERS_WITHIN", 0.5)


@pytest.mark.parametrize("name", ["thing-9.0-py3-none-any.whl", "thing-9.0.tar.gz"])
@pytest.mark.parametrize("own_page", ["comes", "does not come"])
@pytest.mark.usefixtures("impatient")
def test_real_file_under_another_name_is_not_given(
    app: App, theirs: Index, held: threading.Event, name: str, own_page: str
) -> None:
    """The origin has its bytes, and for another name."""
    lie = replace(OTHER, project="thing", version="9.0", name=name)
    theirs.files.append(Renamed(lie, own_name=OTHER.name))
    path = file_of(app, "thing", ME)
    assert path.endswith(name)
    if own_page == "comes":
        held.set()
    answer = app.ask(path, ME)
    # Where its own page is here already, the origin may say that it has nothing of that name.
    assert answer.status in {302, 404}
    assert OTHER.name not in answer.headers.get("location", "")


@pytest.mark.usefixtures("impatient")
def test_origin_that_does_not_say_is_the_way_out(app: App, files: RecordingServer) -> None:
    silent = threading.Event()
    files.fail(modes.held(silent), methods=("HEAD",))
    path = file_of(app, "other", ME)
    began = time.monotonic()
    answer = app.ask(path, ME)
    assert (answer.status, answer.headers["location"]) == (302, files.url + path)
    assert time.monotonic() - began >= 0.5
    silent.set()


@pytest.mark.usefixtures("impatient")
def test_page_in_place_of_a_file_is_no_word_on_it(app: App, files: RecordingServer) -> None:
    files.fail(modes.HTML, methods=("HEAD",))
    path = file_of(app, "other", ME)
    answer = app.ask(path, ME)
    assert (answer.status, answer.headers["location"]) == (302, files.url + path)


@pytest.mark.usefixtures("impatient")
def test_nothing_is_a_way_round_what_the_origin_has_not_said_of_what_led_there(
    app: App, files: RecordingServer
) -> None:
    """A real file that nobody wanted is one at the origin, too: the client asks again instead."""
    silent = threading.Event()
    files.fail(modes.held(silent), methods=("HEAD",))
    told(app, ME)
    path = file_of(app, "other", ME)
    with pytest.raises(OSError):
        app.ask(path, ME)
    silent.set()
    files.forget()

    def asked_again() -> Told | None:
        with contextlib.suppress(OSError):
            return app.ask(path, ME)
        return None

    answer = until(asked_again)
    assert answer is not None
    assert answer.body == OTHER.data


def test_settings_forbid_it(tmp_path: Path, pages: RecordingServer, theirs: Index) -> None:
    with RecordingServer(name="mirror") as there:
        described = mirror("m", theirs.mount_mirror(there, json=True), gives_documents=True)
        with App(
            tmp_path,
            f"{pages.url}/simple",
            mirrors=[described],
            documents="origin",
            provisional_after=0.0,
        ) as app:
            app.page("warm")
            for _ in range(3):
                app.parts.provisional.stand_ins.heard(app.origins[0], 9.0)
            assert "x-headrace-provisional" not in app.page("thing").headers
        assert there.requests("/simple/*") == []
