"""Which network this machine is in, as one opaque word: statistics belong to a network.

The default gateway's address and hardware address, where the system shows them (Linux: /proc);
elsewhere the local address that the default route would use, found without sending a packet. The
word is a hash: it leaves the machine nowhere, but it is written into a file.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["NetworkFingerprint", "fingerprint"]

OFFLINE = "offline"
#: Seconds between two looks at the system's tables.
_LIFETIME = 10.0
#: A documentation network (RFC 5737): the system chooses a route for it, and nothing is sent.
_NOWHERE = ("192.0.2.1", 9)


def _default_route(proc: Path) -> tuple[str, str] | None:
    """Return (interface, gateway) of the default route with the least metric."""
    best: tuple[int, str, str] | None = None
    try:
        lines = (proc / "net" / "route").read_text("ascii").splitlines()[1:]
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        try:
            gateway = str(ipaddress.IPv4Address(struct.pack("<I", int(fields[2], 16))))
            route = (int(fields[6]), fields[0], gateway)
        except (ValueError, struct.error):
            continue
        best = route if best is None else min(best, route)
    return None if best is None else best[1:]


def _hardware(proc: Path, interface: str, gateway: str) -> str | None:
    try:
        lines = (proc / "net" / "arp").read_text("ascii").splitlines()[1:]
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        fields = line.split()
        if len(fields) >= 6 and fields[0] == gateway and fields[5] == interface:
            return None if fields[3] == "00:00:00:00:00:00" else fields[3]
    return None


def _local_address() -> str | None:
    for family, target in ((socket.AF_INET, _NOWHERE), (socket.AF_INET6, ("2001:db8::1", 9))):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(target)
                address = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
        except (OSError, ValueError):
            continue
        # A lease gives another host number tomorrow in the same network.
        width = 24 if address.version == 4 else 64
        return str(ipaddress.ip_network((address, width), strict=False))
    return None


def fingerprint(proc: Path = Path("/proc")) -> tuple[str, bool]:
    """Return the word, and whether the gateway's hardware address is in it."""
    route = _default_route(proc)
    if route is None:
        local = _local_address()
        return (OFFLINE, False) if local is None else (_hash("local", local), False)
    interface, gateway = route
    if gateway == "0.0.0.0":  # noqa: S104 - not bound: a tunnel, where the interface is all there is
        return _hash("tunnel", interface), True
    hardware = _hardware(proc, interface, gateway)
    return _hash("gateway", gateway, hardware or interface), hardware is not None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class NetworkFingerprint:
    """The fingerprint, looked up again now and then. Call it for the word of now."""

    def __init__(
        self, proc: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._proc = proc
        self._clock = clock
        self._looked = -1e9
        self._route: tuple[str, str] | None = None
        self._word = OFFLINE
        self._sure = False

    def __call__(self) -> str:
        """Return the word of the network that this machine is in now."""
        now = self._clock()
        if now - self._looked < _LIFETIME:
            return self._word
        self._looked = now
        route = _default_route(self._proc)
        word, sure = fingerprint(self._proc)
        # The kernel forgets an idle neighbour's hardware address. The same gateway without it is
        # still the network that it was a moment ago.
        if sure or not self._sure or route != self._route:
            self._word, self._sure, self._route = word, sure, route
        return self._word
