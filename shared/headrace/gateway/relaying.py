"""What an origin says for itself, told to clients in its own words.

While it wants to be left alone: a client that is led there would ask too soon; one that hears 429
or 503, and when to ask again, pauses as it does without us. A 5xx that goes out is never of our
making. And where the next page of a relayed list is.

When there is no page or file to give (`HandBack`) a client comes to the origin's own answer in one
of three ways. *Redirected*, it asks the origin itself, as it would have without us; that is right
wherever it can: public origins, and such as want a login that the client keeps where it finds it by
the origin's name (netrc, keyring). *Relayed*, it hears the origin's own status with the challenge
and the pause that belong to it: for a login that stood in the URL that ours replaced, because the
client has no other, and a URL that holds it would be shown by some in their logs and not be enough
for the files. *Mirrored*, where the origin gave no answer at all: the connection ends for the
client as it did for us, and whether to try again, to stop or to go to the next index is decided by
the client as ever. `tests/contract/python/company/` holds what clients make of each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urljoin, urlsplit

from headrace.errors import UpstreamError
from headrace.gateway.exchange import Exchange
from headrace.models import Fault, Origin, Request, Response
from headrace.policy import trust
from headrace.redact import for_files

__all__ = ["HandBack", "relayed_link", "tell_limit"]

#: A length for bodies that are cut: no client may take what it has for the whole.
_MORE_THAN_COMES = "1048576"
_NO_PAGE = b"<!DOCTYPE html><html><head><title>headrace</title></head><body>%s</body></html>\n"
#: The link to the next page (RFC 8288), as registries have it for long lists.
_LINK = re.compile(r"<([^<>]*)>([^,<]*)")
_REL_NEXT = re.compile(r""";\s*rel\s*=\s*"?next"?\s*(?:;|$)""", re.IGNORECASE)


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
    named = (found[1] for found in _LINK.finditer(link) if _REL_NEXT.search(found[2]))
    target = next(named, None)
    if target is None:
        return {}
    here = urlsplit(url)
    try:
        there = urlsplit(urljoin(url, target))
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


class HandBack:
    """For all that documents and files of an origin end in when they cannot be given."""

    def __init__(
        self,
        is_private: Callable[[Origin, str], bool],
        lends: Callable[[Origin], bool],
    ) -> None:
        """`lends` says whether the origin's login stood in its URL, so that no client has it."""
        self._is_private = is_private
        self._lends = lends

    async def document(
        self, exchange: Exchange, origin: Origin, url: str, error: UpstreamError
    ) -> str:
        """Answer for a page that is not to be had; return what to count it as."""
        told = _answer_of(error)
        words = f"headrace: {error.message}"
        if error.fault is Fault.MISSING and told is None:
            await exchange.text(404, words)
            return "missing"
        if told is not None and self._is_heard(exchange, origin, error, told):
            await self._relay(exchange, told, error, words)
            return {Fault.MISSING: "missing", Fault.FORBIDDEN: "forbidden"}.get(
                error.fault, "relayed"
            )
        if told is not None and told.status == 401:
            # Who wants a login says for himself whose: perhaps the origin led somewhere else.
            where = error.url if not trust.may_see_credential(origin, error.url) else url
            await exchange.redirect(for_files(where), words)
        elif told is None and self.is_alone(origin, url):
            await self._mirror(exchange, error)
        else:
            await exchange.redirect(for_files(url), words)
        return "redirected"

    async def file(self, exchange: Exchange, origin: Origin, error: UpstreamError | None) -> None:
        """Answer for a file that no client can ask the origin for by itself (`is_alone`)."""
        told = _answer_of(error)
        if error is not None and error.fault is Fault.NOT_THE_FILE:
            await exchange.text(404, f"headrace: {error.message}")
        elif error is None or told is None:
            await self._mirror(exchange, error)
        elif self._is_heard(exchange, origin, error, told):
            await self._relay(exchange, told, error, f"headrace: {error.message}")
        else:
            await exchange.redirect(for_files(error.url), f"headrace: {error.message}")

    def is_alone(self, origin: Origin, url: str) -> bool:
        """Whether the gateway alone can ask for this URL."""
        return self._lends(origin) and trust.may_see_credential(origin, url)

    def _is_heard(
        self, exchange: Exchange, origin: Origin, error: UpstreamError, told: Response
    ) -> bool:
        """Whether the origin's words go out as they are."""
        if told.status == 401:
            # To a client without our token the login that is wanted would seem to be that.
            own = trust.may_see_credential(origin, error.url)
            return own and self._lends(origin) and exchange.showed_token
        if error.fault in (Fault.MISSING, Fault.FORBIDDEN):
            return True
        if told.status < 400:
            return self._lends(origin)
        return self._is_private(origin, error.url)

    @staticmethod
    async def _relay(exchange: Exchange, told: Response, error: UpstreamError, words: str) -> None:
        """Say what the origin said. In our words: its page is nobody's to run on loopback."""
        headers = dict(told.headers)
        if error.retry_after is not None:
            # Rounded up: who asks again then is not early.
            headers["retry-after"] = str(math.ceil(error.retry_after))
        if told.status >= 400:
            await exchange.text(told.status, words, headers)
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        body = told.body or f"{words}\n".encode()
        if "html" in kind:
            body = _NO_PAGE % b"headrace: the origin answered with something that is no page"
        await exchange.whole(told.status, {**headers, "cache-control": "no-store"}, body)

    @staticmethod
    async def _mirror(exchange: Exchange, error: UpstreamError | None) -> None:
        """End the connection as the origin's ended."""
        if error is not None and error.begun and "range" not in exchange.request.headers:
            headers = error.response.headers if error.response is not None else {}
            await exchange.begin(200, {**headers, "content-length": _MORE_THAN_COMES})
        else:
            await exchange.hang_up()


def _answer_of(error: UpstreamError | None) -> Response | None:
    """Return the origin's answer, where it gave one that can be given on."""
    if error is None or error.begun or error.response is None:
        return None
    return error.response if 200 <= error.response.status <= 599 else None
