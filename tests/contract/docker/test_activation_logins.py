"""`on` with ``also = ["docker-logins"]``, a real docker and a helper of the user's, `off`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.engines.lab import PORT, EngineLab, lab, needs

pytestmark = needs("dockerd", "docker")

OURS = Path(sys.executable).with_name("docker-credential-headrace")
HIS = '{\n\t"psFormat": "{{.ID}}",\n\t"credsStore": "lab"\n}'
CONFIG = "home/.docker/config.json"
HUB = "https://index.docker.io/v1/"
#: A helper that keeps its logins in a folder, and writes down what it is asked.
LAB = """#!/bin/sh
cd {folder}
word=$1; input=$(cat); echo "$word $input" >> asked
case $word in
get) test -f login && cat login && exit 0; echo credentials not found in native keychain; exit 1 ;;
store) echo "$input" > login ;;
list) echo '{{}}' ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[EngineLab]:
    with lab(tmp_path) as made:
        made.put("headrace/config/config.toml", 'also = ["docker-logins"]\n')
        made.put(CONFIG, HIS)
        made.put("bin/docker-credential-lab", LAB.format(folder=made.root / "bin"))
        (made.root / "bin/docker-credential-lab").chmod(0o755)
        (made.root / "bin/docker-credential-headrace").symlink_to(OURS)
        yield made


def asked(machine: EngineLab) -> list[str]:
    path = machine.root / "bin" / "asked"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def test_pulls_wake_the_gateway_and_the_users_helper_is_asked_as_before(
    machine: EngineLab,
) -> None:
    machine.gateway()
    machine.start("dockerd", "--data-root", machine.root / "data")
    machine.wait("docker", "info")
    machine.run("docker", "pull", "org/none:v1", check=False)
    assert asked(machine) == [f"get {HUB}"]
    before = machine.files()

    assert machine.switch_on("user")["left_out"] == []
    told = json.loads((machine.root / CONFIG).read_text())
    assert told == {**json.loads(HIS), "credsStore": "headrace"}
    assert f"lab {PORT}" in (machine.root / CONFIG).with_name("headrace-credential").read_text()
    status = machine.headrace("status", check=False).stdout
    assert "docker-logins  routed" in status

    machine.run("docker", "pull", "org/none:v1", check=False)
    assert asked(machine) == [f"get {HUB}"]
    # docker's own words to a helper, through ours: what is stored comes back.
    login = json.dumps({"ServerURL": HUB, "Username": "me", "Secret": "s3cret"})
    helper = "docker-credential-headrace"
    machine.run("sh", "-c", f"echo '{login}' | {helper} store")
    assert json.loads(machine.run("sh", "-c", f"echo {HUB} | {helper} get").stdout)
    assert [each.split()[0] for each in asked(machine)] == ["store", "get"]

    machine.headrace("off")
    assert machine.files() == before


def test_what_docker_wrote_meanwhile_stays_and_its_helper_is_back(machine: EngineLab) -> None:
    machine.gateway()
    machine.switch_on("user")
    path = machine.root / CONFIG
    table = json.loads(path.read_text())
    # As docker writes after a login: its own order and indentation, an entry for the registry.
    path.write_text(json.dumps({"auths": {HUB: {}}, **table}, indent="\t"))
    machine.headrace("off")
    assert json.loads(path.read_text()) == {"auths": {HUB: {}}, **json.loads(HIS)}
    assert not path.with_name("headrace-credential").exists()


def test_without_the_setting_nothing_changes(machine: EngineLab) -> None:
    (machine.root / "headrace/config/config.toml").unlink()
    machine.gateway()
    before = machine.files()
    machine.switch_on("user")
    assert (machine.root / CONFIG).read_bytes() == before[CONFIG]
    assert "docker-logins" not in machine.headrace("status", check=False).stdout
