"""The world of the conda tests (`lib.conda.world`), and somebody with a conda of his own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.conda.clients import chosen_bases, no_base
from lib.conda.user import User, somebody
from lib.conda.world import MakeWorld, maker
from lib.serving.servers import RecordingServer

BASES = {base.version: base for base in chosen_bases()}
NEWEST = next(iter(BASES), "")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Make worlds; `world(package, mirrors=2, …)`, see `make_world`."""
    with contextlib.ExitStack() as stack:
        yield maker(tmp_path, stack)


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as server:
        yield server


@pytest.fixture(params=BASES or [pytest.param("", marks=pytest.mark.skip(reason=no_base()))])
def user(request: pytest.FixtureRequest, tmp_path: Path, origin: RecordingServer) -> Iterator[User]:
    with somebody(tmp_path, BASES[str(request.param)], origin) as made:
        yield made


@pytest.fixture
def newest(tmp_path: Path, origin: RecordingServer) -> Iterator[User]:
    with somebody(tmp_path, BASES[NEWEST], origin) as made:
        yield made
