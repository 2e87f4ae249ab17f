"""Where each request may go, by `policy.destinations`, and where upstreams were found to stand.

What a name says of its host is the name server's word, and a mirror's name is the mirror's to
change. So a name stands in a private network only where a certificate has proven it: with the last
answer over TLS, and with all before. Names that stand for fake addresses are the exception: who
lies about that gains nothing but a range that nobody has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import (
    EVERYWHERE,
    AddressSpace,
    Initiator,
    led_spaces,
    may_come_in_the_open,
    own_spaces,
    space_of,
    space_of_host,
)
from headrace.policy.lru import LRUCache
from headrace.redact import for_display
from headrace.upstream.pinned import meaning
from headrace.upstream.resolver import Resolver
from headrace.values import dataclass

__all__ = ["Destinations", "Way"]

_log = logging.getLogger("headrace.destinations")

#: Hosts of upstreams that are remembered, and seconds for which a name's fake address is.
_MOST = 1024
_FAKE_LIFETIME = 300.0
#: Seconds in which one and the same refusal is told once.
_TOLD_ONCE = 3600.0


@dataclass(frozen=True, slots=True)
class Way:
    """How a request came to its URL."""

    initiator: Initiator
    limit: frozenset[AddressSpace] | None = None
    """What those who redirected could lead to, if others than the initiator's host did."""

    def is_home(self, host: str) -> bool:
        """Whether a host is the one that the configuration names, and nobody else led there."""
        return self.limit is None and host == self.initiator.host


class Destinations:
    """Decides, remembers and tells. One for a client."""

    def __init__(self, resolver: Resolver, told: Callable[[str], None]) -> None:
        """`told` hears of refusals, each once an hour."""
        self._resolver = resolver
        self._told = told
        self._stood = LRUCache[str, AddressSpace](_MOST)
        self._fake = LRUCache[str, float](_MOST)
        self._refused = LRUCache[tuple[str, str], float](_MOST)

    def allowed(self, way: Way, url: str, host: str, *, proxied: bool) -> frozenset[AddressSpace]:
        """Return the spaces that a URL's `host` may be in; UpstreamError where the URL says too
        much by itself.

        With `proxied` somebody else resolves the name, so the name is all that can be looked at.
        """
        initiator = way.initiator
        if not may_come_in_the_open(initiator, url):
            raise UpstreamError(Fault.LED_ASTRAY, "it has no digest and would come without TLS")
        if way.is_home(host):
            spaces = own_spaces(initiator)
        else:
            spaces = led_spaces(self._stands(initiator), trusted=initiator.trusted)
            if (self._fake.get(initiator.host) or 0.0) > time.monotonic():
                spaces |= {AddressSpace.FAKE}
            spaces &= way.limit or EVERYWHERE
        if proxied and (said := space_of_host(host)) is not None and said not in spaces:
            raise UpstreamError(Fault.LED_ASTRAY, f"{host} is {meaning(said)}")
        return spaces

    def _stands(self, initiator: Initiator) -> AddressSpace:
        said = space_of_host(initiator.host)
        return said or self._stood.get(initiator.host) or AddressSpace.PUBLIC

    async def reconsidered(
        self,
        way: Way,
        spaces: frozenset[AddressSpace],
        timeout: float,  # noqa: ASYNC109 - the resolver's clock
    ) -> frozenset[AddressSpace] | None:
        """Return the spaces where `spaces` was too few after all, because the initiator's own name
        has a fake address at present; None: it was not.
        """
        own = way.initiator.host
        if AddressSpace.FAKE in spaces or AddressSpace.FAKE not in (way.limit or EVERYWHERE):
            return None
        try:
            found = await self._resolver.addresses(own, timeout)
        except UpstreamError:
            return None
        if AddressSpace.FAKE not in {space_of(each) for each in found}:
            return None
        self._fake.put(own, time.monotonic() + _FAKE_LIFETIME)
        return spaces | {AddressSpace.FAKE}

    def answered(self, way: Way, host: str, address: str | None, *, proven: bool) -> Way:
        """Return the way on, for where an answer leads.

        `address` is whose the answer is, None behind a proxy; `proven` that a certificate has shown
        the host's name there.
        """
        space = (space_of_host(host) if address is None else space_of(address)) or (
            AddressSpace.PUBLIC
        )
        if not way.is_home(host):
            return Way(way.initiator, led_spaces(space) & (way.limit or EVERYWHERE))
        if proven and address is not None:
            before = self._stood.get(host)
            self._stood.put(host, space if before in (None, space) else AddressSpace.PUBLIC)
        return way

    def refused(self, way: Way, url: str, error: UpstreamError) -> UpstreamError:
        """Tell of a request that is not made, and return what to raise."""
        own, parts = way.initiator.host, urlsplit(url)
        host = parts.hostname or ""
        leads = "its name" if way.is_home(host) else for_display(f"{parts.scheme}://{parts.netloc}")
        what = f"{own} leads to {leads}, which was not asked: {error.message}"
        now = time.monotonic()
        if (self._refused.get((own, host)) or 0.0) <= now:
            self._refused.put((own, host), now + _TOLD_ONCE)
            _log.warning("%s", what)
            self._told(what)
        hint = "where that is meant, name it in the settings as your own"
        return UpstreamError(Fault.LED_ASTRAY, what, hint=hint)
