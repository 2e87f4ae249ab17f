"""Holders for the tests of this folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.holders import Hold, Running, none_left


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Start holders; none of their processes may be left when the test is over."""
    with contextlib.ExitStack() as stack:

        def start(mode: str = "good", *extra: str, script: Path | None = None) -> Running:
            running = Running(tmp_path, mode, *extra, script=script)
            stack.callback(running.close)
            return running

        yield start
    none_left(str(tmp_path))
