"""What others put into names and answers is shown by a terminal, and never obeyed by it.

A file's name, a mirror's words, a program's name: whatever command tells them, what moves a cursor,
writes a title or a clipboard, or turns a line around comes out as a question mark.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from headrace.cli import command_line
from headrace.cli.context import Colour, Context
from headrace.errors import LocalError
from headrace.wording import printable
from lib.gateway import headrace

#: A title that is written, a line that is erased, an 8-bit command, a line that is turned around.
ODD = "a\x1b]0;title\x07\x1b[2K\r\x9b31m\u202eb"
#: What rich itself writes: colours, and nothing else.
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
FOREIGN = ("\x1b", "\x07", "\x9b", "\r", "\u202e")


def is_harmless(text: str, *, styled: bool = False) -> bool:
    plain = _STYLE.sub("", text) if styled else text
    return not any(each in plain for each in FOREIGN)


@pytest.mark.parametrize("colour", list(Colour))
def test_no_text_of_a_command_reaches_the_terminal_raw(
    colour: Colour, capsys: pytest.CaptureFixture[str]
) -> None:
    context = Context({}, colour=colour)
    context.say(f"{ODD}[2mno style", "red")
    context.console.print(ODD, markup=False, style="bold")
    context.console.print(ODD)
    told = capsys.readouterr().out
    assert told.count("]0;title") == 3
    assert is_harmless(told, styled=colour is Colour.ALWAYS)


def test_no_error_and_no_line_of_the_log_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    command_line._set_up_log("warning")
    log = logging.getLogger("headrace.x")
    log.error("it said %s", f"{ODD}\nheadrace: ERROR: forged", exc_info=ValueError(ODD))
    command_line._tell(LocalError("x", ODD, hint=ODD), Context({}))
    told = capsys.readouterr().err
    assert told.count("]0;title") == 4
    assert is_harmless(told)
    # Nobody else begins a line.
    assert "\nheadrace: ERROR: forged" not in told


def test_lines_stay_lines_and_words_of_any_language_stay_as_they_are() -> None:
    for text in ("a\n\tb\r\nc", "下载 é “x” █▏ 🦀", ""):
        assert printable(text) == text
    assert printable("a\rb\x00c\u2028d\ufeff") == "a?b?c?d?"


def test_a_record_and_settings_full_of_commands_are_told_by_every_command(tmp_path: Path) -> None:
    state, config = tmp_path / "state", tmp_path / "config"
    for folder in (state, config):
        folder.mkdir(mode=0o700)
    entry = {
        "at": time.time(),
        "kind": "came",
        **dict.fromkeys(("tool", "ecosystem", "name", "path", "origin", "digest"), ODD),
        "size": 5,
        "seconds": 1.0,
        "sources": {ODD: 5},
        "failed": [{"source": ODD, "fault": ODD, "detail": ODD}],
        "left": {ODD: ODD},
    }
    incident = {"at": time.time(), "kind": "incident", "what": ODD}
    lines = [json.dumps(each) for each in (entry, incident)]
    (state / "downloads.jsonl").write_text("\n".join(lines) + "\n")
    (config / "config.toml").write_text(f"{json.dumps(ODD)} = 1\n")
    env = {**os.environ, "HEADRACE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    for words in (["logs"], ["why", ODD], ["config", "check"], ["mirrors", "test", ODD]):
        done = subprocess.run(
            [*headrace(), *words], env=env, capture_output=True, text=True, check=False
        )
        assert "title" in done.stdout + done.stderr, words
        assert is_harmless(done.stdout), words
        assert is_harmless(done.stderr), words
        told = subprocess.run(
            [*headrace(), *words, "--json"], env=env, capture_output=True, text=True, check=False
        )
        assert isinstance(json.loads(told.stdout), dict), words
        assert is_harmless(told.stdout), words
