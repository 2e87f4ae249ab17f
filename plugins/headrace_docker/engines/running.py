"""Which engines run on this machine, how they were started, and what they say of themselves.

Short questions in bounds: an engine that hangs delays `headrace status` by seconds, not for ever.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import Place, dataclass, read_json_or_none
from headrace.interface.editing import presence

__all__ = ["Daemon", "Machine", "ask", "daemons", "own_address", "printed", "program", "version"]

#: Seconds for one answer.
LIMIT = 3.0
_PROC = Path("/proc")
#: An address for documentation (RFC 5737): the way there is that to anywhere.
_NOWHERE = ("192.0.2.1", 9)
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)(?:\.(\d+))?")
#: Where daemons lie, which a user's PATH may not name.
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that runs."""

    pid: int
    arguments: tuple[str, ...]
    mine: bool
    """It runs as the user who asks."""
    rootless: bool
    """It runs as somebody else than root."""
    here: bool
    """It reaches our loopback: its network is ours (True too where we may not look)."""
    same_files: bool
    """It finds the same files under the same names, as far as we may look."""

    def flags(self, *names: str) -> list[str]:
        """Return the values of a flag: ``--name value`` or ``--name=value``."""
        found = []
        for number, word in enumerate(self.arguments):
            flag, equals, value = word.partition("=")
            if flag not in names:
                continue
            if equals:
                found.append(value)
            elif number + 1 < len(self.arguments):
                found.append(self.arguments[number + 1])
        return found


def daemons(name: str) -> Sequence[Daemon]:
    """Return the daemons of that name; none where the system does not tell."""
    return list(_daemons(name))


def _daemons(name: str) -> Iterator[Daemon]:
    try:
        folders = [folder for folder in _PROC.iterdir() if folder.name.isdigit()]
    except OSError:
        return
    for folder in sorted(folders, key=lambda each: int(each.name)):
        try:
            if (folder / "comm").read_text("utf-8", "replace").strip() != name[:15]:
                continue
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            yield Daemon(
                int(folder.name),
                tuple(words[1:-1]),
                (uid := folder.stat().st_uid) == os.getuid(),
                uid != 0,
                _same(folder, "ns/net"),
                _same(folder, "root/etc"),
            )
        except OSError:  # it ended meanwhile
            continue


def _same(folder: Path, name: str) -> bool:
    try:
        return (folder / name).samefile(_PROC / "self" / name)
    except OSError:
        return True


def program(place: Place, name: str) -> Path | None:
    """Return a program on the user's PATH, or where daemons lie."""
    path = place.environment.get("PATH", "")
    found = presence.which(name, os.pathsep.join([path, *_FOLDERS]))
    return Path(found) if found else None


@functools.lru_cache(maxsize=16)
def version(program: Path) -> tuple[int, ...]:
    """Return the version that a program says it has; () when it does not."""
    try:
        told = subprocess.run(  # noqa: S603 - an engine that is installed here
            [program, "--version"], capture_output=True, timeout=LIMIT, check=False, text=True
        ).stdout
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ()
    match = _VERSION.search(told)
    return tuple(int(part) for part in match.groups() if part) if match else ()


def ask(path: str, question: str) -> Mapping[str, Any] | None:
    """Ask an engine on its Unix socket; None: no answer, or none that is for us."""
    import http.client  # noqa: PLC0415 - start-up time where no engine runs
    import socket  # noqa: PLC0415 - as above

    connection = http.client.HTTPConnection("localhost", timeout=LIMIT)
    try:
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(LIMIT)
        connection.sock.connect(path)
        connection.request("GET", question)
        response = connection.getresponse()
        document = read_json_or_none(response.read(4 << 20))
        return document if response.status == 200 and isinstance(document, dict) else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@functools.lru_cache(maxsize=16)
def printed(words: tuple[str, ...], limit: float = LIMIT) -> str:
    """Return what a program prints; empty where it fails, or takes longer than `limit` seconds."""
    try:
        done = subprocess.run(  # noqa: S603 - an engine that is installed here
            words, capture_output=True, timeout=limit, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


#: Sockets that gave no answer: one that hangs is waited for once in a command. One that answers is
#: asked again, because what it says changes once it has been told to read its file.
_silent: set[str] = set()


def _ask_once(path: str, question: str) -> Mapping[str, Any] | None:
    answer = None if path in _silent else ask(path, question)
    if answer is None:
        _silent.add(path)
    return answer


def own_address() -> str:
    """Return the address that this machine has among others, "": it has none. Nobody is asked."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_NOWHERE)
        return str(probe.getsockname()[0])
    return ""


@dataclass(frozen=True, slots=True)
class Machine:
    """How activations look at the machine; tests give one of their own."""

    root: Path = Path("/")
    """Where the machine's files begin."""
    daemons: Callable[[str], Sequence[Daemon]] = daemons
    program: Callable[[Place, str], Path | None] = program
    version: Callable[[Path], tuple[int, ...]] = version
    ask: Callable[[str, str], Mapping[str, Any] | None] = _ask_once
    printed: Callable[[tuple[str, ...]], str] | None = None
    """What a program prints; None: it is run, where the files are this machine's own."""
    own: Callable[[], str] = own_address
    """This machine's address among others."""

    @classmethod
    def below(cls, root: Path) -> Machine:
        """Return another machine whose files lie below `root`, of which nothing else is seen."""
        return cls(
            root=root,
            daemons=lambda _: (),
            program=lambda *_: None,
            version=lambda _: (),
            ask=lambda *_: None,
            printed=lambda _: "",
            own=lambda: "",
        )

    def said(self, *words: str, limit: float = LIMIT) -> str:
        """Return what a program prints within so many seconds."""
        if self.printed is not None:
            return self.printed(words)
        return printed(words, limit) if self.root == Path("/") else ""

    def path(self, name: str) -> Path:
        """Return a file of the machine by its absolute name."""
        return self.root / name.lstrip("/")
