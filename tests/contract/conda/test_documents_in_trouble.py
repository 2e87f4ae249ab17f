"""The origin's documents when the origin, the line or the gateway itself is in trouble."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping

import pytest

from lib.clients import ALL
from lib.conda.channels import SHARDS, Channel, package
from lib.conda.clients import Rattler
from lib.conda.world import NEWEST, MakeWorld, World
from lib.serving import modes
from lib.serving.servers import Reply
from lib.waiting import HANG

REPODATA = "noarch/repodata.json"
NO_CACHE = {"Cache-Control": "no-cache"}
FAILURES = ("down", "403", "html200", *(("401", "500", "garbage") if ALL else ()))
CONTENT = (package("alpha", depends=["beta"]), package("beta"))


@pytest.fixture
def made(world: MakeWorld) -> World:
    return world(*CONTENT, mirrors=1)


def page(word: str, size: int = 3 << 20) -> bytes:
    """Give a page that is far longer than a part of a stream."""
    return json.dumps({"info": {"subdir": "noarch"}, "packages": {}, "more": word * size}).encode()


def read(world: World, inside: str) -> tuple[int, bytes, bool]:
    """Read as a client that checks nothing: status, bytes, and whether it ended well."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=HANG)
    try:
        connection.request("GET", f"{world.at_gateway}/{inside}")
        answer = connection.getresponse()
        try:
            return answer.status, answer.read(), True
        except http.client.IncompleteRead as error:
            return answer.status, error.partial, False
    finally:
        connection.close()


# -------------------------------------------------------------- the last known copy


@pytest.mark.parametrize("mode", FAILURES)
def test_last_known_copy_is_served_and_said_to_be_stale(made: World, mode: str) -> None:
    first = made.kept(REPODATA)
    assert "warning" not in first[1]
    if mode == "down":
        made.origin.close()
    else:
        orders = {"html200": modes.HTML, "garbage": modes.GARBAGE}
        made.origin.fail(orders.get(mode) or modes.status(int(mode)))
    status, headers, body = made.get(REPODATA, NO_CACHE)
    assert (status, body) == (200, first[2])
    assert headers["warning"].startswith("110 ")
    assert headers["etag"] == first[1]["etag"]
    # The client is not to believe it for as long as it would the origin.
    assert headers["cache-control"] == "no-cache"


def test_page_that_the_origin_took_away_is_gone(made: World) -> None:
    assert made.kept(REPODATA)[0] == 200
    made.origin.fail(modes.status(404), "*/repodata.json")
    assert made.get(REPODATA, NO_CACHE)[0] == 404
    assert made.get(REPODATA)[0] == 404


def test_kept_copies_outlive_a_gateway_that_was_killed(made: World) -> None:
    documents = {inside: made.kept(inside) for inside in (REPODATA, f"noarch/{SHARDS}")}
    made.gateway.kill()
    made.origin.close()
    made.gateway.start()
    for inside, (status, headers, body) in documents.items():
        again = made.get(inside)
        assert (again[0], again[2]) == (status, body) == (200, body)
        for name in ("etag", "last-modified", "cache-control", "content-type"):
            assert again[1][name] == headers[name]
        assert "warning" not in again[1]


def test_copy_that_was_half_written_when_the_gateway_died_is_not_served(made: World) -> None:
    made.origin.content["/conda-forge/noarch/repodata.json"] = Reply(
        page("x"), 200, "application/json"
    )
    made.origin.fail(modes.stall(1 << 20), "*/repodata.json")
    connection = http.client.HTTPConnection("127.0.0.1", made.gateway.port, timeout=HANG)
    connection.request("GET", f"{made.at_gateway}/{REPODATA}")
    assert connection.getresponse().read(1 << 19)
    made.gateway.kill()
    connection.close()
    made.origin.heal()
    made.gateway.start()
    assert read(made, REPODATA) == (200, page("x"), True)


# -------------------------------------------------------------- nothing is here yet


@pytest.mark.parametrize("mode", FAILURES)
def test_first_request_that_fails_is_led_to_the_origin(made: World, mode: str) -> None:
    _ = made.gateway
    if mode == "down":
        made.origin.close()
    else:
        orders = {"html200": modes.HTML, "garbage": modes.GARBAGE}
        made.origin.fail(orders.get(mode) or modes.status(int(mode)))
    for inside in (REPODATA, f"noarch/{SHARDS}"):
        status, headers, body = made.get(inside)
        assert status == 302, body
        assert headers["location"] == f"{made.url}/{inside}"
        assert headers["cache-control"] == "no-store"
        assert b"sign in" not in body
    if mode != "down":
        made.origin.heal()
        assert made.get(REPODATA)[2] == made.channel.documents()[REPODATA]


def test_page_that_is_not_there_is_the_origins_404(made: World) -> None:
    assert made.get("osx-64/repodata.json")[0] == 404
    assert made.get("notices.json")[0] == 404
    assert made.at_mirrors() == []


def test_channel_of_another_host_is_not_asked_for_anybody(made: World) -> None:
    for path in ("/conda/evil.example/x/noarch/repodata.json", "/conda/", "/conda/../x"):
        assert made.gateway.get(path)[0] in (400, 404)
    assert made.origin.seen == []


# -------------------------------------------------------------- in the middle


def test_body_that_breaks_off_is_continued_at_the_same_byte(made: World) -> None:
    made.origin.content["/conda-forge/noarch/repodata.json"] = Reply(
        page("x"), 200, "application/json"
    )
    made.origin.fail(modes.cut(1 << 20), "*/repodata.json", times=2)
    assert read(made, REPODATA) == (200, page("x"), True)
    first, *rest = made.origin.requests("*/repodata.json")
    assert first.range is None
    assert len(rest) >= 2
    for seen in rest:
        assert seen.status == 206
        assert seen.range is not None
        assert seen.range[0] == 0 or "if-range" in seen.headers
    assert made.get(REPODATA)[2] == page("x")


@pytest.mark.nightly
def test_body_that_stalls_is_continued_before_the_client_gives_up(made: World) -> None:
    made.origin.content["/conda-forge/noarch/repodata.json"] = Reply(
        page("x"), 200, "application/json"
    )
    made.origin.fail(modes.stall(1 << 20), "*/repodata.json", times=1)
    assert read(made, REPODATA) == (200, page("x"), True)


def test_page_that_changes_in_the_middle_is_never_put_together(made: World) -> None:
    answers = [page("x"), page("y", 3 << 20), page("y", 3 << 20), page("y", 3 << 20)]

    def changing(_path: str, _headers: Mapping[str, str]) -> Reply:
        body = answers.pop(0) if len(answers) > 1 else answers[0]
        return Reply(body, 200, "application/json")

    made.origin.content["/conda-forge/noarch/repodata.json"] = changing
    made.origin.fail(modes.cut(1 << 20), "*/repodata.json", times=1)
    status, got, whole = read(made, REPODATA)
    assert status == 200
    assert not whole or got in (page("x"), page("y"))
    assert got == page("x")[: len(got)] or got == page("y")
    assert read(made, REPODATA) == (200, page("y"), True)


def test_origin_that_ignores_ranges_does_not_double_a_page(made: World) -> None:
    made.origin.content["/conda-forge/noarch/repodata.json"] = Reply(
        page("x"), 200, "application/json"
    )
    made.origin.ranges = False
    made.origin.fail(modes.cut(1 << 20), "*/repodata.json", times=1)
    _, got, whole = read(made, REPODATA)
    assert got == page("x")[: len(got)]
    assert not whole or got == page("x")
    assert read(made, REPODATA) == (200, page("x"), True)


# -------------------------------------------------------------- shards


def swapped(channel: Channel) -> tuple[str, bytes, bytes]:
    """Give the path of a shard, what it holds, and another well-formed shard."""
    (path, right), (_, wrong) = channel.shards().items()
    return path, right, wrong


@pytest.mark.parametrize("how", ["swapped", "corrupt", "truncated"])
def test_wrong_shard_is_neither_passed_on_nor_kept(made: World, how: str) -> None:
    path, right, wrong = swapped(made.channel)
    orders = {
        "swapped": modes.swapped(wrong),
        "corrupt": modes.corrupt(-1),
        "truncated": modes.TRUNCATE,
    }
    made.origin.fail(orders[how], f"*/{path}")
    for _ in range(2):
        status, _headers, body = made.get(path)
        assert status in (302, 404), body
        assert right[:8] not in body
    made.origin.heal()
    assert made.get(path)[::2] == (200, right)
    made.gateway.kill()
    made.gateway.start()
    assert made.get(path)[::2] == (200, right)


@pytest.mark.parametrize("name", ["py-rattler", NEWEST] if ALL else ["py-rattler"])
def test_client_is_not_lied_to_with_a_shard_and_installs_when_it_is_right(
    world: MakeWorld, name: str
) -> None:
    # What the wrong shard says is well-formed, and names an evil file of the same name.
    made = world(*CONTENT, mirrors=0)
    evil = Channel("conda-forge", [package("alpha", files={"share/evil": b"x"}), CONTENT[1]])
    name_of = {
        json.dumps(path): data for path, data in {**evil.shards(), **made.channel.shards()}.items()
    }
    right = {path for path in made.channel.shards() if path not in evil.shards()}
    wrong = {path for path in evil.shards() if path not in made.channel.shards()}
    assert (len(right), len(wrong)) == (1, 1)
    made.origin.fail(modes.swapped(name_of[json.dumps(wrong.pop())]), f"*/{right.pop()}")
    client = made.client(name)
    if isinstance(client, Rattler):
        client.retries = 0
    result = made.install(client, "env", "alpha")
    assert not (client.prefix("env") / "share" / "evil").exists(), result.told()
    made.origin.heal()
    made.install(client, "again", "alpha").ok()
    assert CONTENT[0].installed_in(client.prefix("again"))
