"""All that `on` finds out and decides before it writes anything; `doctor` looks at the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli.context import Context
from headrace.cli.setup.planned_edits import PlannedEdits, wanted
from headrace.cli.setup.shared_port import SharedPort, consider
from headrace.errors import ConfigurationError, LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Origin
from headrace.redact import for_display
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.service.managers import choose

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `on` is about to do."""

    found: Sequence[DiscoveredOrigin]
    made: choose.Plan | None
    """Who will keep the gateway up; None: the machine's serves this user as well."""
    shared: SharedPort
    address: GatewayAddress
    result: PlannedEdits

    @property
    def origins(self) -> list[Origin]:
        """The origins that were found."""
        return [each.origin for each in self.found]

    def writes(self) -> Iterator[tuple[str, Path, int]]:
        """Yield whose files would be written, where, and how long each would be, in bytes."""
        service = [("gateway", edit) for edit in self.made.edits] if self.made else []
        for tool, edit in (*service, *self.result.edits):
            if edit.before != edit.after and edit.after is not None:
                yield tool, edit.path, len(edit.after)


def prepare(
    context: Context, *, accepted: bool, dry_run: bool, functions: bool = False
) -> Prepared:
    """Find origins, decide who keeps the gateway up, and ask the tools for their edits; LocalError
    where `on` cannot be. `accepted`: the user knows of others who could take the port; `functions`:
    shells are to have those that lead tools.
    """
    from headrace.cli.setup import service  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.discovery import discover  # noqa: PLC0415 - as above

    found = discover(context)
    if not found:
        raise LocalError(
            "no-origin",
            "no tool here could say which origin it uses",
            hint="`headrace doctor` says why; nothing was changed",
        )
    _refuse_lending(found, context.scope)
    machines = service.machines_gateway(context, found)
    made = None if machines else service.plan(context, found, functions=functions)
    shared = consider(context, made, accepted=accepted) if made else SharedPort()
    address = machines or _address(context, found, made, dry_run=dry_run)
    # What is wrong with the files shows before a gateway is started.
    result = wanted(context, address, [each.origin for each in found])
    if not result.edits and result.left_out:
        raise result.left_out[0][1]
    return Prepared(found, made, shared, address, result)


def _address(
    context: Context,
    found: Sequence[DiscoveredOrigin],
    made: choose.Plan | None,
    *,
    dry_run: bool,
) -> GatewayAddress:
    """The gateway's address, with a token where it will lend what is one user's own.

    Every user of the machine can reach a loopback port.
    """
    assert made is not None
    token = context.state.token()
    if context.scope is Scope.USER and any(each.origin.private for each in found):
        token = token or ("TOKEN" if dry_run else context.state.ensure_token())
    return GatewayAddress(made.address.host, made.address.port, token)


def _refuse_lending(found: Sequence[DiscoveredOrigin], scope: Scope) -> None:
    lent = next((each for each in found if each.credential), None)
    if scope is Scope.SYSTEM and lent is not None:
        raise ConfigurationError(
            "machine-would-lend",
            f"{lent.where} holds a credential for {for_display(lent.origin.url)}, which a gateway "
            "for the whole machine would lend to every user",
            hint="run `headrace on` as each user instead; nothing was changed",
        )
