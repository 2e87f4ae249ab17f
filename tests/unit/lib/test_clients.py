"""The clients against a bare index: what the contract tests rest on works without a gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib import wheels
from lib.clients import PIPS, UVS, Environment, Pip, Uv
from lib.index import Index
from lib.serving.servers import RecordingServer


@pytest.mark.network
@pytest.mark.parametrize("kind", ["pip", "uv"])
def test_client_installs_from_a_bare_index_and_sees_nothing_else(tmp_path: Path, kind: str) -> None:
    index = Index()
    leaf = wheels.wheel("leaf", "1.0", size=100_000)
    source = wheels.sdist("from-source", "1.0", ["leaf"])
    index.add(leaf, source, wheels.backend())
    environment = Environment(tmp_path)
    client = Pip(PIPS[-1], environment) if kind == "pip" else Uv(UVS[-1], environment)
    with RecordingServer() as pages, RecordingServer() as files:
        client.point_at(index.mount_origin(pages, files))
        client.install("From_Source").ok()
        assert environment.holds(leaf.files())
        assert {"leaf-1.0", "from_source-1.0"} <= environment.distributions()
        assert not environment.holds({"leaf/__init__.py": b"other"})
        assert pages.requests("/simple/from-source/")
        client.install("no-such-thing").failed()
