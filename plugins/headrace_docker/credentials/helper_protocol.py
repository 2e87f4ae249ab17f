"""The helper's protocol over the logins in docker's own config.json (docker-credential-helpers).

Errors go to standard output, as the protocol has it. Nothing is stored here: docker takes what a
helper stores out of its own file, so a login would be lost with `headrace off`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from headrace.interface import ConfigurationError, __version__
from headrace_docker.config_files import docker_config

__all__ = ["answer"]

#: What clients compare with (docker-credential-helpers, credentials/error.go).
_NOT_FOUND = "credentials not found in native keychain"
_NO_KEY = "no credentials server URL"
_NO_STORE = (
    "headrace keeps no logins: it stands before a credential helper, and there is none. Take "
    f'"{docker_config.STORE}": "{docker_config.OURS}" out of docker\'s config.json and log in again'
)
_USAGE = "Usage: docker-credential-headrace <store|get|erase|list|version>"


def answer(words: Sequence[str], folder: str, asked: TextIO, told: TextIO) -> int:
    """Do what one word says with the config.json in `folder`; return the exit status."""
    path, action = Path(folder) / "config.json", words[0] if len(words) == 1 else ""
    try:
        if action in ("get", "erase"):
            status, text = _of_key(action, path, asked.read().strip())
        else:
            status, text = _other(action, path)
    except (ConfigurationError, OSError) as error:
        status, text = 1, str(error)
    told.write(f"{text}\n" if text else "")
    return status


def _of_key(action: str, path: Path, key: str) -> tuple[int, str]:
    if not key:
        return 1, _NO_KEY
    if action == "erase":  # docker itself takes the login out of its file
        return 0, ""
    login = docker_config.find(_read(path), key)
    if login is None:
        return 1, _NOT_FOUND
    return 0, json.dumps({"ServerURL": key, "Username": login[0], "Secret": login[1]})


def _other(action: str, path: Path) -> tuple[int, str]:
    if action == "list":
        found = docker_config.logins(_read(path))
        return 0, json.dumps({key: user for key, (user, _) in found.items()})
    if action == "store":
        return 1, _NO_STORE
    if action == "version":
        return 0, f"docker-credential-headrace (headrace) {__version__}"
    return 1, f"Unknown credential action `{action}`\n{_USAGE}" if action else _USAGE


def _read(path: Path) -> dict[str, object]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    return docker_config.parse(content, path)
