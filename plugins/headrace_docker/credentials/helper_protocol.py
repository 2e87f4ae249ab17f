"""The helper's protocol over the logins in docker's own config.json (docker-credential-helpers).

Errors go to standard output, as the protocol has it. Nothing is stored here: docker takes what a
helper stores out of its own file, so a login would be lost with `headrace off`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

TYPE_CHECKING = False  # that of `typing`, which costs as much as all the rest
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["answer"]

# ruff: noqa: PLC0415 - docker waits for this before every pull

#: What clients compare with (docker-credential-helpers, credentials/error.go).
_NOT_FOUND = "credentials not found in native keychain"
_NO_KEY = "no credentials server URL"
_NO_STORE = (
    "headrace keeps no logins: it stands before a credential helper, and there is none. Take "
    '"{store}": "{ours}" out of docker\'s config.json and log in again'
)
_USAGE = "Usage: docker-credential-headrace <store|get|erase|list|version>"


def answer(words: Sequence[str], folder: str, asked: TextIO, told: TextIO) -> int:
    """Do what one word says with the config.json in `folder`; return the exit status."""
    path, action = os.path.join(folder, "config.json"), words[0] if len(words) == 1 else ""  # noqa: PTH118
    try:
        if action in ("get", "erase"):
            status, text = _of_key(action, path, asked.read().strip())
        else:
            status, text = _other(action, path)
    except Exception as error:
        from headrace.interface import ConfigurationError

        if not isinstance(error, ConfigurationError | OSError):
            raise
        status, text = 1, str(error)
    told.write(f"{text}\n" if text else "")
    return status


def _of_key(action: str, path: str, key: str) -> tuple[int, str]:
    if not key:
        return 1, _NO_KEY
    if action == "erase":  # docker itself takes the login out of its file
        return 0, ""
    content = _read(path)
    if not content:
        return 1, _NOT_FOUND
    import json
    from pathlib import Path

    from headrace_docker.config_files import docker_config

    login = docker_config.find(docker_config.parse(content, Path(path)), key)
    if login is None:
        return 1, _NOT_FOUND
    return 0, json.dumps({"ServerURL": key, "Username": login[0], "Secret": login[1]})


def _other(action: str, path: str) -> tuple[int, str]:
    if action == "list":
        return 0, _users(path)
    if action == "store":
        from headrace_docker.config_files import docker_config

        return 1, _NO_STORE.format(store=docker_config.STORE, ours=docker_config.OURS)
    if action == "version":
        from headrace.interface import __version__

        return 0, f"docker-credential-headrace (headrace) {__version__}"
    return 1, f"Unknown credential action `{action}`\n{_USAGE}" if action else _USAGE


def _users(path: str) -> str:
    content = _read(path)
    if not content:
        return "{}"
    import json
    from pathlib import Path

    from headrace_docker.config_files import docker_config

    found = docker_config.logins(docker_config.parse(content, Path(path)))
    return json.dumps({key: user for key, (user, _) in found.items()})


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would double the time
            return file.read()
    except FileNotFoundError:
        return b""
