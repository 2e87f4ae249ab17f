"""``.devcontainer/devcontainer.json``: the same container for editors that work inside one. Pure.

The specification of containers.dev. It is JSON with comments to most readers, plain JSON to some:
so none is written.
"""

from __future__ import annotations

import json
from typing import Any

from headrace_docker.writing.beside.naming import gpu_maker, label
from headrace_docker.writing.wishes import PORTS, WORKSPACE, WrittenImage

__all__ = ["devcontainer"]

#: As in compose.yaml; and no health check, because an editor starts none of what it asks.
_OPTIONS = ("--shm-size=8gb", "--pids-limit=4096", "--no-healthcheck")
#: Groups by number: names inside are not those of the host.
_GROUPS = (
    "--group-add=${localEnv:VIDEO_GROUP:44}",
    "--group-add=${localEnv:RENDER_GROUP:109}",
)
_DEVICES = {
    "amd": ("--device=/dev/kfd", "--device=/dev/dri", *_GROUPS),
    "intel": ("--device=/dev/dri", *_GROUPS),
}


def devcontainer(image: WrittenImage) -> str:
    """Write the file."""
    wishes, maker = image.wishes, gpu_maker(image)
    document: dict[str, Any] = {
        "name": label(image.name),
        "build": {
            "dockerfile": f"../{wishes.engine_file}",
            "context": "..",
            "args": {"USER_ID": str(wishes.user_id), "GROUP_ID": str(wishes.group_id)},
        },
        "runArgs": [*_OPTIONS, *_DEVICES.get(maker, ())],
        "init": True,
        "remoteUser": wishes.user,
        "containerUser": wishes.user,
        "updateRemoteUserUID": True,
        "workspaceMount": (
            f"source=${{localWorkspaceFolder}}/workspace,target={WORKSPACE},type=bind"
        ),
        "workspaceFolder": WORKSPACE,
        "overrideCommand": True,
    }
    if maker == "nvidia":
        # The editor adds --gpus all where there is one, and starts all the same where there is not.
        document["hostRequirements"] = {"gpu": "optional"}
    if wishes.jupyter:
        document["forwardPorts"] = [PORTS["jupyter"]]
        document["portsAttributes"] = {
            str(PORTS["jupyter"]): {"label": "Jupyter", "onAutoForward": "notify"}
        }
    document["customizations"] = {
        "vscode": {"extensions": ["ms-python.python", "ms-toolsai.jupyter"]}
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
