"""An origin with one document, packed and not, and the gateway before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.documents import passthrough_fetch
from lib.conda.channel_app import ChannelApp
from lib.conda.channel_documents import BODY, JSON, PACKED, PAGE
from lib.serving.servers import RecordingServer, Reply


@pytest.fixture
def in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes in parts is another file's subject."""
    monkeypatch.setattr(passthrough_fetch, "IN_PARTS", 1 << 40)


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer({PACKED: BODY, PAGE: Reply(JSON, 200, "application/json")}) as server:
        yield server


@pytest.fixture
def gate(tmp_path: Path, origin: RecordingServer) -> Iterator[ChannelApp]:
    with ChannelApp(tmp_path, origin) as made:
        yield made
