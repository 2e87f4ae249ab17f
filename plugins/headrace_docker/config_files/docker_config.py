"""docker's config.json as far as logins go: what is in it, and the one key that we change. Pure.

``credHelpers`` names a helper for one registry, ``credsStore`` one for all others; ``auths`` holds
logins themselves. docker's own key for docker.io is ``https://index.docker.io/v1/``, all others are
hosts (docker/cli, cli/config/configfile).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.interface import ConfigurationError, UnreadableError, foreign
from headrace_docker.config_files import json_text

__all__ = ["OURS", "RECORD", "STORE", "find", "helper_of", "host_of", "lead", "logins", "parse"]

#: The helper that ``docker-credential-headrace`` is, by the word that docker knows it by.
OURS = "headrace"
#: What lies beside config.json: the word of the helper that was there before, the gateway's port.
RECORD = "headrace-credential"
STORE = "credsStore"
#: The user name of a secret that is no password but an identity token (docker-credential-helpers).
TOKEN = "<token>"  # noqa: S105 - a word of the protocol


def parse(content: bytes | None, path: Path) -> dict[str, Any]:
    """Read the file; ConfigurationError where docker could not."""
    with foreign("JSON", lambda why: _broken(path, why)):
        # As Go reads it: bytes that are no UTF-8 are no error. Empty is without settings.
        text = (content or b"").decode("utf-8", "surrogateescape")
        table = json.loads(text) if text.strip() else {}
    if not isinstance(table, dict):
        raise _broken(path, "it is no JSON object")
    return table


def helper_of(config: Mapping[str, Any], key: str) -> str:
    """Return the helper for a registry; empty: there is none, `logins` has what there is."""
    own = config.get("credHelpers")
    named = own.get(key) if isinstance(own, dict) else None
    return str(named or config.get(STORE) or "")


def logins(config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return user and secret of the logins in the file, by its own keys."""
    found = {}
    auths = config.get("auths")
    for key, entry in (auths if isinstance(auths, dict) else {}).items():
        if isinstance(entry, dict) and (pair := _login(entry)):
            found[str(key)] = pair
    return found


def _login(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    if token := entry.get("identitytoken"):
        return TOKEN, str(token)
    try:
        with foreign("a login"):
            pair = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode("utf-8")
    except UnreadableError:
        return None
    user, colon, secret = pair.partition(":")
    return (user, secret.rstrip("\0")) if colon and user else None


def find(config: Mapping[str, Any], key: str) -> tuple[str, str] | None:
    """Return the login for a registry: under its key, else under another form of its host."""
    known = logins(config)
    if key in known:
        return known[key]
    host = host_of(key)
    return next((pair for each, pair in known.items() if host_of(each) == host), None)


def host_of(key: str) -> str:
    """Return host and port of a key, which may be a URL."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def lead(content: bytes, helper: str, path: Path) -> bytes:
    """Name the helper for all registries that have none of their own."""
    before = parse(content, path)
    change = json_text.replaced if STORE in before else json_text.added
    with foreign("JSON", lambda why: _broken(path, why)):
        text = content.decode("utf-8", "surrogateescape")
        edited = change(text if text.strip() else "{}\n", STORE, helper)
    after = edited.encode("utf-8", "surrogateescape")
    if parse(after, path) != {**before, STORE: helper}:
        raise _broken(path, "the edit would change more than one key")
    return after


def _broken(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-json",
        f"{path} cannot be edited safely: {why}",
        hint="mend it (docker reads it with every command), then `headrace on` again; "
        "it was not changed",
    )
