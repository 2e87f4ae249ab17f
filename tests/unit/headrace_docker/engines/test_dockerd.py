"""dockerd: which files are edited, whom it tells, and what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import GatewayAddress, Place, ReloadCheck, Scope, Standing
from headrace_docker.engines.dockerd import DockerActivation
from lib.engines.machine import ORIGINS, URL, Engines, daemon, edits_of, put, read, round_trip
from lib.places import GATEWAY, place


def system(base: Path) -> Place:
    return place(base, scope=Scope.SYSTEM)


def config(base: Path) -> Path:
    return base / "etc/docker/daemon.json"


def overrides(engines: Engines, where: Place) -> dict[str, tuple[str, bool]]:
    found = DockerActivation(engines.machine()).overrides(where, GATEWAY, read)
    return {each.where: (f"{each.what}; {each.hint}", each.wins) for each in found}


@pytest.mark.parametrize(
    "before",
    [None, "", "{}", '{\n\t"debug": true,\n\t"registry-mirrors": ["https://his.example"]\n}\n'],
)
def test_daemon_json_gets_one_mirror_and_comes_back(tmp_path: Path, before: str | None) -> None:
    if before is not None:
        put(config(tmp_path), before)
    engines = Engines(tmp_path, ["dockerd"], version=(20, 10, 24))
    written = round_trip(DockerActivation(engines.machine()), system(tmp_path), tmp_path)
    assert list(written) == [config(tmp_path)]
    assert json.loads(written[config(tmp_path)])["registry-mirrors"][0] == URL


def test_dockerd_is_told_and_asked_as_it_was_started(tmp_path: Path) -> None:
    own = tmp_path / "own/daemon.json"
    flags = (
        "--config-file",
        str(own),
        "--pidfile=/x/d.pid",
        "-H",
        "tcp://[::1]:1",
        "-H=unix:///x/s",
    )
    engines = Engines(tmp_path, running={"dockerd": [daemon(*flags)]})
    (edit,) = edits_of(DockerActivation(engines.machine()), system(tmp_path))
    assert edit.path == own
    assert edit.reload
    assert (edit.reload.program, edit.reload.pid_file) == ("dockerd", "/x/d.pid")
    assert edit.reload.check == ReloadCheck("/x/s", "/info", ("RegistryConfig", "Mirrors"), URL)


def test_daemon_json_may_say_where_the_socket_and_the_pid_file_are(tmp_path: Path) -> None:
    put(config(tmp_path), '{"pidfile": "/x/p", "hosts": ["tcp://127.0.0.1:1"]}')
    engines = Engines(tmp_path, ["dockerd"])
    (edit,) = edits_of(DockerActivation(engines.machine()), system(tmp_path))
    assert edit.reload
    assert (edit.reload.pid_file, edit.reload.check) == ("/x/p", None)


@pytest.mark.parametrize(
    "elsewhere",
    [daemon(same_files=False), daemon(here=False), daemon(rootless=True)],
    ids=["in a container", "in another network", "somebody's own"],
)
def test_a_dockerd_that_is_not_the_machines_is_left_alone(
    tmp_path: Path, elsewhere: object
) -> None:
    engines = Engines(tmp_path, running={"dockerd": [elsewhere]})  # type: ignore[list-item]
    activation = DockerActivation(engines.machine())
    assert edits_of(activation, system(tmp_path)) == ()
    assert activation.discover(system(tmp_path), read) == ()


def test_a_mirror_given_as_a_flag_is_a_conflict(tmp_path: Path) -> None:
    engines = Engines(
        tmp_path, running={"dockerd": [daemon("--registry-mirror=https://x.example")]}
    )
    with pytest.raises(ConfigurationError, match="would stop it from starting"):
        edits_of(DockerActivation(engines.machine()), system(tmp_path))
    ((_, wins),) = [v for k, v in overrides(engines, system(tmp_path)).items() if "daemon" in k]
    assert wins


@pytest.mark.parametrize(
    ("name", "line", "conflict"),
    [
        ("etc/default/docker", 'DOCKER_OPTS="--registry-mirror=https://x.example"\n', True),
        ("etc/default/docker", '#DOCKER_OPTS="--registry-mirror=https://x.example"\n', False),
        (
            "etc/systemd/system/docker.service.d/x.conf",
            "ExecStart=dockerd --registry-mirror x",
            True,
        ),
        ("lib/systemd/system/docker.service", "ExecStart=/usr/bin/dockerd -H fd://\n", False),
    ],
)
def test_so_is_one_in_the_files_that_start_dockerd(
    tmp_path: Path, name: str, line: str, *, conflict: bool
) -> None:
    put(tmp_path / name, line)
    activation = DockerActivation(Engines(tmp_path, ["dockerd"]).machine())
    if not conflict:
        assert edits_of(activation, system(tmp_path))
        return
    with pytest.raises(ConfigurationError, match=r"docker|x\.conf"):
        edits_of(activation, system(tmp_path))


def test_dockerd_28_gets_hosts_toml_for_the_other_registries_alone(tmp_path: Path) -> None:
    put(tmp_path / "etc/docker/certs.d/quay.io/ca.crt", "his")
    engines = Engines(tmp_path, ["dockerd"], version=(28, 5, 2))
    written = round_trip(DockerActivation(engines.machine()), system(tmp_path), tmp_path)
    names = {path.parent.name for path in written if path.name == "hosts.toml"}
    assert {"ghcr.io", "nvcr.io", "quay.io"} <= names
    assert not {"docker.io", "_default"} & names
    quay = written[tmp_path / "etc/docker/certs.d/quay.io/hosts.toml"].decode()
    assert f'ca = ["{tmp_path}/etc/docker/certs.d/quay.io/ca.crt"]' in quay


def test_the_version_of_the_one_that_runs_counts(tmp_path: Path) -> None:
    engines = Engines(tmp_path, ["dockerd"], version=(28,), info={"ServerVersion": "27.5.1"})
    assert len(edits_of(DockerActivation(engines.machine()), system(tmp_path))) == 1


def test_a_user_without_root_is_told_what_only_root_can_do(tmp_path: Path) -> None:
    engines = Engines(tmp_path, ["dockerd"], {"dockerd": [daemon(mine=False)]})
    where = place(tmp_path)
    activation = DockerActivation(engines.machine())
    assert edits_of(activation, where) == ()
    assert activation.standing(where, GATEWAY, read) is Standing.NOT_ROUTED
    told, wins = overrides(engines, where)[str(config(tmp_path))]
    assert "sudo headrace on" in told
    assert not wins
    put(config(tmp_path), json.dumps({"registry-mirrors": [f"{URL}/"]}))
    assert activation.standing(where, GATEWAY, read) is Standing.ROUTED
    assert str(config(tmp_path)) not in overrides(engines, where)


def test_a_users_own_dockerd_has_its_files_in_his_home(tmp_path: Path) -> None:
    engines = Engines(tmp_path, running={"dockerd": [daemon(rootless=True)]}, version=(28,))
    where = place(tmp_path, {"XDG_RUNTIME_DIR": "/run/user/7"})
    activation = DockerActivation(engines.machine())
    edits = edits_of(activation, where)
    assert edits[0].path == tmp_path / "home/.config/docker/daemon.json"
    assert edits[0].reload
    assert edits[0].reload.pid_file == "/run/user/7/docker.pid"
    assert edits[0].reload.check
    assert edits[0].reload.check.socket == "/run/user/7/docker.sock"
    moved = place(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "cfg")})
    assert edits_of(activation, moved)[0].path == tmp_path / "cfg/docker/daemon.json"
    round_trip(activation, moved, tmp_path)


def test_one_whose_loopback_is_not_ours_is_told_how_to_start(tmp_path: Path) -> None:
    engines = Engines(tmp_path, running={"dockerd": [daemon(rootless=True, here=False)]})
    assert edits_of(DockerActivation(engines.machine()), place(tmp_path)) == ()
    told, _ = overrides(engines, place(tmp_path))["rootless dockerd (17)"]
    assert "DETACH_NETNS=true" in told


def test_what_the_image_store_cannot_do_is_said(tmp_path: Path) -> None:
    engines = Engines(tmp_path, ["dockerd", "crane"], info={"ServerVersion": "20.10.24"})
    found = overrides(engines, system(tmp_path))
    assert "docker.io alone" in found["other registries"][0]
    assert "skopeo" in found["crane"][0]
    engines.info = {"ServerVersion": "28.5.2", "DriverStatus": [["Backing", "extfs"]]}
    assert "containerd-snapshotter" in overrides(engines, system(tmp_path))["other registries"][0]
    engines.info = {
        "ServerVersion": "28.5.2",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    }
    assert "other registries" not in overrides(engines, system(tmp_path))


def test_the_users_mirrors_are_named_and_a_later_one_before_ours_wins(tmp_path: Path) -> None:
    put(config(tmp_path), json.dumps({"registry-mirrors": [URL, "https://me:pw@his.example"]}))
    engines = Engines(tmp_path, ["dockerd"])
    told, wins = overrides(engines, system(tmp_path))[str(config(tmp_path))]
    assert "his.example" in told
    assert "pw" not in told
    assert not wins
    put(config(tmp_path), json.dumps({"registry-mirrors": ["https://his.example", URL]}))
    assert overrides(engines, system(tmp_path))[str(config(tmp_path))][1]


@pytest.mark.parametrize(
    ("env", "config", "named"),
    [
        ({"DOCKER_HOST": "ssh://me@far.example"}, "{}", "DOCKER_HOST"),
        ({"DOCKER_HOST": "unix:///x"}, "{}", None),
        ({}, '{"currentContext": "far"}', "docker context"),
        ({}, '{"currentContext": "default"}', None),
        ({}, "broken", None),
    ],
)
def test_a_client_that_talks_to_another_engine_is_told(
    tmp_path: Path, env: dict[str, str], config: str, named: str | None
) -> None:
    put(tmp_path / "home/.docker/config.json", config)
    found = overrides(Engines(tmp_path, ["dockerd"]), place(tmp_path, env))
    where = {"DOCKER_HOST", "docker context"} & set(found)
    assert where == ({named} if named else set())


def test_the_gateways_token_is_in_no_file_of_an_engine(tmp_path: Path) -> None:
    engines = Engines(tmp_path, ["dockerd"])
    activation = DockerActivation(engines.machine())
    gateway = GatewayAddress("127.0.0.1", 17223, "t0k")
    edits = activation.enable(system(tmp_path), gateway, ORIGINS, read)
    assert edits
    assert not [edit for edit in edits if b"t0k" in (edit.after or b"")]
    assert "t0k" not in repr(activation.overrides(system(tmp_path), gateway, read))


def test_where_docker_is_not_there_nothing_is_said(tmp_path: Path) -> None:
    activation = DockerActivation(Engines(tmp_path).machine())
    for where in (system(tmp_path), place(tmp_path)):
        assert edits_of(activation, where) == ()
        assert activation.standing(where, GATEWAY, read) is Standing.NOT_FOUND
        assert activation.overrides(where, GATEWAY, read) == ()


def test_on_another_system_nothing_is_written(tmp_path: Path) -> None:
    activation = DockerActivation(Engines(tmp_path, ["dockerd", "docker"]).machine())
    for platform in ("darwin", "win32"):
        assert edits_of(activation, replace(system(tmp_path), platform=platform)) == ()


def test_our_mirror_is_taken_out_of_a_file_that_was_rewritten(tmp_path: Path) -> None:
    activation, path = DockerActivation(Engines(tmp_path).machine()), config(tmp_path)
    after = json.dumps({"registry-mirrors": [URL]}).encode()
    now = json.dumps({"debug": True, "registry-mirrors": [URL, "https://new.example"]}).encode()
    clean = activation.withdraw(path, None, after, now)
    assert json.loads(clean or b"") == {"debug": True, "registry-mirrors": ["https://new.example"]}
    assert activation.withdraw(path, None, after, b"broken") is None
    assert activation.withdraw(path, None, after, b"{}") == b"{}"
    # The record is lost, and the port is the usual one.
    assert activation.withdraw(path, None, after, after) == b""


def told_by_the_running(tmp_path: Path, **said: object) -> tuple[Standing, dict[str, str]]:
    """What is said with the gateway in the file of a dockerd that runs and answers."""
    put(config(tmp_path), json.dumps({"registry-mirrors": [URL]}))
    info = {"ServerVersion": "29.10.0", "RegistryConfig": said}
    engines = Engines(tmp_path, running={"dockerd": [daemon("-H=unix:///x/s")]}, info=info)
    activation = DockerActivation(engines.machine())
    found = activation.overrides(system(tmp_path), GATEWAY, read)
    standing = activation.standing(system(tmp_path), GATEWAY, read)
    return standing, {each.what: each.hint for each in found if each.where == str(config(tmp_path))}


def test_the_dockerd_that_runs_is_asked_what_it_has(tmp_path: Path) -> None:
    standing, told = told_by_the_running(tmp_path, Mirrors=[f"{URL}/"])
    assert (standing, told) == (Standing.ROUTED, {})
    standing, told = told_by_the_running(tmp_path, Mirrors=[])
    assert standing is Standing.NOT_ROUTED
    assert list(told.values()) == ["`systemctl reload docker`"]
    assert told_by_the_running(tmp_path)[0] is Standing.ROUTED  # an engine that does not say


@pytest.mark.parametrize(
    ("networks", "told"),
    [(["127.0.0.0/8"], 0), (["::1/128", "127.0.0.0/8"], 0), (["10.0.0.0/8"], 1), (["x"], 1)],
)
def test_a_dockerd_that_no_longer_trusts_loopback_is_told_of(
    tmp_path: Path, networks: list[str], told: int
) -> None:
    """As Docker 29.10 where insecure-registries names others."""
    said = {"Mirrors": [URL], "InsecureRegistryCIDRs": networks}
    standing, found = told_by_the_running(tmp_path, **said)
    assert standing is Standing.ROUTED
    assert sum("127.0.0.0/8" in hint for hint in found.values()) == told
