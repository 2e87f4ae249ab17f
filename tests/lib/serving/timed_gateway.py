"""The gateway's command line by a clock that stands still while the gateway works, and a record of
when each client was given something: how slow this machine is decides nothing here.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lib
from headrace.cli import main
from headrace.gateway import server

__all__ = ["COMMAND", "Answered", "answered"]

COMMAND = (
    "env",
    f"PYTHONPATH={Path(lib.__file__).parents[1]}",
    sys.executable,
    "-m",
    "lib.serving.timed_gateway",
)
"""Stands in the place of the command line's first words (`World.command`)."""

_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[Any, Any, _Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request, once its answer was over."""

    path: str
    head: float
    """Seconds until the head was given."""
    silence: float
    """The longest time within the body in which nothing was given, its end included; seconds."""


def answered(root: Path) -> list[Answered]:
    """Give what a gateway whose folder is `root` has answered until now."""
    lines = _record(root).read_text("utf-8").splitlines()
    return [Answered(**json.loads(line)) for line in lines]


def _record(root: Path) -> Path:
    return root / "answered.jsonl"


class _Waits(selectors.DefaultSelector):
    """Counts for how long the loop had nothing to do, and nothing of what comes too late."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:
        began = time.monotonic()
        events = super().select(timeout)
        passed = time.monotonic() - began
        self.seconds += passed if timeout is None or timeout < 0 else min(passed, timeout)
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._waits = _Waits()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.seconds


def _recorded(app: _App, root: Path) -> _App:
    """Have an application write down when it answers."""
    with _record(root).open("w", encoding="utf-8"):
        pass

    async def call(scope: Any, receive: Any, send: _Send) -> None:
        loop = asyncio.get_running_loop()
        before, head, silence = loop.time(), None, 0.0

        async def sends(message: _Message) -> None:
            nonlocal before, head, silence
            passed = loop.time() - before
            if head is None:
                head = passed
            else:
                silence = max(silence, passed)
            await send(message)
            before = loop.time()

        try:
            await app(scope, receive, sends)
        finally:
            passed = loop.time() - before
            if scope["type"] == "http":
                told = Answered(
                    scope["path"],
                    passed if head is None else head,
                    silence if head is None else max(silence, passed),
                )
                with _record(root).open("a", encoding="utf-8") as record:
                    record.write(json.dumps(asdict(told)) + "\n")

    return call


def _main() -> int:
    root, serve = Path(os.environ["HEADRACE_HOME"]), server.serve

    def timed(factory: Callable[[], _App], *args: Any, **rest: Any) -> Any:
        return serve(lambda: _recorded(factory(), root), *args, **rest)

    server.serve = timed
    server._loop_factory = lambda: _Loop
    return main()


if __name__ == "__main__":
    sys.exit(_main())
