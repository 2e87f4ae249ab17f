"""Every engine of containers that can be pointed at the gateway, or is told about."""

from __future__ import annotations

from headrace.interface.hookspecs import Activation
from headrace_docker.activation_buildkit import BuildkitActivation
from headrace_docker.activation_containerd import ContainerdActivation
from headrace_docker.activation_containers import ContainersActivation
from headrace_docker.activation_docker import DockerActivation
from headrace_docker.activation_k3s import K3sActivation, Rke2Activation
from headrace_docker.activation_logins import LoginsActivation
from headrace_docker.activation_virtual import VirtualActivation

__all__ = ["every"]


def every() -> list[Activation]:
    """Return them; those that are not on this machine describe nothing."""
    return [
        DockerActivation(),
        ContainerdActivation(),
        ContainersActivation(),
        BuildkitActivation(),
        K3sActivation(),
        Rke2Activation(),
        VirtualActivation(),
        LoginsActivation(),
    ]
