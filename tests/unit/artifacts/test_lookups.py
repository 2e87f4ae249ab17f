"""Packages whose digests stand in large documents: found, renewed, never waited for too long."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import headrace_conda.channels.ecosystem
from headrace.artifacts import lookups
from headrace.interface.hookspecs import hookimpl
from headrace.interface.lookups import Entry, LookUp
from headrace.system.storage import tables
from headrace_conda.channels import repodata
from headrace_conda.channels.ecosystem import _LONG_LIST
from lib.app import App, Told
from lib.conda.channel_app import ChannelApp
from lib.conda.channels import SHARDS, Channel, Package, package, read_shard, write_shard
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import until

if sys.version_info >= (3, 14):
    pass
else:
    pass

ALPHA = package("alpha", size=200_000, subdir="linux-64")
BETA = package("beta", size=1000, subdir="linux-64", form=".tar.bz2")
AGAIN = package("alpha", size=200_000, subdir="linux-64", seed="again")
CH = "/ch/"
FLAT = "linux-64/repodata.json.zst"


@pytest.fixture
def channel() -> Channel:
    made = Channel("ch")
    made.add(ALPHA, BETA)
    return made


@pytest.fixture
def origin(channel: Channel) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as server:
        channel.mount_origin(server)
        yield server


@pytest.fixture
def gate(tmp_path: Path, origin: RecordingServer) -> Iterator[ChannelApp]:
    with ChannelApp(tmp_path, origin) as made:
        yield made


def digest_of(told: Told) -> str:
    """The gateway's entity tag of checked bytes is their digest."""
    return told.headers["etag"].strip('"')


@pytest.mark.parametrize("document", [FLAT, "linux-64/repodata.json", "linux-64/repodata.json.bz2"])
@pytest.mark.parametrize("built", [ALPHA, BETA], ids=["conda", "tar.bz2"])
def test_package_is_checked_by_the_document_that_its_client_has_read(
    gate: ChannelApp, origin: RecordingServer, document: str, built: Package
) -> None:
    assert gate.get(CH + document).status == 200
    origin.forget()
    told = gate.get(CH + built.path)
    assert (told.status, told.body) == (200, built.data)
    assert built.sha256.startswith(digest_of(told))
    assert [seen.path for seen in origin.seen] == [f"/ch/{built.path}"]


def test_package_is_checked_by_its_shard(gate: ChannelApp, origin: RecordingServer) -> None:
    assert gate.get(CH + f"linux-64/{SHARDS}").status == 200
    told = gate.get(CH + ALPHA.path)
    assert (told.status, told.body) == (200, ALPHA.data)
    assert ALPHA.sha256.startswith(digest_of(told))
    assert not origin.requests("*.json*")


def test_what_a_path_would_be_checked_by_and_come_from_can_be_asked(gate: ChannelApp) -> None:
    told = gate.ask(f"/explain?what={quote(gate.prefix + CH + ALPHA.path)}")
    [file] = json.loads(told.body)["artifacts"]
    assert file["digest"] == f"sha256:{ALPHA.sha256}"
    assert [source["id"] for source in file["sources"]] == ["origin"]
    nothing = gate.ask(f"/explain?what={quote(gate.prefix + CH)}linux-64/none-1-0.conda")
    assert json.loads(nothing.body)["artifacts"] == []


def test_package_of_a_channel_that_nobody_read_is_looked_up_at_the_origin(
    gate: ChannelApp, origin: RecordingServer
) -> None:
    told = gate.get(CH + ALPHA.path)
    assert (told.status, told.body) == (200, ALPHA.data)
    until(lambda: origin.requests(f"*{SHARDS}"))


def test_shard_is_checked_by_its_name(
    gate: ChannelApp, origin: RecordingServer, channel: Channel
) -> None:
    path, data = next(iter(channel.shards().items()))
    assert gate.get(CH + path).body == data
    other = next(p for p in channel.shards() if p != path)
    origin.fail(modes.swapped(data), f"*{other}")
    assert gate.get(CH + other).status == 404


def test_table_is_made_once_for_all_who_ask(
    tmp_path: Path, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    write = tables.write

    def slowly(path: Path, entries: Iterable[tuple[str, Entry]]) -> int:
        made.append(path)
        time.sleep(0.5)
        return write(path, entries)

    monkeypatch.setattr(tables, "write", slowly)
    with ChannelApp(tmp_path, origin) as gate:
        gate.get(CH + FLAT)
        told: list[Told] = []
        threads = [
            threading.Thread(target=lambda p=p: told.append(gate.get(CH + p.path)))
            for p in (ALPHA, BETA) * 4
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [each.status for each in told] == [200] * 8
    assert len(made) == 1


def test_damaged_table_is_made_again(
    tmp_path: Path, gate: ChannelApp, origin: RecordingServer
) -> None:
    gate.get(CH + FLAT)
    assert gate.get(CH + BETA.path).status == 200
    [table] = tmp_path.rglob("*.table")
    table.write_bytes(table.read_bytes()[:-1])
    origin.forget()
    assert ALPHA.sha256.startswith(digest_of(gate.get(CH + ALPHA.path)))
    assert not origin.requests("*repodata*")


@pytest.mark.parametrize("name", ["repodata.json.zst", "repodata.json.bz2"])
def test_damaged_document_names_nothing_and_its_client_gets_the_origins_own_bytes(
    gate: ChannelApp, origin: RecordingServer, channel: Channel, name: str
) -> None:
    right = channel.documents()[f"linux-64/{name}"]
    origin.fail(modes.status(404), "*repodata*")
    bad = right[: len(right) // 2] + b"\xff" * 20 + right[len(right) // 2 :]
    origin.fail(modes.swapped(bad), f"*{name}")
    assert gate.get(CH + f"linux-64/{name}").body == bad
    told = gate.get(CH + ALPHA.path)
    assert (told.status, told.body) == (200, ALPHA.data)
    assert told.headers["cache-control"] == "no-cache"  # nothing says what it should be


def test_huge_shard_is_not_read(
    gate: ChannelApp, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repodata, "LARGEST", 50)
    headrace_conda.channels.ecosystem._records.cache_clear()
    origin.fail(modes.status(404), "*/repodata.json*")
    gate.get(CH + f"linux-64/{SHARDS}")
    told = gate.get(CH + ALPHA.path)
    assert (told.status, told.headers["cache-control"]) == (200, "no-cache")


def test_look_up_that_raises_ends_at_the_origin_with_an_incident(
    gate: ChannelApp, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> LookUp:
        yield from ()
        raise RuntimeError("a bug in a look-up")

    monkeypatch.setattr(headrace_conda.channels.ecosystem.CondaEcosystem, "look_up", broken)
    told = gate.get(CH + ALPHA.path)
    assert (told.status, told.headers["location"]) == (302, f"{origin.url}/ch/{ALPHA.path}")
    assert len(gate.status()["incidents"]) == 1


def test_reader_of_tables_that_raises_is_no_table_and_no_incident(
    gate: ChannelApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Iterable[tuple[str, Entry]]:
        raise RuntimeError("a bug in a reader")

    monkeypatch.setattr(headrace_conda.channels.ecosystem.CondaEcosystem, "entries", broken)
    gate.get(CH + FLAT)
    assert gate.get(CH + ALPHA.path).status == 200  # by its shard
    assert "never retrieved" not in caplog.text
    assert gate.status()["incidents"] == []


def test_package_that_nothing_here_names_comes_from_the_origin_at_once(
    gate: ChannelApp, origin: RecordingServer, channel: Channel
) -> None:
    # What names it is held until the package is here: so nothing waited for it.
    released = threading.Event()
    origin.fail(modes.held(released), "*repodata*")
    told = gate.get(CH + ALPHA.path)
    assert (told.status, told.body) == (200, ALPHA.data)
    assert [seen.range for seen in origin.requests(f"*{ALPHA.filename}")] == [None]
    released.set()
    until(lambda: gate.get(CH + ALPHA.path).headers["cache-control"] != "no-cache")
    assert digest_of(gate.get(CH + ALPHA.path)) == ALPHA.sha256[:32]
    del channel


def test_flat_repodata_is_fetched_for_a_long_list_of_packages_alone(
    gate: ChannelApp, origin: RecordingServer, channel: Channel
) -> None:
    channel.mount_origin(origin, sharded=False)
    for _ in range(_LONG_LIST - 1):
        assert gate.get(CH + ALPHA.path).body == ALPHA.data
    assert not origin.requests("*/repodata.json*")
    until(lambda: gate.get(CH + ALPHA.path).headers["cache-control"] != "no-cache")
    assert len(origin.requests("*/repodata.json*")) == 1
    assert digest_of(gate.get(CH + ALPHA.path)) == ALPHA.sha256[:32]


def test_package_that_was_replaced_at_its_origin_is_looked_up_once_more(
    tmp_path: Path, channel: Channel, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "BREATH", 0.0)
    with ChannelApp(tmp_path, origin) as gate:
        gate.get(CH + FLAT)
        channel.packages[0] = AGAIN
        told = gate.get(CH + AGAIN.path)
        assert (told.status, told.body) == (200, AGAIN.data)
        assert AGAIN.sha256.startswith(digest_of(told))
        # What agrees with nothing that the origin says is given to nobody.
        origin.fail(modes.corrupt(500), f"*{BETA.filename}")
        assert gate.get(CH + BETA.path).status == 404


def test_packages_that_are_on_another_host_are_found(
    tmp_path: Path, channel: Channel, origin: RecordingServer
) -> None:
    with RecordingServer(name="files") as files:
        channel.mount_origin(origin, packages=files)
        there = f"/conda/http+127.0.0.1:{files.port}/ch/{ALPHA.path}"
        for document in (f"linux-64/{SHARDS}", FLAT):
            with ChannelApp(tmp_path / document, origin, files) as gate:
                gate.get(CH + document)
                time.sleep(0.2)
                told = gate.ask(there)
                assert (told.status, told.body) == (200, ALPHA.data)
                assert ALPHA.sha256.startswith(digest_of(told))


def test_shards_of_a_host_that_nobody_set_up_are_not_asked_for(
    gate: ChannelApp, origin: RecordingServer, channel: Channel
) -> None:
    with RecordingServer(name="stranger") as stranger:
        channel.mount_origin(origin, shards=stranger)
        gate.get(CH + f"linux-64/{SHARDS}")
        told = gate.get(CH + ALPHA.path)
        assert (told.status, told.body) == (200, ALPHA.data)
        assert stranger.seen == []


def test_index_that_is_none_is_as_good_as_none(
    gate: ChannelApp, origin: RecordingServer, channel: Channel
) -> None:
    table = read_shard(channel.documents()[f"linux-64/{SHARDS}"])
    none: list[Any] = [{"shards": []}, {**table, "info": 5}, {**table, "shards": {"a": b"x"}}, [1]]
    for bad in none:
        origin.heal()
        origin.fail(modes.swapped(write_shard(bad)), f"*{SHARDS}")
        gate.get(CH + f"linux-64/{SHARDS}", Cache_Control="no-cache")
        assert gate.get(CH + ALPHA.path).body == ALPHA.data


def test_look_ups_that_are_under_way_end_with_the_gateway(
    tmp_path: Path, origin: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    origin.fail(modes.SILENT, "*repodata*")
    with ChannelApp(tmp_path, origin) as gate:
        thread = threading.Thread(target=lambda: gate.get(CH + ALPHA.path))
        thread.start()
        until(lambda: origin.seen)
    thread.join()
    assert "never retrieved" not in caplog.text


def test_ecosystem_without_an_origin_breaks_no_page_of_ours(
    tmp_path: Path, origin: RecordingServer
) -> None:
    class Plugin:
        @staticmethod
        @hookimpl
        def headrace_ecosystems() -> Any:
            return [headrace_conda.channels.ecosystem.CondaEcosystem([])]

    with App(tmp_path, f"{origin.url}/simple", plugins=[Plugin()]) as app:
        assert app.ask("/explain?what=alpha").status == 200
        assert app.ask("/explain?what=/conda/x/y").status == 200


def test_shards_of_what_a_shard_depends_on_are_here_before_they_are_asked_for(
    tmp_path: Path,
) -> None:
    deep = Channel("ch")
    deep.add(
        package("app", "1.0", depends=["lib >=1"], subdir="linux-64"),
        package("lib", "1.0", depends=["base"], subdir="linux-64"),
        package("base", "1.0"),
        package("stranger", "1.0"),
    )
    with RecordingServer(name="origin") as server, ChannelApp(tmp_path, server) as gate:
        deep.mount_origin(server)
        for subdir in ("linux-64", "noarch"):
            assert gate.get(f"{CH}{subdir}/{SHARDS}").status == 200
        time.sleep(0.3)  # what the index says is read behind the client's back
        shards = {
            name: f"{CH}{path}"
            for path, body in deep.shards().items()
            for name in ("app", "lib", "base", "stranger")
            if any(file.startswith(f"{name}-") for file in read_shard(body)["packages.conda"])
        }
        assert gate.get(shards["app"]).status == 200
        until(lambda: len(server.requests("*.msgpack.zst")) >= 5)
        asked = {seen.path for seen in server.seen}
        assert {shards["app"], shards["lib"], shards["base"]} <= asked
        assert shards["stranger"] not in asked
        server.forget()
        assert gate.get(shards["base"]).status == 200
        assert server.seen == []
