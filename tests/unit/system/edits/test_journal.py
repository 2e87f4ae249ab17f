"""The journal where it meets links, modes, other people's changes, and a disk that says no."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ConflictError, LocalError
from headrace.interface.hookspecs import FileEdit, Reload
from headrace.system.edits import journal as journal_module
from headrace.system.edits.file_step import FileStep, perform, read_file
from headrace.system.edits.journal import Journal, JournalEntry
from headrace.system.edits.three_way import diff, without
from lib.capabilities import lacks

ROOT = os.geteuid() == 0


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal")


def edit(journal: Journal, path: Path, after: bytes | None, *, private: bool = False) -> FileEdit:
    return FileEdit(path, journal.pristine(path), after, "test", private)


def apply(journal: Journal, *edits: FileEdit) -> list[FileEdit]:
    return journal.apply([("tool", each) for each in edits])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_journal_is_for_its_owner_alone(tmp_path: Path, journal: Journal) -> None:
    apply(journal, edit(journal, tmp_path / "conf", b"ours"))
    assert mode(journal.path) == 0o600
    assert mode(journal.path.parent) == 0o700


def test_links_are_followed_and_stay_links(tmp_path: Path, journal: Journal) -> None:
    real = tmp_path / "dotfiles" / "pip.conf"
    real.parent.mkdir()
    real.write_bytes(b"mine\n")
    link = tmp_path / "pip.conf"
    link.symlink_to(real)
    apply(journal, edit(journal, link, b"mine\nours\n"))
    assert link.is_symlink()
    assert real.read_bytes() == b"mine\nours\n"
    journal.undo()
    assert link.is_symlink()
    assert real.read_bytes() == b"mine\n"


def test_a_link_that_leads_to_itself_is_this_machines_fault(
    tmp_path: Path, journal: Journal
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(LocalError):
        apply(journal, FileEdit(loop, None, b"ours", "test"))


def test_mode_and_owner_are_kept(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a")
    path.chmod(0o640)
    if ROOT:
        os.chown(path, 1234, 2345)
    apply(journal, edit(journal, path, b"b"))
    assert mode(path) == 0o640
    if ROOT:
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)
    journal.undo()
    assert mode(path) == 0o640


@pytest.mark.skipif(not ROOT, reason=lacks("root", "files of other accounts"))
def test_what_root_makes_in_a_home_belongs_to_its_owner(tmp_path: Path, journal: Journal) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1234, 2345)
    path = home / ".config" / "pip" / "pip.conf"
    apply(journal, edit(journal, path, b"ours"))
    for each in (path, path.parent, path.parent.parent):
        assert each.stat().st_uid == 1234


def test_who_is_not_root_makes_folders_as_anybody_does(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    path = tmp_path / "new" / "deeper" / "conf"
    apply(journal, edit(journal, path, b"ours"))
    assert path.read_bytes() == b"ours"


def test_a_secret_makes_the_file_private_until_off(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a")
    path.chmod(0o644)
    apply(journal, edit(journal, path, b"token", private=True))
    assert mode(path) == 0o600
    journal.undo()
    assert mode(path) == 0o644


@pytest.mark.parametrize("bits", [0o640, 0o604])
def test_edit_that_changes_nothing_leaves_the_mode_also_where_it_would_be_private(
    tmp_path: Path, journal: Journal, bits: int
) -> None:
    path, none = tmp_path / "conf", tmp_path / "none"
    path.write_bytes(b"a")
    path.chmod(bits)
    same = edit(journal, path, b"a", private=True)
    assert apply(journal, same, edit(journal, none, None, private=True)) == []
    assert (mode(path), none.exists()) == (bits, False)
    assert journal.entries() == ()


def test_file_that_begins_to_hold_a_secret_becomes_private_though_its_text_stays(
    tmp_path: Path, journal: Journal
) -> None:
    path = tmp_path / "conf"
    apply(journal, edit(journal, path, b"token"))
    private = edit(journal, path, b"token", private=True)
    assert apply(journal, private) == [private]
    assert mode(path) == 0o600
    assert apply(journal, private) == []


def test_file_whose_secret_is_no_longer_wanted_is_as_open_as_before(
    tmp_path: Path, journal: Journal
) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a")
    path.chmod(0o644)
    apply(journal, edit(journal, path, b"token", private=True))
    apply(journal, edit(journal, path, b"a"))
    assert (path.read_bytes(), mode(path)) == (b"a", 0o644)
    assert journal.entries() == ()


def test_new_file_is_for_everybody_to_read_and_its_owner_to_write(
    tmp_path: Path, journal: Journal
) -> None:
    apply(journal, edit(journal, tmp_path / "conf", b"ours"))
    assert mode(tmp_path / "conf") == 0o644


def test_record_says_why_and_when(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "journal", clock=lambda: 7.0)
    told = Reload("named", pid_file="/run/named.pid")
    path = tmp_path / "conf"
    journal.apply([("tool", FileEdit(path, None, b"ours", "the reason", reload=told))])
    assert journal.entries() == (
        JournalEntry("tool", str(path), None, b"ours", None, 0o644, (), "the reason", 7.0, told),
    )


def test_a_mode_that_the_user_set_since_stays(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a")
    path.chmod(0o644)
    apply(journal, edit(journal, path, b"b"))
    path.chmod(0o600)
    journal.undo()
    assert mode(path) == 0o600


def test_a_folder_that_others_use_meanwhile_stays(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "new" / "conf"
    apply(journal, edit(journal, path, b"ours"))
    (path.parent / "theirs").write_bytes(b"x")
    journal.undo()
    assert not path.exists()
    assert (path.parent / "theirs").exists()


def test_writing_again_keeps_what_was_there_first(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"mine\n")
    apply(journal, edit(journal, path, b"mine\nport 1\n"))
    assert journal.pristine(path) == b"mine\n"
    (changed,) = apply(journal, edit(journal, path, b"mine\nport 2\n"))
    assert changed.after == b"mine\nport 2\n"
    assert apply(journal, edit(journal, path, b"mine\nport 2\n")) == []
    journal.undo()
    assert path.read_bytes() == b"mine\n"


def test_what_is_no_longer_wanted_is_taken_out(tmp_path: Path, journal: Journal) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    apply(journal, edit(journal, one, b"1"), edit(journal, two, b"2"))
    apply(journal, edit(journal, one, b"1"))
    assert one.exists()
    assert not two.exists()


def test_others_entries_are_not_touched(tmp_path: Path, journal: Journal) -> None:
    unit, conf = tmp_path / "unit", tmp_path / "conf"
    journal.apply([("service", edit(journal, unit, b"u"))], of=["service"])
    journal.apply([("pip", edit(journal, conf, b"c"))], of=["pip"])
    journal.undo(of=["pip"])
    assert unit.exists()
    assert not conf.exists()
    journal.undo(of=["service"])
    assert not unit.exists()
    assert journal.entries() == ()


def test_record_is_renewed_also_where_no_file_changes(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    apply(journal, edit(journal, path, b"ours"))
    told = Reload("named", pid_file="/run/named.pid")
    same = FileEdit(path, None, b"ours", "another reason", reload=told)
    assert apply(journal, same) == []
    [entry] = journal.entries()
    assert (entry.reason, entry.reload) == ("another reason", told)


def test_lines_that_the_user_took_out_come_back_when_they_are_asked_for_again(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "state" / "journal", clock=lambda: 7.0)
    path = tmp_path / "conf"
    path.write_bytes(b"a\n")
    apply(journal, edit(journal, path, b"a\nours\n"))
    entries = journal.entries()
    path.write_bytes(b"a\n")
    assert len(apply(journal, edit(journal, path, b"a\nours\n"))) == 1
    assert path.read_bytes() == b"a\nours\n"
    assert journal.entries() == entries


def test_what_several_others_have_in_force_outlives_a_change_of_one(
    tmp_path: Path, journal: Journal
) -> None:
    paths = [tmp_path / tool for tool in ("a", "b", "c")]
    for path in paths:
        journal.apply([(path.name, edit(journal, path, b"ours"))], of=[path.name])
    journal.apply([], of=["c"])
    assert {entry.tool for entry in journal.entries()} == {"a", "b"}
    assert [path.exists() for path in paths] == [True, True, False]
    journal.undo()
    assert not any(path.exists() for path in paths)


def test_later_changes_elsewhere_in_the_file_are_kept(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a\nb\n")
    apply(journal, edit(journal, path, b"a\nours\nb\n"))
    path.write_bytes(b"top\na\nours\nb\nbottom\n")
    undone = journal.undo()
    assert undone.merged == (str(path),)
    assert path.read_bytes() == b"top\na\nb\nbottom\n"


@pytest.mark.parametrize(
    ("before", "after", "now", "undone"),
    [
        (b"a\r\nlast", b"a\r\nlast\r\nours\r\n", b"%bnew", b"a\r\nlast\r\nnew"),
        (b"a\nlast", b"a\nlast\nours\n", b"%bnew\n", b"a\nlast\nnew\n"),
        (b"a\rlast", b"a\rlast\rours\r", b"%bnew", b"a\rlast\rnew"),
        (b"last", b"last\nours\n", b"%bnew", b"last\nnew"),
        (b"last", b"ours\r\nlast", b"%b\r\nnew", b"last\r\nnew"),
        (b"a\r\nlast", b"ours\r\na\r\nlast", b"new\r\n%b", b"new\r\na\r\nlast"),
        (b"a\r\nb\nlast", b"a\r\nb\nlast\nours\n", b"%bnew", b"a\r\nb\nlast\r\nnew"),
        (b"a\rb\nlast", b"a\rb\nlast\nours\n", b"%bnew", b"a\rb\nlast\nnew"),
    ],
    ids=[
        "CRLF",
        "LF",
        "CR",
        "one line",
        "ours first",
        "last stays last",
        "CRLF first",
        "LF before CR",
    ],
)
def test_last_line_without_an_end_gets_the_files_own_when_others_wrote_below_it(
    before: bytes, after: bytes, now: bytes, undone: bytes
) -> None:
    assert without(before, after, now.replace(b"%b", after)) == undone


@pytest.mark.parametrize(
    ("before", "now", "left"),
    [
        (None, b"\n# ours\n", None),
        (None, b"# ours\n \r\n\t\n", None),
        (None, b"# ours\n# mine\n", b"# mine\n"),
        (b"", b"\n# ours\n", b"\n"),
        (b" ", b"# ours\n\n", b" \n\n"),
    ],
    ids=["emptied", "blank lines", "somebody's line", "was there, empty", "was there, blank"],
)
def test_file_of_ours_goes_with_its_folders_when_nobody_wrote_into_it(
    tmp_path: Path, journal: Journal, before: bytes | None, now: bytes, left: bytes | None
) -> None:
    path = tmp_path / "new" / "conf"
    if before is not None:
        path.parent.mkdir()
        path.write_bytes(before)
    apply(journal, edit(journal, path, b"# ours\n"))
    path.write_bytes(now)
    undone = journal.undo()
    assert (path.read_bytes() if path.exists() else None) == left
    assert path.parent.exists() == (left is not None)
    assert journal.entries() == ()
    assert undone.merged + undone.restored == (str(path),)


def test_later_changes_of_our_lines_are_not_lost(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a\n")
    apply(journal, edit(journal, path, b"a\nours\n"))
    path.write_bytes(b"a\nours, but changed\n")
    with pytest.raises(ConflictError, match="changed after headrace wrote it"):
        journal.pristine(path)
    undone = journal.undo()
    assert undone.kept == (str(path),)
    assert path.read_bytes() == b"a\nours, but changed\n"
    assert len(journal.entries()) == 1
    forced = journal.undo(force=True)
    assert forced.restored == (str(path),)
    assert path.read_bytes() == b"a\n"
    assert (tmp_path / "conf.headrace-conflict").read_bytes() == b"a\nours, but changed\n"


def test_a_file_that_the_user_removed_stays_removed(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a\n")
    apply(journal, edit(journal, path, b"b\n"))
    path.unlink()
    journal.undo()
    assert not path.exists()
    assert journal.entries() == ()


def test_a_change_between_looking_and_writing_is_refused(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a")
    stale = edit(journal, path, b"b")
    path.write_bytes(b"changed")
    with pytest.raises(ConflictError, match="run the command again"):
        apply(journal, stale)
    assert path.read_bytes() == b"changed"


def test_all_or_nothing(tmp_path: Path, journal: Journal) -> None:
    good = tmp_path / "good"
    good.write_bytes(b"a")
    good.chmod(0o640)
    # A file where a folder would have to be.
    (tmp_path / "file").write_bytes(b"")
    bad = FileEdit(tmp_path / "file" / "conf", None, b"x", "test")
    new = tmp_path / "new" / "deeper" / "conf"
    with pytest.raises(LocalError):
        apply(journal, edit(journal, good, b"b"), edit(journal, new, b"c"), bad)
    assert (good.read_bytes(), mode(good)) == (b"a", 0o640)
    assert not (tmp_path / "new").exists()
    assert journal.entries() == ()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason=lacks("system", "/dev/full"))
def test_a_journal_that_cannot_be_written_stops_everything(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "file" / "journal")
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "conf"
    with pytest.raises(LocalError, match="cannot be written"):
        journal.apply([("tool", FileEdit(path, None, b"x", "test"))])
    assert not path.exists()


def test_a_lost_record_is_taken_over(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"mine\nours\n")
    journal.adopt("tool", path, b"mine\n")
    assert journal.pristine(path) == b"mine\n"
    journal.undo()
    assert path.read_bytes() == b"mine\n"


def test_what_is_taken_over_is_recorded_once_as_it_was_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "journal", clock=lambda: 7.0)
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.write_bytes(b"mine\nours\n")
        path.chmod(0o640)
    told = Reload("named", pid_file="/run/named.pid")
    journal.adopt("tool", one, b"mine\n", told)
    journal.adopt("other", one, b"else\n")
    journal.adopt("tool", tmp_path / "nothing", b"")
    journal.adopt("other", two, None)
    why, found = "found without a record", b"mine\nours\n"
    assert journal.entries() == (
        JournalEntry("tool", str(one), b"mine\n", found, 0o640, 0o640, (), why, 7.0, told),
        JournalEntry("other", str(two), None, found, 0o640, 0o640, (), why, 7.0),
    )
    journal.undo()
    assert (one.read_bytes(), mode(one), two.exists()) == (b"mine\n", 0o640, False)


def test_every_version_that_was_in_the_way_stays_beside_with_its_mode(
    tmp_path: Path, journal: Journal
) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"a\n")
    path.chmod(0o640)
    for number in range(3):
        apply(journal, edit(journal, path, b"a\nours\n"))
        path.write_bytes(b"a\n%d\n" % number)
        journal.undo(force=True)
    beside = [path.with_name(f"conf.headrace-conflict{number}") for number in ("", 1, 2)]
    assert [each.read_bytes() for each in beside] == [b"a\n0\n", b"a\n1\n", b"a\n2\n"]
    assert {mode(each) for each in beside} == {0o640}


@pytest.mark.parametrize("take_out", [Journal.undo, lambda journal: journal.apply([])])
def test_undo_that_fails_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    take_out: Callable[[Journal], object],
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.write_bytes(b"a\n")
        path.chmod(0o640)
    apply(journal, edit(journal, one, b"a\nours\n"), edit(journal, two, b"a\nours\n"))
    one.write_bytes(b"a\nours\nmine\n")
    entries = journal.entries()

    def fail_at_two(step: FileStep) -> None:
        if step.path == str(two):
            raise OSError(28, "No space left on device", step.path)
        perform(step)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "perform", fail_at_two)
        with pytest.raises(LocalError, match=r"two cannot be written: No space left"):
            take_out(journal)
    assert (one.read_bytes(), mode(one)) == (b"a\nours\nmine\n", 0o640)
    assert journal.entries() == entries
    take_out(journal)
    assert (one.read_bytes(), two.read_bytes()) == (b"a\nmine\n", b"a\n")


def test_error_that_names_no_file_is_told_with_the_one_that_was_meant(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "conf"

    def fail(_: FileStep) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_module, "perform", fail)
    with pytest.raises(LocalError, match=r"/conf cannot be written: Input/output error"):
        apply(journal, edit(journal, path, b"ours"))


def test_repair_puts_back_what_a_crash_left_half_done_and_says_what(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert journal.repair() == []
    assert not journal.path.parent.exists(), "nothing is made where nothing is to be done"
    one, two = tmp_path / "one", tmp_path / "new" / "two"
    one.write_bytes(b"a\n")

    class CrashError(BaseException):
        pass

    def crash_at_two(step: FileStep) -> None:
        if step.path == str(two):
            raise CrashError
        perform(step)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "perform", crash_at_two)
        patch.setattr(Journal, "_repair", lambda _: [])
        with pytest.raises(CrashError):
            apply(journal, edit(journal, one, b"ours\n"), edit(journal, two, b"ours\n"))
    assert one.read_bytes() == b"ours\n"
    assert Journal(journal.path).repair() == [str(one)]
    assert one.read_bytes() == b"a\n"
    assert Journal(journal.path).repair() == []


@pytest.mark.parametrize("knows", [True, False])
def test_tools_own_way_takes_our_settings_out_of_a_file_that_was_rewritten(
    tmp_path: Path,
    knows: bool,  # noqa: FBT001 - a table
) -> None:
    asked: list[tuple[object, ...]] = []

    def withdraw(*what: object) -> bytes | None:
        asked.append(what)
        return b"rewritten\n" if knows else None

    journal = Journal(tmp_path / "state" / "journal", withdraw=withdraw)
    path = tmp_path / "conf"
    path.write_bytes(b"a\n")
    apply(journal, edit(journal, path, b"a\nours\n"))
    path.write_bytes(b"rewritten, ours\n")
    undone = journal.undo()
    assert (undone.merged, undone.kept) == (((str(path),), ()) if knows else ((), (str(path),)))
    assert path.read_bytes() == (b"rewritten\n" if knows else b"rewritten, ours\n")
    assert asked == [("tool", path, b"a\n", b"a\nours\n", b"rewritten, ours\n")]


def test_one_files_conflict_or_other_tool_keeps_no_other_file_from_being_given_back(
    tmp_path: Path, journal: Journal
) -> None:
    paths = {tool: tmp_path / tool for tool in ("other", "changed", "ours")}
    for path in paths.values():
        path.write_bytes(b"a\n")
    journal.apply([(tool, edit(journal, path, b"a\nours\n")) for tool, path in paths.items()])
    paths["changed"].write_bytes(b"a\nours, but changed\n")
    undone = journal.undo(of=["changed", "ours"])
    assert (undone.restored, undone.kept) == ((str(paths["ours"]),), (str(paths["changed"]),))
    assert [entry.tool for entry in journal.entries()] == ["other", "changed"]
    assert paths["ours"].read_bytes() == b"a\n"


def test_a_broken_journal_is_not_thrown_away(tmp_path: Path, journal: Journal) -> None:
    apply(journal, edit(journal, tmp_path / "conf", b"ours"))
    journal.path.write_text("{")
    with pytest.raises(LocalError, match="repair it rather than remove it"):
        journal.undo()
    assert journal.path.read_text() == "{"


def _no_path(entry: dict[str, Any]) -> None:
    del entry["path"]


def _no_content(entry: dict[str, Any]) -> None:
    del entry["before"]


def _damaged_content(entry: dict[str, Any]) -> None:
    entry["before"] = "*" + entry["before"]


@pytest.mark.parametrize("damage", [_no_path, _no_content, _damaged_content])
def test_damaged_record_of_what_a_file_was_is_not_taken_for_what_it_was(
    tmp_path: Path, journal: Journal, damage: Callable[[dict[str, Any]], None]
) -> None:
    path = tmp_path / "conf"
    path.write_bytes(b"mine\n")
    apply(journal, edit(journal, path, b"mine\nours\n"))
    document = json.loads(journal.path.read_bytes())
    damage(document["entries"][0])
    journal.path.write_text(json.dumps(document))
    with pytest.raises(LocalError, match="repair it rather than remove it"):
        journal.undo()
    assert path.read_bytes() == b"mine\nours\n"


def test_a_diff_shows_no_secret(tmp_path: Path) -> None:
    before = b"[global]\nindex-url = https://me:hunter2@corp.example/t/tok-en/simple\n"
    after = (
        b"[global]\nindex-url = http://headrace:hunter3@127.0.0.1:1/simple/\npassword: hunter4\n"
    )
    text = diff([FileEdit(tmp_path / "conf", before, after, "test")])
    assert "corp.example" in text
    assert "127.0.0.1" in text
    assert "hunter" not in text
    assert "tok-en" not in text


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    assert read_file(tmp_path / "nothing") is None
    (tmp_path / "file").write_bytes(b"")
    assert read_file(tmp_path / "file" / "below") is None
