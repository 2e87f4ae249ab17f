"""A laptop whose gateway takes its bytes from a shared one first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib import wheels
from lib.clients import Installer, Pip
from lib.fleet.served import Served, served_for
from lib.gateway import Gateway, headrace
from lib.serving.ports import free_port
from lib.waiting import HANG
from lib.world import MakeWorld, World

MB = 1 << 20


@pytest.fixture
def lab(world: MakeWorld) -> Iterator[tuple[World, Served]]:
    """An origin far away, and a lab's gateway."""
    made = world(mirrors=0)
    made.files.delay = 0.05
    with served_for(made) as served:
        yield made, served


def laptop(world: World, served: Served, root: Path, token: str, **fleet: Any) -> Gateway:
    made = Gateway(root, origins=[world.origin], mirrors=world.described, env=world.env)
    (root / "token").write_text(f"{token}\n", "utf-8")
    (root / "token").chmod(0o600)
    table = {
        "url": served.url,
        "token_file": str(root / "token"),
        "authorities": str(served.authority),
        **fleet,
    }
    config = root / "config" / "config.toml"
    lines = [f'{key} = "{value}"' for key, value in table.items()]
    config.write_text(config.read_text("utf-8") + "\n".join(["", "[fleet]", *lines, ""]), "utf-8")
    return made


def test_bytes_come_from_the_fleet_and_the_origin_gives_them_once(
    lab: tuple[World, Served], either: Installer, tmp_path: Path
) -> None:
    world, served = lab
    built = wheels.wheel("large", "1.0", ["little"], size=12 * MB)
    little = wheels.wheel("little", "1.0", size=200_000)
    world.index.add(built, little)
    token = served.token("laptop")
    with laptop(world, served, tmp_path / "laptop", token) as gateway:
        either.point_at(gateway.index)
        either.install("large").ok()
        given = gateway.status()["transfers"]["bytes_by_source"]
    assert either.environment.holds(built.files())
    assert either.environment.holds(little.files())
    assert given.get("fleet", 0) > 11 * MB, given
    # The lab brought it once; of the origin's own line the laptop took next to nothing.
    assert world.files.bytes_sent("*large*.whl") < 1.1 * len(built.data)
    assert token not in gateway.told()


def test_a_fleet_that_is_away_is_not_noticed(world: MakeWorld, newest: Pip, tmp_path: Path) -> None:
    made = world(mirrors=0)
    built = wheels.wheel("thing", "1.0", size=3 * MB)
    made.index.add(built)
    served = served_for(made)  # never started
    with laptop(made, served, tmp_path / "laptop", "t0k") as gateway:
        newest.point_at(gateway.index)
        newest.install("thing").ok()
        assert gateway.status()["transfers"]["bytes_by_source"].get("fleet", 0) == 0
    assert newest.environment.holds(built.files())


def test_a_fleet_that_wants_another_token_costs_nothing_but_is_told(
    lab: tuple[World, Served], newest: Pip, tmp_path: Path
) -> None:
    world, served = lab
    built = wheels.wheel("thing", "1.0", size=3 * MB)
    world.index.add(built)
    with laptop(world, served, tmp_path / "laptop", "wrong") as gateway:
        newest.point_at(gateway.index)
        newest.install("thing").ok()
        status = gateway.status()
    assert newest.environment.holds(built.files())
    assert status["transfers"]["bytes_by_source"].get("fleet", 0) == 0
    (fleet,) = [each for each in status["mirrors"]["python"]["states"] if each["id"] == "fleet"]
    assert fleet["state"] != "good"
    assert fleet["why"]


def test_on_writes_it_down_and_off_takes_it_out(lab: tuple[World, Served], newest: Pip) -> None:
    world, served = lab
    built = wheels.wheel("large", "1.0", size=12 * MB)
    world.index.add(built)
    environment = newest.environment
    newest.point_at(f"{world.origin}/")
    program = environment.scripts / "pip"
    program.write_text(f'#!/bin/sh\nexec {environment.python} -m pip "$@"\n', "utf-8")
    program.chmod(0o755)
    # What a tool is pointed at counts as a company's own index, which no fleet hears of.
    mine = f'# mine\ncatalogue = false\npublic_origins = ["{world.origin}"]\n'
    config = environment.write(".config/headrace/config.toml", mine)
    before = config.read_bytes()
    token = environment.write("lab-token", served.token("laptop"))
    token.chmod(0o600)
    environment.variables["HEADRACE_PORT"] = str(free_port())

    def run(*words: str) -> str:
        result = environment.run(*headrace(), *words, timeout=HANG)
        return result.ok().out + result.err

    try:
        run(
            *("on", "--fleet", served.url, "--fleet-token", str(token)),
            *("--fleet-ca", str(served.authority)),
        )
        assert token.read_text("utf-8") not in config.read_text("utf-8")
        newest.install("large").ok()
        assert environment.holds(built.files())
        status = run("status")
        assert "fleet" in status
        given = json.loads(run("status", "--json"))["transfers"]["bytes_by_source"]
        assert set(given) == {"fleet"}
    finally:
        run("off")
    assert config.read_bytes() == before
    wrong = environment.run(*headrace(), "on", "--fleet", "https://user:hunter2@lab.example")
    assert wrong.code == 2
    assert "hunter2" not in wrong.out + wrong.err
    assert config.read_bytes() == before
