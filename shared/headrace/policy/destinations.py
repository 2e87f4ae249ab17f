"""Where an upstream may lead us: which addresses a redirect, a token realm or a link may name.

Whoever names a URL that we then ask borrows our place in the network: this machine's own services,
the router, the cloud's store of keys. So an address belongs to a *space* (the word of the W3C's
Local Network Access, whose order this is: public, private, loopback), and the rule is that nobody
leads into a space that is nearer to us than where it stands itself:

- What the user's configuration names may be anything: a devpi on localhost, a mirror in the LAN.
  It is no leading to ask the very host that is named there.
- A public upstream leads to public addresses. One whose own address is private may lead to private
  ones (a company's index and its file host), one on loopback to both (a devpi, a tunnel of ssh).
- A private origin and a mirror of the user's own may lead to private addresses wherever they stand:
  a company's index in the cloud has its files behind the VPN.
- Nobody leads to link-local addresses, where clouds keep their keys, nor to what is no host at all.
- Resolvers of Clash, sing-box, V2Ray, Surge and the like give every name an address of a range that
  nobody has, and know the name again when it is connected to; so do closed networks whose way out
  is one relay. Where an upstream's own name has such an address, so has every other name, and it
  says nothing.
- Who is led on by a redirect leads no further than the host that redirects could by itself.

An address inside another (IPv4 in IPv6: mapped, 6to4, NAT64) is in the space of the inner one.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import replace
from functools import cache, lru_cache
from urllib.parse import urlsplit

from headrace.models import Artifact, Mirror, Origin, Source
from headrace.values import dataclass

__all__ = [
    "EVERYWHERE",
    "AddressSpace",
    "Initiator",
    "led_spaces",
    "may_come_in_the_open",
    "may_lead",
    "of_artifact",
    "of_mirror",
    "of_origin",
    "own_spaces",
    "plain_host",
    "space_of",
    "space_of_host",
]


class AddressSpace(enum.StrEnum):
    """What an address means to this machine."""

    PUBLIC = "public"
    """The same host for everybody."""
    FAKE = "fake"
    """Ranges that nobody has on the net, benchmarking's and documentation's: local proxies and
    closed networks give them to names as their handle."""
    PRIVATE = "private"
    """RFC 1918, RFC 4193, carrier-grade NAT: another host in every network."""
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    """This link alone; and wherever else clouds answer for the machine itself."""
    SPECIAL = "special"
    """No host at all: multicast, reserved, unspecified, retired."""


EVERYWHERE = frozenset(AddressSpace)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: IANA's registries of special-purpose addresses (RFC 6890, as of 2025), the longest prefix first,
#: and the clouds' metadata services that lie outside of link-local (their own documentation).
_V4 = (
    ("168.63.129.16/32", AddressSpace.LINK_LOCAL),  # Azure
    ("100.100.100.200/32", AddressSpace.LINK_LOCAL),  # Alibaba Cloud
    ("192.0.0.192/32", AddressSpace.LINK_LOCAL),  # Oracle Cloud, the older one
    ("192.0.0.0/24", AddressSpace.SPECIAL),
    ("192.0.2.0/24", AddressSpace.FAKE),
    ("192.88.99.0/24", AddressSpace.SPECIAL),
    ("198.51.100.0/24", AddressSpace.FAKE),
    ("203.0.113.0/24", AddressSpace.FAKE),
    ("169.254.0.0/16", AddressSpace.LINK_LOCAL),
    ("192.168.0.0/16", AddressSpace.PRIVATE),
    ("198.18.0.0/15", AddressSpace.FAKE),
    ("172.16.0.0/12", AddressSpace.PRIVATE),
    ("100.64.0.0/10", AddressSpace.PRIVATE),
    ("0.0.0.0/8", AddressSpace.SPECIAL),
    ("10.0.0.0/8", AddressSpace.PRIVATE),
    ("127.0.0.0/8", AddressSpace.LOOPBACK),
    ("224.0.0.0/3", AddressSpace.SPECIAL),
)
#: What is in none of these and not global unicast is nobody's.
_V6 = (
    ("::1/128", AddressSpace.LOOPBACK),
    ("fd20:ce::254/128", AddressSpace.LINK_LOCAL),  # Google Cloud
    ("fd00:c1::a9fe:a9fe/128", AddressSpace.LINK_LOCAL),  # Oracle Cloud
    ("fd00:42::42/128", AddressSpace.LINK_LOCAL),  # Scaleway
    ("fd00:100::100:200/128", AddressSpace.LINK_LOCAL),  # Alibaba Cloud
    ("64:ff9b:1::/48", AddressSpace.PRIVATE),  # RFC 8215: NAT64 as a network likes it
    ("2001:2::/48", AddressSpace.FAKE),
    ("fd00:ec2::/32", AddressSpace.LINK_LOCAL),  # Amazon
    ("2001:db8::/32", AddressSpace.FAKE),
    ("2001::/23", AddressSpace.SPECIAL),  # Teredo, ORCHID
    ("3fff::/20", AddressSpace.FAKE),
    ("fc00::/18", AddressSpace.FAKE),  # the usual one of sing-box, V2Ray and Xray
    ("fe80::/10", AddressSpace.LINK_LOCAL),
    ("fec0::/10", AddressSpace.PRIVATE),
    ("fc00::/7", AddressSpace.PRIVATE),
    ("2000::/3", AddressSpace.PUBLIC),
    ("::/0", AddressSpace.SPECIAL),
)
_NETWORKS = {
    4: tuple((ipaddress.ip_network(text), space) for text, space in _V4),
    6: tuple((ipaddress.ip_network(text), space) for text, space in _V6),
}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

#: Names that are looked up nowhere, or mean another host in every network (RFC 6761, RFC 6762,
#: RFC 8375, ICANN's name collisions), the longest first.
_NAMES = (
    ("metadata.google.internal", AddressSpace.LINK_LOCAL),
    ("metadata.tencentyun.com", AddressSpace.LINK_LOCAL),
    ("instance-data.ec2.internal", AddressSpace.LINK_LOCAL),
    ("metadata.goog", AddressSpace.LINK_LOCAL),
    ("instance-data", AddressSpace.LINK_LOCAL),
    ("metadata", AddressSpace.LINK_LOCAL),
    ("localhost.localdomain", AddressSpace.LOOPBACK),
    ("ip6-localhost", AddressSpace.LOOPBACK),
    ("ip6-loopback", AddressSpace.LOOPBACK),
    ("localhost", AddressSpace.LOOPBACK),
    *(
        (name, AddressSpace.PRIVATE)
        for name in (
            "localdomain",
            "home.arpa",
            "internal",
            "intranet",
            "private",
            "local",
            "corp",
            "home",
            "lan",
        )
    ),
)


def space_of(address: str | _Address) -> AddressSpace:
    """Return an address's space; ValueError when it is none. A zone (``%eth0``) does not count."""
    if isinstance(address, str):
        address = ipaddress.ip_address(address)
    if isinstance(address, ipaddress.IPv6Address) and (inner := _inside(address)) is not None:
        return space_of(inner)
    for network, space in _NETWORKS[address.version]:
        if address in network:
            return space
    return AddressSpace.PUBLIC


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


@lru_cache(maxsize=256)
def _host_in(url: str) -> str:
    return plain_host(urlsplit(url).hostname or "")


def plain_host(host: str) -> str:
    """Return a host as it is compared: in lower case, without brackets and final dots."""
    return host.strip("[]").rstrip(".").lower()


def space_of_host(host: str) -> AddressSpace | None:
    """Return what a URL's host says by itself; None: it is a name that only a resolver knows.

    For requests whose names are resolved by somebody else (an outgoing proxy), who may read a
    number in any of the ways in which there are readers for it.
    """
    # No name is longer (RFC 1035 section 3.1), nor is a number that means anything.
    return _said(plain_host(host)) if len(host) < 260 else AddressSpace.SPECIAL


@lru_cache(maxsize=1024)
def _said(host: str) -> AddressSpace | None:
    try:
        return space_of(host)
    except ValueError:
        pass
    last = host.rpartition(".")[2]
    if not host or "%" in host or ":" in host:
        return AddressSpace.SPECIAL
    if last.isdecimal() or last.startswith("0x"):
        # No name ends in a number (URL Standard, "ends in a number checker").
        address = _ipv4(host.split("."))
        return AddressSpace.SPECIAL if address is None else space_of(address)
    for name, space in _NAMES:
        if host == name or (host.endswith(f".{name}") and space is not AddressSpace.LINK_LOCAL):
            return space
    return None if "." in host else AddressSpace.PRIVATE


def _ipv4(parts: list[str]) -> ipaddress.IPv4Address | None:
    """Read a number as inet_aton(3) does; None for what two readers would read differently."""
    numbers = []
    for part in parts:
        hexadecimal = part.startswith("0x")
        digits = part.removeprefix("0x") if hexadecimal else part
        wrong = not digits.isascii() or not digits.isalnum() or len(digits) > 10
        # A leading zero is octal to some and nothing to others.
        if wrong or (not hexadecimal and len(digits) > 1 and digits.startswith("0")):
            return None
        try:
            numbers.append(int(digits, 16 if hexadecimal else 10))
        except ValueError:
            return None
    *first, rest = numbers
    if len(first) > 3 or any(each > 255 for each in first) or rest >= 256 ** (4 - len(first)):
        return None
    value = sum(each << 8 * (3 - place) for place, each in enumerate(first))
    return ipaddress.IPv4Address(value + rest)


@dataclass(frozen=True, slots=True)
class Initiator:
    """In whose name a URL is asked (the word of the Fetch standard)."""

    home: str
    """Its own URL, as the configuration or the catalogue has it."""
    trusted: bool = False
    """The user named it: a private origin, a mirror of the user's own."""
    is_origin: bool = False
    checked: bool = True
    """What comes is checked by a digest, or is no file that its page has put anywhere."""

    @property
    def host(self) -> str:
        """Its host, as `plain_host` has it; empty where the URL is none."""
        try:
            return _host_in(self.home)
        except ValueError:
            return ""


def of_origin(origin: Origin) -> Initiator:
    """Return the initiator of what an origin is asked, and of what its pages name.

    That an origin wanted a credential makes its names private, but nobody the user's own.
    """
    return Initiator(origin.url, trusted=origin.private and not origin.demanded, is_origin=True)


def of_mirror(mirror: Mirror) -> Initiator:
    """Return the initiator of what a mirror is asked."""
    return Initiator(mirror.url, trusted=mirror.own)


def of_artifact(artifact: Artifact, source: Source) -> Initiator:
    """Return the initiator of what a source of an artifact is asked: its origin, or the mirror."""
    if source.is_origin:
        return replace(of_origin(artifact.origin), checked=artifact.digest is not None)
    return Initiator(source.home or source.url, trusted=source.own)


def may_lead(stands: AddressSpace, to: AddressSpace, *, trusted: bool) -> bool:
    """Whether one that stands in a space may lead to another one."""
    near = stands in (AddressSpace.PRIVATE, AddressSpace.LOOPBACK)
    match to:
        case AddressSpace.PUBLIC:
            return True
        case AddressSpace.FAKE:
            return trusted or near or stands is AddressSpace.FAKE
        case AddressSpace.PRIVATE:
            return trusted or near
        case AddressSpace.LOOPBACK:
            return stands is AddressSpace.LOOPBACK
    return False


@cache
def led_spaces(stands: AddressSpace, *, trusted: bool = False) -> frozenset[AddressSpace]:
    """Return all spaces that one may lead to."""
    return frozenset(to for to in AddressSpace if may_lead(stands, to, trusted=trusted))


def may_come_in_the_open(initiator: Initiator, url: str) -> bool:
    """Whether a URL without TLS may be asked in somebody's name.

    Clients follow a page that came over TLS to a file that does not, and so may we where a digest
    tells what comes. Without one whoever is on the way would decide what is installed: that is for
    the client to take, not for us to hand on under a URL that hides it.
    """
    return initiator.checked or not (
        initiator.home.startswith("https:") and url.startswith("http:")
    )


def own_spaces(initiator: Initiator) -> frozenset[AddressSpace]:
    """Return where an initiator's own host may be.

    Anywhere, if the user's configuration names it or the address itself stands there. The name of
    a catalogue's mirror is its operator's to point where he likes: in a campus network to a private
    address, which his certificate has to prove, and to this machine never.
    """
    if initiator.trusted or initiator.is_origin or space_of_host(initiator.host) is not None:
        return EVERYWHERE
    proven = {AddressSpace.PRIVATE} if initiator.home.startswith("https:") else set()
    return frozenset({AddressSpace.PUBLIC, AddressSpace.FAKE, *proven})
