"""Attacks, one kind a module, each at a size that shows our guard and harms nobody.

What must hold is what SECURITY.md promises. Each test was seen to fail before its guard was there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lib import wheels
from lib.index import Index
from lib.serving.servers import RecordingServer


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingServer]:
    """An index with one small wheel, for modules that need no other."""
    index = Index()
    index.add(wheels.wheel("six", "1.0", size=3000))
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made
