"""Whatever stands in an upstream's headers and in the strings of its documents, clients get an
answer that HTTP has: never a 5xx, never nothing, never one that their parser refuses.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import h11
import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace_conda.plugin
import headrace_docker.plugin
from headrace.gateway import response_head
from headrace.models import Origin
from lib.app import App
from lib.images.content import OCI, digest_of, image
from lib.images.registry import Registry
from lib.index import HTML, JSON
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IMAGE = image("x")
DIGEST = "0" * 64
FEW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ANEW = ("Cache-Control", "no-cache")
PLAIN = "application/json"
Reader = tuple[int, dict[str, str], bytes, bool]


@dataclass(frozen=True)
class Place:
    """A gateway and its origin."""

    app: App
    server: RecordingServer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with RecordingServer(name="origin") as server:
        server.etags = False
        origins = [
            Origin("python", f"{server.url}/simple"),
            Origin("conda", server.url, name="origin"),
            Origin("docker", server.url, name="docker.io"),
        ]
        registry = Registry()
        registry.put("library/x", IMAGE)
        registry.mount(server)
        plugins = [headrace_conda.plugin, headrace_docker.plugin]
        root = tmp_path_factory.mktemp("gateway")
        with App(root, *origins, plugins=plugins) as app:
            yield Place(app, server)


def ask(app: App, target: str, *headers: tuple[str, str], method: str = "GET") -> Reader:
    """Ask over a socket and read with h11; give status, headers, body, whether it is whole."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=64 << 10)
    named = [("Host", f"127.0.0.1:{app.port}"), ("Connection", "close"), *headers]
    request = reader.send(h11.Request(method=method, target=target, headers=named))
    assert request is not None
    with socket.create_connection(("127.0.0.1", app.port), timeout=HANG) as live:
        live.sendall(request + (reader.send(h11.EndOfMessage()) or b""))
        body, head = b"", None
        while True:
            try:
                event = reader.next_event()
            except h11.RemoteProtocolError:
                # Cut short, which is how a body that breaks off must end; a bad head is not.
                assert head is not None
                break
            if event is h11.NEED_DATA:
                reader.receive_data(live.recv(65536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(f"no answer but {event}")
    assert head is not None
    known = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    assert len(known) == len(head.headers), "a header came twice"
    assert head.status_code < 500, (head, body)
    if head.status_code in (301, 302, 303, 307, 308):
        assert known["location"].startswith(("http://", "https://"))
    return head.status_code, known, body, isinstance(event, h11.EndOfMessage)


# ------------------------------------------------------------------ what is drawn

#: Bytes that a server's library would write as they are; line ends make other lines of them.
octets = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"",
            b" ",
            b'"a\xe9"',
            'W/"\N{SNOWMAN}"'.encode(),
            b'"a\x01"',
            b'"\x7f"',
            b'"a\x0b\x0c"',
            b"a\r\n b",
            b"a\r\nX-Other: b",
            b"\t a \t",
            b'"' + b"e" * 40_000 + b'"',
            b"a\x00b",
            b"max-age=1e999, public",
            b"-1",
            b"9" * 400,
        ]
    ),
)
names = st.sampled_from(
    [
        "ETag",
        "Last-Modified",
        "Content-Type",
        "Cache-Control",
        "Age",
        "Expires",
        "Date",
        "Vary",
        "Location",
        "Link",
        "Warning",
        "Retry-After",
        "Content-Range",
        "Accept-Ranges",
        "Content-Disposition",
        "Set-Cookie",
        "X-PyPI-Last-Serial",
        "Docker-Content-Digest",
        "Repr-Digest",
        "X-Odd",
    ]
)
heads = st.dictionaries(names, octets, max_size=4)
statuses = st.sampled_from([200, 200, 200, 206, 302, 304, 404])
#: Characters that JSON can name and HTTP cannot say: lone surrogates, controls, line ends.
odd = st.one_of(
    st.text(st.characters(exclude_characters="/"), max_size=20),
    st.sampled_from(
        [
            "\ud800",
            "a\r\nX-Other: b",
            "a\x00b",
            "\x7f",
            "http://[",
            "http://\ud800/x",
            "//",
            "https://127.0.0.1:1/a b/\N{SNOWMAN}#\udfff",
            "javascript:x",
            "http://127.0.0.1:1/" + "a" * 20_000,
            "\x1f" * 50,
            "..",
            "data:,x",
            "http://user:word@127.0.0.1:1/x",
            "http://127.0.0.1:99999/x",
        ]
    ),
)


def reply(body: bytes, kind: str, head: dict[str, bytes], status: int = 200) -> Reply:
    headers = {name: value.decode("latin-1") for name, value in head.items()}
    return Reply(body, status, kind, headers)


# ------------------------------------------------------------------ headers of an upstream


@FEW
@given(head=heads, status=statuses, accept=st.sampled_from([JSON, HTML]))
def test_headers_of_a_page(place: Place, head: dict[str, bytes], status: int, accept: str) -> None:
    page = {"meta": {"api-version": "1.1"}, "name": "p", "versions": [], "files": []}
    place.content["/simple/p/"] = reply(json.dumps(page).encode(), JSON, head, status)
    for method in ("GET", "HEAD"):
        ask(
            place.app,
            "/simple/p/",
            ("Accept", accept),
            ANEW,
            method=method,
        )
    # Once more: the origin is asked with its own validators.
    ask(place.app, "/simple/p/", ("Accept", accept), ANEW)


@FEW
@given(head=heads, status=statuses)
def test_headers_of_a_document_that_goes_as_it_is(
    place: Place, head: dict[str, bytes], status: int
) -> None:
    body = b'{"packages": {}, "packages.conda": {}}'
    place.content["/ch/noarch/repodata.json"] = reply(body, PLAIN, head, status)
    target = f"/conda/http+127.0.0.1:{place.port}/ch/noarch/repodata.json"
    for method in ("GET", "HEAD", "GET"):
        ask(place.app, target, ANEW, method=method)


@FEW
@given(head=heads, status=statuses)
def test_headers_of_a_tag_and_of_what_is_passed_on(
    place: Place, head: dict[str, bytes], status: int
) -> None:
    told = {"Docker-Content-Digest": IMAGE.digest.encode(), **head}
    body = IMAGE.manifest.data
    place.content["/v2/library/x/manifests/odd"] = reply(body, OCI, told, status)
    place.content["/v2/library/x/tags/list"] = reply(b'{"tags": []}', PLAIN, head, status)
    for method in ("HEAD", "GET"):
        ask(place.app, "/v2/library/x/manifests/odd", ("Accept", OCI), method=method)
    ask(place.app, "/v2/library/x/tags/list")


# ------------------------------------------------------------------ strings of a document

fields = st.dictionaries(
    st.sampled_from(
        ["filename", "url", "requires-python", "yanked", "upload-time", "size", "core-metadata",
         "provenance", "gpg-sig", "hashes"]
    ),
    st.one_of(odd, st.none(), st.integers(), st.dictionaries(odd, odd, max_size=1)),
    max_size=4,
)  # fmt: skip


@FEW
@given(field=fields, name=odd, serial=odd, accept=st.sampled_from([JSON, HTML]))
def test_strings_of_a_page_in_json(
    place: Place, field: dict[str, Any], name: str, serial: str, accept: str
) -> None:
    file = {
        "filename": "q-1.0.tar.gz",
        "url": "/packages/aa/bb/cc/q-1.0.tar.gz",
        "hashes": {"sha256": DIGEST},
        **field,
    }
    page = {
        "meta": {"api-version": "1.1", "_last-serial": serial},
        "name": name,
        "versions": [name],
        "files": [file],
    }
    place.content["/simple/q/"] = Reply(json.dumps(page).encode(), 200, JSON)
    asked = (("Accept", accept), ANEW)
    status, _, body, _ = ask(place.app, "/simple/q/", *asked)
    _follow(place.app, body if status == 200 and accept == JSON else b"")
    if isinstance(file["url"], str):
        _ask_for(place.app, file["url"])


@FEW
@given(url=odd, words=odd, require=odd)
def test_strings_of_a_page_in_html(place: Place, url: str, words: str, require: str) -> None:
    text = f'<a href="{url}#sha256={DIGEST}" data-requires-python="{require}">{words}</a>'
    body = f"<!DOCTYPE html><base href='{words}'>{text}".encode("utf-8", "surrogatepass")
    place.content["/simple/h/"] = Reply(body, 200, "text/html")
    status, _, told, _ = ask(place.app, "/simple/h/", ("Accept", JSON), ANEW)
    _follow(place.app, told if status == 200 else b"")
    _ask_for(place.app, url)


def _follow(app: App, page: bytes) -> None:
    """Ask for all that a page of the gateway's names."""
    for file in json.loads(page)["files"] if page else []:
        if file["url"].startswith("/"):
            # A HEAD ends at the origin at once, where a download would try for some seconds.
            ask(app, file["url"].partition("#")[0], method="HEAD")


def _ask_for(app: App, url: str) -> None:
    """Ask for a file by the path that its URL has, whatever that is."""
    path = quote(url.partition("://")[2].partition("/")[2][:500], errors="replace")
    ask(app, f"/packages/{path}", method="HEAD")


@FEW
@given(base=odd, file=odd, digest=odd)
def test_strings_of_repodata(place: Place, base: str, file: str, digest: str) -> None:
    record = {"name": "a", "sha256": digest, "size": 5, "url": base, "fn": file}
    table = {
        "info": {"base_url": base, "subdir": file},
        "packages": {file: record, "a-1-0.tar.bz2": record},
        "packages.conda": {"a-1-0.conda": {**record, "sha256": DIGEST}},
    }
    prefix = f"/conda/http+127.0.0.1:{place.port}/r/noarch"
    place.content["/r/noarch/repodata.json"] = Reply(json.dumps(table).encode(), 200, PLAIN)
    ask(place.app, f"{prefix}/repodata.json", ANEW)
    for name in ("a-1-0.conda", "a-1-0.tar.bz2", "b-1-0.conda"):
        ask(place.app, f"{prefix}/{name}", ANEW)


@FEW
@given(base=odd, shards=odd, file=odd)
def test_strings_of_shards(place: Place, base: str, shards: str, file: str) -> None:
    # msgpack's strings are UTF-8: a lone surrogate is bytes that are none.
    def packed(table: object) -> bytes:
        return zstd.compress(msgpack.packb(table, unicode_errors="surrogatepass"))

    shard = packed({"packages": {file: {}}, "packages.conda": {"a-1-0.conda": {"sha256": file}}})
    digest = bytes.fromhex(digest_of(shard)[7:])
    index = {
        "info": {"base_url": base, "shards_base_url": shards, "subdir": file},
        "shards": {"a": digest, file: digest},
    }
    place.content["/s/noarch/repodata_shards.msgpack.zst"] = Reply(packed(index))
    place.content[f"/s/noarch/{digest.hex()}.msgpack.zst"] = Reply(shard)
    prefix = f"/conda/http+127.0.0.1:{place.port}/s/noarch"
    ask(place.app, f"{prefix}/repodata_shards.msgpack.zst", ANEW)
    ask(place.app, f"{prefix}/{digest.hex()}.msgpack.zst")
    ask(place.app, f"{prefix}/a-1-0.conda", ANEW)


@FEW
@given(kind=odd, other=odd)
def test_strings_of_a_manifest(place: Place, kind: str, other: str) -> None:
    layer = {"mediaType": kind, "digest": f"sha256:{DIGEST}", "size": 5, "urls": [other]}
    table = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": layer,
        "layers": [layer, {**layer, "digest": other}],
        "manifests": [layer],
        "annotations": {other: kind},
    }
    body = json.dumps(table).encode()
    digest = digest_of(body)
    head = {"Docker-Content-Digest": digest.encode()}
    sent = reply(body, OCI, head)
    for name in ("made", digest):
        place.content[f"/v2/library/x/manifests/{name}"] = sent
        ask(place.app, f"/v2/library/x/manifests/{name}", ("Accept", "*/*"))
    ask(place.app, f"/v2/library/x/blobs/sha256:{DIGEST}")


# ------------------------------------------------------------------ the one place


@given(
    status=st.integers(-5, 700),
    headers=st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=6),
    known=heads,
)
def test_every_head_that_is_made_can_be_sent(
    status: int, headers: dict[str, str], known: dict[str, bytes]
) -> None:
    given_ = {**headers, **{name: value.decode("latin-1") for name, value in known.items()}}
    if not 200 <= status <= 599:
        with pytest.raises(response_head.UnsendableError):
            response_head.make(status, given_)
        return
    raw = response_head.make(status, given_)
    sent = h11.Response(status_code=status, headers=raw)
    assert len({name for name, _ in raw}) == len(raw)
    assert sum(len(name) + len(value) for name, value in raw) < 40_000
    assert len(sent.headers) == len(raw)
    if "Content-Type" in known and status not in response_head.NO_BODY:
        assert b"content-type" in dict(raw)


def test_what_can_be_sent_goes_as_it_is() -> None:
    given_ = {"ETag": '"a\xe9"', "Vary": " accept\t", "X-A": "1", "x-a": "2", "Content-Length": "3"}
    told = dict(response_head.make(200, given_))
    assert told[b"etag"] == b'"a\xe9"'
    assert told[b"vary"] == b"accept"
    assert told[b"x-a"] == b"2"
    assert told[b"content-length"] == b"3"
    assert b"content-length" not in dict(response_head.make(304, given_))
    for length in ("-1", "x", "\u00b2", "5" * 21):
        assert b"content-length" not in dict(response_head.make(200, {"Content-Length": length}))
    for name in ("Connection", "Transfer-Encoding", "Upgrade", "bad name", "", "a\nb"):
        assert name.lower().encode() not in dict(response_head.make(200, {name: "x"}))
    kind = dict(response_head.make(200, {"content-type": "te\nxt"}))[b"content-type"]
    assert kind == b"application/octet-stream"


@given(odd)
def test_location_is_a_url_that_a_client_can_ask(url: str) -> None:
    told = response_head.location(url)
    if told is not None:
        assert told.isascii()
        assert told.isprintable()
        assert told.startswith(("http://", "https://"))
    # What is a URL already stays what it is.
    assert (
        response_head.location("https://h.example/a%20b/?c=d&e") == "https://h.example/a%20b/?c=d&e"
    )
