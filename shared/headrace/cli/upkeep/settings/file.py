"""The user's settings file, changed by a command: one at a time, whole or not at all, and only from
settings that are understood to settings that are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from headrace.cli.context import Context
from headrace.config import EnvVars, Settings
from headrace.errors import ConflictError, LocalError
from headrace.foreign import read_toml
from headrace.interface.hookspecs import Scope
from headrace.setting_rules import all_in_one
from headrace.system.edits import file_step
from headrace.system.state_files import StateFiles

__all__ = ["Edit", "change", "location"]

#: Makes the file's new bytes of the old ones; ConfigurationError where it cannot.
Edit = Callable[[bytes, Path], bytes]


def location(context: Context) -> Path:
    """Return where the settings file is, or would be."""
    return context.understood.source or context.folders.config / "config.toml"


def change(context: Context, edit: Edit, *, mending: bool = False) -> Path | None:
    """Edit the settings file and return its path; None: it says that already.

    SettingsError where it is not understood, after it or before (unless that is what is mended);
    ConflictError where somebody else changed it meanwhile; LocalError where it cannot be written.
    Then nothing is changed.
    """
    path = location(context)
    locks = StateFiles(context.folders.state, shared=context.scope is Scope.SYSTEM)
    with locks.alone("settings"):
        before = file_step.read_file(path)
        if not mending:
            _check(before or b"", path)
        after = edit(before or b"", path)
        if after == (before or b""):
            return None
        _check(after, path)
        if file_step.read_file(path) != before:
            raise ConflictError(
                "settings-changed",
                f"{path} was changed by somebody else at the same time",
                hint="run this again; nothing was changed",
            )
        _write(path, before, after, context)
    return path


def _check(content: bytes, path: Path) -> None:
    _, mistakes = Settings.understood(read_toml(content, path), path)
    if mistakes:
        raise all_in_one(mistakes)


def _write(path: Path, before: bytes | None, after: bytes, context: Context) -> None:
    real = file_step.target(path)
    # What is the machine's is read by the account that its gateway runs under.
    mode = file_step.mode_of(real) or (0o644 if context.scope is Scope.SYSTEM else 0o600)
    try:
        file_step.perform(file_step.FileStep(str(real), before, after, mode, mode))
    except OSError as error:
        root = "that is the machine's: run it with sudo; "
        machines = context.scope is Scope.SYSTEM and os.name != "nt" and os.geteuid() != 0
        raise LocalError(
            "settings-unwritable",
            f"{path} cannot be written: {error.strerror or error}",
            hint=f"{root if machines else ''}check its folder, or name another file by "
            f"{EnvVars.HEADRACE_CONFIG}; nothing was changed",
        ) from error
