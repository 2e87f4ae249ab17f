"""What `headrace run` tells while a file is held back."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from headrace.cli.runs import meanwhile
from lib.waiting import HANG

HELD = {"name": "f", "size": 10_000, "here": 5000, "seconds": 2.0, "held_back": True}


def test_what_is_held_back_is_told_until_the_command_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "EVERY", 0.01)
    said: list[str] = []
    enough, masks = threading.Event(), list[object]()

    def ask() -> object:
        if sys.platform != "win32":
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        if len(said) > 2:
            enough.set()
        return {"under_way": [HELD, {**HELD, "held_back": False}]}

    with meanwhile.telling(ask, said.append):
        assert enough.wait(HANG)
    assert set(said) == {"f: 5.0 kB of 10.0 kB, 2.5 kB/s; its client gets it when it is checked"}
    # A signal is for whoever waits for the command, not for this thread.
    assert sys.platform == "win32" or all(signal.SIGINT in mask for mask in masks)  # type: ignore[operator]


def test_short_command_is_told_nothing() -> None:
    with meanwhile.telling(lambda: pytest.fail("asked"), pytest.fail):
        pass
