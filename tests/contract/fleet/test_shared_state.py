"""Replicas that tell each other things: one brings, the others follow; and each stands alone where
the server, or the one who brings, is gone.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib import wheels
from lib.fleet.object_store import paused
from lib.fleet.served import Served, served_for
from lib.fleet.state_server import StateServer
from lib.index import JSON
from lib.serving import modes
from lib.waiting import HANG, until
from lib.wheels import Built
from lib.world import MakeWorld, World

MB = 1 << 20
NIGHTLY = pytest.mark.nightly


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateServer]:
    with StateServer(tmp_path / "state") as server:
        yield server


@pytest.fixture
def made(world: MakeWorld) -> World:
    return world(mirrors=0, origin_rate=4 * MB)


def replica(
    world: World, state: StateServer, name: str, *, tls: Served | bool = False, **serve: Any
) -> Served:
    """`tls` is whose certificate it has, too."""
    secret = world.root / "replica-secret"
    secret.write_text("a secret of all replicas of this test\n", "utf-8")
    secret.chmod(0o600)
    table = {
        "networks": ["127.0.0.0/8", "::1/128"],
        "shared_state": state.url,
        "replica_secret": str(secret),
        "name": name,
        **serve,
    }
    served = served_for(world, name, tls=bool(tls), serve=table)
    config = served.root / "config" / "config.toml"
    text = config.read_text("utf-8").replace("127.0.0.1:", "0.0.0.0:" if tls else "127.0.0.1:")
    # Pods know each other by addresses, which are in no certificate.
    place = f"https://127.0.0.7:{served.port}" if tls else f"http://127.0.0.1:{served.port}"
    config.write_text(f'{text}advertise = "{place}"\n', "utf-8")
    if isinstance(tls, Served):
        for each in ("server.pem", "server.key", "ca.pem"):
            shutil.copy(tls.root / "tls" / each, served.root / "tls" / each)
    return served


def large(world: World, name: str = "large", size: int = 12 * MB) -> Built:
    built = wheels.wheel(name, "1.0", size=size)
    world.index.add(built)
    return built


def path_of(served: Served, project: str) -> str:
    page = json.loads(served.get(f"/simple/{project}/", {"Accept": JSON})[2])
    return str(page["files"][0]["url"])


class Asking:
    """Somebody who takes a file of a replica, in a thread."""

    def __init__(self, served: Served, path: str) -> None:
        self.told: list[tuple[int, dict[str, str], bytes]] = []
        self.error: BaseException | None = None
        self._served, self._path = served, path
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self.told.append(self._served.get(self._path))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def got(self) -> bytes:
        self._thread.join(HANG)
        assert self.error is None, self.error
        ((status, _, body),) = self.told
        assert status == 200
        return body


def ready(served: Served, part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(served.get("/readyz")[2])[part]
    return found


def test_three_replicas_ask_the_origin_for_a_file_once(made: World, state: StateServer) -> None:
    built = large(made)
    with (
        replica(made, state, "one") as one,
        replica(made, state, "two") as two,
        replica(made, state, "three") as three,
    ):
        paths = [path_of(each, "large") for each in (one, two, three)]
        first = Asking(one, paths[0])
        until(lambda: made.files.bytes_sent("*.whl") > 0, one.told)
        others = [Asking(two, paths[1]), Asking(three, paths[2])]
        assert first.got() == built.data
        assert [each.got() for each in others] == [built.data] * 2
        assert made.files.bytes_sent("*.whl") < 1.1 * len(built.data)
        lines = [line for each in (two, three) for line in each.answers()]
        given = [line["headrace.bytes_by_source"] for line in lines if is_large(line)]
        assert [set(each) for each in given] == [{f"replica 127.0.0.1:{one.port}"}] * 2
        # The others are known by what only replicas can show, and it is in no log.
        fellows = [line for line in one.answers() if line["user.name"] == "replica"]
        assert fellows
        until(lambda: not state.leases(), one.told)


def is_large(line: dict[str, Any]) -> bool:
    return bool("/large-" in line["url.path"] and line["http.response.status_code"] == 200)


@pytest.mark.parametrize("same", [True, False], ids=["its own", "another one"])
def test_replicas_know_each_other_by_the_certificate_that_all_have(
    made: World, state: StateServer, *, same: bool
) -> None:
    """Its names are the fleet's, and nobody's address. Who has another one is not followed."""
    built = large(made)
    one = replica(made, state, "one", tls=True)
    with one, replica(made, state, "two", tls=one if same else True) as two:
        paths = [path_of(each, "large") for each in (one, two)]
        first = Asking(one, paths[0])
        until(lambda: made.files.bytes_sent("*.whl") > 0, one.told)
        other = Asking(two, paths[1])
        assert first.got() == other.got() == built.data
        (line,) = [line for line in two.answers() if is_large(line)]
        from_one = f"replica 127.0.0.7:{one.port}" in line["headrace.bytes_by_source"]
        assert from_one is same
        assert bool([line for line in one.answers() if line["user.name"] == "replica"]) is same


@pytest.mark.parametrize("how", ["killed", pytest.param("stands still", marks=NIGHTLY)])
def test_a_replica_that_brings_and_is_gone_stops_nobody(
    made: World, state: StateServer, how: str
) -> None:
    built = large(made)
    with replica(made, state, "two") as two:
        with replica(made, state, "one") as one:
            paths = [path_of(each, "large") for each in (one, two)]
            Asking(one, paths[0])
            until(lambda: made.files.bytes_sent("*.whl") > MB, one.told)
            other = Asking(two, paths[1])
            until(lambda: ready(two, "leases")["followed"] == 1, two.told)
            assert one.process is not None
            if how == "killed":
                one.kill()
                assert other.got() == built.data
            else:
                with paused(one.process):
                    assert other.got() == built.data
        # Nobody is stopped by what was held: the lease is over by itself.
        until(lambda: not state.leases(), two.told)


@pytest.mark.parametrize(
    "how",
    [
        "dies",
        "nonsense",
        *(pytest.param(how, marks=NIGHTLY) for how in ("away", "silent", "another password")),
    ],
)
def test_without_a_server_each_goes_on_alone(made: World, tmp_path: Path, how: str) -> None:
    built = large(made, size=3 * MB)
    password = "right" if how == "another password" else ""
    with StateServer(tmp_path / "state", password=password) as state:
        told = StateServer(tmp_path / "other", password="wrong", port=state.port)
        named = told if how == "another password" else state
        with replica(made, named, "one") as one:
            assert state.process is not None
            if how == "away":
                state.kill()
            path = path_of(one, "large")
            if how == "nonsense":
                digest = f"sha256:{built.sha256}"
                for said in (b"[" * 4000, b'{"at": "http://evil.example x"}'):
                    state.look().set(f"headrace:1:lease:{digest}", said)
                    state.look().publish("headrace:1:limits", said)
            if how == "dies":
                until(lambda: ready(one, "shared_state")["asked"] >= 0, one.told)
                state.kill()
            if how == "silent":
                with paused(state.process):
                    assert Asking(one, path).got() == built.data
            else:
                assert Asking(one, path).got() == built.data
            table = ready(one, "shared_state")
            assert bool(table["trouble"]) is (how != "nonsense"), table
            assert "wrong" not in json.dumps(table["server"])
            # It comes back, and is used again, without a new start.
            if how in ("away", "dies"):
                state.start()
                until(lambda: not ready(one, "shared_state")["trouble"], one.told)
                asked = ready(one, "shared_state")["asked"]
                more = large(made, "more", MB)
                assert Asking(one, path_of(one, "more")).got() == more.data
                assert ready(one, "shared_state")["asked"] > asked


def test_keys_of_another_version_are_left_alone(made: World, state: StateServer) -> None:
    """During an upgrade, and after it was taken back, both write into one server."""
    built = large(made, size=3 * MB)
    key = f"headrace:2:lease:sha256:{built.sha256}"
    state.look().set(key, b"\x83 of another version")
    with replica(made, state, "one") as one:
        assert Asking(one, path_of(one, "large")).got() == built.data
        assert not ready(one, "shared_state")["trouble"]
    assert state.look().get(key) == b"\x83 of another version"


def test_what_the_origin_says_to_one_replica_holds_for_all(made: World, state: StateServer) -> None:
    large(made, "other", MB)
    with replica(made, state, "one") as one, replica(made, state, "two") as two:
        path_of(one, "other")
        path_of(two, "other")
        made.pages.fail(modes.status(429, retry_after="600"), "/simple/*")
        one.get("/simple/new/", {"Accept": JSON})
        asked = len(made.pages.requests("/simple/*"))
        until(lambda: "left alone" in str(two.get("/simple/newer/", {"Accept": JSON})), two.told)
        assert len(made.pages.requests("/simple/*")) <= asked + 1
        # One that begins later hears of it, too.
        with replica(made, state, "three") as three:
            until(lambda: "left alone" in str(three.get("/simple/newest/", {"Accept": JSON})))
            assert len(made.pages.requests("/simple/*")) <= asked + 2
