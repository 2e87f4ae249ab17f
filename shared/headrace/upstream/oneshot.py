"""Requests at upstreams, for commands that live no longer than that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from headrace.errors import UpstreamError
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Fault, Origin
from headrace.policy.destinations import Initiator, of_origin
from headrace.redact import for_display
from headrace.upstream.client import Client, UpstreamResponse
from headrace.upstream.tls import Authorities

__all__ = ["fetch_each", "fetch_once"]

#: Requests at a time.
_AT_ONCE = 8


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


def fetch_each(
    env: Mapping[str, str],
    asked: Sequence[tuple[str, Initiator]],
    *,
    within: float = 5.0,
    total: float = 10.0,
) -> list[UpstreamResponse | UpstreamError]:
    """Ask several for a head, some at a time; return what each said, or how it failed, in order.

    `within` is in seconds for one, `total` for all; who had no turn until then did not answer.
    """
    return asyncio.run(_ask_each(env, asked, within, total))


async def _ask_each(
    env: Mapping[str, str], asked: Sequence[tuple[str, Initiator]], within: float, total: float
) -> list[UpstreamResponse | UpstreamError]:
    client, turns = Client(env), asyncio.Semaphore(_AT_ONCE)
    end = asyncio.get_running_loop().time() + total

    async def one(url: str, initiator: Initiator) -> UpstreamResponse | UpstreamError:
        try:
            async with asyncio.timeout_at(end), turns:
                return await client.fetch(
                    url, method="HEAD", timeout=within, deadline=within, initiator=initiator
                )
        except UpstreamError as error:
            return error
        except TimeoutError:
            return UpstreamError(Fault.SILENT, f"{for_display(url)} had no turn in {total:g} s")

    try:
        return await asyncio.gather(*(one(url, initiator) for url, initiator in asked))
    finally:
        await client.aclose()
