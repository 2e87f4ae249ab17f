"""`on`, a real containerd, `off`: hosts.toml as every containerd since 1.6 reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.engines.gateway import DIGEST
from lib.engines.lab import EngineLab, lab, needs

pytestmark = needs("containerd", "ctr")

CERTS = "/etc/containerd/certs.d"
CONFIG = f'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "{CERTS}"\n'
#: Somebody's own mirror, which refuses connections.
HIS = (
    '# mine\nserver = "https://quay.io"\n\n[host."http://127.0.0.1:9"]\n  capabilities = ["pull"]\n'
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[EngineLab]:
    with lab(tmp_path) as made:
        made.gateway()
        made.put("/etc/containerd/config.toml", CONFIG)
        words = ("--root", made.root / "data", "--address", made.root / "c.sock")
        made.start("containerd", *words, "--state", made.root / "state")
        made.wait("ctr", "-a", made.root / "c.sock", "version")
        yield made


def pull(machine: EngineLab, name: str, *, check: bool = True) -> bool:
    socket = machine.root / "c.sock"
    words = ("ctr", "-a", socket, "images", "pull", "--hosts-dir", CERTS, name)
    return machine.run(*words, check=check).returncode == 0


def test_pulls_of_every_public_registry_ask_the_gateway_and_off_gives_all_back(
    machine: EngineLab,
) -> None:
    machine.put(f"{CERTS}/quay.io/hosts.toml", HIS)
    before = machine.files()
    machine.switch_on("system")
    told = machine.headrace("status", "--scope", "system", check=False).stdout
    assert "containerd     routed" in told
    for registry in ("docker.io", "ghcr.io", "quay.io", "nvcr.io", "registry.k8s.io"):
        machine.asked()
        assert pull(machine, f"{registry}/org/tiny:v1")
        asked = machine.asked()
        # It says whose image it wants, and the tag is asked of us, who resolve it at the origin.
        assert asked[0] == f"HEAD /v2/org/tiny/manifests/v1?ns={registry}"
        assert all(f"ns={registry}" in each for each in asked)
        if registry == "docker.io":  # the next time containerd has it
            assert f"GET /v2/org/tiny/manifests/{DIGEST}?ns={registry}" in asked

    machine.headrace("off", "--scope", "system")
    assert machine.files() == before
    machine.asked()
    assert not pull(machine, "ghcr.io/org/other:v1", check=False)
    assert machine.asked() == []


def test_a_registry_that_is_not_public_is_not_asked_of_the_gateway(machine: EngineLab) -> None:
    machine.switch_on("system")
    machine.asked()
    assert not pull(machine, "company.example/org/tiny:v1", check=False)
    assert machine.asked() == []


def test_a_gateway_that_is_gone_is_passed_by_at_once(machine: EngineLab) -> None:
    """What follows is the registry itself, which this machine cannot reach: refused, no wait."""
    machine.switch_on("system")
    machine.gateway_ends()
    assert not pull(machine, "docker.io/org/tiny:v1", check=False)


def test_without_config_path_nothing_is_written_and_the_way_is_told(machine: EngineLab) -> None:
    machine.put("/etc/containerd/config.toml", "version = 2\n")
    machine.put("bin/kubelet", "#!/bin/sh\n").chmod(0o755)
    before = machine.files()
    machine.switch_on("system")
    assert not [name for name in machine.files().keys() - before.keys() if "containerd" in name]
    told = machine.headrace("status", "--json", "--scope", "system", check=False).stdout
    assert "config_path" in told
    assert "restart containerd" in told
