"""``man headrace``."""

from __future__ import annotations

import os
from unittest import mock

from argparse_manpage.manpage import Manpage

from headrace import __version__
from headrace.cli.command_line import parsers
from headrace.cli.help.examples import of_command
from headrace.cli.help.parsers import EXIT_CODES, CommandParser
from headrace.config import EnvVars
from lib.reference.docstrings import below_names

__all__ = ["man_page"]

_FILES = (
    ("~/.config/headrace/config.toml", "settings; none are needed"),
    ("~/.local/state/headrace/", "what `headrace off` undoes, and what was measured"),
    ("~/.cache/headrace/", "the store; it may be deleted at any time"),
)


def man_page() -> str:
    """Return the page in the language of `man`."""
    with mock.patch.dict(os.environ, COLUMNS="80"):
        parser, _ = parsers()
        parser.usage = "headrace COMMAND ..."
        for command, _ in parser.commands():
            _take_out_what_every_command_has(command)
        page = Manpage(
            parser,
            {
                "date": " ",  # a page that tells the day of its making is never the same
                "version": __version__,
                "project_name": "headrace",
                "manual_title": "headrace",
                "description": "plain installs, from the fastest sources at hand",
            },
        )
        page.add_section("examples", ">", _examples(parser))
        page.add_section("exit status", ">", _listed(EXIT_CODES))
        variables = [
            (name, told.replace("`", ""))
            for name, told in below_names(EnvVars).items()
            if told and (name.startswith("HEADRACE_") or name == "NO_COLOR")
        ]
        page.add_section("environment", ">", _listed(variables))
        page.add_section("files", ">", _listed(_FILES))
        return f"{page}\n"


def _take_out_what_every_command_has(command: CommandParser) -> None:
    command._action_groups.remove(command._everywhere)


def _examples(parser: CommandParser) -> str:
    every = [parser, *(each for each, _ in parser.commands())]
    return _listed(list(dict(one for each in every for one in of_command(each.prog)).items()))


def _listed(rows: object) -> str:
    assert isinstance(rows, list | tuple)
    return "\n".join(f".TP\n\\fB{_roff(name)}\\fR\n{_roff(what)}" for name, what in rows)


def _roff(text: str) -> str:
    """Keep characters that mean something to roff."""
    kept = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    return f"\\&{kept}" if kept.startswith((".", "'")) else kept
