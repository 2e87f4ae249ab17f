"""One request at an upstream, for commands that live no longer than that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Origin
from headrace.policy.destinations import of_origin
from headrace.upstream.client import Client, UpstreamResponse
from headrace.upstream.tls import Authorities

__all__ = ["fetch_once"]


def fetch_once(
    env: Mapping[str, str],
    found: DiscoveredOrigin,
    url: str,
    *,
    method: str = "HEAD",
    within: float = 10.0,
) -> UpstreamResponse:
    """Ask with the trust and proxies of `env`; UpstreamError when there is no answer in time.

    `within` is in seconds, for all of it.
    """
    file, alone = found.authorities, found.authorities_alone
    own = Authorities((file,), alone=alone) if file else None
    client = Client(env, authorities=lambda _: own)
    return asyncio.run(_ask(client, found.origin, url, method, within))


async def _ask(
    client: Client, origin: Origin, url: str, method: str, within: float
) -> UpstreamResponse:
    try:
        return await client.fetch(
            url, method=method, timeout=within, deadline=within, initiator=of_origin(origin)
        )
    finally:
        await client.aclose()
