"""An organisation's own registry with a login, between real engines and the public registry."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from lib.engines.drivers import Engine
from lib.images.content import Image, image
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving.answers import Reply

StartEngine = Callable[[ImageWorld], Engine]
SHOWN = f"Basic {base64.b64encode(b'robot:s3cret').decode()}"


def closed(made: ImageWorld, kind: str) -> Image:
    """Let the first mirror in with a login alone, and give the gateway's user that login."""
    what = made.registry.put("library/hello", image(size=3_000_000))
    ours = made.mirrors[0]
    if kind == "bearer":  # as Harbor has it
        own = replace(made.registry, tokens=True, private={"library/hello"}, login=SHOWN)
        own.mount(ours)
    else:  # as Nexus and a plain registry behind a web server have it
        inside = ours.mounts["/v2"]

        def basic(path: str, headers: Mapping[str, str]) -> Reply:
            if headers.get("authorization") != SHOWN:
                return Reply(b"", 401, "text/plain", {"WWW-Authenticate": 'Basic realm="nexus"'})
            return inside(path, {**headers, "authorization": "Bearer stranger-library/hello"})

        ours.mounts["/v2"] = basic
    made.described[0] = replace(made.described[0], login=True)
    host = ours.url.partition("://")[2]
    home = made.root / "gateway" / "home" / ".docker"
    home.mkdir(parents=True)
    auths = {host: {"auth": SHOWN.partition(" ")[2]}}
    (home / "config.json").write_text(json.dumps({"auths": auths}))
    return what


@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_content_comes_from_the_users_own_registry_and_the_login_stays_there(
    images: MakeImageWorld, skopeo: StartEngine, kind: str
) -> None:
    made = images(mirrors=1)
    what = closed(made, kind)
    engine = skopeo(made)
    done = engine.pull("library/hello:v1")
    assert done.returncode == 0, done.stderr + made.gateway.told()
    assert engine.digest("library/hello:v1") == what.digest
    made.assert_origin_is_spared()
    assert made.mirrors[0].bytes_sent("*/blobs/*") >= len(what.layer.data)
    for seen in made.origin.seen:
        assert seen.headers.get("authorization", "Bearer stranger-").startswith("Bearer stranger-")
    assert "s3cret" not in made.gateway.told()
    assert SHOWN.partition(" ")[2] not in made.gateway.told()


def test_login_of_one_is_not_shown_to_another(images: MakeImageWorld, skopeo: StartEngine) -> None:
    made = images(mirrors=2)
    what = closed(made, "basic")
    engine = skopeo(made)
    assert engine.pull("library/hello:v1").returncode == 0
    assert engine.digest("library/hello:v1") == what.digest
    for server in (made.origin, made.mirrors[1]):
        for seen in server.seen:
            shown = seen.headers.get("authorization", "Bearer stranger-")
            assert shown.startswith("Bearer stranger-"), seen


def test_lost_login_loses_the_registry_and_no_pull(
    images: MakeImageWorld, skopeo: StartEngine
) -> None:
    made = images(mirrors=2)
    what = closed(made, "basic")
    (made.root / "gateway" / "home" / ".docker" / "config.json").unlink()
    engine = skopeo(made)
    assert engine.pull("library/hello:v1").returncode == 0
    assert engine.digest("library/hello:v1") == what.digest
    assert not made.mirrors[0].seen
    made.assert_origin_is_spared()
    (incident,) = made.gateway.status()["incidents"]
    assert "nobody knows a login" in incident["what"]
