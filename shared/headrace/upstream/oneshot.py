"""One request at an upstream, for commands that live no longer than that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from headrace.models import Origin
from headrace.policy.destinations import of_origin
from headrace.upstream.client import Client, UpstreamResponse

__all__ = ["fetch_once"]


def fetch_once(
    env: Mapping[str, str], origin: Origin, url: str, *, method: str = "HEAD", within: float = 10.0
) -> UpstreamResponse:
    """Ask with the trust and proxies of `env`; UpstreamError when there is no answer in time.

    `within` is in seconds, for all of it.
    """
    return asyncio.run(_ask(env, origin, url, method, within))


async def _ask(
    env: Mapping[str, str], origin: Origin, url: str, method: str, within: float
) -> UpstreamResponse:
    client = Client(env)
    try:
        return await client.fetch(
            url, method=method, timeout=within, deadline=within, initiator=of_origin(origin)
        )
    finally:
        await client.aclose()
