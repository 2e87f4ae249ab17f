"""Tell running programs that a file of theirs changed, and ask them whether they took it.

A process is told only if it has the name that was described and shares our view of the file
system: a daemon in a container reads other files under the same names.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from headrace.errors import LocalError
from headrace.foreign import read_json
from headrace.interface.hookspecs import Reload, ReloadCheck
from headrace.values import dataclass

__all__ = ["Patience", "processes", "shows", "tell", "wait_until"]

#: Seconds for a program to take its configuration anew.
LIMIT = 8.0
#: Seconds for one answer.
ANSWER_LIMIT = 3.0
#: No program's description of itself is longer (bytes).
MOST = 4 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a program is waited for, and by which clock."""

    limit: float = LIMIT
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def processes(reload: Reload, proc: Path = Path("/proc")) -> list[int]:
    """Return the processes that must be told; none where it does not run."""
    if reload.pid_file is not None:
        try:
            named = [int(Path(reload.pid_file).read_text("ascii").strip())]
        except (OSError, ValueError):
            return []
        return [pid for pid in named if _is_called(proc / str(pid), reload.program)]
    return [
        int(folder.name)
        for folder in _folders(proc)
        if _is_called(folder, reload.program) and _sees_our_files(folder, proc)
    ]


def tell(reload: Reload) -> bool:
    """Send the signal; False where nobody runs. LocalError where we may not."""
    found = processes(reload)
    for pid in found:
        try:
            os.kill(pid, signal.Signals[f"SIG{reload.signal}"])
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise LocalError(
                "may-not-tell",
                f"{reload.program} (process {pid}) may not be told by you to read its "
                "configuration again",
                hint=f"restart {reload.program}, or run it as whoever owns it",
            ) from error
    return bool(found)


def wait_until(answer: ReloadCheck, *, present: bool, patience: Patience | None = None) -> bool:
    """Wait until the program shows the value, or no longer shows it."""
    patience = patience or Patience()
    deadline = patience.clock() + patience.limit
    while shows(answer) is not present:
        if patience.clock() > deadline:
            return False
        patience.sleep(0.1)
    return True


def shows(answer: ReloadCheck) -> bool | None:
    """Whether the program shows the value now; None: it does not answer."""
    connection = _Connection(answer.socket)
    try:
        connection.request("GET", answer.path, headers={"Host": "localhost"})
        response = connection.getresponse()
        body = response.read(MOST)
        if response.status != 200:
            return None
        value: Any = read_json(body)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    for key in answer.keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return answer.value.rstrip("/") in {str(each).rstrip("/") for each in values}


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_LIMIT)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_LIMIT)
        self.sock.connect(self._path)


def _folders(proc: Path) -> Iterator[Path]:
    try:
        yield from (folder for folder in proc.iterdir() if folder.name.isdigit())
    except OSError:  # a system without it
        return


def _is_called(folder: Path, program: str) -> bool:
    try:
        return (folder / "comm").read_text("utf-8", "replace").strip() == program[:15]
    except OSError:
        return False


def _sees_our_files(folder: Path, proc: Path) -> bool:
    try:
        return (folder / "ns" / "mnt").readlink() == (proc / "self" / "ns" / "mnt").readlink()
    except OSError:
        return False
