"""A far origin's document comes in pieces side by side: the first tells what the others are."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from headrace.documents import document_pieces, passthrough_fetch
from headrace.documents.document_pieces import FIRST_PIECE, spans
from lib.app import Told
from lib.conda.channel_app import ChannelApp
from lib.conda.channel_documents import MODIFIED, PACKED, PAGE, body_of, until_closed
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import until

BODY = body_of(150_000)
NEWER = body_of(150_000, "newer")


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every origin counts as far."""
    monkeypatch.setattr(passthrough_fetch, "IN_PIECES_FROM", 0.0)


def ranges(origin: RecordingServer, path: str = PACKED) -> list[tuple[int, int | None]]:
    """Return what was asked for, exclusive ends, by place."""
    asked = [seen.headers.get("range", "") for seen in origin.requests(path)]
    found = [text.removeprefix("bytes=").split("-") for text in asked if text]
    return sorted((int(start), int(end) + 1 if end else None) for start, end in found)


def test_pieces_are_all_asked_for_before_one_of_them_is_here(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = Reply(BODY, 200, "x/y", {"Last-Modified": MODIFIED})
    release = threading.Event()
    origin.fail(modes.held(release))
    origin.fail(modes.OK, times=1)
    told: list[Told] = []
    client = threading.Thread(target=lambda: told.append(gate.get(PACKED)))
    client.start()
    rest = spans(FIRST_PIECE, len(BODY))
    try:
        until(lambda: len(origin.requests(PACKED)) == 1 + len(rest))
    finally:
        release.set()
        client.join()
    assert len(rest) > 1
    assert ranges(origin) == [(0, FIRST_PIECE), *rest]
    assert (told[0].status, told[0].body) == (200, BODY)
    assert told[0].headers["content-length"] == str(len(BODY))
    assert told[0].headers["last-modified"] == MODIFIED
    assert "content-range" not in told[0].headers
    assert all(seen.headers["if-range"] for seen in origin.requests(PACKED)[1:])


def test_what_fits_into_the_first_piece_is_one_request(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = BODY[: FIRST_PIECE - 1]
    assert gate.get(PACKED).body == BODY[: FIRST_PIECE - 1]
    assert gate.get(PACKED).status == 200
    assert len(origin.requests(PACKED)) == 1


def test_copy_is_still_revalidated_with_one_request(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = BODY
    gate.get(PACKED)
    before = len(origin.requests(PACKED))
    assert gate.get(PACKED, Cache_Control="no-cache").body == BODY
    assert [seen.status for seen in origin.requests(PACKED)[before:]] == [304]


def test_what_may_come_coded_is_asked_for_in_one(gate: ChannelApp, origin: RecordingServer) -> None:
    gate.get(PAGE)
    assert [seen.headers.get("range") for seen in origin.requests(PAGE)] == [None]


@pytest.mark.parametrize(
    "mode",
    [
        modes.NO_RANGES,
        modes.NO_RANGE_TOLD,
        modes.MULTIPART,
        modes.wrong_range(7),
        modes.other_total(9),
        modes.status(416),
        modes.cut(100),
    ],
    ids=lambda mode: mode.kind,
)
@pytest.mark.parametrize("which", ["first", "others"])
def test_origin_that_cannot_give_pieces_is_asked_for_it_in_one(
    gate: ChannelApp, origin: RecordingServer, mode: modes.Mode, which: str
) -> None:
    origin.content[PACKED] = BODY
    origin.fail(mode, times=1 if which == "first" else None)
    if which == "others":
        origin.fail(modes.OK, times=1)
    told = until_closed(gate.raw(PACKED)).partition(b"\r\n\r\n")[2]
    assert BODY.startswith(told) or told.startswith(b"headrace: ")
    origin.heal()
    origin.forget()
    assert gate.get(PACKED).body == BODY
    if told != BODY:
        assert [seen.headers.get("range") for seen in origin.requests(PACKED)] == [None]


def test_first_piece_that_comes_coded_is_none(gate: ChannelApp, origin: RecordingServer) -> None:
    origin.content[PACKED] = BODY
    origin.fail(modes.GZIP, times=1)
    assert gate.get(PACKED).body == BODY


def test_pieces_of_two_versions_are_never_one_document(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = BODY
    whole = origin.find

    def find(path: str, headers: Mapping[str, str]) -> Any:
        found = whole(path, headers)
        if path == PACKED:
            origin.content[PACKED] = NEWER
        return found

    origin.find = find  # type: ignore[method-assign]
    body = until_closed(gate.raw(PACKED)).partition(b"\r\n\r\n")[2]
    assert len(body) < len(BODY)
    assert BODY.startswith(body)
    assert gate.get(PACKED).body == NEWER


def test_an_origin_that_names_no_version_is_asked_for_it_in_one(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    origin.content[PACKED] = BODY
    origin.etags = False
    assert gate.get(PACKED).body == BODY
    assert [seen.status for seen in origin.requests(PACKED)] == [206, 200]


def test_pieces_leave_nothing_out_and_none_is_small() -> None:
    least = document_pieces._LEAST
    for size in (1, least, 2 * least, 100_001, 1 << 20):
        found = spans(5, 5 + size)
        assert found[0][0] == 5
        assert found[-1][1] == 5 + size
        assert all(end == start for (_, end), (start, _) in itertools.pairwise(found))
        assert len(found) == 1 or all(end - start >= least for start, end in found)
