"""The command line of an engine: its own options, the subcommand, and what stands behind. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath

from headrace.interface import dataclass

__all__ = ["CommandLine", "option", "read"]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One command of an engine's."""

    program: str
    own: tuple[str, ...]
    """The program as it was called, and its options before the subcommand."""
    subcommand: tuple[str, ...]
    rest: tuple[str, ...]

    def said(self, *added: str) -> tuple[str, ...]:
        """Return the command with words put right behind the subcommand."""
        return (*self.own, *self.subcommand, *added, *self.rest)


def read(
    words: Sequence[str],
    programs: Collection[str],
    values: Collection[str],
    subcommands: Iterable[tuple[str, ...]],
) -> CommandLine | None:
    """Read a command; None: it is none of the `subcommands`. `values` are the program's options
    with a value as a word of its own.
    """
    program = PurePath(words[0]).name.removesuffix(".exe")
    if program not in programs:
        return None
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in values else 1
    for each in sorted(subcommands, key=len, reverse=True):
        end = at + len(each)
        if tuple(words[at:end]) == each:
            return CommandLine(program, tuple(words[:at]), each, tuple(words[end:]))
    return None


def option(words: Sequence[str], *names: str) -> str | None:
    """Return the value of an option, the last one's; None: it is not there."""
    found = None
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else next(iter(words[number + 1 : number + 2]), "")
    return found
