"""Single flight across replicas: who brings a file says so, and the others take its bytes from him
while they come.

A lease is a key of a few seconds, which its holder renews while the file is on its way; if the
holder dies it is over by itself. It protects nothing: what replicas write is named by its digest,
so that two holders of one file only cost its bytes twice. Each lease has a number that was never
given before, and by that alone it is renewed and given back: one that was too late changes nothing
of the next holder's.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, urlsplit

from headrace.foreign import UnreadableError, foreign
from headrace.models import (
    Artifact,
    Digest,
    Limits,
    Mirror,
    OperatorClass,
    SourceFailed,
    TransferFinished,
)
from headrace.policy.lru import LRUCache
from headrace.setting_rules import is_plain
from headrace.upstream.shared_state.store import PREFIX, StateStore

__all__ = ["FELLOW_ASKS", "REPLICA", "Leases"]

_log = logging.getLogger("headrace.state")

REPLICA = "replica"
"""The layout of another replica; its ids begin with it."""
FELLOW_ASKS: ContextVar[bool] = ContextVar("fellow_asks", default=False)
"""Whether the request at hand is another replica's: he follows us, so we follow nobody for him."""
#: Seconds of a lease, and between two renewals.
_LEASE, _RENEWED = 5.0, 1.5
#: Seconds for which it is believed who brings a file, unless he fails: when it is there he has it.
_BELIEVED = 60.0
#: Seconds for which a lease is held for a file whose download has not begun yet.
_BEGINS_WITHIN = 3.0
_MOST = 8192
#: To a replica: what it brings comes there from front to back, and no connection is to wait for the
#: middle.
_CONNECTIONS = 2
#: Bytes of what a lease says.
_LONGEST = 4096
_AS_IT_IS = "/:@!$&'()*+,;=~"

#: KEYS: lease, counter. ARGV: URL, milliseconds. Gives the number that was drawn, or the value of
#: whoever holds it.
_TAKE = """
local held = redis.call('GET', KEYS[1])
if held then return held end
local number = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], cjson.encode({at = ARGV[1], number = number}), 'PX', ARGV[2])
return number
"""
#: KEYS: lease. ARGV: URL, number, milliseconds (0: give it back). Gives 1 where it was ours.
_KEEP = """
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local said = cjson.decode(held)
if said.at ~= ARGV[1] or tostring(said.number) ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
"""


class Leases:
    """Who brings what. For one event loop."""

    def __init__(
        self,
        store: StateStore,
        advertise: str,
        *,
        seal: Callable[[str], str],
        under_way: Callable[[Digest], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`advertise` is this replica's URL; `seal` makes of a text what only replicas can make of
        it, `under_way` says whether a download brings a digest here.
        """
        self._store = store
        self._seal = seal
        self._advertise = advertise
        self._word = f"{advertise} {seal(advertise)}"
        self._under_way = under_way
        self._clock = clock
        self._others = LRUCache[Digest, tuple[float, str]](_MOST)
        """Who else brings it, and until when that is believed."""
        self._fellows = LRUCache[str, None](_MOST)
        """URLs that other replicas have sealed."""
        self._held: dict[Digest, tuple[int, float]] = {}
        """Number and since when."""
        self._renewing: asyncio.Task[None] | None = None
        self.results = {"held": 0, "followed": 0, "lost": 0}

    # ------------------------------------------------------------------ looking

    async def look(self, artifact: Artifact) -> None:
        """Find out who brings a file, or say that we do. Takes a blink at most; whatever goes
        wrong, it is brought here.
        """
        digest = artifact.digest
        if digest is None or artifact.origin.private or not artifact.mirrored:
            return
        if FELLOW_ASKS.get() or digest in self._held:
            return
        known = self._others.get(digest)
        if known is not None and known[0] > self._clock():
            return
        keys = [f"{PREFIX}lease:{digest}", f"{PREFIX}lease-numbers"]
        words = [self._word, int(_LEASE * 1000)]
        told = await self._store.ask(lambda client: client.eval(_TAKE, 2, *keys, *words))
        if isinstance(told, int):
            self._held[digest] = told, self._clock()
            self.results["held"] += 1
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.ensure_future(self._renew())
        elif (at := self._holder(told)) is not None and at != self._advertise:
            self._others.put(digest, (self._clock() + _BELIEVED, at))
            self._fellows.put(at, None)
            self.results["followed"] += 1

    def _holder(self, told: object) -> str | None:
        """Read who holds a lease: the URL of a replica, which has sealed it. Others may write in
        the server too, and whoever is asked is shown the replicas' token.
        """
        if not isinstance(told, bytes) or len(told) > _LONGEST:
            return None
        try:
            with foreign("a lease"):
                table = json.loads(told)
        except UnreadableError:
            return None
        word = table.get("at") if isinstance(table, dict) else None
        at, _, sealed = word.partition(" ") if isinstance(word, str) else ("", "", "")
        right = hmac.compare_digest(sealed.encode(), self._seal(at).encode())
        return at if right and is_plain(at) else None

    def place(self, artifact: Artifact) -> tuple[Mirror, str] | None:
        """Return who else brings a file, as a mirror, and its URL there; None: nobody."""
        digest = artifact.digest
        if digest is None or artifact.origin.private or FELLOW_ASKS.get() or digest in self._held:
            return None
        until, at = self._others.get(digest) or (0.0, "")
        if until <= self._clock():
            return None
        mirror = Mirror(
            f"{REPLICA} {urlsplit(at).netloc}",
            artifact.ecosystem,
            at,
            REPLICA,
            operator="the fleet's own",
            operator_class=OperatorClass.ORGANISATION,
            limits=Limits(connections=_CONNECTIONS),
            rank=-3,
            own=True,
            first=True,
        )
        return mirror, at + quote(artifact.path, _AS_IT_IS)

    def is_fellow(self, url: str) -> bool:
        """Whether a URL is another replica's."""
        return url in self._fellows

    def observe(self, event: SourceFailed | TransferFinished) -> None:
        """Take an event of a transfer: who fails is followed no more."""
        digest = event.artifact.digest
        failed = isinstance(event, SourceFailed) and event.source.startswith(f"{REPLICA} ")
        if digest is not None and failed:
            self._others.pop(digest)
            self.results["lost"] += 1

    # ------------------------------------------------------------------ holding

    async def _renew(self) -> None:
        """Renew what is on its way, and give back what is not, until nothing is held."""
        while self._held:
            await asyncio.sleep(_RENEWED)
            now = self._clock()
            for digest, (number, since) in list(self._held.items()):
                wanted = self._under_way(digest) or now - since < _BEGINS_WITHIN
                kept = await self._keep(digest, number, _LEASE if wanted else 0.0)
                if not wanted or kept == 0:
                    self._held.pop(digest, None)

    async def _keep(self, digest: Digest, number: int, seconds: float) -> Any:
        words = [self._word, str(number), str(int(seconds * 1000))]
        key = f"{PREFIX}lease:{digest}"
        return await self._store.ask(lambda client: client.eval(_KEEP, 1, key, *words))

    def table(self) -> dict[str, Any]:
        """Tell how it stands, as plain values."""
        return {"bringing": len(self._held), **self.results}

    async def aclose(self) -> None:
        """Give everything back: the others need not wait for its end."""
        if self._renewing is not None:
            self._renewing.cancel()
        held, self._held = self._held, {}
        if not self._store.rests:
            given = (self._keep(digest, number, 0.0) for digest, (number, _) in held.items())
            await asyncio.gather(*given, return_exceptions=True)
