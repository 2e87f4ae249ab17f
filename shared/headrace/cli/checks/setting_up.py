"""The doctor's check of `on`: whether it would succeed, found out by doing all but its writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Finding

__all__ = ["CHECKS"]

_HINT = (
    "`headrace on` would fail there, or leave that tool out: check the disk, the mount, whose the "
    "folder is, and where links lead"
)


def setting_up(context: Context) -> Iterator[Finding]:
    """Prepare as `on` does, and write beside each file that it would write."""
    from headrace.cli.setup.preparation import prepare  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.shared_port import consider  # noqa: PLC0415 - as above
    from headrace.system.edits.rehearsal import trouble  # noqa: PLC0415 - as above

    folders, state = context.folders, context.state
    places: list[tuple[str, Path, int]] = [
        ("headrace", folders.state / "gateway.json", 0),
        ("headrace", state.journal, 0),
        ("headrace", folders.cache / "store", 0),
    ]
    failed = False
    try:
        made = prepare(context, accepted=True, dry_run=True)
    except HeadraceError as error:
        failed = True
        yield Finding("on", "failure", f"`headrace on` would fail: {error.message}", error.hint)
    else:
        places += made.writes()
        for tool, left in made.result.left_out:
            yield Finding("on", "warning", f"{tool} would be left out: {left.message}", left.hint)
        try:
            if made.made is not None:
                consider(context, made.made, accepted=False)
        except HeadraceError as error:
            yield Finding("on", "warning", error.message, error.hint)
    told: set[str] = set()
    for tool, path, size in places:
        if (why := trouble(path, size)) and why not in told:
            told.add(why)
            yield Finding("on", "failure", f"{tool}: {why}", _HINT)
    if not failed and not told:
        yield Finding("on", "ok", "each file that `headrace on` would write can be written")


CHECKS: tuple[Check, ...] = (setting_up,)
