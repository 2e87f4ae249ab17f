"""The content store: finding, committing, resuming, evicting, sweeping."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import StoreError
from headrace.models import Digest
from headrace.system.storage import store as store_module
from headrace.system.storage.partial import Partial
from headrace.system.storage.store import Store

LIMIT = 1 << 30


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    return Store(tmp_path / "store", limit=LIMIT, reserve=0.0, clock=clock)


def digest_of(data: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(data).hexdigest())


def put(store: Store, data: bytes) -> Digest:
    digest = digest_of(data)
    partial = store.partial(str(digest), len(data))
    partial.write(0, data)
    store.commit(partial, digest)
    partial.close()
    store.settle()
    return digest


def test_a_committed_file_is_found_under_its_digest(store: Store) -> None:
    data = os.urandom(100_000)
    digest = put(store, data)
    found = store.find(digest)
    assert found is not None
    assert found.path == store.root / "sha256" / digest.value[:2] / digest.value
    assert found.size == len(data)
    assert found.path.read_bytes() == data
    assert store.usage() == len(data)


def test_what_was_never_committed_is_not_found(store: Store) -> None:
    assert store.find(digest_of(b"nothing")) is None
    assert store.usage() == 0


def test_an_empty_file_can_be_kept(store: Store) -> None:
    digest = put(store, b"")
    found = store.find(digest)
    assert found is not None
    assert found.size == 0


def test_a_file_with_a_hole_is_not_committed(store: Store) -> None:
    partial = store.partial("sha256:x", 10)
    partial.write(0, b"abc")
    partial.write(5, b"defgh")
    with pytest.raises(StoreError, match="has"):
        store.commit(partial, digest_of(b"abc"))
    assert partial.read(5, 5) == b"defgh"
    partial.close()


def test_bytes_arrive_in_any_order_and_are_read_back_after_the_commit(store: Store) -> None:
    data = os.urandom(1000)
    digest = digest_of(data)
    partial = store.partial(str(digest), len(data))
    partial.write(600, data[600:])
    partial.write(0, data[:300])
    assert partial.have == ((0, 300), (600, 1000))
    partial.write(300, memoryview(data)[300:600])
    assert partial.complete
    store.commit(partial, digest)
    assert partial.read(10, 500) == data[10:510]
    assert partial.read(990, 500) == data[990:]
    assert not list((store.root / "partial").iterdir())
    partial.close()


def test_a_later_run_resumes_what_was_saved(store: Store) -> None:
    data = os.urandom(50_000)
    first = store.partial("sha256:k", len(data))
    first.write(0, data[:20_000])
    first.write(30_000, data[30_000:])
    first.close()
    second = store.partial("sha256:k", len(data))
    assert second.have == ((0, 20_000), (30_000, 50_000))
    assert second.read(30_000, 20_000) == data[30_000:]
    second.write(20_000, data[20_000:30_000])
    store.commit(second, digest_of(data))
    second.close()
    assert store.find(digest_of(data)) is not None


def test_another_size_begins_anew(store: Store) -> None:
    first = store.partial("sha256:k", 100)
    first.write(0, b"x" * 100)
    first.close()
    second = store.partial("sha256:k", 50)
    assert second.have == ()
    second.write(0, b"y" * 50)
    store.commit(second, digest_of(b"y" * 50))
    second.close()
    found = store.find(digest_of(b"y" * 50))
    assert found is not None
    assert found.path.read_bytes() == b"y" * 50


@pytest.mark.parametrize("damage", [b"", b"{", b"null 00000000", b"\xff" * 40])
def test_a_torn_map_is_nothing(store: Store, damage: bytes) -> None:
    first = store.partial("sha256:k", 100)
    first.write(0, b"x" * 100)
    first.close()
    first.map_path.write_bytes(damage)
    assert store.partial("sha256:k", 100).have == ()


def test_every_flipped_bit_of_a_map_is_noticed(store: Store) -> None:
    first = store.partial("sha256:k", 100)
    first.write(7, b"x" * 13)
    first.close()
    whole = first.map_path.read_bytes()
    for position in range(len(whole)):
        torn = bytearray(whole)
        torn[position] ^= 1
        first.map_path.write_bytes(torn)
        again = store.partial("sha256:k", 100)
        # The last hex digits may differ in case only, which is the same number.
        assert again.have in ((), ((7, 20),)) if torn[position] > 57 else again.have == ()
        again._unsaved = 0
        first.map_path.write_bytes(whole)
        os.close(again._fd or 0)


def test_a_map_that_claims_more_than_the_file_holds_is_cut(store: Store) -> None:
    first = store.partial("sha256:k", 100)
    first.write(0, b"x" * 100)
    first.close()
    os.truncate(first.path, 10)
    assert store.partial("sha256:k", 100).have == ()


def test_map_of_a_file_that_has_gone_says_nothing_of_the_next_one(store: Store) -> None:
    first = store.partial("key", 100_000)
    first.write(0, b"x" * 50_000)
    first.save()
    # Whoever finished it was killed between giving it its name and taking its map away,
    first.path.unlink()
    # and the next one after its first bytes, before its first map.
    second = store.partial("key", 100_000)
    assert second.have == ()
    second.write(90_000, b"y" * 10_000)
    os.close(second._fd or 0)
    third = store.partial("key", 100_000)
    assert third.have == ((90_000, 100_000),)
    third.close()
    first.close()


def test_forgotten_bytes_are_forgotten_on_disk_too(store: Store) -> None:
    first = store.partial("sha256:k", 100)
    first.write(0, b"x" * 100)
    first.forget(20, 40)
    assert first.have == ((0, 20), (40, 100))
    # As after a SIGKILL: the lock goes, nothing is saved.
    os.close(first._fd or 0)
    assert store.partial("sha256:k", 100).have == ((0, 20), (40, 100))


def test_the_second_at_one_key_gets_a_private_file(store: Store) -> None:
    first = store.partial("sha256:k", 10)
    second = store.partial("sha256:k", 10)
    assert first.shared
    assert not second.shared
    first.write(0, b"a" * 10)
    second.write(0, b"b" * 10)
    assert first.read(0, 10) == b"a" * 10
    store.commit(second, digest_of(b"b" * 10))
    second.close()
    first.close()
    assert [p.suffix for p in sorted((store.root / "partial").iterdir())] == [".map", ".part"]


def test_writing_outside_the_file_is_refused(store: Store) -> None:
    partial = store.partial("sha256:k", 10)
    with pytest.raises(StoreError, match="file of 10"):
        partial.write(5, b"123456")
    partial.discard()
    assert not list((store.root / "partial").iterdir())


def test_a_closed_file_says_so(store: Store) -> None:
    partial = store.partial("sha256:k", 10)
    partial.close()
    partial.close()
    partial.discard()
    with pytest.raises(StoreError, match="closed"):
        partial.write(0, b"x")
    with pytest.raises(StoreError, match="closed"):
        partial.read(0, 1)


def test_discarding_after_the_commit_keeps_the_file(store: Store) -> None:
    partial = store.partial("sha256:k", 3)
    partial.write(0, b"abc")
    store.commit(partial, digest_of(b"abc"))
    partial.discard()
    assert store.find(digest_of(b"abc")) is not None


def test_the_longest_unused_goes_first_down_to_nine_tenths_of_the_limit(
    store: Store, clock: Clock
) -> None:
    store.limit = 3000
    digests = []
    for number in range(30):
        digests.append(put(store, bytes([number]) * 100))
        clock.now += 1000
    assert store.find(digests[0]) is not None  # it was used just now
    assert store.usage() == 3000
    clock.now += 1000
    put(store, b"d" * 100)
    here = [store.find(digest) is not None for digest in digests]
    assert here == [True, *[False] * 4, *[True] * 25]
    assert store.usage() == 2700


def test_a_file_larger_than_the_limit_stays_until_the_next_one(store: Store, clock: Clock) -> None:
    store.limit = 500
    digest = put(store, b"a" * 1000)
    assert store.find(digest) is not None
    clock.now += 10
    put(store, b"b" * 100)
    assert store.find(digest) is None


def test_a_file_that_is_being_read_outlives_its_eviction(store: Store, clock: Clock) -> None:
    store.limit = 1000
    found = store.find(put(store, b"a" * 1000))
    assert found is not None
    with found.path.open("rb") as reader:
        clock.now += 10
        put(store, b"b" * 1000)
        assert not found.path.exists()
        assert reader.read() == b"a" * 1000


def test_a_partial_file_in_work_is_never_evicted_and_an_idle_one_is(
    store: Store, clock: Clock
) -> None:
    busy = store.partial("sha256:busy", 4096)
    busy.write(0, b"x" * 4096)
    busy.save()
    idle = store.partial("sha256:idle", 4096)
    idle.write(0, b"y" * 4096)
    idle.close()
    clock.now += 10
    store.limit = 0
    assert store.evict() >= 4096
    assert busy.path.exists()
    assert not idle.path.exists()
    assert not idle.map_path.exists()
    busy.close()


def test_who_evicts_looks_at_no_partial_file_while_one_is_being_opened(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looking is locking it for a moment, and who opens it then would have to begin another one.
    idle = store.partial("idle", 100_000)
    idle.write(0, os.urandom(50_000))
    idle.close()
    store.limit = 1
    seen: list[int] = []

    def opened(*args: Any, **named: Any) -> Partial | None:
        meanwhile = threading.Thread(target=lambda: seen.append(store.evict()))
        meanwhile.start()
        meanwhile.join()
        return original(*args, **named)

    original = store_module.Partial.open
    monkeypatch.setattr(store_module.Partial, "open", opened)
    again = store.partial("idle", 100_000)
    assert seen == [0]
    assert again.shared
    assert sum(end - start for start, end in again.have) == 50_000
    again.close()
    assert store.evict() > 0


def test_the_reserve_of_the_disk_is_kept(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(store, b"a" * 1000)
    clock.now += 10
    second = put(store, b"b" * 1000)
    store.reserve = 0.10
    # 9 500 of 100 000 free: 500 too few.
    monkeypatch.setattr(store, "_free", lambda: (9_500, 100_000))
    assert store.evict() == 1000
    assert store.find(first) is None
    assert store.find(second) is not None


def test_a_large_disk_that_is_nearly_full_still_lets_the_store_keep_something(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.reserve = 0.10
    kept = put(store, b"a" * 1000)
    # 8 % of 1 TB: below the share, and yet 80 GB.
    monkeypatch.setattr(store, "_free", lambda: (80 << 30, 1000 << 30))
    assert store.evict() == 0
    assert store.find(kept) is not None


def test_a_disk_without_room_is_said_before_the_transfer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_free", lambda: (1000, 100_000))
    with pytest.raises(StoreError, match="1000 free") as caught:
        store.partial("sha256:k", 5000)
    assert caught.value.reference == "disk-full"


def test_a_changed_file_is_removed_when_its_size_is_suspicious(store: Store) -> None:
    digest = put(store, b"a" * 1000)
    found = store.find(digest, 1000)
    assert found is not None
    found.path.write_bytes(b"a" * 999)
    assert store.find(digest, 1000) is None
    assert not found.path.exists()


def test_a_wrong_expectation_does_not_remove_a_right_file(store: Store) -> None:
    digest = put(store, b"a" * 1000)
    assert store.find(digest, 5) is not None


def test_sweeping_removes_what_nobody_comes_back_for(store: Store, clock: Clock) -> None:
    folder = store.root / "partial"
    kept = store.partial("sha256:kept", 10)
    kept.write(0, b"x")
    kept.close()
    old = store.partial("sha256:old", 10)
    old.write(0, b"x")
    old.close()
    os.utime(old.path, (clock.now - 10 * store_module._ABANDONED,) * 2)
    os.utime(kept.path, (clock.now, clock.now))
    (folder / "orphan.map").write_bytes(b"x")
    (folder / "orphan.maptmp").write_bytes(b"x")
    (folder / "0123-77-1.part").write_bytes(b"x")
    (folder / "4567.part").write_bytes(b"x")
    busy = store.partial("sha256:busy", 10)
    store.sweep()
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [kept.path.name, kept.map_path.name, busy.path.name]
    )
    busy.close()


def test_a_store_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = Store(tmp_path / "file" / "store", limit=LIMIT, reserve=0.0)
    with pytest.raises(StoreError):
        store.partial("sha256:k", 10)
    assert store.find(digest_of(b"x")) is None
    assert store.usage() == 0
    assert store.evict() == 0
    store.sweep()
