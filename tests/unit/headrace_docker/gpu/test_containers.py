"""Why containers have no GPU: one thing to do, in the order in which things stand on each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace_docker.gpu.containers import (
    CdiFile,
    ContainerFacts,
    DockerTold,
    PodmanTold,
    findings,
    way_of_docker,
)

RUNTIME = DockerTold(("runc", "nvidia"))
PLAIN = DockerTold(("runc",))
FILE = CdiFile("/etc/cdi/nvidia.yaml", ("580.82.09",))
DOCKER = ContainerFacts("580.82.09", docker=True, docker_told=RUNTIME, toolkit="1.18.0")
PODMAN = ContainerFacts(
    "580.82.09", podman=True, podman_told=PodmanTold(), toolkit="1.18.0", cdi=(FILE,)
)
ROOTLESS = replace(RUNTIME, rootless=True)


@pytest.mark.parametrize(
    ("facts", "check", "to_do"),
    [
        (replace(DOCKER, reboot=True), "containers", "restart this machine"),
        (replace(DOCKER, toolkit=None), "containers", "install nvidia-container-toolkit"),
        (replace(DOCKER, docker_told=PLAIN), "docker", "--runtime=docker`, then restart docker"),
        (replace(DOCKER, docker_told=replace(PLAIN, snap=True)), "docker", "snap remove docker"),
        (
            replace(DOCKER, docker_told=replace(PLAIN, rootless=True)),
            "docker",
            "--config=$HOME/.config/docker/daemon.json",
        ),
        (replace(DOCKER, docker_told=DockerTold(desktop=True)), "docker", "context use default"),
        (replace(PODMAN, cdi=()), "podman", "nvidia-ctk cdi generate"),
        (
            replace(PODMAN, cdi=(), closed_cdi=("/etc/cdi/nvidia.yaml",)),
            "podman",
            "chmod 644 /etc/cdi/nvidia.yaml",
        ),
        (replace(PODMAN, driver="610.43.02"), "cdi", "cdi generate --output=/etc/cdi/nvidia.yaml"),
        (replace(PODMAN, mig=True), "cdi", "cdi generate --output=/etc/cdi/nvidia.yaml"),
        (replace(DOCKER, no_cgroups=True), "cgroups", "no-cgroups=false"),
        (replace(DOCKER, docker_told=ROOTLESS), "rootless", "no-cgroups=true"),
        (replace(DOCKER, wsl=True, wsl_library=False), "wsl", "wsl --shutdown"),
    ],
)
def test_each_known_fault_ends_in_one_thing_to_do(
    facts: ContainerFacts, check: str, to_do: str
) -> None:
    wrong = [each for each in findings(facts) if each.level == "warning"]
    assert len(wrong) == 1
    assert wrong[0].check == check
    assert to_do in wrong[0].hint


@pytest.mark.parametrize(
    "facts",
    [
        DOCKER,
        PODMAN,
        replace(DOCKER, docker_told=PLAIN, hook=True),
        replace(DOCKER, docker_told=replace(PLAIN, cdi=True), cdi=(FILE,)),
        replace(DOCKER, docker_told=ROOTLESS, no_cgroups=True),
        replace(DOCKER, toolkit=None, docker_told=DockerTold(desktop=True), wsl=True),
        # Files that nobody reads may be as old as they like.
        replace(DOCKER, driver="610.43.02", cdi=(FILE,)),
        replace(PODMAN, mig=True, cdi=(replace(FILE, instances=True),)),
    ],
)
def test_machine_where_containers_have_the_gpu_is_told_of_nothing_to_do(
    facts: ContainerFacts,
) -> None:
    assert [each for each in findings(facts) if each.level == "warning"] == []


def test_of_many_faults_the_first_one_in_order_says_what_to_do() -> None:
    facts = replace(
        PODMAN,
        docker=True,
        docker_told=PLAIN,
        driver="610.43.02",
        wsl=True,
        wsl_library=False,
    )
    wrong = [each for each in findings(facts) if each.level == "warning"]
    assert [each.check for each in wrong] == ["docker", "cdi", "wsl"]
    assert "nvidia-ctk runtime configure" in wrong[0].hint
    assert {each.hint for each in wrong[1:]} == {
        "do what stands above first, then `headrace doctor` again"
    }


def test_what_may_come_later_is_a_note() -> None:
    told = replace(RUNTIME, systemd_cgroups=True)
    (note,) = [
        each
        for each in findings(replace(DOCKER, docker_told=told, char_links=False))
        if each.level == "note"
    ]
    assert note.check == "cgroups"
    assert "create-dev-char-symlinks" in note.hint
    (note,) = [each for each in findings(replace(PODMAN, selinux=True)) if each.level == "note"]
    assert "container_use_devices" in note.hint


@pytest.mark.parametrize(
    ("facts", "way"),
    [
        (DOCKER, "runtime"),
        (replace(DOCKER, docker_told=PLAIN, hook=True), "hook"),
        (replace(DOCKER, docker_told=replace(PLAIN, cdi=True), cdi=(FILE,)), "cdi"),
        (replace(DOCKER, docker_told=PLAIN), ""),
        (replace(DOCKER, docker_told=None), ""),
    ],
)
def test_way_in_which_docker_is_asked_for_gpus(facts: ContainerFacts, way: str) -> None:
    assert way_of_docker(facts) == way
