"""Listening sockets: handed over by whoever holds them, or bound here. Loopback alone."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Collection, Mapping, Sequence

from headrace.errors import LocalError, UsageError

__all__ = ["address_of", "bind", "bind_anywhere", "inherited", "take"]

#: sd_listen_fds(3): the first descriptor that systemd hands over.
FIRST = 3
BACKLOG = 1024


def check_loopback(host: str) -> None:
    """Refuse an address that others can reach; UsageError."""
    try:
        loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            "not-loopback",
            f"the gateway does not listen on {host}",
            hint="only 127.0.0.1 and ::1 are served; who may use it is not checked otherwise",
        )


def bind(host: str, port: int) -> socket.socket:
    """Listen on a loopback address; port 0 takes a free one. LocalError when it cannot be had."""
    check_loopback(host)
    return bind_anywhere(host, port)


def bind_anywhere(host: str, port: int) -> socket.socket:
    """Listen on any address of this machine, which others may reach; ``::`` is all of them, of both
    versions. LocalError when it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "nt":
            # On Windows SO_REUSEADDR would let any program take the port from under us.
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009 - unknown to type checkers elsewhere
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise LocalError(
            "port-taken",
            f"port {port} of {host} cannot be had: {error.strerror or error}",
            hint="`headrace status` shows who has it; HEADRACE_PORT or `port` in config.toml "
            "chooses another",
        ) from error
    return sock


def inherited(env: Mapping[str, str], pid: int) -> list[socket.socket]:
    """Take the sockets that systemd, or one that speaks as it does, opened for this process.

    `env` is this process's environment and `pid` its id: LISTEN_FDS that was meant for a parent is
    left alone.
    """
    if env.get("LISTEN_PID") != str(pid):
        return []
    count = env.get("LISTEN_FDS", "")
    return take(range(FIRST, FIRST + int(count))) if count.isdecimal() else []


def take(descriptors: Sequence[int], bridges: Collection[str] = ()) -> list[socket.socket]:
    """Take listening TCP sockets by their descriptors; LocalError when one is no such thing, or
    where others reach it: `bridges` are addresses for containers.
    """
    sockets = []
    for descriptor in descriptors:
        try:
            sock = socket.socket(fileno=descriptor)
            listening = sock.type == socket.SOCK_STREAM and _listens(sock)
        except OSError as error:
            raise _not_ours(descriptor, error.strerror or str(error)) from error
        if not listening or sock.family not in (socket.AF_INET, socket.AF_INET6):
            sock.detach()
            raise _not_ours(descriptor, "it is no listening TCP socket")
        try:
            if address_of(sock)[0] not in bridges:
                check_loopback(address_of(sock)[0])
        except UsageError as error:
            sock.close()
            raise _not_ours(descriptor, error.message) from error
        sock.set_inheritable(False)
        sockets.append(sock)
    return sockets


def address_of(sock: socket.socket) -> tuple[str, int]:
    """Return host and port of a listening socket."""
    host, port = sock.getsockname()[:2]
    return str(host), int(port)


def _listens(sock: socket.socket) -> bool:
    with contextlib.suppress(OSError, AttributeError):
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return True  # a system that cannot tell


def _not_ours(descriptor: int, why: str) -> LocalError:
    return LocalError(
        "bad-socket",
        f"descriptor {descriptor} cannot be served: {why}",
        hint="start the gateway without a socket, or mend what starts it",
    )
