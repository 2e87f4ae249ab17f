"""A document of a far origin in pieces, side by side: each pays the round trips of a new window.

One connection begins with some 14 KB and doubles that each round trip, and over a line that loses
packets it halves again at each loss. So where a round trip is dear, the first piece is asked for
alone, because its answer tells the length and the version, and the rest in a few pieces at once.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator

from headrace.errors import UpstreamError
from headrace.http.ranges import ContentRange, RangeRequest
from headrace.http.validators import same_version
from headrace.models import Fault, ServeDocument
from headrace.policy.destinations import of_origin
from headrace.policy.timeouts import ORIGIN_SILENCE
from headrace.redact import for_display
from headrace.upstream.client import Client

__all__ = ["FIRST_PIECE", "IN_PIECES_FROM", "pieces", "spans"]

#: Seconds of a round trip from which on a document comes so; nearer a request costs more.
IN_PIECES_FROM = 0.05
#: Bytes that are asked for first: what a new connection gives in its first round trip.
FIRST_PIECE = 14_000
#: Pieces of the rest at most, one for each connection (`Http2Pool`), and bytes of each at least.
_MOST = 3
_LEAST = 16_000


def spans(start: int, end: int) -> list[tuple[int, int]]:
    """Divide ``[start, end)`` into pieces of equal size."""
    count = max(1, min(_MOST, (end - start) // _LEAST))
    marks = [start + (end - start) * part // count for part in range(count + 1)]
    return list(itertools.pairwise(marks))


async def pieces(
    client: Client, plan: ServeDocument, version: str, start: int, end: int
) -> AsyncGenerator[bytes, None]:
    """Give ``[start, end)`` of the version that a validator names, in order; UpstreamError where
    one piece cannot be had: what came before it is right all the same.
    """
    asked = [
        asyncio.ensure_future(_piece(client, plan, version, *span)) for span in spans(start, end)
    ]
    try:
        for task in asked:
            yield await task
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _piece(client: Client, plan: ServeDocument, version: str, start: int, end: int) -> bytes:
    try:
        answer = await client.fetch(
            plan.url,
            headers={
                "accept": plan.accept,
                "accept-encoding": "identity",
                "range": str(RangeRequest(start, end)),
                "if-range": version,
            },
            limit=end - start,
            timeout=ORIGIN_SILENCE,
            initiator=of_origin(plan.origin),
            spread=True,
        )
        if error := answer.error():
            raise error
        part = ContentRange.parse(answer.headers.get("content-range", ""))
    except UpstreamError as error:
        if error.fault is Fault.RATE_LIMITED:
            raise
        raise _refused(plan) from error
    except ValueError as error:
        raise _refused(plan) from error
    given = answer.status == 206 and (part.start, part.end) == (start, end)
    same = same_version(version, answer.status, answer.headers)
    if not given or not same or len(answer.body) != end - start:
        raise _refused(plan)
    return answer.body


def _refused(plan: ServeDocument) -> UpstreamError:
    """Make the error after which the rest is asked for in one: that answer tells what is wrong."""
    return UpstreamError(Fault.CUT, f"{for_display(plan.url)} did not give a piece of it")
