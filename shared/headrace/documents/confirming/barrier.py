"""The barrier: no file goes to a client before the origin has confirmed all that led the client
to it.

What a wheel requires may be told from a mirror's copy before the origin's word is there. What
comes of that are names of other projects, whose files are real and right and that nobody wanted.
So whoever was told such a thing is given no file until the origin has confirmed every one of them;
and none at all where it has refuted one, until that client begins anew. Who a client is tell its
address and its name: a resolver's questions come over many connections.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import field

from headrace.documents.confirming.confirmations import Confirmations
from headrace.errors import IntegrityError, TransferError
from headrace.models import Artifact, Request
from headrace.policy.lru import LRUCache
from headrace.values import dataclass

__all__ = ["Barrier", "LedUnconfirmedError"]

#: Clients whose tellings are remembered, and seconds after a client's last request.
CLIENTS = 512
REMEMBERED = 600.0
#: Tellings to one client that wait for the origin's word at a time.
MOST = 2048
#: Seconds after which the origin is asked again about what it has not spoken of.
AGAIN = 3.0


class LedUnconfirmedError(TransferError):
    """The origin has not spoken yet of what led a client to a file. The file itself is no way out
    then, not even from the origin: nobody may have wanted it. Who asks again is waited for anew.
    """


@dataclass(slots=True)
class _Told:
    """What one client was told of provisional things, and what the origin said of it since."""

    waiting: dict[str, Artifact] = field(default_factory=dict)
    """By path: not confirmed yet."""
    refuted: dict[str, Artifact] = field(default_factory=dict)
    stopped: bool = False
    """It was refused a file for that, which ends it; whoever asks for pages then begins anew."""
    last: float = 0.0


class Barrier:
    """Remembers who was told what. For one event loop."""

    def __init__(
        self, confirmations: Confirmations, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._confirmations = confirmations
        self._clock = clock
        self._told = LRUCache[tuple[str, str], _Told](CLIENTS)

    def tell(self, request: Request, artifact: Artifact) -> bool:
        """A client is to be told what is in a provisional artifact: the origin is asked about it.

        False: it must not be told.
        """
        told = self._of(request)
        known = self._confirmations.known(artifact)
        if known is None and len(told.waiting) < MOST:
            told.waiting[artifact.path] = artifact
            self._confirmations.begin(artifact)
            return True
        return known is True

    def begins(self, request: Request) -> None:
        """A client asks for a page. One that was refused a file is a new command now."""
        told = self._told.get(_who(request))
        if told is not None and told.stopped:
            self._told.pop(_who(request))

    def stands_before(self, request: Request, artifact: Artifact) -> bool:
        """Whether there is anything to wait for: mostly there is not."""
        return artifact.provisional is not None or _who(request) in self._told

    async def passed(self, request: Request, artifact: Artifact, until: float) -> None:
        """Return when a file may go to this client.

        IntegrityError where the origin has refuted it or what led to it. By `until` (the event
        loop's clock) LedUnconfirmedError where it has said nothing of what led to it, TransferError
        where nothing of the file alone: the origin itself is the way out then.
        """
        try:
            async with asyncio.timeout_at(until):
                await self._confirmed(request, artifact)
        except TimeoutError:
            told = self._told.get(_who(request))
            if told is not None and told.waiting:
                each = next(iter(told.waiting.values()))
                what = f"the origin has not confirmed {each.name}, which led to {artifact.name}"
                raise LedUnconfirmedError("not-confirmed", what, hint="ask again") from None
            what = f"the origin has not confirmed {artifact.name} in time"
            hint = "the origin itself may give it"
            raise TransferError("not-confirmed", what, hint=hint) from None

    async def _confirmed(self, request: Request, artifact: Artifact) -> None:
        own = artifact.provisional is not None
        if own:
            self._confirmations.begin(artifact)
        told = self._told.get(_who(request))
        if told is not None:
            await self._settled(self._of(request), artifact)
        if own and not await self._word(artifact):
            what = f"the origin does not confirm {artifact.name}"
            raise TransferError("not-confirmed", what, hint="try again; its page follows")

    async def _settled(self, told: _Told, artifact: Artifact) -> None:
        """Wait until there is a word on all that was told."""
        while told.waiting and not told.refuted:
            each = next(iter(told.waiting.values()))
            verdict = await self._word(each)
            # Of what the origin does not speak nobody knows: it is asked again, up to the limit.
            if verdict is None:
                await asyncio.sleep(AGAIN)
                continue
            told.waiting.pop(each.path, None)
            if not verdict:
                told.refuted[each.path] = each
        if told.refuted:
            wrong = next(iter(told.refuted.values()))
            told.stopped = True
            raise IntegrityError(
                "led-astray",
                f"{wrong.provisional} named {wrong.name}, which the origin does not have, and what "
                f"that requires may have led to {artifact.name}: nothing is given",
                hint="run the same command again; that mirror gives no pages now",
            )

    async def _word(self, artifact: Artifact) -> bool | None:
        return await self._confirmations.ask(artifact)

    def _of(self, request: Request) -> _Told:
        who, now = _who(request), self._clock()
        told = self._told.get(who)
        if told is None or now - told.last > REMEMBERED:
            told = _Told()
            self._told.put(who, told)
        told.last = now
        return told


def _who(request: Request) -> tuple[str, str]:
    address = request.ends[0][0] if request.ends else ""
    return address, request.headers.get("user-agent", "")
