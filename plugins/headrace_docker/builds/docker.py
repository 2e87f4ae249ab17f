"""docker's builds and containers: they are not led, and it is said why. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.interface import NotLed, Place
from headrace_docker.builds import words as command_lines

__all__ = ["DockerContainers"]

_VALUES = ("--config", "-c", "--context", "-H", "--host", "-l", "--log-level")
_VALUES += ("--tlscacert", "--tlscert", "--tlskey")
_BUILDS = (("build",), ("buildx",), ("image", "build"), ("builder", "build"), ("compose",))
_RUNS = (("run",), ("container", "run"))
_PODMAN = "`podman build` and `buildah bud` make the same image of the same Dockerfile"


class DockerContainers:
    """Implements `headrace.interface.LeadsContainers`."""

    def inside(self, words: Sequence[str], place: Place) -> NotLed | None:
        """Say why not."""
        del place
        line = command_lines.read(words, ("docker",), _VALUES, (*_BUILDS, *_RUNS))
        if line is None:
            return None
        if line.subcommand in _RUNS:
            return NotLed("docker's own containers do not reach the gateway")
        return NotLed("steps of docker's builds do not reach the gateway", _PODMAN, refused=True)
