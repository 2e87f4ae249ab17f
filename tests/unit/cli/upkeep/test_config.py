"""`headrace config`: where each value comes from, on which line a mistake stands, and an edit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.cli import main

WRONG = """\
store_limit = 5
disabled_mirors = ["x"]   # a typing error
documents = "orign"

[[mirror]]
id = "q"
# not an address that can be used
url = "ftp://x"

[[mirror]]
id = "r"
url = "http://x"
layout = "pakages"

[[mirror]]
url = "http://y"
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SUDO_UID", "HEADRACE_CONFIG", "HEADRACE_PORT", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "headrace" / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main(["config", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let a Python program be the editor, with the file's path as `path`."""
    script = tmp_path / "editor.py"
    script.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\n{program}\n")
    monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{script}'")


def test_each_value_says_where_it_comes_from(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('# mine\nstore_limit = 5\nport = 9\n[[mirror]]\nid="a"\nurl="http://a"\n')
    monkeypatch.setenv("HEADRACE_PORT", "4000")
    code, table = told(capsys, "show")
    rows = {each["name"]: each for each in table["settings"]}
    assert code == 0
    assert (rows["store_limit"]["value"], rows["store_limit"]["line"]) == (5, 2)
    assert (rows["port"]["value"], rows["port"]["from"]) == (4000, "environment")
    assert rows["port"]["variable"] == "HEADRACE_PORT"
    assert (rows["documents"]["from"], rows["mirror"]["line"]) == ("default", 4)


def test_every_mistake_is_told_with_its_line(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WRONG)
    code, table = told(capsys, "check")
    assert code == 1
    assert [each["line"] for each in table["mistakes"]] == [2, 3, 8, 15, 13]
    assert main(["config", "check"]) == 1
    plain = capsys.readouterr().out
    assert "line 8: mirror q: url must be" in plain
    assert "did you mean 'disabled_mirrors'" in plain


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = = 2\n", 2), ("a = [1\n", 2)])
def test_what_is_no_toml_is_told_with_its_line(
    text: str, line: int, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text)
    code, table = told(capsys, "check")
    assert (code, [each["line"] for each in table["mistakes"]]) == (1, [line])


def test_no_file_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    assert "none is needed" in capsys.readouterr().out
    assert told(capsys)[1]["there"] is False


def test_an_edit_that_is_right_is_saved_also_where_the_file_was_wrong(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file.write_text("store_limit = 'much'\n")
    editor(tmp_path, monkeypatch, 'path.write_text("store_limit = 8\\n")')
    assert told(capsys, "edit") == (0, {"file": str(file), "changed": True, "mistakes": []})
    assert file.read_text() == "store_limit = 8\n"
    assert [each.name for each in file.parent.iterdir()] == ["config.toml"]
    assert told(capsys, "edit")[1]["changed"] is False


def test_an_edit_that_is_wrong_is_not_saved_and_not_lost(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file.write_text("store_limit = 5\n")
    editor(tmp_path, monkeypatch, 'path.write_text(path.read_text() + "prt = 1\\n")')
    code, table = told(capsys, "edit")
    assert (code, table["mistakes"][0]["line"]) == (1, 2)
    assert file.read_text() == "store_limit = 5\n"
    draft = file.with_name("config.toml.draft")
    assert draft.read_text() == "store_limit = 5\nprt = 1\n"
    mend = 'path.write_text(path.read_text().replace("prt", "port"))'
    editor(tmp_path, monkeypatch, mend)
    assert told(capsys, "edit")[0] == 0
    assert file.read_text() == "store_limit = 5\nport = 1\n"
    assert not draft.exists()


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file.write_text("store_limit = 5\n")
    program = f"pathlib.Path({str(file)!r}).write_text('port = 7\\n'); path.write_text('port = 8')"
    editor(tmp_path, monkeypatch, program)
    code, table = told(capsys, "edit")
    assert (code, table["error"]["reference"]) == (1, "settings-changed")
    assert file.read_text() == "port = 7\n"
    assert file.with_name("config.toml.draft").read_text() == "port = 8"


def test_a_draft_from_before_the_last_change_does_not_take_that_back(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file.write_text("store_limit = 5\n")
    editor(tmp_path, monkeypatch, 'path.write_text("prt = 1\\n")')
    assert told(capsys, "edit")[0] == 1
    draft = file.with_name("config.toml.draft")
    file.write_text("store_limit = 6\n")
    os.utime(draft, ns=(0, file.stat().st_mtime_ns - 1))
    editor(tmp_path, monkeypatch, 'path.write_text("port = 1\\n")')
    code, table = told(capsys, "edit")
    assert (code, table["error"]["reference"]) == (1, "settings-changed")
    assert file.read_text() == "store_limit = 6\n"
    assert draft.read_text() == "prt = 1\n"
    draft.unlink()
    assert told(capsys, "edit")[0] == 0


@pytest.mark.parametrize("named", ["no-such-editor-anywhere", sys.executable + " -c raise"])
def test_an_editor_that_fails_changes_nothing(
    named: str, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("store_limit = 5\n")
    monkeypatch.setenv("EDITOR", named)
    code, table = told(capsys, "edit")
    assert code == 1
    assert table["error"]["hint"]
    assert file.read_text() == "store_limit = 5\n"


@pytest.mark.parametrize(
    "ending",
    [
        ("path.unlink()", "no-draft"),
        ("path.unlink(); path.mkdir()", "unreadable"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "editor-failed"),
    ],
)
def test_an_editor_that_leaves_no_file_changes_nothing_and_is_told(
    ending: tuple[str, str],
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program, reference = ending
    file.write_text("store_limit = 5\n")
    editor(tmp_path, monkeypatch, program)
    code, table = told(capsys, "edit")
    assert (code, table["error"]["reference"]) == (1, reference)
    assert file.read_text() == "store_limit = 5\n"


def test_a_variable_that_is_no_command_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "vim '")
    code, table = told(capsys, "edit")
    assert (code, table["error"]["reference"]) == (1, "no-editor")
    assert "VISUAL" in table["error"]["message"]


def test_what_the_editor_writes_is_no_part_of_the_json_document(
    file: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    editor(tmp_path, monkeypatch, 'print("drawn"); path.write_text("store_limit = 8\\n")')
    assert main(["config", "edit", "--json"]) == 0
    out = capfd.readouterr().out
    assert json.loads(out)["changed"] is True
    assert file.read_text() == "store_limit = 8\n"


def test_a_file_that_no_settings_are_is_not_read_into_memory(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with file.open("wb") as made:
        made.truncate(5 << 20)
    code, table = told(capsys, "check")
    assert code == 1
    assert "more than 4194304 bytes" in table["mistakes"][0]["message"]
