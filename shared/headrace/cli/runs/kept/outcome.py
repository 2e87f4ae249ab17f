"""The file of a kept outcome: what it is found by, what it is held against, and who may have
written it.

An outcome counts for the very same words, folder, environment, user, Python and version, within an
hour, and while each path that was looked at is what it was: the same file, of the same size and
times, or still none. Whatever is otherwise, or cannot be told, ends in the long way, which looks
at everything. Nothing heavy is imported: this is read before anything else is.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time

from headrace import __version__
from headrace.ownership.changes import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FOLDER",
    "LASTS",
    "PREFIX",
    "fingerprint",
    "forget",
    "key_of",
    "kind",
    "load",
    "read_own",
    "stands",
]

#: Below the state folder.
FOLDER = "kept-runs"
#: What a command's own folder is called; `cli.runs.started` clears up what was left behind.
PREFIX = "headrace-run-"
#: Seconds that an outcome counts for: what no path tells (which daemons run) is looked at again.
LASTS = 3600
#: Changed with the meaning of what is written.
_FORM = 1
#: Which terminal it is decides nothing.
_OF_TERMINALS = frozenset(
    (
        *("_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "TERM", "WINDOWID"),
        *("GPG_TTY", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "STY", "TMUX", "TMUX_PANE"),
        *("TERM_SESSION_ID", "XDG_SESSION_ID"),
    )
)
_MOST_BYTES = 4 << 20


def key_of(words: list[str], env: dict[str, str]) -> str:
    """Return what an outcome is found by; OSError where the folder at hand is gone."""
    told = [
        _FORM,
        __version__,
        sys.executable,
        sys.path,
        os.getcwd(),
        os.geteuid(),
        sorted(os.getgroups()),
        words,
        sorted(item for item in env.items() if item[0] not in _OF_TERMINALS),
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def kind(path: str) -> int:
    """Return what is there: the type of a file, or 0."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return 0


def read_own(path: str) -> bytes | None:
    """Return a file of this user's that nobody else can write, or put another of this user's in
    its place; None for any other.
    """
    try:
        folder = os.stat(os.path.dirname(path))
        if folder.st_uid != os.geteuid() or folder.st_mode & 0o022:
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not mine or status.st_mode & 0o022 or status.st_size > _MOST_BYTES:
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read()
    finally:
        os.close(descriptor)


def load(folder: str, key: str) -> dict[str, object] | None:
    """Return a kept outcome that still stands; None: there is none."""
    told = read_own(os.path.join(folder, f"{key}.json"))
    try:
        outcome = json.loads(told or b"null")
        return outcome if isinstance(outcome, dict) and stands(outcome) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def forget(state: Path) -> None:
    """Remove all that is kept below a state folder: it holds what leads to a gateway."""
    for path in (state / FOLDER).glob("*"):
        path.unlink(missing_ok=True)


def stands(outcome: dict[str, object]) -> bool:
    """Whether nothing has changed of what was looked at for an outcome."""
    made, looked, there = outcome["made"], outcome["looked"], outcome["there"]
    if not (isinstance(made, float) and isinstance(looked, dict) and isinstance(there, dict)):
        return False
    if not 0 <= time.time() - made < LASTS:
        return False
    return all(fingerprint(path) == seen for path, seen in looked.items()) and all(
        kind(path) == seen for path, seen in there.items()
    )
