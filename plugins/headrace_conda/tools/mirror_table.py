"""The ``[mirrors]`` table of pixi and rattler-build: which URL prefix is asked for which other.

The longest prefix of a request decides, and of its mirrors the one with the fewest failures, in
the order of the list. A file read later replaces the entry of an earlier one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import GatewayAddress, Origin, Reader
from headrace.interface.editing import toml_text
from headrace_conda.channels.paths import gateway_path

__all__ = [
    "Layer",
    "add",
    "entries",
    "entry_for",
    "is_ours",
    "leads_to",
    "merged",
    "normal",
    "read_all",
    "table_at",
    "take_out",
    "without_us",
]

#: A file and what it says.
Layer = tuple[Path, Mapping[str, Any]]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def read_all(paths: Sequence[Path], read: Reader) -> list[Layer]:
    """Read the files that are there, in the given order."""
    found = ((path, read(path)) for path in paths)
    return [(path, toml_text.load(text, path)) for path, text in found if text is not None]


def table_at(settings: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a table in tables; an empty one where there is none."""
    for key in keys:
        value = settings.get(key)
        settings = value if isinstance(value, dict) else {}
    return settings


def normal(url: str) -> str:
    """Write a URL as these tools compare it: host in small letters, a slash at the end."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return url
    return parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/") + "/").geturl()


def entries(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the table as it is spelled, without what is no list of URLs."""
    table = settings.get("mirrors")
    return {
        prefix: mirrors
        for prefix, mirrors in (table.items() if isinstance(table, dict) else ())
        if isinstance(mirrors, list) and all(isinstance(mirror, str) for mirror in mirrors)
    }


def merged(layers: Sequence[Layer]) -> dict[str, tuple[Path, list[str]]]:
    """Return what the tool obeys, by normal prefix, and which file says so."""
    return {
        normal(prefix): (path, mirrors)
        for path, settings in layers
        for prefix, mirrors in entries(settings).items()
    }


def entry_for(origin: Origin, gateway: GatewayAddress) -> tuple[str, list[str]]:
    """Return prefix and mirrors that lead an origin's URLs to the gateway.

    The origin itself comes second, for when nobody answers at the gateway. All is written in
    `normal` form, so that a tool that rewrites its file does not change it.
    """
    prefix = normal(origin.url)
    path = gateway_path(prefix)
    if path is None:
        raise ValueError(f"no origin of ours: {origin.url}")
    return prefix, [gateway.url(path), prefix]


def is_ours(prefix: str, mirrors: Sequence[str]) -> bool:
    """Whether an entry is one that headrace writes, whatever the gateway's port was then."""
    try:
        first = urlsplit(mirrors[0])
        return (
            first.hostname in _LOOPBACK
            and first.scheme == "http"
            and first.path.rstrip("/") == (gateway_path(normal(prefix)) or "/").rstrip("/")
        )
    except (IndexError, ValueError):
        return False


def leads_to(mirrors: Sequence[str], gateway: GatewayAddress) -> bool:
    """Whether the first mirror is this gateway."""
    try:
        first = urlsplit(mirrors[0])
        found = (first.scheme, first.hostname, first.port)
    except (IndexError, ValueError):
        return False
    return found == ("http", gateway.host, gateway.port)


def without_us(layers: Iterable[Layer]) -> list[Layer]:
    """Return what the files say apart from headrace's entries."""
    return [
        (path, {**settings, "mirrors": _theirs(entries(settings))}) for path, settings in layers
    ]


def add(content: bytes, mirrors: Mapping[str, list[str]], path: Path) -> bytes:
    """Set entries in a file's text, each under the spelling that it has there already."""
    for prefix, urls in mirrors.items():
        there = entries(toml_text.load(content, path))
        spelled = next((key for key in there if normal(key) == prefix), prefix)
        content = toml_text.set_key(content, ("mirrors", spelled), urls, path)
    return content


def take_out(path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes:
    """Remove the entries of the edit `before` -> `after` that still stand in `now`."""
    had = entries(toml_text.load(before or b"", path))
    wrote = entries(toml_text.load(after, path))
    ours = {
        normal(prefix): mirrors
        for prefix, mirrors in wrote.items()
        if is_ours(prefix, mirrors) and normal(prefix) not in map(normal, _theirs(had))
    }
    for prefix, mirrors in entries(toml_text.load(now, path)).items():
        if ours.get(normal(prefix)) == mirrors:
            now = toml_text.unset_key(now, ("mirrors", prefix), None, path)
    return now


def _theirs(table: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {prefix: urls for prefix, urls in table.items() if not is_ours(prefix, urls)}
