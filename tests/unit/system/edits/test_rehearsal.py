"""Whether a file could be written is found out by writing beside it; nothing stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.system.edits import rehearsal
from headrace.system.edits.rehearsal import trouble


def test_a_place_that_can_be_written_is_no_trouble_and_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    file.write_text("mine")
    before = file.stat()
    for path in (file, tmp_path / "new.conf", tmp_path / "a" / "b" / "new.conf"):
        assert trouble(path, 1000) == ""
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "mine"
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    assert str(tmp_path / "a" / "b.conf") in trouble(tmp_path / "a" / "b.conf")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "a" / "b.conf")
    assert f"{link} cannot be written" in trouble(link)


def test_a_link_to_itself_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("link")
    assert "leads nowhere" in trouble(link)


def test_a_link_into_a_folder_that_is_not_there_yet_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new" / "b.conf")
    assert trouble(link) == ""
    assert not (tmp_path / "new").exists()


def test_a_full_disk_shows_in_what_is_written_and_not_in_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in trouble(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_something_is_mounted_on_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a file"
    file.write_text("")
    mounts = tmp_path / "mountinfo"
    name = str(file).replace(" ", "\\040")
    mounts.write_text(
        f"36 35 98:0 / / rw - ext3 /dev/root rw\n37 36 98:0 /x {name} rw - ext3 x rw\n"
    )
    monkeypatch.setattr(rehearsal, "_MOUNTS", mounts)
    assert "mounted on this very file" in trouble(file)
    assert trouble(tmp_path / "b") == ""
