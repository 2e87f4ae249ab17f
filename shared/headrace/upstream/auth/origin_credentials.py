"""The user's credential, shown to the origin that it belongs to and to nobody else (promise 4).

A client's own Authorization header is for the gateway and ends there: a netrc ``default`` entry
would otherwise travel to whoever the gateway talks to.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from headrace.interface.manager import Plugins
from headrace.models import Credential, Document, Origin
from headrace.policy import trust
from headrace.policy.destinations import of_origin
from headrace.policy.lru import LRUCache
from headrace.upstream.client import Client, UpstreamResponse
from headrace.upstream.document_stream import DocumentStream
from headrace.upstream.single_flight import SingleFlight
from headrace.values import dataclass

__all__ = ["OriginClient", "OriginCredentials", "in_a_thread"]

_log = logging.getLogger("headrace.credentials")

#: Seconds that a credential is remembered; a rotated secret is found at the latest after that,
#: and at once when the origin answers 401.
LIFETIME = 300.0
#: Seconds that requests wait for a plugin (a keyring may ask the user to unlock it). What it says
#: later is there for those that come then.
PATIENCE = 5.0
#: Owners that are remembered as ones who want a credential; the oldest are asked once more.
_MOST_OWNERS = 4096
#: Longest silence of an origin, seconds.
SILENCE = 10.0
#: Longest document, bytes after decoding.
LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class _CachedCredential:
    credential: Credential | None
    until: float


class OriginCredentials:
    """What the plugins know of each origin, remembered for a while."""

    def __init__(
        self,
        plugins: Plugins,
        recorded: Mapping[Origin, Credential] | None = None,
        *,
        lifetime: float = LIFETIME,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        owner: Callable[[Origin, str], str] = lambda _origin, _url: "",
    ) -> None:
        """`plugins` are asked through ``headrace_credential``, in a thread; `recorded` is what
        stood in the origins' own URLs, shown as long as the plugins know nothing. `owner` names
        whose thing a URL is, where an origin has many owners (`interface.ManyOwners`).
        """
        self._plugins = plugins
        self._recorded = {origin.url: each for origin, each in (recorded or {}).items()}
        self._lifetime = lifetime
        self._patience = patience
        self._clock = clock
        self._known: dict[str, _CachedCredential] = {}
        self._flights = SingleFlight[str, None]()
        self._began: dict[str, float] = {}
        """When the look-up of an origin's credential began."""
        self._owner = owner
        self._demanded = LRUCache[tuple[str, str], float](_MOST_OWNERS)
        """Until when each owner at each origin counts as one who wants a credential."""

    async def load(self, origin: Origin, url: str) -> None:
        """Make sure that `headers` knows. Only what is private is looked up unasked: a public
        origin is shown a credential when it has demanded one, never before.
        """
        if self.is_private(origin, url) and not self._valid(origin):
            await self.refresh(origin)

    def is_private(self, origin: Origin, url: str) -> bool:
        """Whether an origin is called private, or has wanted a credential: for everything, or
        where it has many owners for what this one's is.
        """
        if origin.private:
            return True
        return self._clock() < (self._demanded.get((origin.url, self._owner(origin, url))) or 0.0)

    def lends(self, origin: Origin) -> bool:
        """Whether its login stood in its own URL: the client, which has ours instead, has none."""
        return origin.url in self._recorded

    def demanded(self, origin: Origin, url: str) -> None:
        """Remember that a credential is wanted for a URL, so that such names are nobody else's.

        One of many owners may open a thing to all: that counts for a while, and is then seen anew.
        """
        owner = self._owner(origin, url)
        until = self._clock() + self._lifetime if owner else float("inf")
        self._demanded.put((origin.url, owner), until)

    async def refresh(self, origin: Origin) -> None:
        """Ask the plugins again, after a 401.

        All who ask meanwhile share one look-up and what is left of the patience with it: a keyring
        that waits for its user is waited for once.
        """
        task = self._flights.start(origin.url, lambda: self._begin(origin))
        left = self._patience - (self._clock() - self._began[origin.url])
        if not task.done() and left > 0:
            await asyncio.wait({task}, timeout=left)
            if not task.done():
                _log.warning("no credential for %s within %g s", origin.url, self._patience)
        if origin.url not in self._known:
            # Not for long: whatever comes of the look-up takes its place.
            self._known[origin.url] = _CachedCredential(
                self._recorded.get(origin.url), self._clock()
            )

    def _begin(self, origin: Origin) -> Coroutine[Any, Any, None]:
        self._began[origin.url] = self._clock()
        return self._look_up(origin)

    def headers(self, origin: Origin, url: str) -> dict[str, str]:
        """Return the Authorization for a request at `url`, where trust allows it (RFC 7617).

        Of many owners' things only those that want it are shown it: what it opens is private.
        """
        known = self._known.get(origin.url)
        if known is None or known.credential is None:
            return {}
        if self._owner(origin, url) and not self.is_private(origin, url):
            return {}
        if not trust.may_see_credential(origin, url):
            return {}
        pair = f"{known.credential.username}:{known.credential.secret}".encode()
        return {"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}

    def _valid(self, origin: Origin) -> bool:
        known = self._known.get(origin.url)
        return known is not None and self._clock() < known.until

    async def _look_up(self, origin: Origin) -> None:
        # Nobody is asked about a public origin; one that demanded a credential is not public.
        private = replace(origin, private=True)
        credential = await in_a_thread(lambda: self._plugins.credential(private))
        credential = credential or self._recorded.get(origin.url)
        self._known[origin.url] = _CachedCredential(credential, self._clock() + self._lifetime)


async def in_a_thread(call: Callable[[], Credential | None]) -> Credential | None:
    """Call in a thread of its own, which nobody waits for at the end.

    A keyring that waits for its user to unlock it would keep a thread of the shared pool, and
    this process, for as long as that takes.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Credential | None] = loop.create_future()

    def tell(credential: Credential | None) -> None:
        if not answer.done():
            answer.set_result(credential)

    def run() -> None:
        credential = None
        try:
            credential = call()
        except Exception as error:  # noqa: BLE001 - any error of a foreign function
            _log.warning("no credential: %r", error)
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(tell, credential)

    threading.Thread(target=run, name="credential", daemon=True).start()
    return await answer


class OriginClient:
    """Requests at an origin, with the user's credential where it has one."""

    def __init__(self, client: Client, credentials: OriginCredentials) -> None:
        """Keep both; the client is shared with everybody else."""
        self._client = client
        self._credentials = credentials

    def is_private(self, origin: Origin, url: str) -> bool:
        """Whether the names at a URL of an origin are to be kept from everybody else."""
        return self._credentials.is_private(origin, url)

    def lends(self, origin: Origin) -> bool:
        """Whether the client has no login of its own for this origin."""
        return self._credentials.lends(origin)

    def learn(self, origin: Origin, document: Document) -> None:
        """Take from a kept page what its origin wanted."""
        if document.private:
            self._credentials.demanded(origin, document.url)

    async def fetch(
        self,
        origin: Origin,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        limit: int = LARGEST,
        timeout: float = SILENCE,  # noqa: ASYNC109 - one silence at a time, the client's clock
        checked: bool = True,
    ) -> UpstreamResponse:
        """Ask once; after a 401 look the credential up again and, if there is another, once more.

        Any status is an answer. UpstreamError when none comes. `timeout` bounds each silence,
        in seconds. `checked`: see `policy.destinations.Initiator`.
        """
        await self._credentials.load(origin, url)
        given = dict(headers or {})
        shown = self._credentials.headers(origin, url)
        ask = partial(
            self._client.fetch,
            url,
            method=method,
            limit=limit,
            timeout=timeout,
            initiator=replace(of_origin(origin), checked=checked),
        )
        answer = await ask(headers={**given, **shown})
        # A place that wants a token wants it of everybody: that makes no name private.
        token = answer.headers.get("www-authenticate", "").lower().startswith("bearer")
        if answer.status != 401 or token or not trust.may_see_credential(origin, url):
            return answer
        self._credentials.demanded(origin, url)
        better = self._credentials.headers(origin, url)
        if better == shown:  # else it came while the origin was asked
            await self._credentials.refresh(origin)
            better = self._credentials.headers(origin, url)
        if better == shown:
            return answer
        return await ask(headers={**given, **better})

    async def connect(self, origin: Origin, url: str, *, short: bool) -> None:
        """Make connections for requests to come, as `Client.connect`."""
        await self._client.connect(url, short=short, initiator=of_origin(origin))

    @contextlib.asynccontextmanager
    async def open(
        self, origin: Origin, url: str, *, headers: Mapping[str, str], checked: bool = True
    ) -> AsyncIterator[DocumentStream]:
        """Ask once, and give the answer while it comes; any status is one. UpstreamError."""
        await self._credentials.load(origin, url)
        async with self._client.open_document(
            url,
            headers={**headers, **self._credentials.headers(origin, url)},
            timeout=SILENCE,
            initiator=replace(of_origin(origin), checked=checked),
        ) as stream:
            yield stream
