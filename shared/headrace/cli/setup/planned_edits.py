"""The edits that ``on`` wants: every tool's, in one list, with those that had to be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.cli.context import Context
from headrace.cli.setup.guarded import guarded
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Activation, FileEdit, GatewayAddress, OptIn, Override
from headrace.models import Origin

__all__ = ["PlannedEdits", "adopt_leftovers", "in_use", "overrides", "wanted"]


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
    result = PlannedEdits()
    place = context.place()
    for activation in in_use(context):
        try:
            with guarded(activation):
                edits = list(activation.enable(place, address, origins, context.journal.pristine))
        except HeadraceError as error:
            result.left_out.append((activation.tool, error))
            continue
        result.edits += [(activation.tool, edit) for edit in edits]
    return result


def adopt_leftovers(context: Context, address: GatewayAddress, origins: Sequence[Origin]) -> None:
    """Put into the journal what carries our mark but is not in it: the state folder was lost."""
    from headrace.system.edits.file_step import read_file, target  # noqa: PLC0415 - start-up time

    known = {entry.path for entry in context.journal.entries()}
    activations = {activation.tool: activation for activation in context.plugins.activations()}
    for tool, edit in wanted(context, address, origins).edits:
        now = read_file(edit.path)
        if now is None or str(target(edit.path)) in known:
            continue
        clean = activations[tool].withdraw(edit.path, None, now, now)
        if clean is not None and clean != now:
            content = clean if clean.strip() else None
            context.journal.adopt(tool, edit.path, content, edit.reload)


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
