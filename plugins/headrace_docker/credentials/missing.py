"""Whether the credential helpers that docker's config.json names are there.

docker asks its helper before builds and logins, and fails where it is gone: a file that Docker
Desktop left in WSL, or one that still names ours after headrace was uninstalled.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from headrace.interface import ConfigurationError, FileEdit, Finding, Fix, Place
from headrace_docker.config_files import docker_config
from headrace_docker.config_files.docker_config import OURS, RECORD, STORE
from headrace_docker.credentials import record

__all__ = ["TOOL", "check"]

#: The tool that names our helper there.
TOOL = "docker-logins"
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
        fix = None
        if word == OURS:
            hint = "`headrace off` names the helper from before again; or mend your PATH"
            fix = _given_back(place, path) if STORE in keys else None
        else:
            hint = f"install it, or take it out of that file ({where})"
        yield Finding("docker", "warning", f"{text}: builds and logins of docker fail", hint, fix)


def _given_back(place: Place, path: Path) -> Fix | None:
    """Name the helper from before again; None where none is known that is there."""
    helper, _ = record.read(str(path.with_name(RECORD)))
    if not _is_word(helper) or not _found(place, helper):
        return None
    try:
        now = path.read_bytes()
        clean = docker_config.lead(now, helper, path)
    except (OSError, ConfigurationError):
        return None
    edit = FileEdit(path, now, clean, f"docker asks {helper} itself", private=True)
    what = f"have docker ask docker-credential-{helper} itself, as before"
    return Fix(what, (edit,), gives_back=TOOL)


def _is_word(word: object) -> TypeGuard[str]:
    return isinstance(word, str) and word.isprintable() and "/" not in word and bool(word)


def _found(place: Place, word: str) -> bool:
    path = place.environment.get("PATH")
    return shutil.which(f"docker-credential-{word}", path=path) is not None
