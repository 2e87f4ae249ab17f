"""Where the one gateway of a user's runs is: its folder, its port, and who has it now.

Clients' caches go by URL, so the port is the same each time. A URL below it says nothing of the
index behind it; so each set of indexes has a port of its own, for good, in a small table beside
what `headrace on` took. The folder is this host's alone (a home may be that of many): what must go
when the last command has ended lies in ``now/``; locks and an empty log may stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from headrace.config import DEFAULT_PORT, Folders
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import DiscoveredOrigin, Scope
from headrace.system import folders as made_private
from headrace.system.service import process
from headrace.system.service.managers import ports
from headrace.system.service.runs.runners import Runners
from headrace.system.state import State
from headrace.system.state_files import StateFiles

__all__ = ["RunPlace", "key_of", "port_of", "record_port", "serving", "sweep"]

_FOLDER = "run"
_TABLE = "ports"
#: Sets of indexes that are remembered: nobody has more, and a table must not grow for ever.
_MOST = 32


class RunPlace:
    """The folder of the gateway that the runs with the same indexes share."""

    def __init__(self, folders: Folders, origins: Iterable[DiscoveredOrigin]) -> None:
        """Touch nothing."""
        self.key = key_of(origins)
        name = hashlib.sha256(f"{_here()}\n{self.key}".encode()).hexdigest()[:16]
        self.folder = folders.state / _FOLDER / name
        self.now = self.folder / "now"
        self.lock = self.folder / "gateway.lock"
        self.runners = self.folder / "runners"
        self.state = State(Folders(folders.config, self.now, folders.cache), Scope.USER)
        self.files = StateFiles(self.folder, shared=False)

    def make(self) -> None:
        """Make the folder; OSError."""
        made_private.make(self.folder)

    def serves(self, meant: str) -> bool:
        """Whether the gateway that is there now was started for what `meant` stands for."""
        return self._now().read("meant", str, "") == meant

    def begin(self, meant: str) -> None:
        """Clear up after one that was killed, and remember what the next one is for."""
        shutil.rmtree(self.now, ignore_errors=True)
        self._now().write("meant", meant)

    def clear(self) -> None:
        """Remove what goes with the last command."""
        shutil.rmtree(self.now, ignore_errors=True)

    def _now(self) -> StateFiles:
        return StateFiles(self.now, shared=False)


def key_of(origins: Iterable[DiscoveredOrigin]) -> str:
    """Name the indexes whose URL a path does not tell: a name with a dot is a host's."""
    every = {(o.origin.ecosystem, o.origin.name, o.origin.url) for o in origins}
    told = sorted(each for each in every if "." not in each[1])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def port_of(
    folders: Folders,
    key: str,
    wanted: int,
    is_free: Callable[[str, int], bool] = ports.is_free,
) -> int:
    """Return the port of a set of indexes: always the same as long as the settings name the same
    one, `wanted`; at first that or one near it that is free and nobody else's.
    """
    files = _table(folders)
    with files.alone(_TABLE):
        table = _read(files)
        known = table.pop(key, None)
        if known is not None and known[1] == wanted:
            return known[0]
        first = wanted or DEFAULT_PORT
        near = range(first, min(first + ports.TRIED, 65536))
        others = {port for port, _ in table.values()}
        free = (port for port in near if port not in others and is_free("127.0.0.1", port))
        table[key] = next(free, first), wanted
        files.write(_TABLE, dict(list(table.items())[-_MOST:]))
        return table[key][0]


def record_port(
    folders: Folders, origins: Iterable[DiscoveredOrigin], port: int, wanted: int
) -> None:
    """Remember what `headrace on` took for these indexes where the settings name `wanted`; whoever
    had that port takes another.
    """
    files = _table(folders)
    with files.alone(_TABLE):
        table = {key: each for key, each in _read(files).items() if each[0] != port}
        table[key_of(origins)] = port, wanted
        files.write(_TABLE, table)


def serving(state: Path, port: int) -> bool:
    """Whether a gateway of the runs of a state folder's user has the port on this host now."""
    for lock in _locks(state):
        with contextlib.suppress(HeadraceError):  # what cannot be read serves nobody
            now = lock.parent / "now"
            address = State(Folders(now, now, now)).gateway()
            if address is not None and address.port == port and process.is_held(lock):
                return not ports.is_free(address.host, port)
    return False


def sweep(folders: Folders) -> None:
    """Remove what is left of gateways that were killed together with all that they were for."""
    for lock in _locks(folders.state):
        runners = Runners(lock.parent / "runners")
        with contextlib.suppress(OSError):
            left = (lock.parent / "now").exists() and runners.join(0) and runners.leave()
            if left and not process.is_held(lock):
                shutil.rmtree(lock.parent / "now", ignore_errors=True)
        runners.close()


def _locks(state: Path) -> list[Path]:
    return sorted((state / _FOLDER).glob("*/gateway.lock"))


def _table(folders: Folders) -> StateFiles:
    return StateFiles(folders.state / _FOLDER, shared=False)


def _read(files: StateFiles) -> dict[str, tuple[int, int]]:
    """Return port and the wanted one of each set of indexes."""

    def meant(told: Any) -> dict[str, tuple[int, int]]:
        pairs = {str(key): (int(port), int(wanted)) for key, (port, wanted) in told.items()}
        return {key: pair for key, pair in pairs.items() if 0 < pair[0] < 65536}

    return files.read(_TABLE, meant, {})


def _here() -> str:
    """Name this host's loopback: a container that shares the home has one of its own."""
    network = ""
    with contextlib.suppress(OSError):
        network = str(os.stat("/proc/self/ns/net").st_ino)  # noqa: PTH116 - a link that is no path
    return f"{socket.gethostname()} {network}"
