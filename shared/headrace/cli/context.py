"""What every command is handed: the environment, folders, settings, plugins, a console.

Nothing is loaded before a command asks for it: ``headrace status`` must stay quick.
"""

from __future__ import annotations

import argparse
import enum
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.cli.upkeep.shown.speaking import Colour, Speaker
from headrace.config import NO_FILE, EnvVars, Folders, Settings, home_folder
from headrace.errors import SettingsError
from headrace.interface.hookspecs import Place, Scope
from headrace.setting_rules import all_in_one
from headrace.wording import listed, meant

if TYPE_CHECKING:
    from headrace.interface.manager import Plugins
    from headrace.system.edits.journal import Journal
    from headrace.system.state import State

__all__ = [
    "FAILED",
    "NEEDS_ATTENTION",
    "OK",
    "USAGE",
    "Colour",
    "Context",
    "Strictness",
    "add_dry_run",
    "add_json",
    "add_scope",
    "one_of",
]

_log = logging.getLogger("headrace.cli")

OK = 0
FAILED = 1
USAGE = 2
NEEDS_ATTENTION = 3


class Strictness(enum.Enum):
    """What of the settings a command must understand before it does anything."""

    WORDS = "every word"
    """Those that set something up: a word that means nothing stops them."""
    SHAPES = "every shape"
    """The gateway itself: a mirror that left the catalogue stops nobody's installs."""
    NONE = "what it can"
    """Those that look, and the one that undoes: they tell mistakes, and go on."""


class Context(Speaker):
    """One run of the command line."""

    def __init__(
        self,
        env: Mapping[str, str],
        scope: Scope | None = None,
        *,
        as_json: bool = False,
        colour: Colour = Colour.AUTO,
    ) -> None:
        """`scope` None: the machine's under sudo, else the user's."""
        super().__init__(env, colour)
        self.scope = scope or _default_scope(env)
        self.as_json = as_json
        self.strictness = Strictness.WORDS
        self._warned: set[str] = set()
        self.has_told = False
        """Whether the one JSON document is written."""

    @cached_property
    def folders(self) -> Folders:
        """The folders of the scope; HEADRACE_HOME moves either."""
        if self.scope is Scope.SYSTEM and not self.env.get(EnvVars.HEADRACE_HOME):
            return Folders.of_system()
        return Folders.of_user(self.env)

    @property
    def settings(self) -> Settings:
        """The user's settings; SettingsError when they cannot be understood, as strictly as this
        command has to take them.
        """
        settings, misread = self._read
        # A file that is gone since a service was set up says nothing that could be misunderstood.
        passed = self.strictness is Strictness.SHAPES
        wrong = [each for each in misread if not (passed and each.reference == NO_FILE)]
        if self.strictness is Strictness.WORDS and not self.plugins.broken:
            wrong += [each for each in self.unknown_words if not self._passes(each)]
        if wrong and self.strictness is not Strictness.NONE:
            raise all_in_one(wrong)
        return settings

    def _passes(self, mistake: SettingsError) -> bool:
        """Whether it is told and stops nobody: what a mirror was that left the catalogue."""
        from headrace.cli.known_words import UNKNOWN_MIRROR  # noqa: PLC0415 - start-up time

        if mistake.reference != UNKNOWN_MIRROR:
            return False
        if mistake.message not in self._warned:
            self._warned.add(mistake.message)
            _log.warning("%s", mistake.message)
        return True

    @cached_property
    def _read(self) -> tuple[Settings, tuple[SettingsError, ...]]:
        return Settings.read(self.folders, self.env)

    def read_again(self) -> None:
        """Read the settings anew when they are asked for next: they were changed."""
        for name in ("_read", "unknown_words"):
            self.__dict__.pop(name, None)

    @cached_property
    def unknown_words(self) -> tuple[SettingsError, ...]:
        """Words in the settings that no plugin knows; one that is broken might know them."""
        from headrace.cli.known_words import unknown_words  # noqa: PLC0415 - start-up time

        try:
            return tuple(unknown_words(self._read[0], self.env, self.plugins))
        except Exception as error:  # noqa: BLE001 - a plugin that cannot say what it knows
            _log.warning("the words of the settings are not checked: %r", error)
            return ()

    @property
    def understood(self) -> Settings:
        """The settings as far as they are understood; never an error."""
        return self._read[0]

    @property
    def mistakes(self) -> tuple[SettingsError, ...]:
        """Every mistake in the settings."""
        return (*self._read[1], *self.unknown_words)

    def settings_table(self) -> dict[str, Any]:
        """Return what ``--json`` says of the settings: their file, and every mistake in it."""
        source = self._read[0].source
        return {
            "file": str(source) if source else None,
            "mistakes": [mistake.table() for mistake in self.mistakes],
        }

    @cached_property
    def plugins(self) -> Plugins:
        """Every plugin, loaded once."""
        from headrace.interface.manager import Plugins  # noqa: PLC0415 - start-up time

        return Plugins()

    @cached_property
    def state(self) -> State:
        """The state of the scope."""
        from headrace.system.state import State  # noqa: PLC0415 - start-up time

        return State(self.folders, self.scope)

    @cached_property
    def journal(self) -> Journal:
        """The journal of the scope; tools take their own settings out of rewritten files."""
        from headrace.system.edits.journal import Journal  # noqa: PLC0415 - start-up time

        return Journal(self.state.journal, withdraw=self._withdraw)

    def _withdraw(
        self, tool: str, path: Path, before: bytes | None, after: bytes, now: bytes
    ) -> bytes | None:
        for activation in self.plugins.activations():
            if activation.tool == tool:
                return activation.withdraw(path, before, after, now)
        from headrace.system import service  # noqa: PLC0415 - start-up time

        return service.withdraw(tool, before, after, now)

    def place(self, command: tuple[str, ...] = ()) -> Place:
        """Return the facts that activations describe their edits for."""
        return Place(
            scope=self.scope,
            home=home_folder(),
            environment=self.env,
            platform=sys.platform,
            working_directory=Path.cwd(),
            command=command,
        )

    def print_json(self, value: Any) -> None:
        """Write the one JSON document of a run with ``--json``."""
        text = json.dumps(value, indent=2, default=str)
        self.has_told = True
        sys.stdout.write(f"{text}\n")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--dry-run``."""
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, and change nothing"
    )


_Word = TypeVar("_Word", bound=enum.StrEnum)


def one_of(kind: type[_Word]) -> Callable[[str], _Word]:
    """Return argparse's reader of one of some words."""

    def read(text: str) -> _Word:
        every = [each.value for each in kind]
        if text in every:
            return kind(text)
        what = f"must be one of {listed(every)}, not {text!r}{meant(text, every)}"
        raise argparse.ArgumentTypeError(what)

    return read


def _default_scope(env: Mapping[str, str]) -> Scope:
    if os.name != "nt" and os.geteuid() == 0 and env.get("SUDO_UID"):
        return Scope.SYSTEM
    return Scope.USER


def add_json(parser: argparse.ArgumentParser, *, within: bool = False) -> None:
    """Give a command ``--json``; `within`: or what a command consists of, which may have it said
    before.
    """
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if within else False,
        help="one JSON document instead of text",
    )


def add_scope(parser: argparse.ArgumentParser, *, within: bool = False) -> None:
    """Give a command ``--scope``; `within` as for `add_json`."""
    parser.add_argument(
        "--scope",
        default=argparse.SUPPRESS if within else None,
        type=one_of(Scope),
        metavar="{user,system}",
        help="whose configuration and gateway (default: system under sudo, else user)",
    )
