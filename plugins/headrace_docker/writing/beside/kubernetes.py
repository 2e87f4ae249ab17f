"""``kubernetes.yaml``: the container as a Deployment, with what it needs beside it. Pure.

It fits namespaces whose Pod Security is "restricted". Nothing but the name of the image has to be
filled in, because only its owner knows from which registry the cluster pulls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace_docker.naming.named import PLACEHOLDER
from headrace_docker.writing.beside.naming import gpu_maker, label
from headrace_docker.writing.beside.yaml_text import Noted, yaml_text
from headrace_docker.writing.wishes import (
    HOST_KEYS,
    PORTS,
    START,
    TOKEN_SECRET,
    WORKSPACE,
    WrittenImage,
)

__all__ = ["RESOURCES", "kubernetes"]

#: As the vendors' device plugins call one GPU.
RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}
_IMAGE = """\
FILL IN: where the cluster pulls from. Build it, push it, and put its name here:
  {engine} build --tag {registry}/{name}:1 .
  {engine} push {registry}/{name}:1"""
_RECREATE = "Two at once would want two GPUs, and the volume twice."
_SHARED = """\
Workers of a DataLoader hand tensors on through it; 64 MB are usual, and too few.
It counts as memory of the container."""
_PROBES = """\
Who answers late is busy, and is not to be ended for it: so there is no livenessProbe.
The container ends by itself when one of its programs does."""
_GROUPS = "Who may use the GPU's devices on the nodes: `getent group video render` there."
_SECRETS = "Empty or absent: a token is made at each start, and stands in the log."
_KEYS = "It must be there: nobody gets in by SSH without a key in it."
_TAINT = "Nodes with GPUs often take nothing else."
_SHARED_SIZE, _WORKSPACE_SIZE, _KEYS_SIZE = "8Gi", "50Gi", "1Mi"


def kubernetes(image: WrittenImage, node: Mapping[str, str] | None = None) -> str:
    """Write the file. `node`: labels that a node must have; none: whichever has such a GPU."""
    name = label(image.name)
    documents = [
        _claim(image, "-workspace", _WORKSPACE_SIZE),
        *([_claim(image, "-ssh-host-keys", _KEYS_SIZE)] if image.wishes.ssh else []),
        _deployment(image, node or {}),
        *_services(image),
    ]
    return yaml_text(*documents, head="\n".join(_head(image, name)))


def _head(image: WrittenImage, name: str) -> Iterator[str]:
    yield "kubectl apply --filename kubernetes.yaml"
    if _asked(image):
        secrets = label(image.name, "-secrets")
        yield f"before that: kubectl create secret generic {secrets} --from-file=secrets"
        ports = " ".join(f"{PORTS[each]}:{PORTS[each]}" for each in _asked(image))
        yield f"then:        kubectl port-forward service/{name} {ports}"
    else:
        yield f"then: kubectl exec --stdin --tty deployment/{name} -- bash"


def _asked(image: WrittenImage) -> list[str]:
    return [each for each in PORTS if getattr(image.wishes, each)]


def _meta(image: WrittenImage, end: str = "") -> dict[str, Any]:
    return {"name": label(image.name, end), "labels": _labels(image)}


def _labels(image: WrittenImage) -> dict[str, str]:
    return {"app.kubernetes.io/name": label(image.name)}


def _claim(image: WrittenImage, end: str, size: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _meta(image, end),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        },
    }


def _services(image: WrittenImage) -> Iterator[dict[str, Any]]:
    asked = _asked(image)
    if asked:
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _meta(image),
            "spec": {
                "selector": _labels(image),
                "ports": [
                    {"name": each, "port": PORTS[each], "targetPort": each} for each in asked
                ],
            },
        }


def _deployment(image: WrittenImage, node: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(image),
        "spec": {
            "replicas": 1,
            "strategy": Noted({"type": "Recreate"}, _RECREATE),
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": _labels(image)},
            "template": {"metadata": {"labels": _labels(image)}, "spec": _pod(image, node)},
        },
    }


def _pod(image: WrittenImage, node: Mapping[str, str]) -> dict[str, Any]:
    maker = gpu_maker(image)
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": _rights(image, maker),
    }
    if node:
        pod["nodeSelector"] = dict(node)
    if maker:
        taint = {"key": RESOURCES[maker], "operator": "Exists", "effect": "NoSchedule"}
        pod["tolerations"] = Noted([taint], _TAINT)
    pod["containers"] = [_container(image, maker)]
    pod["volumes"] = _volumes(image)
    return pod


def _rights(image: WrittenImage, maker: str) -> dict[str, Any]:
    wishes = image.wishes
    rights: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": Noted(wishes.user_id, f"The account {wishes.user} of the image, by number."),
        "runAsGroup": wishes.group_id,
        "fsGroup": wishes.group_id,
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    if maker in ("amd", "intel"):
        rights["supplementalGroups"] = Noted([44, 109], _GROUPS)
    rights["seccompProfile"] = {"type": "RuntimeDefault"}
    return rights


def _container(image: WrittenImage, maker: str) -> dict[str, Any]:
    name, asked = label(image.name), _asked(image)
    limits: dict[str, Any] = {"memory": "64Gi"}
    if maker:
        limits[RESOURCES[maker]] = 1
    container: dict[str, Any] = {
        "name": name,
        "image": Noted(
            f"{PLACEHOLDER}/{name}:1",
            _IMAGE.format(registry=PLACEHOLDER, name=name, engine=image.engine.name),
        ),
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "START_LOGS", "value": image.wishes.logs}],
        "resources": {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if asked:
        health = {"exec": {"command": [START, "health"]}, "timeoutSeconds": 10}
        container["ports"] = [{"name": each, "containerPort": PORTS[each]} for each in asked]
        container["startupProbe"] = {**health, "periodSeconds": 5, "failureThreshold": 60}
        container["readinessProbe"] = Noted({**health, "periodSeconds": 30}, _PROBES)
    container["volumeMounts"] = _mounts(image)
    return container


def _mounts(image: WrittenImage) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "workspace", "mountPath": WORKSPACE},
        {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - as the kernel has it
    ]
    if image.wishes.ssh:
        mounts.append({"name": "ssh-host-keys", "mountPath": HOST_KEYS})
    if _asked(image):
        folder = TOKEN_SECRET.rpartition("/")[0]
        mounts.append({"name": "secrets", "mountPath": folder, "readOnly": True})
    return mounts


def _volumes(image: WrittenImage) -> list[dict[str, Any]]:
    def kept(name: str) -> dict[str, Any]:
        claim = label(image.name, f"-{name}")
        return {"name": name, "persistentVolumeClaim": {"claimName": claim}}

    volumes = [
        kept("workspace"),
        {
            "name": "shared-memory",
            "emptyDir": Noted({"medium": "Memory", "sizeLimit": _SHARED_SIZE}, _SHARED),
        },
    ]
    if image.wishes.ssh:
        volumes.append(kept("ssh-host-keys"))
    if _asked(image):
        secret = {
            "secretName": label(image.name, "-secrets"),
            "defaultMode": 0o440,
            "optional": not image.wishes.ssh,
        }
        why = _KEYS if image.wishes.ssh else _SECRETS
        volumes.append({"name": "secrets", "secret": Noted(secret, why)})
    return volumes
