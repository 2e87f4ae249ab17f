"""Which commands start containers, where they are led, and the reason where they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from headrace.interface import InsideLead, LedInside, LocalError, NotLed, Place, Scope
from headrace_docker.builds import all as all_of_them
from headrace_docker.builds import podman
from headrace_docker.builds.buildkit import DockerBuilds
from headrace_docker.builds.compose import ComposeBuilds
from headrace_docker.builds.podman import PodmanBuilds
from headrace_docker.builds.single import SingleContainers
from headrace_docker.engines.running import Machine

PODMAN_NET = [{"driver": "bridge", "subnets": [{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]}]
DOCKER_NET = [
    {"Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}}
]
BUILDER = "Name: default\nDriver: docker\n\nNodes:\nName: default\nBuildKit version: v0.0.0\n"


def machine(told: Mapping[str, object], own: str = "192.0.2.7") -> Machine:
    """A machine whose engines say what is usual, but for what a test says."""
    usual: dict[str, object] = {
        "info --format json": {
            "host": {"security": {"rootless": False}, "ociRuntime": {"path": "/usr/bin/runc"}}
        },
        "network inspect podman": PODMAN_NET,
        "network inspect inner": [{**PODMAN_NET[0], "internal": True}],
        "buildx version": "buildx 0.29",
        "buildx inspect": BUILDER,
        "network inspect bridge": DOCKER_NET,
        "version --format {{.Server.Version}}": "28.5.2+dfsg4",
        "context inspect --format {{.Endpoints.docker.Host}}": "unix:///run/docker.sock",
    }
    said = usual | dict(told)

    def printed(words: tuple[str, ...]) -> str:
        asked = " ".join(words)
        value = next((each for name, each in said.items() if asked.endswith(f" {name}")), "")
        return value if isinstance(value, str) else json.dumps(value)

    return Machine(
        printed=printed,
        program=lambda _, name: Path("/usr/bin") / Path(name).name,
        own=lambda: own,
    )


def place(folder: Path, env: Mapping[str, str] | None = None) -> Place:
    return Place(Scope.USER, folder, dict(env or {}), "linux", folder)


def way(
    words: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
    told: Mapping[str, object] | None = None,
    own: str = "192.0.2.7",
) -> object:
    """Say how a command is led; None: nobody says."""
    here = machine(told or {}, own)
    engines = (PodmanBuilds(here), DockerBuilds(here), ComposeBuilds(here), SingleContainers(here))
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
        ("docker build .", "172.17.0.1"),
        ("docker -H unix:///x buildx build --load .", "172.17.0.1"),
        ("docker build --network host .", ""),
        ("docker run --rm -it python pip", "172.17.0.1"),
        ("podman run python pip", "10.88.0.1"),
        ("docker run --network host python pip", ""),
    ],
)
def test_it_is_led_where_its_bridge_is(words: str, host: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nRUN b\n")
    found = way(words, tmp_path)
    assert isinstance(found, LedInside), found
    assert found.host == host


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("podman build --network none .", "no network"),
        ("podman build --network=inner .", "internal"),
        ("podman build --isolation=chroot .", "no runtime of their own"),
        ("docker build --network none .", "no network"),
        ("docker build -", "no file of this machine's"),
        ("docker build https://a.example/b.git", "no file of this machine's"),
        ("docker -H ssh://a.example build .", "another machine"),
        ("docker run -d python", "goes on"),
        ("docker run -itd python", "goes on"),
        ("docker run --network none python", "its network is none"),
        ("docker run -e HTTPS_PROXY=http://a python", "proxy of its own"),
    ],
)
def test_what_cannot_be_led_says_why(words: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nRUN b\n")
    found = way(words, tmp_path)
    assert isinstance(found, NotLed), found
    assert reason in found.reason


ROOTLESS = {"security": {"rootless": True}, "ociRuntime": {"path": "/usr/bin/runc"}}
PASTA = {**ROOTLESS, "rootlessNetworkCmd": "pasta"}


@pytest.mark.parametrize("words", ["podman build {} .", "podman run {} --rm python pip"])
@pytest.mark.parametrize(
    ("host", "option", "led"),
    [
        (ROOTLESS, "", "192.0.2.7"),
        (ROOTLESS, "--network=slirp4netns:port_handler=slirp4netns", "192.0.2.7"),
        (ROOTLESS, "--network=podman", "192.0.2.7"),
        (ROOTLESS, "--network=slirp4netns:outbound_addr=192.0.2.8", "another address"),
        (ROOTLESS, "--network=host", ""),
        (ROOTLESS, "--network=inner", "it is internal"),
        (ROOTLESS, "--network=pasta", "pasta gives"),
        (PASTA, "", "pasta gives"),
        (PASTA, "--network=podman", "pasta gives"),
        (PASTA, "--network=slirp4netns", "192.0.2.7"),
        (PASTA, "--network=host", ""),
        (PASTA, "--network=none", "net"),
    ],
)
def test_rootless_podman_is_led_where_it_can_reach_this_machine(
    words: str, host: Mapping[str, object], option: str, led: str, tmp_path: Path
) -> None:
    found = way(words.format(option), tmp_path, told={"info --format json": {"host": host}})
    if isinstance(found, LedInside):
        assert found.host == led
        assert found.network == (f"{led}/32" if led else "")
    else:
        assert isinstance(found, NotLed)
        assert led
        assert led in found.reason
        assert not found.refused


def test_rootless_podman_on_a_machine_without_a_network_is_told(tmp_path: Path) -> None:
    told = {"info --format json": {"host": ROOTLESS}}
    found = way("podman build .", tmp_path, told=told, own="")
    assert isinstance(found, NotLed)
    assert "no address" in found.reason


@pytest.mark.parametrize(
    "told",
    [
        {"buildx version": ""},
        {"version --format {{.Server.Version}}": "27.5.1"},
    ],
)
def test_builders_that_cannot_keep_it_out_of_an_image_are_refused(
    told: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nRUN b\n")
    found = way("docker build .", tmp_path, told=told)
    assert isinstance(found, NotLed)
    assert found.refused


def test_the_classic_builder_by_its_variable_is_refused(tmp_path: Path) -> None:
    found = way("docker build .", tmp_path, {"DOCKER_BUILDKIT": "0"})
    assert isinstance(found, NotLed)
    assert found.refused


@pytest.mark.parametrize("words", ["docker ps", "podman pull a", "buildah from a", "make build"])
def test_other_commands_start_no_containers(words: str, tmp_path: Path) -> None:
    assert way(words, tmp_path) is None


def test_a_secret_is_on_no_command_line(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nRUN b\n")
    (tmp_path / "Dockerfile.dockerignore").write_text("x\n")
    lead = InsideLead(
        "http://headrace:SECRET@10.88.0.1:1",
        "",
        tmp_path / "a.pem",
        tmp_path / "b.pem",
        ("SSL_CERT_FILE",),
        tmp_path,
    )
    for words in ("podman build .", "docker build -f Dockerfile .", "docker run python"):
        found = way(words, tmp_path)
        assert isinstance(found, LedInside)
        command = found.command(lead)
        assert "SECRET" not in " ".join(command.words)
        assert "SECRET" not in repr(command)
        assert any(b"SECRET" in data for data in command.files.values())
    built = way("docker build -f Dockerfile .", tmp_path)
    assert isinstance(built, LedInside)
    command = built.command(lead)
    assert command.words[-1] == "."
    assert "-f" not in command.words
    assert command.files[tmp_path / "Dockerfile.dockerignore"] == b"x\n"


def test_a_dockerfile_without_steps_is_not_led(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    found = way("docker build .", tmp_path)
    assert isinstance(found, LedInside)
    lead = InsideLead("http://a", "", tmp_path, tmp_path, (), tmp_path)
    with pytest.raises(LocalError, match="has no RUN"):
        found.command(lead)


@pytest.mark.parametrize("program", ["docker", "/usr/bin/podman", "buildah", "docker.exe"])
def test_whoever_starts_containers_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    class Knows:
        def inside(self, words: Sequence[str], place: Place) -> NotLed:
            del place
            return NotLed(words[0])

    monkeypatch.setattr(all_of_them, "every", lambda: [Knows()])
    assert all_of_them.Engines().inside((program, "build", "."), place(tmp_path)) == NotLed(program)


def test_nothing_is_loaded_for_a_command_of_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_of_them, "every", lambda: pytest.fail("all of them were loaded"))
    assert all_of_them.Engines().inside(("pip", "install", "podman"), place(tmp_path)) is None


def test_the_programs_of_each_engine_are_among_those_that_are_looked_at() -> None:
    assert {*podman._PROGRAMS, "docker"} == all_of_them.PROGRAMS
