"""Pages through the gateway, over real sockets: pip.md section 3, points 1, 2, 4, and documents."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace_pip.index.ecosystem
from headrace.models import Credential, Origin
from headrace.policy import timeouts
from lib import wheels
from lib.app import App, Told, mirror
from lib.index import HTML, JSON, Index
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import until

SIX = wheels.wheel("six", "1.0")
PAGE = "/simple/six/"


@pytest.fixture
def index() -> Index:
    made = Index()
    made.add(SIX)
    return made


@pytest.fixture
def server(index: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        made.compress = True
        made.cache_control = "max-age=600"
        index.mount_origin(made)
        yield made


@pytest.fixture
def url(server: RecordingServer) -> str:
    return f"{server.url}/simple"


def test_json_and_html_come_as_negotiated(tmp_path: Path, url: str) -> None:
    with App(tmp_path, url) as app:
        pip = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"
        assert app.page("six", pip).headers["content-type"] == JSON
        assert "html" in app.page("six", "text/html").headers["content-type"]
        assert "html" in app.page("six", f"{JSON};q=0.1, {HTML}").headers["content-type"]
        # poetry's header.
        assert app.page("six", f"{JSON}, */*;q=0.1").headers["content-type"] == JSON


def test_page_varies_by_what_was_negotiated_and_is_revalidated_by_clients(
    tmp_path: Path, url: str
) -> None:
    with App(tmp_path, url) as app:
        told = app.page("six")
    assert {"accept", "accept-encoding"} <= set(told.headers["vary"].lower().split(", "))
    assert told.headers["cache-control"] == "no-cache"
    assert told.headers["etag"].startswith('"')


def test_gzip_goes_to_those_who_take_it_with_an_etag_of_its_own(
    tmp_path: Path, url: str, index: Index
) -> None:
    for number in range(40):
        index.add(wheels.wheel("six", f"2.{number}"))
    with App(tmp_path, url) as app:
        plain = app.page("six")
        packed = app.page("six", Accept_Encoding="gzip, deflate")
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["etag"] != plain.headers["etag"]
        for told in (plain, packed):
            assert int(told.headers["content-length"]) == len(told.body)
            assert app.page("six", If_None_Match=told.headers["etag"]).status == 304


def test_origin_is_asked_for_gzip(tmp_path: Path, url: str, server: RecordingServer) -> None:
    with App(tmp_path, url) as app:
        app.page("six")
    assert "gzip" in server.requests(PAGE)[0].headers["accept-encoding"]


def test_head_of_a_page_has_the_length_and_no_body(tmp_path: Path, url: str) -> None:
    with App(tmp_path, url) as app:
        body = app.page("six")
        head = app.ask(PAGE, {"Accept": JSON}, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(body.body))
    assert head.headers["etag"] == body.headers["etag"]


def test_page_within_its_lifetime_costs_the_origin_nothing(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        app.page("six")
        app.page("six", Cache_Control="max-age=0")
        app.page("six", HTML)
    assert len(server.requests(PAGE)) == 1


def test_no_cache_goes_to_the_origin_each_time(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        for _ in range(3):
            app.page("six", Cache_Control="no-cache")
    assert [seen.status for seen in server.requests(PAGE)] == [200, 304, 304]


def test_origin_without_validators_is_asked_plainly_and_its_page_keeps_its_etag(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    server.etags = False
    with App(tmp_path, url) as app:
        first = app.page("six")
        second = app.page("six", Cache_Control="no-cache")
    assert [seen.status for seen in server.requests(PAGE)] == [200, 200]
    assert "if-none-match" not in server.requests(PAGE)[1].headers
    assert first.headers["etag"] == second.headers["etag"]


def test_many_clients_at_a_time_are_one_question(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    server.delay = 0.3
    told: list[Told] = []
    with App(tmp_path, url) as app:
        threads = [threading.Thread(target=lambda: told.append(app.page("six"))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [each.status for each in told] == [200] * 12
    assert len(server.requests(PAGE)) == 1


def test_unknown_project_is_a_404_and_asked_for_once(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        assert app.page("nothing").status == 404
        assert app.page("nothing").status == 404
    assert len(server.requests("/simple/nothing/")) == 1


def test_project_that_vanished_is_not_served_stale(
    tmp_path: Path, url: str, server: RecordingServer, index: Index
) -> None:
    with App(tmp_path, url) as app:
        assert app.page("six").status == 200
        index.files.clear()
        assert app.page("six", Cache_Control="no-cache").status == 404
        server.close()
        until(lambda: app.page("six").status != 404, pause=0.2)
        assert app.page("six").status == 302


@pytest.mark.parametrize("fault", [modes.status(500), modes.status(503), modes.cut(10), modes.HTML])
def test_failing_origin_is_covered_by_the_last_known_page(
    tmp_path: Path, url: str, server: RecordingServer, fault: modes.Mode
) -> None:
    with App(tmp_path, url) as app:
        server.etags = False  # a 304 has no body to be cut
        before = app.page("six")
        server.fail(fault)
        told = app.page("six", Cache_Control="no-cache")
        assert told.status == 200
        assert told.headers["warning"].startswith("110 ")
        names = [[f["filename"] for f in t.json()["files"]] for t in (before, told)]
        assert names[0] == names[1]
        assert app.status()["documents"]["stale"] == 1


def test_stale_page_does_not_promise_metadata_that_only_the_origin_has(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        assert app.page("six").json()["files"][0]["core-metadata"]
        server.close()
        entry = app.page("six", Cache_Control="no-cache").json()["files"][0]
    assert not entry.get("core-metadata")
    assert entry["hashes"] == {"sha256": SIX.sha256}


def test_silent_origin_leaves_no_client_waiting_for_it(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        app.page("six")
        server.fail(modes.SILENT)
        assert app.page("six", Cache_Control="no-cache").headers["warning"]
        assert app.page("other").status == 302
    assert timeouts.STALE_AFTER < timeouts.HEADERS_WITHIN < 10


def test_origin_that_fails_with_nothing_kept_answers_for_itself(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        server.fail(modes.status(500))
        told = app.page("six")
    assert told.status == 302
    assert told.headers["location"] == f"{url}/six/"


@pytest.mark.parametrize("code", [402, 403, 404, 410, 451])
def test_refusal_of_the_origin_is_passed_on_as_it_is(
    tmp_path: Path, url: str, server: RecordingServer, code: int
) -> None:
    server.fail(modes.status(code))
    with App(tmp_path, url) as app:
        told = app.page("six")
    assert told.status == code
    assert f"answered {code}".encode() in told.body


def test_client_without_a_login_is_led_to_whoever_wants_one(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    # Never 401: a client would ask its user for a password that is not ours to take.
    server.fail(modes.status(401))
    with App(tmp_path, url) as app:
        told = app.page("six")
    assert (told.status, told.headers["location"]) == (302, f"{url}/six/")


def test_refused_client_of_a_private_index_gets_no_page_of_yesterday(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    server.credential = ("ci", "right")
    with App(tmp_path, url, credentials={url: Credential("ci", "right")}) as app:
        assert app.page("six").status == 200
        server.credential = ("ci", "changed")
        told = app.page("six", Cache_Control="no-cache")
    assert (told.status, told.headers["location"]) == (302, f"{url}/six/")


def test_page_survives_a_restart(tmp_path: Path, url: str, server: RecordingServer) -> None:
    with App(tmp_path, url) as app:
        before = app.page("six")
    server.forget()
    with App(tmp_path, url) as app:
        assert app.page("six").body == before.body
    assert server.requests(PAGE) == []


def kept_pages(root: Path) -> list[Path]:
    """What of pages lies on the disk, rewritten ones among them."""
    return [path for path in (root / "cache" / "pages").rglob("*") if path.is_file()]


@pytest.mark.parametrize("words", ["no-store", "private, No-Store, max-age=600"])
def test_page_that_its_origin_wants_stored_by_nobody_is_on_no_disk_in_any_form(
    tmp_path: Path, url: str, server: RecordingServer, words: str
) -> None:
    server.cache_control = words
    with App(tmp_path, url) as app:
        assert app.page("six").status == 200
        assert app.page("six", HTML).status == 200
    assert kept_pages(tmp_path) == []
    server.forget()
    with App(tmp_path, url) as app:
        assert app.page("six").status == 200
    assert [seen.status for seen in server.requests(PAGE)] == [200]


def test_page_that_was_kept_leaves_the_disk_when_its_origin_says_no_store(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    with App(tmp_path, url) as app:
        app.page("six")
        assert kept_pages(tmp_path)
        server.cache_control = "no-store"
        assert app.page("six", Cache_Control="no-cache").status == 200
        assert [seen.status for seen in server.requests(PAGE)] == [200, 304]
        assert kept_pages(tmp_path) == []
        server.cache_control = "max-age=600"
        app.page("six", Cache_Control="no-cache")
        assert [seen.status for seen in server.requests(PAGE)] == [200, 304, 304]
        assert kept_pages(tmp_path), "and comes back when it no longer says so"


def test_full_disk_for_pages_costs_nothing_but_the_keeping(tmp_path: Path, url: str) -> None:
    (tmp_path / "cache").mkdir(parents=True)
    (tmp_path / "cache" / "pages").write_bytes(b"no folder can be made here")
    with App(tmp_path, url) as app:
        assert app.page("six").status == 200
        assert app.page("six", HTML).status == 200


def test_page_that_is_no_page_is_the_origins_to_show(
    tmp_path: Path, url: str, server: RecordingServer
) -> None:
    server.content[PAGE] = Reply(b"{not json", 200, JSON)
    with App(tmp_path, url) as app:
        assert app.page("six").status == 302


def test_each_origin_has_pages_of_its_own(tmp_path: Path, url: str) -> None:
    other = Index()
    other.add(wheels.wheel("six", "9.9"))
    with (
        RecordingServer(name="second") as second,
        App(tmp_path, url, other.mount_origin(second)) as app,
    ):
        first = app.page("six").json()["versions"]
        theirs = app.ask("/index/o1/simple/six/", {"Accept": JSON}).json()["versions"]
    assert (first, theirs) == (["1.0"], ["9.9"])


def test_private_names_are_never_asked_of_a_mirror(
    tmp_path: Path, url: str, server: RecordingServer, index: Index
) -> None:
    server.credential = ("ci", "right")
    server.delay = 0.5
    with RecordingServer(name="mirror") as there:
        base = index.mount_mirror(there)
        with App(
            tmp_path,
            url,
            mirrors=[mirror("m", base, gives_documents=True)],
            credentials={url: Credential("ci", "right")},
            provisional_after=0.05,
        ) as app:
            page = app.page("six")
            assert page.status == 200
            assert app.ask(page.json()["files"][0]["url"]).body == SIX.data
        assert there.seen == []


def test_origin_url_never_holds_a_secret_in_a_redirect(tmp_path: Path) -> None:
    origin = Origin("python", "http://127.0.0.1:9/simple", private=True)
    with App(tmp_path, origin) as app:
        told = app.page("six")
    assert told.status == 302
    assert told.headers["location"] == "http://127.0.0.1:9/simple/six/"


def test_status_counts_how_pages_were_served(tmp_path: Path, url: str) -> None:
    with App(tmp_path, url) as app:
        app.page("six")
        app.page("six")
        app.page("nothing")
        counted = app.status()["documents"]
    assert counted == {"current": 1, "fresh": 1, "missing": 1}


def test_page_is_rewritten_and_packed_once_for_all_who_ask(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    rewrite = headrace_pip.index.ecosystem.PythonEcosystem.rewrite

    def counting(self: Any, document: Any, form: str, plan: Any) -> Any:
        counted.append(form)
        return rewrite(self, document, form, plan)

    monkeypatch.setattr(headrace_pip.index.ecosystem.PythonEcosystem, "rewrite", counting)
    with App(tmp_path, url) as app:
        told = [app.page("six", Accept_Encoding="gzip").body for _ in range(10)]
    assert len(set(told)) == 1
    assert len(counted) == 1


def test_rewritten_page_names_no_host(tmp_path: Path, url: str) -> None:
    with App(tmp_path, url) as app:
        files = json.loads(app.page("six").body)["files"]
    assert all(entry["url"].startswith("/packages/") for entry in files)


def test_what_rests_forgets_nothing_that_the_store_has(
    tmp_path: Path, url: str, server: RecordingServer, index: Index
) -> None:
    with App(tmp_path, url) as app:
        before = app.page("six").body
        assert app.ask(index.path(SIX.name)).body == SIX.data
        server.forget()
        for part in (app.parts.documents, app.parts.renderings, app.parts.artifact_index):
            part.shrink()
        assert app.page("six").body == before
        assert app.ask(index.path(SIX.name)).body == SIX.data
    assert server.requests("/simple/*") == []
