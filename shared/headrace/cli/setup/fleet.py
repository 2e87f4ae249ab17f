"""``headrace on --fleet``: the settings of a machine that shares a gateway."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from headrace.cli.context import Context
from headrace.errors import HeadraceError, LocalError, UsageError
from headrace.fleet_settings import FleetSettings
from headrace.setting_rules import is_plain
from headrace.system.fleet_token import fleet_token

__all__ = ["add", "join", "leave"]


def add(parser: argparse.ArgumentParser) -> None:
    """Give `headrace on` what says which shared gateway."""
    parser.add_argument(
        "--fleet",
        metavar="URL",
        help="also take bytes from this shared gateway (`headrace serve`) first",
    )
    parser.add_argument(
        "--fleet-token", type=Path, metavar="FILE", help="a file with the token that it wants"
    )
    parser.add_argument(
        "--fleet-ca", type=Path, metavar="PEM", help="who vouches for it, beside the usual ones"
    )


def join(args: argparse.Namespace, context: Context) -> None:
    """Write down which one, where that was said. UsageError and LocalError where it cannot be."""
    if args.fleet is None:
        if args.fleet_token or args.fleet_ca:
            raise UsageError(
                "no-fleet",
                "--fleet-token and --fleet-ca are for a shared gateway, and none is named",
                hint="say --fleet URL too",
            )
        return
    if not is_plain(args.fleet):
        raise UsageError(
            "bad-fleet",
            "--fleet must be a URL as https://headrace.lab.example, without a token in it",
            hint="the token goes into a file: --fleet-token FILE",
        )
    fields = {"url": args.fleet.rstrip("/")}
    for key, path in (("token_file", args.fleet_token), ("authorities", args.fleet_ca)):
        if path is not None:
            fields[key] = str(_there(path))
    _check_token(fields)
    if args.dry_run:
        return
    _change(context, lambda content, path: _text().with_fleet(content, fields, path))


def leave(context: Context) -> list[str]:
    """Take out what `join` has written; what somebody else wrote stays. Return what went wrong."""
    try:
        _change(context, lambda content, path: _text().without_fleet(content, path))
    except HeadraceError as error:
        return [f"the table [fleet] is still in your settings: {error.message}"]
    return []


def _change(context: Context, edit: Any) -> None:
    from headrace.cli.upkeep.settings import file  # noqa: PLC0415 - start-up time

    if file.change(context, edit, mending=True) is not None:
        context.read_again()


def _text() -> Any:
    from headrace.cli.upkeep.settings import text  # noqa: PLC0415 - start-up time

    return text


def _there(path: Path) -> Path:
    found = path.expanduser().absolute()
    try:
        with found.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise LocalError(
            "unreadable", f"{path} cannot be read: {error.strerror or error}", hint="name another"
        ) from error
    return found


def _check_token(fields: dict[str, str]) -> None:
    settings = FleetSettings(fields["url"], fields.get("token_file", ""))
    if settings.token_file and fleet_token(settings) is None:
        raise LocalError(
            "bad-fleet-token",
            f"{settings.token_file} holds no token that can be used",
            hint="a file that nobody else can write, with the token in its first line",
        )
