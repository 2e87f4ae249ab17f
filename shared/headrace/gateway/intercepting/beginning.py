"""A command wants to be led: which hosts that is about, and what it needs to know for it.

Asked for by ``headrace run`` (`cli.runs.leading`) over the connection on which it has seen whose
this gateway is; the machine's gateway, which serves others too, leads nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from headrace.errors import HeadraceError, UpstreamError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.gateway.intercepting.interceptions import Interceptions, Place
from headrace.gateway.peers import Sight
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import Ecosystem, Intercepts, NamesFileHosts, ServesDocuments
from headrace.interface.leading import has_login
from headrace.models import Request
from headrace.policy.selection import FAR

__all__ = ["Beginning"]

#: Seconds for pages that teach where an origin keeps its files. Without them these are tunnelled.
_TEACHING = 5.0
_KIND = "application/json"


class Beginning:
    """Answers ``/interception``."""

    def __init__(self, interceptions: Interceptions, *, machine: bool) -> None:
        """`machine`: whether it is the machine's gateway."""
        self._interceptions = interceptions
        self._machine = machine
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(
        self, parts: Components, request: Request, sight: Sight
    ) -> tuple[str, bytes]:
        """Begin one, or say in one sentence why not (``error``)."""
        if self._machine or sight is not Sight.ALL:
            return _told(error="the machine's gateway leads nobody's command")
        try:
            with foreign("what is asked"):
                asked = read_json(parse_qs(request.query)["asked"][0])
                runners = Path(asked["runners"])
                alone = {str(host) for host in asked["alone"]}
                environment = {str(k): str(v) for k, v in asked["environment"].items()}
                elsewhere = bool(asked.get("elsewhere"))
            await _taught(parts)
            self._begin(_connected(parts))
            known = set(_places(parts))
            if not known:
                return _told(error="no public origin that is reached by https can be led")
            places = {place for place in known if not has_login(place[0], alone)}
            if not places:
                return _told(error="you have a login at every host that could be led")
            token, made = await asyncio.to_thread(
                self._interceptions.begin, places, runners, environment, elsewhere=elsewhere
            )
        except (HeadraceError, UnreadableError) as error:
            return _told(error=error.message)
        return _told(
            token=token,
            file=str(self._interceptions.file_of(token)),
            certificate=made.authority.certificate,
            hosts=sorted(f"{host}:{port}" for host, port in places),
            until=made.authority.until,
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _told(**words: Any) -> tuple[str, bytes]:
    return _KIND, json.dumps(words).encode()


def _able(parts: Components) -> Iterator[Ecosystem]:
    return (each for each in parts.ecosystems if isinstance(each, Intercepts))


async def _taught(parts: Components) -> None:
    """Let ecosystems read the pages that say where files are."""
    asking = [
        _read(parts, ecosystem, plan)
        for ecosystem in _able(parts)
        if isinstance(ecosystem, NamesFileHosts)
        for plan in ecosystem.teaching()
    ]
    if asking:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TEACHING):
                await asyncio.gather(*asking)


async def _read(parts: Components, ecosystem: Ecosystem, plan: Any) -> None:
    with contextlib.suppress(UpstreamError, ValueError):
        # However old: it is for where files are, and that is seldom another place.
        known = await parts.documents.known(plan.key)
        page = known[0] if known is not None else None
        if page is None or page.supplied_by is not None:
            page = (await parts.documents.get(ecosystem, plan, "")).document
        if isinstance(ecosystem, ServesDocuments):
            await asyncio.to_thread(list, ecosystem.artifacts(page, plan))


async def _connected(parts: Components) -> None:
    """Make the connections that a command's first burst will go over, while it is still starting:
    to far origins, for their pages, and for questions about files.
    """
    asking = []
    for ecosystem in _able(parts):
        hosts = ecosystem.file_hosts() if isinstance(ecosystem, NamesFileHosts) else ()
        for origin in ecosystem.origins:
            if origin.private or (parts.client.round_trip(origin.url) or 0.0) < FAR:
                continue
            asking.append(parts.origin.connect(origin, origin.url, short=False))
            asking += [parts.origin.connect(origin, host, short=True) for host in hosts]
    # Whatever is wrong there is told to who asks for something.
    await asyncio.gather(*asking, return_exceptions=True)


def _places(parts: Components) -> Iterator[Place]:
    for ecosystem in _able(parts):
        urls = [origin.url for origin in ecosystem.origins if not origin.private]
        urls += ecosystem.file_hosts() if isinstance(ecosystem, NamesFileHosts) else ()
        for url in urls:
            with contextlib.suppress(UnreadableError), foreign("a URL"):
                parsed = urlsplit(url)
                if parsed.scheme == "https" and parsed.hostname:
                    yield parsed.hostname.lower(), parsed.port or 443
