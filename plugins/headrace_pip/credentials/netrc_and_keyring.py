"""The user's credential for a company index, asked where pip itself would find it.

In this order: what stood in the index URL, netrc, keyring. keyring is asked in processes of their
own, because a store may wait for the user to unlock it. Nothing is remembered here: the gateway
does that, and asks again after a 401.
"""

from __future__ import annotations

import json
import netrc
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from headrace.config import EnvVars, environment
from headrace.models import Credential, Mirror, Origin
from headrace_pip.credentials import recorded

__all__ = ["credential", "login"]

#: Seconds for all of keyring; the gateway's own patience is a little more.
_PATIENCE = 4.5


def credential(origin: Origin) -> Credential | None:
    """Return the credential, or None; never one for a public index."""
    if not origin.private:
        return None
    env = environment()
    known = recorded.of_origin(origin.url)
    user = known[0] if known else None
    if known and known[1]:
        return Credential(*known)
    found = _from_netrc(origin.url, user, env) or _from_keyring(origin.url, user, env)
    if found is None and known:
        found = known  # a token that stands where the user stands, without a password
    return Credential(*found) if found else None


def login(mirror: Mirror) -> Credential | None:
    """Return what the user has for a mirror of their own, or None."""
    return credential(Origin(mirror.ecosystem, mirror.url, private=True))


def _from_netrc(url: str, user: str | None, env: Mapping[str, str]) -> tuple[str, str] | None:
    host = urlsplit(url).hostname
    home = Path.home()
    named = env.get(EnvVars.NETRC)
    paths = [Path(named)] if named else [home / ".netrc", home / "_netrc"]
    for path in paths:
        try:
            entry = netrc.netrc(path).authenticators(host) if host and path.exists() else None
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
            continue  # as pip does
        if entry and entry[2] and user in (None, entry[0]):
            return entry[0] or "", entry[2]
    return None


def _from_keyring(url: str, user: str | None, env: Mapping[str, str]) -> tuple[str, str] | None:
    """Ask for the index's URL with and without the slash, then for its host, as pip and uv do."""
    until = time.monotonic() + _PATIENCE
    services = (f"{url}/", url, urlsplit(url).netloc)
    for command in _keyrings(env):
        for service in services:
            if found := _ask(command, service, user, until):
                return found
    return None


def _keyrings(env: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """Our own keyring, then the user's: it may have the company's backend where ours has not."""
    yield sys.executable, "-m", "keyring"
    own = Path(sys.executable).parent
    program = shutil.which("keyring", path=env.get("PATH"))
    if program and Path(program).parent != own:
        yield (program,)


def _ask(
    command: Sequence[str], service: str, user: str | None, until: float
) -> tuple[str, str] | None:
    modes = [["--mode=creds", "--output=json", "get", service, *([user] if user else [])]]
    if user:
        modes.append(["get", service, user])
    for mode in modes:
        left = until - time.monotonic()
        if left <= 0:
            return None
        try:
            answer = subprocess.run(  # noqa: S603 - the user's keyring, no shell
                [*command, *mode],
                capture_output=True,
                text=True,
                timeout=left,
                check=True,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            continue
        if found := _understand(answer.stdout, user):
            return found
    return None


def _understand(output: str, user: str | None) -> tuple[str, str] | None:
    try:
        told = json.loads(output)
    except ValueError:
        secret = output.rstrip("\r\n")
        return (user, secret) if user and secret else None
    if isinstance(told, dict) and told.get("password"):
        return str(told.get("username") or user or ""), str(told["password"])
    return None
