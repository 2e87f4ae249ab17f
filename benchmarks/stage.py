"""Where a contender runs, and how its time is taken."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.corpus import Wheel

__all__ = ["Outcome", "Stage", "checked", "digest_of", "scratch"]

_TOLD = 2000
#: Where curl, uv and headrace look for certificate authorities.
_TRUST = ("CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of one contender came to."""

    contender: str
    seconds: float
    code: int
    """The client's exit status; 124 when it was stopped because it took too long."""
    right: bool | None = None
    """Do the bytes have the right SHA-256? None: the client keeps nothing to look at."""
    told: str = ""
    """The end of what the client printed."""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """It ended well with the right bytes."""
        return self.code == 0 and self.right is not False


@dataclass(frozen=True, slots=True)
class Stage:
    """A place to run clients: on this machine, or on the client's host of a lab."""

    command: Callable[[Sequence[str]], list[str]] = list
    authority: Path | None = None
    """The certificate authority to trust for https; None: the stage has no https."""
    patience: float = 180.0
    """Seconds after which a client is stopped."""

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """Give a client's environment: nothing of this machine's settings, a home of its own."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            **{name: str(self.authority) for name in _TRUST if self.authority},
            **more,
        }

    def run(
        self, contender: str, words: Sequence[str], folder: Path, **environment: str
    ) -> Outcome:
        """Run a command in a folder and take its time."""
        start = time.monotonic()
        process = subprocess.Popen(
            self.command(words),
            cwd=folder,
            env=self.environment(folder, **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            told, _ = process.communicate(timeout=self.patience)
            code = process.returncode
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            told, _ = process.communicate()
            code = 124
        seconds = time.monotonic() - start
        return Outcome(contender, seconds, code, None, told[-_TOLD:].decode("utf-8", "replace"))


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def digest_of(file: Path) -> str:
    """Give a file's SHA-256, empty when there is no such file."""
    if not file.is_file():
        return ""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def checked(outcome: Outcome, folder: Path, wheels: Sequence[Wheel]) -> Outcome:
    """Look whether a client's folder holds these wheels with the right bytes."""
    right = all(digest_of(folder / wheel.filename) == wheel.sha256 for wheel in wheels)
    return replace(outcome, right=right)
