"""A drop-in of ``registries.conf.d``: the gateway as the first mirror of public registries
(containers-registries.conf(5), version 2 of the format).

A table of a later file replaces the whole table that an earlier one has for the same prefix. So
what the user has for a registry is repeated in ours, with the gateway put before his mirrors. A
broken drop-in breaks every pull, so the text is parsed again before it is given out. Pure.

Prefixes are matched as containers/image matches them (pkg/sysregistriesv2, tried with podman 4.3):
without final slashes, the longest match counts, ``*.io`` matches every registry below ``.io``. What
version 1 of the format says (``[registries.block]``) is turned into tables, as there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import ConfigurationError, dataclass, foreign, read_toml
from headrace.interface.editing.toml_text import MARK

__all__ = [
    "Table",
    "decides",
    "is_ours",
    "leads_to",
    "narrower",
    "ours",
    "render",
    "tables",
    "whole",
    "why_not",
]

_HEAD = (
    f"# {MARK}\n"
    "# What earlier files say of these registries is repeated, because the last table counts.\n"
)


@dataclass(frozen=True, slots=True)
class Table:
    """One ``[[registry]]``, and the file that has it."""

    path: Path
    value: Mapping[str, Any]

    @property
    def prefix(self) -> str:
        """What it counts for."""
        return str(self.value.get("prefix") or self.value.get("location") or "").rstrip("/")


def tables(files: Iterable[tuple[Path, bytes]]) -> dict[str, Table]:
    """Return what counts by prefix, of files in the order in which they are read.

    ConfigurationError where a file is broken: then no pull works, with us or without.
    """
    found: dict[str, Table] = {}
    for path, content in files:
        hint = "no image can be pulled until it is mended; nothing was changed"
        document = read_toml(content, path, hint=hint)
        registries = document.get("registry")
        for value in [*_version_1(document), *(registries if isinstance(registries, list) else ())]:
            if isinstance(value, dict):
                table = Table(path, value)
                found[table.prefix] = table
    return found


def _version_1(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tables that a file of version 1 comes to."""
    found: dict[str, dict[str, Any]] = {}
    for key, meaning in (("insecure", "insecure"), ("block", "blocked")):
        for name in _names(document, key):
            found.setdefault(name, {"location": name})[meaning] = True
    return list(found.values())


def _names(document: Mapping[str, Any], key: str) -> list[str]:
    old = document.get("registries")
    table = old.get(key) if isinstance(old, dict) else None
    names = table.get("registries") if isinstance(table, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def decides(found: Mapping[str, Table], registry: str) -> Table | None:
    """Return the table that counts for what lies right below a registry; None: no table does."""
    if registry in found:
        return found[registry]
    patterns = [prefix for prefix in found if prefix.startswith("*.")]
    # The match, not the pattern, is measured, and all that match here end with the name.
    return next((found[each] for each in patterns if registry.endswith(each[1:])), None)


def why_not(table: Table, registry: str) -> str | None:
    """Say why a table of the user keeps the gateway from being a mirror; None: it does not."""
    if table.value.get("blocked"):
        return f"blocks {registry}"
    if table.prefix != registry:
        return f"decides for {registry} by {table.prefix}"
    location = str(table.value.get("location") or registry).rstrip("/")
    names = (registry, "registry-1.docker.io") if registry == "docker.io" else (registry,)
    if location not in names:
        return f"names {location} for {registry}, which stays in charge of it"
    return None


def ours(names: Sequence[str], theirs: Mapping[str, Table]) -> list[str]:
    """Return the registries that the gateway may be a mirror of."""
    return [
        name
        for name in names
        if (table := decides(theirs, name)) is None or why_not(table, name) is None
    ]


def narrower(found: Mapping[str, Table], registry: str) -> list[Table]:
    """Return the tables that decide for a part of a registry before ours does."""
    return [each for prefix, each in found.items() if prefix.startswith(f"{registry}/")]


def render(names: Sequence[str], url: str, theirs: Mapping[str, Table], path: Path) -> bytes:
    """Return the drop-in for these registries, with what the user has for them."""
    import tomlkit  # noqa: PLC0415 - `headrace status` only reads

    authority, plain = urlsplit(url).netloc, urlsplit(url).scheme == "http"
    with foreign("a table", lambda why: _unsafe(path, why)):
        wanted = [
            _table(name, {"location": f"{authority}/{name}", "insecure": plain}, theirs.get(name))
            for name in names
        ]
        text = _HEAD + "".join(f"\n{_text(tomlkit.dumps, each)}" for each in wanted)
        same = tomllib.loads(text) == ({"registry": wanted} if wanted else {})  # TOML 1.0
    if not same:
        raise _unsafe(path, "a table of yours does not come out as it was")
    return text.encode()


def _unsafe(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-toml", f"{path} cannot be written safely: {why}", hint="nothing was changed"
    )


def whole(main: Sequence[tuple[Path, bytes]], names: Sequence[str], url: str, path: Path) -> bytes:
    """Return a main file that says what the user's does, and names the gateway."""
    import tomlkit  # noqa: PLC0415 - as above

    document = read_toml(main[0][1], path) if main else {}
    document.pop("registry", None)
    if searched := _names(document, "search"):
        document["unqualified-search-registries"] = searched
    document.pop("registries", None)  # of version 1: a file may not have both
    theirs = tables(main)
    names = [name for name in names if not _contradicted(name, theirs)]
    rest = [dict(table.value) for prefix, table in theirs.items() if prefix not in names]
    with foreign("a table", lambda why: _unsafe(path, why)):
        text = tomlkit.dumps(document) + "\n" + render(names, url, theirs, path).decode()
        text += "".join(f"\n{_text(tomlkit.dumps, each)}" for each in rest)
    read_toml(text.encode(), path)
    return text.encode()


def _contradicted(name: str, theirs: Mapping[str, Table]) -> bool:
    """Whether another table of the same file says otherwise of the same location: then no pull
    works (containers/image refuses the file).
    """
    mine = theirs.get(name)
    for prefix, table in theirs.items():
        location = str(table.value.get("location") or "").rstrip("/")
        if prefix == name or location != name:
            continue
        for key in ("blocked", "insecure"):
            if bool(table.value.get(key)) != bool(mine and mine.value.get(key)):
                return True
    return False


def _table(name: str, mirror: Mapping[str, Any], theirs: Table | None) -> dict[str, Any]:
    mirrors = list(theirs.value.get("mirror", ())) if theirs else []
    others = [each for each in mirrors if each.get("location") != mirror["location"]]
    kept = {
        key: value for key, value in (theirs.value if theirs else {}).items() if key != "mirror"
    }
    return {
        "prefix": name,
        "location": name,
        **kept,
        "mirror": [dict(mirror), *others],
    }


def _text(dumps: Any, table: Mapping[str, Any]) -> str:
    own = {key: value for key, value in table.items() if key != "mirror"}
    parts = [f"[[registry]]\n{dumps(own)}"]
    parts += [f"[[registry.mirror]]\n{dumps(mirror)}" for mirror in table.get("mirror", ())]
    return "".join(parts)


def is_ours(content: bytes | None) -> bool:
    """Whether a drop-in is ours."""
    return content is not None and content.startswith(f"# {MARK}".encode())


def leads_to(found: Mapping[str, Table], registry: str, url: str) -> bool:
    """Whether the gateway is the first mirror of a registry."""
    table = decides(found, registry)
    mirrors = table.value.get("mirror") if table else None
    if not isinstance(mirrors, list) or not mirrors or not isinstance(mirrors[0], dict):
        return False
    return mirrors[0].get("location") == f"{urlsplit(url).netloc}/{registry}"
