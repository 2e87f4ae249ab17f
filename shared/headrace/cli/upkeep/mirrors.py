"""``headrace mirrors``: which there are, which are used and why, and the user's word on them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace import setting_rules
from headrace.cli.context import FAILED, OK, Context, Strictness, add_json, add_scope
from headrace.cli.known_words import Words
from headrace.cli.summary import bytes_text
from headrace.cli.upkeep import asking
from headrace.cli.upkeep.listing import ListedMirror, listed_mirrors
from headrace.cli.upkeep.settings import file as settings_file
from headrace.cli.upkeep.settings import text as settings_text
from headrace.cli.upkeep.shown import columns
from headrace.errors import HeadraceError, LocalError, UnfitError, UsageError
from headrace.models import Fault
from headrace.policy import evidence
from headrace.policy.source_conditions import DOES
from headrace.redact import for_display
from headrace.wording import counted, listed, meant, noun, shown

__all__ = ["add", "run"]

_ORIGIN = "origin"
_LISTS = "`headrace mirrors --all` lists the ids"


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "mirrors",
        help="which mirrors are used and why; test, enable, disable, add your own",
        description="Without a word: list the mirrors that are known, whether each is used, and "
        "why. What is changed goes into your settings file, and holds for a gateway that runs.",
    )
    _add_common(parser, within=False)
    parser.add_argument("--all", action="store_true", help="also those that are not used")
    parser.add_argument("--ecosystem", metavar="NAME", help="of one ecosystem alone")
    parser.set_defaults(action="list", all=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    _add_common(_listing(actions))
    for name, text in (
        ("test", "read a part of a real file from it, and say how fast it was"),
        ("enable", "use one that is not used by default, or that was disabled"),
        ("disable", "use it no more"),
        ("remove", "take one of your own out of the settings"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("id", metavar="ID", help="as `headrace mirrors` lists it")
        if name == "test":
            action.add_argument("--file", metavar="WHAT", help="read this file, or project's")
        _add_common(action)
    adding = actions.add_parser(
        "add",
        help="put one of your own into the settings",
        description="Ask a mirror how it keeps its files, and put it into the settings.",
    )
    adding.add_argument("url", metavar="URL", help="its address: the folder above its files")
    adding.add_argument("--id", metavar="WORD", help="how to call it (default: its host)")
    adding.add_argument("--ecosystem", metavar="NAME", default=argparse.SUPPRESS)
    adding.add_argument("--layout", metavar="WORD", help="how it keeps its files")
    adding.add_argument("--file", metavar="WHAT", help="a file, or a project, that it has")
    adding.add_argument("--unasked", action="store_true", help="do not ask it (needs --layout)")
    _add_common(adding)


def _listing(actions: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    listing = actions.add_parser("list", help="the same as without a word")
    listing.add_argument("--all", action="store_true", default=argparse.SUPPRESS)
    listing.add_argument("--ecosystem", metavar="NAME", default=argparse.SUPPRESS)
    made: argparse.ArgumentParser = listing
    return made


def _add_common(parser: argparse.ArgumentParser, *, within: bool = True) -> None:
    add_scope(parser, within=within)
    add_json(parser, within=within)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what is asked."""
    if args.action in (None, "list", "test"):
        context.strictness = Strictness.NONE
    ecosystem = getattr(args, "ecosystem", None)
    known = _ecosystems(context)
    if ecosystem is not None and ecosystem not in known:
        raise UsageError(
            "no-ecosystem",
            f"there is no ecosystem {shown(ecosystem)}{meant(ecosystem, known)}",
            hint=f"there are {listed(known)}",
        )
    match args.action:
        case "test":
            return _test(args, context)
        case "enable" | "disable":
            return _switch(args, context)
        case "add":
            return _add(args, context, [ecosystem] if ecosystem else known)
        case "remove":
            return _remove(args, context)
    return _list(args, context, [ecosystem] if ecosystem else known)


# ------------------------------------------------------------------ list


def _ecosystems(context: Context) -> list[str]:
    own = {mirror.ecosystem for mirror in context.understood.mirrors}
    return sorted({*Words(context.plugins).ecosystems, *own})


def _all(context: Context, told: Mapping[str, Any] | None = None) -> Iterator[ListedMirror]:
    today = evidence.day(time.time())
    for ecosystem in _ecosystems(context):
        shipped = context.plugins.mirrors(ecosystem)
        yield from listed_mirrors(ecosystem, shipped, context.understood, today, told)


def _list(args: argparse.Namespace, context: Context, ecosystems: Sequence[str]) -> int:
    try:
        ask = asking.running(context)
        told = ask("/status", 2.0) if ask else None
    except HeadraceError:
        told = None  # `status` and `doctor` say what is wrong with the port
    every = [each for each in _all(context, told) if each.mirror.ecosystem in ecosystems]
    if context.as_json:
        context.print_json(
            {
                "settings": str(settings_file.location(context)),
                "gateway": told is not None,
                "mirrors": [each.table() for each in every],
            }
        )
        return OK
    for ecosystem in ecosystems:
        mine = [each for each in every if each.mirror.ecosystem == ecosystem]
        _print(context, ecosystem, mine, everything=args.all)
    if told is None:
        _say(context, "No gateway runs: how each of them does is not known now.")
    _say(
        context, "`headrace mirrors test ID` asks one now; `headrace mirrors --help` says the rest."
    )
    return OK


def _print(
    context: Context, ecosystem: str, mine: Sequence[ListedMirror], *, everything: bool
) -> None:
    used = sum(each.used for each in mine)
    _say(context, f"{ecosystem}: {used} of {counted(len(mine), 'mirror')} used, and the origin")
    mattering = [each for each in mine if everything or each.used or each.why == "you disabled it"]
    rows = [_row(each) for each in mattering]
    for line in columns.laid_out(rows, context.width):
        context.write(line)
    if hidden := len(mine) - len(mattering):
        _say(context, f"  {hidden} more {noun(hidden, 'is', 'are')} not used: --all says why")


def _row(each: ListedMirror) -> tuple[str, str, str]:
    mark = "used" if each.used else "-"
    rate = f"{bytes_text(each.rate)}/s" if each.rate else ""
    said = [each.why]
    if each.state and each.state != "not asked yet":
        said.append(each.state)
    if each.paused_for >= 1:
        said.append(f"left alone for {each.paused_for:.0f} s more")
    said += each.lacking()
    return f"  {mark:<4}  {each.mirror.id}", rate, "; ".join(said)


def _say(context: Context, text: str) -> None:
    context.say(text, indent="  ")


# ------------------------------------------------------------------ one of them


def _known(context: Context, mirror: str) -> list[ListedMirror]:
    """Return what has an id, an entry for each ecosystem; UnfitError where nothing has."""
    if mirror == _ORIGIN:
        raise UnfitError(
            "origin-is-no-mirror",
            "the origin is no mirror: it is always asked in the end",
            hint=_LISTS,
        )
    every = list(_all(context))
    found = [each for each in every if each.mirror.id == mirror]
    if not found:
        ids = [each.mirror.id for each in every]
        raise UnfitError(
            "unknown-mirror",
            f"no mirror is called {shown(mirror)}{meant(mirror, ids)}",
            hint=_LISTS,
        )
    return found


def _switch(args: argparse.Namespace, context: Context) -> int:
    on = args.action == "enable"
    found = _known(context, args.id)
    by_request = any(each.mirror.opt_in for each in found)

    def edit(content: bytes, path: Path) -> bytes:
        word, put, take = args.id, settings_text.with_word, settings_text.without_word
        if not on:
            return put(take(content, "enabled_mirrors", word, path), "disabled_mirrors", word, path)
        less = take(content, "disabled_mirrors", word, path)
        used = all(each.used for each in found)
        needs = by_request or not (used or args.id in context.understood.disabled_mirrors)
        own = all(each.mirror.own for each in found)
        return less if own or not needs else put(less, "enabled_mirrors", word, path)

    path = settings_file.change(context, edit)
    how = "used" if on else "used no more"
    extra = {} if context.understood.catalogue or not on else {"catalogue": False}
    told = f"{args.id} is already {how}" if path is None else f"{args.id} is {how}"
    return _changed(context, path, told, {"id": args.id, **extra})


def _remove(args: argparse.Namespace, context: Context) -> int:
    if not any(each.mirror.own for each in _known(context, args.id)):
        raise UnfitError(
            "not-your-own",
            f"{args.id} is of the catalogue, and not in your settings",
            hint=f"`headrace mirrors disable {args.id}` uses it no more",
        )

    def edit(content: bytes, path: Path) -> bytes:
        less = settings_text.without_mirror(content, args.id, path)
        return settings_text.without_word(less, "disabled_mirrors", args.id, path)

    path = settings_file.change(context, edit)
    return _changed(context, path, f"{args.id} is not in your settings any more", {"id": args.id})


def _changed(context: Context, path: Path | None, text: str, table: Mapping[str, Any]) -> int:
    """Say what was done, and whom it holds for."""
    try:
        runs = asking.running(context) is not None
    except HeadraceError:
        runs = False
    if context.as_json:
        changed = {"changed": path is not None, "settings": str(path) if path else None}
        context.print_json({**table, **changed, "gateway": runs})
        return OK
    where = f" ({path})" if path else ""
    _say(context, f"{text}{where}.")
    if path is not None:
        now = "The gateway that runs takes it at once." if runs else "No gateway runs just now."
        _say(context, f"{now} `headrace mirrors` shows all.")
    return OK


# ------------------------------------------------------------------ test


def _test(args: argparse.Namespace, context: Context) -> int:
    found = _known(context, args.id)
    results: list[dict[str, Any]] = []
    with ExitStack() as clearing_up:
        ask = asking.gateway_asked(context, clearing_up)
        for each in found:
            query = {"ecosystem": each.mirror.ecosystem, "source": args.id}
            query |= {"what": args.file} if args.file else {}
            try:
                results.append(asking.measurements(ask, query))
            except HeadraceError as error:
                results.append({"ecosystem": each.mirror.ecosystem, "error": error.table()})
    good = any((each.get("measured") or {}).get("rate") for each in results)
    if context.as_json:
        context.print_json({"id": args.id, "results": results})
        return OK if good else FAILED
    for result in results:
        _say(context, _result(args.id, result))
        if hint := (result.get("error") or {}).get("hint"):
            _say(context, f"  {hint}")
    return OK if good else FAILED


def _result(mirror: str, told: Mapping[str, Any]) -> str:
    where = told.get("ecosystem")
    if error := told.get("error"):
        return f"{mirror} was not measured for {where}: {error['message']}"
    measured = told["measured"]
    if measured["rate"]:
        rtt = f", {measured['rtt'] * 1000:.0f} ms to the first byte" if measured["rtt"] else ""
        what = f"{bytes_text(measured['bytes'])} of {told['name']}"
        return f"{mirror} gives {bytes_text(measured['rate'])}/s{rtt} ({what}, {where})"
    does = DOES.get(Fault(measured["fault"]), "fails") if measured["fault"] else "gave nothing"
    return f"{mirror} {does}: {measured['message']} ({where})"


# ------------------------------------------------------------------ add


def _add(args: argparse.Namespace, context: Context, ecosystems: Sequence[str]) -> int:
    url = args.url.rstrip("/")
    if not setting_rules.is_plain(url):
        raise UsageError(
            "bad-address",
            f"{shown(args.url)} is no http or https address without user, token and query",
            hint="a mirror that wants a login has `login = true` in the settings, and its login "
            "where the tools have theirs",
        )
    every = list(_all(context))
    same = next((each for each in every if each.mirror.url.rstrip("/") == url), None)
    if same is not None and same.mirror.ecosystem in ecosystems:
        raise UnfitError(
            "known-already",
            f"that is {same.mirror.id}, which is known already",
            hint=f"`headrace mirrors enable {same.mirror.id}` uses it",
        )
    if args.unasked and not args.layout:
        raise UsageError("no-layout", "--unasked needs --layout", hint=_layouts(context))
    _check_layout(args.layout, context, ecosystems)
    found = _asked(args, context, url, ecosystems)
    ids = {each.mirror.id for each in every}
    mirror = _id(args.id, url, found["ecosystem"], ids)
    fields: dict[str, str | bool] = {"id": mirror, "ecosystem": found["ecosystem"]}
    fields |= {"url": url, "layout": found["layout"]}
    path = settings_file.change(context, partial(_with_mirror, fields=fields))
    text = f"{mirror} is in your settings: {found['ecosystem']}, layout {found['layout']}"
    return _changed(context, path, text, {**fields, "tried": found["tried"]})


def _with_mirror(content: bytes, path: Path, fields: Mapping[str, str | bool]) -> bytes:
    return settings_text.with_mirror(content, fields, path)


def _id(asked: str | None, url: str, ecosystem: str, taken: set[str]) -> str:
    """Return the id that is asked for, or one after the host; UnfitError where it is taken."""
    if asked is not None:
        if asked in taken or asked == _ORIGIN:
            raise UnfitError(
                "id-taken", f"{shown(asked)} is another mirror's id", hint="choose another --id"
            )
        return asked
    host = urlsplit(url).hostname or "mirror"
    names = [host, f"{host}-{ecosystem}", *(f"{host}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in taken)


def _layouts(context: Context) -> str:
    words = Words(context.plugins)
    each = {name: words.layouts(name) or () for name in words.ecosystems}
    return "; ".join(f"{name}: {listed(layouts)}" for name, layouts in each.items() if layouts)


def _check_layout(layout: str | None, context: Context, ecosystems: Sequence[str]) -> None:
    if layout is None:
        return
    words = Words(context.plugins)
    known = sorted({each for name in ecosystems for each in words.layouts(name) or ()})
    if layout not in known:
        raise UsageError(
            "no-layout",
            f"no mirror is laid out as {shown(layout)}{meant(layout, known)}",
            hint=_layouts(context),
        )


def _asked(
    args: argparse.Namespace, context: Context, url: str, ecosystems: Sequence[str]
) -> dict[str, Any]:
    """Find out whose files a mirror has, and how it keeps them; LocalError where nothing fits."""
    words = Words(context.plugins)
    able = [
        name for name in ecosystems if not args.layout or args.layout in (words.layouts(name) or ())
    ]
    if args.unasked:
        return {"ecosystem": able[0], "layout": args.layout, "tried": []}
    said: list[str] = []
    tried: list[dict[str, Any]] = []
    with ExitStack() as clearing_up:
        ask = asking.gateway_asked(context, clearing_up)
        for name in able:
            query = {"ecosystem": name, "url": url}
            query |= {"layout": args.layout} if args.layout else {}
            query |= {"what": args.file} if args.file else {}
            try:
                told = asking.measurements(ask, query, 90.0)
            except HeadraceError as error:
                said.append(f"{name}: {error.message}")
                continue
            tried += told["layouts"]
            if fits := next((each for each in told["layouts"] if each["fits"]), None):
                return {"ecosystem": name, "layout": fits["layout"], "tried": tried}
            reasons = dict.fromkeys(str(each["message"]) for each in told["layouts"])
            said.append(f"{name}: {told['name']}: {listed(reasons, most=3) or 'it has no place'}")
    raise LocalError(
        "no-layout",
        f"{for_display(url)} has the file in none of the places where a mirror keeps it "
        f"({'; '.join(said)})",
        hint="look at the address; name a file that it has (--file), or say how it keeps its "
        "files (--layout WORD --unasked); nothing was changed",
        fault_of="that address, or this command line",
    )
