"""What the doctor mends: shown before, each by itself, and given back by `off`."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from headrace.cli import doctor, main
from headrace.cli.checks import kept_state
from headrace.cli.context import Context
from headrace.cli.mending import fixes
from headrace.cli.mending.fixes import Mended
from headrace.errors import HeadraceError, LocalError
from headrace.interface.hookspecs import FileEdit, Finding, Fix, GatewayAddress
from headrace.system.state import set_up_by


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    # Should a guard fail that is tried here: a conda of this machine is nobody's.
    monkeypatch.setenv("HEADRACE_CONDA_BASE", str(tmp_path / "no-conda"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    return Context({"HEADRACE_HOME": str(tmp_path / "headrace"), "PATH": ""})


def edit(path: Path, after: bytes) -> FileEdit:
    return FileEdit(path, path.read_bytes() if path.exists() else None, after, "a test")


def refused(outcome: Mended) -> str:
    assert isinstance(outcome.trouble, HeadraceError)
    return outcome.trouble.reference


def test_what_was_mended_twice_is_given_back_as_it_was_first(
    context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "tool.conf"
    path.write_bytes(b"one\n")
    for content in (b"two\n", b"three\n"):
        [outcome] = fixes.mend(context, [Fix("mend it", (edit(path, content),))])
        assert outcome.trouble is None
        assert path.read_bytes() == content
    context.journal.undo(of=[fixes.TOOL])
    assert path.read_bytes() == b"one\n"


def test_a_file_that_changed_since_it_was_looked_at_stays(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "tool.conf"
    path.write_bytes(b"one\n")
    fix = Fix("mend it", (edit(path, b"two\n"),))
    path.write_bytes(b"mine\n")
    [outcome] = fixes.mend(context, [fix])
    assert refused(outcome) == "changed-meanwhile"
    assert path.read_bytes() == b"mine\n"


def test_what_headrace_wrote_for_a_tool_is_not_mended_over(
    context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "tool.conf"
    path.write_bytes(b"one\n")
    context.journal.apply([("acme", edit(path, b"led\n"))])
    [outcome] = fixes.mend(context, [Fix("mend it", (edit(path, b"two\n"),))])
    assert refused(outcome) == "led-file"
    context.journal.undo()
    assert path.read_bytes() == b"one\n"


def test_a_fix_that_fails_stops_no_other(context: Context) -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("a plugin's bug")

    def refuse() -> None:
        raise LocalError("no-disk", "there is no disk")

    wanted = [
        Fix("a", perform=fail),
        Fix("b", perform=refuse),
        Fix("c", perform=lambda: done.append("c")),
    ]
    outcomes = fixes.mend(context, wanted)
    assert [each.trouble and each.trouble.reference for each in outcomes] == [
        "fix-failed",
        "no-disk",
        None,
    ]
    assert done == ["c"]


@pytest.mark.parametrize("known", [True, False], ids=["recorded", "the record is lost"])
def test_a_tool_is_given_back_as_it_was(context: Context, tmp_path: Path, *, known: bool) -> None:
    path = tmp_path / "tool.conf"
    path.write_bytes(b"one\n")
    if known:
        context.journal.apply([("acme", edit(path, b"ours\n"))])
    path.write_bytes(b"ours\n")
    fix = Fix("give it back", (FileEdit(path, b"ours\n", b"one\n", "x"),), gives_back="acme")
    [outcome] = fixes.mend(context, [fix])
    assert outcome.trouble is None
    assert path.read_bytes() == b"one\n"
    assert context.journal.entries() == ()


def test_one_fault_that_two_checks_see_is_mended_once() -> None:
    fix = Fix("start it")
    found = [Finding("a", "failure", "x", fix=fix), Finding("b", "ok", "y", fix=Fix("nothing"))]
    assert fixes.offered([*found, Finding("c", "warning", "z", fix=Fix("start it"))]) == [fix]


# ------------------------------------------------------------------ the command


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have one check, of a file that should say yes."""
    path = tmp_path / "odd"
    path.write_bytes(b"no\n")

    def check(_: Context) -> list[Finding]:
        if path.read_bytes() == b"yes\n":
            return [Finding("odd", "ok", "it says yes")]
        return [
            Finding("odd", "warning", "it says no", fix=Fix("say yes", (edit(path, b"yes\n"),)))
        ]

    monkeypatch.setattr(doctor, "_checks", lambda _: ([check], ()))
    return path


@pytest.mark.usefixtures("context")
def test_nothing_is_mended_where_nobody_is_asked(
    odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--fix"]) == 3
    told = capsys.readouterr().out
    assert "1. say yes" in told
    assert "-no" in told
    assert "+yes" in told
    assert "`headrace doctor --fix --yes` does it" in told
    assert odd.read_bytes() == b"no\n"
    assert main(["doctor", "--fix", "--json"]) == 3
    [fix] = json.loads(capsys.readouterr().out)["fixes"]
    assert (fix["what"], fix["files"], fix["done"]) == ("say yes", [str(odd)], False)


@pytest.mark.usefixtures("context")
def test_yes_mends_and_looks_again(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--fix", "--yes"]) == 0
    told = capsys.readouterr().out
    assert told.index("say yes") < told.index("mended   say yes") < told.index("it says yes")
    assert odd.read_bytes() == b"yes\n"


@pytest.mark.usefixtures("context")
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
@pytest.mark.parametrize(("typed", "left"), [("y\n", b"yes\n"), ("\n", b"no\n"), ("", b"no\n")])
def test_at_a_terminal_it_is_asked(
    odd: Path, typed: str, left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixes, "sits_there", lambda _: True)
    reading, writing = os.pipe()
    os.write(writing, typed.encode())
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        monkeypatch.setattr(sys, "stdin", told)
        main(["doctor", "--fix"])
    assert odd.read_bytes() == left


# ------------------------------------------------------------------ the core's own


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps other rights")
def test_a_secret_that_others_can_read_is_taken_from_their_eyes(context: Context) -> None:
    context.state.ensure_secret()
    path = context.folders.state / "secret"
    path.chmod(0o644)
    [found] = kept_state.rights(context)
    assert found.level == "failure"
    assert found.fix is not None
    fixes.mend(context, [found.fix])
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(kept_state.rights(context)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps other rights")
def test_a_secret_that_others_could_write_is_not_believed_by_being_mended(
    context: Context,
) -> None:
    context.state.ensure_secret()
    (context.folders.state / "secret").chmod(0o666)
    [found] = kept_state.rights(context)
    assert (found.level, found.fix) == ("failure", None)
    assert found.hint.startswith("`rm ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps other rights")
def test_a_link_in_the_place_of_a_secret_is_followed_by_no_fix(
    context: Context, tmp_path: Path
) -> None:
    context.state.ensure_secret()
    path, other = context.folders.state / "secret", tmp_path / "another"
    path.chmod(0o644)
    [found] = kept_state.rights(context)
    other.write_text("of somebody else's", "utf-8")
    other.chmod(0o644)
    path.unlink()
    path.symlink_to(other)
    assert found.fix is not None
    [outcome] = fixes.mend(context, [found.fix])
    assert outcome.trouble is not None
    assert other.stat().st_mode & 0o777 == 0o644


def test_stored_files_that_changed_on_the_disk_are_dropped(context: Context) -> None:
    for content, kept in ((b"right", b"right"), (b"was right", b"is wrong")):
        name = hashlib.sha256(content).hexdigest()
        path = context.folders.cache / "store" / "sha256" / name[:2] / name
        path.parent.mkdir(parents=True)
        path.write_bytes(kept)
    context.env = {**os.environ, **context.env}
    [found] = kept_state.damaged(context)
    assert found.level == "warning"
    assert found.text == f"1 stored file changed on the disk: {name[:16]}"
    assert found.fix is not None
    [outcome] = fixes.mend(context, [found.fix])
    assert outcome.trouble is None
    assert not path.exists()
    [found] = kept_state.damaged(context)
    assert found.level == "ok"


def recorded(context: Context, **changed: str) -> None:
    """Record a gateway as another installation would have."""
    context.state.record_gateway(GatewayAddress("127.0.0.1", 9), "holder")
    path = context.folders.state / "gateway.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changed}), "utf-8")


def test_another_installation_that_is_there_is_told_and_not_mended(
    context: Context, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "headrace"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    recorded(context, installed_in=str(other), written_by="9.9")
    assert set_up_by(context.state) == ("9.9", other)
    [found] = kept_state.installation(context)
    assert (found.level, found.fix) == ("warning", None)
    assert f"another headrace, 9.9 in {other.parent}" in found.text
    (other / "__init__.py").unlink()
    [found] = kept_state.installation(context)
    assert found.fix is not None
    assert "which is gone" in found.text


def test_state_of_a_newer_form_is_left_alone_and_told(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(context)
    path = context.folders.state / "gateway.json"
    table = {**json.loads(path.read_text("utf-8")), "format": 2, "written_by": "9.9"}
    path.write_text(json.dumps(table), "utf-8")
    before = path.read_bytes()
    for words in (["on"], ["off"], ["status"], ["doctor"]):
        assert main(words) == 1
        told = capsys.readouterr()
        assert "written by headrace 9.9" in told.out + told.err, words
        assert path.read_bytes() == before


def test_a_journal_of_a_newer_form_is_left_alone_and_told(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tool.conf"
    context.journal.apply([("acme", edit(path, b"led\n"))])
    journal = context.state.journal
    table = {**json.loads(journal.read_bytes()), "format": 2, "written_by": "9.9"}
    journal.write_text(json.dumps(table), "utf-8")
    before = journal.read_bytes()
    for words in (["on"], ["off"], ["off", "--force"]):
        assert main(words) == 1
        assert "written by headrace 9.9" in capsys.readouterr().err
    assert journal.read_bytes() == before
    assert path.read_bytes() == b"led\n"
