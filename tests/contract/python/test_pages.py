"""Index pages: the origin's word, kept, revalidated, stale when it fails, provisional when slow."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urljoin

import pytest

from lib import wheels
from lib.clients import Pip
from lib.gateway import Gateway, TestMirror
from lib.index import HTML, JSON
from lib.serving import modes
from lib.serving.faults import SIZE, large
from lib.waiting import HANG, until
from lib.world import MakeWorld, World

PAGE = "/simple/thing/"
BREATH = 3.2
"""Seconds after which an origin that wants revalidation is asked again."""


def page(world: World, accept: str = JSON, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return world.gateway.get(PAGE, {"Accept": accept, **headers})


def test_page_is_asked_of_the_origin_once_while_it_lives(world: MakeWorld) -> None:
    made = world()
    made.index.add(wheels.wheel("thing", "1.0"))
    first, second = page(made), page(made, HTML)
    assert (first[0], second[0]) == (200, 200)
    # text/html is the other name of the HTML form (PEP 691, "Version + Format Selection").
    assert first[1]["content-type"] == JSON
    assert second[1]["content-type"].partition(";")[0] in (HTML, "text/html")
    assert len(made.pages.requests(PAGE)) == 1
    assert made.at_mirrors() == []


def test_page_is_revalidated_with_its_etag_after_its_life(world: MakeWorld) -> None:
    made = world()
    made.pages.cache_control = "max-age=0"
    made.index.add(wheels.wheel("thing", "1.0"))
    first = page(made)
    # A client's question and what was read ahead for it are one use, for some seconds.
    time.sleep(BREATH)
    assert page(made)[2] == first[2]
    assert [s.status for s in made.pages.requests(PAGE)] == [200, 304]


def test_client_revalidates_for_nothing(world: MakeWorld) -> None:
    made = world()
    made.index.add(wheels.wheel("thing", "1.0"))
    _, headers, _ = page(made)
    assert "no-cache" in headers["cache-control"]
    status, again, body = page(made, **{"If-None-Match": headers["etag"]})
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])


def test_no_cache_of_a_client_is_honoured(world: MakeWorld) -> None:
    made = world()
    made.index.add(wheels.wheel("thing", "1.0"))
    page(made)
    made.index.add(wheels.wheel("thing", "2.0"))
    versions = json.loads(page(made)[2])["versions"]
    assert versions == ["1.0"]
    fresh = json.loads(page(made, **{"Cache-Control": "no-cache"})[2])["versions"]
    assert fresh == ["1.0", "2.0"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone tells")
def test_pages_of_all_that_pips_user_named_are_asked_for_with_the_first(
    world: MakeWorld, newest: Pip
) -> None:
    made = world()
    names = [f"thing{number}" for number in range(6)]
    for name in names:
        made.index.add(wheels.wheel(name, "1.0"), wheels.wheel(name, "2.0"))
    released = threading.Event()
    made.pages.fail(modes.held(released), "/simple/*")
    newest.point_at(f"{made.gateway.url}/simple/")
    pip = newest.environment.start(*newest.command("install", *(f"{each}<2" for each in names)))
    # No page is given before all of them are asked for, which pip does one by one.
    until(lambda: len(made.pages.requests("/simple/*")) == len(names))
    released.set()
    told, _ = pip.communicate(timeout=HANG)
    assert pip.returncode == 0, told
    assert newest.environment.distributions() >= {f"{each}-1.0" for each in names}
    assert len(made.pages.requests("/simple/*")) == len(names)
    assert made.files.requests("*-2.0-*") == []


def test_kept_page_is_served_when_the_origin_fails(world: MakeWorld, newest: Pip) -> None:
    made = world(mirrors=1)
    made.pages.cache_control = "max-age=0"
    built = wheels.wheel("thing", "1.0", size=100_000)
    made.index.add(built)
    page(made)
    time.sleep(BREATH)
    for fault in (modes.status(503), modes.status(500), modes.cut(10), modes.HTML):
        made.pages.heal()
        made.pages.fail(fault)
        assert page(made)[0] == 200, fault
    made.pages.close()
    made.files.close()
    newest.point_at(made.gateway.index)
    newest.install("thing").ok()
    assert newest.environment.holds(built.files())


def test_kept_page_outlives_the_gateway(world: MakeWorld) -> None:
    made = world()
    made.index.add(wheels.wheel("thing", "1.0"))
    before = page(made)[2]
    made.gateway.kill()
    made.pages.close()
    made.gateway.start()
    status, _, body = page(made)
    assert (status, body) == (200, before)


def test_origin_that_is_down_with_nothing_kept_is_a_clean_error(
    world: MakeWorld, newest: Pip
) -> None:
    made = world()
    newest.point_at(made.gateway.index)
    made.pages.close()
    status, headers, _ = page(made)
    # pip.md: 504 is not retried by pip; a redirect leads to the origin's own failure.
    assert status in (302, 307, 504), status
    if status != 504:
        assert urljoin(made.gateway.url, headers["location"]).startswith(made.pages.url)
    newest.install("thing", timeout=HANG).failed()
    assert made.at_mirrors() == []


def test_page_that_is_silent_ends_while_its_origin_is_silent(world: MakeWorld) -> None:
    made = world()
    made.gateway.get("/healthz")
    made.pages.fail(modes.SILENT)
    status, _, _ = page(made)
    assert status in (302, 307, 504)


def test_unknown_project_of_the_origin_is_a_404(world: MakeWorld) -> None:
    made = world()
    assert made.gateway.get("/simple/nothing/", {"Accept": JSON})[0] == 404


def test_links_are_the_same_on_every_port_and_after_a_restart(world: MakeWorld) -> None:
    made = world()
    file = made.index.add(wheels.wheel("thing", "1.0"))
    (entry,) = json.loads(page(made)[2])["files"]
    assert entry["url"] == file.path
    made.gateway.kill()
    made.gateway.start()
    # Asked for by a client that kept the page: found again through the project's page.
    assert made.gateway.get(file.path)[2] == file.built.data
    assert "immutable" in made.gateway.get(file.path, method="HEAD")[1]["cache-control"]


def test_slow_origin_and_a_named_mirror_make_a_provisional_page(
    world: MakeWorld, newest: Pip
) -> None:
    made = world(mirrors=1, gives_documents=True, settings={"provisional_after": 0.3})
    warm, built = wheels.wheel("warm", "1.0"), wheels.wheel("thing", "1.0", size=200_000)
    file = made.index.add(warm, built)
    # Where the origin keeps its files is known from any page of its own.
    made.gateway.get("/simple/warm/", {"Accept": JSON})
    released = threading.Event()
    made.pages.fail(modes.held(released), PAGE)
    newest.point_at(made.gateway.index)
    newest.install("thing").ok()
    released.set()
    assert newest.environment.holds(built.files())
    assert made.mirrors[0].requests(PAGE), "the mirror's page was not used"
    assert made.files.requests(file.path, "HEAD"), "not confirmed at the origin"


def test_provisional_page_that_names_what_the_origin_lacks_is_not_believed(
    world: MakeWorld, newest: Pip
) -> None:
    made = world(mirrors=0, settings={"provisional_after": 0.3})
    mirror_world = world(mirrors=1)
    made.index.add(wheels.wheel("warm", "1.0"), wheels.wheel("thing", "1.0"))
    evil = wheels.wheel("thing", "6.6.6", size=100_000)
    mirror_world.index.add(evil)
    liar = mirror_world.mirrors[0]
    made.described.append(TestMirror("liar", liar.url, gives_documents=True))
    made.gateway.get("/simple/warm/", {"Accept": JSON})
    made.pages.delay = 3.0
    newest.point_at(made.gateway.index)
    newest.install("thing", timeout=HANG)
    assert not newest.environment.holds(evil.files())
    assert "thing-6.6.6" not in newest.environment.distributions()
    assert liar.requests(PAGE), "the liar was not even asked"


def test_setting_forbids_provisional_pages(world: MakeWorld) -> None:
    made = world(
        mirrors=1,
        gives_documents=True,
        settings={"provisional_after": 0.1, "documents": "origin"},
    )
    made.index.add(wheels.wheel("warm", "1.0"), wheels.wheel("thing", "1.0"))
    made.gateway.get("/simple/warm/", {"Accept": JSON})
    made.pages.delay = 1.0
    assert page(made)[0] == 200
    assert made.at_mirrors() == []


def test_first_page_and_large_file_after_a_cold_start(world: MakeWorld) -> None:
    made = world()
    file = made.index.add(large())
    # No page was asked for before: the file's project is told by its name.
    status, headers, body = made.gateway.get(file.path)
    assert (status, len(body)) == (200, len(large().data))
    assert headers["content-length"] == str(len(body))
    assert "content-encoding" not in headers
    assert sum(made.sent().values()) < SIZE * 1.5


def test_page_that_was_kept_where_its_index_had_another_path_gets_links_of_today(
    world: MakeWorld, tmp_path: Path
) -> None:
    made = world(mirrors=0)
    made.index.add(wheels.wheel("thing", "1.0"))
    for name in ("one", "two"):
        root, named = tmp_path / "same", {name: made.origin}
        with Gateway(root, origins=["http://127.0.0.1:9/simple"], named=named) as gateway:
            page = gateway.get(f"/index/{name}/simple/thing/", {"accept": JSON})
            (file,) = json.loads(page[2])["files"]
            assert file["url"].startswith(f"/index/{name}/packages/")
            assert gateway.get(file["url"])[0] == 200
