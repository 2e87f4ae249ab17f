"""Long documents come in parts over several connections, all of one version."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from headrace.gateway import wiring
from headrace.models import Mirror, OperatorClass
from lib.conda.channel_app import ChannelApp
from lib.conda.channel_documents import PACKED, body_of
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG, until

MB = 1 << 20
BODY = body_of(6 * MB, "one")


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer({PACKED: BODY}) as server:
        # Each connection is slow, the line is not: what loss does to a far one.
        server.fail(modes.slow(0.6 * MB))
        yield server


def at_a_time(origin: RecordingServer) -> int:
    """Return the most requests that ran at the same time."""
    marks = [(s.started, 1) for s in origin.seen] + [(s.ended or 1e9, -1) for s in origin.seen]
    running = most = 0
    for _, step in sorted(marks):
        running += step
        most = max(most, running)
    return most


def test_long_document_comes_over_several_connections_and_is_the_origins(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    told = gate.get(PACKED)
    assert (told.status, told.body) == (200, BODY)
    assert told.headers["content-length"] == str(len(BODY))
    assert at_a_time(origin) >= 2
    parts = [seen for seen in origin.seen if seen.range is not None]
    assert all(seen.headers.get("if-range") for seen in parts if seen.range and seen.range[0])
    before = len(origin.seen)
    assert gate.get(PACKED).body == BODY
    assert len(origin.seen) == before


def test_parts_of_a_far_document_are_asked_for_before_one_of_them_is_here(
    gate: ChannelApp, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "IN_PIECES_FROM", 0.0)
    release, asked, told = threading.Event(), set[str](), list[bytes]()

    def silent(_path: str, headers: Mapping[str, str]) -> Reply:
        if "range" in headers:
            asked.add(headers["range"])
            release.wait(HANG)
        return Reply(BODY)

    origin.content[PACKED] = silent
    client = threading.Thread(target=lambda: told.append(gate.get(PACKED).body))
    client.start()
    try:
        until(lambda: len(asked) == 4)
    finally:
        release.set()
        client.join()
    assert told == [BODY]


def test_readers_follow_a_document_that_comes_in_parts(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    told: list[bytes] = []
    threads = [threading.Thread(target=lambda: told.append(gate.get(PACKED).body)) for _ in "ab"]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert told == [BODY, BODY]
    assert sum(seen.sent for seen in origin.seen) < 1.5 * len(BODY)


def test_parts_of_two_versions_are_never_one_document(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    newer = body_of(6 * MB, "two")

    def change() -> None:
        until(lambda: sum(seen.sent for seen in origin.seen) >= 2 * MB)
        origin.content[PACKED] = newer

    thread = threading.Thread(target=change)
    thread.start()
    cut = gate.raw(PACKED)
    found = b""
    with cut:
        while part := cut.recv(1 << 16):
            found += part
    thread.join()
    body = found.partition(b"\r\n\r\n")[2]
    assert len(body) < len(BODY)
    assert BODY.startswith(body)
    origin.heal()
    assert gate.get(PACKED).body == newer


def test_origin_without_ranges_gives_it_in_one_piece(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.ranges = False
    origin.heal()
    assert gate.get(PACKED).body == BODY
    assert [seen.status for seen in origin.seen] == [200]


def test_parts_that_fail_are_asked_for_as_one(gate: ChannelApp, origin: RecordingServer) -> None:
    origin.heal()
    whole = origin.find

    def find(path: str, headers: dict[str, str]) -> Reply:
        # A cache that has no parts of it, and says so with an error.
        ranged = headers.get("range", "")
        broken = ranged and not ranged.endswith("-")
        return Reply(b"", 502) if broken else whole(path, headers)

    origin.find = find  # type: ignore[method-assign, assignment]
    assert gate.get(PACKED).body == BODY


def test_a_stated_digest_is_what_the_parts_are_checked_by(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    right = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    origin.content[PACKED] = Reply(
        BODY, 200, "application/zstd", {"Repr-Digest": f"sha-256=:{right}:"}
    )
    assert gate.get(PACKED).body == BODY


def test_what_its_origin_states_when_it_is_asked_to_comes_from_mirrors(
    tmp_path: Path, origin: RecordingServer
) -> None:
    right = base64.b64encode(hashlib.sha256(BODY).digest()).decode()

    def states(_path: str, headers: Mapping[str, str]) -> Reply:
        wanted = headers.get("want-repr-digest") == "sha-256=10"
        told = {"Repr-Digest": f"sha-256=:{right}:"} if wanted else {}
        return Reply(BODY, 200, "application/zstd", told)

    origin.content[PACKED] = states
    with RecordingServer({PACKED: BODY}, name="mirror") as server:
        mirror = Mirror(
            "mirror", "conda", server.url, "same-path", operator_class=OperatorClass.ORGANISATION
        )
        with ChannelApp(tmp_path, origin, mirrors=[mirror]) as gate:
            assert gate.get(PACKED).body == BODY
        assert sum(seen.sent for seen in server.seen) > len(BODY) // 2


def test_lie_of_a_mirror_goes_to_nobody_and_is_not_kept(
    tmp_path: Path, origin: RecordingServer
) -> None:
    body, lie = body_of(24 * MB, "long"), body_of(24 * MB, "a lie")
    origin.fail(modes.slow(2 * MB))
    right = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {"Repr-Digest": f"sha-256=:{right}:"}
    origin.content[PACKED] = Reply(body, 200, "application/zstd", headers)
    with RecordingServer({PACKED: lie}, name="liar") as liar:
        mirror = Mirror(
            "liar", "conda", liar.url, "same-path", operator_class=OperatorClass.ORGANISATION
        )
        with ChannelApp(tmp_path, origin, mirrors=[mirror]) as gate:
            first = gate.get(PACKED)
            assert liar.seen
            assert (first.complete, first.body == body) == (True, True)
            again = gate.get(PACKED)
            assert (again.complete, again.body == body) == (True, True)
            assert gate.get(PACKED).body == body
