"""The user's logins at mirrors of their own: a company's Harbor, Nexus, Artifactory.

A login is shown to the mirror that it belongs to and to nobody else. A mirror whose login nobody
knows is not asked: it would only refuse.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from headrace.interface.manager import Plugins
from headrace.models import Artifact, Credential, Mirror, Origin, Source
from headrace.policy import trust
from headrace.upstream.auth.origin_credentials import OriginCredentials, in_a_thread
from headrace.upstream.single_flight import SingleFlight
from headrace.values import dataclass

__all__ = ["MirrorLogins", "headers_for"]

_log = logging.getLogger("headrace.logins")

#: Seconds that an answer is remembered; a rotated secret is found at the latest after that.
LIFETIME = 300.0
#: Seconds that a client waits for it; whoever takes longer is known for the next one.
PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class _CachedLogin:
    credential: Credential | None
    until: float


class MirrorLogins:
    """What the plugins know of each mirror that wants a login, remembered for a while."""

    def __init__(
        self,
        plugins: Plugins,
        mirrors: Callable[[], Iterable[Mirror]],
        *,
        token: Callable[[Mirror], str | None] = lambda _: None,
        told: Callable[[str], None] = lambda _: None,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`mirrors` gives the user's own of now; those without `login` are left alone. `token`
        gives that of a gateway which this machine shares; `told` hears, for people, of a mirror
        that nobody has a login for.
        """
        self._token = token
        self._told = told
        self._plugins = plugins
        self._patience = patience
        self._own = mirrors
        self._clock = clock
        self._known: dict[Mirror, _CachedLogin] = {}
        """By all that is said of the mirror: an id may stand for another address by now."""
        self._flights = SingleFlight[Mirror, None]()
        self._began: dict[Mirror, float] = {}
        """When the look-up of a mirror's login began."""

    def may_be_asked(self, mirror: Mirror) -> bool:
        """Whether a mirror wants no login, or one that is known."""
        if not mirror.login:
            return True
        known = self._known.get(mirror)
        return known is not None and known.credential is not None

    @property
    def _mirrors(self) -> dict[str, Mirror]:
        return {mirror.id: mirror for mirror in self._own() if mirror.login}

    async def load(self, ecosystem: str) -> None:
        """Make sure that `headers` knows what is to be known soon. Who takes longer is waited for
        once; what it says then is there for the next request.
        """
        wanted = [
            mirror
            for mirror in self._mirrors.values()
            if mirror.ecosystem == ecosystem and not self._valid(mirror)
        ]
        tasks = [self._flights.start(each, partial(self._begin, each)) for each in wanted]
        last = max((self._began[mirror] for mirror in wanted), default=0.0)
        left = last + self._patience - self._clock()
        if tasks and left > 0:
            await asyncio.wait(tasks, timeout=left)

    def headers(self, source: str, url: str) -> dict[str, str]:
        """Return the Authorization for a request at `url`, where it is that mirror's (RFC 7617)."""
        mirror = self._mirrors.get(source)
        known = None if mirror is None else self._known.get(mirror)
        if mirror is None or known is None or known.credential is None:
            return {}
        if not trust.may_see_credential(Origin(mirror.ecosystem, mirror.url), url):
            return {}
        pair = f"{known.credential.username}:{known.credential.secret}".encode()
        return {"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}

    async def headers_at(self, mirror: Mirror, url: str) -> dict[str, str]:
        """As `headers`, for who has not called `load`."""
        await self.load(mirror.ecosystem)
        return self.headers(mirror.id, url)

    def _valid(self, mirror: Mirror) -> bool:
        known = self._known.get(mirror)
        return known is not None and self._clock() < known.until

    def _begin(self, mirror: Mirror) -> Coroutine[Any, Any, None]:
        self._began[mirror] = self._clock()
        return self._look_up(mirror)

    async def _look_up(self, mirror: Mirror) -> None:
        ask = self._fleets if mirror.first else self._plugins.login
        found = await in_a_thread(lambda: ask(mirror))
        before = self._known.get(mirror)
        if found is None and (before is None or before.credential is not None):
            words = f"mirror {mirror.id} is not asked: nobody knows a login for it"
            _log.warning("%s", words)
            self._told(words)
        self._known[mirror] = _CachedLogin(found, self._clock() + LIFETIME)

    def _fleets(self, mirror: Mirror) -> Credential | None:
        token = self._token(mirror)
        return None if token is None else Credential("headrace", token)

    async def aclose(self) -> None:
        """Wait for nobody any more."""
        await self._flights.aclose()


def headers_for(
    credentials: OriginCredentials,
    logins: MirrorLogins,
    fellows: Callable[[str], Mapping[str, str]] = lambda _: {},
) -> Callable[[Artifact, Source], Mapping[str, str]]:
    """Make what gives the downloader's extra headers; `fellows` those for another replica, by the
    source's id.
    """

    def headers(artifact: Artifact, source: Source) -> Mapping[str, str]:
        given = {} if artifact.accept == "*/*" else {"accept": artifact.accept}
        if source.is_origin:
            return given | credentials.headers(artifact.origin, source.url)
        return {**given, **logins.headers(source.id, source.url), **fellows(source.id)}

    return headers
