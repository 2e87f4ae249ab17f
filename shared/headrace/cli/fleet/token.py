"""``headrace fleet token NAME``: draw a token, of which the file of grants gets the hash alone."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT

from headrace.cli.context import OK, Context, add_json
from headrace.cli.language.spoken import translated
from headrace.errors import LocalError, UnfitError, UsageError
from headrace.foreign import read_toml
from headrace.policy.serving import grants

__all__ = ["add", "run"]

#: Before the random part: what it is can be told from its form, by people and by those who look for
#: tokens in what is published.
_PREFIX = "hrt_"
_BYTES = 32


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "token",
        help="draw a token for a client of `headrace serve`",
        description="Draw a token, show it once, and write its hash and what it opens into the "
        "file that `serve.tokens` names.",
    )
    parser.add_argument("name", metavar="NAME", help="who it is for; logs tell this name")
    parser.add_argument(
        "--file", type=Path, metavar="TOML", help="the file (default: serve.tokens)"
    )
    parser.add_argument(
        "--ecosystem", action="append", default=[], help="only for this one (may be repeated)"
    )
    parser.add_argument(
        "--private",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="also for this private origin (may be repeated)",
    )
    parser.add_argument(
        "--page", action="append", default=[], choices=("metrics", "status"), help="also this page"
    )
    add_json(parser, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Draw it."""
    from headrace.system import atomic  # noqa: PLC0415 - start-up time

    serve = context.understood.serve
    path = args.file or (Path(serve.tokens) if serve is not None and serve.tokens else None)
    if path is None:
        raise UsageError(
            "no-tokens-file",
            "no file of tokens is named",
            hint="--file TOKENS.toml, or `tokens` below [serve] in config.toml",
        )
    text = _content(path)
    document = tomlkit.parse(text)
    known = read_toml(text.encode(), path)
    taken = [each.get("name") for each in known.get("token", []) if isinstance(each, dict)]
    if args.name in taken:
        raise UnfitError(
            "token-taken",
            f"{path} has a token of {args.name} already",
            hint="take that entry out first, or choose another name",
        )
    token = f"{_PREFIX}{secrets.token_urlsafe(_BYTES)}"
    entry = tomlkit.table()
    entry["name"] = args.name
    entry["sha256"] = grants.fingerprint(token)
    for key, value in (
        ("ecosystems", args.ecosystem),
        ("private", args.private),
        ("pages", args.page),
    ):
        if value:
            entry[key] = value
    every = document.setdefault("token", tomlkit.aot())
    if not isinstance(every, AoT):
        raise LocalError(
            "bad-tokens",
            f"{path}: token must be tables: [[token]]",
            hint="mend the file",
            fault_of="a configuration file",
        )
    every.append(entry)
    written = tomlkit.dumps(document)
    _, mistakes = grants.read(read_toml(written.encode(), path))
    if mistakes:
        raise UsageError("bad-token", f"{path}: {mistakes[0]}", hint="mend what it names")
    atomic.replace(path, written.encode(), mode=0o600)
    if context.as_json:
        context.print_json({"name": args.name, "token": token, "file": str(path)})
    else:
        context.write(token)
        context.write(translated(f"its hash is in {path}; the token itself is written nowhere"))
    return OK


def _content(path: Path) -> str:
    from headrace.ownership import files  # noqa: PLC0415 - start-up time

    try:
        return files.read(path).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(
            "bad-tokens", f"{path} cannot be read: {error}", hint="mend or remove the file"
        ) from error
