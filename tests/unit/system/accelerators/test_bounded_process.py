"""A child that hangs, crashes, floods or leaves children of its own never holds us up."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from headrace.system.accelerators import bounded_process
from lib.capabilities import lacks
from lib.waiting import HANG

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "a POSIX shell"))


def shell(script: str, timeout: float = HANG) -> bounded_process.ProcessResult:
    return bounded_process.run(["/bin/sh", "-c", script], {"PATH": os.environ["PATH"]}, timeout)


def test_what_it_says_comes_back_with_its_status() -> None:
    assert shell("echo yes") == bounded_process.ProcessResult("yes\n", 0)
    ran = shell("echo no; exit 3")
    assert (ran.output, ran.code, ran.trouble) == ("no\n", 3, "ended with status 3")


def test_a_crash_is_named_by_its_signal() -> None:
    assert shell("kill -ABRT $$").trouble == "crashed (SIGABRT)"


@pytest.mark.parametrize(
    "script",
    ["echo first; exec sleep 3000", "echo first; sleep 3000 & exec sleep 3000",
     "echo first; sleep 3000 &",
     "trap '' TERM INT HUP; echo first; while :; do sleep 1; done",
     "echo first; exec >&- ; exec sleep 3000"],
)  # fmt: skip
def test_one_that_hangs_is_ended_and_what_it_said_counts(script: str) -> None:
    ran = shell(script, 0.5)
    assert (ran.late, ran.output, ran.trouble) == (True, "first\n", "no answer within 0.5 s")


def test_one_that_left_our_session_cannot_hold_us_either() -> None:
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n os.setsid()\n print(os.getpid(), flush=True)\n"
        "time.sleep(3000)\n"
    )
    ran = bounded_process.run([sys.executable, "-c", program], {}, 3.0)
    assert ran.late
    os.kill(int(ran.output), signal.SIGKILL)  # it lives, and was not waited for


def test_one_that_talks_without_end_is_cut_off() -> None:
    ran = shell("exec yes")
    assert (ran.output, ran.trouble) == ("", "talks without end")


def test_a_program_that_is_not_there_is_an_answer() -> None:
    assert "cannot be started" in bounded_process.run(["/no/such/program"], {}, 1.0).trouble
