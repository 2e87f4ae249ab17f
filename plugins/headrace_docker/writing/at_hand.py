"""By which engine a written folder is built and started: the one that is at hand."""

from __future__ import annotations

import os

from headrace.interface import ImageWishes, Place
from headrace.interface.editing import presence
from headrace_docker.writing.wishes import EngineHere

__all__ = ["engine_for"]


def engine_for(place: Place | None, wishes: ImageWishes) -> EngineHere:
    """Return the engine whose file is asked for, unless another one alone is here."""
    own, other = "docker", "podman"
    if wishes.engine_file == "Containerfile":
        own, other = other, own
    if place is None:
        return EngineHere(own)
    path = place.environment.get("PATH", "")
    here = [name for name in (own, other) if presence.which(name, path) is not None]
    root = hasattr(os, "geteuid") and os.geteuid() == 0 and "SUDO_UID" not in place.environment
    return EngineHere(here[0] if here else own, rootless=not root)
