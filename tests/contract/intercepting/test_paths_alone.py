"""A file that is asked for before its page: what its path tells, and what its origin says of it."""

from __future__ import annotations

import pytest

from lib import wheels
from lib.serving import modes
from lib.waiting import until
from lib.world import MakeWorld, World

#: Above and below what is released before its digest agrees.
LARGE, SMALL = 9 << 20, 100_000


def asked_for_without_its_page(world: World, size: int, *, said: modes.Mode) -> bytes:
    """Ask for a file of which its origin says `said` to a HEAD; give what came, which is right."""
    built = wheels.wheel("thing", size=size)
    # From one page it is known where the origin keeps its files.
    world.index.add(wheels.wheel("teaches"))
    world.index.add(built)
    world.gateway.get("/simple/teaches/")
    world.files.fail(said, "*thing*", methods=("HEAD",))
    path = world.index.path(built.name)
    status, _, body = world.gateway.get(path, {"user-agent": "uv/0.9.0"})
    assert (status, body == built.data) == (200, True), (body[:200], world.gateway.told())
    world.assert_polite()
    return body


@pytest.mark.parametrize(
    ("said", "size"),
    [
        pytest.param(modes.swapped(b""), SMALL, id="nothing"),
        pytest.param(modes.swapped(b"x"), SMALL, id="shorter", marks=pytest.mark.nightly),
        pytest.param(modes.wrong_length(10), LARGE, id="longer"),
        pytest.param(modes.NO_LENGTH, LARGE, id="no-length", marks=pytest.mark.nightly),
    ],
)
def test_an_origin_that_says_a_wrong_length_to_a_head_costs_a_page_and_no_file(
    world: MakeWorld, said: modes.Mode, size: int
) -> None:
    made = world(mirrors=2)
    asked_for_without_its_page(made, size, said=said)
    assert [seen.path for seen in made.pages.seen] == ["/simple/teaches/", "/simple/thing/"]


def test_its_next_file_is_looked_up_in_its_page_at_once(world: MakeWorld) -> None:
    made = world(mirrors=2)
    asked_for_without_its_page(made, SMALL, said=modes.wrong_length(10))
    other = wheels.wheel("other", size=SMALL)
    made.index.add(other)
    status, _, body = made.gateway.get(made.index.path(other.name), {"user-agent": "uv/0.9.0"})
    assert (status, body) == (200, other.data)
    assert not made.files.requests("*other*", "HEAD")


def test_an_origin_that_only_stumbles_is_believed_further(world: MakeWorld) -> None:
    made = world(mirrors=0)
    built = wheels.wheel("thing", size=SMALL)
    other = wheels.wheel("other", size=SMALL)
    made.index.add(wheels.wheel("teaches"))
    made.index.add(built, other)
    made.gateway.get("/simple/teaches/")
    made.files.fail(modes.status(500), "*thing*", methods=("GET",))
    assert made.gateway.get(made.index.path(built.name))[0] == 302
    made.files.heal()
    status, _, body = made.gateway.get(made.index.path(other.name), {"user-agent": "uv/0.9.0"})
    assert (status, body) == (200, other.data)
    assert "/simple/other/" not in {seen.path for seen in made.pages.seen}


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_what_came_for_its_path_alone_is_not_fetched_again_for_its_page(
    world: MakeWorld, size: int
) -> None:
    made = world(mirrors=1)
    built = wheels.wheel("thing", size=size)
    made.index.add(wheels.wheel("teaches"))
    made.index.add(built)
    made.gateway.get("/simple/teaches/")
    path = made.index.path(built.name)

    def asked() -> int:
        servers = (made.files, *made.mirrors)
        return sum(len(each.requests("*thing*.whl", "GET")) for each in servers)

    def given() -> None:
        status, _, body = made.gateway.get(path, {"user-agent": "uv/0.9.0"})
        assert (status, body == built.data) == (200, True)

    given()
    kept = made.gateway.root / "cache" / "store"
    until(lambda: [each for each in kept.glob("*/??/*") if each.stat().st_size == len(built.data)])
    before = asked()
    made.gateway.get("/simple/thing/")
    given()
    assert asked() == before > 0
