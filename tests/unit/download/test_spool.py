"""Where a download's bytes are written: on the loop's thread, but for a disk that lets wait."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable

import pytest

from headrace.download import spool
from headrace.download.spool import MemoryFile, Spool
from headrace.models import Digest

LONG = 2.5 * spool._BUSY
"""Seconds."""


class Disk(MemoryFile):
    """Does something before each write, and knows which thread it had."""

    def __init__(self, before: Callable[[], None], turns: int = 4) -> None:
        """As many bytes as there are turns."""
        super().__init__(turns)
        self.turns = turns
        self.before = before
        self.threads: list[int] = []

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Take one."""
        self.threads.append(threading.get_ident())
        self.before()
        super().write(offset, data)


def wait() -> None:
    time.sleep(LONG)


def compute() -> None:
    end = time.thread_time() + LONG
    while time.thread_time() < end:
        pass


def written_by_us(disk: Disk) -> list[bool]:
    """Write as often as there are turns; tell whose writes were the loop's own."""

    async def main() -> None:
        file = Spool(disk, disk.turns, None)
        for offset in range(disk.turns):
            await file.write(offset, memoryview(b"x"))

    asyncio.run(main())
    return [thread == threading.get_ident() for thread in disk.threads]


def test_disk_that_lets_the_loop_wait_is_written_to_by_a_thread() -> None:
    assert written_by_us(Disk(wait)) == [True, False, False, False]


def test_loop_that_had_to_wait_once_soon_writes_by_itself_again() -> None:
    waits = [wait]

    def before() -> None:
        if waits:
            waits.pop()()

    ours = written_by_us(Disk(before, 40))
    assert ours.count(False) == spool._SOON


def test_disk_that_always_lets_wait_is_tried_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "_BUSY", 0.001)
    ours = written_by_us(Disk(lambda: time.sleep(0.002), 400))
    assert ours.count(True) <= 7


def test_write_that_took_long_without_waiting_tells_nothing_of_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Another thread of this process may want the interpreter meanwhile: that is no disk's doing.
    monkeypatch.setattr(spool, "_waits", lambda: 0)
    assert written_by_us(Disk(compute)) == [True] * 4


def test_what_comes_fast_is_hashed_in_few_calls_of_another_thread() -> None:
    digest = Digest("sha256", hashlib.sha256(bytes(64 << 20)).hexdigest())
    calls = []

    async def main() -> bool:
        file = Spool(MemoryFile(64 << 20), 64 << 20, digest)
        hash_some = file.hash_some

        async def counted() -> None:
            calls.append(file.unhashed())
            await hash_some()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(file, "hash_some", counted)
            for number in range(64):
                await file.write(number << 20, memoryview(bytes(1 << 20)))
                await file.follow()
            return await file.agrees()

    assert asyncio.run(main())
    assert len(calls) <= 16
