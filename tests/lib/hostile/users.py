"""Two real users of one machine, and a program of the one on the port of the other. As root."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from lib.capabilities import lacks
from lib.waiting import until

__all__ = ["ALICE", "MALLORY", "Intruder", "needs_two_users", "reachable", "told"]

#: Numbers that no account has.
ALICE, MALLORY = 60122, 60123

needs_two_users = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason=lacks("root", "it takes two real users")
)

#: Everything is imported before the privileges are gone: root's own interpreter is root's.
_PROGRAM = """
import json, os, socket, sys
uid, port, log = int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "ab", buffering=0)
answer = json.loads(sys.argv[4])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen(64)
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.settimeout(5)
    head = b""
    try:
        while b"\\r\\n\\r\\n" not in head:
            data = connection.recv(65536)
            if not data:
                break
            head += data
        log.write(json.dumps(head.decode("latin-1")).encode() + b"\\n")
        if head:
            connection.sendall(answer.encode("latin-1"))
    except OSError:
        pass
    connection.close()
"""


def reachable() -> bool:
    """Whether any user can start this interpreter; one in root's home is root's alone."""
    places = [Path(sys.executable), Path(sys.executable).resolve(), Path(__file__)]
    above = {folder for place in places for folder in place.parents}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in above)


class Intruder:
    """A program that really is another user's, on a port. It remembers all that it is told."""

    def __init__(self, folder: Path, answer: str, *, uid: int = MALLORY, port: int = 0) -> None:
        """`answer`: what it says to every request, with status line and headers."""
        self.log = folder / f"seen-by-{uid}"
        self.log.touch()
        words = [sys.executable, "-c", _PROGRAM, str(uid), str(port), str(self.log)]
        self._process = subprocess.Popen([*words, json.dumps(answer)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.uid = uid

    @property
    def connections(self) -> list[str]:
        """The head of each request, "" of a connection on which nothing was said."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    @property
    def seen(self) -> list[str]:
        """All that was said."""
        return [head for head in self.connections if head]

    def wait_for(self, count: int) -> None:
        """Wait until so many connections are over."""
        until(lambda: len(self.connections) >= count, lambda: self.connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def told(body: str, status: str = "200 OK", headers: Sequence[str] = ()) -> str:
    """Write an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines) + f"\r\n\r\n{body}"
