"""`on`, a real dockerd, `off`: it asks the gateway, and everything is as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.engines.gateway import DIGEST
from lib.engines.lab import URL, EngineLab, lab, needs

pytestmark = needs("dockerd", "docker")

HIS = '{\n\t"debug": false,   "registry-mirrors": ["https://his.example"],\n\t"labels": []\n}\n\n'
CONFIG = "etc/docker/daemon.json"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[EngineLab]:
    with lab(tmp_path) as made:
        made.gateway()
        yield made


def start(machine: EngineLab, *flags: str) -> None:
    machine.start("dockerd", "--data-root", machine.root / "data", *flags)
    machine.wait("docker", "info")


def mirrors(machine: EngineLab) -> list[str]:
    told = machine.run("docker", "info", "--format", "{{json .RegistryConfig.Mirrors}}").stdout
    return [each.rstrip("/") for each in json.loads(told) or []]


def reloads(machine: EngineLab) -> int:
    """How often dockerd has read its configuration again, by its own log."""
    return (machine.root / "log").read_text().count("Got signal to reload configuration")


def row(machine: EngineLab) -> dict[str, Any]:
    told = machine.headrace("status", "--json", "--scope", "system", check=False).stdout
    (found,) = [each for each in json.loads(told)["tools"] if each["tool"] == "docker"]
    return dict(found)


def test_on_a_pull_and_off(machine: EngineLab) -> None:
    machine.put(f"/{CONFIG}", HIS)
    start(machine)
    before = machine.files()
    assert mirrors(machine) == ["https://his.example"]
    assert row(machine)["state"] == "not routed"

    done = machine.switch_on("system")
    assert done["told"] == ["dockerd"]
    assert done["refused"] == []
    assert mirrors(machine) == [URL, "https://his.example"]
    assert row(machine)["state"] == "routed"
    machine.asked()
    pulled = machine.run("docker", "pull", "org/tiny:v1").stdout
    assert DIGEST in pulled
    asked = machine.asked()
    assert any(each.startswith("HEAD /v2/org/tiny/manifests/v1") for each in asked)
    assert any("/blobs/sha256:" in each for each in asked)
    signals = reloads(machine)
    assert signals == 1
    assert machine.switch_on("system")["told"] == []
    assert reloads(machine) == signals

    off = machine.headrace("off", "--scope", "system")
    assert "dockerd: told to read its configuration again" in off.stdout
    assert machine.files() == before
    assert mirrors(machine) == ["https://his.example"]
    machine.run("docker", "rmi", "org/tiny:v1")
    machine.asked()
    machine.run("docker", "pull", "org/tiny:v1", check=False)
    assert machine.asked() == []


def test_a_dockerd_that_starts_later_finds_the_mirror_and_off_needs_none(
    machine: EngineLab,
) -> None:
    before = machine.files()
    done = machine.switch_on("system")
    assert f"/{CONFIG}" in done["changed"]
    assert done["told"] == []
    start(machine)
    assert mirrors(machine) == [URL]
    off = machine.headrace("off", "--scope", "system")
    assert "dockerd: told" in off.stdout
    assert mirrors(machine) == []
    assert machine.files() == before

    machine.switch_on("system")
    assert mirrors(machine) == [URL]
    machine.run("bash", "-c", "kill $(cat /run/docker.pid)")
    machine.wait("bash", "-c", "! test -e /run/docker.pid")
    assert "dockerd" not in machine.headrace("off", "--scope", "system").stdout
    assert machine.files() == before


def test_a_change_that_dockerd_refuses_is_taken_back_and_dockerd_goes_on(
    machine: EngineLab,
) -> None:
    """Somebody wrote a key that no dockerd knows; it will say so at its next reload."""
    start(machine)
    machine.put(f"/{CONFIG}", '{"no-such-key": 1}')
    before = machine.files()
    done = machine.switch_on("system")
    ((refused),) = done["refused"]
    assert "does not show the gateway" in refused
    assert done["changed"] == [] or f"/{CONFIG}" not in done["changed"]
    assert machine.files()[CONFIG] == before[CONFIG]
    assert mirrors(machine) == []
    machine.run("docker", "ps")


def test_a_mirror_given_as_a_flag_is_left_alone(
    machine: EngineLab,
) -> None:
    start(machine, "--registry-mirror", "https://his.example")
    before = machine.files()
    done = machine.switch_on("system")
    assert any("would stop it from starting" in each for each in done["left_out"])
    assert machine.files().keys() & {CONFIG} == before.keys() & {CONFIG} == set()
    assert mirrors(machine) == ["https://his.example"]


def test_what_the_user_adds_while_we_are_on_stays_after_off(machine: EngineLab) -> None:
    machine.put(f"/{CONFIG}", HIS)
    start(machine)
    machine.switch_on("system")
    now = json.loads(machine.files()[CONFIG])
    machine.put(f"/{CONFIG}", json.dumps({**now, "max-concurrent-downloads": 2}))
    machine.headrace("off", "--scope", "system")
    assert json.loads(machine.files()[CONFIG]) == {
        **json.loads(HIS),
        "max-concurrent-downloads": 2,
    }
    assert mirrors(machine) == ["https://his.example"]
