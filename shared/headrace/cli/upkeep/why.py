"""``headrace why FILE``: what just happened to one download: who gave what, and why others not."""

from __future__ import annotations

import argparse
import time
from typing import Any

from headrace.cli.context import OK, Context, Strictness, add_json, add_scope
from headrace.cli.upkeep.account import act_as_owner
from headrace.cli.upkeep.recorded import recorded
from headrace.cli.upkeep.shown.telling import is_about, story
from headrace.errors import UnfitError
from headrace.wording import counted, meant, shown

__all__ = ["add", "run"]


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "why",
        help="what just happened to one download, and why",
        description="Tell where a file that came lately came from: which sources gave how much, "
        "which failed and how, and why others gave nothing. `headrace explain` tells where it "
        "would come from next.",
    )
    parser.add_argument("what", metavar="FILE-OR-URL", help="a file, a project, a URL, a digest")
    parser.add_argument("--all", action="store_true", help="every time that it came, not the last")
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Look into the record."""
    context.strictness = Strictness.NONE
    act_as_owner(context)
    every = recorded(context)
    found = [each for each in every if is_about(each, args.what)]
    if not found:
        names = list(dict.fromkeys(str(e["name"]) for e in reversed(every) if e.get("name")))
        raise UnfitError(
            "not-recorded",
            f"nothing is recorded of {shown(args.what)}{meant(args.what, names[:1000])}",
            hint="`headrace logs` shows what came lately; what went past headrace is not in it "
            "(`headrace status`)",
        )
    # The transfer tells more than that the store had it afterwards.
    came = [each for each in found if each["kind"] == "came"] or found
    told = found if args.all else came[-1:]
    if context.as_json:
        context.print_json({"what": args.what, "downloads": told})
        return OK
    now = time.time()
    for number, each in enumerate(told):
        if number:
            context.say("")
        for line in story(each, now):
            context.say(line, indent=" " * 11)
    if left := len(found) - len(told):
        context.say(f"{counted(left, 'other time')}: --all tells them")
    return OK
