"""Every engine of containers that can be pointed at the gateway, or is told about."""

from __future__ import annotations

from headrace.interface import Activation
from headrace_docker.engines.buildkit import BuildkitActivation
from headrace_docker.engines.docker_logins import LoginsActivation
from headrace_docker.engines.dockerd import DockerActivation
from headrace_docker.engines.k3s import K3sActivation, Rke2Activation
from headrace_docker.engines.nodes import ContainerdHereOrThere, ContainersHereOrThere
from headrace_docker.engines.virtual import VirtualActivation

__all__ = ["every"]


def every() -> list[Activation]:
    """Return them; those that are not on this machine describe nothing."""
    return [
        DockerActivation(),
        ContainerdHereOrThere(),
        ContainersHereOrThere(),
        BuildkitActivation(),
        K3sActivation(),
        Rke2Activation(),
        VirtualActivation(),
        LoginsActivation(),
    ]
