"""Which program is at the other end of a connection, and what it was started with.

Linux alone tells (proc(5)): the kernel's tables name the inode of the client's socket, and one of
the user's own processes has that inode among its descriptors. A client waits while it is answered,
so what is read belongs to the program that asks; whether it still has the socket is looked at again
in the end. Only a program of this process's own user is looked at, and only one that sees the files
that this process sees: its paths would mean something else in a container.

What is read is for the answer to that one client. It is bounded, shown in no text of ours (`repr`
leaves it out), and kept by nobody.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from itertools import islice
from pathlib import Path

from headrace.foreign import whole_number
from headrace.ownership.files import opened
from headrace.ownership.sockets import entry_of_connection, read_tables
from headrace.values import dataclass

__all__ = ["Program", "program_at"]

_PROC = Path("/proc")
#: Processes that are looked at, newest first, and descriptors in all: what waits here is young.
_PROCESSES = 4096
_DESCRIPTORS = 65_536
#: Bytes of a command line and arguments in it, and bytes of an environment.
_LONGEST_LINE = 256 << 10
_MOST_ARGUMENTS = 10_000
_LARGEST_ENVIRONMENT = 1 << 20
#: What is read for one program: bytes of a file and of all, files and folders, names in a folder.
_LARGEST_FILE = 8 << 20
_LARGEST = 16 << 20
_FILES = 512
_NAMES = 20_000


@dataclass(slots=True)
class Program:
    """A program that waits for an answer."""

    arguments: tuple[str, ...] = field(repr=False)
    """As the system has them, with the program's own name first."""
    working_directory: Path
    executable: Path
    """What `arguments` calls the program, where that is the one that runs; else the latter. Of a
    virtual environment's interpreter this is the link in it."""
    runs: Path
    """The file that runs, links followed."""
    environment: bytes = field(default=b"", repr=False)
    """As it was when the program began, each variable with a zero before it; read by `variable`."""
    files: int = field(default=0, repr=False)
    size: int = field(default=0, repr=False)
    """Files and folders that were read, and their bytes."""

    def variable(self, name: str) -> str | None:
        """Return one variable of its environment; None: it has none of this name."""
        _, found, rest = self.environment.partition(b"\0" + os.fsencode(name) + b"=")
        return os.fsdecode(rest.partition(b"\0")[0]) if found else None

    def read(self, path: Path) -> bytes | None:
        """Return the content of a file as it finds it, below its working directory.

        None: there is none, it is no file (a pipe could be read once, and that is the program's),
        or it is more than is read for one answer.
        """
        try:
            with opened(self.working_directory / path) as file:
                if os.fstat(file.fileno()).st_size > _LARGEST_FILE or not self._may(0):
                    return None
                # What the kernel makes while it is read has no size of its own.
                content = file.read(_LARGEST_FILE) or b""
                return content if self._may(len(content)) else None
        except (OSError, ValueError):
            return None

    def names(self, folder: Path) -> tuple[str, ...]:
        """Return what is in a folder; () where there is none or it cannot be read."""
        if not self._may(0):
            return ()
        try:
            with os.scandir(self.working_directory / folder) as entries:
                return tuple(entry.name for entry in islice(entries, _NAMES))
        except (OSError, ValueError):
            return ()

    def _may(self, size: int) -> bool:
        self.files += 1
        self.size += size
        return self.files <= _FILES and self.size <= _LARGEST


def program_at(
    client: tuple[str, int],
    server: tuple[str, int],
    *,
    tables: Callable[[], Iterable[str]] = read_tables,
) -> Program | None:
    """Return the program that has the client's end of a connection; None: it cannot be told.

    `client` and `server` are the two ends as the server has them. It takes some milliseconds.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        entry = entry_of_connection(tables(), client, server)
        if entry is None or entry.uid != os.geteuid():
            return None
        socket = f"socket:[{entry.inode}]"
        process = next((each for each in _processes() if _has(each, socket)), None)
        if process is None or not _sees_what_we_see(process):
            return None
        found = _read(process)
        # It has waited all the while, so nobody else has got its number.
        return found if _has(process, socket) else None
    except (OSError, ValueError):
        return None


def _processes() -> Iterator[Path]:
    """Give this user's processes, newest first, but for this one."""
    numbers = (whole_number(name) for name in os.listdir(_PROC))  # noqa: PTH208 - names alone
    ordered = sorted((each for each in numbers if each is not None), reverse=True)
    left = _DESCRIPTORS
    for number in islice((each for each in ordered if each != os.getpid()), _PROCESSES):
        process = _PROC / str(number)
        try:
            if process.stat().st_uid != os.geteuid():
                continue
            left -= len(os.listdir(process / "fd"))  # noqa: PTH208 - names alone
        except OSError:
            continue
        if left < 0:
            return
        yield process


def _has(process: Path, socket: str) -> bool:
    try:
        descriptors = os.listdir(process / "fd")  # noqa: PTH208 - names alone
    except OSError:
        return False
    # A server's own sockets are those that it has had for longest.
    return any(_leads_to(f"{process}/fd/{each}") == socket for each in reversed(descriptors))


def _leads_to(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - no path, but "socket:[7]"
    except OSError:
        return ""


def _sees_what_we_see(process: Path) -> bool:
    """Whether it has this process's root folder and mounts."""
    mounts = [_leads_to(f"{each}/ns/mnt") for each in (process, _PROC / "self")]
    roots = [(each / "root").stat() for each in (process, _PROC / "self")]
    return bool(mounts[0]) and mounts[0] == mounts[1] and os.path.samestat(*roots)


def _read(process: Path) -> Program | None:
    line = _content(process / "cmdline", _LONGEST_LINE)
    environment = _content(process / "environ", _LARGEST_ENVIRONMENT)
    if not line or environment is None:
        return None
    arguments = line.removesuffix(b"\0").split(b"\0", _MOST_ARGUMENTS)
    if len(arguments) > _MOST_ARGUMENTS:
        return None
    found = Program(
        tuple(map(os.fsdecode, arguments)),
        (process / "cwd").readlink(),
        Path(),
        (process / "exe").readlink(),
        b"\0" + environment,
    )
    found.executable = _called(found)
    return found


def _content(path: Path, most: int) -> bytes | None:
    """Return what the kernel tells, which has no size; None where it is more than `most` bytes."""
    with path.open("rb", buffering=0) as file:
        parts: list[bytes] = []
        left = most + 1
        while left > 0 and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts) if left > 0 else None


def _called(program: Program) -> Path:
    """Return what the first argument calls the program, found as the system finds a command."""
    name = program.arguments[0]
    folders = [""] if "/" in name else (program.variable("PATH") or "").split(":")
    for folder in folders:
        path = program.working_directory / folder / name
        try:
            runs = path.stat()
            if stat.S_ISREG(runs.st_mode) and os.path.samestat(runs, program.runs.stat()):
                return path
        except (OSError, ValueError):
            continue
    return program.runs
