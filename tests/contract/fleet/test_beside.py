"""headrace beside what companies have: as a client of their mirrors that want a login, and as the
remote that their caches and proxies ask. Real programs, no imitation; `docs/fleet.md` tells what
came of it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from lib import wheels
from lib.clients import Pip
from lib.fleet import neighbours
from lib.fleet.neighbours import LOGIN
from lib.fleet.served import Served, served_for
from lib.gateway import TestMirror
from lib.images.content import Image, image
from lib.images.plain_registry import Running
from lib.images.registry import Registry
from lib.serving.servers import RecordingServer
from lib.waiting import HANG
from lib.world import MakeWorld, World

SIZE = 3 << 20
JSON = "application/vnd.pypi.simple.v1+json"
SHOWN = base64.b64encode(":".join(LOGIN).encode()).decode()
WITH_LOGIN = {"Authorization": f"Basic {SHOWN}"}
THING = wheels.wheel("thing", "1.0", ["part"], size=SIZE)
#: `headrace serve` behind a proxy on the same machine, as all of these are here.
BEHIND = {"anonymous": ["all"]}


@pytest.fixture
def made(world: MakeWorld) -> World:
    made = world(mirrors=0, origin_rate=None)
    made.index.add(THING, wheels.wheel("part", "1.0", size=20_000))
    return made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


# ------------------------------------------------------------------ upstream: mirrors with a login


def a_copy_behind_nginx(made: World, stack: ExitStack, root: Path) -> tuple[str, str]:
    """What bandersnatch leaves, served by nginx."""
    copy = stack.enter_context(RecordingServer(name="copy"))
    made.mirrors.append(copy)
    base = made.index.mount_mirror(copy)
    url = stack.enter_context(neighbours.nginx(root / "nginx", copy.url, login=True))
    return url + urlsplit(base).path, "packages"


def devpi_behind_nginx(made: World, stack: ExitStack, root: Path) -> tuple[str, str]:
    url = stack.enter_context(neighbours.devpi(root / "devpi", f"{made.origin}/"))
    parts = urlsplit(url)
    front = neighbours.nginx(root / "nginx", f"http://{parts.netloc}", login=True)
    return stack.enter_context(front) + parts.path, "devpi"


@pytest.mark.parametrize(
    "neighbour",
    [a_copy_behind_nginx, pytest.param(devpi_behind_nginx, marks=pytest.mark.nightly)],
)
def test_files_come_from_an_index_that_wants_a_login(
    made: World,
    newest: Pip,
    stack: ExitStack,
    tmp_path: Path,
    neighbour: Callable[[World, ExitStack, Path], tuple[str, str]],
) -> None:
    url, layout = neighbour(made, stack, tmp_path / "beside")
    made.described.append(TestMirror("closed", url, layout, login=True))
    if layout == "devpi":
        # It knows a file from the time that somebody asked for its page, and has it from the time
        # that somebody asked for the file.
        path, digest = urlsplit(url).path, THING.sha256
        file = f"{path}/+f/{digest[:3]}/{digest[3:16]}/{THING.name}"
        for wanted in (f"{path}/+simple/thing/", file):
            assert asked(urlsplit(url).netloc, wanted, WITH_LOGIN).status == 200, wanted
    served = served_for(made, tls=False, serve=BEHIND)
    netrc = served.root / "home" / ".netrc"
    netrc.touch(0o600)
    host = urlsplit(url).hostname
    netrc.write_text(f"machine {host} login {LOGIN[0]} password {LOGIN[1]}\n", "utf-8")
    made.files.rate = SIZE  # a second for all of it: there is time for the other one
    with served:
        newest.point_at(f"{served.url}/simple/")
        newest.install("thing").ok()
        assert newest.environment.holds(THING.files())
        sources = [each.get("headrace.bytes_by_source", {}) for each in served.answers()]
        assert sum(each.get("closed", 0) for each in sources) > SIZE // 4, sources
        assert LOGIN[1] not in served.told()
        assert SHOWN not in served.told()
    assert not [seen for seen in made.pages.seen if "authorization" in seen.headers]
    assert not [seen for seen in made.files.seen if "authorization" in seen.headers]


def test_layers_come_from_a_registry_that_wants_a_login(tmp_path: Path, stack: ExitStack) -> None:
    """docker-registry with htpasswd: asked with the login from the first request on."""
    what, hub = image(size=SIZE), stack.enter_context(RecordingServer(name="hub"))
    origin = Registry(tokens=True)
    origin.mount(hub)
    origin.put("library/hello", what)
    with ExitStack() as pushing:
        open_one = Running(tmp_path, "open", tmp_path / "store", pushing)
        open_one.put("library/hello", "v1", what)
    url = stack.enter_context(
        neighbours.registry(tmp_path / "closed", store=tmp_path / "store", login=True)
    )
    mirror = TestMirror("closed", url, "registry", ecosystem="docker", login=True)
    served = Served(
        tmp_path / "served",
        mirrors=[mirror],
        named={"docker.io": hub.url},
        ecosystem="docker",
        tls=False,
        serve=BEHIND,
    )
    docker = tmp_path / "served" / "home" / ".docker"
    docker.mkdir()
    auths = {"auths": {urlsplit(url).netloc: {"auth": SHOWN}}}
    (docker / "config.json").write_text(json.dumps(auths))
    with served:
        status, _, body = served.get(f"/v2/library/hello/blobs/{what.layer.digest}")
        assert (status, body) == (200, what.layer.data)
        assert SHOWN not in served.told()
    assert hub.bytes_sent("*/blobs/*") < SIZE // 2
    assert not [s for s in hub.seen if SHOWN in s.headers.get("authorization", "")]


# ------------------------------------------------------------------ downstream: it is their remote


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def asked(
    host: str, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Answer:
    connection = http.client.HTTPConnection(host, timeout=HANG)
    with contextlib.closing(connection):
        connection.request(method, path, headers=dict(headers or {}))
        got = connection.getresponse()
        body = got.read()
        return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, body)


InFront = Callable[[Path, str], AbstractContextManager[str]]
FRONTS: dict[str, InFront] = {
    "nginx": neighbours.nginx,
    "nginx-cache": partial(neighbours.nginx, cache=True),
    "squid": neighbours.squid,
}


@pytest.mark.parametrize(
    "front",
    ["nginx-cache", *(pytest.param(n, marks=pytest.mark.nightly) for n in ("nginx", "squid"))],
)
def test_a_proxy_in_front_changes_no_answer(
    made: World, newest: Pip, tmp_path: Path, front: str
) -> None:
    """Pages, files, ranges, HEAD, conditions, redirects: the same with it and without it."""
    with (
        served_for(made, tls=False, serve=BEHIND) as served,
        FRONTS[front](tmp_path / "front", f"http://127.0.0.1:{served.port}") as url,
    ):
        newest.point_at(f"{url}/simple/")
        newest.install("thing").ok()
        assert newest.environment.holds(THING.files())
        there, here = urlsplit(url).netloc, f"127.0.0.1:{served.port}"
        page = asked(here, "/simple/thing/", {"Accept": JSON})
        path = urljoin("/simple/thing/", json.loads(page.body)["files"][0]["url"])
        whole = asked(here, path)
        tag = whole.headers["etag"]
        for wanted, headers, method in (
            ("/simple/thing/", {"Accept": JSON}, "GET"),
            ("/simple/thing/", {"Accept": "text/html"}, "GET"),
            ("/simple/thing/", {"Accept": JSON}, "HEAD"),
            ("/simple/thing/", {"Accept": JSON, "If-None-Match": page.headers["etag"]}, "GET"),
            ("/simple/Thing/", {"Accept": JSON}, "GET"),
            ("/simple/thing", {"Accept": JSON}, "GET"),
            ("/simple/none-such/", {"Accept": JSON}, "GET"),
            (path, {}, "GET"),
            (path, {}, "HEAD"),
            (path + ".metadata", {}, "GET"),
            (path, {"Range": "bytes=100-199"}, "GET"),
            (path, {"Range": "bytes=-100"}, "GET"),
            (path, {"Range": f"bytes={SIZE}0-"}, "GET"),
            (path, {"Range": "bytes=100-199", "If-Range": tag}, "GET"),
            (path, {"If-None-Match": tag}, "GET"),
        ):
            one, other = (asked(host, wanted, headers, method) for host in (here, there))
            what = (wanted, headers, method)
            if front == "squid" and (one.status, wanted) in ((304, "/simple/thing/"), (416, path)):
                # squid (5.7) asks anew what has to be confirmed, and takes a range that cannot be
                # for none: the whole comes, which is more than was necessary and right.
                assert (other.status, other.body) == (
                    200,
                    (page if one.status == 304 else whole).body,
                )
                continue
            assert one.status == other.status, (what, one, other)
            if one.status >= 400:
                continue  # what a refusal says is each one's own matter
            assert one.body == other.body, what
            for name in ("etag", "content-range", "content-type"):
                if name in other.headers or one.status != 304:
                    assert one.headers.get(name) == other.headers.get(name), (what, name)
            led = other.headers.get("location", "")
            assert str(served.port) not in led, (what, led)


@pytest.mark.parametrize(
    "cache", [neighbours.proxpi, pytest.param(neighbours.devpi, marks=pytest.mark.nightly)]
)
def test_an_index_cache_has_headrace_as_its_remote(
    made: World, newest: Pip, tmp_path: Path, cache: InFront
) -> None:
    with (
        served_for(made, tls=False, serve=BEHIND) as served,
        cache(tmp_path / "cache", f"http://127.0.0.1:{served.port}/simple/") as url,
    ):
        simple = f"{url}/+simple/" if cache is neighbours.devpi else f"{url}/"
        newest.point_at(simple)
        newest.install("thing").ok()
        assert newest.environment.holds(THING.files())
        assert made.files.requests("*thing*.whl"), "it came from elsewhere"
        # What came once stays, also without headrace.
        served.close()
        parts = urlsplit(simple)
        assert asked(parts.netloc, f"{parts.path}thing/", {"Accept": "text/html"}).status == 200


def test_a_registry_pulls_through_headrace(tmp_path: Path, stack: ExitStack) -> None:
    """docker-registry's `proxy.remoteurl`: manifest by tag and by digest, blobs, HEAD."""
    what, hub = image(size=SIZE), stack.enter_context(RecordingServer(name="hub"))
    origin = Registry(tokens=True)
    origin.mount(hub)
    origin.put("library/hello", what)
    served = Served(
        tmp_path / "served",
        named={"docker.io": hub.url},
        ecosystem="docker",
        tls=False,
        serve=BEHIND,
    )
    with served:
        remote = f"http://127.0.0.1:{served.port}"
        url = stack.enter_context(neighbours.registry(tmp_path / "through", remote=remote))
        assert_pulled(urlsplit(url).netloc, what)
        spent = hub.bytes_sent("*/blobs/*")
        assert_pulled(urlsplit(url).netloc, what)
        assert hub.bytes_sent("*/blobs/*") == spent
    assert spent < 1.5 * SIZE, "the origin gave the layer more than once"


def assert_pulled(host: str, what: Image) -> None:
    base = "/v2/library/hello"
    accept = {"Accept": what.manifest.media_type}
    for name in ("v1", what.manifest.digest):
        got = asked(host, f"{base}/manifests/{name}", accept)
        assert (got.status, got.body) == (200, what.manifest.data), got
        assert got.headers["docker-content-digest"] == what.manifest.digest
    for blob in what.blobs:
        path = f"{base}/blobs/{blob.digest}"
        assert asked(host, path).body == blob.data
        assert asked(host, path, method="HEAD").headers["content-length"] == str(len(blob.data))


def test_what_is_in_front_may_go_by_another_name(made: World, tmp_path: Path) -> None:
    """A laptop's gateway answers to loopback's names alone, whoever hands the request on; so nginx
    must say one of them, and `headrace serve` takes any.
    """
    asks = {"Host": "mirror.lab.example"}
    with neighbours.nginx(tmp_path / "kept", made.gateway.url) as url:
        assert asked(urlsplit(url).netloc, "/simple/thing/", asks).status == 421
    with neighbours.nginx(tmp_path / "said", made.gateway.url, host="$proxy_host") as url:
        assert asked(urlsplit(url).netloc, "/simple/thing/", asks).status == 200
    with served_for(made, tls=False, serve=BEHIND) as served:
        behind = f"http://127.0.0.1:{served.port}"
        with neighbours.nginx(tmp_path / "any", behind) as url:
            assert asked(urlsplit(url).netloc, "/simple/thing/", asks).status == 200
