"""Which way a tool's commands are led below ``headrace run``: as data, for all who must know it.

Most tools cannot be pointed at a gateway without writing its name into a lock file. They are led
through a forward proxy, for one command. What a command starts in its turn would have the proxy
too, and may live for days; so a tool says which of its commands start its user's own program.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from pathlib import PurePath

from headrace.interface.activations import Place, Reader
from headrace.values import dataclass

__all__ = ["LedBy", "LedCommand", "LedTool", "Logins", "by_proxy", "has_login", "which_way"]

#: With one of these among its words a command only tells something of itself.
_TELLS = frozenset(("--help", "-h", "--version", "-V"))
#: Options of one letter, several in one word; values of variables that leave something off.
_SHORT = re.compile(r"-[A-Za-z]{1,5}")
_NOT_SET = ("", "0", "false", "no", "off")


class LedBy(enum.StrEnum):
    """How a command is led."""

    PROXY = "proxy"
    """Through the gateway as a forward proxy, by variables of the environment."""
    SETTINGS = "settings"
    """By the tool's own settings, which its `Activation` describes."""
    ALONE = "alone"
    """Not at all: it is, or starts, its user's own program."""
    OFFLINE = "offline"
    """Not at all: it fetches nothing."""


#: Gives the words of a command that fetches what another one needs, and starts nothing; None:
#: nothing is fetched, or nobody can tell. The words begin with what the tool is called by, and so
#: must those that are given. Pure; the reader is for files that the words name.
Before = Callable[[Sequence[str], Place, Reader], Sequence[str] | None]

#: Names the hosts at which the user has a login, by the files and variables of a tool: ``host``,
#: ``*.host`` (that and all below it), ``*`` (any). Pure, as above. What a keyring has is not asked
#: for, because that may ask its user: such a login is seen when the tool shows it.
Logins = Callable[[Place, Reader], Iterable[str]]


@dataclass(frozen=True, slots=True)
class LedTool:
    """One tool, and the way of each of its commands.

    Example: ``LedTool("crate", ("crate", "cratex"), {"": LedBy.PROXY, "run": LedBy.ALONE})``.
    """

    name: str
    programs: tuple[str, ...]
    """What its programs are called, without ``.exe`` and without a version behind."""
    ways: Mapping[str, LedBy]
    """By subcommand, ``"tool run"``; the longest that fits counts, and ``""`` is all others."""
    modules: tuple[str, ...] = ()
    """What they are called as modules of Python."""
    values: Collection[str] = ()
    """Options before the subcommand with a value behind them, as a word of its own."""
    tells: Collection[str] = ()
    """Options that stand in a subcommand's place, and with which it fetches nothing."""
    before: Before | None = None
    """For its commands that are `LedBy.ALONE`: what is led first."""
    logins: Logins | None = None
    """Hosts that are its user's own business: nothing is led there."""
    authorities: tuple[str, ...] = ()
    """Variables that name its file of certificate authorities, beside the usual ones."""
    silent: Collection[str] = ()
    """With one of these it shows no progress of its own at a terminal, so that ``headrace run``
    does: options (``--quiet``, ``-q``, ``--bar=off``; of one subcommand ``tool fetch -q``),
    variables of the environment that are set (``CRATE_QUIET``, ``CRATE_BAR=off``); ``""``: it never
    shows any."""
    runs_modules: bool = False
    """It is an interpreter: ``-m`` before a script names a module, which may be a tool's."""


@dataclass(frozen=True, slots=True)
class LedCommand:
    """How one command is led."""

    way: LedBy
    tool: LedTool | None = None
    """None: no tool is known for it."""
    before: tuple[str, ...] = ()
    """The words of the command that is led first; empty: none."""
    authorities: tuple[str, ...] = field(default=())
    silent: bool = False
    """It shows no progress at a terminal; of what nobody knows that is not known."""


def which_way(
    words: Sequence[str], tools: Sequence[LedTool], place: Place, read: Reader
) -> LedCommand:
    """Say how a command is led. What nobody knows is led through the proxy: a script, a build."""
    found = _tool_of(words, tools)
    every = tuple(name for tool in tools for name in tool.authorities)
    if found is None:
        return LedCommand(LedBy.PROXY, authorities=every)
    tool, start = found
    said = _subcommand(words[start:], tool)
    fitting = [name for name in tool.ways if _begins(said, name.split())]
    way = tool.ways[max(fitting, key=len)] if fitting else LedBy.PROXY
    tells = {*_TELLS, *(() if said else tool.tells)}
    if way is LedBy.PROXY and not tells.isdisjoint(words[start:]):
        way = LedBy.OFFLINE
    own = words[start - 1 :]
    before = tool.before(own, place, read) if way is LedBy.ALONE and tool.before else None
    first = (*words[: start - 1], *before) if before else ()
    silent = _is_silent(words[start:], said, tool.silent, place.environment)
    return LedCommand(way, tool, first, every, silent)


def has_login(host: str, logins: Iterable[str]) -> bool:
    """Whether a host, in lower case, is among what `Logins` name."""
    return any(
        pattern in ("*", host, f"*.{host}")
        or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        for pattern in map(str.lower, logins)
    )


def by_proxy(tools: Iterable[LedTool]) -> list[str]:
    """Name every program that has commands which nothing but the proxy leads, each once."""
    led = [tool for tool in tools if LedBy.PROXY in tool.ways.values() or tool.before is not None]
    return list(dict.fromkeys(name for tool in led for name in tool.programs))


def _tool_of(words: Sequence[str], tools: Sequence[LedTool]) -> tuple[LedTool, int] | None:
    """Return whose command it is, and where its own words begin."""
    stem = PurePath(words[0]).name.removesuffix(".exe")
    # Versions are called by theirs: ``python3.11``.
    names = {stem, stem.rstrip("0123456789.")}
    named = next((tool for tool in tools if names & {*tool.programs}), None)
    # What nobody knows may start an interpreter; a tool's own ``-m`` is no business of ours.
    if (named is None or named.runs_modules) and (at := _module_at(words, named)) is not None:
        for tool in tools:
            if words[at] in tool.modules:
                return tool, at + 1
    return None if named is None else (named, 1)


def _module_at(words: Sequence[str], interpreter: LedTool | None) -> int | None:
    """Return where a module is named; behind an interpreter's script ``-m`` is the script's."""
    at = 1
    while at < len(words) - 1:
        word = words[at]
        if word == "-m":
            return at + 1
        if interpreter is not None and (not word.startswith("-") or word == "-c"):
            return None
        at += 2 if interpreter is not None and word in interpreter.values else 1
    return None


def _subcommand(words: Sequence[str], tool: LedTool) -> list[str]:
    """Return the words that are no options."""
    said: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            skip = word in tool.values
        else:
            said.append(word)
    return said


def _is_silent(
    words: Sequence[str], said: Sequence[str], silent: Iterable[str], env: Mapping[str, str]
) -> bool:
    own = words[: words.index("--")] if "--" in words else words
    given = {"", *own}
    # ``--bar off`` is ``--bar=off``, and ``-yq`` is ``-y -q``.
    given |= {f"{one}={other}" for one, other in pairwise(own) if one.startswith("--")}
    given |= {f"-{letter}" for word in own if _SHORT.fullmatch(word) for letter in word[1:]}
    given |= {f"{name}={value}" for name, value in env.items()}
    given |= {name for name, value in env.items() if value.lower() not in _NOT_SET}
    parted = (each.rpartition(" ") for each in silent)
    return any(word in given and _begins(said, command.split()) for command, _, word in parted)


def _begins(said: Sequence[str], name: Sequence[str]) -> bool:
    return list(said[: len(name)]) == list(name)
