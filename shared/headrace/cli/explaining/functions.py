"""Whether the tools that only a proxy leads are led without ``headrace run`` before them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from headrace.cli.context import Context
from headrace.cli.setup.functions import SHELLS
from headrace.config import EnvVars
from headrace.interface.hookspecs import Scope
from headrace.interface.leading import by_proxy
from headrace.wording import listed, noun

__all__ = ["here", "lines", "table"]


def table(context: Context) -> dict[str, Any]:
    """Return the tools on PATH that functions of a shell would lead, the files of the user's shells
    that bring such functions, and whether the shell that asks has them; None: nobody can tell.
    """
    from headrace.system.service import has_functions  # noqa: PLC0415 - start-up time

    path = context.env.get(EnvVars.PATH)
    tools = by_proxy(context.plugins.led_tools())
    files = has_functions(context.env) if context.scope is Scope.USER else []
    return {
        "tools": [name for name in tools if shutil.which(name, path=path)],
        "files": [str(each) for each in files],
        "here": here(context),
    }


def here(context: Context) -> bool | None:
    """Whether the shell that this command was typed into has the functions."""
    from headrace.system.service.managers import shell_functions  # noqa: PLC0415 - start-up time

    running = shell_functions.running_shells(SHELLS)
    said = context.env.get(EnvVars.HEADRACE_SHELL, "")
    if running is None:
        return True if said else None
    return said in running


def lines(told: dict[str, Any]) -> Iterator[str]:
    """Say it of the tools that are here."""
    if not told["tools"]:
        return
    tools = f"{listed(told['tools'])} {noun(len(told['tools']), 'is', 'are')}"
    if told["here"]:
        yield f"{tools} led as it is typed into this shell, by its functions"
    elif told["files"]:
        but = "; not in this one" if told["here"] is False else ""
        yield f"{tools} led in shells that begin now, by {listed(told['files'])}{but}"
    else:
        yield f"{tools} led by `headrace run` alone; `headrace on --shell` leads what is typed"
