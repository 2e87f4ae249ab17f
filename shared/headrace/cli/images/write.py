"""``headrace image write NAME DIR``: a folder from which an image to work in is built."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import FAILED, OK, Context, add_dry_run, add_json, add_scope
from headrace.cli.images.asking import add_host, ask, gateway, host_of, labels_of

if TYPE_CHECKING:
    from headrace.cli.images.folder import FileBeside, Owners
    from headrace.interface.images import HeldSecret, ImageFolder, ImageWishes

__all__ = ["add", "run"]

#: Of a root account that nobody became from another: the first one of a person.
_FIRST = 1000


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "write",
        help="a folder from which an image to work in is built, on the one that `find` finds",
        description="Find the newest image that runs here, and write a folder from which one to "
        "work in is built on it: with your user, and with what you ask for. Nothing is pulled or "
        "built.",
    )
    add_host(parser)
    parser.add_argument("directory", metavar="DIR", type=_directory, help="where it is written")
    for name, text in (
        ("jupyter", "JupyterLab on port 8888, with a token that is made at each start"),
        ("ssh", "an SSH server on port 2222, for your public key alone"),
        ("science", "numpy, scipy, pandas, matplotlib, scikit-learn"),
        ("slim", "the smallest image that runs on this generation of GPUs"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument(
        "--user", metavar="USER", default="me", help="the account's name inside (me)"
    )
    parser.add_argument(
        "--logs", choices=("text", "json"), default="text", help="json: an object a line"
    )
    parser.add_argument(
        "--containerfile", action="store_true", help="call the file to build from Containerfile"
    )
    parser.add_argument(
        "--force", action="store_true", help="put it in place of files that are there and differ"
    )
    add_dry_run(parser)
    add_scope(parser, within=True)
    add_json(parser, within=True)


def _directory(text: str) -> Path:
    if not text:
        # A variable of a shell's that is not set; the folder one is in is not meant by it.
        raise argparse.ArgumentTypeError("it is empty; a dot is this folder")
    return Path(text)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask plugins for the files, and write them where nothing else is."""
    from headrace.cli.images.exposed import exposed  # noqa: PLC0415 - as above
    from headrace.cli.images.folder import compare, put  # noqa: PLC0415 - as above
    from headrace.interface.images import ImageQuestion  # noqa: PLC0415 - as above

    labels = labels_of(args)
    find_host = host_of(args, context, labels)
    wishes = _wishes(args, context.env, labels)
    tools = list(context.plugins.image_tools())
    with gateway(context, tools) as there:
        asked = partial(ask, there)
        question = ImageQuestion(args.what, args.flavour, find_host, asked, context.place())
        made = (tool.folder(question, wishes, args.directory) for tool in tools)
        folder = next((each for each in made if each is not None), None)
    compared = compare(args.directory, folder.files) if folder is not None else []
    kept = any(each.state == "differs" for each in compared) and not args.force
    written = bool(compared) and not kept and not args.dry_run
    if written:
        put(compared, _owners(wishes, context.env))
    ours = [each.file for each in compared] if not kept else []
    held = exposed(args.directory, ours, tools) if compared else []
    _tell(args, context, folder, compared, held, written=written, kept=kept)
    return FAILED if not compared or kept else OK


def _wishes(
    args: argparse.Namespace, env: Mapping[str, str], labels: Mapping[str, str]
) -> ImageWishes:
    from headrace.interface.images import ImageWishes  # noqa: PLC0415 - start-up time
    from headrace.variants.described.labels import selecting  # noqa: PLC0415 - as above

    user, group = _caller(env)
    return ImageWishes(
        jupyter=args.jupyter,
        ssh=args.ssh,
        science=args.science,
        slim=args.slim,
        user=args.user,
        logs=args.logs,
        engine_file="Containerfile" if args.containerfile else "Dockerfile",
        user_id=user,
        group_id=group,
        node=tuple(selecting(labels).items()),
    )


def _caller(env: Mapping[str, str]) -> tuple[int, int]:
    """Return the numbers of whoever calls: behind sudo, of the person before it; never root's."""
    if not hasattr(os, "getuid"):
        return _FIRST, _FIRST
    if os.getuid():
        return os.getuid(), os.getgid()
    return _before_sudo(env) or (_FIRST, _FIRST)


def _before_sudo(env: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the numbers of who became root by sudo; None: nobody did."""
    told = [env.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    user, group = (int(text) if text.isdecimal() and len(text) < 11 else 0 for text in told)
    return (user, group or _FIRST) if user else None


def _owners(wishes: ImageWishes, env: Mapping[str, str]) -> Owners:
    from headrace.cli.images.folder import NOBODY_ELSE, Owners  # noqa: PLC0415 - start-up time

    if not hasattr(os, "geteuid") or os.geteuid():
        return NOBODY_ELSE
    return Owners(_before_sudo(env), (wishes.user_id, wishes.group_id))


def _tell(
    args: argparse.Namespace,
    context: Context,
    folder: ImageFolder | None,
    compared: list[FileBeside],
    held: list[HeldSecret],
    *,
    written: bool,
    kept: bool,
) -> None:
    from headrace.system.edits.three_way import diff  # noqa: PLC0415 - start-up time

    shown = [each.edit for each in compared if args.dry_run or (kept and each.state == "differs")]
    if context.as_json:
        context.print_json(
            {
                "what": args.what,
                "directory": str(args.directory),
                "dry_run": args.dry_run,
                "written": written,
                "files": [each.table() for each in compared],
                "diff": diff(shown),
                "secrets": [{"place": each.place, "what": each.what} for each in held],
                "commands": list(folder.commands) if folder is not None else [],
                "tools": {folder.found.tool: folder.found.table} if folder is not None else {},
            }
        )
        return
    if folder is None:
        context.say("Nothing is known by that name.")
        return
    for number, line in enumerate(folder.found.lines):
        context.say(f"{folder.found.tool if number == 0 else '':<8} {line}", indent=" " * 9)
    context.write(diff(shown))
    for each in compared:
        state = "written" if written and each.state != "same" else each.state
        context.say(f"{state:<8} {each.path}", indent=" " * 9)
    for each_held in held:
        text = f"{each_held.place}: {each_held.what}, and every build is sent it"
        context.say(f"{'secret':<8} {text}", indent=" " * 9)
    if kept:
        context.say("Nothing was written: files are there that differ. --force replaces them.")
    elif written:
        for command in folder.commands:
            context.say(f"{'next':<8} {command}", indent=" " * 9)
