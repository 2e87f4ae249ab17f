"""What conda asks for after a channel's notices is on its way before it asks."""

from __future__ import annotations

import platform
import sys
import threading
from pathlib import Path

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


def ask_notices(gate: ChannelApp) -> Told:
    return gate.get(NOTICES, User_Agent="conda/26.7.1 requests/2.34.2")


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


def test_nothing_is_asked_ahead_of_a_private_host(tmp_path: Path, origin: RecordingServer) -> None:
    with ChannelApp(tmp_path, origin, private=True) as gate:
        ask_notices(gate)
        gate.get("/ch/noarch/repodata.json")
    assert [seen.path for seen in origin.seen] == [NOTICES, "/ch/noarch/repodata.json"]
