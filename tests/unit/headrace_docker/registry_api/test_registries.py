"""Which registries the gateway fronts: the list, and what the user's settings add to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.hookspecs import Scope
from headrace.models import Origin
from headrace_docker.engines.containerd import ContainerdActivation
from headrace_docker.registry_api.registries import fronted, known, known_registries
from lib.engines.machine import Engines, put, read
from lib.places import GATEWAY, place

HUB = known("docker.io").origin
LAB = Origin("docker", "https://registry.lab.example", name="registry.lab.example")


def test_the_list_and_what_the_user_adds() -> None:
    names = [each.name for each in fronted([LAB, HUB, Origin("python", "https://x.example")])]
    assert names == ["docker.io", "registry.lab.example"]
    assert fronted([]) == []


@pytest.mark.parametrize(
    "origin",
    [
        Origin("docker", "https://x.example", name="default"),
        Origin("docker", "https://x.example", name="folder"),
        Origin("docker", "https://x.example", name="x.example/path"),
        Origin("docker", "https://x.example", name="x.example", private=True),
    ],
)
def test_what_no_image_name_can_begin_with_or_is_somebodys_own_is_not_fronted(
    origin: Origin,
) -> None:
    assert fronted([origin]) == []


def test_engines_are_led_to_it_as_to_the_others(tmp_path: Path) -> None:
    config = (
        '[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"'
    )
    put(tmp_path / "etc/containerd/config.toml", config)
    activation = ContainerdActivation(Engines(tmp_path, ["containerd"]).machine())
    where = place(tmp_path, scope=Scope.SYSTEM)
    edits = activation.enable(where, GATEWAY, [HUB, LAB], read)
    files = {edit.path.parent.name: edit.after or b"" for edit in edits}
    assert set(files) == {"docker.io", "registry.lab.example"}
    assert b'server = "https://registry.lab.example"' in files["registry.lab.example"]


def test_names_are_each_ones_own() -> None:
    assert known("ghcr.io").url == "https://ghcr.io"
    assert known("docker.io").url == "https://registry-1.docker.io"
    assert len({each.url for each in known_registries()}) == len(known_registries())
