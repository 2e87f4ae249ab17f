"""Who is believed, who hears of what, and what happens when the registry is away."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.engines.drivers import Engine
from lib.images.content import OCI, image, index
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.serving.answers import Reply
from lib.waiting import until

StartEngine = Callable[[ImageWorld], Engine]
ACCEPT = {"accept": OCI}


def test_tag_that_a_mirror_points_elsewhere_is_not_believed(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    made = images()
    right = made.registry.put("library/hello", image("right"))
    wrong = image("wrong")
    made.registry.objects["library/hello"].update(wrong.everything())
    for mirror in made.mirrors:
        mirror.content["/v2/library/hello/manifests/v1"] = Reply(wrong.manifest.data)
    engine = skopeo(made)
    assert engine.pull("library/hello:v1").returncode == 0
    assert engine.digest("library/hello:v1") == right.digest
    made.assert_polite()


@pytest.mark.parametrize("opened", [False, True])
def test_password_that_one_repository_wants_closes_no_other(
    images: MakeImageWorld,
    skopeo: StartEngine,
    opened: bool,  # noqa: FBT001 - given by name
) -> None:
    made = images(tokens=False)
    hello = made.registry.put("library/hello", image())
    made.registry.put("org/closed", image("closed"))
    wants = {"WWW-Authenticate": 'Basic realm="registry"'}
    made.origin.mounts["/v2/org/closed"] = lambda *_: Reply(b"", 401, "text/plain", wants)
    for path in ("/v2/org/closed/manifests/v1", "/v2/org/closed/tags/list"):
        assert made.gateway.get(path, ACCEPT)[0] == 404
    engine = skopeo(made)
    assert engine.pull("library/hello:v1").returncode == 0
    assert engine.digest("library/hello:v1") == hello.digest
    assert made.at_mirrors("*/hello/*")
    assert not made.at_mirrors("*closed*")
    if opened:  # what it said then is not its word for ever
        del made.origin.mounts["/v2/org/closed"]
        status, _, body = made.gateway.get("/v2/library/hello/manifests/v1", ACCEPT)
        assert (status, body) == (200, hello.manifest.data)


def test_private_repository_is_404_before_any_mirror_hears_of_it(
    images: MakeImageWorld, start: StartEngine
) -> None:
    made = images()
    secret = made.registry.put("org/secret", image())
    made.registry.private.add("org/secret")
    assert start(made).pull("org/secret:v1").returncode != 0
    for path in (
        "/v2/org/secret/manifests/v1",
        f"/v2/org/secret/manifests/{secret.digest}",
        f"/v2/org/secret/blobs/{secret.layer.digest}",
        "/v2/org/secret/tags/list",
        "/v2/org/nothing/manifests/v1",
    ):
        assert made.gateway.get(path, ACCEPT)[0] == 404, path
    assert not made.at_mirrors()


@pytest.mark.parametrize(
    "challenge", ['Basic realm="mirror"', 'Bearer realm="{url}/realm",service="x",scope="y"']
)
def test_mirror_that_asks_for_a_password_gets_none(
    images: MakeImageWorld, skopeo: StartEngine, challenge: str
) -> None:
    made = images(mirrors=1)
    hello = made.registry.put("library/hello", image())
    mirror = made.mirrors[0]
    wants = {"WWW-Authenticate": challenge.format(url=mirror.url)}
    mirror.mounts["/v2"] = lambda *_: Reply(b"", 401, "text/plain", wants)
    engine = skopeo(made)
    login = json.dumps({"auths": {"127.0.0.1": {"auth": "bWU6c2VjcmV0"}}})
    (engine.root / "auth.json").write_text(login)
    assert engine.pull("library/hello:v1").returncode == 0
    assert engine.digest("library/hello:v1") == hello.digest
    for seen in mirror.seen:
        assert "authorization" not in seen.headers, seen


def test_tag_that_was_known_stands_after_a_restart_while_the_registry_is_away(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    made = images()
    hello = made.registry.put("library/hello", image())
    engine = skopeo(made)
    assert engine.pull("library/hello:v1").returncode == 0
    assert made.gateway.get("/v2/library/hello/manifests/v1", ACCEPT)[0] == 200
    made.origin.close()
    made.gateway.close()
    made.gateway.start()
    status, headers, body = made.gateway.get("/v2/library/hello/manifests/v1", ACCEPT)
    assert (status, body) == (200, hello.manifest.data)
    assert headers["docker-content-digest"] == hello.digest
    assert engine.pull("library/hello:v1").returncode == 0
    assert made.gateway.get("/v2/library/other/manifests/v1", ACCEPT)[0] == 404


def test_content_by_digest_comes_from_mirrors_while_the_registry_is_away(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    made = images()
    hello = made.registry.put("library/hello", image(size=2_000_000))
    path = f"/v2/library/hello/manifests/{hello.digest}"
    assert made.gateway.get(path, ACCEPT)[0] == 200
    made.origin.fail(modes.status(503))
    engine = skopeo(made)
    done = engine.pull(f"library/hello@{hello.digest}")
    assert done.returncode == 0, done.stderr + made.gateway.told()
    assert made.at_mirrors("*/blobs/*")


def test_registry_that_counts_is_asked_for_bytes_only_without_mirrors(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    made = images(mirrors=0)
    hello = made.registry.put("library/hello", image(size=2_000_000))
    assert skopeo(made).pull("library/hello:v1").returncode == 0
    assert made.origin.bytes_sent(f"*{hello.layer.digest}") >= len(hello.layer.data)


def test_same_layer_for_three_at_once_is_one_download(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    made = images(rate=8 << 20)
    large = made.registry.put("library/large", image("large", size=16 << 20))
    assert skopeo(made).run("true").returncode == 0
    manifest = f"/v2/library/large/manifests/{large.digest}"
    assert made.gateway.get(manifest, ACCEPT)[0] == 200
    path = f"/v2/library/large/blobs/{large.layer.digest}"
    with ThreadPoolExecutor(3) as pool:
        bodies = list(pool.map(lambda _: made.gateway.get(path)[2], range(3)))
    assert all(body == large.layer.data for body in bodies)
    sent = sum(mirror.bytes_sent("*/blobs/*") for mirror in made.mirrors)
    assert sent < len(large.layer.data) * 1.4


def test_second_pull_asks_nobody_for_bytes(images: MakeImageWorld, skopeo: StartEngine) -> None:
    made = images()
    made.registry.put("library/hello", index(size=1_000_000))
    engine = skopeo(made)
    assert engine.pull("library/hello:v1").returncode == 0
    for server in (made.origin, *made.mirrors):
        server.forget()
    assert engine.pull("library/hello:v1").returncode == 0
    assert not made.at_mirrors()
    made.assert_origin_is_spared()


def test_pull_that_broke_near_its_end_goes_on_from_there(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    # What came in the last two seconds may be lost, so it takes some more.
    made = images(mirrors=1, rate=8 << 20)
    size = 32 << 20
    large = made.registry.put("library/large", image("large", size=size))
    broken = (modes.stall(int(size * 0.95), of_file=True), "*/blobs/*")
    for server in (made.origin, *made.mirrors):
        server.fail(*broken)
    path = f"/v2/library/large/blobs/{large.layer.digest}"
    assert made.gateway.get("/v2/library/large/manifests/v1", ACCEPT)[0] == 200

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            made.gateway.get(path)

    asking = threading.Thread(target=ask)
    asking.start()
    upstreams = (made.origin, *made.mirrors)
    until(lambda: sum(each.bytes_sent("*/blobs/*") for each in upstreams) >= size * 0.94)
    time.sleep(3)
    made.gateway.kill()
    asking.join()
    for server in (made.origin, *made.mirrors):
        server.heal()
        server.forget()
    made.gateway.start()
    engine = skopeo(made)
    assert engine.pull("library/large:v1").returncode == 0
    assert engine.digest("library/large:v1") == large.digest
    sent = sum(server.bytes_sent("*/blobs/*") for server in (made.origin, *made.mirrors))
    assert sent < size * 0.7, sent


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/", 200),
        ("/v2/hello/manifests/v1?ns=docker.io", 200),
        ("/v2/library/hello/manifests/v1?ns=registry-1.docker.io", 200),
        ("/v2/docker.io/hello/manifests/v1", 200),
        ("/v2/hello/manifests/v1?ns=evil.example", 404),
        ("/v2/evil.example/hello/manifests/v1", 404),
        ("/v2/127.0.0.1:1/hello/manifests/v1", 404),
        ("/v2/library/hello/manifests/v1/../../../secret", 400),
        ("/v2/library/HELLO/manifests/v1", 404),
        ("/v2/library/hello/blobs/sha256:00", 404),
        ("/v2/_catalog", 404),
        ("/v2/library/hello/tags/list", 200),
    ],
)
def test_only_registries_of_the_list_and_names_of_the_specification_are_asked(
    images: MakeImageWorld, path: str, status: int
) -> None:
    made = images()
    made.registry.put("library/hello", image())
    assert made.gateway.get(path, ACCEPT)[0] == status
    assert made.gateway.get(path, ACCEPT, method="HEAD")[0] == status


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_pushes_are_for_the_registry_itself(images: MakeImageWorld, method: str) -> None:
    made = images()
    assert made.gateway.get("/v2/library/hello/blobs/uploads/", method=method)[0] == 405


def test_parts_of_a_blob(images: MakeImageWorld) -> None:
    made = images()
    hello = made.registry.put("library/hello", image(size=100_000))
    assert made.gateway.get("/v2/library/hello/manifests/v1", ACCEPT)[0] == 200
    path, data = f"/v2/library/hello/blobs/{hello.layer.digest}", hello.layer.data
    status, headers, body = made.gateway.get(path, {"range": "bytes=1000-"})
    assert (status, body) == (206, data[1000:])
    assert headers["content-range"] == f"bytes 1000-{len(data) - 1}/{len(data)}"
    assert made.gateway.get(path, {"range": f"bytes={len(data)}-"})[0] == 416
    status, headers, body = made.gateway.get(path, method="HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(data)))
