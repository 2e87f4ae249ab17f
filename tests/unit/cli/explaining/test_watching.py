"""`--watch`: drawn in place, on a screen of its own, and the one from before comes back."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from headrace.cli import main
from lib.terminals.screen import Seated

WATCHES = """
import sys
sys.path[:0] = {path!r}
from headrace.cli.explaining import watching

watching.EVERY = 0.05
count = 0
def tell():
    global count
    count += 1
    for line in range({lines}):
        print(f"line {{line}} look {{count}}")
    print("verdict  all is well, which is said")
    print("         in two lines")
print("before", flush=True)
try:
    watching.watch(tell)
except KeyboardInterrupt:
    sys.exit(130)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")


def looks(person: Seated) -> int:
    """How often it was drawn, by what is seen of it."""
    shown = [line.rpartition(" ")[2] for line in person.seen() if line.startswith("line 0 look ")]
    return int(shown[0]) if shown and shown[0].isdigit() else 0


def watching(lines: int) -> Seated:
    program = WATCHES.format(path=[p for p in sys.path if p], lines=lines)
    return Seated([sys.executable, "-c", program], dict(os.environ), rows=10, columns=40)


@pytest.mark.parametrize("lines", [3, 40])
def test_it_is_drawn_in_place_and_its_last_state_stays(lines: int) -> None:
    with watching(lines) as person:
        person.wait(lambda: looks(person) > 5)
        person.wait(lambda: "         in two lines" in person.seen())
        assert sum(line.startswith("line 0 ") for line in person.seen()) == 1
        person.press("\x03")
        assert person.end() == 130
    # A screen of its own, which the emulator does not know; what is left stands behind it.
    assert person.raw.count(b"\x1b[?1049h") == person.raw.count(b"\x1b[?1049l") == 1
    assert person.raw.partition(b"\x1b[?1049l")[2].count(b"line 0 look") == 1
    assert b"\x1b[?25h" in person.raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_ended_gives_the_screen_back(number: signal.Signals) -> None:
    with watching(3) as person:
        person.wait(lambda: looks(person) > 1)
        os.kill(person.pid, number)
        assert person.end() == 128 + number
    assert b"\x1b[?1049l" in person.raw


def test_nothing_is_drawn_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    assert main(["status", "--watch"]) != 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "draws on a terminal" in told.err
    assert main(["status", "--watch", "--json"]) != 0
    assert '"no-terminal"' in capsys.readouterr().out
