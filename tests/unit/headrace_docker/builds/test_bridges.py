"""Which networks of docker and podman are served, as the engines tell them; and which are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from headrace.interface import ContainerNetwork, Place, Scope
from headrace_docker.builds.bridges import networks
from headrace_docker.engines.running import Machine

PODMAN = {
    "driver": "bridge",
    "network_interface": "podman0",
    "subnets": [{"subnet": "fd00::/64"}, {"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}],
}
DOCKER = {
    "Driver": "bridge",
    "Id": "0123456789abcdef",
    "Options": {"com.docker.network.bridge.name": "docker0"},
    "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
}
OWN = {"Driver": "bridge", "Id": "fedcba98765432100", "IPAM": DOCKER["IPAM"]}


def found(told: Mapping[str, object]) -> dict[str, ContainerNetwork]:
    """Return what is found where engines say these things, by engine and name."""

    def printed(words: tuple[str, ...]) -> str:
        value = told.get(" ".join(words), "")
        return value if isinstance(value, str) else json.dumps(value)

    machine = Machine(printed=printed, program=lambda _, name: Path("/usr/bin") / name)
    place = Place(Scope.USER, Path("/home/u"), {}, "linux", Path("/"))
    return {f"{each.engine} {each.name}": each for each in networks(machine, place)}


def of_docker(**more: object) -> dict[str, ContainerNetwork]:
    told = {"bridge": DOCKER, **more}
    return found(
        {
            "docker info --format {{json .ServerVersion}}": "28.5.2",
            "docker context inspect --format {{.Endpoints.docker.Host}}": "unix:///run/docker.sock",
            "docker network ls --format {{.Name}}": "\n".join(told),
            **{f"docker network inspect {name}": [table] for name, table in told.items()},
        }
    )


def test_the_usual_network_is_on_the_bridge_that_docker_names() -> None:
    network = of_docker()["docker bridge"]
    assert (network.host, network.subnet) == ("172.17.0.1", "172.17.0.0/16")
    assert network.interface == "docker0"
    assert not network.known_as


def test_a_network_of_the_users_own_has_the_bridge_that_docker_makes_for_it() -> None:
    found_ = of_docker(app=OWN)
    assert list(found_) == ["docker bridge", "docker app"]
    assert found_["docker app"].interface == "br-fedcba987654"


def test_networks_that_lead_nowhere_are_told_and_those_without_a_bridge_too() -> None:
    told = of_docker(
        inner={**OWN, "Internal": True}, wide={"Driver": "macvlan"}, host={"Driver": "host"}
    )
    assert "internal" in told["docker inner"].why_not
    assert "macvlan" in told["docker wide"].why_not
    assert "docker host" not in told
    assert not any(each.host for each in told.values() if each.why_not)


def podman(host: Mapping[str, object], network: object = PODMAN) -> dict[str, ContainerNetwork]:
    return found(
        {
            "podman info --format json": {"host": host},
            "podman network ls --format {{.Name}}": "podman",
            "podman network inspect podman": [network],
        }
    )


def test_podmans_network_has_a_name_for_this_machine() -> None:
    network = podman({"security": {"rootless": False}})["podman podman"]
    assert (network.host, network.interface) == ("10.88.0.1", "podman0")
    assert network.known_as in network.names


def test_a_rootless_engine_and_a_remote_one_are_told() -> None:
    assert "rootless" in podman({"security": {"rootless": True}})["podman "].why_not
    assert "another machine" in podman({"serviceIsRemote": True})["podman "].why_not


def test_an_engine_that_does_not_run_has_none() -> None:
    assert not found({})
