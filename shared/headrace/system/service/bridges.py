"""Sockets on the bridges of engines, and who may come in at them: containers on that bridge.

An address alone is no wall: this machine answers for it at each of its interfaces. So what counts
is the interface that a connection came in by, as the kernel tells it, and an address of the
bridge's own network.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from headrace.errors import LocalError
from headrace.interface.containers import ContainerNetwork
from headrace.system.service.listeners import BACKLOG

__all__ = ["Bridges", "came_by", "listen"]

#: ip(7): an address may be listened on before it is there, and after it was gone.
_FREEBIND = 15
#: ip(7), and of a connection what the packet said that made it (``IP_PKTOPTIONS``, in.h).
_PKTINFO, _PKTOPTIONS = 8, 9
#: A control message's head, of a length, a level and a type (cmsg(3)).
_HEAD = struct.calcsize("@nii")


class Bridges:
    """The networks that are served, and all that is asked of them for a connection."""

    def __init__(self, networks: Iterable[ContainerNetwork]) -> None:
        """Those without an address of this machine's are none."""
        self.networks = tuple(each for each in networks if each.host)
        self.hosts = frozenset(each.host for each in self.networks)
        self.names = self.hosts.union(*(each.names for each in self.networks))

    def lets_in(self, sock: Any) -> bool:
        """Whether a client's connection came from a container, or is this machine's own on its
        loopback, where only the gateway's own pages are.
        """
        try:
            own, peer = str(sock.getsockname()[0]), str(sock.getpeername()[0])
            if _is_loopback(own):
                return _is_loopback(peer)
            by = came_by(sock)
            # By whichever of its addresses: one URL serves all networks of an engine.
            return any(_is_on(each, by, peer) for each in self.networks)
        except (OSError, ValueError):
            return False


def _is_on(network: ContainerNetwork, by: str, peer: str) -> bool:
    inside = ipaddress.ip_address(peer) in ipaddress.ip_network(network.subnet)
    return network.interface == by and inside and peer != network.host


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def came_by(sock: Any) -> str:
    """Return the name of the interface that a connection came in by; OSError where the system does
    not say it.
    """
    sock.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
    told = sock.getsockopt(socket.IPPROTO_IP, _PKTOPTIONS, 256)
    if len(told) < _HEAD + 4:
        raise OSError("the system does not say by which interface a connection came in")
    return socket.if_indextoname(struct.unpack_from("=i", told, _HEAD)[0])


def listen(networks: Sequence[ContainerNetwork], port: int) -> list[socket.socket]:
    """Listen on each network's address, also where its bridge is yet to come; LocalError where one
    cannot be had.
    """
    made: list[socket.socket] = []
    try:
        hosts = dict.fromkeys(each.host for each in networks if each.host)
        made.extend(_bind(host, port) for host in hosts)
    except BaseException:
        for sock in made:
            sock.close()
        raise
    return made


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise LocalError(
            "bridge-port-taken",
            f"port {port} of {host}, where containers would find the gateway, cannot be had: "
            f"{error.strerror or error}",
            hint="end what listens there, or choose another port with `port` in config.toml; then "
            "`headrace on --containers` again",
        ) from error
    return sock
