"""What ``headrace on`` says when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headrace.cli.context import NEEDS_ATTENTION, OK, Context
from headrace.cli.setup.planned_edits import PlannedEdits, overrides
from headrace.interface.hookspecs import DiscoveredOrigin, FileEdit, GatewayAddress, Override
from headrace.redact import for_display
from headrace.system.edits.three_way import diff
from headrace.values import dataclass

__all__ = ["OnReport", "tell"]

_NEXT = (
    "next     install as ever; `headrace status` shows what came from where, `headrace off` gives "
    "every file back"
)


@dataclass(frozen=True, slots=True)
class OnReport:
    """Everything that there is to tell."""

    found: Sequence[DiscoveredOrigin]
    address: GatewayAddress
    result: PlannedEdits
    changed: Sequence[FileEdit]
    note: str
    dry_run: bool
    service: Sequence[FileEdit] = ()
    """What whoever keeps the gateway up needs; once it is written, without headrace's own files."""
    told: Sequence[str] = ()
    """Programs that read their configuration again."""
    trouble: Sequence[str] = ()
    """What went wrong: where a program was told that our setting is gone, with containers."""
    inside: Sequence[str] = ()
    """What is to be known of the gateway of containers."""


def tell(context: Context, report: OnReport) -> int:
    """Tell it, and return the exit code."""
    winning = overrides(context, report.address)
    if context.as_json:
        context.print_json(_table(context, report, winning))
    else:
        _print(context, report, winning)
        if report.result.edits and not report.dry_run:
            context.say(_NEXT)
    return NEEDS_ATTENTION if report.result.left_out or report.trouble else OK


def _table(context: Context, report: OnReport, winning: Sequence[Override]) -> dict[str, object]:
    table: dict[str, object] = {
        "dry_run": report.dry_run,
        "scope": context.scope,
        "gateway": {"host": report.address.host, "port": report.address.port},
        "note": report.note,
        "origins": [
            {
                "ecosystem": each.origin.ecosystem,
                "name": each.origin.name,
                "url": for_display(each.origin.url),
                "private": each.origin.private,
                "where": each.where,
            }
            for each in report.found
        ],
        "edits": [
            {
                "tool": tool,
                "path": str(edit.path),
                "reason": edit.reason,
                "changed": edit in report.changed,
            }
            for tool, edit in report.result.edits
        ],
        "told": list(report.told),
        "trouble": list(report.trouble),
        "containers": list(report.inside),
        "left_out": [
            {"tool": tool, "why": error.message, "hint": error.hint}
            for tool, error in report.result.left_out
        ],
        "overrides": [
            {"tool": each.tool, "where": each.where, "what": each.what, "hint": each.hint}
            for each in winning
        ],
        "service": [
            {
                "path": str(edit.path),
                "reason": edit.reason,
                "changed": report.dry_run or edit in report.changed,
            }
            for edit in report.service
        ],
    }
    if report.dry_run:
        table["diff"] = diff(report.changed)
    return table


def _print(context: Context, report: OnReport, winning: Sequence[Override]) -> None:
    say = context.say
    for each in report.found:
        kind = " (your own: no mirror is asked for it)" if each.origin.private else ""
        say(f"origin   {for_display(each.origin.url)}{kind}, from {each.where}")
    verb = "would be at" if report.dry_run else "answers at"
    say(f"gateway  {verb} http://{report.address.host}:{report.address.port}/")
    if report.note:
        say(f"         {report.note}")
    for tool, edit in report.result.edits:
        unchanged = "" if edit in report.changed else " (as it was)"
        say(f"{tool:<8} {edit.path}: {edit.reason}{unchanged}")
    for line in report.inside:
        say(f"inside   {line}")
    _print_running(say, report)
    for edit in report.service:
        unchanged = "" if report.dry_run or edit in report.changed else " (as it was)"
        say(f"service  {edit.path}: {edit.reason}{unchanged}")
    for tool, error in report.result.left_out:
        say(f"{tool:<8} left out: {error.message}", "yellow")
        say(f"         {error.hint}")
    for one in winning:
        say(f"{one.tool:<8} but {one.where} {one.what}", "yellow" if one.wins else "")
        say(f"         {one.hint}")
    if report.dry_run:
        context.write(diff(report.changed))


def _print_running(say: Callable[[str, str], None], report: OnReport) -> None:
    """Say what became of the programs that run."""
    for program in report.told:
        text = "has read its configuration again, and goes on running what it ran"
        say(f"{program:<8} {text}", "")
    for text in report.trouble:
        say(text, "yellow")
