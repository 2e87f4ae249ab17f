"""A gateway that leads a command, and the origin that it is led at."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from lib import wheels
from lib.hostile.led import Led, Place
from lib.serving.certificates import authority
from lib.world import make_world


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Start it all once; nothing that a test sends is kept but the page of `thing`."""
    root = tmp_path_factory.mktemp("place")
    company = authority(root / "authority")
    with contextlib.ExitStack() as stack:
        env = {"SSL_CERT_FILE": str(company.certificate)}
        made = make_world(root, stack, tls=company.server, mirrors=1, env=env)
        made.index.add(wheels.wheel("thing", "1.0", size=200_000), wheels.wheel("pip", "1.0"))
        yield Place(made.gateway, made, company)


@pytest.fixture
def led(tmp_path: Path, place: Place) -> Iterator[Led]:
    """A command that has the file of the led locked, at a gateway that leads it."""
    for server in (place.world.pages, *place.world.mirrors):
        server.forget()
    runners = tmp_path / "runners"
    with runners.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        asked = {"runners": str(runners), "alone": [], "environment": {}}
        query = urlencode({"asked": json.dumps(asked)})
        told = json.loads(place.gateway.get(f"/interception?{query}")[2])
        yield Led(
            place.gateway,
            place.world,
            place.company,
            runners,
            told["token"],
            told["certificate"],
            Path(told["file"]),
            told["hosts"],
        )
