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

from headrace.documents.confirming.teaching import connect, leading, teach
from headrace.errors import HeadraceError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.gateway.intercepting.interceptions import Interceptions, Place
from headrace.gateway.peers import Sight
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import NamesFileHosts
from headrace.interface.leading import has_login
from headrace.models import Request

__all__ = ["Beginning"]

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
            await asyncio.gather(
                teach(parts.documents, parts.ecosystems),
                asyncio.to_thread(self._interceptions.prepare),
            )
            self._begin(connect(parts.client, parts.origin, parts.ecosystems))
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


def _places(parts: Components) -> Iterator[Place]:
    for ecosystem in leading(parts.ecosystems):
        urls = [origin.url for origin in ecosystem.origins if not origin.private]
        urls += ecosystem.file_hosts() if isinstance(ecosystem, NamesFileHosts) else ()
        for url in urls:
            with contextlib.suppress(UnreadableError), foreign("a URL"):
                parsed = urlsplit(url)
                if parsed.scheme == "https" and parsed.hostname:
                    yield parsed.hostname.lower(), parsed.port or 443
