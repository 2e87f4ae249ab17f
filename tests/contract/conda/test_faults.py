"""The fault list, at one mirror and at all of them: conda and rattler must not notice."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from lib.clients import ALL
from lib.conda.channels import Package, package
from lib.conda.world import (
    CLASSIC,
    CLIENTS,
    NEWEST,
    OLDEST,
    PACKAGE_FAULTS,
    RETRY_WORDS,
    Client,
    MakeWorld,
    World,
    large,
    small,
)
from lib.serving import modes
from lib.serving.faults import SIZE
from lib.waiting import until

OTHERS = tuple(dict.fromkeys(("py-rattler", CLASSIC, OLDEST)))
PEERS = (
    "cut-at-half-of-file",
    "stalled-after-300kB",
    "corrupt-middle",
    "403",
    "404",
    "429-retry-after",
    "503",
)
"""What breaks other tools, see below for their indexes."""
UNLIKE = ("refused", "silent", "truncated", "wrong-length", "swapped-other-size", "garbage")
"""Others that differ from those and from each other."""


def matrix(newest: Iterable[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """Many faults for the newest conda, few for the other clients; in a full run, all for all."""
    return [
        (name, fault)
        for name in dict.fromkeys((NEWEST, *OTHERS, *(CLIENTS if ALL else ())))
        for fault in PACKAGE_FAULTS
        if ALL or fault in (newest if name == NEWEST else others)
    ]


AT_ONE = matrix(PEERS, others=("swapped-same-size",))
AT_ALL = matrix(("403", "corrupt-last-byte"), others=())
AT_RATTLER = tuple(PACKAGE_FAULTS) if ALL else UNLIKE
AT_SMALL = [
    (name, fault)
    for name in ("py-rattler", NEWEST)
    for fault in PACKAGE_FAULTS
    if "of-file" not in fault
    and (ALL or fault in (("corrupt-middle",) if name == NEWEST else ("cut-at-once", "404")))
]
LIED_TO = (NEWEST, OLDEST, "py-rattler") if ALL else (NEWEST, "py-rattler")


def install(world: World, client: Client, one: Package) -> None:
    """Install a package as a user does, who must not see that anything was wrong."""
    result = world.install(client, "env", one.name)
    told = (result.out + result.err).lower()
    assert not [word for word in RETRY_WORDS if word in told], world.told(result)
    assert result.code == 0, world.told(result)
    assert one.installed_in(client.prefix("env"))
    world.assert_polite()
    world.assert_through()


@pytest.mark.parametrize(("name", "fault"), AT_ONE, ids=[f"{c}-{f}" for c, f in AT_ONE])
def test_fault_at_one_mirror_is_not_felt(world: MakeWorld, name: str, fault: str) -> None:
    made = world(large())
    PACKAGE_FAULTS[fault](made.mirrors[0], large())
    install(made, made.client(name), large())
    assert made.mirrors[1].bytes_sent("*.conda") > 0


@pytest.mark.parametrize(("name", "fault"), AT_ALL, ids=[f"{c}-{f}" for c, f in AT_ALL])
def test_fault_at_every_mirror_leaves_the_origin(world: MakeWorld, name: str, fault: str) -> None:
    made = world(large(), origin_rate=24 << 20)
    for mirror in made.mirrors:
        PACKAGE_FAULTS[fault](mirror, large())
    install(made, made.client(name), large())
    if fault not in ("norange", "slow"):
        assert made.origin.bytes_sent("*.conda") > 0


@pytest.mark.parametrize("fault", AT_RATTLER)
def test_fault_at_every_mirror_is_not_felt_by_rattler_whatever_it_is(
    world: MakeWorld, fault: str
) -> None:
    made = world(large(), origin_rate=24 << 20)
    for mirror in made.mirrors:
        PACKAGE_FAULTS[fault](mirror, large())
    install(made, made.client("py-rattler"), large())


@pytest.mark.parametrize(("name", "fault"), AT_SMALL, ids=[f"{c}-{f}" for c, f in AT_SMALL])
def test_fault_at_a_small_package_is_not_felt_whatever_it_is(
    world: MakeWorld, name: str, fault: str
) -> None:
    # The origin is far, so that the mirrors are asked.
    made = world(small())
    made.origin.delay = 0.1
    for mirror in made.mirrors:
        PACKAGE_FAULTS[fault](mirror, small())
    client = made.client(name)
    result = made.install(client, "env", "small")
    assert result.code == 0, made.told(result)
    assert small().installed_in(client.prefix("env"))
    made.assert_polite()
    made.assert_through()


@pytest.mark.parametrize("name", ["py-rattler", NEWEST])
def test_healthy_mirrors_carry_the_package_and_the_origin_little(
    world: MakeWorld, name: str
) -> None:
    made = world(large())
    install(made, made.client(name), large())
    sent = made.sent()
    assert sent["mirror0"] + sent["mirror1"] > SIZE * 0.6, sent
    assert sum(sent.values()) < SIZE * 1.35, sent


def test_fault_that_begins_in_the_middle_of_a_transfer_is_not_felt(world: MakeWorld) -> None:
    made = world(large(), mirror_rate=6 << 20)
    client = made.client()

    def later() -> None:
        until(lambda: made.mirrors[0].bytes_sent("*.conda") >= 2 << 20)
        made.mirrors[0].close()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        install(made, client, large())
    finally:
        thread.join()


# -------------------------------------------------------------- what breaks other tools


def releases() -> tuple[Package, Package]:
    """An old one and a new one of the same name."""
    return package("tool", "1.0", size=9 << 20), package("tool", "2.0", size=9 << 20)


@pytest.mark.parametrize("name", ["py-rattler", NEWEST])
def test_mirror_whose_index_is_forbidden_gives_its_packages_all_the_same(
    world: MakeWorld, name: str
) -> None:
    old, new = releases()
    made = world(old, new)
    for mirror in made.mirrors:
        mirror.fail(modes.status(403), "*repodata*")
    install(made, made.client(name), new)
    assert made.at_mirrors("*repodata*") == []
    assert made.at_mirrors("*/tool-2.0-0.conda")


@pytest.mark.parametrize("name", ["py-rattler", NEWEST])
def test_mirror_with_an_old_index_and_without_the_new_file_is_no_hindrance(
    world: MakeWorld, name: str
) -> None:
    old, new = releases()
    made = world(old, new, missing=[new.filename])
    before = made.channel.copy(without=[new])
    for mirror in made.mirrors:
        made.channel.mount_mirror(
            mirror, prefix="/copies", documents=before, sharded=True, without=[new.filename]
        )
    client = made.client(name)
    install(made, client, new)
    assert client.meta("env")["tool"]["version"] == "2.0"
    assert made.at_mirrors("*repodata*") == []
    assert made.origin.bytes_sent("*/tool-2.0-0.conda") >= len(new.data)


def test_banned_mirror_is_not_asked_again_at_once(world: MakeWorld) -> None:
    second = package("second", size=SIZE)
    made = world(large(), second)
    made.mirrors[0].fail(modes.status(403), "*.conda")
    client = made.client("py-rattler")
    install(made, client, large())
    made.mirrors[0].forget()
    made.install(client, "other", "second").ok()
    assert made.mirrors[0].requests() == []
