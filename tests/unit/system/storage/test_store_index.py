"""The index of the store: what a full store costs, the order, and whatever happens to the index."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.models import Digest
from headrace.system.storage import usage_index
from headrace.system.storage.eviction import oldest_first
from headrace.system.storage.store import Store
from lib.capabilities import lacks

NOW = 1_800_000_000.0
SIZE = 100


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Store]]:
    made: list[Store] = []

    def open_store(limit: int = 1 << 30) -> Store:
        made.append(Store(tmp_path / "store", limit=limit, reserve=0.0, clock=clock))
        return made[-1]

    yield open_store
    for store in made:
        store.close()


def digest_of(data: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(data).hexdigest())


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE)


def put(store: Store, number: int, *, settled: bool = True) -> Digest:
    data = content(number)
    digest = digest_of(data)
    partial = store.partial(str(digest), len(data))
    partial.write(0, data)
    store.commit(partial, digest)
    partial.close()
    if settled:
        store.settle()
    return digest


def put_by_hand(store: Store, number: int, used: float) -> Path:
    """Put a file there as a version without an index did."""
    digest = digest_of(content(number))
    path = store.root / "sha256" / digest.value[:2] / digest.value
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(content(number))
    os.utime(path, (used, used))
    return path


def here(store: Store, numbers: range) -> list[int]:
    """Which of these files are there."""
    return [
        number
        for number in numbers
        if any(store.root.glob(f"sha256/??/{digest_of(content(number)).value}"))
    ]


class Calls:
    """Counts what is asked of the file system: a folder's listing by each name that it gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        for name in ("stat", "lstat", "unlink", "utime", "open", "rename", "replace"):
            self._count(monkeypatch, name)
        for name in ("scandir", "listdir"):
            self._count_names(monkeypatch, name)

    def _count(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        asked = getattr(os, name)

        def counting(*arguments: object, **named: object) -> object:
            self.number += 1
            return asked(*arguments, **named)

        monkeypatch.setattr(os, name, counting)

    def _count_names(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        listed = getattr(os, name)

        def counting(folder: Path) -> object:
            found = listed(folder)
            self.number += 1 + len(names(folder))
            return found

        names = os.listdir
        monkeypatch.setattr(os, name, counting)


def calls_of_a_full_store(
    store: Store, entries: int, added: int, monkeypatch: pytest.MonkeyPatch
) -> int:
    for number in range(entries):
        put_by_hand(store, number, NOW - entries + number)
    store.sweep()
    store.limit = entries * SIZE
    with monkeypatch.context() as patching:
        calls = Calls(patching)
        for number in range(entries, entries + added):
            put(store, number)
    assert len(here(store, range(entries + added))) <= entries
    return calls.number


def test_a_file_that_comes_into_a_full_store_costs_the_same_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (
        calls_of_a_full_store(
            Store(tmp_path / str(entries), limit=1 << 30, reserve=0.0, clock=lambda: NOW),
            entries,
            60,
            monkeypatch,
        )
        for entries in (30, 300)
    )
    # Of both 60 files and a batch: what a batch removes is a tenth of what is there.
    assert many - few < 3 * (300 - 30) / 10


def test_whoever_waits_for_a_file_does_not_wait_for_what_has_to_go(
    opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    for number in range(20):
        put_by_hand(store, number, NOW - 100 + number)
    store.sweep()
    store.limit = 20 * SIZE
    held = threading.Event()
    evict, waiting = store.evict, threading.get_ident()

    def held_evict(**named: Any) -> int:
        assert threading.get_ident() != waiting, "it would wait"
        held.wait()
        return evict(**named)

    monkeypatch.setattr(store, "evict", held_evict)
    digest = put(store, 20, settled=False)
    found = store.find(digest)
    assert found is not None, "it came back, although nothing has gone yet"
    assert len(here(store, range(21))) == 21
    held.set()
    store.settle()
    assert here(store, range(21)) == list(range(3, 21))


def test_the_order_is_that_of_the_files_own_times_however_old_the_index_is(
    opened: Callable[..., Store], clock: Clock
) -> None:
    store = opened()
    numbers = list(range(200))
    for number in numbers:
        put(store, number)
        clock.now += 1
    chance = random.Random(7)
    times = {number: NOW + 1000 + chance.randrange(10**6) for number in numbers[::2]}
    for number, used in times.items():
        put_by_hand(store, number, used)  # used since, by a process that tells no index
    wanted = sorted(numbers, key=lambda number: times.get(number, NOW + number))
    found = [entry.path.name for entry in oldest_first(store.root, store._index)]
    assert found == [digest_of(content(number)).value for number in wanted]


def test_a_store_without_an_index_gets_one_and_gives_up_its_oldest(
    opened: Callable[..., Store],
) -> None:
    store = opened(20 * SIZE)
    for number in range(40):
        put_by_hand(store, number, NOW - 100 + number)
    (store.root / "sha256" / "00").mkdir(exist_ok=True)
    (store.root / "sha256" / "00" / "a note of the user's").write_bytes(b"x")
    store.sweep()
    assert here(store, range(40)) == list(range(22, 40))
    assert (store.root / "sha256" / "00" / "a note of the user's").exists()


def test_a_disk_without_room_is_made_room_on_before_there_is_an_index(
    opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    for number in range(10):
        put_by_hand(store, number, NOW - 100 + number)
    monkeypatch.setattr(store, "_free", lambda: (1000 - len(here(store, range(10))), 10**9))
    assert store.evict(free=1000 - 9) == SIZE
    assert here(store, range(10)) == list(range(1, 10))


@pytest.mark.parametrize(
    "damage", [b"", b"no database at all" * 100, None], ids=["empty", "foreign", "a folder"]
)
def test_an_index_that_is_none_is_begun_anew_and_no_file_is_lost_by_it(
    opened: Callable[..., Store], damage: bytes | None
) -> None:
    store = opened()
    for number in range(40):
        put_by_hand(store, number, NOW - 100 + number)
    store.sweep()
    store.close()
    path = store.root / "index.sqlite"
    path.unlink()
    path.mkdir() if damage is None else path.write_bytes(damage)
    later = opened(20 * SIZE)
    later.sweep()
    assert here(later, range(40)) == list(range(22, 40))
    put(later, 40)
    assert later.usage() == 19 * SIZE


def test_an_index_that_breaks_in_use_is_begun_anew(opened: Callable[..., Store]) -> None:
    store = opened(20 * SIZE)
    for number in range(10):
        put(store, number)
    store.close()
    with sqlite3.connect(store.root / "index.sqlite") as base:
        base.execute("UPDATE file SET name = substr(name, 9)")  # no digest's name any more
    base.close()
    for number in range(10, 25):
        put(store, number)
    assert store.usage() == SIZE * len(here(store, range(25))) <= 20 * SIZE


def test_a_folder_that_its_user_cleared_is_empty(opened: Callable[..., Store]) -> None:
    store = opened(20 * SIZE)
    for number in range(20):
        put(store, number)
    for path in sorted(store.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for number in range(20, 30):
        put(store, number)
    assert here(store, range(30)) == list(range(20, 30))
    assert store.usage() == 10 * SIZE


def test_nothing_goes_for_files_that_others_removed_already(opened: Callable[..., Store]) -> None:
    store = opened(20 * SIZE)
    digests = [put(store, number) for number in range(20)]
    for digest in digests[:10]:
        store.path(digest).unlink()
    put(store, 20)
    assert here(store, range(21)) == list(range(10, 21))
    assert store.usage() == 11 * SIZE


def test_files_that_others_removed_and_added_are_found_within_a_day(
    opened: Callable[..., Store], clock: Clock
) -> None:
    store = opened()
    digests = [put(store, number) for number in range(10)]
    assert store.usage() == 10 * SIZE
    for digest in digests[:5]:
        store.path(digest).unlink()
    put_by_hand(store, 20, NOW)
    clock.now += 2 * 24 * 3600
    store.sweep()
    assert store.usage() == 6 * SIZE


def test_two_gateways_of_one_store_have_one_sum_and_one_limit(
    opened: Callable[..., Store], clock: Clock
) -> None:
    stores = opened(30 * SIZE), opened(30 * SIZE)
    for number in range(60):
        put(stores[number % 2], number)
        clock.now += 1
    assert stores[0].usage() == stores[1].usage() <= 30 * SIZE
    found = here(stores[0], range(60))
    assert found == list(range(60 - len(found), 60))


def test_where_the_index_cannot_be_written_files_are_kept_and_found_again(
    opened: Callable[..., Store],
) -> None:
    store = opened(20 * SIZE)
    put(store, 0)
    with sqlite3.connect(store.root / "index.sqlite", isolation_level=None) as other:
        store._index._database().execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")  # another process, which is slow
        for number in range(1, 10):
            put(store, number)
        other.execute("COMMIT")
    other.close()
    assert here(store, range(10)) == list(range(10))
    assert store.usage() == 10 * SIZE


KILLED = """
import os, signal, sys
from pathlib import Path
from headrace.system.storage import store as module
from headrace.system.storage.partial import Partial
sys.path.insert(0, sys.argv[2])
from test_store_index import Store, put

store = Store(Path(sys.argv[1]), limit=1 << 30, reserve=0.0)
put(store, 0)
moment = sys.argv[3]
move = Partial.move
def killed(self, target):
    if moment == "after":
        move(self, target)
    os.kill(os.getpid(), signal.SIGKILL)
Partial.move = killed
put(store, 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "SIGKILL"))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_is_killed_as_it_gives_a_file_its_name_leaves_no_file_unknown(
    opened: Callable[..., Store], moment: str
) -> None:
    store = opened()
    store.root.mkdir(mode=0o700, parents=True)
    command = [sys.executable, "-c", KILLED, str(store.root), str(Path(__file__).parent), moment]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(command, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    known = {entry.path.name for entry in oldest_first(store.root, store._index) if entry.file}
    assert known == {path.name for path in store.root.glob("sha256/??/*")}
    assert len(known) == (2 if moment == "after" else 1)
    # What was claimed and did not come was dropped as it was looked at.
    assert store.usage() - sum(p.stat().st_blocks * 512 for p in store.root.glob("*/*.part")) == (
        SIZE * len(known)
    )


def test_the_index_is_held_against_its_folder_once_and_not_with_each_question(
    opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    put(store, 0)
    store.sweep()
    looked: list[Path] = []

    def names(folder: Path) -> set[str]:
        looked.append(folder)
        return set()

    monkeypatch.setattr(usage_index, "_names", names)
    again = opened()
    again.sweep()
    put(again, 1)
    assert again.evict() == 0
    assert again.usage() == 2 * SIZE
    assert not looked
