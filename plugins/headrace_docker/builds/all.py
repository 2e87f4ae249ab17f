"""Every way in which containers are led."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from headrace.interface import LeadsContainers, LedInside, NotLed, Place

__all__ = ["PROGRAMS", "Engines", "every"]
# ruff: noqa: PLC0415 - most commands are none of theirs, and do not pay for them

PROGRAMS = frozenset(("docker", "podman", "buildah"))
"""Programs of all of them."""


class Engines:
    """All of them as one, which looks at the program first."""

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        """Say what the first says that knows the command."""
        if PurePath(words[0]).name.removesuffix(".exe") not in PROGRAMS:
            return None
        ways = (engine.inside(words, place) for engine in every())
        return next((way for way in ways if way is not None), None)


def every() -> list[LeadsContainers]:
    """Return them all."""
    from headrace_docker.builds.buildkit import DockerBuilds
    from headrace_docker.builds.compose import ComposeBuilds
    from headrace_docker.builds.podman import PodmanBuilds
    from headrace_docker.builds.single import SingleContainers
    from headrace_docker.engines.running import Machine

    machine = Machine()
    return [
        PodmanBuilds(machine),
        DockerBuilds(machine),
        ComposeBuilds(machine),
        SingleContainers(machine),
    ]
