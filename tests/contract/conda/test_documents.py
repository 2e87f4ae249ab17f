"""Documents of a channel through the gateway: the origin's own, byte for byte, asked for once."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping

import pytest

from lib.clients import ALL
from lib.conda.channels import MODIFIED, SHARDS, Channel, package, read_shard
from lib.conda.clients import Conda
from lib.conda.world import CONDAS, NEWEST, MakeWorld, World, first_document
from lib.serving.servers import Reply
from lib.waiting import HANG, until

NOTICES = Reply(
    b'{"notices": []}',
    200,
    "application/json",
    {"Cache-Control": "public, max-age=300", "Last-Modified": MODIFIED},
)
SAME = ("etag", "last-modified", "cache-control", "content-type")
NO_CACHE = {"Cache-Control": "no-cache"}
DOCUMENTS = (
    SHARDS,
    "repodata.json.zst",
    "repodata.json",
    "repodata.json.bz2",
    "current_repodata.json",
    "current_repodata.json.zst",
    "run_exports.json",
    "run_exports.json.zst",
)


def channel_of() -> Channel:
    return Channel("conda-forge", [package("alpha", depends=["beta"]), package("beta")])


@pytest.fixture
def made(world: MakeWorld) -> World:
    made = world(*channel_of().packages, mirrors=1)
    made.origin.content["/conda-forge/notices.json"] = NOTICES
    return made


def straight(
    world: World, inside: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """Ask the origin itself."""
    connection = http.client.HTTPConnection("127.0.0.1", world.origin.port, timeout=HANG)
    try:
        connection.request(method, f"/conda-forge/{inside}", headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_documents_are_the_origins_with_its_validators(made: World) -> None:
    for inside in (*(f"noarch/{name}" for name in DOCUMENTS), "channeldata.json", "notices.json"):
        assert_the_same(made, inside)
    assert made.at_mirrors() == []


def assert_the_same(made: World, inside: str) -> None:
    status, wanted, body = straight(made, inside)
    assert (status, "etag" in wanted) == (200, True)
    for _ in ("asked", "kept"):
        answer = made.get(inside)
        assert (answer[0], answer[2]) == (200, body)
        assert {n: answer[1].get(n) for n in SAME} == {n: wanted.get(n) for n in SAME}
        assert answer[1]["content-length"] == str(len(body))
        assert "content-encoding" not in answer[1]


def test_shard_is_the_origins_and_is_kept_for_good(made: World) -> None:
    shards = made.channel.shards()
    assert len(shards) == 2
    for inside, body in shards.items():
        assert made.get(inside)[::2] == (200, body)
        assert "immutable" in made.get(inside)[1]["cache-control"]
        assert len(made.origin.requests(f"*/{inside}")) == 1
    made.origin.close()
    for inside, body in shards.items():
        assert made.get(inside)[::2] == (200, body)
    assert made.at_mirrors() == []


@pytest.mark.parametrize("inside", ["noarch/repodata.json", f"noarch/{SHARDS}"])
def test_client_that_has_it_is_told_so_in_one_line(made: World, inside: str) -> None:
    _, headers, _ = made.get(inside)
    for question in (
        {"If-None-Match": headers["etag"]},
        {"If-None-Match": f'"older", {headers["etag"]}'},
        {"If-Modified-Since": headers["last-modified"]},
    ):
        status, again, body = made.get(inside, question)
        assert (status, body) == (304, b"")
        assert again["etag"] == headers["etag"]
    assert made.get(inside, {"If-None-Match": '"older"'})[0] == 200
    assert len(made.origin.requests(f"*/{inside}")) == 1


def test_client_that_has_it_from_before_is_told_so_too(made: World) -> None:
    # conda's cache was filled before headrace came.
    etag = straight(made, "noarch/repodata.json")[1]["etag"]
    assert made.get("noarch/repodata.json", {"If-None-Match": etag})[0] == 304


def test_packed_transport_of_the_origin_changes_neither_bytes_nor_tag(made: World) -> None:
    made.origin.compress = True
    body = made.channel.documents()["noarch/repodata.json"]
    as_conda = {"Accept-Encoding": "gzip, deflate"}
    _, wanted, packed = straight(made, "noarch/repodata.json", as_conda)
    assert packed[:2] == b"\x1f\x8b"
    status, headers, got = made.get("noarch/repodata.json", as_conda)
    assert (status, got) == (200, body)
    # What conda keeps is good at the origin too, when headrace is gone.
    assert headers["etag"] == wanted["etag"]


def test_origin_is_asked_once_within_its_own_lifetime(made: World) -> None:
    for inside in (f"noarch/{SHARDS}", "noarch/repodata.json", "notices.json"):
        first = made.get(inside)
        for _ in range(3):
            assert made.get(inside)[::2] == first[::2]
        assert len(made.origin.requests(f"*/{inside}")) == 1


def test_origin_is_asked_conditionally_when_its_lifetime_is_over(world: MakeWorld) -> None:
    made = world(*channel_of().packages, mirrors=0, cache_control="public, max-age=4")
    first = made.get("noarch/repodata.json")

    def asked_again() -> bool:
        assert made.get("noarch/repodata.json")[::2] == first[::2]
        return len(made.origin.requests("*/repodata.json")) >= 2

    until(asked_again, pause=0.2)
    _, again = made.origin.requests("*/repodata.json")
    assert (again.status, again.sent) == (304, 0)
    assert again.headers["if-none-match"] == first[1]["etag"]


def test_client_that_wants_the_newest_gets_it(made: World) -> None:
    first = made.kept("noarch/repodata.json")
    made.channel.add(package("gamma"))
    assert made.get("noarch/repodata.json")[2] == first[2]
    newest = made.get("noarch/repodata.json", NO_CACHE)
    assert newest[2] == made.channel.documents()["noarch/repodata.json"] != first[2]
    assert newest[1]["etag"] != first[1]["etag"]
    assert made.get("noarch/repodata.json")[2] == newest[2]


@pytest.mark.parametrize("inside", ["noarch/repodata.json.zst", "noarch/repodata.json"])
def test_head_tells_what_get_would_and_fetches_nothing(made: World, inside: str) -> None:
    status, wanted, body = straight(made, inside, method="HEAD")
    assert (status, body) == (200, b"")
    status, headers, body = made.get(inside, method="HEAD")
    assert (status, body) == (200, b"")
    assert {n: headers.get(n) for n in SAME} == {n: wanted.get(n) for n in SAME}
    assert not [s for s in made.origin.requests(f"*/{inside}", "GET") if is_ours(s.headers)]
    # RFC 9110 section 8.6: what a GET would have, or nothing.
    assert headers.get("content-length") in (None, wanted["content-length"])


def test_head_of_a_kept_document_asks_nobody(made: World) -> None:
    body = made.get("noarch/repodata.json.zst")[2]
    made.origin.close()
    status, headers, got = made.get("noarch/repodata.json.zst", method="HEAD")
    assert (status, got) == (200, b"")
    assert headers["content-length"] == str(len(body))


def test_head_of_what_is_not_there_is_the_origins_404(made: World) -> None:
    assert made.get("osx-64/repodata.json.zst", method="HEAD")[0] == 404


def is_ours(headers: Mapping[str, str]) -> bool:
    return headers.get("user-agent", "").startswith("headrace/")


def test_five_clients_at_once_are_one_request_at_the_origin(made: World) -> None:
    made.origin.delay = 0.3
    body = made.channel.documents()["noarch/repodata.json"]
    shard, content = next(iter(made.channel.shards().items()))
    _ = made.gateway
    got: list[bytes] = []

    def ask(inside: str) -> None:
        got.append(made.get(inside)[2])

    threads = [
        threading.Thread(target=ask, args=(inside,))
        for inside in ["noarch/repodata.json"] * 5 + [shard] * 5
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted([body] * 5 + [content] * 5)
    assert len(made.origin.requests("*/repodata.json")) == 1
    assert len(made.origin.requests(f"*/{shard}")) == 1


def test_index_of_shards_leads_to_the_shards_that_are_there(made: World) -> None:
    index = read_shard(made.get(f"noarch/{SHARDS}")[2])
    named = {f"noarch/{digest.hex()}.msgpack.zst" for digest in index["shards"].values()}
    assert named == set(made.channel.shards())
    for inside in named:
        assert made.get(inside)[0] == 200


def test_package_is_named_by_its_shard_for_a_client_that_had_that_already(made: World) -> None:
    # The client's own cache had the shard: the gateway has seen the index alone.
    made.kept(f"noarch/{SHARDS}")
    alpha = made.channel.packages[0]
    assert made.get(alpha.path)[::2] == (200, alpha.data)
    asked = {seen.path.removeprefix("/conda-forge/") for seen in made.origin.seen}
    assert asked <= {f"noarch/{SHARDS}", alpha.path, *made.channel.shards()}


@pytest.mark.parametrize("name", CONDAS if ALL else [NEWEST])
def test_conda_asks_the_origin_nothing_twice(world: MakeWorld, name: str) -> None:
    made = world(*channel_of().packages, mirrors=0)
    for home in ("one", "two"):
        conda = made.conda(name, home)
        assert isinstance(conda, Conda)
        made.install(conda, "env", "alpha").ok()
        assert set(conda.meta("env")) == {"alpha", "beta"}
    asked = [seen.path for seen in made.origin.seen if not seen.path.endswith("/notices.json")]
    assert sorted(asked) == sorted(set(asked))
    assert f"/conda-forge/noarch/{first_document(name)}" in asked
    made.assert_through()


def test_conda_whose_copy_is_current_is_told_so(world: MakeWorld) -> None:
    made = world(*channel_of().packages, mirrors=0, cache_control="public, max-age=0")
    conda = made.conda()
    made.install(conda, "one", "alpha").ok()
    told = conda.create("two", "alpha", channel=made.url, options=("-vvv",)).ok()
    path = f"{made.at_gateway}/noarch/{first_document(NEWEST)}"
    assert f'"GET {path} HTTP/1.1" 304' in told.out + told.err
