"""A port that every user of the machine may take: when `on` refuses, and what is said of it.

A user's gateway is down at times: before the first login after a boot, after the last logout, while
it is stopped. Whoever takes the port then answers this user's tools, and no tool of them all looks
who it is. What keeps the port from the boot on is a protection: the machine's gateway, or a user's
systemd that lingers (its socket is there from shortly after the boot). Another port is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.cli.context import Context
from headrace.errors import LocalError
from headrace.interface.hookspecs import Scope
from headrace.system.service import TOOL
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.people import Others
    from headrace.system.service.managers.choose import Plan

__all__ = ["ACCEPTED", "STRANGER_HINT", "SharedPort", "consider"]

STRANGER_HINT = (
    "install nothing meanwhile: `headrace off` sends the tools to their origins; have that program "
    "ended, or let `headrace on` take another port"
)
ACCEPTED = (
    "other users of this machine can take the port while your gateway is down, which you accepted "
    "(--accept-shared-port)"
)
_WAYS = (
    "`sudo headrace on` (a gateway for the machine), {linger}or `headrace run -- COMMAND` (one "
    "command, its own gateway); --accept-shared-port does it all the same"
)
_LINGER = "`loginctl enable-linger` and then `headrace on` (yours is kept up without you), "


@dataclass(frozen=True, slots=True)
class SharedPort:
    """What is to be said of the port, and remembered, where `on` goes on."""

    warning: str = ""
    accepted: bool = False
    """The user said so now."""


def consider(context: Context, plan: Plan, *, accepted: bool) -> SharedPort:
    """Raise LocalError where others could take the port, unless the user accepts that.

    What is set up already stays set up, with a warning.
    """
    found = _others(context, plan)
    if not found or context.state.shared_port_accepted():
        return SharedPort()
    if accepted:
        return SharedPort(ACCEPTED, accepted=True)
    why = f"{found}: whoever takes port {plan.address.port} while your gateway is down would answer"
    ways = _WAYS.format(linger=_LINGER if plan.manager.name == "systemd" else "")
    if any(entry.tool != TOOL for entry in context.journal.entries()):
        return SharedPort(f"{why} your tools; better have {ways}")
    raise LocalError(
        "shared-port",
        f"{why} your tools in its place, and they would believe it; nothing was changed",
        hint=ways,
    )


def _others(context: Context, plan: Plan) -> Others | None:
    """Who could take the port; None where it is never free to be taken."""
    from headrace.system.accelerators.host_view import HostView  # noqa: PLC0415 - start-up time
    from headrace.system.people import others  # noqa: PLC0415 - as above

    if context.scope is Scope.SYSTEM or plan.manager.lasts(plan.spec):
        return None
    return others(HostView(context.env))
