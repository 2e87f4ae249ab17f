"""What a page of somewhere else makes a browser send, told from what an installer sends. Pure.

Any page may name the gateway in an image, a script, a form, a frame or a link, and the browser of
whoever looks at the page sends it. That page cannot read the answer, but a request could start a
download or show by its time what is here. Browsers say what they are asking for (Fetch Metadata,
W3C; to loopback all but old ones do), and no installer says so:

- An ecosystem's paths are for installers. Whatever a browser sends is refused there, also what a
  person typed: a page that is typed may redirect here, which looks the same.
- A Referer that is the gateway's own is no page's elsewhere: no browser lets a page say that. Go's
  client sends one after each redirect. A browser is told by the rest.
- The gateway's own pages, which start nothing, may be typed into a browser. What another page led
  to is refused, one on another port of this machine included.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from headrace.gateway.request_head import host_is_ours

__all__ = ["sent_by_a_page"]

#: What the person wrote, and what one of our own pages led to.
_OWN_SITES = frozenset({"none", "same-origin"})
#: Modes that scripts outside of browsers send as well: their fetch() says no more than this.
_ANYBODYS = frozenset({"", "cors", "same-origin"})
#: A shell that calls itself a browser.
_NO_BROWSER = "PowerShell"


def sent_by_a_page(
    headers: Mapping[str, str], port: int | None, *, own_page: bool, named: str | None = None
) -> bool:
    """Whether a browser sends this for a page that has no business here.

    `own_page`: it asks for something of the gateway itself that starts nothing. `port` is ours, and
    `named` the host and port that we were asked by where that need not be loopback.
    """
    origin, referer = headers.get("origin"), headers.get("referer")
    if origin is not None and not (own_page and _is_ours(origin, port, named)):
        return True
    if referer is not None and not _is_ours(referer, port, named):
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return not own_page or site.strip().lower() not in _OWN_SITES
    if (
        headers.get("sec-fetch-mode", "").strip().lower() not in _ANYBODYS
        or headers.get("sec-fetch-dest", "").strip().lower() not in ("", "empty")
        or "sec-fetch-user" in headers
    ):
        return True
    agent = headers.get("user-agent", "")
    return not own_page and agent.startswith("Mozilla/") and _NO_BROWSER not in agent


def _is_ours(url: str, port: int | None, named: str | None) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if named is not None and parts.netloc == named:
        return True
    return parts.scheme == "http" and host_is_ours(parts.netloc, port)
