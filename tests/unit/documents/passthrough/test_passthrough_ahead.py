"""What conda asks for after a channel's notices is on its way before it asks."""

from __future__ import annotations

import platform
import sys
import threading
from pathlib import Path

import pytest

from headrace_conda.subdirs import subdir_of
from lib.app import Told
from lib.conda.channel_app import ChannelApp
from lib.conda.channel_documents import body_of
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import until

NOTICES = "/ch/notices.json"
INDEXES = [
    f"/ch/{subdir}/repodata_shards.msgpack.zst"
    for subdir in (subdir_of(sys.platform, platform.machine()), "noarch")
]


FLAT = [path.replace("repodata_shards.msgpack", "repodata.json") for path in INDEXES]
CONDA = "conda/26.7.1 requests/2.34.2"


def ask_notices(gate: ChannelApp, client: str = CONDA) -> Told:
    return gate.get(NOTICES, User_Agent=client)


def test_indexes_come_with_the_notices_and_are_asked_for_once(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    kept = {"Cache-Control": "max-age=1200"}
    origin.content |= {path: Reply(body_of(9000, path), 200, "x/y", kept) for path in INDEXES}
    release = threading.Event()
    origin.fail(modes.held(release), NOTICES)
    told: list[Told] = []
    client = threading.Thread(target=lambda: told.append(ask_notices(gate)))
    client.start()
    try:
        # Nobody has asked for them, and conda waits for its notices.
        until(lambda: all(origin.requests(path) for path in INDEXES))
    finally:
        release.set()
        client.join()
    assert [gate.get(path).body for path in INDEXES] == [body_of(9000, path) for path in INDEXES]
    ask_notices(gate)
    assert [len(origin.requests(path)) for path in INDEXES] == [1, 1]


def test_channel_without_them_is_asked_once_too(gate: ChannelApp, origin: RecordingServer) -> None:
    ask_notices(gate)
    until(lambda: all(origin.requests(path) for path in INDEXES))
    assert [gate.get(path).status for path in INDEXES] == [404, 404]
    assert [len(origin.requests(path)) for path in INDEXES] == [1, 1]


@pytest.mark.parametrize("turn", ["first", "second"])
def test_channel_without_them_gives_flat_repodata_before_conda_asks_for_that(
    gate: ChannelApp, origin: RecordingServer, turn: str
) -> None:
    kept = {"Cache-Control": "max-age=1200"}
    origin.content |= {path: Reply(body_of(9000, path), 200, "x/y", kept) for path in FLAT}
    if turn == "second":  # what is missing is known
        assert [gate.get(path).status for path in INDEXES] == [404, 404]
    ask_notices(gate, f"{CONDA} solver/rattler conda-rattler-solver/0.2.0")
    until(lambda: all(origin.requests(path) for path in FLAT))
    assert [gate.get(path).status for path in INDEXES] == [404, 404]
    assert [gate.get(path).body for path in FLAT] == [body_of(9000, path) for path in FLAT]
    assert [len(origin.requests(path)) for path in (*INDEXES, *FLAT)] == [1, 1, 1, 1]


def test_nothing_is_asked_ahead_of_a_private_host(tmp_path: Path, origin: RecordingServer) -> None:
    with ChannelApp(tmp_path, origin, private=True) as gate:
        ask_notices(gate)
        gate.get("/ch/noarch/repodata.json")
    assert [seen.path for seen in origin.seen] == [NOTICES, "/ch/noarch/repodata.json"]
