"""Where the next page of a relayed answer is: RFC 8288, as registries have it for long lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urljoin, urlsplit

from headrace.models import Request

__all__ = ["relayed_link"]

_NEXT = re.compile(r"""<([^<>]*)>\s*;[^,]*\brel\s*=\s*"?next"?""", re.IGNORECASE)


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
