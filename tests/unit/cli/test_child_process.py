"""A command in our place: its end is seen whatever else this process does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from headrace.cli import child_process
from lib.capabilities import lacks

pytestmark = pytest.mark.skipif(os.name == "nt", reason=lacks("system", "signals of POSIX"))


@pytest.fixture
def others() -> Iterator[None]:
    """Threads of a library, which block no signal: the kernel gives them what is for us."""
    enough = threading.Event()
    made = [threading.Thread(target=enough.wait) for _ in range(8)]
    for each in made:
        each.start()
    yield
    enough.set()
    for each in made:
        each.join()


@pytest.mark.usefixtures("others")
def test_the_end_of_a_command_is_seen_although_another_thread_took_its_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spawn = os.posix_spawn

    def spawned_and_ended(*args: Any, **rest: Any) -> int:
        pid = spawn(*args, **rest)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    monkeypatch.setattr(os, "posix_spawn", spawned_and_ended)
    assert child_process.run("/bin/sh", ["sh", "-c", "exit 7"], dict(os.environ)) == 7


@pytest.mark.usefixtures("others")
def test_what_is_to_be_told_after_a_while_is_told_once() -> None:
    told: list[int] = []
    words = ["sh", "-c", "sleep 0.3; exit 7"]
    after = (0.05, lambda: told.append(1))
    assert child_process.run("/bin/sh", words, dict(os.environ), after=after) == 7
    assert told == [1]
