"""What a user could commit, or keep, is the same with and without headrace, byte for byte."""

from __future__ import annotations

import json

import pytest

from lib.clients import ALL
from lib.conda.channels import package
from lib.conda.clients import Conda, Rattler
from lib.conda.world import (
    CLASSIC,
    CLIENTS,
    CONDAS,
    NEWEST,
    OLDEST,
    Client,
    MakeWorld,
    World,
    knows_shards,
    make_client,
)

MB = 1 << 20
CONTENT = (
    package("alpha", "1.0", depends=["beta >=1.5", "gamma"], size=9 * MB, run_exports=["beta"]),
    package("beta", "1.0"),
    package("beta", "1.5", size=1000, form=".tar.bz2"),
    package("gamma", subdir="linux-64", size=300_000),
    package("unrelated"),
)
FLAT_TOO = [name for name in CLIENTS if knows_shards(name)] if ALL else [NEWEST]
CASES = [
    *((name, True) for name in dict.fromkeys((NEWEST, CLASSIC, "py-rattler"))),
    *((name, False) for name in FLAT_TOO),
    *((name, True) for name in CONDAS if ALL and name not in (NEWEST, CLASSIC)),
]
IDS = [f"{name}-{'sharded' if sharded else 'flat'}" for name, sharded in CASES]


def pair(world: World, name: str) -> tuple[Client, Client]:
    """Give a client that goes through the gateway and one that knows nothing of it."""
    return world.client(name, "with"), make_client(name, world.root / "without")


def without_home(record: object, client: Client) -> str:
    return json.dumps(record, sort_keys=True).replace(str(client.home), "HOME")


@pytest.mark.parametrize(("name", "sharded"), CASES, ids=IDS)
def test_records_prefix_and_cache_are_those_of_a_run_without_headrace(
    world: MakeWorld, name: str, *, sharded: bool
) -> None:
    made = world(*CONTENT, sharded=sharded)
    ours, plain = pair(made, name)
    for client in (ours, plain):
        made.install(client, "env", "alpha").ok()
    # Both did what is compared: one through the gateway, one by itself.
    agents = {s.headers["user-agent"].partition("/")[0] for s in made.origin.seen}
    assert "headrace" in agents
    assert len(agents) > 1
    assert made.at_mirrors("*/alpha-1.0-0.conda")
    assert set(ours.meta("env")) == {"alpha", "beta", "gamma"}
    for package_name, record in plain.meta("env").items():
        assert without_home(ours.meta("env")[package_name], ours) == without_home(record, plain)
        assert record["url"].startswith(f"{made.url}/")
    assert ours.prefix_tree("env") == plain.prefix_tree("env")
    if isinstance(ours, Conda) and isinstance(plain, Conda):
        assert ours.package_cache() == plain.package_cache()
    made.assert_polite()


@pytest.mark.parametrize("name", [NEWEST, OLDEST] if ALL else [NEWEST])
def test_lists_and_exports_are_those_of_a_run_without_headrace(world: MakeWorld, name: str) -> None:
    made = world(*CONTENT)
    ours, plain = pair(made, name)
    assert isinstance(ours, Conda)
    assert isinstance(plain, Conda)
    told = []
    for client in (ours, plain):
        made.install(client, "env", "alpha").ok()
        told.append(
            [
                client.list_explicit("env"),
                client.list_explicit("env", "--md5"),
                client.export("env"),
                client.export("env", "--from-history"),
            ]
        )
    assert told[0] == told[1]
    assert set(told[0][0]) == {f"{made.url}/{CONTENT[i].path}" for i in (0, 2, 3)}


@pytest.mark.nightly
@pytest.mark.parametrize("name", dict.fromkeys((NEWEST, CLASSIC)))
def test_explicit_list_made_with_headrace_installs_without_it_and_the_other_way(
    world: MakeWorld, name: str
) -> None:
    made = world(*CONTENT)
    ours, plain = pair(made, name)
    assert isinstance(ours, Conda)
    assert isinstance(plain, Conda)
    made.install(ours, "env", "alpha").ok()
    lines = ours.list_explicit("env", "--md5")
    for client, env in ((plain, "one"), (ours, "two")):
        file = client.home / "explicit.txt"
        file.write_text("\n".join(["@EXPLICIT", *lines, ""]), "utf-8")
        client.run("create", "-y", "-q", "-n", env, "--file", str(file)).ok()
        assert CONTENT[0].installed_in(client.prefix(env))
    assert ours.list_explicit("two", "--md5") == plain.list_explicit("one", "--md5")


@pytest.mark.parametrize("name", dict.fromkeys((NEWEST, CLASSIC if ALL else NEWEST)))
def test_nothing_below_the_home_names_the_gateway_or_a_mirror(world: MakeWorld, name: str) -> None:
    made = world(*CONTENT)
    conda = made.conda(name)
    made.install(conda, "env", "alpha").ok()
    assert conda.mentions(f"127.0.0.1:{made.gateway.port}") == [".condarc"]
    for mirror in made.mirrors:
        assert conda.mentions(f"127.0.0.1:{mirror.port}") == []


def test_nothing_that_rattler_installs_names_the_gateway_or_a_mirror(world: MakeWorld) -> None:
    made = world(*CONTENT)
    rattler = made.client("py-rattler")
    assert isinstance(rattler, Rattler)
    chosen = json.loads(made.install(rattler, "env", "alpha").ok().out)
    assert sorted(chosen) == sorted(f"{made.url}/{CONTENT[i].path}" for i in (0, 2, 3))
    # rattler's own cache of documents says where it asked.
    named = [
        path
        for path in rattler.mentions(f"127.0.0.1:{made.gateway.port}")
        if not path.startswith("rattler/repodata/")
    ]
    assert named == []
    for mirror in made.mirrors:
        assert rattler.mentions(f"127.0.0.1:{mirror.port}") == []


def test_update_after_headrace_came_changes_nothing(world: MakeWorld) -> None:
    made = world(*CONTENT)
    conda = make_client(CLASSIC, made.root / "client")
    assert isinstance(conda, Conda)
    made.install(conda, "env", "alpha").ok()
    before = conda.prefix_tree("env")
    made.route(conda)
    conda.install("env", "alpha", channel=made.url).ok()
    assert conda.prefix_tree("env") == before
