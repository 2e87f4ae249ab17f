"""The world of the conda tests: see `lib.conda_world`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.conda_world import MakeWorld, maker


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Make worlds; `world(package, mirrors=2, …)`, see `make_world`."""
    with contextlib.ExitStack() as stack:
        yield maker(tmp_path, stack)
