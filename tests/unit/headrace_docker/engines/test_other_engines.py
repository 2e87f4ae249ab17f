"""buildx's builders, k3s and rke2, and engines in virtual machines."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import Scope, Standing
from headrace_docker.engines.buildkit import BuildkitActivation
from headrace_docker.engines.k3s import K3sActivation, Rke2Activation
from headrace_docker.engines.virtual import VirtualActivation
from lib.engines.machine import URL, Engines, edits_of, put, read, round_trip
from lib.places import GATEWAY, place


def builder(base: Path, name: str, driver: str) -> None:
    put(base / "home/.docker/buildx/instances" / name, json.dumps({"Driver": driver}))


def buildx(base: Path) -> BuildkitActivation:
    return BuildkitActivation(Engines(base, ["docker-buildx"]).machine())


def default_file(base: Path) -> Path:
    return base / "home/.docker/buildx/buildkitd.default.toml"


@pytest.mark.parametrize(
    "before",
    [
        None,
        "",
        "# mine\ndebug = true\n",
        '[registry."quay.io"]\n  mirrors = ["near.example"]',
        "[worker.oci]\r\n  max-parallelism = 4\r\n",
    ],
)
def test_new_builders_get_the_gateway_and_every_byte_comes_back(
    tmp_path: Path, before: str | None
) -> None:
    builder(tmp_path, "mine", "docker-container")
    if before is not None:
        put(default_file(tmp_path), before)
    (content,) = round_trip(buildx(tmp_path), place(tmp_path), tmp_path).values()
    found = tomllib.loads(content.decode())
    theirs = tomllib.loads(before or "")
    assert found["registry"]["docker.io"] == {"mirrors": ["127.0.0.1:17223"]}
    assert found["registry"]["127.0.0.1:17223"] == {"http": True}
    for name, table in theirs.get("registry", {}).items():
        assert found["registry"][name] == table
    assert {k: v for k, v in found.items() if k != "registry"} == {
        k: v for k, v in theirs.items() if k != "registry"
    }
    put(default_file(tmp_path), content)
    assert buildx(tmp_path).standing(place(tmp_path), GATEWAY, read) is Standing.ROUTED
    (told,) = buildx(tmp_path).overrides(place(tmp_path), GATEWAY, read)
    assert "--driver-opt network=host" in told.hint
    clean = buildx(tmp_path).withdraw(default_file(tmp_path), None, content, content + b"# x\n")
    assert clean is not None
    assert tomllib.loads(clean.decode()) == theirs


def test_nothing_is_written_where_it_would_break_another_builder(tmp_path: Path) -> None:
    builder(tmp_path, "a", "docker-container")
    builder(tmp_path, "b", "remote")
    assert edits_of(buildx(tmp_path), place(tmp_path)) == ()
    (told,) = buildx(tmp_path).overrides(place(tmp_path), GATEWAY, read)
    assert "remote" in told.what


def test_nor_where_nobody_has_such_a_builder(tmp_path: Path) -> None:
    assert edits_of(buildx(tmp_path), place(tmp_path)) == ()
    (told,) = buildx(tmp_path).overrides(place(tmp_path), GATEWAY, read)
    assert "not needed" in told.what


def test_buildx_may_keep_its_folder_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "b/instances/x", json.dumps({"Driver": "docker-container"}))
    (edit,) = edits_of(buildx(tmp_path), place(tmp_path, {"BUILDX_CONFIG": str(tmp_path / "b")}))
    assert edit.path == tmp_path / "b/buildkitd.default.toml"


def test_registries_in_another_form_are_refused(tmp_path: Path) -> None:
    put(default_file(tmp_path), 'registry = {"quay.io" = {}}\n')
    with pytest.raises(ConfigurationError, match="cannot be put beside"):
        edits_of(buildx(tmp_path), place(tmp_path))


K3S = {
    "no file": None,
    "comments": "# mine\nconfigs:\n  # secret\n  r.example:\n    auth:\n      username: me\n",
    "mirrors": (
        "---\nmirrors: # near\n    quay.io:\n        endpoint:\n            - https://n.example\n"
        "configs: {}\n"
    ),
    "no mirrors": "mirrors:\n",
    "no last line end": "configs: {}",
    "windows line ends": "configs:\r\n  a: {}\r\n",
}


@pytest.mark.parametrize("before", K3S.values(), ids=K3S.keys())
@pytest.mark.parametrize("kind", [K3sActivation, Rke2Activation])
def test_k3s_gets_endpoints_and_every_byte_comes_back(
    tmp_path: Path, before: str | None, kind: type[K3sActivation]
) -> None:
    activation = kind(Engines(tmp_path, [kind.tool]).machine())
    where, path = place(tmp_path, scope=Scope.SYSTEM), activation.file()
    assert path == tmp_path / f"etc/rancher/{kind.tool}/registries.yaml"
    if before is not None:
        put(path, before)
    (content,) = round_trip(activation, where, tmp_path).values()
    yaml = YAML(typ="safe", pure=True)
    found, theirs = yaml.load(content.decode()), yaml.load(before or "") or {}
    mirrors = theirs.get("mirrors") or {}
    assert found["mirrors"]["docker.io"] == {"endpoint": [URL]}
    for name, table in mirrors.items():
        assert found["mirrors"][name] == table
    assert {**found, "mirrors": 0} == {**theirs, "mirrors": 0}
    clean = activation.withdraw(path, None, content, content + b"# later\n")
    assert clean is not None
    assert (yaml.load(clean.decode()) or {}) == theirs
    put(path, content)
    assert activation.standing(where, GATEWAY, read) is Standing.ROUTED
    told = activation.overrides(where, GATEWAY, read)
    assert any("restart" in each.hint for each in told)
    assert any("endpoints of yours" in each.what for each in told) is bool(mirrors)


@pytest.mark.parametrize(
    "text",
    [
        "mirrors: {quay.io: {}}\n",
        "mirrors: [\n",
        "mirrors: []\n",
        "a: 1\na: 2\n",
        "x\n",
        "a: 1\n...\n---\nb: 2\n",
        "mirrors: &m\n  quay.io: {}\n",
    ],
)
def test_yaml_that_cannot_be_edited_by_lines_is_refused(tmp_path: Path, text: str) -> None:
    activation = K3sActivation(Engines(tmp_path, ["k3s"]).machine())
    put(activation.file(), text)
    with pytest.raises(ConfigurationError, match="cannot be edited safely"):
        edits_of(activation, place(tmp_path, scope=Scope.SYSTEM))


def test_the_users_mirror_of_every_registry_stays_in_charge(tmp_path: Path) -> None:
    activation = K3sActivation(Engines(tmp_path, ["k3s"]).machine())
    put(activation.file(), 'mirrors:\n  "*":\n    endpoint: ["https://company.example"]\n')
    where = place(tmp_path, scope=Scope.SYSTEM)
    assert edits_of(activation, where) == ()
    (told,) = activation.overrides(where, GATEWAY, read)
    assert "every registry" in told.what


def test_a_user_is_told_that_k3s_is_the_systems(tmp_path: Path) -> None:
    activation = K3sActivation(Engines(tmp_path, ["k3s"]).machine())
    assert edits_of(activation, place(tmp_path)) == ()
    (told,) = activation.overrides(place(tmp_path), GATEWAY, read)
    assert "sudo headrace on" in told.hint


@pytest.mark.parametrize(
    ("platform", "folder", "programs", "named"),
    [
        ("linux", "home/.docker/desktop", (), "Docker Desktop"),
        ("linux", "mnt/wsl/docker-desktop", (), "Docker Desktop (WSL)"),
        ("darwin", "home/.docker/desktop", ("docker",), "Docker Desktop"),
        ("darwin", "x", ("podman",), "podman machine"),
        ("win32", "x", ("podman",), "podman machine"),
        ("darwin", "x", ("docker", "colima"), "colima"),
        ("linux", "x", ("docker", "podman"), None),
    ],
)
def test_an_engine_in_a_virtual_machine_is_named_with_the_way_out(
    tmp_path: Path, platform: str, folder: str, programs: tuple[str, ...], named: str | None
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    activation = VirtualActivation(Engines(tmp_path, programs).machine())
    where = place(tmp_path, platform=platform)
    assert edits_of(activation, where) == ()
    assert activation.discover(where, read) == ()
    told = activation.overrides(where, GATEWAY, read)
    assert [each.where for each in told] == ([named] if named else [])
    assert all("127.0.0.1" in each.what and each.hint for each in told)
    standing = activation.standing(where, GATEWAY, read)
    assert standing is (Standing.NOT_ROUTED if named else Standing.NOT_FOUND)
