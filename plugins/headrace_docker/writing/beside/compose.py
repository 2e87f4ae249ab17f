"""``compose.yaml``: the container as docker compose and podman compose start it. Pure.

The Compose Specification, and of it what both have. What differs from host to host is a variable of
the environment with a default that suits most, so that nobody has to edit the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace_docker.writing.beside.naming import gpu_maker, label, local_name
from headrace_docker.writing.beside.yaml_text import Noted, yaml_text
from headrace_docker.writing.wishes import (
    HOST_KEYS,
    KEYS_SECRET,
    PORTS,
    START,
    TOKEN_SECRET,
    WORKSPACE,
    WrittenImage,
)

__all__ = ["compose", "run_alone", "secret_names"]

_HEAD = """\
docker compose up --build      or: podman compose up --build
Variables in front of it, or in a file .env beside this one, change what stands behind their ":-".
"""
_SHARED = """\
Workers of a DataLoader hand tensors on through it. An engine's usual 64 MB end them
with "Bus error". It takes no memory before it is used."""
_MEMORY = "One container does not take all of a shared host: MEMORY=200g for more."
_WORKSPACE = "z is for hosts with SELinux; others do not look at it."
_BIND = "On this machine alone; BIND=0.0.0.0 opens it to the network."
_USER_NAMESPACES = """\
For podman without root: USERNS=keep-id. Files in the workspace are then yours."""
_NO_POD = "podman has no namespaces of users for one container of a pod."
_GROUPS = """\
Who may use the devices, by number: names inside are not those of the host.
`getent group video render` tells yours."""
_SECRETS = "Files that stay on this machine: no image has them, nor the context of a build."
_HEALTH_HERE = "An image that podman builds forgets its own."
_HEALTH = {
    "test": ["CMD", START, "health"],
    "interval": "30s",
    "timeout": "10s",
    "start_period": "60s",
    "retries": 3,
}
#: Debian's numbers of those who may open what AMD's and Intel's programs open, and that.
_GROUP_NUMBERS = ("${VIDEO_GROUP:-44}", "${RENDER_GROUP:-109}")
_DEVICES = {"amd": ("/dev/kfd", "/dev/dri"), "intel": ("/dev/dri",)}


def compose(image: WrittenImage) -> str:
    """Write the file."""
    name = label(image.name)
    document: dict[str, Any] = {
        "name": name,
        "x-podman": Noted({"in_pod": False}, _NO_POD),
        "services": {name: _service(image)},
    }
    if secrets := _secrets(image):
        document["secrets"] = Noted(secrets, _SECRETS)
    if image.wishes.ssh:
        document["volumes"] = {
            "ssh-host-keys": Noted(None, "Kept, so that a new container is the same server.")
        }
    return yaml_text(document, head=_HEAD)


def run_alone(image: WrittenImage) -> str:
    """Return the command that starts it where no compose is here: the same service."""
    asked = {"jupyter": image.wishes.jupyter, "ssh": image.wishes.ssh}
    podman = image.engine.name == "podman"
    words = [image.engine.name, "run", "--rm", "--interactive", "--tty", "--shm-size=8g"]
    words += ["--security-opt=no-new-privileges"]
    words += [] if image.packages == "apt" else ["--init"]
    words += ["--userns=keep-id"] if podman and image.engine.rootless else []
    maker = gpu_maker(image)
    if maker == "nvidia":
        words.append("--device=nvidia.com/gpu=all" if podman else "--gpus=all")
    elif maker in _DEVICES:
        words += [f"--device={each}" for each in _DEVICES[maker]]
        words += [f"--group-add={each}" for each in _GROUP_NUMBERS]
    words += [
        f"--publish=127.0.0.1:{PORTS[each]}:{PORTS[each]}"
        for each, wanted in asked.items()
        if wanted
    ]
    words.append(f'--volume="$PWD/workspace:{WORKSPACE}:z"')
    for path in (TOKEN_SECRET, KEYS_SECRET):
        name = path.rpartition("/")[2]
        if name in secret_names(image):
            words.append(f'--volume="$PWD/secrets/{name}:{path}:ro,z"')
    words += [f"--volume={label(image.name)}-ssh-host-keys:{HOST_KEYS}"] if image.wishes.ssh else []
    return " ".join((*words, local_name(image)))


def _service(image: WrittenImage) -> dict[str, Any]:
    wishes = image.wishes
    service: dict[str, Any] = {
        "image": local_name(image),
        "build": {"context": ".", "dockerfile": wishes.engine_file, "args": _numbers(image)},
        # Where the image has no init of its own.
        **({} if image.packages == "apt" else {"init": True}),
        "stop_grace_period": "10s",
        "restart": Noted("unless-stopped", "After a reboot, too; `down` ends it."),
        "userns_mode": Noted("${USERNS:-}", _USER_NAMESPACES),
        "security_opt": ["no-new-privileges:true"],
        "shm_size": Noted("${SHM:-8gb}", _SHARED),
    }
    if ports := _ports(image):
        service["ports"] = Noted(ports, _BIND)
    service["volumes"] = Noted(_volumes(image), _WORKSPACE)
    if secrets := _secrets(image):
        service["secrets"] = list(secrets)
    service["environment"] = {"START_LOGS": f"${{LOGS:-{wishes.logs}}}"}
    if ports:
        service["healthcheck"] = Noted(_HEALTH, _HEALTH_HERE)
    maker = gpu_maker(image)
    if maker in _DEVICES:
        service["devices"] = [f"{each}:{each}" for each in _DEVICES[maker]]
        service["group_add"] = Noted(list(_GROUP_NUMBERS), _GROUPS)
    service["deploy"] = {"resources": _resources(maker)}
    return service


def _numbers(image: WrittenImage) -> Mapping[str, str]:
    wishes = image.wishes
    return {
        "USER_ID": f"${{USER_ID:-{wishes.user_id}}}",
        "GROUP_ID": f"${{GROUP_ID:-{wishes.group_id}}}",
    }


def _ports(image: WrittenImage) -> list[str]:
    asked = {"jupyter": image.wishes.jupyter, "ssh": image.wishes.ssh}
    return [
        f"${{BIND:-127.0.0.1}}:${{{each.upper()}_PORT:-{PORTS[each]}}}:{PORTS[each]}"
        for each, wanted in asked.items()
        if wanted
    ]


def _volumes(image: WrittenImage) -> list[str]:
    volumes = [f"${{WORKSPACE:-./workspace}}:{WORKSPACE}:z"]
    return [*volumes, f"ssh-host-keys:{HOST_KEYS}"] if image.wishes.ssh else volumes


def secret_names(image: WrittenImage) -> list[str]:
    """Name the files below ``secrets``: each must be there, and may be empty."""
    asked = {TOKEN_SECRET: image.wishes.jupyter, KEYS_SECRET: image.wishes.ssh}
    return [path.rpartition("/")[2] for path, wanted in asked.items() if wanted]


def _secrets(image: WrittenImage) -> dict[str, Any]:
    names = secret_names(image)
    return {name: {"file": f"./secrets/{name}", "x-podman.relabel": "z"} for name in names}


def _resources(maker: str) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "limits": {
            "cpus": Noted("${CPUS:-0}", "0: all of them."),
            "memory": Noted("${MEMORY:-64g}", _MEMORY),
            "pids": 4096,
        }
    }
    if maker == "nvidia":
        device = {
            "driver": "nvidia",
            "count": Noted("all", 'Or a number; or device_ids: ["0"] in its place.'),
            "capabilities": ["gpu"],
        }
        resources["reservations"] = {"devices": [device]}
    return resources
