"""Who has a port, and which one is free."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from headrace.ownership import sockets
from headrace.ownership.files import user_name

__all__ = ["is_free", "next_free", "owner"]

#: How many ports after the wanted one are tried.
TRIED = 50


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

    Other users' processes cannot be looked into; then the user is named.
    """
    for entry in sockets.listening(sockets.read_listening(), "127.0.0.1", port):
        return _holder_of(entry.inode) or f"a process of user {user_name(entry.uid)}"
    return ""


def _holder_of(inode: int) -> str:
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if descriptor.is_symlink() and str(descriptor.readlink()) == wanted:
                    name = (process / "comm").read_text("utf-8", "replace").strip()
                    return f"{name} (process {process.name})"
    return ""
