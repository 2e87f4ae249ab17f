"""A gateway in front of an origin that serves the module's own `index`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.app import App
from lib.index import Index
from lib.serving.servers import RecordingServer


@pytest.fixture
def origin(index: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        made.cache_control = "max-age=600"
        index.mount_origin(made)
        yield made


@pytest.fixture
def app(tmp_path: Path, origin: RecordingServer) -> Iterator[App]:
    with App(tmp_path, f"{origin.url}/simple") as made:
        yield made
