"""What a client is told while its origin wants to be left alone: the origin's own words.

A client that is led there would ask too soon; one that hears 429 or 503, and when to ask again,
pauses as it does without us. The only 5xx that goes out, and it is not of our making.
"""

from __future__ import annotations

import math

from headrace.errors import UpstreamError
from headrace.gateway.exchange import Exchange
from headrace.models import Fault

__all__ = ["tell_limit"]


async def tell_limit(exchange: Exchange, error: UpstreamError | None) -> bool:
    """Answer with what an origin said of how often it is asked; False: that is not what it said."""
    if error is None or error.fault is not Fault.RATE_LIMITED or error.status not in (429, 503):
        return False
    pause = error.retry_after
    # Rounded up: who asks again then is not early.
    headers = {} if pause is None else {"retry-after": str(math.ceil(pause))}
    await exchange.text(error.status, f"headrace: {error.message}", headers)
    return True
