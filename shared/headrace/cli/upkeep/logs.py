"""``headrace logs``: what came lately, file by file, and what went wrong; and as it happens."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.cli.context import OK, Context, Strictness, add_json, add_scope
from headrace.cli.upkeep.account import act_as_owner
from headrace.cli.upkeep.recorded import recorded
from headrace.cli.upkeep.shown.telling import moment, of_entry
from headrace.cli.upkeep.shown.times import seconds_of
from headrace.errors import UnfitError
from headrace.system import download_record
from headrace.wording import listed, meant, shown

__all__ = ["add", "run"]

#: Entries that are told unless a time is named.
_LATELY = 30
#: Seconds between two looks for what is new.
_LOOK = 0.5


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "logs",
        help="what came lately, for which tool, and from where",
        description="Tell the files that came lately, from which sources, and what went wrong. The "
        "record is bounded, and is there after a restart too.",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on as it happens")
    parser.add_argument("--tool", metavar="NAME", help="of one tool, as it calls itself")
    parser.add_argument("--since", metavar="SPAN", help="of the last 30min, 2h, 1d")
    parser.add_argument("--problems", action="store_true", help="only where something failed")
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Tell what is recorded, then what comes."""
    context.strictness = Strictness.NONE
    act_as_owner(context)
    path = context.folders.state / download_record.NAME
    since = time.time() - seconds_of(args.since, "--since") if args.since else None
    place = (0, 0)
    if args.follow:
        # Where the file ends now; what was written since is told as new.
        _, place = download_record.new_lines(path, place)
    every = recorded(context)
    chosen = [each for each in every if _is_asked_for(each, args, since)]
    _check_tool(args.tool, every, chosen, follow=args.follow)
    shown_ones = chosen if since is not None else chosen[-_LATELY:]
    if context.as_json and not args.follow:
        context.print_json({"entries": shown_ones})
        return OK
    _tell(shown_ones, context)
    if not shown_ones and not args.follow:
        context.say("Nothing is recorded that fits.")
    while args.follow:
        sys.stdout.flush()
        time.sleep(_LOOK)
        new, place = download_record.new_lines(path, place)
        _tell([each for each in new if _is_asked_for(each, args, None)], context)
    return OK


def _is_asked_for(entry: Mapping[str, Any], args: argparse.Namespace, since: float | None) -> bool:
    if since is not None and entry["at"] < since:
        return False
    if args.tool and entry.get("tool") != args.tool.lower():
        return False
    return not args.problems or entry["kind"] == "incident" or bool(entry.get("failed"))


def _check_tool(
    tool: str | None,
    every: Iterable[Mapping[str, Any]],
    chosen: Iterable[Mapping[str, Any]],
    *,
    follow: bool,
) -> None:
    """Say which tools there are, where nothing of the named one is recorded; UnfitError."""
    if not tool or follow or list(chosen):
        return
    tools = sorted({str(each["tool"]) for each in every if each.get("tool")})
    if tool.lower() in tools:
        return
    raise UnfitError(
        "no-such-tool",
        f"nothing is recorded of {shown(tool)}{meant(tool, tools)}",
        hint=f"recorded are {listed(tools)}" if tools else "nothing came through headrace yet",
    )


def _tell(entries: Iterable[Mapping[str, Any]], context: Context) -> None:
    now = time.time()
    for each in entries:
        if context.as_json:
            # One line each: whoever follows reads them as they come.
            context.has_told = True
            sys.stdout.write(f"{json.dumps(each)}\n")
            continue
        bad = each["kind"] == "incident" or each.get("failed")
        context.say(
            f"{moment(each['at'], now)} {of_entry(each)}", "yellow" if bad else "", indent="  "
        )
