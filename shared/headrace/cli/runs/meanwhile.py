"""What ``headrace run`` says while its command waits for a file that is not checked yet.

A client that can take nothing back is given a few bytes now and then until the whole is here, so
its own display seems to stand still.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from headrace.cli.summary import under_way

__all__ = ["begin", "telling"]

#: Seconds between two looks, and so between two lines about a file.
EVERY = 10.0


@contextmanager
def telling(ask: Callable[[], Any], say: Callable[[str], None]) -> Iterator[None]:
    """Look at the gateway's status now and then, in a thread, and tell of what is held back."""
    done = begin(ask, say)
    try:
        yield
    finally:
        done.set()


def begin(
    ask: Callable[[], Any], say: Callable[[str], None], *, first: float = EVERY
) -> threading.Event:
    """Begin with it `first` seconds from now; it ends with the event, or with the process."""
    done = threading.Event()
    words = (done, ask, say, first)
    threading.Thread(target=_watch, args=words, name="meanwhile", daemon=True).start()
    return done


def _watch(
    done: threading.Event, ask: Callable[[], Any], say: Callable[[str], None], wait: float
) -> None:
    if hasattr(signal, "pthread_sigmask"):
        # They are for whoever waits for the command.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while not done.wait(wait):
        wait = EVERY
        for line in under_way(ask(), held_back=True):
            if not done.is_set():
                say(line)
