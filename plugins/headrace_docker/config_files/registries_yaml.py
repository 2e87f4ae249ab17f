"""``mirrors`` of a registries.yaml (k3s, rke2): entries of ours put in as marked lines and taken
out again, every other line as it is.

The lines are put in as text, so comments and the user's form stay; a YAML parser then says whether
the file means what it should. Where his file has a form that lines cannot be put into (flow style,
anchors), it is refused. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.interface import ConfigurationError, foreign
from headrace.interface.editing.toml_text import MARK

__all__ = ["EVERY", "add", "endpoints", "load", "take_out"]

#: The user's entry for every registry.
EVERY = "*"
#: Characters of a file, and lists and mappings in flow style: the library looks through those that
#: are open again and again.
_LONGEST = 1 << 20
_MOST_FLOWS = 200
#: How a file says "as there": what it stands for can be any number of times as large.
_ALIAS = re.compile(r"(?:^|[\s\[{,:])\*[^\s,\]}\"']")
_BEGIN = f"# {MARK}\n"
_END = "# end of what `headrace on` wrote\n"
_MIRRORS = re.compile(r"^mirrors:[ \t]*(?:#.*)?\n", re.MULTILINE)
_ENTRY = re.compile(r"^( +)\S")


def load(content: bytes | None, path: Path) -> dict[str, Any]:
    """Read the file; ConfigurationError where k3s could not."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - other tools need not pay

    with foreign("YAML", lambda why: _broken(path, why)):
        text = (content or b"").decode("utf-8")
        if len(text) > _LONGEST or text.count("[") + text.count("{") > _MOST_FLOWS:
            raise ValueError("it is longer, or deeper, than any list of registries")
        document = YAML(typ="safe", pure=True).load(text)
    if document is None:
        return {}
    if not isinstance(document, dict) or not isinstance(document.get("mirrors") or {}, dict):
        raise _broken(path, "it is no mapping with a mapping of mirrors")
    return document


def endpoints(document: dict[str, Any], registry: str) -> list[str]:
    """Return the endpoints of a registry."""
    entry = (document.get("mirrors") or {}).get(registry)
    found = entry.get("endpoint") if isinstance(entry, dict) else None
    return [str(each) for each in found] if isinstance(found, list) else []


def add(content: bytes | None, names: Sequence[str], url: str, path: Path) -> bytes | None:
    """Put entries in for the registries that have none; None: the user has them all, or has one
    for every registry, before which ours would count.
    """
    before = load(content, path)
    theirs = before.get("mirrors") or {}
    if _ALIAS.search((content or b"").decode("utf-8")):
        raise _broken(path, "it has aliases, which may mean more than can be compared")
    mine = [name for name in names if name not in theirs]
    if not mine or EVERY in theirs:
        return None
    text = (content or b"").decode("utf-8").replace("\r\n", "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    match = _MIRRORS.search(text)
    if match is None:
        after = f"{text}{_BEGIN}mirrors:\n{_entries(mine, url, '  ')}{_END}"
    else:
        indent = _indent(text[match.end() :])
        block = f"{indent}{_BEGIN}{_entries(mine, url, indent)}{indent}{_END}"
        after = text[: match.end()] + block + text[match.end() :]
    if b"\r\n" in (content or b""):
        after = after.replace("\n", "\r\n")
    wanted = {**before, "mirrors": {**{name: {"endpoint": [url]} for name in mine}, **theirs}}
    try:
        same = load(after.encode(), path) == wanted
    except ConfigurationError:
        same = False
    if not same:
        raise _broken(path, "it has mirrors in a form that ours cannot be put beside")
    return after.encode()


def take_out(content: bytes) -> bytes | None:
    """Take our lines out; None: they are not there."""
    ends = content.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    marks = [line.strip() for line in ends]
    try:
        start = marks.index(_BEGIN.strip())
        end = marks.index(_END.strip(), start)
    except ValueError:
        return None
    return "".join([*ends[:start], *ends[end + 1 :]]).encode("utf-8", "surrogateescape")


def _entries(names: Sequence[str], url: str, indent: str) -> str:
    return "".join(
        f'{indent}{name}:\n{indent}  endpoint:\n{indent}    - "{url}"\n' for name in names
    )


def _indent(rest: str) -> str:
    """Return how far the entries of a mapping stand in, by the first of them."""
    for line in rest.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ENTRY.match(line)
        return match[1] if match else "  "
    return "  "


def _broken(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-yaml",
        f"{path} cannot be edited safely: {why}",
        hint="mend it, then `sudo headrace on` again; it was not changed",
    )
