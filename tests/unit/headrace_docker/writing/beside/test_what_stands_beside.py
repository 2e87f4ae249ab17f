"""What the files beside the engine's say, and that all of them say the same."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import yaml

from headrace_docker.writing.beside.compose import compose
from headrace_docker.writing.beside.devcontainer import devcontainer
from headrace_docker.writing.beside.ignored import SECRETS, docker_ignored, git_ignored
from headrace_docker.writing.beside.kubernetes import RESOURCES, kubernetes
from headrace_docker.writing.beside.naming import gpu_maker
from headrace_docker.writing.beside.readme import readme
from headrace_docker.writing.wishes import HOST_KEYS, WORKSPACE, WrittenImage
from lib.images.written import beside, wished

WRITERS = (compose, devcontainer, kubernetes, readme, docker_ignored, git_ignored)
ALL = {"jupyter": True, "ssh": True}


@cache
def service(image: WrittenImage) -> dict[str, Any]:
    (found,) = yaml.safe_load(compose(image))["services"].values()
    return dict(found)


@cache
def objects(image: WrittenImage) -> dict[str, dict[str, Any]]:
    """Give Kubernetes' objects by kind and name."""
    found = list(yaml.safe_load_all(kubernetes(image)))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def pod(image: WrittenImage) -> dict[str, Any]:
    return dict(objects(image)["Deployment/lab"]["spec"]["template"]["spec"])


def test_nothing_in_a_folder_names_us_a_mirror_or_a_gateway() -> None:
    for image in beside():
        for write in WRITERS:
            text = write(image)
            assert "headrace" not in text.lower()
            assert "17223" not in text


@pytest.mark.parametrize("base", ["nvidia", "ngc", "rocky"])
def test_nvidias_gpus_are_reserved_and_no_device_is_named(base: str) -> None:
    made = service(wished(base))
    (device,) = made["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert "devices" not in made
    assert json.loads(devcontainer(wished(base)))["hostRequirements"] == {"gpu": "optional"}


def test_amds_and_intels_gpus_are_devices_that_a_group_may_open() -> None:
    for base, devices in (("amd", ["/dev/kfd", "/dev/dri"]), ("intel", ["/dev/dri"])):
        made = service(wished(base))
        assert [each.partition(":")[0] for each in made["devices"]] == devices
        assert made["group_add"] == ["${VIDEO_GROUP:-44}", "${RENDER_GROUP:-109}"]
        assert "reservations" not in made["deploy"]["resources"]
        arguments = json.loads(devcontainer(wished(base)))["runArgs"]
        assert [f"--device={each}" in arguments for each in devices] == [True] * len(devices)
        assert pod(wished(base))["securityContext"]["supplementalGroups"] == [44, 109]


def test_no_gpu_is_asked_for_where_there_is_none() -> None:
    made = service(wished("none"))
    assert not {"devices", "group_add"} & made.keys()
    assert "reservations" not in made["deploy"]["resources"]
    assert "hostRequirements" not in json.loads(devcontainer(wished("none")))
    spec = pod(wished("none"))
    assert "tolerations" not in spec
    assert list(spec["containers"][0]["resources"]["limits"]) == ["memory"]


def test_one_gpu_of_the_right_maker_is_asked_of_a_cluster() -> None:
    for image in beside():
        maker = gpu_maker(image)
        limits = pod(image)["containers"][0]["resources"]["limits"]
        wanted = {RESOURCES[maker]} if maker else set()
        assert limits.keys() & set(RESOURCES.values()) == wanted
        assert all(limits[each] == 1 for each in wanted)


def test_ports_are_open_for_what_was_asked_and_on_this_machine_alone() -> None:
    assert "ports" not in service(wished())
    assert service(wished(**ALL))["ports"] == [
        "${BIND:-127.0.0.1}:${JUPYTER_PORT:-8888}:8888",
        "${BIND:-127.0.0.1}:${SSH_PORT:-2222}:2222",
    ]
    assert service(wished(ssh=True))["ports"] == ["${BIND:-127.0.0.1}:${SSH_PORT:-2222}:2222"]
    assert "Service/lab" not in objects(wished())
    ports = objects(wished(**ALL))["Service/lab"]["spec"]["ports"]
    assert [each["port"] for each in ports] == [8888, 2222]
    assert objects(wished(**ALL))["Service/lab"]["spec"].get("type", "ClusterIP") == "ClusterIP"


def test_tokens_and_keys_are_files_that_nobody_is_sent() -> None:
    assert "secrets" not in yaml.safe_load(compose(wished()))
    made = yaml.safe_load(compose(wished(**ALL)))
    assert {name: each["file"] for name, each in made["secrets"].items()} == {
        "jupyter_token": "./secrets/jupyter_token",
        "authorized_keys": "./secrets/authorized_keys",
    }
    assert service(wished(**ALL))["secrets"] == ["jupyter_token", "authorized_keys"]
    assert "secrets" in SECRETS
    assert service(wished(jupyter=True))["secrets"] == ["jupyter_token"]


def test_a_cluster_waits_for_keys_and_not_for_a_token() -> None:
    def secret(image: WrittenImage) -> dict[str, Any] | None:
        volumes = {each["name"]: each for each in pod(image)["volumes"]}
        return volumes["secrets"]["secret"] if "secrets" in volumes else None

    assert secret(wished()) is None
    keys, token = secret(wished(ssh=True)), secret(wished(jupyter=True))
    assert keys is not None
    assert token is not None
    assert (keys["optional"], token["optional"]) == (False, True)
    assert keys["defaultMode"] & 0o007 == 0


def test_the_servers_keys_are_kept_where_there_is_a_server() -> None:
    assert [each for each in service(wished(ssh=True))["volumes"] if HOST_KEYS in each]
    assert not [each for each in service(wished(jupyter=True))["volumes"] if HOST_KEYS in each]
    assert "PersistentVolumeClaim/lab-ssh-host-keys" in objects(wished(ssh=True))
    assert "PersistentVolumeClaim/lab-ssh-host-keys" not in objects(wished(jupyter=True))


def test_each_has_room_for_the_workers_of_a_dataloader() -> None:
    for image in beside():
        assert service(image)["shm_size"] == "${SHM:-8gb}"
        assert "--shm-size=8gb" in json.loads(devcontainer(image))["runArgs"]
        assert "--no-healthcheck" in json.loads(devcontainer(image))["runArgs"]
        (memory,) = [each for each in pod(image)["volumes"] if each["name"] == "shared-memory"]
        assert memory["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
        mounts = {each["name"]: each for each in pod(image)["containers"][0]["volumeMounts"]}
        assert mounts["shared-memory"]["mountPath"] == "/dev/shm"
        assert mounts["workspace"]["mountPath"] == WORKSPACE


def test_limits_stand_in_each_and_none_refuses_a_small_host() -> None:
    limits = service(wished())["deploy"]["resources"]["limits"]
    assert limits == {"cpus": "${CPUS:-0}", "memory": "${MEMORY:-64g}", "pids": 4096}


def test_the_callers_numbers_are_the_same_in_all() -> None:
    image = wished(user="ada", user_id=4711, group_id=4712)
    made, editor = service(image), json.loads(devcontainer(image))
    assert made["build"]["args"] == {
        "USER_ID": "${USER_ID:-4711}",
        "GROUP_ID": "${GROUP_ID:-4712}",
    }
    assert editor["build"]["args"] == {"USER_ID": "4711", "GROUP_ID": "4712"}
    assert (editor["remoteUser"], editor["updateRemoteUserUID"]) == ("ada", True)
    rights = pod(image)["securityContext"]
    assert (rights["runAsUser"], rights["runAsGroup"], rights["fsGroup"]) == (4711, 4712, 4712)


def test_an_init_is_asked_of_the_engine_where_the_image_has_none() -> None:
    assert "init" not in service(wished("nvidia"))
    assert service(wished("rocky"))["init"] is True


def test_each_builds_from_the_file_that_was_asked_for() -> None:
    image = wished(engine_file="Containerfile")
    assert service(image)["build"]["dockerfile"] == "Containerfile"
    assert json.loads(devcontainer(image))["build"]["dockerfile"] == "../Containerfile"
    assert "podman build" in kubernetes(image)
    assert "podman compose up" in readme(image)
    assert "docker" not in readme(image).partition("\n")[2]


def test_a_pod_goes_where_the_strictest_rules_for_pods_hold() -> None:
    """Pod Security Standards, "restricted", read anew here."""
    for image in beside():
        spec = pod(image)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["automountServiceAccountToken"] is False
        rights = spec["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["runAsUser"] > 0
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in each for each in container.get("ports", ()))
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"persistentVolumeClaim", "emptyDir", "secret"}


def test_whose_image_is_to_be_filled_in_is_plain_to_see() -> None:
    text = kubernetes(wished())
    before = text[: text.index('registry.example/lab:1"')].splitlines()
    assert any("FILL IN" in line for line in before[-4:])


def test_a_node_is_named_only_by_labels_that_were_given() -> None:
    assert "nodeSelector" not in pod(wished())
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "gpu.count": "8"}
    (made,) = [
        each
        for each in yaml.safe_load_all(kubernetes(wished(), labels))
        if each["kind"] == "Deployment"
    ]
    assert made["spec"]["template"]["spec"]["nodeSelector"] == labels


def test_the_readme_has_five_lines_and_what_was_asked_for() -> None:
    for image in beside():
        lines = readme(image).splitlines()
        assert len(lines) == 5
        assert ("Jupyter" in lines[2]) == image.wishes.jupyter
        assert ("ssh -p 2222 me@127.0.0.1" in lines[2]) == image.wishes.ssh
    assert "(torch 2.15.0, CUDA 13.2)" in readme(wished())
    assert "(ROCm 7.1)" in readme(wished("amd"))
    assert "()" not in readme(wished("none"))
