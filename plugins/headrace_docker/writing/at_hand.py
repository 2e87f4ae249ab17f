"""By which engine a written folder is built and started: the one that is at hand."""

from __future__ import annotations

import os
from pathlib import Path

from headrace.interface import ImageWishes, Place
from headrace.interface.editing import presence
from headrace_docker.engines.buildkit import PLUGIN_FOLDERS
from headrace_docker.writing.wishes import EngineHere

__all__ = ["engine_for"]


def engine_for(place: Place | None, wishes: ImageWishes, system: Path = Path("/")) -> EngineHere:
    """Return the engine whose file is asked for, unless another one alone is here. `system`: what
    docker's folders of plugins are below.
    """
    own, other = "docker", "podman"
    if wishes.engine_file == "Containerfile":
        own, other = other, own
    if place is None:
        return EngineHere(own)
    path = place.environment.get("PATH", "")
    here = [name for name in (own, other) if presence.which(name, path) is not None]
    root = hasattr(os, "geteuid") and os.geteuid() == 0 and "SUDO_UID" not in place.environment
    name = here[0] if here else own
    # Who has no engine yet will have one with all that belongs to it.
    compose = not here or _has_compose(name, place, path, system)
    return EngineHere(name, rootless=not root, compose=compose)


def _has_compose(engine: str, place: Place, path: str, system: Path) -> bool:
    """Whether it has something that reads compose files: a plugin of docker's, which podman takes
    too; podman also has programs of their own.
    """
    own = Path(place.environment.get("DOCKER_CONFIG") or place.home / ".docker") / "cli-plugins"
    folders = [own, *(system / each.lstrip("/") for each in PLUGIN_FOLDERS)]
    if any(presence.is_there(each / "docker-compose") for each in folders):
        return True
    programs = ("docker-compose", "podman-compose") if engine == "podman" else ()
    return any(presence.which(each, path) is not None for each in programs)
