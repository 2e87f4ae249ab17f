"""The newest conda of this machine, with a channel that has builds for GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_conda.tools import bases
from lib.conda.clients import Conda
from lib.conda.gpu_channel import channel
from lib.conda.world import NEWEST, inside_alone, make_client
from lib.serving.servers import RecordingServer


@pytest.fixture
def conda(tmp_path: Path) -> Iterator[Conda]:
    """The newest conda here, with its best solver, its own plugin of ours, and the channel."""
    made = make_client(NEWEST, tmp_path / "home")
    assert isinstance(made, Conda)
    with RecordingServer(name="origin") as origin:
        made.configure(channels=[channel().mount_origin(origin)])
        made.see_plugin("headrace_conda_inside", inside_alone(tmp_path / "inside"))
        bases._seen.cache_clear()
        yield made
