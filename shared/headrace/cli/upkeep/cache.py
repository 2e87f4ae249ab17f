"""``headrace cache``: what the store holds, for whom; checked, made smaller, or kept on purpose."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from headrace.cli.context import (
    NEEDS_ATTENTION,
    OK,
    Context,
    Strictness,
    add_dry_run,
    add_json,
    add_scope,
)
from headrace.cli.language.spoken import translated
from headrace.cli.summary import bytes_text
from headrace.cli.upkeep.account import act_as_owner
from headrace.cli.upkeep.kept import KeptFile, chosen, kept_files, open_store, size_below
from headrace.cli.upkeep.shown import columns
from headrace.cli.upkeep.shown.sizes import size_of
from headrace.cli.upkeep.shown.times import ago
from headrace.errors import LocalError
from headrace.wording import counted

__all__ = ["add", "run"]

#: Files that are listed unless all are asked for.
_FEW = 20
#: Seconds between two lines of progress.
_OFTEN = 0.5

_ACTIONS = {
    "info": "how much is here, and how much it may be",
    "list": "the files, last used first",
    "verify": "hash every file again, and drop what is wrong",
    "prune": "remove what was not used for longest until no more than --to is left",
    "pin": "keep files whatever has to go",
    "unpin": "let go of them again",
    "clear": "remove every file that is not pinned",
}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "cache",
        help="what is stored; verify, prune, pin, clear",
        description="Without a word: how much the store holds. All of it is safe beside a gateway "
        "that runs, and what is removed comes again when it is wanted.",
    )
    add_scope(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == "list":
            action.add_argument("--all", action="store_true", help=f"more than the first {_FEW}")
            action.add_argument("--by", choices=["use", "size"], default="use", help="the order")
        if name == "prune":
            action.add_argument("--to", required=True, metavar="SIZE", help="as 5GB, 500MB, 0")
        if name in ("pin", "unpin"):
            what = "a name, a pattern, or the beginning of a digest"
            action.add_argument("files", nargs="+", metavar="FILE", help=what)
        if name in ("prune", "clear"):
            add_dry_run(action)
        add_scope(action, within=True)
        add_json(action, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what is asked."""
    context.strictness = Strictness.NONE
    act_as_owner(context)
    match args.action:
        case "list":
            return _list(args, context)
        case "verify":
            return _verify(context)
        case "prune":
            return _prune(context, size_of(args.to, "--to"), dry_run=args.dry_run)
        case "clear":
            return _prune(context, 0, dry_run=args.dry_run)
        case "pin" | "unpin":
            return _pin(args.files, context, on=args.action == "pin")
    return _info(context)


def _say(context: Context, text: str) -> None:
    context.say(text)


# ------------------------------------------------------------------ looking


def _info(context: Context) -> int:
    store = open_store(context)
    files = kept_files(context, store)
    held = sum(each.size for each in files)
    pinned = [each for each in files if each.pinned]
    shared = [each for each in files if len(each.tools) > 1]
    beside = {name: size_below(context.folders.cache / name) for name in ("pages", "copies")}
    there = next(each for each in (store.root, *store.root.parents) if each.exists())
    table = {
        "folder": str(store.root),
        "files": len(files),
        "bytes": held,
        "limit": store.limit,
        "under_way": max(0, store.usage() - held),
        "pinned": {"files": len(pinned), "bytes": sum(each.size for each in pinned)},
        "shared": {"files": len(shared), "bytes": sum(each.size for each in shared)},
        "documents": beside,
        "disk_free": shutil.disk_usage(there).free,
    }
    if context.as_json:
        context.print_json(table)
        return OK
    share = f" ({held / store.limit:.0%})" if store.limit else ""
    _say(context, f"store    {store.root}")
    _say(context, f"files    {bytes_text(held)} in {counted(len(files), 'file')}")
    _say(context, f"limit    {bytes_text(store.limit)}{share}; free on that disk: "
         f"{bytes_text(int(str(table['disk_free'])))}")  # fmt: skip
    if table["under_way"]:
        _say(context, f"coming   {bytes_text(int(str(table['under_way'])))} of files on their way")
    if pinned:
        _say(context, f"pinned   {bytes_text(sum(e.size for e in pinned))} in "
             f"{counted(len(pinned), 'file')}")  # fmt: skip
    if shared:
        text = f"{counted(len(shared), 'file')} came once and went to several tools"
        _say(context, f"shared   {text}: {bytes_text(sum(e.size for e in shared))}")
    _say(context, f"beside   {bytes_text(sum(beside.values()))} of index pages and repodata")
    _say(
        context,
        "`headrace cache list` shows them; `headrace cache prune --to 5GB` frees room.",
    )
    return OK


def _list(args: argparse.Namespace, context: Context) -> int:
    files = kept_files(context, open_store(context))
    if args.by == "size":
        files.sort(key=lambda each: -each.size)
    if context.as_json:
        context.print_json({"files": [each.table() for each in files]})
        return OK
    now = time.time()
    shown = files if args.all else files[:_FEW]
    for line in columns.laid_out([_row(each, now) for each in shown], context.width):
        context.write(line)
    if left := len(files) - len(shown):
        _say(context, f"{left} more: --all shows them")
    if not files:
        _say(context, "The store holds no file.")
    return OK


def _row(each: KeptFile, now: float) -> tuple[str, ...]:
    name = each.name or f"{each.digest.algorithm}:{each.digest.value[:16]}…"
    tools = ", ".join(sorted(each.tools))
    pinned = " (pinned)" if each.pinned else ""
    return bytes_text(each.size), f"{ago(now - each.used)} ago", tools, f"{name}{pinned}"


# ------------------------------------------------------------------ changing


def _verify(context: Context) -> int:
    store = open_store(context)
    files = kept_files(context, store)
    wrong: list[KeptFile] = []
    done, told = 0, time.monotonic()
    live = not context.as_json and sys.stderr.isatty()
    for number, each in enumerate(files, 1):
        here = store.path(each.digest).exists()
        if here and not store.verify(each.digest):
            wrong.append(each)
        done += each.size
        if live and time.monotonic() - told > _OFTEN:
            told = time.monotonic()
            line = translated(f"{number} of {len(files)}, {bytes_text(done)}")
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
    if live:
        sys.stderr.write("\r\x1b[K")
    store.close()
    if context.as_json:
        gone = [each.table() for each in wrong]
        context.print_json({"files": len(files), "bytes": done, "dropped": gone})
        return NEEDS_ATTENTION if wrong else OK
    what = f"{counted(len(files), 'file')}, {bytes_text(done)}"
    for each in wrong:
        _say(context, f"dropped: {each.name or each.digest} had other bytes than its digest")
    if wrong:
        _say(context, f"{what}: {counted(len(wrong), 'file')} wrong, and dropped. Each comes again "
             "when it is wanted; a disk that changes files should be looked at.")  # fmt: skip
        return NEEDS_ATTENTION
    _say(context, f"{what}: each has the bytes of its digest.")
    return OK


def _prune(context: Context, size: int, *, dry_run: bool) -> int:
    store = open_store(context, limit=size)
    before = {each.digest: each for each in kept_files(context, store)}
    if dry_run:
        going = _would_go(list(before.values()), store.usage() - size)
    else:
        store.evict(batch=False)
        left = {each.digest for each in kept_files(context, store)}
        going = [each for digest, each in before.items() if digest not in left]
    held, freed = store.usage(), sum(each.size for each in going)
    store.close()
    pinned = [each for each in before.values() if each.pinned and each not in going]
    if context.as_json:
        context.print_json(
            {
                "dry_run": dry_run,
                "removed": [each.table() for each in going],
                "freed": freed,
                "bytes": held,
                "pinned": len(pinned),
            }
        )
        return OK
    would = "would be " if dry_run else ""
    _say(context, f"{bytes_text(freed)} in {counted(len(going), 'file')} {would}removed; "
         f"{bytes_text(max(0, held - (freed if dry_run else 0)))} left.")  # fmt: skip
    if pinned and held > size:
        _say(context, f"{counted(len(pinned), 'file')} stay pinned: `headrace cache unpin`.")
    return OK


def _would_go(files: Sequence[KeptFile], excess: int) -> list[KeptFile]:
    going: list[KeptFile] = []
    for each in reversed(files):
        if excess <= 0:
            break
        if not each.pinned:
            going.append(each)
            excess -= each.size
    return going


def _pin(words: Sequence[str], context: Context, *, on: bool) -> int:
    store = open_store(context)
    files = chosen(words, kept_files(context, store))
    try:
        for each in files:
            if on:
                store.pins.add(each.digest, each.name)
            else:
                store.pins.remove(each.digest)
            each.pinned = on
    except OSError as error:
        raise LocalError(
            "store-unwritable",
            f"{store.root} cannot be written: {error.strerror or error}",
            hint="check whose folder it is; the machine's needs sudo",
        ) from error
    if context.as_json:
        context.print_json({"pinned": on, "files": [each.table() for each in files]})
        return OK
    for each in files:
        how = "stays whatever has to go" if on else "goes when its turn comes"
        _say(context, f"{each.name or each.digest} {how}.")
    return OK
