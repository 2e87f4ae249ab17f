"""Which tools are led to the gateway, and what is to be done for them while it is down."""

from __future__ import annotations

from collections.abc import Sequence

from headrace import __version__
from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Scope, Standing
from headrace.wording import noun

__all__ = ["led", "other_version", "way_back"]


def led(context: Context) -> list[str]:
    """Return the tools whose own files lead to the scope's gateway, without those that fail."""
    from headrace.cli.setup.guarded import guarded  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.planned_edits import in_use  # noqa: PLC0415 - as above
    from headrace.system.edits.file_step import read_file  # noqa: PLC0415 - as above

    tools = []
    try:
        address = context.state.gateway()
        if address is None:
            return []
        place = context.place()
        for activation in in_use(context):
            with guarded(activation):
                if activation.standing(place, address, read_file) is Standing.ROUTED:
                    tools.append(activation.tool)
    except HeadraceError:
        return tools
    return tools


def way_back(tools: Sequence[str], scope: Scope) -> str:
    """Say what tools that are led to a gateway that is down can expect, and what to do."""
    way = "sudo headrace" if scope is Scope.SYSTEM else "headrace"
    are = noun(len(tools), "is", "are")
    return (
        f"{', '.join(tools)} {are} led to it and may fail until it is back: `{way} on` starts it "
        f"again, `{way} off` sends them to their origins"
    )


def other_version(version: str, scope: Scope) -> str:
    """Say that the gateway which answers is of another version than this command; "": it is not.

    After an upgrade it is the worker of before, which ends by itself; beside another installation
    it is that one's, and stays.
    """
    if not version or version == __version__:
        return ""
    way = "sudo headrace" if scope is Scope.SYSTEM else "headrace"
    return (
        f"it is headrace {version}, and this command is {__version__}: `{way} on` puts this one in "
        "its place"
    )
