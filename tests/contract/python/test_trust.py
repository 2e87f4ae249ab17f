"""Names come from the origin, bytes from anyone, the digest decides; secrets go nowhere else."""

from __future__ import annotations

import http.client
from collections.abc import Callable

import pytest

from lib import wheels
from lib.clients import Installer, Pip
from lib.serving import modes
from lib.serving.faults import SIZE, large
from lib.waiting import HANG, until
from lib.wheels import Built
from lib.world import MakeWorld, World

HELD_BACK = 64 * 1024
SMALL = 400_000


def small(seed: str = "") -> Built:
    return wheels.wheel("small", "1.0", size=SMALL, seed=seed)


@pytest.mark.parametrize("built", [small, large], ids=["small", "large"])
def test_lie_at_every_mirror_is_never_installed(
    world: MakeWorld, client: Installer, built: Callable[..., Built]
) -> None:
    made = world(origin_rate=24 << 20)
    truth, lie = built(), built(seed="evil")
    assert (truth.name, len(truth.data)) == (lie.name, len(lie.data))
    made.index.add(truth)
    for mirror in made.mirrors:
        mirror.fail(modes.swapped(lie.data), "*.whl")
    client.point_at(made.gateway.index)
    first = client.install(truth.project)
    if built is large:  # a small file may come from the origin alone, where that is nearest
        assert made.at_mirrors("*.whl"), "the liars were not even asked"
    made.assert_polite()
    if first.code != 0:
        # Part of a large lie had gone out when it was found, and this client does not ask again
        # for the rest (pip before 25.2). Its user does.
        assert built is large
        assert not resumes(client)
        assert not (client.environment.packages / truth.project).exists()
        client.install(truth.project).ok()
    assert client.environment.holds(truth.files())


def resumes(client: Installer) -> bool:
    """Say whether the client asks for the rest of a file when its download was cut."""
    return isinstance(client, Pip) and tuple(map(int, client.version.split(".")[:2])) >= (25, 2)


@pytest.mark.parametrize("built", [small, large], ids=["small", "large"])
def test_when_even_the_origin_lies_nothing_is_installed(
    world: MakeWorld, client: Installer, built: Callable[..., Built]
) -> None:
    # uv before 0.12.17 does not check the page's digest: the gateway is all that stands there.
    made = world(origin_rate=None)
    truth, lie = built(), built(seed="evil")
    made.index.add(truth)
    for server in (made.files, *made.mirrors):
        server.fail(modes.swapped(lie.data), "*.whl")
    client.point_at(made.gateway.index)
    client.install(truth.project, timeout=HANG).failed()
    assert not client.environment.holds(lie.files())
    assert not (client.environment.packages / truth.project).exists()
    assert made.gateway.get("/healthz")[0] == 200


def read_all(world: World, path: str) -> tuple[int, bytes, bool]:
    """Read a file as a client that checks nothing: status, bytes, and whether it ended well."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=HANG)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read(), True
        except http.client.IncompleteRead as error:
            return answer.status, error.partial, False
        except ConnectionError:
            return answer.status, b"", False
    finally:
        connection.close()


def test_the_end_of_a_large_file_is_held_back_until_its_digest_agrees(world: MakeWorld) -> None:
    made = world(origin_rate=None)
    truth, lie = large(), large("evil")
    file = made.index.add(truth)
    for server in (made.files, *made.mirrors):
        server.fail(modes.swapped(lie.data), "*.whl")
    made.gateway.get("/simple/large/")
    status, got, whole = read_all(made, file.path)
    assert not whole or status != 200
    assert len(got) <= len(lie.data) - HELD_BACK


def test_small_file_with_wrong_bytes_is_never_begun(world: MakeWorld) -> None:
    made = world(origin_rate=None)
    truth, lie = small(), small("evil")
    file = made.index.add(truth)
    for server in (made.files, *made.mirrors):
        server.fail(modes.swapped(lie.data), "*.whl")
    made.gateway.get("/simple/small/")
    _, got, _ = read_all(made, file.path)
    assert lie.data[:1000] not in got
    assert len(got) < 10_000


def test_mismatch_changes_the_etag_and_the_second_try_is_whole(world: MakeWorld) -> None:
    made = world(mirrors=1, origin_rate=2 << 20)
    truth, lie = large(), large("evil")
    file = made.index.add(truth)
    made.mirrors[0].fail(modes.swapped(lie.data), "*.whl")
    before = made.gateway.get(file.path, method="HEAD")[1]["etag"]
    first = read_all(made, file.path)
    made.files.rate = None
    status, got, whole = read_all(made, file.path)
    assert (status, whole) == (200, True)
    assert got == truth.data
    if not first[2]:
        assert made.gateway.get(file.path, method="HEAD")[1]["etag"] != before


def test_origin_that_lied_once_is_believed_again_when_its_bytes_agree(world: MakeWorld) -> None:
    made = world(mirrors=1, origin_rate=None)
    truth, lie = large(), large("evil")
    file = made.index.add(truth)
    for server in (made.files, *made.mirrors):
        server.fail(modes.swapped(lie.data), "*.whl")
    made.gateway.get("/simple/large/")
    assert read_all(made, file.path)[1] != truth.data
    for server in (made.files, *made.mirrors):
        server.heal()

    def the_truth_comes() -> bool:
        got = read_all(made, file.path)[1]
        assert got[-HELD_BACK:] != lie.data[-HELD_BACK:]
        return got == truth.data

    until(the_truth_comes, made.gateway.told, pause=0.3)


def test_page_that_claims_a_wrong_digest_fails_cleanly(world: MakeWorld, newest: Pip) -> None:
    made = world(origin_rate=None)
    made.index.add(small(), claimed_sha256="0" * 64)
    newest.point_at(made.gateway.index)
    newest.install("small", timeout=HANG).failed()
    assert not (newest.environment.packages / "small").exists()


def test_credentials_of_the_client_are_not_passed_on(world: MakeWorld) -> None:
    made = world()
    file = made.index.add(large())
    headers = {"Authorization": "Basic c2VjcmV0OnNlY3JldA==", "Cookie": "session=secret"}
    assert made.gateway.get("/simple/large/", headers)[0] == 200
    assert made.gateway.get(file.path, headers)[2] == large().data
    for server in made.servers:
        for seen in server.seen:
            assert not {"authorization", "cookie"} & set(seen.headers), (server.name, seen)


def test_other_host_names_are_refused(world: MakeWorld) -> None:
    made = world()
    made.index.add(small())
    assert made.gateway.get("/simple/small/", {"Host": "evil.example"})[0] in (400, 403, 421)
    assert made.pages.seen == []


def test_gateway_is_no_open_proxy(world: MakeWorld) -> None:
    made = world()
    for target in (
        f"{made.pages.url}/simple/small/",
        "/packages/../../etc/passwd",
        "/simple/../healthz/..",
        "/simple/%2e%2e/%2e%2e/etc/passwd",
        "//evil.example/simple/x/",
        "/simple/a%00b/",
    ):
        assert made.gateway.get(target)[0] in (400, 403, 404, 421), target
    assert made.gateway.get("/simple/x/", method="POST")[0] == 405
    assert made.at_mirrors() == []


def test_lie_costs_the_mirror_its_place(world: MakeWorld, newest: Pip) -> None:
    made = world()
    second = wheels.wheel("second", "1.0", size=SIZE)
    made.index.add(large(), second)
    made.mirrors[0].fail(modes.swapped(large("evil").data), "*.whl")
    newest.point_at(made.gateway.index)
    newest.install("large").ok()
    assert made.mirrors[0].bytes_sent("*.whl") > 0, "the liar was not used"
    made.mirrors[0].forget()
    newest.install("second").ok()
    assert newest.environment.holds(second.files())
    assert made.mirrors[0].bytes_sent("*.whl") == 0
