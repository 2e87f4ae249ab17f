"""The folder of ``image write``: which base it names, and what is in its files."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest
import yaml

from headrace.interface import (
    ImageFolder,
    ImageQuestion,
    ImageWishes,
    Place,
    Scope,
    UsageError,
)
from headrace.variants.hosts import Accelerator, Host
from headrace_docker.writing.at_hand import engine_for
from headrace_docker.writing.wishes import EngineHere
from headrace_docker.writing.write import folder
from lib.images.families import shaped
from lib.images.in_memory import Registries

TORCH = "docker.io/pytorch/pytorch"
NGC = "nvcr.io/nvidia/pytorch"
CUDA = "docker.io/nvidia/cuda"
TAG = "2.14.1-cuda12.6-cudnn9-runtime"
PLAIN = shaped("torch", {"PATH": "/x"})
A100 = Host((Accelerator("nvidia", "NVIDIA A100", (8, 0)),), "550.54.15", (12, 4))
REGISTRIES = {
    TORCH: {TAG: PLAIN},
    NGC: {"24.05-py3": shaped("n", {"CUDA_VERSION": "12.4.1", "NVIDIA_PYTORCH_VERSION": "24.05"})},
    CUDA: {"12.4.1-runtime-ubi9": shaped("u", {"CUDA_VERSION": "12.4.1"})},
    "ghcr.io/me/x": {"1.0-alpine": PLAIN},
}


def write(
    what: str,
    wishes: ImageWishes,
    name: str = "My Work_1",
    *,
    at: Path = Path("/somewhere"),
    engine: EngineHere | None = None,
) -> ImageFolder:
    place = Place(Scope.USER, Path("/home/me"), {}, "linux", at)
    question = ImageQuestion(what, "", lambda: A100, Registries(REGISTRIES), place)
    return folder(question, wishes, Path(name), engine or EngineHere())


def text(folder: ImageFolder, name: str) -> str:
    (found,) = (each for each in folder.files if each.path == name)
    return found.data.decode()


def test_the_base_is_pinned_by_its_digest_and_its_tag_is_told_in_a_comment() -> None:
    lines = text(write("pytorch", ImageWishes()), "Dockerfile").splitlines()
    assert lines[1] == f"FROM {TORCH}@{PLAIN.digest}"
    assert lines[0].startswith(f"# {TORCH}:{TAG}")


def test_ports_servers_and_volumes_are_there_where_they_are_asked_for() -> None:
    plain = text(write("pytorch", ImageWishes()), "Dockerfile")
    assert "EXPOSE" not in plain
    assert "openssh" not in plain
    assert 'START_SERVICES=""' in plain
    both = text(write("pytorch", ImageWishes(jupyter=True, ssh=True)), "Dockerfile")
    assert "EXPOSE 8888 2222" in both
    assert 'START_SERVICES="jupyter ssh"' in both
    assert 'VOLUME ["/workspace", "/var/lib/ssh-host-keys"]' in both
    # A host key that the package makes would be every container's.
    assert "rm -f /etc/ssh/ssh_host_*" in both


def test_what_pip_installs_is_what_was_asked_for() -> None:
    def named(wishes: ImageWishes) -> set[str]:
        lines = text(write("pytorch", wishes), "requirements.txt").splitlines()
        return {line for line in lines if not line.startswith("#")}

    assert named(ImageWishes()) == set()
    assert named(ImageWishes(jupyter=True)) == {"jupyterlab>=4,<5"}
    assert {"numpy", "pandas", "matplotlib"} < named(ImageWishes(science=True))


def test_account_has_the_callers_numbers_and_the_last_user_is_not_root() -> None:
    file = text(write("pytorch", ImageWishes(user="ana", user_id=1234, group_id=77)), "Dockerfile")
    assert "ARG USER_ID=1234\nARG GROUP_ID=77\n" in file
    users = [line for line in file.splitlines() if line.startswith("USER ")]
    assert users[-1] == "USER ${USER_ID}:${GROUP_ID}"
    assert file.rstrip().splitlines()[-1] == "CMD []"


@pytest.mark.parametrize(
    "name", ["root", "sshd", "_apt", "www-data", "Ana", "a b", "", "-x", "a;id", "x" * 33, "a\n"]
)
def test_name_that_no_account_may_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--user"):
        write("pytorch", ImageWishes(user=name))


def test_entry_program_of_a_base_is_kept_before_the_command_where_it_ends_in_it() -> None:
    wrapper = 'START_WRAPPER="/opt/nvidia/nvidia_entrypoint.sh"'
    assert wrapper in text(write("ngc-pytorch", ImageWishes()), "Dockerfile")
    assert "START_WRAPPER" not in text(write("pytorch", ImageWishes()), "Dockerfile")


def test_system_of_a_base_decides_who_installs_and_whether_an_init_is_to_be_had() -> None:
    file = text(write("cuda", ImageWishes(ssh=True)), "Dockerfile")
    assert "dnf install" in file
    assert "apt-get" not in file
    assert "tini" not in file
    assert "--init" in file
    assert '"/usr/bin/tini", "--"' in text(write("pytorch", ImageWishes()), "Dockerfile")


def test_base_without_glibc_is_refused_with_what_to_name_in_its_place() -> None:
    with pytest.raises(UsageError, match="Alpine"):
        write("ghcr.io/me/x", ImageWishes())


def test_where_nothing_is_found_there_are_no_files_and_the_reason_is_told() -> None:
    folder = write("ghcr.io/me/nothing", ImageWishes())
    assert not folder.files
    assert not folder.found.answers
    assert folder.found.lines


@pytest.mark.parametrize(
    ("directory", "name"),
    [("My Work_1", "my-work-1"), ("2024", "image-2024"), ("...", "work"), ("ünï", "uni")],
)
def test_image_is_called_after_the_folder_as_far_as_such_names_go(
    directory: str, name: str
) -> None:
    made = text(write("pytorch", ImageWishes(), directory), "compose.yaml")
    assert f'image: "{name}:local"\n' in made


@pytest.mark.parametrize(
    ("typed", "name", "first"),
    [
        (".", "here", "headrace build -- docker compose build"),
        ("..", "above", "cd .."),
        ("../here", "here", "headrace build -- docker compose build"),
        ("a b/it's", "it-s", """cd 'a b/it'"'"'s'"""),
        ("-x", "x", "cd ./-x"),
        ("/", "work", "cd /"),
    ],
)
def test_folder_is_called_by_its_name_as_it_is_and_commands_are_typed_in_it(
    typed: str, name: str, first: str
) -> None:
    made = write("pytorch", ImageWishes(), typed, at=Path("/above/here"))
    assert f'image: "{name}:local"\n' in text(made, "compose.yaml")
    assert made.commands[0] == first


@pytest.mark.parametrize(
    ("engine", "up"),
    [
        (EngineHere("docker"), "docker compose up"),
        (EngineHere("podman"), "USERNS=keep-id podman compose up"),
        (EngineHere("podman", rootless=False), "podman compose up"),
    ],
)
def test_what_to_type_next_is_what_the_readme_says_by_the_name_that_compose_knows(
    engine: EngineHere, up: str
) -> None:
    made = write("pytorch", ImageWishes(ssh=True), engine=engine)
    assert made.commands[-1] == up
    assert f"\n- `{up}` builds it" in text(made, "README.md")
    assert f"`{engine.name} compose exec my-work-1 bash`" in text(made, "README.md")
    # What was built led is not built again without: compose finds it by its name.
    build = made.commands[-2]
    assert build.startswith(f"headrace build -- {engine.name} ")
    assert build.endswith((" compose build", " --file Dockerfile --tag my-work-1:local ."))
    assert made.commands[-3].endswith(" > secrets/authorized_keys")


def test_engine_is_whose_file_it_is_unless_another_one_alone_is_here(tmp_path: Path) -> None:
    def at_hand(*programs: str, **wishes: str) -> str:
        for each in tmp_path.iterdir():
            each.unlink()
        for name in programs:
            (tmp_path / name).touch(0o755)
        place = Place(Scope.USER, tmp_path, {"PATH": str(tmp_path)}, "linux", tmp_path)
        return engine_for(place, ImageWishes(**wishes)).name  # type: ignore[arg-type]

    assert at_hand() == "docker"
    assert at_hand("podman") == "podman"
    assert at_hand("docker", "podman") == "docker"
    assert at_hand("docker", "podman", engine_file="Containerfile") == "podman"
    assert at_hand("docker", engine_file="Containerfile") == "docker"


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_without_compose_the_same_service_is_built_and_started_by_the_engine_itself(
    engine: str,
) -> None:
    here = EngineHere(engine, compose=False)
    wishes = ImageWishes(jupyter=True, ssh=True)
    made = write("pytorch", wishes, engine=here)
    assert not any("compose" in command for command in made.commands)
    build, started = made.commands[-2:]
    assert build.startswith(f"headrace build -- {engine} build ")
    words = shlex.split(started)
    assert words[:2] == [engine, "run"]
    assert words[-1] == build.split()[-2] == "my-work-1:local"
    service = yaml.safe_load(text(made, "compose.yaml"))["services"]["my-work-1"]
    for port in ("8888", "2222"):
        assert f"--publish=127.0.0.1:{port}:{port}" in words
    inside = {each.split(":")[1] for each in words if each.startswith("--volume=")}
    assert inside == {
        *(each.split(":")[-2 if each.endswith(":z") else -1] for each in service["volumes"]),
        *(f"/run/secrets/{name}" for name in service["secrets"]),
    }
    gpus = {"docker": "--gpus=all", "podman": "--device=nvidia.com/gpu=all"}[engine]
    assert gpus in words
    assert ("--userns=keep-id" in words) == (engine == "podman")
    # Who wants neither is not led to them.
    plain = write("pytorch", ImageWishes(), engine=here).commands[-1]
    assert "--publish" not in plain
    assert "secrets" not in plain


def test_compose_is_known_by_what_would_read_its_files(tmp_path: Path) -> None:
    programs, home, system = (tmp_path / name for name in ("bin", "home", "system"))
    programs.mkdir()

    def here() -> bool:
        place = Place(Scope.USER, home, {"PATH": str(programs)}, "linux", tmp_path)
        return engine_for(place, ImageWishes(), system).compose

    assert here(), "who has no engine yet is shown the usual way"
    for name in ("docker", "podman"):
        for each in programs.iterdir():
            each.unlink()
        (programs / name).touch(0o755)
        assert not here()
        for plugins in (home / ".docker/cli-plugins", system / "usr/libexec/docker/cli-plugins"):
            plugins.mkdir(parents=True, exist_ok=True)
            (plugins / "docker-compose").touch(0o755)
            assert here()
            (plugins / "docker-compose").unlink()
        (programs / f"{name}-compose").touch(0o755)
        # `docker compose` is no program of that name; podman's asks for one.
        assert here() == (name == "podman")


def test_nothing_in_the_folder_names_us_whatever_was_wished_for() -> None:
    for jupyter, ssh, science, logs in itertools.product(*((False, True),) * 3, ("text", "json")):
        wishes = ImageWishes(jupyter, ssh, science, logs=logs, engine_file="Containerfile")
        for file in write("pytorch", wishes).files:
            assert b"headrace" not in file.data.lower(), file.path


def test_what_is_the_users_has_its_place_and_is_nobody_elses() -> None:
    def places(*, asked: bool = False) -> dict[str, bool]:
        files = write("pytorch", ImageWishes(jupyter=asked, ssh=asked)).files
        return {each.path: each.private for each in files if "/" in each.path}

    plain = {".devcontainer/devcontainer.json": False, "workspace/.gitkeep": False}
    assert places() == plain
    assert places(asked=True) == {
        **plain,
        "secrets/jupyter_token": True,
        "secrets/authorized_keys": True,
    }
