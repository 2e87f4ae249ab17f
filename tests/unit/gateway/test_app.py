"""Who is let in, what the gateway says of itself, and how a bug of ours ends: at the origin."""

from __future__ import annotations

import base64
import datetime as dt
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from headrace.interface.hookspecs import hookimpl
from headrace.models import (
    Artifact,
    Document,
    Mirror,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Reply,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
    SourceFailed,
    TransferFinished,
)
from lib import wheels
from lib.app import App, mirror
from lib.index import JSON, Index
from lib.serving import modes
from lib.serving.servers import RecordingServer

SIX = wheels.wheel("six", "1.0", size=20_000)


@pytest.fixture
def index() -> Index:
    made = Index()
    made.add(SIX)
    return made


@pytest.mark.parametrize("host", ["evil.example", "evil.example:17223", "127.0.0.1:1"])
def test_foreign_host_is_misdirected(app: App, origin: RecordingServer, host: str) -> None:
    assert app.ask("/simple/six/", host=host).status == 421
    assert app.ask("/healthz", host=host).status == 421
    assert origin.seen == []


def test_name_of_loopback_is_as_good_as_its_address(app: App) -> None:
    assert app.ask("/simple/six/", {"Accept": JSON}, host=f"localhost:{app.port}").status == 200


def test_gateway_is_no_proxy(app: App, origin: RecordingServer) -> None:
    host = origin.url.removeprefix("http://")
    assert app.ask(f"{origin.url}/simple/six/", host=host).status == 421
    with socket.create_connection(("127.0.0.1", app.port)) as live:
        live.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert live.recv(100).split()[1].startswith(b"4")
    assert origin.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "/simple/../status",
        "/simple/%2e%2e/status",
        "/simple//six/",
        "/simple/a%2fb/",
        "/simple/%5c/",
        "/simple/%00/",
        "/packages/../../etc/passwd",
    ],
)
def test_twisted_target_is_refused(app: App, origin: RecordingServer, target: str) -> None:
    assert app.ask(target).status == 400
    assert origin.seen == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_served(app: App, method: str) -> None:
    told = app.ask("/simple/six/", method=method)
    assert told.status == 405
    assert told.headers["allow"] == "GET, HEAD"


def test_enormous_headers_are_refused(app: App) -> None:
    told = app.ask("/healthz", {f"X-{number}": "a" * 8000 for number in range(9)})
    assert told.status == 431


def test_token_is_asked_for_everywhere_but_at_the_pulse(
    tmp_path: Path, origin: RecordingServer
) -> None:
    right = {"Authorization": f"Basic {base64.b64encode(b'headrace:t0ken').decode()}"}
    wrong = {"Authorization": f"Basic {base64.b64encode(b'headrace:token').decode()}"}
    with App(tmp_path, f"{origin.url}/simple", token="t0ken") as app:
        for path in ("/simple/six/", "/status", "/metrics", "/explain?what=six", "/nothing"):
            for headers in ({}, wrong):
                told = app.ask(path, headers)
                assert told.status == 401
                assert told.headers["www-authenticate"].startswith("Basic ")
        assert origin.seen == []
        assert app.ask("/healthz").status == 200
        assert app.ask("/simple/six/", {"Accept": JSON, **right}).status == 200
        assert app.ask("/status", right).status == 200


def test_pulse_tells_who_it_is(app: App) -> None:
    told = app.ask("/healthz").json()
    assert set(told) == {"headrace", "instance", "pid"}
    assert str(app.parts.folders.state) not in told["instance"]


def test_status_tells_what_was_transferred_and_from_where(app: App, index: Index) -> None:
    app.page("six")
    app.ask(index.path(SIX.name))
    told = app.status()
    (origin,) = told["origins"]
    assert (origin["ecosystem"], origin["private"]) == ("python", False)
    (recent,) = told["transfers"]["recent"]
    assert recent["name"] == SIX.name
    assert recent["bytes_by_source"] == {"origin": len(SIX.data)}
    assert told["documents"]["current"] >= 1
    assert told["uptime"] >= 0


def test_metrics_are_in_prometheus_text(app: App, index: Index) -> None:
    app.page("six")
    app.ask(index.path(SIX.name))
    told = app.ask("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = told.body.decode().splitlines()
    assert f'headrace_source_bytes_total{{source="origin"}} {len(SIX.data)}' in lines
    assert "headrace_transfers_total 1" in lines
    for line in lines:
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2


def test_explain_tells_where_a_file_would_come_from(app: App, index: Index) -> None:
    app.page("six")
    app.ask(index.path(SIX.name), method="HEAD")
    told = app.ask(f"/explain?what={SIX.name}").json()
    (artifact,) = told["artifacts"]
    assert artifact["digest"] == f"sha256:{SIX.sha256}"
    assert [source["id"] for source in artifact["sources"]] == ["origin"]
    (document,) = app.ask("/explain?what=six").json()["documents"]
    assert document["kept"]
    assert app.ask("/explain").status == 200


def test_status_and_explain_tell_whose_evidence_is_old(
    tmp_path: Path, origin: RecordingServer, index: Index
) -> None:
    index.add(wheels.wheel("big", "1.0", size=2_000_000))
    nowhere = "http://127.0.0.1:9"
    mirrors = [
        mirror("old", nowhere, evidence_until=dt.date(2020, 1, 1)),
        mirror("own", nowhere),
    ]
    with App(tmp_path, f"{origin.url}/simple", mirrors=mirrors) as app:
        app.page("big")
        (artifact,) = app.ask("/explain?what=big").json()["artifacts"]
        told = {source["id"]: source["evidence_old"] for source in artifact["sources"]}
        assert told == {"own": False, "old": True, "origin": False}
        in_use = app.status()["mirrors"]["python"]
        assert in_use["in_use"] == ["old", "own"]
        assert in_use["evidence_old"] == ["old"]
        assert {each["id"] for each in in_use["states"]} == {"old", "own"}


def test_path_of_nobody_is_a_404(app: App) -> None:
    assert app.ask("/").status == 404
    assert app.ask("/v2/").status == 404


# ------------------------------------------------------------------ bugs


# ruff: noqa: ARG002 - a protocol decides about the arguments


class Odd:
    """An ecosystem that breaks where it is told to."""

    name = "odd"
    prefixes = ("/odd/", "/odd/deeper/")

    def __init__(self, url: str) -> None:
        self.origins = (Origin("odd", url),)
        self.breaks: set[str] = set()
        self.planned: Plan | None = None
        self.files = ""
        """What stands before the names of files at the origin."""
        self.redirects = True

    def _maybe(self, where: str) -> None:
        if where in self.breaks:
            raise RuntimeError(f"a bug in {where}")

    def plan(self, request: Request) -> Plan:
        self._maybe("plan")
        if self.planned is not None:
            return self.planned
        page = ServeDocument(self.origins[0], f"{self.origins[0].url}/page", "*/*", "odd")
        return ServeArtifact(request.path, page) if request.path.endswith(".bin") else page

    def form(self, request: Request, plan: ServeDocument) -> str:
        self._maybe("form")
        return "plain"

    def rewrite(self, document: Document, form: str, plan: ServeDocument) -> Response:
        self._maybe("rewrite")
        return Response(200, {"content-type": "text/plain"}, document.body)

    def artifacts(self, document: Document, plan: ServeDocument) -> Iterable[Artifact]:
        self._maybe("artifacts")
        url = f"{plan.origin.url}{self.files}/a.bin"
        named = Artifact("odd", "/odd/a.bin", "a.bin", url, plan.origin)
        yield replace(named, redirects=self.redirects)

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        self._maybe("locate")
        return None

    def locate_document(self, plan: ServeDocument, mirror: Mirror) -> str | None:
        self._maybe("locate_document")
        return None

    def leads_to(
        self, plan: ServeDocument | ServeArtifact, document: Document, request: Request
    ) -> Iterable[ServeDocument | ServeArtifact]:
        self._maybe("leads_to")
        return ()


class OddPlugin:
    def __init__(self, ecosystem: Odd) -> None:
        self.ecosystem = ecosystem

    @hookimpl
    def headrace_ecosystems(self) -> Any:
        return [self.ecosystem]

    @hookimpl
    def headrace_observe(self, event: SourceFailed | TransferFinished) -> None:
        raise RuntimeError(f"a watcher that cannot watch {event}")


@pytest.fixture
def odd(origin: RecordingServer) -> Odd:
    origin.content["/page"] = b"a page"
    origin.content["/a.bin"] = b"an artifact"
    return Odd(origin.url)


@pytest.mark.parametrize("where", ["form", "rewrite", "leads_to", "locate_document", "locate"])
def test_bug_behind_a_page_ends_at_the_origin(tmp_path: Path, odd: Odd, where: str) -> None:
    odd.breaks.add(where)
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/page")
        assert told.status in (200, 302)
        if told.status == 302:
            assert told.headers["location"] == f"{odd.origins[0].url}/page"
            (incident,) = app.status()["incidents"]
            assert incident["reference"] in told.body.decode()


def test_bug_behind_a_file_ends_at_the_origin(tmp_path: Path, odd: Odd) -> None:
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        assert app.ask("/odd/a.bin").body == b"an artifact"
        odd.breaks.add("form")
        told = app.ask("/odd/a.bin")
    assert told.status == 302
    assert told.headers["location"] == f"{odd.origins[0].url}/a.bin"


def test_bug_before_anything_is_planned_is_no_404_that_leads_to_another_index(
    tmp_path: Path, odd: Odd
) -> None:
    odd.breaks.add("plan")
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        assert app.ask("/odd/page").status == 403


def test_ecosystem_that_refuses_with_a_5xx_is_not_believed(tmp_path: Path, odd: Odd) -> None:
    odd.planned = Refuse(503, "no idea")
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        assert app.ask("/odd/page").status == 404


def phrased(what: Any) -> type[Odd]:
    class Phrasing(Odd):
        def phrased(self, status: int, words: str, path: str) -> Response:
            if isinstance(what, Exception):
                raise what
            return cast("Response", what)

    return Phrasing


@pytest.mark.parametrize(
    "what",
    [RuntimeError("a bug in phrased"), None, Response(503, {"content-type": "text/plain"}, b"")],
    ids=repr,
)
def test_refusal_that_cannot_be_phrased_is_told_as_a_sentence(
    tmp_path: Path, odd: Odd, what: Any
) -> None:
    odd = phrased(what)(odd.origins[0].url)
    odd.planned = Refuse(404, "no idea")
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/page")
        assert (told.status, told.body) == (404, b"headrace: no idea\n")
        assert app.ask("/odd/page", host="evil.example").status == 421


def test_header_that_cannot_be_sent_is_left_out(tmp_path: Path, odd: Odd) -> None:
    odd.planned = Reply(Response(200, {"x-name": "\N{SNOWMAN}", "X-Other": " 1 "}, b"melted"))
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/page")
    assert (told.status, told.body, told.headers["x-other"]) == (200, b"melted", "1")
    assert "x-name" not in told.headers


@pytest.mark.parametrize("status", [-1, 0, 100, 101, 199, 500, 503, 600, 999, 10**9])
def test_status_that_is_no_answer_of_an_ecosystem_s_is_a_refusal(
    tmp_path: Path, odd: Odd, status: int
) -> None:
    odd.planned = Reply(Response(status, {}, b"odd"))
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        assert app.ask("/odd/page").status == 403


@pytest.mark.parametrize("status", [204, 205, 304])
def test_answer_without_a_body_tells_no_length(tmp_path: Path, odd: Odd, status: int) -> None:
    odd.planned = Reply(Response(status, {"Content-Length": "4"}, b"body"))
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/page")
    assert (told.status, told.body) == (status, b"")
    assert "content-length" not in told.headers


def test_bug_before_the_ecosystem_is_asked_is_no_5xx(tmp_path: Path, odd: Odd) -> None:
    class Moody(Odd):
        @property
        def for_everybody(self) -> bool:
            self._maybe("for_everybody")
            return True

    odd = Moody(odd.origins[0].url)
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        assert app.ask("/odd/page").status == 200
        odd.breaks.add("for_everybody")
        assert app.ask("/odd/page").status == 403


def test_what_passes_through_is_the_origins_to_answer(tmp_path: Path, odd: Odd) -> None:
    odd.planned = PassThrough(odd.origins[0], f"{odd.origins[0].url}/page")
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/page")
    assert (told.status, told.headers["location"]) == (302, f"{odd.origins[0].url}/page")


def test_file_without_a_digest_comes_from_the_origin_and_is_not_immutable(
    tmp_path: Path, odd: Odd
) -> None:
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/a.bin")
    assert told.body == b"an artifact"
    assert told.headers["cache-control"] == "no-cache"


# ------------------------------------------------------------------ what a redirect shows


def _fails(origin: RecordingServer, odd: Odd, how: str) -> str:
    """Arrange one way back to the origin; return the path to ask for."""
    url, place = odd.origins[0].url, odd.origins[0]
    document = ServeDocument(place, f"{url}/page#here", "*/*", "odd")
    if how == "page":
        origin.fail(modes.status(503))
    elif how in ("passed on, refused", "passed on, no disk"):
        odd.planned = replace(document, magic=(b"a",))
        if how == "passed on, refused":
            origin.fail(modes.status(403))
    elif how == "passed through":
        odd.planned = PassThrough(place, f"{url}/page#here")
    elif how == "passed through, private":
        odd.origins = (replace(place, private=True),)
        odd.planned = PassThrough(odd.origins[0], f"{url}/page#here")
        origin.close()
    elif how == "bug behind a page":
        odd.breaks.add("form")
    elif how == "file":
        origin.fail(modes.status(404), "/odd/a.bin")
        return "/odd/a.bin"
    elif how == "file, by its own word":
        odd.planned = ServeArtifact("/odd/b.bin", document, url=f"{url}/b.bin#here")
        return "/odd/b.bin"
    elif how == "file, beside others":
        return "/odd/b.bin"
    return "/odd/page"


@pytest.mark.parametrize(
    ("how", "location"),
    [
        ("page", "/page"),
        ("passed on, refused", "/page"),
        ("passed on, no disk", "/page"),
        ("passed through", "/page"),
        ("passed through, private", "/page"),
        ("bug behind a page", "/page"),
        ("file", "/odd/a.bin"),
        ("file, by its own word", "/b.bin"),
        ("file, beside others", "/odd/b.bin"),
    ],
)
def test_no_way_back_to_the_origin_shows_a_secret(
    tmp_path: Path, origin: RecordingServer, how: str, location: str
) -> None:
    """A URL that an ecosystem plans may hold a password; a client prints and logs what it gets."""
    origin.content |= {"/page": b"a page", "/odd/a.bin": b"an artifact"}
    odd = Odd(origin.url.replace("//", "//me:hunter2@"))
    odd.files = "/odd"
    path = _fails(origin, odd, how)
    if how == "passed on, no disk":
        (tmp_path / "cache").mkdir(parents=True)
        (tmp_path / "cache" / "copies").write_bytes(b"no folder can be made here")
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask(path)
    assert (told.status, told.headers["location"]) == (302, origin.url + location)
    assert b"hunter2" not in told.body


@pytest.mark.parametrize("known", [True, False])
def test_bug_behind_a_file_shows_no_secret_either(
    tmp_path: Path,
    origin: RecordingServer,
    known: bool,  # noqa: FBT001 - a table
) -> None:
    origin.content |= {"/page": b"a page", "/odd/a.bin": b"an artifact"}
    odd = Odd(origin.url.replace("//", "//me:hunter2@"))
    odd.files = "/odd"
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        assert app.ask("/odd/a.bin").body == b"an artifact"
        odd.breaks.add("form")
        told = app.ask("/odd/a.bin" if known else "/odd/b.bin")
    where = "/odd/a.bin" if known else "/odd/b.bin"
    assert (told.status, told.headers["location"]) == (302, origin.url + where)


@pytest.mark.parametrize(
    ("redirects", "headers", "status"),
    [
        (True, {}, 302),
        (True, {"Range": "bytes=0-"}, 302),
        (True, {"Range": "bytes=5-9"}, 302),
        (True, {"Range": "bytes=-5"}, 302),
        (True, {"Range": "bytes=5-", "If-Range": '"a"'}, 302),
        (True, {"Range": "bytes=5-"}, 404),
        (False, {}, 404),
    ],
)
def test_file_that_cannot_be_had_is_given_back_to_those_who_can_go_there(
    tmp_path: Path,
    origin: RecordingServer,
    redirects: bool,  # noqa: FBT001 - a table
    headers: dict[str, str],
    status: int,
) -> None:
    """Not the rest of a file: nobody has checked its beginning. Not where no redirect is taken."""
    origin.content["/page"] = b"a page"
    origin.fail(modes.status(404), "/a.bin")
    odd = Odd(origin.url)
    odd.redirects = redirects
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/a.bin", headers)
    assert told.status == status
    assert told.headers.get("location") == (f"{origin.url}/a.bin" if status == 302 else None)


@pytest.mark.parametrize("private", [False, True])
def test_file_that_no_page_names_is_the_origins_to_answer_unless_its_names_are_private(
    tmp_path: Path,
    origin: RecordingServer,
    private: bool,  # noqa: FBT001 - a table
) -> None:
    origin.content |= {"/page": b"a page", "/odd/a.bin": b"an artifact"}
    odd = Odd(origin.url)
    odd.files = "/odd"
    odd.origins = (replace(odd.origins[0], private=private),)
    with App(tmp_path, *odd.origins, plugins=[OddPlugin(odd)]) as app:
        told = app.ask("/odd/b.bin")
    assert told.status == (404 if private else 302)
    assert ("location" in told.headers) is not private
