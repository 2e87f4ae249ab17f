"""What an origin says for itself, told to clients in its own words.

While it wants to be left alone: a client that is led there would ask too soon; one that hears 429
or 503, and when to ask again, pauses as it does without us. The only 5xx that goes out, and it is
not of our making. And where the next page of a relayed list is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from urllib.parse import quote, urljoin, urlsplit

from headrace.errors import UpstreamError
from headrace.gateway.exchange import Exchange
from headrace.models import Fault, Request

__all__ = ["relayed_link", "tell_limit"]

#: The link to the next page (RFC 8288), as registries have it for long lists.
_NEXT = re.compile(r"""<([^<>]*)>\s*;[^,]*\brel\s*=\s*"?next"?""", re.IGNORECASE)


async def tell_limit(exchange: Exchange, error: UpstreamError | None) -> bool:
    """Answer with what an origin said of how often it is asked; False: that is not what it said."""
    if error is None or error.fault is not Fault.RATE_LIMITED or error.status not in (429, 503):
        return False
    pause = error.retry_after
    # Rounded up: who asks again then is not early.
    headers = {} if pause is None else {"retry-after": str(math.ceil(pause))}
    await exchange.text(error.status, f"headrace: {error.message}", headers)
    return True


def relayed_link(link: str, request: Request, url: str) -> Mapping[str, str]:
    """Return the Link header for a client that asked us by `request` for what is at `url`.

    The next page is had as this one was: by the client's own path, with what its query said to us
    alone. Empty where the link leads anywhere but on in the same list.
    """
    found = _NEXT.search(link)
    if found is None:
        return {}
    here = urlsplit(url)
    try:
        there = urlsplit(urljoin(url, found[1]))
    except ValueError:
        return {}
    if (there.scheme, there.netloc, there.path) != (here.scheme, here.netloc, here.path):
        return {}
    sent = set(here.query.split("&"))
    ours = [part for part in request.query.split("&") if part and part not in sent]
    query = "&".join([*filter(None, there.query.split("&")), *ours])
    if not query.isascii() or not query.isprintable():
        return {}
    return {"link": f'<{quote(request.path, safe="/:@")}?{query}>; rel="next"'}
