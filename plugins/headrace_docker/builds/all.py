"""Every way in which containers are led."""

from __future__ import annotations

from headrace.interface import LeadsContainers
from headrace_docker.builds.buildkit import DockerBuilds
from headrace_docker.builds.compose import ComposeBuilds
from headrace_docker.builds.podman import PodmanBuilds
from headrace_docker.builds.single import SingleContainers
from headrace_docker.engines.running import Machine

__all__ = ["every"]


def every() -> list[LeadsContainers]:
    """Return them all."""
    machine = Machine()
    return [
        PodmanBuilds(machine),
        DockerBuilds(machine),
        ComposeBuilds(machine),
        SingleContainers(machine),
    ]
