"""Copies of large documents: whole or not at all, bounded, followed while they come."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from headrace.errors import StoreError
from headrace.models import Document
from headrace.system.storage.copies import Copies, Copy


def document(**more: object) -> Document:
    return Document(
        url="https://origin.example/ch/noarch/repodata.json",
        body=b"",
        content_type="application/json",
        etag='"e"',
        last_modified="yesterday",
        fetched_at=12.5,
        max_age=600.0,
        headers={"cache-control": "max-age=600", "age": "0"},
        **more,  # type: ignore[arg-type]
    )


def put(kept: Copies, key: str, body: bytes) -> Copy:
    draft = kept.begin(key)
    draft.write(body)
    return kept.commit(key, draft, document())


def test_copy_comes_back_as_it_was_in_this_run_and_in_the_next(tmp_path: Path) -> None:
    copy = put(Copies(tmp_path), "a", b"body")
    assert Copies(tmp_path).get("a") == copy
    assert copy.path.read_bytes() == b"body"
    assert copy.document == document()
    assert Copies(tmp_path).get("b") is None


def test_newer_body_replaces_the_older_and_its_table(tmp_path: Path) -> None:
    kept = Copies(tmp_path)
    old = put(kept, "a", b"old")
    old.table.write_bytes(b"table")
    new = put(kept, "a", b"new")
    assert new.version != old.version
    assert kept.get("a") == new
    assert not old.path.exists()
    assert not old.table.exists()


def test_same_body_keeps_its_version_and_its_table(tmp_path: Path) -> None:
    kept = Copies(tmp_path)
    old = put(kept, "a", b"same")
    old.table.write_bytes(b"table")
    again = put(kept, "a", b"same")
    assert again.version == old.version
    assert again.table.exists()
    assert not list(tmp_path.rglob("*.draft"))


def test_draft_is_nobodys_copy_until_it_is_whole(tmp_path: Path) -> None:
    kept = Copies(tmp_path)
    draft = kept.begin("a")
    draft.write(b"half")
    assert kept.get("a") is None
    draft.discard()
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("damage", ["short", "long", "gone", "note torn", "note of another"])
def test_damaged_copy_is_as_good_as_none(tmp_path: Path, damage: str) -> None:
    kept = Copies(tmp_path)
    copy = put(kept, "a", b"body")
    [note] = tmp_path.rglob("*.note")
    if damage == "gone":
        copy.path.unlink()
    elif damage == "note torn":
        note.write_bytes(note.read_bytes()[:40])
    elif damage == "note of another":
        note.write_text(note.read_text().replace('"key": "a"', '"key": "b"'))
    else:
        copy.path.write_bytes(b"bod" if damage == "short" else b"body.")
    assert kept.get("a") is None


def test_renewed_copy_has_the_same_body_and_the_new_word(tmp_path: Path) -> None:
    kept = Copies(tmp_path)
    copy = put(kept, "a", b"body")
    copy.table.write_bytes(b"table")
    later = Document(url="u", body=b"", content_type="x/y", fetched_at=99.0)
    assert kept.renew("a", copy, later).document == later
    found = kept.get("a")
    assert found is not None
    assert (found.document, found.version) == (later, copy.version)
    assert found.table.exists()


def test_what_is_forgotten_is_gone_but_for_what_is_on_its_way(tmp_path: Path) -> None:
    kept = Copies(tmp_path)
    put(kept, "a", b"body").table.write_bytes(b"table")
    draft = kept.begin("a")
    kept.forget("a")
    assert kept.get("a") is None
    assert [path.suffix for path in tmp_path.rglob("*.*")] == [".draft"]
    draft.discard()


def test_longest_unused_goes_first_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    now = [time.time() - 100_000]
    kept = Copies(tmp_path, limit=10_000, clock=lambda: now[0])
    for number in range(20):
        now[0] += 1000
        copy = put(kept, str(number), b"x" * 1000)
        copy.table.write_bytes(b"t" * 100)
        for path in tmp_path.rglob(f"{copy.path.name.partition('.')[0]}.*"):
            os.utime(path, (now[0], now[0]))
        assert kept.get("0") is not None, "the one in use stays"
    kept.trim()
    assert kept.get("19") is not None
    assert kept.get("5") is None
    left = {path.name.partition(".")[0] for path in tmp_path.rglob("*.body")}
    assert {path.name.partition(".")[0] for path in tmp_path.rglob("*.*")} == left


def test_draft_that_nobody_came_back_for_is_swept(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    kept = Copies(tmp_path, clock=lambda: now[0])
    draft = kept.begin("a")
    draft.close()
    os.utime(draft.path, (now[0], now[0]))
    kept.trim()
    assert draft.path.exists()
    now[0] += 25 * 3600
    kept.trim()
    assert not draft.path.exists()


def test_disk_that_cannot_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        Copies(tmp_path / "file").begin("a")
    with pytest.raises(StoreError):
        Copies(tmp_path).begin("a", size=1 << 60)
    assert not list(tmp_path.rglob("*.draft"))


def test_reader_follows_through_the_naming(tmp_path: Path) -> None:
    kept = Copies(tmp_path)
    draft = kept.begin("a")
    draft.write(b"12345")
    draft.enter()
    assert draft.read(0, 3) == b"123"
    draft.write(b"678")
    kept.commit("a", draft, document())
    assert draft.read(3, 100) == b"45678"
    draft.leave()
    # It has another name now, under which those who come later find it.
    with pytest.raises(StoreError):
        draft.enter()


def test_draft_that_could_not_be_removed_goes_with_its_last_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows does with an open file."""
    draft = Copies(tmp_path).begin("a")
    draft.enter()
    draft.enter()
    unlink = Path.unlink

    def minds(path: Path, *, missing_ok: bool = False) -> None:
        if draft._reading is not None:
            raise PermissionError(13, "in use", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", minds)
    draft.discard()
    draft.leave()
    assert draft.path.exists()
    draft.leave()
    assert not draft.path.exists()


def test_a_copy_that_comes_looks_at_all_others_only_when_there_may_be_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = Copies(tmp_path, limit=10_000)
    looks: list[int] = []
    trim = copies.trim

    def looking() -> int:
        looks.append(trim())
        return looks[-1]

    monkeypatch.setattr(copies, "trim", looking)
    for number in range(30):
        draft = copies.begin(str(number))
        draft.write(b"x" * 900)
        copies.commit(str(number), draft, Document("http://o/", b"", "t"))
    assert len(looks) < 15, "at the first, and after each tenth of the limit"
    assert sum(path.stat().st_size for path in tmp_path.glob("??/*.body")) <= 10_000
