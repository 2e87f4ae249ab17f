"""A page or an answer that breaks its reader costs the source that gave it, and nobody else."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib import wheels
from lib.serving import modes
from lib.serving.answers import Reply
from lib.waiting import until
from lib.world import World, make_world

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPTED = (JSON, "text/html")
FILE = {"filename": "foo-1.0-py3-none-any.whl", "url": "https://h/foo-1.0-py3-none-any.whl"}


def _listed(**changed: object) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "files": [{**FILE, **changed}]}).encode()


#: Pages that are none, each of its own kind.
NONE = {
    "deep": Reply(b"[" * 50_000, content_type=JSON),
    "number": Reply(b'{"files":[],"a":' + b"9" * 5000 + b"}", content_type=JSON),
    "infinite": Reply(b'{"files":[],"a":1e999}', content_type=JSON),
    "no-number": Reply(b'{"files":[],"a":NaN}', content_type=JSON),
    "list": Reply(b"[]", content_type=JSON),
    "empty": Reply(b"", content_type=JSON),
    "bytes": Reply(b"\xff\xfe{}", content_type=JSON),
    "surrogate": Reply(_listed(filename="foo-\ud800-1.zip"), content_type=JSON),
    "portal": Reply(b"<form><input name=password></form>", content_type="text/html"),
    "version": Reply(
        b"<meta name=pypi:repository-version content=9.0><a href=foo-1.zip>x</a>",
        content_type="text/html",
    ),
}
#: Pages with something odd in them, and a file that is there all the same.
ODD = {
    "declaration": Reply(b"<![if x]><a href=foo-1.0.zip>x</a>", content_type="text/html"),
    "unclosed": Reply(b"<a href=foo-1.0.zip>x</a><!DOCTYPE [<!ENTITY", content_type="text/html"),
    "reference": Reply(
        b"<a href=foo-1.0.zip>x</a><a href='&#" + b"9" * 5000 + b";'>", content_type="text/html"
    ),
    "brackets": Reply(
        b"<a href=http://[>x</a><a href=http://h:99999/foo-2.0.zip>x</a><a href=foo-1.0.zip>x</a>",
        content_type="text/html",
    ),
    "serial": Reply(
        b"<a href=foo-1.0.zip>x</a><!--SERIAL " + b"9" * 5000 + b"-->", content_type="text/html"
    ),
    "codec": Reply(b"<a href=foo-1.0.zip>x</a>", content_type="text/html; charset=punycode"),
    "size": Reply(_listed(size=10**30, yanked=[], hashes=5), content_type=JSON),
    "address": Reply(
        json.dumps(
            {"files": [{**FILE, "url": "http://["}, {**FILE, "url": "x/foo-1.0.zip"}]}
        ).encode(),
        content_type=JSON,
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        made = make_world(
            tmp_path_factory.mktemp("world"),
            stack,
            mirrors=0,
        )
        made.index.add(wheels.wheel("good", "1.0", size=200_000))
        made.pages.content |= {f"/simple/{name}/": page for name, page in {**NONE, **ODD}.items()}
        yield made


@pytest.fixture(autouse=True)
def well(world: World) -> Iterator[None]:
    """Whatever a test does, others are served as ever after it."""
    yield
    assert world.gateway.get("/simple/good/", {"Accept": JSON})[0] == 200
    assert world.gateway.status()["incidents"] == []


@pytest.mark.parametrize("name", NONE)
def test_a_page_that_is_none_ends_at_its_origin(world: World, name: str) -> None:
    for form in ACCEPTED:
        status, headers, _ = world.gateway.get(f"/simple/{name}/", {"Accept": form})
        assert (status, headers["location"]) == (302, f"{world.origin}/{name}/")


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_in_a_page_costs_no_more_than_itself(world: World, name: str) -> None:
    for form in ACCEPTED:
        status, _, body = world.gateway.get(f"/simple/{name}/", {"Accept": form})
        assert status == 200
        assert b"foo-1.0" in body
        assert b"http://[" not in body


@pytest.mark.parametrize("name", ["deep", "number", "portal"])
def test_a_mirrors_page_that_is_none_is_passed_over(tmp_path: Path, name: str) -> None:
    with contextlib.ExitStack() as stack:
        slow = {"provisional_after": 0.2}
        made = make_world(tmp_path, stack, mirrors=1, gives_documents=True, settings=slow)
        made.index.add(wheels.wheel("good", "1.0"), wheels.wheel("thing", "1.0"))
        made.gateway.get("/simple/good/", {"Accept": JSON})  # where its files are is known then
        path, released = "/simple/thing/", threading.Event()
        made.mirrors[0].content[path] = NONE[name]
        made.pages.fail(modes.held(released), path)
        with ThreadPoolExecutor(1) as client:
            asked = client.submit(made.gateway.get, path, {"Accept": JSON})
            until(lambda: made.mirrors[0].requests(path))
            released.set()
            status, headers, body = asked.result()
        assert status == 200
        assert "x-headrace-provisional" not in headers
        assert [file["filename"] for file in json.loads(body)["files"]]
        assert made.gateway.status()["incidents"] == []


BAD_ANSWERS = {
    "a place that is no URL": Reply(b"", 302, headers={"Location": "http://["}),
    "a port that is none": Reply(b"", 302, headers={"Location": "http://127.0.0.1:99999/"}),
    "a range of absurd numbers": Reply(
        b"x", 206, headers={"Content-Range": f"bytes 0-{'9' * 5000}/{'9' * 5000}"}
    ),
    "a pause without end": Reply(b"", 429, headers={"Retry-After": "9" * 5000}),
    "a challenge with a realm that is none": Reply(
        b"", 401, headers={"WWW-Authenticate": 'Bearer realm="http://["'}
    ),
    "a date that is none": Reply(b"", 503, headers={"Retry-After": "Mon, 99 Jan 99999 99:99:99"}),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_mirror_that_answers_nonsense_loses_its_part(tmp_path: Path, name: str) -> None:
    with contextlib.ExitStack() as stack:
        made = make_world(tmp_path, stack, mirrors=1)
        file = made.index.add(wheels.wheel("thing", "1.0", size=300_000))
        made.mirrors[0].mounts["/packages/"] = lambda *_: BAD_ANSWERS[name]
        made.gateway.get("/simple/thing/", {"Accept": JSON})
        status, _, body = made.gateway.get(file.path)
        assert (status, body) == (200, file.built.data)
        assert made.gateway.status()["incidents"] == []
