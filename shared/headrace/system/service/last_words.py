"""What a gateway that does not come up has said: the reason, from its log."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from headrace.interface.hookspecs import Scope

__all__ = ["last_words", "of_file", "of_journal", "of_unit", "tail"]

#: Bytes at the end of a log, and characters of a reason.
_TAIL, _MOST = 16 << 10, 300
#: Seconds for journalctl to answer.
_PATIENCE = 5.0
_SERVICE = "headrace.service"
_HOLDER, _WORKER = "headrace holder:", "headrace: "


def last_words(text: str) -> str:
    """Return the worker's own words, else the end of a traceback; empty: it said nothing."""
    told = [line for line in text.strip().splitlines() if not line.startswith(_HOLDER)]
    own = [line.removeprefix(_WORKER) for line in told if line.startswith(_WORKER)]
    return (own or told or [""])[-1].strip()[:_MOST]


def of_file(log: Path | None) -> str:
    """Return what a log file ends with."""
    if log is None:
        return ""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            return last_words(file.read().decode("utf-8", "replace"))
    except OSError:
        return ""


def tail(log: Path, most: int) -> list[str]:
    """Return the lines at the end of a log, of so many bytes; none where there is no such file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - most))
            return file.read(most).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def of_unit(scope: Scope) -> list[str]:
    """Return what systemd's journal has last of the gateway; none where there is no journal."""
    user = [] if scope is Scope.SYSTEM else ["--user"]
    return _journal([*user, "--unit", _SERVICE], 80)


def of_journal(words: Sequence[str]) -> str:
    """Return what systemd's journal has last; `words` say of whom."""
    # systemd's own lines, "Started …", are no reason.
    lines = [line for line in _journal(words, 40) if line.startswith(_WORKER)]
    return last_words("\n".join(lines))


def _journal(words: Sequence[str], most: int) -> list[str]:
    program = shutil.which("journalctl")
    if program is None:
        return []
    argv = [program, *words, "--output=cat", "--no-pager", f"--lines={most}"]
    try:
        done = subprocess.run(  # noqa: S603 - journalctl
            argv, capture_output=True, text=True, timeout=_PATIENCE, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()
