"""A file without a digest that is replaced while it comes: never halves of two versions."""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urljoin

import pytest

from lib.gateway import Gateway
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply

SIZE = 3 << 20
NAME = "replaced-1.0-py3-none-any.whl"
OLD = email.utils.formatdate(time.time() - 3600, usegmt=True)
FIRST, SECOND = (random.Random(seed).randbytes(SIZE) for seed in (1, 2))


class Place:
    """An index that names no digest, or one that proves nothing, and a file that changes."""

    def __init__(self, origin: RecordingServer, gateway: Gateway) -> None:
        self.origin, self.gateway = origin, gateway
        self.says: Mapping[str, str] = {}
        self.versions = [FIRST, SECOND]
        """What each request for the file is answered from; the last one from then on."""
        origin.etags = False
        origin.mounts["/simple/replaced/"] = lambda *_: self.page()
        origin.mounts[f"/files/{NAME}"] = lambda *_: self.file()

    def page(self) -> Reply:
        md5 = hashlib.md5(FIRST, usedforsecurity=False).hexdigest()
        text = f'<a href="/files/{NAME}#md5={md5}">{NAME}</a>'
        return Reply(f"<!DOCTYPE html><html><body>{text}</body></html>".encode(), 200, "text/html")

    def file(self) -> Reply:
        content = self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]
        now = email.utils.formatdate(usegmt=True)
        says = {name: now if text == "now" else text for name, text in self.says.items()}
        return Reply(content, headers=says)

    def read(self, headers: Mapping[str, str] | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Read as a client that takes what comes until it is cut."""
        page = self.gateway.get("/simple/replaced/", {"accept": "text/html"})[2].decode()
        path = page.partition('href="')[2].partition('"')[0].partition("#")[0]
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port)
        try:
            connection.request(
                "GET", urljoin("/simple/replaced/", path), headers=dict(headers or {})
            )
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return answer.read(), told
            except http.client.IncompleteRead as error:
                return error.partial, told
        finally:
            connection.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with (
        RecordingServer({}) as origin,
        Gateway(tmp_path, origins=[f"{origin.url}/simple"]) as gateway,
    ):
        yield Place(origin, gateway)


PROVES_NOTHING: dict[str, dict[str, str]] = {
    "nothing": {},
    "weak-tag": {"ETag": 'W/"1"'},
    "this-very-second": {"Last-Modified": "now"},
    "tag-that-is-none": {"ETag": "1"},
}
PROVES: dict[str, dict[str, str]] = {
    "tag": {"ETag": '"1"'},
    "time": {"Last-Modified": OLD},
    "time-beside-weak-tag": {"ETag": 'W/"1"', "Last-Modified": OLD},
}


@pytest.mark.parametrize("says", [*PROVES_NOTHING.values()], ids=[*PROVES_NOTHING])
@pytest.mark.parametrize("status", [None, 500])
def test_halves_of_two_versions_are_never_joined(
    place: Place, says: Mapping[str, str], status: int | None
) -> None:
    place.says = says
    # Some of the first version has gone out when it breaks off.
    place.origin.rate = 4 << 20
    place.origin.fail(modes.cut(1 << 20), "*.whl", times=1)
    if status is not None:  # and then trouble before the next answer
        place.origin.fail(modes.status(status), "*.whl", times=1)
    body, headers = place.read()
    assert body
    assert FIRST.startswith(body)
    again, _ = place.read({"range": f"bytes={len(body)}-", "if-range": headers["etag"]})
    assert again == SECOND


@pytest.mark.parametrize("says", [*PROVES.values()], ids=[*PROVES])
def test_broken_body_is_continued_where_the_origin_names_the_version(
    place: Place, says: Mapping[str, str]
) -> None:
    place.says, place.versions = says, [FIRST]
    place.origin.fail(modes.cut(1 << 20), "*.whl", times=1)
    assert place.read()[0] == FIRST
    assert sum(seen.sent for seen in place.origin.requests("*.whl")) == SIZE


@pytest.mark.parametrize("says", [{"ETag": '"%d"'}, {"Last-Modified": "%d"}], ids=["tag", "time"])
def test_version_that_changed_is_begun_again(place: Place, says: Mapping[str, str]) -> None:
    times = iter([OLD, email.utils.formatdate(time.time() - 60, usegmt=True)])
    ((name, text),) = says.items()
    told = [text % 1, text % 2] if name == "ETag" else [*times]
    place.origin.mounts[f"/files/{NAME}"] = lambda *_: Reply(
        *((FIRST,) if len(told) == 2 else (SECOND,)),
        headers={name: told.pop(0) if len(told) == 2 else told[0]},
    )
    place.origin.fail(modes.cut(1 << 20), "*.whl", times=1)
    body, headers = place.read()
    assert FIRST.startswith(body)
    again, _ = place.read({"range": f"bytes={len(body)}-", "if-range": headers["etag"]})
    assert again == SECOND


@pytest.mark.parametrize("says", [*PROVES_NOTHING.values(), *PROVES.values()])
def test_client_that_goes_on_later_gets_the_end_of_its_own_version_or_all(
    place: Place, says: Mapping[str, str]
) -> None:
    place.says, place.versions = says, [FIRST]
    whole, headers = place.read()
    assert whole == FIRST
    place.versions = [SECOND]
    place.says = {**says, **({"ETag": '"2"'} if "ETag" in says else {})}
    if "Last-Modified" in says:
        place.says = {**place.says, "Last-Modified": email.utils.formatdate(usegmt=True)}
    rest, _ = place.read({"range": "bytes=1000-", "if-range": headers["etag"]})
    assert rest == SECOND
