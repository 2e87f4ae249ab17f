"""The user's login at a registry, asked where docker and podman themselves would find it.

In this order: the helper that docker's config.json names, the logins in that file, podman's
auth.json (containers-auth.json(5)). A helper is a process of its own and may wait for its user, so
it is given a few seconds.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from headrace.interface import (
    ConfigurationError,
    Credential,
    EnvVars,
    LocalError,
    Mirror,
    environment,
    foreign,
    home_folder,
    read_json,
)
from headrace.interface.editing import presence
from headrace_docker.config_files import docker_config
from headrace_docker.config_files.docker_config import OURS, RECORD, TOKEN
from headrace_docker.credentials import record

__all__ = ["PATIENCE", "login"]

_log = logging.getLogger("headrace.docker")

#: Seconds for a helper, which may wait for its user. The gateway goes on without it meanwhile, and
#: has the login when it comes.
PATIENCE = 30.0


def login(mirror: Mirror, *, patience: float = PATIENCE) -> Credential | None:
    """Return the user's login at a mirror; None: nobody knows one that can be shown to it.

    `patience` is in seconds, for the helper.
    An identity token is none: it is exchanged by an extra protocol that registries differ in.
    """
    env = environment()
    key = urlsplit(mirror.url).netloc
    for found in _found(key, env, patience):
        if found[0] != TOKEN:
            return Credential(*found)
        _log.info("the login at %s is an identity token, which only docker can show", key)
    return None


def _found(key: str, env: Mapping[str, str], patience: float) -> Iterator[tuple[str, str]]:
    folder = Path(env.get(EnvVars.DOCKER_CONFIG) or home_folder() / ".docker")
    config = _read(folder / "config.json")
    helper = docker_config.helper_of(config, key)
    if helper == OURS:
        helper = _before(folder / RECORD)
    if helper and (found := _ask(helper, key, env, patience)):
        yield found
    for path in (folder / "config.json", *_of_podman(env)):
        if found := docker_config.find(_read(path), key):
            yield found


def _before(path: Path) -> str:
    try:
        return record.read(str(path))[0]
    except LocalError as error:
        _log.warning("%s", error)
        return ""


def _of_podman(env: Mapping[str, str]) -> Iterator[Path]:
    if named := env.get(EnvVars.REGISTRY_AUTH_FILE):
        yield Path(named)
        return
    if runtime := env.get(EnvVars.XDG_RUNTIME_DIR):
        yield Path(runtime) / "containers" / "auth.json"
    home = env.get(EnvVars.XDG_CONFIG_HOME)
    yield Path(home or home_folder() / ".config") / "containers" / "auth.json"


def _read(path: Path) -> dict[str, object]:
    try:
        return docker_config.parse(path.read_bytes(), path)
    except (OSError, ConfigurationError):
        return {}


def _ask(helper: str, key: str, env: Mapping[str, str], patience: float) -> tuple[str, str] | None:
    program = presence.which(f"docker-credential-{helper}", env.get(EnvVars.PATH))
    if program is None:
        return None
    try:
        told = subprocess.run(  # noqa: S603 - the user's own helper, no shell
            [program, "get"],
            input=key,
            capture_output=True,
            text=True,
            timeout=patience,
            check=True,
        ).stdout
        with foreign("a helper's answer"):
            table = read_json(told)
            pair = str(table["Username"]), str(table["Secret"])
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _log.info("docker-credential-%s has no login at %s: %s", helper, key, type(error).__name__)
        return None
    return pair if all(pair) else None
