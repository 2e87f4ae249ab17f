"""Engines of other ages that resume a layer: they end when they are sent the whole instead."""

from __future__ import annotations

import contextlib
import os
import threading

import pytest

from lib.capabilities import lacks
from lib.engines.drivers import engine
from lib.engines.kinds import AGES, Kind, why_not
from lib.images.content import image
from lib.images.world import MakeImageWorld
from lib.waiting import until

pytestmark = pytest.mark.skipif(
    not os.environ.get("HEADRACE_TEST_ENGINES"),
    reason=lacks("engines of other ages", "HEADRACE_TEST_ENGINES names no folder of them"),
)
MB = 1 << 20
#: Those that resume at all; their elders fail when a body ends early.
RESUMING = [kind for kind in AGES if kind.name in ("podman-5.8", "skopeo-1.22")]


@pytest.mark.parametrize("store", ["kept", "lost"])
@pytest.mark.parametrize("kind", RESUMING, ids=str)
def test_layer_goes_on_at_its_byte_when_the_gateway_is_killed_and_comes_back(
    images: MakeImageWorld, kind: Kind, store: str
) -> None:
    if reason := why_not(kind):
        pytest.skip(reason)
    # Layers above 64 MiB go out while they arrive.
    made = images(mirrors=0, origin_rate=24 * MB)
    made.holds_port = True
    what = made.registry.put("library/large", image("large", size=100 * MB))
    path = f"*/blobs/{what.layer.digest}"
    with engine(kind, made.gateway.port) as started, contextlib.ExitStack() as stack:
        pulling = threading.Thread(target=lambda: done.append(started.pull("library/large:v1")))
        done: list[object] = []
        pulling.start()
        stack.callback(pulling.join)
        until(lambda: made.origin.bytes_sent(path) > 20 * MB)
        made.gateway.kill()
        if store == "lost":
            for each in (made.gateway.root / "cache").rglob("*"):
                if each.is_file():
                    each.unlink()
        made.gateway.start()
        pulling.join()
        assert getattr(done[0], "returncode", 1) == 0, (done, made.gateway.told())
        assert what.digest in started.digest("library/large:v1")
