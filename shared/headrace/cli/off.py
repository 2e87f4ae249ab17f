"""``headrace off``: give every file back, then stop the gateway."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import (
    NEEDS_ATTENTION,
    OK,
    Context,
    Strictness,
    add_dry_run,
    add_json,
    add_scope,
)
from headrace.cli.runs.kept.outcome import forget as forget_kept_runs
from headrace.cli.setup.fleet import leave as leave_fleet
from headrace.cli.summary import bytes_text
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import FileEdit, GatewayAddress
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.edits.apply import TakenBack
    from headrace.system.edits.journal import UndoResult

__all__ = ["GivenBack", "add", "give_back", "run"]

#: Bytes on the disk from which on people may want them back.
_WORTH_TELLING = 1_000_000


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "off",
        help="undo `headrace on`, byte for byte",
        description="Give every file that `headrace on` wrote back as it was, and stop the "
        "gateway. A file that was changed since keeps that change.",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="where headrace's own lines were changed: put the old file back, keep yours beside it",
    )
    add_dry_run(parser)
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Undo, then stop. What is wrong with the settings is told, and keeps nothing from that."""
    context.strictness = Strictness.NONE
    if args.dry_run:
        return _show(args, context)
    with context.state.setting_up():
        return _run(args, context)


def _run(args: argparse.Namespace, context: Context) -> int:
    given = give_back(context, force=args.force)
    if context.as_json:
        context.print_json(
            {
                "dry_run": False,
                "scope": context.scope,
                **given.table(),
                "left": _left(context) if given.stopped else None,
                "settings": context.settings_table(),
            }
        )
    else:
        given.tell(context)
        if given.stopped:
            _tell_left(context)
        _tell_settings(context)
    return OK if given.is_whole else NEEDS_ATTENTION


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What came of it."""

    undone: TakenBack
    told: Sequence[str]
    """Programs that read their configuration again."""
    trouble: Sequence[str]
    inside: bool
    """Whether there was a gateway of containers."""
    service: UndoResult
    """What became of the files of whoever kept the gateway up, without headrace's own."""

    @property
    def stopped(self) -> bool:
        """Whether no file leads to the gateway any more, so that it was stopped."""
        return not (self.undone.kept or self.undone.failed)

    @property
    def is_whole(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self.stopped and not self.trouble and not self.service.kept

    def table(self) -> dict[str, object]:
        """Return it as plain values."""
        failed = self.undone.failed
        return {
            "restored": self.undone.restored,
            "merged": self.undone.merged,
            "kept": self.undone.kept,
            "failed": [{"tool": t, "why": e.message, "hint": e.hint} for t, e in failed],
            "told": self.told,
            "trouble": self.trouble,
            "gateway_stopped": self.stopped,
            "containers_stopped": self.inside,
            "service": {
                "restored": self.service.restored,
                "merged": self.service.merged,
                "kept": self.service.kept,
            },
        }

    def tell(self, context: Context) -> None:
        """Say it for people."""
        _tell(context, self.undone, self.told, self.trouble)
        _tell_files(context, self.service)
        if self.inside:
            context.say("containers: their gateway is off, and its files are gone")


def give_back(context: Context, *, force: bool) -> GivenBack:
    """Take everything out, and stop the gateway where nothing leads to it any more."""
    from headrace.system.edits import apply  # noqa: PLC0415 - start-up time
    from headrace.system.edits.journal import UndoResult  # noqa: PLC0415 - as above
    from headrace.system.service import TOOL  # noqa: PLC0415 - as above

    context.journal.repair()
    _adopt(context)
    inside = _close_to_containers(context)
    before = context.journal.entries()
    # Also of a plugin that is no longer installed; the gateway's own files are `_stop`'s.
    tools = dict.fromkeys(entry.tool for entry in before if entry.tool != TOOL)
    undone = apply.take_back(context, force=force, of=[*tools, apply.LEAVING])
    told, trouble = apply.undone(context, before)
    service = UndoResult()
    if not (undone.kept or undone.failed):
        # Only now: a tool that is still pointed at the gateway must find it.
        service = _stop(context)
        forget_kept_runs(context.state.folder)
        trouble = [*trouble, *leave_fleet(context)]
        context.state.turn_off()
    return GivenBack(undone, told, trouble, inside, service)


def _tell(context: Context, undone: TakenBack, told: Sequence[str], trouble: Sequence[str]) -> None:
    _tell_files(context, undone)
    for tool, error in undone.failed:
        context.say(f"{tool}: could not be undone: {error.message}", "yellow")
        context.say(f"  {error.hint}; then `headrace off` again")
    for program in told:
        context.say(f"{program}: told to read its configuration again")
    for text in trouble:
        context.say(text, "yellow")
    if undone.kept:
        context.say(
            "The gateway stays up for it. `headrace off --force` puts the old file back and "
            "keeps yours beside it."
        )
    elif undone.failed:
        context.say("The gateway stays up for what could not be undone.")
    elif not (undone.restored or undone.merged):
        context.say("Nothing was routed; the gateway is off.")


def _tell_files(context: Context, undone: TakenBack | UndoResult) -> None:
    for path in undone.restored:
        context.say(f"{path}: as it was")
    for path in undone.merged:
        context.say(f"{path}: changed since; only headrace's lines were taken out")
    for path in undone.kept:
        text = f"{path}: headrace's own lines were changed; left as it is"
        context.say(text, "yellow")


def _left(context: Context) -> dict[str, object]:
    """Return what stays on purpose: files that need not come again."""
    from headrace.cli.upkeep.kept import size_below  # noqa: PLC0415 - start-up time

    store = context.folders.cache / "store"
    return {"store": str(store), "bytes": size_below(store)}


def _tell_left(context: Context) -> None:
    left = _left(context)
    size = int(str(left["bytes"]))
    if size >= _WORTH_TELLING:
        what = f"{bytes_text(size)} of files in {left['store']}; `headrace cache clear` frees them"
        context.say(f"left: {what}")


def _tell_settings(context: Context) -> None:
    for mistake in context.mistakes:
        context.say(f"settings: {mistake.message}", "yellow")
    if context.mistakes:
        context.say("`headrace off` did not need them; the next `headrace on` does.")


def _stop(context: Context) -> UndoResult:
    from headrace.cli.setup import service  # noqa: PLC0415 - start-up time

    return service.stop(context)


def _close_to_containers(context: Context) -> bool:
    """Stop the gateway of containers, which no file of the user's names."""
    from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

    return containers.remove(context)


def _adopt(context: Context) -> None:
    """Find lines of ours that a lost state folder does not know of."""
    from headrace.cli.setup.discovery import discover  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.planned_edits import adopt_leftovers  # noqa: PLC0415 - as above

    address = context.state.gateway() or GatewayAddress("127.0.0.1", context.settings.port)
    try:
        found = context.state.origins() or discover(context)
        adopt_leftovers(context, address, [each.origin for each in found])
    except HeadraceError:
        return  # what the journal knows is undone all the same


def _show(args: argparse.Namespace, context: Context) -> int:
    from headrace.cli.setup.service import is_ours  # noqa: PLC0415 - start-up time
    from headrace.system.edits.file_step import read_file  # noqa: PLC0415 - as above
    from headrace.system.edits.three_way import diff  # noqa: PLC0415 - as above

    del args
    edits: list[FileEdit] = []
    kept: list[str] = []
    for entry in context.journal.entries():
        path = Path(entry.path)
        if is_ours(context, path):
            continue  # nobody's to read: copies of headrace's own programs
        try:
            edits.append(FileEdit(path, read_file(path), context.journal.pristine(path), "off"))
        except HeadraceError:
            kept.append(entry.path)
    if context.as_json:
        context.print_json(
            {
                "dry_run": True,
                "scope": context.scope,
                "edits": [{"path": str(edit.path)} for edit in edits],
                "kept": kept,
                "diff": diff(edits),
                "settings": context.settings_table(),
            }
        )
    else:
        context.write(diff(edits))
        for name in kept:
            text = f"{name}: changed since in headrace's lines; it would stay"
            context.say(text)
        _tell_settings(context)
    return NEEDS_ATTENTION if kept else OK
