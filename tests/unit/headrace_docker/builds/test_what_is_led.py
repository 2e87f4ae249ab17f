"""Which commands start containers, where they are led, and the reason where they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from headrace.interface import InsideLead, LedInside, NotLed, Place, Scope
from headrace_docker.builds.docker import DockerContainers
from headrace_docker.builds.podman import PodmanBuilds
from headrace_docker.builds.single import SingleContainers
from headrace_docker.engines.running import Machine

PODMAN_NET = [{"driver": "bridge", "subnets": [{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]}]


def machine(**told: object) -> Machine:
    """A machine whose engines say what is usual, but for what a test says."""
    usual: dict[str, object] = {
        "info --format json": {
            "host": {"security": {"rootless": False}, "ociRuntime": {"path": "/usr/bin/runc"}}
        },
        "network inspect podman": PODMAN_NET,
        "network inspect inner": [{**PODMAN_NET[0], "internal": True}],
    }
    said = usual | {name.replace("_", " "): value for name, value in told.items()}

    def printed(words: tuple[str, ...]) -> str:
        asked = " ".join(words)
        value = next((each for name, each in said.items() if asked.endswith(f" {name}")), "")
        return value if isinstance(value, str) else json.dumps(value)

    return Machine(printed=printed, program=lambda _, name: Path("/usr/bin") / Path(name).name)


def place(folder: Path, env: Mapping[str, str] | None = None) -> Place:
    return Place(Scope.USER, folder, dict(env or {}), "linux", folder)


def way(words: str, folder: Path, env: Mapping[str, str] | None = None, **told: object) -> object:
    """Say how a command is led; None: nobody says."""
    here = machine(**told)
    engines = (PodmanBuilds(here), SingleContainers(here), DockerContainers())
    found = (engine.inside(words.split(), place(folder, env)) for engine in engines)
    return next((each for each in found if each is not None), None)


@pytest.mark.parametrize(
    ("words", "host"),
    [
        ("podman build .", "10.88.0.1"),
        ("/usr/bin/podman --log-level debug image build -t a .", "10.88.0.1"),
        ("buildah bud .", "10.88.0.1"),
        ("podman build --network=host .", ""),
        ("podman build --net host .", ""),
        ("podman run python pip", "10.88.0.1"),
        ("podman run --rm -it --network podman python pip", "10.88.0.1"),
        ("podman run --network host python pip", ""),
    ],
)
def test_it_is_led_where_its_bridge_is(words: str, host: str, tmp_path: Path) -> None:
    found = way(words, tmp_path)
    assert isinstance(found, LedInside), found
    assert found.host == host


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("podman build --network none .", "no network"),
        ("podman build --network=inner .", "internal"),
        ("podman build --isolation=chroot .", "no runtime of their own"),
        ("podman run -d python", "goes on"),
        ("podman run -itd python", "goes on"),
        ("podman run --network none python", "its network is none"),
        ("podman run -e HTTPS_PROXY=http://a python", "proxy of its own"),
        ("docker run python", "do not reach"),
    ],
)
def test_what_cannot_be_led_says_why(words: str, reason: str, tmp_path: Path) -> None:
    found = way(words, tmp_path)
    assert isinstance(found, NotLed), found
    assert reason in found.reason


def test_rootless_podman_is_led_on_the_hosts_network_alone(tmp_path: Path) -> None:
    host = {"security": {"rootless": True}, "ociRuntime": {"path": "/usr/bin/runc"}}
    told = {"info_--format_json": {"host": host}}
    assert isinstance(way("podman build .", tmp_path, **told), NotLed)
    assert isinstance(way("podman build --network=host .", tmp_path, **told), LedInside)


@pytest.mark.parametrize(
    "words", ["docker build .", "docker -H a buildx build .", "docker compose build"]
)
def test_builds_that_cannot_be_led_are_refused(words: str, tmp_path: Path) -> None:
    found = way(words, tmp_path)
    assert isinstance(found, NotLed)
    assert found.refused


@pytest.mark.parametrize("words", ["docker ps", "podman pull a", "buildah from a", "make build"])
def test_other_commands_start_no_containers(words: str, tmp_path: Path) -> None:
    assert way(words, tmp_path) is None


def test_a_secret_is_on_no_command_line(tmp_path: Path) -> None:
    proxy, files = "http://headrace:SECRET@10.88.0.1:1", (tmp_path / "a.pem", tmp_path / "b.pem")
    lead = InsideLead(proxy, "", *files, ("SSL_CERT_FILE",), tmp_path)
    for words in ("podman build .", "buildah bud .", "podman run python"):
        found = way(words, tmp_path)
        assert isinstance(found, LedInside)
        command = found.command(lead)
        assert "SECRET" not in " ".join(command.words)
        assert "SECRET" not in repr(command)
        assert any(b"SECRET" in data for data in command.files.values())
