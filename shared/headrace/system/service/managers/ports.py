"""Who has a port, and which one is free."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

__all__ = ["is_free", "next_free", "owner"]

#: How many ports after the wanted one are tried.
TRIED = 50
_LISTEN = "0A"
_LOOPBACK = {"0100007F", "00000000"}


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def next_free(host: str, port: int) -> int | None:
    """Return the first free port after `port`, None when there is none near."""
    near = range(port + 1, min(port + 1 + TRIED, 65536))
    return next((each for each in near if is_free(host, each)), None)


def owner(port: int) -> str:
    """Name the process that listens on loopback's `port` (Linux), or return "".

    Other users' processes cannot be looked into; then the user's number is named.
    """
    for line in _lines("/proc/net/tcp"):
        words = line.split()
        address, _, number = words[1].partition(":")
        if int(number, 16) == port and words[3] == _LISTEN and address in _LOOPBACK:
            return _holder_of(words[9]) or f"a process of user {words[7]}"
    return ""


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("ascii").splitlines()[1:]
    except OSError:
        return []


def _holder_of(inode: str) -> str:
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if descriptor.is_symlink() and str(descriptor.readlink()) == wanted:
                    name = (process / "comm").read_text("utf-8", "replace").strip()
                    return f"{name} (process {process.name})"
    return ""
