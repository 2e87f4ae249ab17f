"""pip, as installed beside this interpreter."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.corpus import Wheel
from benchmarks.stage import Outcome, Stage, checked, scratch

__all__ = ["download", "resolve"]


def download(stage: Stage, contender: str, base: str, wheels: Sequence[Wheel]) -> Outcome:
    """``pip download`` of these wheels and nothing that they need."""
    with scratch() as folder:
        names = [f"{wheel.project}=={wheel.version}" for wheel in wheels]
        words = ["download", "--no-deps", "--dest", ".", *names]
        outcome = _pip(stage, contender, base, words, folder)
        return checked(outcome, folder, wheels)


def resolve(stage: Stage, contender: str, base: str, wheel: Wheel) -> Outcome:
    """``pip install --dry-run``: what would be installed for this package."""
    with scratch() as folder:
        words = ["install", "--dry-run", "--ignore-installed", wheel.project]
        return _pip(stage, contender, base, words, folder)


def _pip(stage: Stage, contender: str, base: str, words: Sequence[str], folder: Path) -> Outcome:
    host = urlsplit(base).hostname or ""
    program = [sys.executable, "-m", "pip", "--quiet", "--isolated", "--no-cache-dir"]
    program += ["--disable-pip-version-check", "--no-input"]
    where = ["--index-url", f"{base}/simple/"]
    # Trusted only where it must be: pip verifies no certificate of a trusted host.
    if base.startswith("https:"):
        where += ["--cert", str(stage.authority)]
    else:
        where += ["--trusted-host", host]
    return stage.run(
        contender, [*program, words[0], *where, *words[1:]], folder, PIP_CONFIG_FILE="/dev/null"
    )
