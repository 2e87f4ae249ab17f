"""A holder of a test's own, with a real worker under it; and who is left when a test is over."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from headrace.system.service import process
from lib.waiting import HANG, until

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "tests/unit/system/service/worker.py"
#: Where the redirects of every holder here lead.
ORIGIN = "http://origin.example/simple/"


class Running:
    """A holder as a subprocess."""

    def __init__(self, folder: Path, mode: str, *extra: str, script: Path | None = None) -> None:
        """`script` is another holder than that of now."""
        self.folder = folder
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        self.port: int = listener.getsockname()[1]
        held = process.SupervisorOptions(
            worker=(sys.executable, str(WORKER), mode, *extra),
            redirects=(f"/simple/={ORIGIN}",),
            lock=folder / "lock",
            log=folder / "log",
            script=script,
            grace=10,
        )
        env = {"PYTHONPATH": str(ROOT / "shared"), "PATH": os.defpath}
        self.process: subprocess.Popen[bytes] = process.start(held, [listener], env)

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def told(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def get(self, path: str, timeout: float = HANG) -> tuple[int, str, bytes]:
        """Status, Location and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Location", ""), answer.read()
        finally:
            connection.close()

    def worker(self) -> int:
        return int(self.get("/pid")[2])

    def close(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG)


def living(mark: str) -> list[str]:
    """Processes with `mark` in command line or environment, and zombies of this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            words = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            zombie = words[0] == "Z" and int(words[1]) == os.getpid()
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if zombie or (mark.encode() in told and entry.name != str(os.getpid())):
                found.append(f"{entry.name} {words[0]} {told[:200]!r}")
    return found


def none_left(mark: str) -> None:
    """Wait until no process with `mark` lives."""
    until(lambda: not living(mark), lambda: living(mark))


Hold = Callable[..., Running]
