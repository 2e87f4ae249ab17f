"""Fixtures of the contract tests: a world of servers, and real clients in pinned versions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lib.clients import ALL, NAMES, PIPS, UVS, Environment, Installer, Pip, Uv, chosen, make_client
from lib.world import MakeWorld, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Make worlds; `world(mirrors=2, …)`, see `make_world`."""
    with contextlib.ExitStack() as stack:
        yield partial(make_world, tmp_path, stack)


@pytest.fixture(params=NAMES)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Installer:
    """Every client that this run is about."""
    return make_client(tmp_path / "client", str(request.param))


@pytest.fixture(params=NAMES if ALL else [f"pip-{PIPS[-1]}", f"uv-{UVS[-1]}"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Installer:
    """Return the newest of each in a fast run, every client in a full one."""
    return make_client(tmp_path / "client", str(request.param))


@pytest.fixture(params=chosen(PIPS), ids=lambda v: f"pip-{v}")
def pip(request: pytest.FixtureRequest, tmp_path: Path) -> Pip:
    """Every pip that this run is about."""
    return Pip(str(request.param), Environment(tmp_path / "client"))


@pytest.fixture(params=chosen(UVS), ids=lambda v: f"uv-{v}")
def uv(request: pytest.FixtureRequest, tmp_path: Path) -> Uv:
    """Every uv that this run is about."""
    return Uv(str(request.param), Environment(tmp_path / "client"))


@pytest.fixture
def newest(tmp_path: Path) -> Pip:
    """Return the newest pip, for what does not depend on the client."""
    return Pip(PIPS[-1], Environment(tmp_path / "client"))
