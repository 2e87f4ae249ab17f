"""Whether the credential helpers that docker's config.json names are there.

docker asks its helper before builds and logins, and fails where it is gone: a file that Docker
Desktop left in WSL, or one that still names ours after headrace was uninstalled.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from headrace.interface import ConfigurationError, Finding, Place
from headrace_docker.config_files import docker_config
from headrace_docker.config_files.docker_config import OURS, STORE

__all__ = ["check"]

_LONGEST = 1 << 20


def check(place: Place) -> Iterator[Finding]:
    """Look for each helper where docker does; nothing is said of those that are there."""
    folder = place.environment.get("DOCKER_CONFIG") or place.home / ".docker"
    path = Path(folder) / "config.json"
    try:
        with path.open("rb") as file:
            table = docker_config.parse(file.read(_LONGEST), path)
    except (OSError, ConfigurationError):
        return  # docker itself says so, each time
    own = table.get("credHelpers")
    named = {STORE: table.get(STORE), **(own if isinstance(own, dict) else {})}
    missing: dict[str, list[str]] = {}
    for key, word in named.items():
        if _is_word(word) and not _found(place, word):
            missing.setdefault(word, []).append(key)
    for word, keys in missing.items():
        text = f"{path} names docker-credential-{word}, which is not on your PATH"
        where = ", ".join(key if key == STORE else f"credHelpers for {key}" for key in keys)
        if word == OURS:
            hint = "`headrace off` names the helper from before again; or mend your PATH"
        else:
            hint = f"install it, or take it out of that file ({where})"
        yield Finding("docker", "warning", f"{text}: builds and logins of docker fail", hint)


def _is_word(word: object) -> TypeGuard[str]:
    return isinstance(word, str) and word.isprintable() and "/" not in word and bool(word)


def _found(place: Place, word: str) -> bool:
    path = place.environment.get("PATH")
    return shutil.which(f"docker-credential-{word}", path=path) is not None
