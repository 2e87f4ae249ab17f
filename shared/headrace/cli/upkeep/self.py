"""``headrace self``: how this headrace was installed, how it is renewed, and how nothing of it is
left.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import __version__
from headrace.cli.context import (
    FAILED,
    NEEDS_ATTENTION,
    OK,
    Context,
    Strictness,
    add_dry_run,
    add_json,
    add_scope,
)
from headrace.cli.mending.fixes import is_agreed, sits_there
from headrace.cli.mending.installed import InstalledPackage, as_typed, look
from headrace.cli.summary import bytes_text
from headrace.errors import LocalError
from headrace.interface.hookspecs import Scope
from headrace.wording import printable

if TYPE_CHECKING:
    from headrace.cli.mending.traces import Traces
    from headrace.cli.off import GivenBack

__all__ = ["add", "run"]

_ACTIONS = {
    "update": "say how a newer one is had, by whoever installed this one",
    "uninstall": "undo everything, and leave nothing but the package, whose removal is told",
}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "self",
        help="how it was installed, how to renew it, and how to be rid of it",
        description="Without a word: which headrace this is, and who installed it.",
    )
    add_scope(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == "uninstall":
            action.add_argument("--yes", action="store_true", help="do not ask")
            action.add_argument(
                "--keep-store", action="store_true", help="leave the files that were downloaded"
            )
            action.add_argument(
                "--package", action="store_true", help="remove the package, too, by that command"
            )
            add_dry_run(action)
        add_scope(action, within=True)
        add_json(action, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Tell, or leave."""
    context.strictness = Strictness.NONE
    installed = look()
    if args.action == "uninstall":
        return _uninstall(args, context, installed)
    if context.as_json:
        context.print_json({"version": __version__, **installed.table()})
        return OK
    if args.action == "update":
        return _update(context, installed)
    if installed.by:
        context.say(f"headrace {__version__}, installed by {installed.by}, in {installed.folder}")
    else:
        context.say(f"headrace {__version__}, of a folder and not installed: {installed.folder}")
    context.say("`headrace self update` says how to renew it, `headrace self uninstall` removes it")
    return OK


def _update(context: Context, installed: InstalledPackage) -> int:
    if not installed.renew:
        context.say(f"{installed.folder} is no installation: renew that folder")
        return OK
    for words in installed.renew:
        context.say(as_typed(words))
    context.say("then `headrace on` again, where it is on: it takes over without a gap")
    return OK


# ------------------------------------------------------------------ uninstall


def _uninstall(args: argparse.Namespace, context: Context, installed: InstalledPackage) -> int:
    from headrace.cli.mending import traces  # noqa: PLC0415 - start-up time

    if traces.runs_at_work(context):
        raise LocalError(
            "runs-at-work",
            "commands of `headrace run` are at work",
            hint="wait until they have ended, then say it again; nothing was changed",
        )
    found = traces.look(context)
    if not context.as_json:
        _show(context, found, keep_store=args.keep_store)
    agreed = args.yes and not args.dry_run
    if not agreed and not args.dry_run and not context.as_json:
        agreed = is_agreed(context, "Go on?")
    if not agreed:
        if context.as_json:
            context.print_json({"done": False, "remove": [str(each) for each in found.ours]})
        elif not args.dry_run and not sits_there(context):
            context.say("Nothing was changed. `headrace self uninstall --yes` does it.")
        return OK if args.dry_run else NEEDS_ATTENTION
    return _leave(args, context, installed)


def _show(context: Context, found: Traces, *, keep_store: bool) -> None:
    from headrace.cli.upkeep.kept import size_below  # noqa: PLC0415 - start-up time

    for entry in context.journal.entries():
        context.say(f"give back  {entry.path} ({entry.tool})")
    names: dict[Path, list[str]] = {}
    for path in found.ours:
        if path != found.store:
            names.setdefault(path.parent, []).append(path.name)
    for folder, inside in names.items():
        context.say(f"remove     {folder}: {', '.join(inside)}")
    if found.store is not None:
        what = "keep     " if keep_store else "remove   "
        size = bytes_text(size_below(found.store))
        context.say(f"{what}  {found.store}: {size} of files that were downloaded")
    for path in found.foreign:
        context.say(f"keep       {path}: not headrace's")


def _leave(args: argparse.Namespace, context: Context, installed: InstalledPackage) -> int:
    from headrace.cli.mending import traces  # noqa: PLC0415 - start-up time
    from headrace.cli.off import give_back  # noqa: PLC0415 - as above

    with context.state.setting_up():
        given = give_back(context, force=False)
    if not given.stopped:
        return _half(context, given)
    found = traces.look(context)
    try:
        left = found.remove(keep_store=args.keep_store)
    except OSError as error:
        raise LocalError(
            "cannot-remove",
            f"{error.filename} cannot be removed: {error.strerror or error}",
            hint="all tools are as they were; look at whose it is, then say it again",
        ) from error
    account = _account(context)
    lines = list(traces.lines_of_the_users()) if context.scope is Scope.USER else []
    if not context.as_json:
        given.tell(context)
        for each in left:
            context.say(f"{each}: left")
        for line in lines:
            context.say(f"{line} is of headrace, and written by you: it stays")
        if account:
            context.say(account)
        sys.stdout.flush()
    code = _package(context, installed) if args.package else None
    if context.as_json:
        context.print_json(
            {
                "done": True,
                **given.table(),
                "left": [str(each) for each in left],
                "yours": lines,
                "account": account,
                "package": {**installed.table(), "removed": code == 0},
            }
        )
    else:
        _tell_package(context, installed, code)
    return FAILED if code else NEEDS_ATTENTION if given.trouble else OK


def _half(context: Context, given: GivenBack) -> int:
    if context.as_json:
        context.print_json({"done": False, **given.table()})
    else:
        given.tell(context)
        context.say("Nothing was removed: that comes when every file is given back.")
    return NEEDS_ATTENTION


def _account(context: Context) -> str:
    """Remove the account of the machine's gateway; say what is left to be done, "" if nothing."""
    if context.scope is not Scope.SYSTEM or sys.platform == "win32":
        return ""
    from headrace.system.service.managers import account  # noqa: PLC0415 - start-up time
    from headrace.system.service.managers.spec import ACCOUNT  # noqa: PLC0415 - as above

    if not account.remove(ACCOUNT, context.folders):
        return f"the account {ACCOUNT} is left: `sudo userdel {ACCOUNT}`"
    return ""


def _package(context: Context, installed: InstalledPackage) -> int:
    """Have whoever installed it remove it; return the exit code."""
    words = list(installed.remove)
    if not words or (program := shutil.which(words[0], path=context.env.get("PATH"))) is None:
        return FAILED
    output = sys.stderr if context.as_json else None
    done = subprocess.run([program, *words[1:], *installed.yes], check=False, stdout=output)  # noqa: S603 - the installer
    return done.returncode


def _tell_package(context: Context, installed: InstalledPackage, code: int | None) -> None:
    if code == 0:
        context.say("The package is removed, too.")
        return
    if not installed.remove:
        context.say(f"What is left is the folder {installed.folder}")
        return
    command = printable(as_typed(installed.remove))
    if code is not None:
        context.say(f"The package could not be removed: that ended with {code}.")
    context.say(f"What is left is the package: `{command}` removes it")
    if installed.wakes:
        context.say("Say that now: while it is there its plugin starts the gateway again")
