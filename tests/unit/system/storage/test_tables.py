"""Tables of what a large document names."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.lookups import Entry
from headrace.models import Digest
from headrace.system.storage import tables

SHA = Digest("sha256", "ab" * 32)


def test_what_was_written_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.table"
    rows = {
        "a": Entry(SHA, 5),
        "b": Entry(None, None),
        "c": Entry(None, 0),
        "d": Entry(Digest("sha512", "cd" * 64), 7),
        "\udc80": Entry(SHA, 1 << 70),
    }
    assert tables.write(path, rows.items()) == 5
    assert tables.find(path, "a") == rows["a"]
    assert tables.find(path, "b") == rows["b"]
    assert tables.find(path, "c") == rows["c"]
    assert tables.find(path, "d") == Entry(None, 7)
    assert tables.find(path, "\udc80") == Entry(SHA, None)
    assert tables.find(path, "e") is None


def test_of_two_entries_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.table"
    assert tables.write(path, [("a", Entry(SHA, 1)), ("a", Entry(None, 2))]) == 1
    assert tables.find(path, "a") == Entry(SHA, 1)


def test_empty_table_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.table"
    assert tables.write(path, []) == 0
    assert tables.usable(path)
    assert tables.find(path, "a") is None


@pytest.mark.parametrize("content", [b"", b"short", b"headrace-table 1\n" + bytes(56), bytes(80)])
def test_what_is_no_table_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.table"
    assert not tables.usable(path)
    path.write_bytes(content)
    assert not tables.usable(path)
    assert tables.find(path, "a") is None


def test_table_whose_source_breaks_off_is_not_written(tmp_path: Path) -> None:
    def rows() -> object:
        yield "a", Entry(SHA, 1)
        raise ValueError("damaged")

    with pytest.raises(ValueError):
        tables.write(tmp_path / "a.table", rows())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_table_that_does_not_fit_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "_write_sorted", full)
    with pytest.raises(OSError, match="No space"):
        tables.write(tmp_path / "a.table", [("a", Entry(SHA, 1))])
    assert not list(tmp_path.iterdir())
