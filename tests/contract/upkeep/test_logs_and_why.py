"""`headrace logs` and `headrace why` of what just came through a gateway that runs."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lib import wheels
from lib.gateway import headrace
from lib.serving import modes
from lib.waiting import HANG

if TYPE_CHECKING:
    from contract.upkeep.conftest import Bench

THING = "thing-1.0-py3-none-any.whl"
OTHER = wheels.wheel("other", "2.0", size=1_500_000)


def entries(bench: Bench, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.json("logs", *words)["entries"]
    return found


def test_why_tells_who_gave_what_who_failed_and_why_others_gave_nothing(bench: Bench) -> None:
    bench.world.mirrors[1].fail(modes.status(503))
    bench.fetch()
    bench.recorded(1)
    told = bench.ok("why", f"https://somewhere.example/a/{THING}")
    assert f"{THING}, " in told
    assert "for pip" in told
    assert "given by   mirror0: " in told or "given by   origin: " in told
    (entry,) = bench.json("why", "thing")["downloads"]
    parts = {*entry["sources"], *(each["source"] for each in entry["failed"]), *entry["left"]}
    assert {"mirror0", "mirror1"} <= parts
    assert sum(entry["sources"].values()) >= entry["size"]
    bench.fetch()
    bench.recorded(2)
    assert bench.json("why", "thing")["downloads"] == [entry]
    assert len(bench.json("why", "thing", "--all")["downloads"]) == 2
    bench.world.gateway.close()
    assert bench.json("why", THING)["downloads"] == [entry]


@pytest.mark.nightly
def test_what_is_not_recorded_is_said_with_what_was_meant(bench: Bench) -> None:
    done = bench.run("why", "thing-1.0-py3-none-any.wl")
    assert done.returncode == 1
    assert "nothing is recorded of" in done.stderr
    assert "`headrace logs`" in done.stderr
    bench.fetch()
    bench.recorded(1)
    assert f"did you mean '{THING}'" in bench.run("why", "thing-1.0-py3-none-any.wl").stderr


def test_logs_tell_by_tool_and_go_on_as_it_happens(bench: Bench) -> None:
    bench.world.index.add(OTHER)
    bench.fetch()
    bench.fetch(OTHER.name, "uv/0.13")
    bench.recorded(2)
    assert [each["name"] for each in entries(bench, "--tool", "UV")] == [OTHER.name]
    assert entries(bench, "--problems") == []
    assert len(entries(bench, "--since", "1h")) == 2
    assert f"pip {THING}: 3.0 MB in " in bench.ok("logs")
    done = bench.run("logs", "--tool", "pipp")
    assert done.returncode == 1
    assert "did you mean 'pip'" in done.stderr
    with subprocess.Popen(
        [*headrace(), "logs", "--follow", "--json"],
        env=bench.world.gateway.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout
        seen = [json.loads(following.stdout.readline()) for _ in range(2)]
        bench.fetch(OTHER.name, "conda/26.7")
        seen.append(json.loads(following.stdout.readline()))
        following.terminate()
        following.wait(HANG)
    assert [each["tool"] for each in seen] == ["pip", "uv", "conda"]
