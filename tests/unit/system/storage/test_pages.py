"""Kept documents: whole or not at all, bounded, in memory where recent."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.errors import StoreError
from headrace.models import Document
from headrace.system.storage.pages import PageStore


def page(body: bytes = b"<html>", **more: object) -> Document:
    return Document(
        url="https://origin.example/simple/a/",
        body=body,
        content_type="text/html",
        etag='"e"',
        last_modified="yesterday",
        fetched_at=12.5,
        max_age=600.0,
        headers={"x-serial": "7"},
        **more,  # type: ignore[arg-type]
    )


def test_a_document_comes_back_as_it_was_in_this_run_and_in_the_next(tmp_path: Path) -> None:
    pages = PageStore(tmp_path)
    document = page(b"line\nline\n\x00\xff", supplied_by="campus")
    pages.put("a", document)
    assert pages.get("a") is document
    assert pages.cached("a") is document
    later = PageStore(tmp_path)
    assert later.cached("a") is None
    assert later.get("a") == document
    assert later.cached("a") == document
    assert later.get("b") is None


def test_a_newer_document_replaces_the_older(tmp_path: Path) -> None:
    pages = PageStore(tmp_path)
    pages.put("a", page(b"old"))
    pages.put("a", page(b"new"))
    assert PageStore(tmp_path).get("a") == page(b"new")


@pytest.mark.parametrize("position", [0, 20, 30, -1])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, position: int) -> None:
    PageStore(tmp_path).put("a", page(b"x" * 100))
    [path] = tmp_path.glob("*/*.page")
    data = bytearray(path.read_bytes())
    data[position] ^= 4
    path.write_bytes(data)
    assert PageStore(tmp_path).get("a") is None


def test_a_torn_file_is_as_good_as_none_wherever_it_was_torn(tmp_path: Path) -> None:
    PageStore(tmp_path).put("a", page(b"x" * 100))
    [path] = tmp_path.glob("*/*.page")
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert PageStore(tmp_path).get("a") is None


def test_a_rendering_is_of_one_version(tmp_path: Path) -> None:
    pages = PageStore(tmp_path)
    pages.keep_rendered("a", "json", "v1", b"one")
    pages.keep_rendered("a", "html", "v1", b"eins")
    assert pages.rendered("a", "json", "v1") == b"one"
    assert pages.rendered("a", "html", "v1") == b"eins"
    assert pages.rendered("a", "json", "v2") is None
    assert pages.rendered("b", "json", "v1") is None
    pages.keep_rendered("a", "json", "v2", b"two")
    assert pages.rendered("a", "json", "v1") is None
    assert pages.rendered("a", "json", "v2") == b"two"


def test_what_is_forgotten_is_gone_with_its_renderings(tmp_path: Path) -> None:
    pages = PageStore(tmp_path)
    pages.put("a", page())
    pages.keep_rendered("a", "../../etc", "v", b"x")
    pages.put("b", page())
    pages.forget("a")
    assert pages.get("a") is None
    assert pages.rendered("a", "../../etc", "v") is None
    assert pages.get("b") is not None


def test_the_longest_unused_pages_go_first(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    pages = PageStore(tmp_path, limit=10_000, memory=0, clock=lambda: now[0])
    for number in range(30):
        now[0] += 1000
        pages.put(str(number), page(b"x" * 1000))
        assert pages.get("0") is not None, "the one in use stays"
    assert sum(p.stat().st_size for p in tmp_path.glob("*/*")) <= 10_000
    assert pages.get("29") is not None
    assert pages.get("10") is None


def test_memory_is_bounded(tmp_path: Path) -> None:
    pages = PageStore(tmp_path, memory=1000)
    for number in range(50):
        pages.put(str(number), page(b"x" * 100))
    assert pages._recent.weight <= 1000
    assert pages.cached("49") is not None
    assert pages.cached("0") is None
    pages.put("giant", page(b"x" * 900))
    assert pages.cached("giant") is None
    assert pages.cached("49") is not None
    assert pages.get("giant") is not None


def test_a_full_or_missing_disk_is_a_store_error_and_memory_has_the_page(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    pages = PageStore(tmp_path / "file" / "pages")
    with pytest.raises(StoreError):
        pages.put("a", page())
    assert pages.get("a") == page()
    assert pages.get("b") is None


def test_many_threads_at_one_page_leave_one_whole_page(tmp_path: Path) -> None:
    pages = PageStore(tmp_path, memory=0)

    def work(number: int) -> None:
        for _ in range(30):
            pages.put("a", page(bytes([number]) * 5000))
            found = pages.get("a")
            assert found is not None
            assert len(set(found.body)) == 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.suffix for p in tmp_path.glob("*/*")] == [".page"]


def test_a_confirmed_page_is_written_down_once_in_a_while(tmp_path: Path) -> None:
    first = replace(page(), fetched_at=1000.0, max_age=None)
    store = PageStore(tmp_path)
    store.put("k", first)
    assert store.confirm("k", replace(first, fetched_at=1299.0))
    assert store.get("k") == replace(first, fetched_at=1299.0)
    assert PageStore(tmp_path).get("k") == first
    assert not store.confirm("k", replace(first, fetched_at=1301.0))
    assert not store.confirm("k", replace(first, fetched_at=1001.0, max_age=60.0))
    assert not store.confirm("unknown", first)
    again = PageStore(tmp_path)
    assert again.get("k") == first
    assert again.confirm("k", replace(first, fetched_at=1200.0))


def test_a_page_that_the_disk_could_not_take_is_not_confirmed(tmp_path: Path) -> None:
    store = PageStore(tmp_path / "pages")
    (tmp_path / "pages").write_text("a file in its place")
    with pytest.raises(StoreError):
        store.put("k", page())
    assert store.get("k") == page()
    assert not store.confirm("k", replace(page(), fetched_at=13.0))
