"""Documents that go as they are, where the origin, the disk or the gateway itself fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.system.storage import copies
from lib.conda.channel_app import ChannelApp
from lib.conda.channel_documents import BODY, FOLDER, PACKED, until_closed
from lib.serving import modes
from lib.serving.servers import RecordingServer

MB = 1 << 20
pytestmark = pytest.mark.usefixtures("in_one_piece")


# ------------------------------------------------------------------ no such document


@pytest.mark.parametrize("name", ["repodata.json", "repodata.json.zst", "repodata.json.bz2"])
@pytest.mark.parametrize("mode", [modes.HTML, modes.swapped(b""), modes.swapped(b" " * 9000)])
def test_login_page_or_nothing_is_no_document(
    gate: ChannelApp, origin: RecordingServer, name: str, mode: modes.Mode
) -> None:
    origin.content[f"{FOLDER}/{name}"] = b"{}"
    origin.fail(mode)
    told = gate.get(f"{FOLDER}/{name}")
    assert told.status == 302
    assert told.headers["location"] == f"{origin.url}{FOLDER}/{name}"


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_refused_hears_the_origins_own_words(
    gate: ChannelApp, origin: RecordingServer, status: int
) -> None:
    origin.fail(modes.status(status))
    told = gate.get(PACKED)
    assert (told.status, told.headers["location"]) == (302, origin.url + PACKED)


def test_company_that_no_longer_lets_in_is_not_stood_in_for(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with ChannelApp(tmp_path, origin, private=True) as gate:
        assert gate.get(PACKED).body == BODY
        origin.fail(modes.status(403))
        for method in ("GET", "HEAD"):
            assert gate.get(PACKED, method, Cache_Control="no-cache").status == 403


def test_missing_is_remembered_and_the_old_copy_forgotten(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    gate.get(PACKED)
    del origin.content[PACKED]
    assert gate.get(PACKED, Cache_Control="no-cache").status == 404
    count = len(origin.requests(PACKED))
    for method in ("GET", "HEAD"):
        assert gate.get(PACKED, method).status == 404
    assert len(origin.requests(PACKED)) == count
    assert not list(gate.parts.folders.cache.rglob("*.body"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("how", ["5xx", "refused", "silent"])
def test_copy_stands_in_for_an_origin_that_fails_and_says_so(
    gate: ChannelApp, origin: RecordingServer, method: str, how: str
) -> None:
    gate.get(PACKED)
    if how == "refused":
        origin.close()
    else:
        origin.fail(modes.status(502) if how == "5xx" else modes.SILENT)
    told = gate.get(PACKED, method, Cache_Control="no-cache")
    assert told.status == 200
    assert told.body == (BODY if method == "GET" else b"")
    assert told.headers["content-length"] == str(len(BODY))
    assert told.headers["warning"].startswith("110")
    assert told.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_a_copy_it_is_the_origins_to_give_while_it_is_silent(
    gate: ChannelApp, origin: RecordingServer, method: str
) -> None:
    origin.fail(modes.SILENT)
    told = gate.get(PACKED, method)
    assert (told.status, told.headers["location"]) == (302, origin.url + PACKED)


def test_head_downloads_nothing_and_tells_no_wrong_length(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    told = gate.get(PACKED, "HEAD")
    assert told.status == 200
    assert told.headers.get("content-length") in (None, str(len(BODY)))
    assert [seen.method for seen in origin.seen] == ["HEAD"]
    assert gate.get(f"{FOLDER}/run_exports.json", "HEAD").status == 404


# ------------------------------------------------------------------ the disk


def test_disk_that_takes_nothing_leaves_the_document_to_the_origin(
    tmp_path: Path, origin: RecordingServer
) -> None:
    (tmp_path / "cache").mkdir(parents=True)
    (tmp_path / "cache" / "copies").write_bytes(b"no folder can be made here")
    with ChannelApp(tmp_path, origin) as gate:
        told = gate.get(PACKED)
    assert (told.status, told.headers["location"]) == (302, origin.url + PACKED)


def test_disk_that_gets_full_cuts_once_and_then_leaves_it_to_the_origin(
    gate: ChannelApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = copies.Draft.write

    def full(draft: copies.Draft, data: bytes) -> None:
        if draft.size > 1_000_000:
            raise copies._unusable(draft.path, OSError(28, "No space left on device"))
        write(draft, data)

    monkeypatch.setattr(copies.Draft, "write", full)
    assert not gate.get(PACKED).complete
    assert gate.get(PACKED).status == 302
    assert not list(gate.parts.folders.cache.rglob("*.draft"))


def test_document_that_cannot_get_its_name_reaches_its_client_all_the_same(
    gate: ChannelApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "_take_name", never)
    told = gate.get(PACKED)
    assert told.complete
    assert told.body == BODY


def test_note_that_cannot_be_renewed_costs_nothing(
    gate: ChannelApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.get(PACKED)

    def never(*_: object) -> None:
        raise copies._unusable(Path(), OSError(28, "No space left on device"))

    monkeypatch.setattr(copies.Copies, "renew", never)
    assert gate.get(PACKED, Cache_Control="no-cache").body == BODY


# ------------------------------------------------------------------ the end


def test_end_in_the_middle_cuts_its_readers_and_leaves_no_draft(
    tmp_path: Path, origin: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    origin.rate = 1.0 * MB
    with ChannelApp(tmp_path, origin) as gate:
        live = gate.raw(PACKED)
        live.recv(1000)
    assert len(until_closed(live)) < len(BODY)
    assert not list(tmp_path.rglob("*.draft"))
    assert "never retrieved" not in caplog.text
