"""By which way each tool that is here is led below ``headrace run``, in words and as values."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from headrace.cli.context import Context
from headrace.cli.explaining import functions
from headrace.config import EnvVars
from headrace.interface.hookspecs import Explanation
from headrace.interface.leading import LedBy, LedTool

__all__ = ["explanations", "lines", "table"]

_WORDS = {
    LedBy.PROXY: "through a proxy of this command's",
    LedBy.SETTINGS: "by its own settings",
    LedBy.ALONE: "not at all: a program of yours",
    LedBy.OFFLINE: "not at all: it fetches nothing",
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
        if here and set(tool.ways.values()) != {LedBy.SETTINGS}:
            found += _rows(tool)
    return found


def _rows(tool: LedTool) -> Iterator[dict[str, Any]]:
    for way in dict.fromkeys(tool.ways.values()):
        commands = [_spelled(tool, name) for name, by in tool.ways.items() if by is way]
        first = way is LedBy.ALONE and tool.before is not None
        text = f"{', '.join(commands)}: {_FETCHED if first else _WORDS[way]}"
        yield {"tool": tool.name, "way": str(way), "commands": commands, "text": text}


def _spelled(tool: LedTool, subcommand: str) -> str:
    """Return a command as it is typed; where those that are led are named one by one, the tool's
    name by itself stands for all others.
    """
    if not subcommand and tool.ways[""] is LedBy.ALONE and len(tool.ways) > 1:
        return f"any other word behind {tool.name}"
    return f"{tool.name} {subcommand}".rstrip()


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Say it."""
    return (str(row["text"]) for row in rows)


def explanations(name: str, context: Context) -> Iterator[Explanation]:
    """Say it of the tool that has a program of this name, for ``headrace explain``."""
    tools = (tool for tool in context.plugins.led_tools() if name in tool.programs)
    if (tool := next(tools, None)) is None:
        return
    rows = list(_rows(tool))
    yield Explanation("run", tuple(lines(rows)), table={"tool": tool.name, "ways": rows})
    typed = functions.table(context)
    typed["tools"] = [each for each in typed["tools"] if each == name]
    if said := tuple(functions.lines(typed)):
        yield Explanation("typed", said, table=typed)
