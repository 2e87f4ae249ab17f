"""The gateway that a question goes to: the one that runs, else one for this command alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import GatewayAddress

if TYPE_CHECKING:
    from headrace.interface.activations import DiscoveredOrigin
    from headrace.system.service.identity import Expected

__all__ = ["AtHand", "at_hand"]


class AtHand(NamedTuple):
    """Whom to ask."""

    address: GatewayAddress | None
    """None: nobody."""
    expected: Expected
    runs: bool
    """It is the one that runs, with what it has learnt."""
    who: str
    """Somebody else who has its port."""


@contextmanager
def at_hand(context: Context, more: Sequence[DiscoveredOrigin] = ()) -> Iterator[AtHand]:
    """Find it, or start one that ends with the question.

    `more`: what is to be asked also where no tool here names an origin of its ecosystem.
    """
    from headrace.cli.run import private_gateway  # noqa: PLC0415 - start-up time
    from headrace.cli.runs.telling import warn  # noqa: PLC0415 - as above
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - as above
    from headrace.system.service import health  # noqa: PLC0415 - as above

    address, state = gateway_of(context)
    expected = state.expected()
    there = health.look(address, expected) if address else None
    if address and there and there.who:
        warn(f"port {address.port} is held by {there.who}: not your gateway; it is asked nothing")
    able = there is not None and there.up and not there.redirecting
    if address and able and _asks(address, expected, more):
        yield AtHand(address, expected, runs=True, who="")
        return
    with ExitStack() as clearing_up:
        address = None
        with suppress(HeadraceError, OSError):
            address, expected = private_gateway(context, clearing_up, more)
        yield AtHand(address, expected, runs=False, who=there.who if there else "")


def _asks(address: GatewayAddress, expected: Expected, more: Sequence[DiscoveredOrigin]) -> bool:
    """Whether a gateway has origins of these ecosystems, as far as it tells us."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    told = health.ask(address, expected, "/status") if more else None
    if not isinstance(told, dict):
        return True
    known = {each.get("ecosystem") for each in told.get("origins", ()) if isinstance(each, dict)}
    return {each.origin.ecosystem for each in more} <= known
