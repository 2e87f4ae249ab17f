"""By which way each tool that is here is led below ``headrace run``, in words and as values."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from headrace.cli.context import Context
from headrace.config import EnvVars
from headrace.interface.leading import LedBy

__all__ = ["lines", "table"]

_WORDS = {
    LedBy.PROXY: "through a proxy of this command's",
    LedBy.SETTINGS: "by its own settings",
    LedBy.ALONE: "not at all: a program of yours",
}
_FETCHED = "what it needs is fetched through a proxy, then it runs as without headrace"


def table(context: Context) -> list[dict[str, Any]]:
    """Return a row for each way of a tool on PATH; nothing of those that have only their own
    settings.
    """
    path = context.env.get(EnvVars.PATH)
    found: list[dict[str, Any]] = []
    for tool in context.plugins.led_tools():
        here = any(shutil.which(program, path=path) for program in tool.programs)
        if not here or set(tool.ways.values()) == {LedBy.SETTINGS}:
            continue
        for way in dict.fromkeys(tool.ways.values()):
            commands = [
                f"{tool.name} {name}".rstrip() for name, by in tool.ways.items() if by is way
            ]
            first = way is LedBy.ALONE and tool.before is not None
            text = f"{', '.join(commands)}: {_FETCHED if first else _WORDS[way]}"
            found.append({"tool": tool.name, "way": str(way), "commands": commands, "text": text})
    return found


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Say it."""
    return (str(row["text"]) for row in rows)
