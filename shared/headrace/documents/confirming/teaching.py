"""What is found out of origins before anybody asks for something: where they keep their files, and
the connections for the first questions.

A command that is led waits for the former, because its authority is constrained to those hosts. A
mirror's page cannot be read without it, nor what it names be confirmed. Over a far line each is
several round trips, which end before a client that was just started has its first question.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from headrace.documents.cache import Documents
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import Ecosystem, Intercepts, NamesFileHosts, ServesDocuments
from headrace.models import ServeDocument
from headrace.policy.destinations import of_origin
from headrace.policy.selection import FAR
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.client import Client

__all__ = ["connect", "leading", "teach"]

#: Seconds for pages that teach where an origin keeps its files. Without them these are tunnelled.
_TEACHING = 5.0


def leading(ecosystems: Iterable[Ecosystem]) -> list[Ecosystem]:
    """Return those that can be led: their origins are known by URLs of their own."""
    return [each for each in ecosystems if isinstance(each, Intercepts)]


async def teach(
    documents: Documents, ecosystems: Iterable[Ecosystem], stranger: Client | None = None
) -> None:
    """Let ecosystems read the pages that say where files are; one that is kept is not asked for.

    `stranger` is given where nobody has asked for anything yet: then only those are read that their
    origin shows to it, which has no login. A keyring would ask its user for one, out of the blue.
    """
    asking = [
        _read(documents, ecosystem, plan, stranger)
        for ecosystem in leading(ecosystems)
        if isinstance(ecosystem, NamesFileHosts)
        for plan in ecosystem.teaching()
        # Nobody is led where no TLS is, and there are no handshakes to be waited for.
        if plan.url.startswith("https:")
    ]
    if asking:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TEACHING):
                await asyncio.gather(*asking)


async def _read(
    documents: Documents, ecosystem: Ecosystem, plan: ServeDocument, stranger: Client | None
) -> None:
    with contextlib.suppress(UpstreamError, ValueError):
        # However old: it is for where files are, and that is seldom another place.
        known = await documents.known(plan.key)
        page = known[0] if known is not None else None
        if page is None or page.supplied_by is not None:
            if stranger is not None and not await _is_shown_to(stranger, plan):
                return
            page = (await documents.get(ecosystem, plan, "")).document
        if isinstance(ecosystem, ServesDocuments):
            await asyncio.to_thread(list, ecosystem.artifacts(page, plan))


async def _is_shown_to(stranger: Client, plan: ServeDocument) -> bool:
    answer = await stranger.fetch(
        plan.url,
        method="HEAD",
        headers={"accept": plan.accept},
        initiator=of_origin(plan.origin),
    )
    return answer.status == 200


async def connect(client: Client, origins: OriginClient, ecosystems: Iterable[Ecosystem]) -> None:
    """Make the connections that a first burst will go over: to far origins, for their pages, and
    for questions about files.
    """
    asking = []
    for ecosystem in leading(ecosystems):
        hosts = ecosystem.file_hosts() if isinstance(ecosystem, NamesFileHosts) else ()
        for origin in ecosystem.origins:
            if origin.private or (client.round_trip(origin.url) or 0.0) < FAR:
                continue
            asking.append(origins.connect(origin, origin.url, short=False))
            asking += [origins.connect(origin, host, short=True) for host in hosts]
    # Whatever is wrong there is told to who asks for something.
    await asyncio.gather(*asking, return_exceptions=True)
