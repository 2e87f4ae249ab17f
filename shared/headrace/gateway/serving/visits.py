"""A gateway that others reach: what happens to each request beside what happens to a laptop's own.

Who asks is decided before anything is done for him; what he may have of private origins where it is
known whose something is (`Exchange.hidden`). Engines are never answered 401, which some of them
take for an invitation to send the user's password (docs/docker.md): they are told 404, and go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from headrace.gateway.exchange import Exchange, Scope, Send
from headrace.gateway.serving.access_log import AccessLog, line
from headrace.gateway.serving.known_clients import KnownClients, address_of
from headrace.gateway.serving.leaving import Leaving
from headrace.gateway.serving.proxied import forwarded_for
from headrace.gateway.serving.refusal import Refusal
from headrace.models import Origin
from headrace.policy.serving.grants import Grant, in_networks
from headrace.policy.serving.shares import Shares
from headrace.serve_settings import ServeSettings
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.download.uploads import Uploads
    from headrace.gateway.serving.metrics import ServeMetrics
    from headrace.upstream.shared_state.leases import Leases
    from headrace.upstream.shared_state.store import StateStore

__all__ = ["Serving", "Visit"]

_log = logging.getLogger("headrace.serve")

#: Seconds that a request waits for others of its client, and that it is told to wait then.
_TURN, _AGAIN = 10.0, 5
#: Clients whose turns are remembered, while none of theirs is taken.
_CLIENTS = 4096
#: Read by everybody: supervisors and load balancers show nothing.
_OPEN = frozenset({"/healthz", "/readyz"})
_CHALLENGE = MappingProxyType({"www-authenticate": 'Basic realm="headrace", charset="UTF-8"'})


@dataclass(slots=True)
class _Turns:
    """How many files of one client are under way."""

    most: int
    free: int
    queue: list[asyncio.Future[None]] = field(default_factory=list)


class Visit:
    """One request, from its head to the end of its answer."""

    def __init__(self, serving: Serving, send: Send) -> None:
        """Begin to count."""
        self._serving = serving
        self._send = send
        self._began = time.monotonic()
        self.grant: Grant | None = None
        self.ecosystem = ""
        self.address = ""
        self.sent = 0
        self._turns: _Turns | None = None

    @property
    def key(self) -> str:
        """Who shares limits: each machine, but of a client that has limits of its own all."""
        grant = self.grant
        if grant is None:
            return self.address
        own = grant.rate is not None or grant.downloads is not None
        return grant.name if own else f"{grant.name}@{self.address}"

    @property
    def paced(self) -> bool:
        """Whether its bytes are counted out."""
        own = self.grant.rate if self.grant is not None else None
        return self._serving.shares.limited(own)

    async def send(self, message: Any) -> None:
        """Pass a message of the answer on (ASGI), when its client may have it."""
        if message["type"] == "http.response.body" and (size := len(message.get("body", b""))):
            self.sent += size
            if self.paced:
                await self._pace(size)
        await self._send(message)

    async def _pace(self, size: int) -> None:
        shares, key = self._serving.shares, self.key
        own = self.grant.rate if self.grant is not None else None
        wait = shares.sent(key, size, own, time.monotonic())
        while wait:
            await asyncio.sleep(wait)
            wait = shares.wait(key, own, time.monotonic())

    async def turn(self) -> None:
        """Wait until this client may have one more answer under way; `Refusal` when that takes too
        long.
        """
        turns = self._serving.turns_of(self)
        if turns.free > 0:
            turns.free -= 1
            self._turns = turns
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turns.queue.append(mine)
        self._serving.metrics.waiting.inc()
        try:
            await asyncio.wait({mine}, timeout=_TURN)
        finally:
            self._serving.metrics.waiting.dec()
            if mine.done():
                self._turns = turns  # given back by `end`, whatever comes
            else:
                turns.queue.remove(mine)
        if self._turns is None:
            words = "this client has as many answers under way as it may; ask again a little later"
            raise Refusal(429, words, {"retry-after": str(_AGAIN)})

    def end(self, exchange: Exchange, path: str) -> None:
        """Count and write down how it went."""
        turns, self._turns = self._turns, None
        if turns is not None:
            if turns.queue:
                turns.queue.pop(0).set_result(None)
            else:
                turns.free += 1
        self._serving.ended(self, exchange, path, time.monotonic() - self._began)


class Serving:
    """What all requests share."""

    def __init__(
        self,
        settings: ServeSettings,
        known: KnownClients,
        log: AccessLog,
        metrics: ServeMetrics,
        leaving: Leaving,
        *,
        name: str,
    ) -> None:
        """`name` is this replica's."""
        self._settings = settings
        self._known = known
        self._log = log
        self._name = name
        self.metrics = metrics
        self.leaving = leaving
        self.shares = Shares(settings.rate, settings.rate_per_client)
        self._turns: dict[str, _Turns] = {}
        self.tells: dict[str, Any] = {}
        """What `/readyz` tells of each part beside it."""

    def tell_of(
        self, uploads: Uploads | None, state: StateStore | None, leases: Leases | None
    ) -> None:
        """Have `/readyz`, and what is measured, tell of what this replica shares."""
        if uploads is not None:
            self.metrics.uploads = uploads.results
        parts = {"store": uploads, "shared_state": state, "leases": leases}
        for name, part in parts.items():
            if part is not None:
                self.tells[name] = part.table

    def begin(self, scope: Scope, headers: Mapping[str, str], send: Send) -> Visit:
        """Begin with a request, of whom whatever proxies say is taken."""
        visit = Visit(self, send)
        self.metrics.active.inc()
        visit.address = address_of(scope)
        if self._settings.behind_proxy:
            forwarded = headers.get("x-forwarded-for", "")
            place = forwarded_for(scope, forwarded, self._settings.trusted_proxies)
            if place is not None:
                scope["client"], visit.address = place, place[0]
                scope["headrace.proxied"] = True
        return visit

    async def admit(
        self,
        visit: Visit,
        scope: Scope,
        headers: Mapping[str, str],
        path: str,
        ecosystem: str,
        *,
        never_401: bool,
    ) -> None:
        """Let a request in, or raise `Refusal`. `ecosystem` is whose the path is; empty: nobody's.

        `never_401`: its clients must not be asked for a password.
        """
        if path in _OPEN:
            return
        if path == "/metrics" and in_networks(visit.address, self._settings.metrics):
            return
        through = "headrace.proxied" in scope or not self._settings.behind_proxy
        if not through:
            raise Refusal(403, "this gateway is reached through the proxy in front of it alone")
        visit.grant = grant = self._known.who(scope, headers)
        if grant is None:
            words = "who asks is not known here: no token that counts, and no network that is known"
            raise Refusal(404, words) if never_401 else Refusal(401, words, _CHALLENGE)
        if path in ("/metrics", "/status", "/explain"):
            page = "metrics" if path == "/metrics" else "status"
            if page not in grant.pages:
                raise Refusal(403, f"{grant.name} may not read {path}")
            return
        visit.ecosystem = ecosystem
        if not ecosystem:
            return
        if not grant.covers(ecosystem):
            raise Refusal(404 if never_401 else 403, f"{grant.name} may not have {ecosystem}")
        await visit.turn()

    def turns_of(self, visit: Visit) -> _Turns:
        """Return the turns that a request has to wait for."""
        key = visit.key
        own = visit.grant.downloads if visit.grant is not None else None
        most = own or self._settings.downloads_per_client
        turns = self._turns.get(key)
        if turns is None:
            if len(self._turns) >= _CLIENTS:
                busy = {k: each for k, each in self._turns.items() if each.free < each.most}
                self._turns = busy
            turns = self._turns[key] = _Turns(most, most)
        return turns

    def hides(self, grant: Grant | None, origin: Origin, *, private: bool) -> bool:
        """Whether something of an origin is not for this client."""
        return private and (grant is None or origin.name not in grant.private)

    def ended(self, visit: Visit, exchange: Exchange, path: str, seconds: float) -> None:
        """Count an answer, and write it down."""
        self.metrics.active.dec()
        status = exchange.status or 0
        ecosystem = visit.ecosystem or "none"
        verdict = _verdict(status, exchange.sources)
        kind = "unknown" if visit.grant is None else "known"
        self.metrics.responses.labels(ecosystem, str(status), kind).inc()
        if visit.ecosystem:
            self.metrics.seconds.labels(ecosystem).observe(seconds)
            self.metrics.sent.labels(ecosystem, verdict).inc(visit.sent)
        if path in _OPEN and status == 200:
            return  # every few seconds, from each who looks
        self._log.write(
            line(
                now=time.time(),
                service=self._name,
                client=visit.grant.name if visit.grant is not None else "",
                address=visit.address,
                method=exchange.request.method,
                path=path,
                agent=exchange.request.headers.get("user-agent", ""),
                status=status,
                sent=visit.sent,
                seconds=seconds,
                ecosystem=visit.ecosystem,
                verdict=verdict,
                sources=exchange.sources,
            )
        )

    def ready(self) -> tuple[int, bytes]:
        """Answer whether clients are to be sent here."""
        table: dict[str, Any] = {"ready": not self.leaving.begun, "name": self._name}
        if self.leaving.begun:
            table["why"] = "it takes its leave"
        for name, tell in self.tells.items():
            table[name] = tell()
        status = 503 if self.leaving.begun else 200
        return status, json.dumps(table).encode() + b"\n"


def _verdict(status: int, sources: Counter[str] | Mapping[str, int]) -> str:
    if status == 0:
        return "cut"
    if 300 <= status < 400:
        return "not-modified" if status == 304 else "redirected"
    if status >= 400:
        return "refused" if status in (401, 403, 405, 429) else "missing"
    if not sources:
        return "page"
    return "store" if set(sources) == {"store"} else "download"
