"""What every command is handed: the environment, folders, settings, plugins, a console.

Nothing is loaded before a command asks for it: ``headrace status`` must stay quick.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.config import EnvVars, Folders, Settings, home_folder
from headrace.interface.hookspecs import Place, Scope

if TYPE_CHECKING:
    from rich.console import Console

    from headrace.interface.manager import Plugins
    from headrace.system.edits.journal import Journal
    from headrace.system.state import State

__all__ = [
    "FAILED",
    "NEEDS_ATTENTION",
    "OK",
    "USAGE",
    "Context",
    "add_dry_run",
    "add_json",
    "add_scope",
]

OK = 0
FAILED = 1
USAGE = 2
NEEDS_ATTENTION = 3


class Context:
    """One run of the command line."""

    def __init__(
        self, env: Mapping[str, str], scope: Scope | None = None, *, as_json: bool = False
    ) -> None:
        """`scope` None: the machine's under sudo, else the user's."""
        self.env = env
        self.scope = scope or _default_scope(env)
        self.as_json = as_json

    @cached_property
    def folders(self) -> Folders:
        """The folders of the scope; HEADRACE_HOME moves either."""
        if self.scope is Scope.SYSTEM and not self.env.get(EnvVars.HEADRACE_HOME):
            return Folders.of_system()
        return Folders.of_user(self.env)

    @cached_property
    def settings(self) -> Settings:
        """The user's settings; ConfigurationError when they cannot be understood."""
        return Settings.load(self.folders, self.env)

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

    @cached_property
    def console(self) -> Console:
        """For people, on standard output; rich itself obeys NO_COLOR."""
        from rich.console import Console  # noqa: PLC0415 - start-up time

        return Console(highlight=False, soft_wrap=True)

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
        sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--dry-run``."""
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, and change nothing"
    )


def _default_scope(env: Mapping[str, str]) -> Scope:
    if os.name != "nt" and os.geteuid() == 0 and env.get("SUDO_UID"):
        return Scope.SYSTEM
    return Scope.USER


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--json``."""
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def add_scope(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--scope``."""
    parser.add_argument(
        "--scope",
        type=Scope,
        choices=list(Scope),
        metavar="{user,system}",
        help="whose configuration and gateway (default: system under sudo, else user)",
    )
