"""The row below a program that writes to the same terminal: nothing of what it writes is touched,
wherever it is while our row is drawn.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lib.terminals.screen import Seated

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such row on Windows")

#: Draws a row over and over while a program of its own writes; says something before and after.
BESIDE = """
import os, signal, sys, threading
sys.path[:0] = {path!r}
from headrace.cli import child_process
from headrace.cli.runs.bottom_row import BottomRow

row, done = BottomRow(2), threading.Event()
def draw():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    number = 0
    while not done.wait(0.001):
        row.show(f"OURS {{number}} " + "x" * 200)
        number += 1
print("before", flush=True)
thread = threading.Thread(target=draw)
thread.start()
words = ["python", "-c", {child!r}]
code = child_process.run(sys.executable, words, dict(os.environ), aside=row.aside)
done.set()
row.end()
thread.join()
print("after", flush=True)
sys.exit(code)
"""
#: Lines, and lines in pieces, with a bar that is drawn over itself.
WRITES = """
import sys, time
for number in range(40):
    sys.stdout.write(f"line {number} ")
    sys.stdout.flush()
    if number % 7 == 0:
        for step in range(5):
            sys.stdout.write(f"\\rline {number} bar {step}")
            sys.stdout.flush()
            time.sleep(0.002)
    sys.stdout.write(" end\\n")
"""

WAITS = """
import os, time
print("there", flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.01)
"""


def is_whole(person: Seated) -> bool:
    """Whether the last row is ours, as wide as it may be, and no other is."""
    *others, last = person.seen()
    whole = last.startswith("OURS") and len(last) == person.screen.columns - 1 and last[-1] == "…"
    return whole and not any("OURS" in line for line in others)


def beside(child: str, *, rows: int = 12, columns: int = 80) -> Seated:
    program = BESIDE.format(path=[p for p in sys.path if p], child=child)
    return Seated([sys.executable, "-c", program], dict(os.environ), rows=rows, columns=columns)


@pytest.mark.parametrize(("rows", "columns"), [(12, 80), (40, 100), (100, 40), (3, 80), (12, 20)])
def test_each_line_of_the_program_is_there_in_order_and_none_of_ours(
    rows: int, columns: int
) -> None:
    with beside(WRITES, rows=rows, columns=columns) as person:
        assert person.end() == 0
        said = [line for line in person.above() if line]
    bars = dict.fromkeys(range(0, 40, 7), " bar 4")
    wanted = [f"line {number}{bars.get(number, ' ')} end" for number in range(40)]
    assert said == ["before", *wanted, "after"]
    assert (b"OURS" in person.raw) is (rows > 5 and columns > 29)
    # The whole screen scrolls again.
    assert person.screen.margins in (None, (0, rows - 1))


def test_what_is_shown_is_one_row_cut_to_the_width(tmp_path: Path) -> None:
    go = tmp_path / "go"
    waits = WAITS.format(go=str(go))
    with beside(waits, rows=10, columns=50) as person:
        person.wait(lambda: is_whole(person) and "there" in person.seen())
        # Another size: it is at the bottom of that, and only there.
        for rows in (16, 8):
            person.resize(rows, 60)
            person.wait(lambda: is_whole(person))
        go.touch()
        assert person.end() == 0
        assert not any("OURS" in line for line in person.above())


def test_a_job_that_the_keyboard_stops_leaves_a_whole_terminal(tmp_path: Path) -> None:
    go = tmp_path / "go"
    waits = WAITS.format(go=str(go))
    script = tmp_path / "beside.py"
    script.write_text(BESIDE.format(path=[p for p in sys.path if p], child=waits), "utf-8")
    words = ["bash", "--norc", "-i"]
    env = {**os.environ, "PS1": "$ ", "HISTFILE": "/dev/null"}
    with Seated(words, env, rows=12) as person:
        person.press(f"{sys.executable} {script}\n")
        person.wait(lambda: person.seen()[-1].startswith("OURS"))
        person.press("\x1a")
        person.wait(lambda: any("Stopped" in line for line in person.seen()))
        assert not any(line.startswith("OURS") for line in person.seen())
        assert person.raw.rindex(b"\x1b[r") > person.raw.rindex(b"\x1b[1;11r")
        person.press("fg\n")
        person.wait(lambda: person.seen()[-1].startswith("OURS"))
        go.touch()
        person.wait(lambda: "after" in person.seen())
        person.press("exit\n")
        assert person.end() == 0
