"""Engines that take of a layer only what they lack (zstd:chunked): several ranges in one request.

They count the parts of an answer, and a pull fails where there are fewer than were asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Callable, Iterator

import pytest

from lib.capabilities import lacks
from lib.engines.drivers import Engine, engine
from lib.engines.kinds import AGES, HERE, Kind, why_not
from lib.gateway import Gateway
from lib.images.chunked import chunked, many_files
from lib.images.content import Image, image
from lib.images.world import MB, ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.serving.dying import ON_LINUX, strike
from lib.serving.parts import parts_of

KINDS = (HERE["podman"], *(kind for kind in AGES if kind.program == "podman"))
Begin = Callable[[Kind, ImageWorld], Engine]
FILES, SIZE = 40, 300_000


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start an engine that pulls in parts, led to a world's gateway."""
    with contextlib.ExitStack() as stack:

        def start(kind: Kind, made: ImageWorld) -> Engine:
            if reason := why_not(kind):
                pytest.skip(reason)
            if kind.suite and not os.environ.get("HEADRACE_TEST_ENGINES"):
                why = "HEADRACE_TEST_ENGINES names no folder of them"
                pytest.skip(lacks("engines of other ages", why))
            return stack.enter_context(engine(kind, made.gateway.port, partial=True))

        yield start


def pull(podman: Engine, name: str) -> None:
    done = podman.pull(name)
    assert done.returncode == 0, done.stdout + done.stderr


def put(made: ImageWorld, podman: Engine, name: str, *changed: int) -> Image:
    what = chunked(podman, name, many_files(FILES, SIZE, changed=changed))
    return made.registry.put(f"org/{name}", what)


def sent(made: ImageWorld, what: Image) -> int:
    """Count the bytes of its layer that came from anywhere."""
    path = f"*/blobs/{what.layer.digest}"
    return sum(server.bytes_sent(path) for server in (made.origin, *made.mirrors))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_update_of_few_files_costs_these_files(
    images: MakeImageWorld, begin: Begin, kind: Kind
) -> None:
    made = images()
    podman = begin(kind, made)
    old, new = put(made, podman, "app"), put(made, podman, "app-next", 7, 8, 30)
    pull(podman, "org/app:v1")
    pull(podman, "org/app-next:v1")
    assert sent(made, old) <= 1.5 * len(old.layer.data)
    # Three files, the table of contents and what stands between.
    assert sent(made, new) <= 3.5 * SIZE, made.gateway.told()
    made.assert_polite()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_update_succeeds_where_the_registry_gives_no_parts(
    images: MakeImageWorld, begin: Begin, kind: Kind
) -> None:
    """Alone against such a registry the engine falls back to the whole layer, or fails."""
    made = images()
    podman = begin(kind, made)
    put(made, podman, "app")
    put(made, podman, "app-next", 7, 30)
    made.origin.fail(modes.NO_RANGES, "*/blobs/*")
    pull(podman, "org/app:v1")
    pull(podman, "org/app-next:v1")
    made.assert_polite()


@ON_LINUX
@pytest.mark.parametrize("state", ["stored", "cold"])
def test_parts_go_on_at_their_byte_in_the_next_worker(
    images: MakeImageWorld, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(Gateway, "held", True)
    made = images(rate=None, origin_rate=None)
    what = made.registry.put("org/app", image("app", size=48 * MB))
    data, path = what.layer.data, f"/v2/docker.io/org/app/blobs/{what.layer.digest}"
    # The manifest tells the layer's size.
    accept = {"Accept": what.manifest.media_type}
    assert made.gateway.get("/v2/docker.io/org/app/manifests/v1", accept)[0] == 200
    if state == "stored":
        assert made.gateway.get(path)[2] == data
    # More than the sockets on the way take, so that the rest is still to be written.
    spans = ((100, 11 * MB), (20 * MB, 31 * MB))
    text = ",".join(f"{low}-{high - 1}" for low, high in spans)
    connection = http.client.HTTPConnection("127.0.0.1", made.gateway.port)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Range": f"bytes={text}"})
        answer = connection.getresponse()
        body = answer.read(MB)
        strike(made.gateway, "killed", lambda: True)
        body += answer.read()
        headers = {name.lower(): value for name, value in answer.getheaders()}
    assert answer.status == 206
    assert len(body) == int(headers["content-length"]), made.gateway.told()
    assert [part.data for part in parts_of(headers, body)] == [data[a:b] for a, b in spans]
