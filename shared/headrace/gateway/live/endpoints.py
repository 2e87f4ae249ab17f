"""Where the live page and what it shows are asked for, and the few things that it may do.

The page's own files are for everybody (`shell`); what the gateway does is for those who may read
``/status`` (`peers`), or show a session (`keys`). No GET changes anything. Each POST has to show a
header that no page of somewhere else can make a browser send: what ``headrace open`` says, a code,
or the seal that is told to those who may see everything.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from headrace.foreign import whole_number
from headrace.gateway import request_head
from headrace.gateway.exchange import Exchange, Receive, Scope, Send
from headrace.gateway.live import shell, snapshot
from headrace.gateway.live.keys import SESSION_LIVES, Keys, cookie_in, cookie_name
from headrace.gateway.live.viewers import FIRST, MOST, Viewers
from headrace.gateway.peers import Peers, Sight
from headrace.gateway.wiring import Components
from headrace.system.service.own_pages import LIVE_CODES, OPENS
from headrace.system.storage.unused import UnusedFiles

__all__ = ["LivePage"]

#: Headers of what the page asks for by its script.
_CODE, _SEAL, _WORD, _UNUSED_FOR = (
    f"x-headrace-{name}" for name in ("code", "seal", "word", "unused-for")
)
_NOT_YOURS = "this is for the user whose gateway it is; `headrace open` opens it for a browser"
#: Events that are told at a time, of those that were before.
_OLDER = 100

Answer = Callable[["LivePage", Exchange, Scope], Awaitable[None]]


class LivePage:
    """Everything below ``/live/``."""

    def __init__(
        self, parts: Components, peers: Peers, viewers: Viewers, keys: Keys | None = None
    ) -> None:
        """`viewers` shows what happens; `keys` are this worker's."""
        self._parts = parts
        self._peers = peers
        self._viewers = viewers
        self._keys = keys or Keys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        del receive, send
        exchange: Exchange = scope["headrace.exchange"]
        method, path = exchange.request.method, exchange.request.path
        name = path.removeprefix("/live/")
        answer = _POSTS.get(name) if method == "POST" else _GETS.get(name)
        if answer is not None:
            await answer(self, exchange, scope)
        elif method != "POST" and name in shell.ASSETS:
            await self._file(exchange, shell.ASSETS[name], shell.asset(name))
        else:
            await exchange.text(404, "headrace: the live page has no such part")

    # ------------------------------------------------------------------ the page

    async def _page(self, exchange: Exchange, _: Scope) -> None:
        asked = parse_qs(exchange.request.query).get("lang", [""])[0]
        language = shell.language(exchange.request.headers.get("accept-language", ""), asked)
        page = shell.shell(language)
        await self._file(exchange, "text/html; charset=utf-8", page, "accept-language")

    async def _file(self, exchange: Exchange, kind: str, body: bytes, *vary: str) -> None:
        # Over a tunnel to another machine it may be a slow line.
        packs = "gzip" in exchange.request.headers.get("accept-encoding", "")
        packed = shell.packed(body) if packs else b""
        headers = {
            "content-type": kind,
            **({"content-encoding": "gzip"} if packed else {}),
            # An upgrade brings new ones, and from loopback they cost nothing.
            "cache-control": "no-cache",
            "content-security-policy": shell.POLICY,
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "x-frame-options": "DENY",
            "vary": ", ".join(("accept-encoding", *vary)),
        }
        await exchange.whole(200, headers, packed or body)

    # ------------------------------------------------------------------ what it shows

    async def _sight(self, exchange: Exchange, scope: Scope) -> Sight:
        """Say what this browser may see."""
        session = self._keys.is_session(*self._halves(exchange, scope))
        shown = request_head.join_headers(scope["headers"]).get("authorization")
        return await self._peers.sight_of_page(scope, shown, session=session)

    def _halves(self, exchange: Exchange, scope: Scope) -> tuple[str, str]:
        """Return what a browser shows as a session, cookie and word."""
        headers = exchange.request.headers
        word = headers.get(_WORD) or parse_qs(exchange.request.query).get("word", [""])[0]
        return cookie_in(headers.get("cookie", ""), self._cookie(scope)), word

    async def _snapshot(self, exchange: Exchange, scope: Scope) -> None:
        sight = await self._sight(exchange, scope)
        if sight is Sight.NONE:
            await exchange.text(403, f"headrace: {_NOT_YOURS}")
            return
        history = self._parts.activity.history
        table = {
            **self._beginning(sight),
            **self._viewers.known(sight),
            "newest": history.newest,
            "events": snapshot.events(history.after(0, FIRST), sight),
        }
        await _json(exchange, table)

    def _beginning(self, sight: Sight) -> dict[str, Any]:
        told = {"at": round(time.time(), 1)}
        return {**told, "seal": self._keys.seal} if sight is Sight.ALL else told

    async def _events(self, exchange: Exchange, scope: Scope) -> None:
        sight = await self._sight(exchange, scope)
        if sight is Sight.NONE:
            await exchange.text(403, f"headrace: {_NOT_YOURS}")
        elif exchange.head:
            await exchange.whole(200, {"content-type": "text/event-stream"})
        elif self._viewers.number(sight) >= MOST:
            await exchange.text(403, f"headrace: {MOST} browsers are looking already")
        else:
            query = parse_qs(exchange.request.query)
            scope.get("headrace.endless", lambda: None)()
            told = exchange.request.headers.get("last-event-id") or query.get("seen", [""])[0]
            # Whoever shows a session sees no more than that opens, also after it has ended.
            halves = self._halves(exchange, scope)
            session = partial(self._keys.is_session, *halves)
            lasts = session if session() else None
            await self._viewers.show(exchange, sight, whole_number(told), lasts)

    async def _history(self, exchange: Exchange, scope: Scope) -> None:
        sight = await self._sight(exchange, scope)
        if sight is not Sight.ALL:
            await exchange.text(403, f"headrace: {_NOT_YOURS}")
            return
        before = whole_number(parse_qs(exchange.request.query).get("before", [""])[0])
        older = self._parts.activity.history.before(before or 0, _OLDER) if before else []
        await _json(exchange, {"events": snapshot.events(older, sight)})

    # ------------------------------------------------------------------ what it does

    async def _new_code(self, exchange: Exchange, scope: Scope) -> None:
        """Give ``headrace open`` a code, where one is of any use."""
        if OPENS not in exchange.request.headers:
            await exchange.text(403, "headrace: this is for `headrace open`")
            return
        shown = request_head.join_headers(scope["headers"]).get("authorization")
        sight = await self._peers.sight_of_page(scope, shown, session=False)
        if sight is Sight.NONE:
            await exchange.text(403, f"headrace: {_NOT_YOURS}")
            return
        code = self._keys.new_code() if sight is Sight.ALL else None
        await _json(exchange, {"code": code})

    async def _enter(self, exchange: Exchange, scope: Scope) -> None:
        # Another user who has read the code somewhere neither uses it nor uses it up.
        if not await self._peers.may_enter(scope):
            await exchange.text(403, f"headrace: {_NOT_YOURS}")
            return
        session = self._keys.session_for(exchange.request.headers.get(_CODE, ""))
        if session is None:
            await exchange.text(403, "headrace: this code was used, or is too old")
            return
        cookie, word = session
        rules = f"Path=/live/; Max-Age={SESSION_LIVES:.0f}; HttpOnly; SameSite=Strict"
        await _json(exchange, {"word": word}, f"{self._cookie(scope)}={cookie}; {rules}")

    async def _free(self, exchange: Exchange, scope: Scope) -> None:
        headers = exchange.request.headers
        allowed = self._keys.is_seal(headers.get(_SEAL, ""))
        if not allowed or await self._sight(exchange, scope) is not Sight.ALL:
            await exchange.text(403, "headrace: nothing is removed without the page's own word")
            return
        seconds = whole_number(headers.get(_UNUSED_FOR, ""))
        if seconds not in snapshot.UNUSED_FOR:
            await exchange.text(400, "headrace: what is to be removed was not said")
            return
        unused = UnusedFiles(self._parts.store.root)
        freed = await asyncio.to_thread(unused.remove, seconds)
        self._viewers.look_again()
        await _json(exchange, {"freed": freed})

    @staticmethod
    def _cookie(scope: Scope) -> str:
        server = scope.get("server")
        return cookie_name(server[1] if server else None)


async def _json(exchange: Exchange, table: dict[str, Any], cookie: str = "") -> None:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    body = json.dumps(table, separators=(",", ":")).encode()
    await exchange.whole(200, {**headers, **({"set-cookie": cookie} if cookie else {})}, body)


# They are the page's own parts.
_GETS: dict[str, Answer] = {
    "": LivePage._page,  # noqa: SLF001
    "snapshot": LivePage._snapshot,  # noqa: SLF001
    "events": LivePage._events,  # noqa: SLF001
    "history": LivePage._history,  # noqa: SLF001
}
_POSTS: dict[str, Answer] = {
    LIVE_CODES.removeprefix("/live/"): LivePage._new_code,  # noqa: SLF001
    "enter": LivePage._enter,  # noqa: SLF001
    "store": LivePage._free,  # noqa: SLF001
}
