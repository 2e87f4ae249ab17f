"""The edits that ``on`` wants: every tool's, in one list, with those that had to be left out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from headrace.cli.context import Context
from headrace.cli.setup.guarded import guarded
from headrace.errors import ConfigurationError, HeadraceError
from headrace.interface.hookspecs import (
    Activation,
    FileEdit,
    GatewayAddress,
    OptIn,
    Override,
    Place,
    Reader,
)
from headrace.models import Origin
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.edits.journal import Journal

__all__ = [
    "PlannedEdits",
    "adopt",
    "adopt_leftovers",
    "described",
    "in_use",
    "overrides",
    "wanted",
]

_log = logging.getLogger("headrace.cli")


@dataclass(slots=True)
class PlannedEdits:
    """What the activations described."""

    edits: list[tuple[str, FileEdit]] = field(default_factory=list)
    left_out: list[tuple[str, HeadraceError]] = field(default_factory=list)


def in_use(context: Context) -> list[Activation]:
    """Return the tools that are pointed at the gateway without being asked for, or by name."""
    named = context.settings.also
    return [
        each
        for each in context.plugins.activations()
        if each.tool in named or not (isinstance(each, OptIn) and each.opt_in)
    ]


def wanted(context: Context, address: GatewayAddress, origins: Sequence[Origin]) -> PlannedEdits:
    """Ask every tool for its edits. A tool whose file is broken does not stop the others."""
    return described(in_use(context), context.place(), address, origins, context.journal.pristine)


def described(
    activations: Sequence[Activation],
    place: Place,
    address: GatewayAddress,
    origins: Sequence[Origin],
    read: Reader,
) -> PlannedEdits:
    """Ask these tools for their edits."""
    result = PlannedEdits()
    for activation in activations:
        try:
            with guarded(activation):
                edits = list(activation.enable(place, address, origins, read))
                result.edits += _apart(activation.tool, edits, result.edits)
        except HeadraceError as error:
            result.left_out.append((activation.tool, error))
    return result


def _apart(
    tool: str, edits: Sequence[FileEdit], others: Sequence[tuple[str, FileEdit]]
) -> list[tuple[str, FileEdit]]:
    """Leave out what another tool writes as well: two programs may read the same file."""
    taken = {edit.path: (owner, edit) for owner, edit in others}
    mine = []
    for edit in edits:
        owner, same = taken.get(edit.path, (tool, edit))
        if edit.after != same.after:
            raise ConfigurationError(
                "same-file",
                f"{tool} wants {edit.path} otherwise than {owner}, which reads it too",
                hint=f"tell whoever made the plugins; {tool} goes on as before",
                fault_of="a plugin",
            )
        if owner == tool:
            mine.append((tool, edit))
    return mine


def adopt_leftovers(context: Context, address: GatewayAddress, origins: Sequence[Origin]) -> None:
    """Put into the journal what carries our mark but is not in it: the state folder was lost."""
    edits = wanted(context, address, origins).edits
    adopt(context.journal, context.plugins.activations(), edits)


def adopt(
    journal: Journal, tools: Iterable[Activation], edits: Sequence[tuple[str, FileEdit]]
) -> None:
    """Put into a journal what of these edits stands in their files already and is not in it."""
    from headrace.system.edits.file_step import read_file, target  # noqa: PLC0415 - start-up time

    known = {entry.path for entry in journal.entries()}
    activations = {activation.tool: activation for activation in tools}
    for tool, edit in edits:
        try:
            with guarded(activations[tool]):
                now = read_file(edit.path)
                if now is None or str(target(edit.path)) in known:
                    continue
                clean = activations[tool].withdraw(edit.path, None, now, now)
        except HeadraceError as error:
            _log.warning("what %s may have of ours is not looked for: %s", tool, error)
            continue
        if clean is not None and clean != now:
            content = clean if clean.strip() else None
            journal.adopt(tool, edit.path, content, edit.reload)


def overrides(context: Context, address: GatewayAddress) -> list[Override]:
    """Everything that wins over us from where the user stands."""
    from headrace.system.edits.file_step import read_file  # noqa: PLC0415 - start-up time

    place = context.place()
    found: list[Override] = []
    for activation in in_use(context):
        try:
            with guarded(activation):
                found += list(activation.overrides(place, address, read_file))
        except HeadraceError as error:
            found.append(Override(activation.tool, "its configuration", error.message, error.hint))
    return found
