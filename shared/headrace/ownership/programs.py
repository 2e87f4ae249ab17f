"""What a program that the system brings prints: macOS and Windows tell in no other way."""

from __future__ import annotations

import subprocess

__all__ = ["told_by"]


def told_by(*words: str, within: float) -> str | None:
    """Return what a command prints; None where it is not there, fails, or takes longer than
    `within` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the system's own programs
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
