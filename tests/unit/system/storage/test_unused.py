"""What nobody used for a while goes when a person says so, and nothing else does."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from headrace.models import Digest
from headrace.system.storage.store import Store
from headrace.system.storage.unused import UnusedFiles

DAY = 86_400.0
NOW = time.time()


class Clock:
    now = NOW - 10 * DAY

    def __call__(self) -> float:
        return self.now


def put(store: Store, data: bytes) -> Digest:
    digest = Digest("sha256", hashlib.sha256(data).hexdigest())
    partial = store.partial(str(digest), len(data))
    partial.write(0, data)
    store.commit(partial, digest)
    partial.close()
    store.settle()
    return digest


def test_what_was_used_since_stays_and_so_does_what_is_on_its_way(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, limit=1 << 30, reserve=0.0, clock=clock)
    old, used = put(store, b"o" * 1000), put(store, b"u" * 2000)
    clock.now = NOW
    new = put(store, b"n" * 4000)
    coming = store.partial("sha256:coming", 500)
    coming.write(0, b"c" * 100)
    assert store.find(used) is not None
    unused = UnusedFiles(tmp_path, clock=clock)
    # The index has not noted the use yet: no more than this can be freed.
    assert unused.sizes((30 * DAY, 7 * DAY, 0.0)) == {30 * DAY: 0, 7 * DAY: 3000, 0.0: 7000}
    assert unused.remove(7 * DAY) == 1000
    assert [store.find(each) is None for each in (old, used, new)] == [True, False, False]
    assert unused.remove(0.0) == 6000
    assert unused.remove(0.0) == 0
    assert unused.sizes((0.0,)) == {0.0: 0}
    assert coming.have == ((0, 100),)
    coming.close()
    store.close()


def test_a_store_that_is_not_there_has_nothing_to_free(tmp_path: Path) -> None:
    unused = UnusedFiles(tmp_path / "nothing")
    assert unused.sizes((0.0,)) == {0.0: 0}
    assert unused.remove(0.0) == 0


def test_what_is_pinned_stays_whatever_is_asked_for(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, limit=1 << 30, reserve=0.0, clock=clock)
    pinned, other = put(store, b"p" * 1000), put(store, b"o" * 2000)
    store.pins.add(pinned, "mine")
    store.pins.add(Digest("sha256", "0" * 64), "not here yet")
    unused = UnusedFiles(tmp_path, clock=clock)
    assert unused.sizes((0.0,)) == {0.0: 2000}
    assert unused.remove(0.0) == 2000
    assert [store.find(each) is None for each in (pinned, other)] == [False, True]
    assert unused.sizes((0.0,)) == {0.0: 0}
    store.close()


def test_all_of_it_is_all_of_it_also_where_the_clock_was_put_back(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, limit=1 << 30, reserve=0.0, clock=clock)
    put(store, b"f" * 1000)
    clock.now -= 30 * DAY
    unused = UnusedFiles(tmp_path, clock=clock)
    assert unused.sizes((7 * DAY, 0.0)) == {7 * DAY: 0, 0.0: 1000}
    assert unused.remove(0.0) == 1000
    store.close()
