"""What is pinned stays whatever has to go, also for a store of another process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.models import Digest
from headrace.system.storage.pins import Pins
from headrace.system.storage.store import Store
from lib.stores.files import put


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", limit=10**9, reserve=0.0)


def test_a_pinned_file_stays_and_goes_when_it_is_let_go_of(store: Store) -> None:
    old, new = put(store, b"a" * 1000), put(store, b"b" * 1000)
    Pins(store.root).add(old, "old.whl")
    store.limit = 0
    store.evict(batch=False)
    assert store.find(old)
    assert not store.find(new)
    store.pins.remove(old)
    store.evict(batch=False)
    assert not store.find(old)


def test_eviction_that_wants_no_more_than_the_limit_removes_no_more(store: Store) -> None:
    digests = [put(store, bytes([n]) * 1000) for n in range(10)]
    store.limit = 7500
    store.evict(batch=False)
    assert [bool(store.path(each).exists()) for each in digests] == [False] * 3 + [True] * 7


def test_what_is_no_pin_is_passed_over(tmp_path: Path) -> None:
    pins = Pins(tmp_path)
    assert pins.all() == {}
    digest = Digest("sha256", "ab" * 32)
    pins.add(digest, "x")
    (tmp_path / "pins" / "README").write_text("not a digest")
    (tmp_path / "pins" / "sha256-zz").write_text("neither")
    assert pins.all() == {digest: "x"}
    pins.remove(digest)
    pins.remove(digest)
    assert pins.all() == {}


def test_a_wrong_file_is_removed_and_a_right_one_stays_unused(store: Store) -> None:
    good, bad = put(store, b"good"), put(store, b"bad")
    os.utime(store.path(good), (5, 5))
    store.path(bad).write_bytes(b"worse")
    assert store.verify(good)
    assert not store.verify(bad)
    assert not store.path(bad).exists()
    assert store.path(good).stat().st_mtime == 5
