"""What `headrace on` recorded of secrets, for those who may hand them to pip or to the gateway.

Only files are read, and only ours that nobody else can write; one that is missing or unreadable is
as good as empty. The gateway's token is for the gateway: while somebody else has its port, nobody
is told it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import (
    Folders,
    LocalError,
    account_of,
    environment,
    nobody_else_listens,
    read_believed,
    read_json_or_none,
    trusted_users,
)

__all__ = ["lookup", "of_origin"]


def lookup(service: str, username: str | None) -> tuple[str, str] | None:
    """Return user and secret for a URL or ``host:port`` as pip, uv and twine ask keyring."""
    for folder, owners in _folders():
        for url, user, secret in _gateway(folder, owners):
            if _is_for(service, url) and username in (None, "", user) and secret:
                parts = urlsplit(url)
                free = nobody_else_listens(parts.hostname or "", parts.port or 0, owners)
                return (user, secret) if free else None
        for url, user, secret in _origins(folder, owners):
            if _is_for(service, url) and username in (None, "", user) and secret:
                return user, secret
    return None


def of_origin(url: str) -> tuple[str, str] | None:
    """Return user and secret that stood in the URL of an origin; the secret may be empty."""
    for folder, owners in _folders():
        for known, user, secret in _origins(folder, owners):
            if known == url:
                return user, secret
    return None


def _folders() -> Iterator[tuple[Path, frozenset[int]]]:
    """Give each state folder, and whose files in it are believed beside the user's and root's."""
    yield Folders.of_user(environment()).state, frozenset()
    machine = Folders.of_system().state
    yield machine, account_of(machine)


def _read(path: Path, owners: frozenset[int]) -> Any:
    try:
        return read_json_or_none(read_believed(path, owners | trusted_users()))
    except (OSError, LocalError):
        return None


def _gateway(folder: Path, owners: frozenset[int]) -> Iterator[tuple[str, str, str]]:
    address = _read(folder / "gateway.json", owners)
    token = _read(folder / "token", owners)
    if isinstance(address, Mapping) and isinstance(token, str):
        yield f"http://{address.get('host')}:{address.get('port')}", "headrace", token


def _origins(folder: Path, owners: frozenset[int]) -> Iterator[tuple[str, str, str]]:
    entries = _read(folder / "origins.json", owners)
    for entry in entries if isinstance(entries, list) else ():
        credential = entry.get("credential") if isinstance(entry, Mapping) else None
        if isinstance(credential, Mapping):
            told = (entry.get("url"), credential.get("username"), credential.get("secret"))
            if all(isinstance(text, str) for text in told):
                yield str(told[0]), str(told[1]), str(told[2])


def _is_for(service: str, url: str) -> bool:
    """Whether the service is below the URL, or is the URL's ``host[:port]`` alone."""
    if "://" not in service:
        try:
            return service == urlsplit(url).netloc
        except ValueError:
            return False
    return service.rstrip("/") == url or service.startswith(f"{url}/")
