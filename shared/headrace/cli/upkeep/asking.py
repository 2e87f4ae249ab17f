"""How commands ask a gateway: the one that runs, or one of their own for as long as they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

from headrace.cli.context import Context
from headrace.errors import HeadraceError, LocalError

__all__ = ["Asks", "gateway_asked", "measurements", "running", "told_error"]

#: Asks for one of the gateway's own pages; None: it does not say.
Asks = Callable[[str, float], Any]


def running(context: Context) -> Asks | None:
    """Return what asks the gateway that runs; None: none does. LocalError where somebody else has
    its port: that one is asked nothing.
    """
    from headrace.cli.setup.shared_port import STRANGER_HINT  # noqa: PLC0415 - start-up time
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - as above
    from headrace.system.service import health  # noqa: PLC0415 - as above

    address, state = gateway_of(context)
    if address is None:
        return None
    expected = state.expected()
    there = health.look(address, expected)
    if there.who:
        raise LocalError(
            "port-taken",
            f"the gateway's port is held by {there.who}: not your gateway, and it is asked nothing",
            hint=STRANGER_HINT,
        )
    if not there.up or there.redirecting:
        return None
    return lambda path, seconds: health.ask(address, expected, path, seconds)


def gateway_asked(context: Context, clearing_up: ExitStack) -> Asks:
    """Return what asks a gateway, started where none runs; LocalError where none can be."""
    found = running(context)
    if found is not None:
        return found
    from headrace.cli.run import private_gateway  # noqa: PLC0415 - start-up time
    from headrace.system.service import health  # noqa: PLC0415 - as above

    address, expected = private_gateway(context, clearing_up)
    return lambda path, seconds: health.ask(address, expected, path, seconds)


def measurements(ask: Asks, query: Mapping[str, str], seconds: float = 45.0) -> dict[str, Any]:
    """Ask for a measurement (`gateway.telling.measurements`); what it tells as an error is raised.

    LocalError where the gateway is of a version that cannot measure.
    """
    told = ask(f"/measurements?{urlencode(query)}", seconds)
    if not isinstance(told, dict):
        raise LocalError(
            "no-measurement",
            "the gateway that runs did not measure: it is of an earlier version, or it was silent",
            hint="`headrace off` and `headrace on` start the one of now; then run this again",
        )
    if "error" in told:
        raise told_error(told["error"])
    return told


def told_error(table: Mapping[str, Any]) -> HeadraceError:
    """Make the error again that a gateway told."""
    return HeadraceError(
        str(table.get("reference")),
        str(table.get("message")),
        hint=str(table.get("hint", "")),
        fault_of=str(table.get("fault_of", "")),
    )
