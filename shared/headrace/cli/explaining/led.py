"""By which way each tool that is here is led below ``headrace run``, in words and as values."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from headrace.cli.context import Context
from headrace.config import EnvVars
from headrace.interface.leading import LedBy, LedTool

__all__ = ["lines", "table"]

_WORDS = {
    LedBy.PROXY: "through a proxy of this command's",
    LedBy.SETTINGS: "by its own settings",
    LedBy.ALONE: "not at all: a program of yours",
}
_FETCHED = "what it needs is fetched through a proxy, then it runs as without headrace"


def table(context: Context) -> dict[str, dict[str, str]]:
    """Return the way of each command of the tools on PATH, by tool; ``""`` is all others."""
    path = context.env.get(EnvVars.PATH)
    found: dict[str, dict[str, str]] = {}
    for tool in context.plugins.led_tools():
        if any(shutil.which(program, path=path) for program in tool.programs):
            found.setdefault(tool.name, {name: str(way) for name, way in tool.ways.items()})
    return found


def lines(told: dict[str, dict[str, str]], tools: list[LedTool]) -> Iterator[str]:
    """Say it, a line for each way of a tool; nothing of those that have only their own settings."""
    known = {tool.name: tool for tool in reversed(tools)}
    for name, ways in told.items():
        if set(ways.values()) == {str(LedBy.SETTINGS)}:
            continue
        for way in dict.fromkeys(ways.values()):
            commands = [
                f"{name} {each}" if each else name for each, by in ways.items() if by == way
            ]
            fetched = way == LedBy.ALONE and known[name].before is not None
            yield f"{', '.join(commands)}: {_FETCHED if fetched else _WORDS[LedBy(way)]}"
