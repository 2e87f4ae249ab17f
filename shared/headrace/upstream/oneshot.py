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
from headrace.values import dataclass

__all__ = ["Question", "fetch_each", "fetch_once", "question_of"]

#: Requests at a time: more than a doctor has questions, so that those who never answer keep nobody
#: from a turn. Hardly two of them go to the same host.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Question:
    """Somebody to be asked for a head."""

    url: str
    initiator: Initiator
    authorities: Authorities | None = None
    """None: what the environment says."""


def question_of(found: DiscoveredOrigin) -> Question:
    """Return what asks an origin for its own page, with the trust that its tool has in it."""
    return Question(f"{found.origin.url}/", of_origin(found.origin), _authorities(found))


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
    client = _client(env, _authorities(found))
    return asyncio.run(_ask(client, found.origin, url, method, within))


def _authorities(found: DiscoveredOrigin) -> Authorities | None:
    file = found.authorities
    return Authorities((file,), alone=found.authorities_alone) if file else None


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
    asked: Sequence[Question],
    *,
    within: float = 5.0,
    total: float = 10.0,
) -> list[UpstreamResponse | UpstreamError]:
    """Ask several side by side; return what each said, or how it failed, in order.

    `within` is in seconds for one, `total` for all; who had no turn until then did not answer.
    """
    return asyncio.run(_ask_each(env, asked, within, total))


async def _ask_each(
    env: Mapping[str, str], asked: Sequence[Question], within: float, total: float
) -> list[UpstreamResponse | UpstreamError]:
    turns = asyncio.Semaphore(_AT_ONCE)
    clients = {own: _client(env, own) for own in {each.authorities for each in asked}}
    end = asyncio.get_running_loop().time() + total

    async def one(question: Question) -> UpstreamResponse | UpstreamError:
        url, client = question.url, clients[question.authorities]
        try:
            async with asyncio.timeout_at(end), turns:
                return await client.fetch(
                    url,
                    method="HEAD",
                    timeout=within,
                    deadline=within,
                    initiator=question.initiator,
                )
        except UpstreamError as error:
            return error
        except TimeoutError:
            return UpstreamError(Fault.SILENT, f"{for_display(url)} had no turn in {total:g} s")

    try:
        return await asyncio.gather(*map(one, asked))
    finally:
        for client in clients.values():
            await client.aclose()


def _client(env: Mapping[str, str], own: Authorities | None) -> Client:
    return Client(env, authorities=lambda _: own)
