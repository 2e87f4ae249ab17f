"""What headrace has left on a machine beside its own package, and how that goes: its three folders,
as far as what lies there is known to be its own. What else is there stays, and is told.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from headrace.cli.context import Context
from headrace.config import home_folder
from headrace.interface.hookspecs import Scope
from headrace.values import dataclass

__all__ = ["Traces", "lines_of_the_users", "look", "runs_at_work"]

#: What each folder may hold of ours; folders among them with all that is in them.
_CONFIG = ("config.toml", "config.toml.draft", "journal", "containers", "keeper")
_STATE = (
    *("gateway.json", "gateway.log", "gateway-task.xml", "origins.json", "network.json"),
    *("bridges.json", "token", "secret", "off", "shared-port", "journal", "traffic.json"),
    *("downloads*.jsonl", "statistics.*", "limits.*"),
    *("run", "kept-runs", "interceptions", "keeper", "containers"),
)
_CACHE = ("pages", "copies", "accelerators", "variant-indexes", "containers", "store")
_ANYWHERE = ("*.lock", ".*.new")
_STORE = "store"
#: Files of shells in which people put lines themselves, and where they put completions.
_SHELLS = (
    *(".bashrc", ".bash_profile", ".profile", ".zshrc", ".zprofile", ".zshenv"),
    ".config/fish/config.fish",
)
_COMPLETIONS = (
    ".local/share/bash-completion/completions/headrace",
    ".config/fish/completions/headrace.fish",
    ".zfunc/_headrace",
)


@dataclass(slots=True)
class Traces:
    """What there is, by what becomes of it."""

    folders: tuple[Path, ...]
    """Of headrace alone, the inner ones first; they go when they are empty."""
    ours: list[Path] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    """In these folders, and nobody knows what it is."""
    store: Path | None = None
    """The stored files, where there are any."""

    def remove(self, *, keep_store: bool) -> list[Path]:
        """Remove what is ours; returns what is left of the folders' content."""
        for path in self.ours:
            if path != self.store or not keep_store:
                _remove(path)
        for folder in self.folders:
            _remove_empty(folder)
        left: list[Path] = []
        for folder in self.folders:
            with suppress(OSError):
                left += [each for each in folder.iterdir() if each not in self.folders]
        return sorted(set(left))


def look(context: Context) -> Traces:
    """Look into the folders of the scope."""
    places = context.folders
    known = {places.config: _CONFIG, places.state: _STATE, places.cache: _CACHE}
    # HEADRACE_HOME has all three below it.
    shared = {each.parent for each in known} if _has_one_home(context) else set()
    found = Traces((*known, *shared))
    for folder, names in known.items():
        for path in _inside(folder):
            mine = any(fnmatch.fnmatchcase(path.name, each) for each in (*names, *_ANYWHERE))
            (found.ours if mine else found.foreign).append(path)
            if mine and folder == places.cache and path.name == _STORE:
                found.store = path
    for folder in shared:
        found.foreign += [each for each in _inside(folder) if each not in known]
    return found


def runs_at_work(context: Context) -> bool:
    """Whether a command of ``headrace run`` needs these folders now."""
    from headrace.system.service import process  # noqa: PLC0415 - start-up time

    locks = (context.folders.state / "run").glob("*/gateway.lock")
    return any(process.is_held(lock) for lock in locks)


def lines_of_the_users() -> Iterator[str]:
    """Name what people have put down themselves for headrace: nobody but they take it away."""
    home = home_folder()
    for name in _SHELLS:
        with suppress(OSError):
            lines = (home / name).read_text("utf-8", "replace").splitlines()
            numbers = [at for at, line in enumerate(lines, 1) if "headrace" in line]
            yield from (f"line {number} of {home / name}" for number in numbers)
    yield from (str(home / name) for name in _COMPLETIONS if (home / name).exists())


def _has_one_home(context: Context) -> bool:
    return context.folders.config.parent == context.folders.state.parent and (
        context.scope is Scope.USER or context.folders.config.parent != Path("/etc")
    )


def _inside(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all in it; what links lead to stays."""
    try:
        folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if folder:
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_empty(folder: Path) -> None:
    """Remove a folder that is empty, and those above it that were made for it: below the home, for
    this user alone, and empty now.
    """
    try:
        folder.rmdir()
    except OSError:
        return
    home = home_folder()
    for above in folder.parents:
        if not above.is_relative_to(home) or above == home or not _is_like_ours(above):
            return
        try:
            above.rmdir()
        except OSError:
            return


def _is_like_ours(folder: Path) -> bool:
    if sys.platform == "win32":
        return False
    found = folder.lstat()
    return stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid == os.geteuid()
