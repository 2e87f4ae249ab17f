"""Documents that go as they are, through the gateway and over real sockets."""

from __future__ import annotations

import gzip
import random
import threading
import time
from pathlib import Path

import pytest

from headrace.documents import passthrough_fetch
from lib.app import Told
from lib.conda.channel_app import ChannelApp
from lib.conda.channel_documents import (
    BODY,
    JSON,
    MODIFIED,
    NEWER,
    PACKED,
    PAGE,
    body_of,
    until_closed,
)
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import until

MB = 1 << 20
pytestmark = pytest.mark.usefixtures("in_one_piece")


# ------------------------------------------------------------------ as the origin gave it


def test_client_gets_the_origins_bytes_and_validators(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = Reply(BODY, 200, "binary/octet-stream", {"Last-Modified": MODIFIED})
    told = gate.get(PACKED)
    direct = origin.content[PACKED]
    assert isinstance(direct, Reply)
    assert (told.status, told.body) == (200, BODY)
    assert told.headers["content-type"] == direct.content_type
    assert told.headers["last-modified"] == MODIFIED
    assert told.headers["etag"].startswith('"')
    assert told.headers["content-length"] == str(len(BODY))


def test_many_clients_at_a_time_are_one_request(gate: ChannelApp, origin: RecordingServer) -> None:
    origin.rate = 6.0 * MB
    told: list[Told] = []
    threads = [threading.Thread(target=lambda: told.append(gate.get(PACKED))) for _ in range(6)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # late ones follow what is on its way
    for thread in threads:
        thread.join()
    assert [each.body == BODY for each in told] == [True] * 6
    assert len(origin.requests(PACKED)) == 1


def test_slow_reader_gets_all_of_it_after_it_has_got_its_name(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    content = origin.content[PACKED] = body_of(12 * MB)
    with gate.raw(PACKED) as live:
        first = live.recv(1000)
        assert gate.get(PACKED).body == content
        assert gate.get(PACKED, Cache_Control="no-cache").status == 200
        time.sleep(0.3)
        rest = b""
        head = len(first.partition(b"\r\n\r\n")[0]) + 4
        while len(first + rest) < head + len(content):
            rest += live.recv(1 << 20)
        assert (first + rest).partition(b"\r\n\r\n")[2] == content


def test_client_that_goes_away_costs_no_other_anything(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.rate = 4.0 * MB
    live = gate.raw(PACKED)
    live.recv(1000)
    live.close()
    assert gate.get(PACKED).body == BODY
    assert len(origin.requests(PACKED)) == 1


@pytest.mark.parametrize("reader", ["follows", "is gone"])
def test_where_an_open_file_cannot_be_renamed_it_is_copied_and_the_draft_goes(
    tmp_path: Path, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    def replace(path: Path, target: Path) -> Path:
        if path.suffix == ".draft":
            raise PermissionError(13, "in use", str(path))
        path.rename(target)
        return target

    monkeypatch.setattr(Path, "replace", replace)
    with ChannelApp(tmp_path, origin) as gate:
        if reader == "is gone":
            gate.get(PACKED, method="HEAD")
        assert gate.get(PACKED).body == BODY
        time.sleep(0.2)
        origin.close()
        assert gate.get(PACKED).body == BODY
        assert not list(tmp_path.rglob("*.draft"))


# ------------------------------------------------------------------ conditions


def test_copy_is_revalidated_with_its_validators(gate: ChannelApp, origin: RecordingServer) -> None:
    first = gate.get(PACKED)
    again = gate.get(PACKED, Cache_Control="no-cache")
    assert again.body == BODY
    assert [seen.status for seen in origin.requests(PACKED)] == [200, 304]
    assert origin.requests(PACKED)[1].headers["if-none-match"] == first.headers["etag"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": '"a", {etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": MODIFIED}, 304),
        ({"If-Modified-Since": "Thu, 02 Jan 2025 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": MODIFIED, "If-None-Match": '"other"'}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_client_that_has_it_is_told_so(
    gate: ChannelApp, origin: RecordingServer, method: str, headers: dict[str, str], status: int
) -> None:
    origin.content[PACKED] = Reply(BODY, 200, "x/y", {"Last-Modified": MODIFIED})
    etag = gate.get(PACKED).headers["etag"]
    asked = {name: value.format(etag=etag) for name, value in headers.items()}
    told = gate.ask(gate.prefix + PACKED, asked, method=method)
    assert told.status == status
    assert told.headers["etag"] == etag
    assert told.body == (BODY if (status, method) == (200, "GET") else b"")


def test_lifetime_is_the_origins_and_the_age_is_told(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    kept = {"Cache-Control": "public, max-age=1200", "Age": "100"}
    origin.content[PACKED] = Reply(BODY, 200, "x/y", kept)
    first = gate.get(PACKED)
    until(lambda: int(gate.get(PACKED).headers["age"]) > 100, pause=0.2)
    second = gate.get(PACKED)
    assert len(origin.requests(PACKED)) == 1
    assert (
        first.headers["cache-control"] == second.headers["cache-control"] == kept["Cache-Control"]
    )
    assert first.headers["age"] == "100"
    origin.content[PACKED] = Reply(BODY, 200, "x/y", {"Cache-Control": "max-age=7"})
    assert gate.get(PACKED, Cache_Control="no-cache").headers["cache-control"] == "max-age=7"


def test_what_must_not_be_stored_is_given_to_nobody_else(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = Reply(BODY, 200, "x/y", {"Cache-Control": "no-store"})
    assert gate.get(PACKED).headers["cache-control"] == "no-store"
    assert gate.get(PACKED).body == BODY
    assert [seen.status for seen in origin.requests(PACKED)] == [200, 200]
    origin.fail(modes.status(503))
    assert gate.get(PACKED).status == 302


# ------------------------------------------------------------------ cuts


def test_body_that_breaks_off_is_cut_before_its_length(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.etags = False
    origin.fail(modes.cut(2_000_000), times=1)
    told = until_closed(gate.raw(PACKED))
    head, _, body = told.partition(b"\r\n\r\n")
    assert f"content-length: {len(BODY)}".encode() in head.lower()
    assert 0 < len(body) < len(BODY)


@pytest.mark.parametrize("framed", [False, True], ids=["cut", "cut-and-framed-anew"])
def test_coded_body_that_breaks_off_gets_no_last_chunk(
    gate: ChannelApp, origin: RecordingServer, *, framed: bool
) -> None:
    rich = b'{"packages": {}, "x": "' + random.Random(1).randbytes(400_000).hex().encode() + b'"}'
    packed = gzip.compress(rich, 1)
    short = packed[: len(packed) // 2] if framed else packed
    origin.content[PAGE] = Reply(short, 200, "application/json", {"Content-Encoding": "gzip"})
    if not framed:
        origin.fail(modes.cut(200_000))
    told = until_closed(gate.raw(PAGE))
    head, _, body = told.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert len(body) > 1000
    assert not told.endswith(b"0\r\n\r\n")


def test_coded_body_comes_decoded_and_ends_cleanly(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.compress = True
    told = gate.get(PAGE)
    assert told.body == JSON
    assert "content-encoding" not in told.headers
    assert gate.get(PAGE).headers["content-length"] == str(len(JSON))


@pytest.mark.parametrize("mode", [modes.cut(1_000_000), modes.cut(1_000_000, reset=True)])
def test_cut_is_continued_at_the_same_byte(
    gate: ChannelApp, origin: RecordingServer, mode: modes.Mode
) -> None:
    origin.fail(mode, times=2)
    told = gate.get(PACKED)
    assert told.body == BODY
    seen = origin.requests(PACKED)
    assert len(seen) == 3
    assert seen[1].headers["if-range"] == told.headers["etag"]
    assert seen[1].headers["accept-encoding"] == "identity"
    assert seen[1].range is not None
    assert 0 < (seen[1].range[0] or 0) <= 1_000_000


def test_line_that_cuts_again_and_again_is_borne_as_long_as_bytes_come(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.fail(modes.cut(300_000), times=12)
    assert gate.get(PACKED).body == BODY


def test_stall_is_continued_at_the_same_byte(
    tmp_path: Path, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passthrough_fetch, "ORIGIN_SILENCE", 0.5)
    origin.fail(modes.stall(1_000_000), times=1)
    with ChannelApp(tmp_path, origin) as gate:
        assert gate.get(PACKED).body == BODY
    assert len(origin.requests(PACKED)) == 2


def test_origin_that_ignores_the_range_gives_the_rest_all_the_same(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.ranges = False
    origin.fail(modes.cut(1_000_000), times=1)
    assert gate.get(PACKED).body == BODY
    assert [seen.status for seen in origin.requests(PACKED)] == [200, 200]


def test_shorter_part_than_asked_is_no_end(gate: ChannelApp, origin: RecordingServer) -> None:
    """RFC 9110 section 15.3.7 allows it; what is missing is asked for again."""
    etag = '"v1"'

    def parts(_: str, headers: object) -> Reply:
        assert isinstance(headers, dict)
        if "range" not in headers:
            return Reply(BODY, 200, "x/y", {"ETag": etag})
        start = int(headers["range"].removeprefix("bytes=").rstrip("-"))
        end = min(start + 700_000, len(BODY))
        told = {"ETag": etag, "Content-Range": f"bytes {start}-{end - 1}/{len(BODY)}"}
        return Reply(BODY[start:end], 206, "x/y", told)

    origin.content[PACKED] = parts
    origin.fail(modes.cut(500_000), times=1)
    told = gate.get(PACKED)
    assert told.complete
    assert told.body == BODY


def test_document_that_changes_in_the_middle_is_cut_and_the_next_gets_the_new_one(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = body_of(1000, "old")
    assert gate.get(PACKED).status == 200
    origin.forget()
    origin.content[PACKED] = BODY
    origin.rate = 3.0 * MB
    origin.fail(modes.cut(1_500_000), times=1)
    gate_told: list[Told] = []
    thread = threading.Thread(
        target=lambda: gate_told.append(gate.get(PACKED, Cache_Control="no-cache"))
    )
    thread.start()
    while origin.bytes_sent(PACKED) < 200_000:
        time.sleep(0.01)
    origin.content[PACKED] = NEWER
    thread.join()
    assert not gate_told[0].complete
    assert BODY.startswith(gate_told[0].body)
    origin.rate = None
    assert gate.get(PACKED, Cache_Control="no-cache").body == NEWER
