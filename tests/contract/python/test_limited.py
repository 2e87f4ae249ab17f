"""A source that limits is asked when it said so and no sooner; its own word reaches the client."""

from __future__ import annotations

import email.utils
import itertools
import time

import pytest

from headrace.system.limits import LimitRecords
from lib import wheels
from lib.clients import Pip
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import until
from lib.world import MakeWorld, World

#: A wheel that goes out whole, and one that is streamed.
SMALL, LARGE = 700_000, 12 << 20
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
LIMITING = (429, 503)
#: Seconds within which requests were on their way together.
TOGETHER = 0.05


def gaps(server: RecordingServer) -> list[float]:
    """Give the seconds from each refusal to whatever the server was asked next, but for what was on
    its way when nobody had heard of the refusal: a wheel, and the metadata that is cut out of it.
    """
    pairs = itertools.pairwise(server.requests())
    found = [later.started - each.started for each, later in pairs if each.status in LIMITING]
    return [gap for gap in found if gap > TOGETHER]


def put(world: World, size: int) -> wheels.Built:
    made = wheels.wheel("limited", "1.0", size=size)
    world.index.add(made)
    return made


def known(world: World) -> str:
    """Let the gateway read the page; give the file's path."""
    assert world.gateway.get("/simple/limited/")[0] == 200
    (file,) = world.index.of("limited")
    return file.path


@SIZES
@pytest.mark.parametrize("status", LIMITING)
@pytest.mark.parametrize("named", ["1", "3"])
def test_last_source_that_limits_is_not_asked_before_the_time_that_it_names(
    world: MakeWorld, newest: Pip, status: int, size: int, named: str
) -> None:
    made = world(mirrors=0)
    wheel = put(made, size)
    made.files.fail(modes.status(status, retry_after=named), "*.whl", times=3)
    newest.point_at(made.gateway.index)
    newest.install("limited").ok()
    assert newest.environment.holds(wheel.files())
    waited = gaps(made.files)
    assert len(waited) in (2, 3)
    assert min(waited) >= int(named), waited


# pip itself gives up after a 429 that names no time.
@SIZES
@pytest.mark.parametrize(
    ("status", "named"), [(429, "0"), (429, "past"), (503, "0"), (503, "past"), (503, None)]
)
def test_pauses_of_a_source_that_names_no_time_have_a_floor_and_grow(
    world: MakeWorld, newest: Pip, status: int, size: int, named: str | None
) -> None:
    made = world(mirrors=0)
    wheel = put(made, size)
    if named == "past":
        named = email.utils.formatdate(time.time() - 60, usegmt=True)
    made.files.fail(modes.status(status, retry_after=named), "*.whl", times=3)
    newest.point_at(made.gateway.index)
    newest.install("limited").ok()
    assert newest.environment.holds(wheel.files())
    waited = gaps(made.files)
    assert len(waited) in (2, 3)
    assert all(gap >= floor for gap, floor in zip(waited, (1.0, 2.0, 4.0), strict=False)), waited


@SIZES
@pytest.mark.parametrize("status", LIMITING)
def test_client_hears_the_origins_own_word_where_nobody_else_has_the_file(
    world: MakeWorld, size: int, status: int
) -> None:
    made = world(mirrors=0)
    put(made, size)
    path = known(made)
    made.files.fail(modes.status(status, retry_after="60"), "*.whl")
    answers = [made.gateway.get(path) for _ in range(5)]
    assert {code for code, _, _ in answers} == {status}
    assert all(50 <= int(headers["retry-after"]) <= 60 for _, headers, _ in answers)
    assert len(made.files.requests()) == 1


@pytest.mark.parametrize("status", LIMITING)
def test_page_whose_origin_limits_is_told_in_its_own_words_and_asked_for_once(
    world: MakeWorld, status: int
) -> None:
    made = world(mirrors=0)
    put(made, SMALL)
    made.pages.fail(modes.status(status, retry_after="60"), "/simple/limited/")
    for method in ("GET", "HEAD", "GET"):
        code, headers, _ = made.gateway.get("/simple/limited/", method=method)
        assert code == status
        assert 50 <= int(headers["retry-after"]) <= 60
    assert len(made.pages.requests()) == 1


@pytest.mark.parametrize("status", LIMITING)
def test_gateway_that_is_killed_and_started_again_asks_nobody_before_the_time(
    world: MakeWorld, status: int
) -> None:
    made = world(mirrors=0, one_host=True)
    put(made, SMALL)
    path = known(made)
    asked = len(made.pages.requests())
    made.pages.fail(modes.status(status, retry_after="60"), "*.whl")
    assert made.gateway.get(path)[0] == status
    # Written down a moment later, as all that is learned: of the file, and of its place.
    records = LimitRecords(made.gateway.root / "state" / "limits.sqlite")
    until(lambda: len(records.load()) == 2)
    for _ in range(2):
        made.gateway.kill()
        made.gateway.start()
        for wanted in (path, f"{path}.metadata"):
            code, headers, _ = made.gateway.get(wanted, {"cache-control": "no-cache"})
            if wanted == path or status == 429:
                assert code == status, wanted
                assert 30 <= int(headers["retry-after"]) <= 60
    assert len(made.pages.requests()) == asked + 1


def test_limit_counts_for_whatever_is_asked_of_that_place(world: MakeWorld) -> None:
    made = world(mirrors=0, one_host=True)
    put(made, SMALL)
    path = known(made)
    asked = len(made.pages.requests())
    made.pages.fail(modes.status(429, retry_after="60"), "*.whl")
    for wanted in (path, f"{path}.metadata", "/simple/other/", path):
        assert made.gateway.get(wanted)[0] == 429, wanted
        assert made.gateway.get(wanted, method="HEAD")[0] in (200, 429), wanted
    assert len(made.pages.requests()) == asked + 1


def test_page_that_is_known_is_served_while_its_origin_limits(world: MakeWorld) -> None:
    made = world(mirrors=0)
    put(made, SMALL)
    known(made)
    asked = len(made.pages.requests())
    made.pages.fail(modes.status(429, retry_after="60"))
    for _ in range(5):
        code, headers, _ = made.gateway.get("/simple/limited/", {"cache-control": "no-cache"})
        assert code == 200
        assert "stale" in headers["warning"].lower()
    assert len(made.pages.requests()) == asked + 1


def test_trouble_of_one_page_is_not_told_of_another(world: MakeWorld) -> None:
    # 503 is said of what was asked for. The place is left alone all the same: the client is led to
    # where it goes without us.
    made = world(mirrors=0)
    put(made, SMALL)
    made.pages.fail(modes.status(503, retry_after="60"), "/simple/limited/")
    assert made.gateway.get("/simple/limited/")[0] == 503
    assert made.gateway.get("/simple/other/")[0] == 302
    assert len(made.pages.requests()) == 1


@SIZES
def test_client_that_leaves_leaves_nobody_asking(world: MakeWorld, size: int) -> None:
    made = world(mirrors=0)
    put(made, size)
    path = known(made)
    made.files.fail(modes.status(503, retry_after="1"), "*.whl")
    with pytest.raises(TimeoutError):
        made.gateway.get(path, timeout=0.5)
    time.sleep(0.5)  # the gateway sees it leave
    before = len(made.files.requests())
    assert before <= 3
    time.sleep(3.5)  # one who is there would have asked again
    assert len(made.files.requests()) == before


def test_mirror_that_limits_is_left_alone_by_every_download(world: MakeWorld, newest: Pip) -> None:
    made = world(mirrors=2)
    wheel = put(made, LARGE)
    made.mirrors[0].fail(modes.status(429, retry_after="60"))
    newest.point_at(made.gateway.index)
    newest.install("limited").ok()
    assert newest.environment.holds(wheel.files())
    seen = made.mirrors[0].requests()
    first = next(each for each in seen if each.ended)
    assert not [each for each in seen if each.started > (first.ended or 0.0) + 1.0]
