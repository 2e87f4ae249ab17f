"""Replicas that share a bucket: what one fetched the others have, and a bad bucket costs nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib import wheels
from lib.clients import Installer, Pip
from lib.fleet.object_store import ObjectStore, paused
from lib.fleet.served import Served, served_for
from lib.waiting import until
from lib.world import MakeWorld, World

MB = 1 << 20
NIGHTLY = pytest.mark.nightly


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path / "s3") as store:
        yield store


@pytest.fixture
def made(world: MakeWorld, s3: ObjectStore) -> World:
    found = world(mirrors=1)
    found.env |= s3.env
    return found


def replica(world: World, s3: ObjectStore, name: str, **serve: Any) -> Served:
    return served_for(
        world, name, serve={"store": s3.url, "networks": ["127.0.0.0/8", "::1/128"], **serve}
    )


def install(served: Served, client: Installer, what: str, folder: str = "") -> None:
    trusts = {"PIP_CERT": str(served.authority), "SSL_CERT_FILE": str(served.authority)}
    client.environment.variables |= trusts
    client.point_at(f"{served.url}/simple/")
    words = ["--target", folder, "--no-cache-dir"] if folder and isinstance(client, Pip) else []
    client.install(*words, what).ok()


def store_of(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(served.get("/readyz")[2])["store"]
    return found


def sources_of(served: Served, name: str) -> dict[str, int]:
    given: dict[str, int] = {}
    for line in served.answers():
        if name in line["url.path"] and line["url.path"].endswith(".whl"):
            for source, count in line.get("headrace.bytes_by_source", {}).items():
                given[source] = given.get(source, 0) + count
    return given


def test_what_one_replica_fetched_the_next_one_has_from_the_bucket(
    made: World, s3: ObjectStore, newest: Pip, tmp_path: Path
) -> None:
    built = wheels.wheel("large", "1.0", ["little"], size=12 * MB)
    little = wheels.wheel("little", "1.0", size=200_000)
    made.index.add(built, little)
    with replica(made, s3, "first") as first:
        install(first, newest, "large")
        until(lambda: store_of(first).get("uploaded", 0) >= 2, first.told)
    wanted = {f"v1/sha256/{each.sha256[:2]}/{each.sha256}": each.data for each in (built, little)}
    assert {key: s3.content(key) for key in s3.listed() if key in wanted} == wanted

    asked = made.files.bytes_sent("*.whl"), [each.bytes_sent("*.whl") for each in made.mirrors]
    with replica(made, s3, "second") as second:
        other = type(newest)(newest.version, type(newest.environment)(tmp_path / "other"))
        install(second, other, "large")
        assert other.environment.holds(built.files())
        assert sources_of(second, "large-1.0") == {"bucket": len(built.data)}
        assert "hunter2" not in second.told()
        assert b"headrace_source_bytes_total" in second.get("/metrics")[2]
    # Nobody else gave a byte of newest.
    assert asked == (
        made.files.bytes_sent("*.whl"),
        [each.bytes_sent("*.whl") for each in made.mirrors],
    )


@pytest.mark.parametrize(
    "how",
    ["other bytes", *(pytest.param(how, marks=NIGHTLY) for how in ("half of it", "nothing"))],
)
def test_a_wrong_object_is_found_dropped_and_put_right(
    made: World, s3: ObjectStore, newest: Pip, how: str
) -> None:
    built = wheels.wheel("large", "1.0", size=6 * MB)
    made.index.add(built)
    key = f"v1/sha256/{built.sha256[:2]}/{built.sha256}"
    wrong = {
        "other bytes": bytes(len(built.data)),
        "half of it": built.data[: len(built.data) // 2],
        "nothing": b"",
    }[how]
    s3.change(key, wrong)
    with replica(made, s3, "served") as served:
        install(served, newest, "large")
        assert newest.environment.holds(built.files())
        until(lambda: s3.content(key) == built.data if key in s3.listed() else False, served.told)


@pytest.mark.parametrize(
    "how",
    ["away", *(pytest.param(how, marks=NIGHTLY) for how in ("silent", "no such bucket", "dies"))],
)
def test_a_bucket_that_fails_costs_nobody_a_file(
    made: World, s3: ObjectStore, newest: Pip, how: str
) -> None:
    built = wheels.wheel("large", "1.0", ["little"], size=12 * MB)
    made.index.add(built, wheels.wheel("little", "1.0", size=100_000))
    assert s3.process is not None
    serve = {"store": "s3://no-such-bucket/lab"} if how == "no such bucket" else {}
    if how == "dies":
        s3.change(f"v1/sha256/{built.sha256[:2]}/{built.sha256}", built.data)
    with replica(made, s3, "served", **serve) as served:
        if how == "silent":
            with paused(s3.process):
                install(served, newest, "large")
        else:
            if how == "away":
                s3.kill()
            if how == "dies":
                page = served.get("/simple/large/", {"Accept": "text/html"})
                assert page[0] == 200
                s3.kill()
            install(served, newest, "large")
        assert newest.environment.holds(built.files())
        assert served.get("/readyz")[0] == 200
        if how == "away":
            until(lambda: store_of(served)["trouble"] != "", served.told)
            assert b"headrace_uploads_total" in served.get("/metrics")[2]
            assert "hunter2" not in served.told()


def test_clients_are_led_to_the_bucket_where_that_is_wanted(
    made: World, s3: ObjectStore, either: Installer, tmp_path: Path
) -> None:
    built = wheels.wheel("large", "1.0", size=12 * MB)
    made.index.add(built)
    with replica(made, s3, "served", serve_from="bucket") as served:
        install(served, either, "large")
        until(lambda: store_of(served).get("uploaded", 0) >= 1, served.told)
        other = type(either)(either.version, type(either.environment)(tmp_path / "other"))
        install(served, other, "large")
        assert other.environment.holds(built.files())
        led = [line for line in served.answers() if line["headrace.verdict"] == "redirected"]
        assert [line["url.path"].rpartition("/")[2] for line in led] == [built.name]
        assert all("Signature" not in json.dumps(line) for line in served.answers())


def test_nothing_private_gets_into_the_bucket(
    world: MakeWorld, s3: ObjectStore, newest: Pip
) -> None:
    made = world(mirrors=0, one_host=True)
    made.env |= s3.env
    built = wheels.wheel("secret", "1.0", size=3 * MB)
    made.index.add(built)
    made.pages.credential = ("user", "hunter2")
    made.origin = made.origin.replace("://", "://user:hunter2@")
    with replica(made, s3, "served") as served:
        token = served.token("corp", "--private", "default")
        newest.environment.variables["PIP_CERT"] = str(served.authority)
        newest.point_at(f"{served.url}/simple/".replace("://", f"://x:{token}@"))
        newest.install("secret").ok()
        assert newest.environment.holds(built.files())
        served.close()
    assert s3.listed() == []
