"""How a new mirror keeps its files is found out, whatever it answers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from headrace.models import Artifact, Digest, Origin
from headrace.policy.destinations import of_origin
from headrace.sources import measuring
from headrace.upstream.client import Client
from lib import wheels
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer

THING = wheels.wheel("thing", "1.0", size=60_000)


def test_a_mirror_that_gives_a_byte_now_and_then_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = Index()
    index.add(THING)

    async def tried(url: str) -> measuring.LayoutTried:
        origin = Origin("python", url)
        digest = Digest("sha256", THING.sha256)
        artifact = Artifact("python", "/x", THING.name, url, origin, digest, len(THING.data))
        at = measuring.MeasuredSource("new", url, of_origin(origin))
        async with contextlib.aclosing(Client({})) as client:
            return await measuring._try(client, at, "packages", artifact)

    with RecordingServer(name="copy") as copy:
        url = index.mount_mirror(copy) + index.path(THING.name)
        assert asyncio.run(tried(url)).fits
        copy.fail(modes.slow(20_000))
        monkeypatch.setattr(measuring, "WHOLE", 0.2)
        found = asyncio.run(tried(url))
    assert (found.fits, found.message) == (False, "was not done in 0.2 s")
