"""What pixi's and rattler-build's files say beside their mirrors: channels, proxies, credentials.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import Place, Reader, read_json_or_none
from headrace.interface.editing import loopback
from headrace_conda.channels.paths import authority, origin_url
from headrace_conda.tools.mirror_table import Layer

__all__ = [
    "ALIAS",
    "credential_for",
    "default_channels",
    "kept_beside",
    "names_in_store",
    "origins_of",
    "proxy_in_files",
    "stores",
]

#: Where a channel without a URL lies.
ALIAS = "https://conda.anaconda.org"

_MACHINE = re.compile(r"^\s*machine\s+(\S+)", re.MULTILINE)
_ENVIRONMENT_WINS = ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY")


def default_channels(layers: Sequence[Layer]) -> tuple[list[str], Path] | None:
    """Return ``default-channels`` of the last file that has some."""
    for path, settings in reversed(layers):
        channels = settings.get("default-channels") or settings.get("default_channels")
        if isinstance(channels, list) and channels:
            return [channel for channel in channels if isinstance(channel, str)], path
    return None


def origins_of(channels: Iterable[str]) -> Iterator[str]:
    """Give the origin's URL of each channel; somebody's own (a user, a token) has none for us."""
    for channel in channels:
        if "://" not in channel:
            if not channel.startswith((".", "/", "~", "\\")):
                yield ALIAS
        elif (named := authority(channel)) is not None:
            yield origin_url(named)


def proxy_in_files(layers: Sequence[Layer], env: Mapping[str, str]) -> Path | None:
    """Return the file whose ``proxy-config`` would take loopback requests to a proxy."""
    if any(env.get(name) for name in _ENVIRONMENT_WINS):
        return None
    where: Path | None = None
    excepted: list[Any] = []
    for path, settings in layers:
        table = settings.get("proxy-config")
        if not isinstance(table, dict) or not table:
            continue
        excepted = table.get("non-proxy-hosts") or []
        if table.get("http"):
            where = path
    return None if loopback.excepted(map(str, excepted), loopback.REQWEST) else where


def kept_beside(layers: Sequence[Layer]) -> Path | None:
    """Return the file that switches the check of certificates off, which the gateway does."""
    said = [(path, value) for path, settings in layers for value in _unverified(settings)]
    return said[-1][0] if said and said[-1][1] is True else None


def _unverified(settings: Mapping[str, Any]) -> list[Any]:
    names = ("tls-no-verify", "tls_no_verify")
    return [settings[name] for name in names if settings.get(name) is not None]


def credential_for(url: str, place: Place, read: Reader, layers: Sequence[Layer]) -> Path | None:
    """Return the file in which these tools keep a credential for a host; None: none is known.

    They look it up by the host that a mirror made of the request, so behind a mirror it is never
    sent. What lies in a keyring is not seen from here.
    """
    host = (authority(url) or "").rpartition("+")[2].partition(":")[0]
    parts = host.split(".")
    names = {host, *(f"*.{'.'.join(parts[index:])}" for index in range(len(parts)))}
    env = place.environment
    for store in stores(place, layers):
        if names & names_in_store(read(store)):
            return store
    name = "_netrc" if place.platform == "win32" else ".netrc"
    netrc = Path(env.get("NETRC") or place.home / name)
    machines = _MACHINE.findall((read(netrc) or b"").decode("utf-8", "replace"))
    return netrc if host in machines else None


def stores(place: Place, layers: Sequence[Layer]) -> list[Path]:
    """Return the files in which these tools keep logins."""
    env = place.environment
    found = [Path(env["RATTLER_AUTH_FILE"])] if env.get("RATTLER_AUTH_FILE") else []
    for _, settings in layers:
        if isinstance(override := settings.get("authentication-override-file"), str):
            found.append(Path(override))
    return [*found, place.home / ".rattler" / "credentials.json"]


def names_in_store(content: bytes | None) -> set[str]:
    """Return for which hosts a store has a login, as it writes them: ``host``, ``*.host``."""
    table = read_json_or_none(content or b"{}")
    return set(table) if isinstance(table, dict) else set()
