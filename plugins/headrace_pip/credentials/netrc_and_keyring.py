"""The user's credential for a company index, asked where pip itself would find it.

In this order: what stood in the index URL, netrc, keyring. keyring is asked in processes of their
own, because a store may wait for the user to unlock it. Nothing is remembered here: the gateway
does that, and asks again after a 401.
"""

from __future__ import annotations

import json
import logging
import netrc
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from headrace.interface import (
    Credential,
    EnvVars,
    Mirror,
    Origin,
    UnreadableError,
    environment,
    foreign,
    home_folder,
    read_json,
    read_json_or_none,
)
from headrace.interface.editing import presence
from headrace_pip.credentials import keyring_child, recorded

__all__ = ["PATIENCE", "credential", "login"]

_log = logging.getLogger("headrace.pip")

#: Seconds for one process of a keyring. One that is locked waits for its user, who needs a while;
#: the gateway goes on without it meanwhile, and has the answer when it comes.
PATIENCE = 30.0
#: How a program ends that does not understand its command line (argparse).
_USAGE = 2


def credential(origin: Origin, *, patience: float = PATIENCE) -> Credential | None:
    """Return the credential, or None; never one for a public index.

    `patience` is in seconds, for each process that is asked.
    """
    if not origin.private:
        return None
    env = environment()
    known = recorded.of_origin(origin.url)
    user = known[0] if known else None
    if known and known[1]:
        return Credential(*known)
    found = _from_netrc(origin.url, user, env) or _from_keyring(origin.url, user, env, patience)
    if found is None and known:
        found = known  # a token that stands where the user stands, without a password
    return Credential(*found) if found else None


def login(mirror: Mirror) -> Credential | None:
    """Return what the user has for a mirror of their own, or None."""
    return credential(Origin(mirror.ecosystem, mirror.url, private=True))


def _from_netrc(url: str, user: str | None, env: Mapping[str, str]) -> tuple[str, str] | None:
    host = urlsplit(url).hostname
    home = home_folder()
    named = env.get(EnvVars.NETRC)
    paths = [Path(named)] if named else [home / ".netrc", home / "_netrc"]
    for path in paths:
        try:
            with foreign("a netrc file"):
                there = bool(host) and presence.is_there(path)
                entry = netrc.netrc(path).authenticators(host or "") if there else None
        except UnreadableError:
            continue  # as pip does
        if entry and entry[2] and user in (None, entry[0]):
            return entry[0] or "", entry[2]
    return None


def _from_keyring(
    url: str, user: str | None, env: Mapping[str, str], patience: float
) -> tuple[str, str] | None:
    """Ask for the index's URL with and without the slash, then for its host, as pip and uv do.

    Our own keyring first, then the user's: it may have the company's backend where ours has not.
    """
    services = (f"{url}/", url, urlsplit(url).netloc)
    own = Path(sys.executable).parent
    program = shutil.which("keyring", path=env.get("PATH"))
    try:
        if found := _ask_own(services, user, patience):
            return found
    except subprocess.TimeoutExpired as error:
        _log.info("keyring gave no answer within %g s", error.timeout)
    if program is None or Path(program).parent == own:
        return None
    try:
        return _ask_program(program, services, user, patience)
    except subprocess.TimeoutExpired as error:
        # Another question would only ask the user again.
        _log.info("%s gave no answer within %g s", program, error.timeout)
        return None


def _ask_own(services: Sequence[str], user: str | None, patience: float) -> tuple[str, str] | None:
    """Ask in one process: each costs its start, which is much on a slow machine."""
    # -P: the folder that the user happens to stand in must not supply modules.
    words = (sys.executable, "-P", "-m", keyring_child.__name__)
    done = _run(words, patience, json.dumps({"services": services, "user": user}))
    # None also where it was ended in the middle.
    told = read_json_or_none(done.stdout) if done and not done.returncode else None
    return _read(told, user)


def _ask_program(
    program: str, services: Sequence[str], user: str | None, patience: float
) -> tuple[str, str] | None:
    """Ask by the command line, which takes one question at a time."""
    modern = True
    name = [user] if user else []
    for service in services:
        words = ("--mode=creds", "--output=json", "get", service, *name)
        done = _run((program, *words), patience) if modern else None
        if done is not None and done.returncode == _USAGE:
            modern = False  # keyring before 25 knows no mode
        if not modern:
            done = _run((program, "get", service, *name), patience) if user else None
        understand = _understand if modern else _plain
        if done and not done.returncode and (found := understand(done.stdout, user)):
            return found
    return None


def _run(
    words: Sequence[str], patience: float, asked: str = ""
) -> subprocess.CompletedProcess[str] | None:
    """Run a process; None where it cannot be. TimeoutExpired when it is not done in time."""
    try:
        return subprocess.run(  # noqa: S603 - the user's keyring, no shell
            words,
            input=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=patience,
            check=False,
        )
    except (OSError, UnicodeDecodeError):
        return None


def _understand(output: str, user: str | None) -> tuple[str, str] | None:
    try:
        told = read_json(output)
    except UnreadableError:
        return _plain(output, user)
    return _read(told, user)


def _read(told: object, user: str | None) -> tuple[str, str] | None:
    if isinstance(told, dict) and told.get("password"):
        return str(told.get("username") or user or ""), str(told["password"])
    return None


def _plain(output: str, user: str | None) -> tuple[str, str] | None:
    secret = output.rstrip("\r\n")
    return (user, secret) if user and secret else None
