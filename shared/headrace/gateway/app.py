"""The gateway: an ASGI application on loopback that answers for every ecosystem.

What a path means is the ecosystem's business; this file routes, guards and, whatever goes wrong
inside, ends at the origin (promise 2): a redirect, or the origin's own bytes, and never a 5xx.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.artifacts.small_files import SmallFiles
from headrace.errors import UpstreamError
from headrace.foreign import UnreadableError, foreign
from headrace.gateway import request_head, response_head, views
from headrace.gateway.exchange import ClientDisconnect, Exchange, Receive, Scope, Send
from headrace.gateway.guard import Guard
from headrace.gateway.intercepting.beginning import Beginning
from headrace.gateway.intercepting.connects import Connects
from headrace.gateway.intercepting.interceptions import Interceptions
from headrace.gateway.intercepting.requests import InterceptedRequests
from headrace.gateway.live.later import LivePageLater
from headrace.gateway.peers import Peers, Sight
from headrace.gateway.relaying import relayed_link, tell_limit
from headrace.gateway.response_head import UnsendableError
from headrace.gateway.serve_document import DocumentHandler
from headrace.gateway.telling.measurements import measurements
from headrace.gateway.telling.record import ASKER, asker_of
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import AllowsAnonymous, Ecosystem, Learns
from headrace.models import (
    Artifact,
    Document,
    PassThrough,
    Plan,
    Refuse,
    Reply,
    Request,
    ServeArtifact,
    ServeDocument,
)
from headrace.redact import for_files
from headrace.system.service.bridges import Bridges
from headrace.system.service.own_pages import LIVE
from headrace.upstream.responses import UpstreamResponse
from headrace.upstream.shared_state.leases import FELLOW_ASKS

if TYPE_CHECKING:
    from headrace.gateway.serving.visits import Serving

__all__ = ["build_app"]

_log = logging.getLogger("headrace.gateway")

#: How often, and after how many seconds each, the store is asked for what has just been served.
_MOMENTS, _MOMENT = 20, 0.02
#: Content type and body of a page.
Made = tuple[str, bytes]
#: An application, as ASGI has them.
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def build_app(
    parts: Components,
    token: str | None,
    secret: str | None = None,
    *,
    machine: bool = False,
    state: Path | None = None,
    bridges: Bridges | None = None,
    serving: Serving | None = None,
    ask_tools: Callable[[], list[dict[str, Any]]] = list,
) -> App:
    """Make the application of what `assemble` made. Nothing is asked, opened or started before its
    lifespan begins.

    Clients must show the `token`; the gateway proves that it knows the `secret` (`identity`). What
    else `secret` opens, and `machine`: see `peers`. `state` is the folder of this gateway alone.
    With `bridges` it is the gateway of containers: the token is theirs, and opens no page of its
    own; nobody is led through it. With `serving` others reach it: nobody is led through it either,
    and it has no live page.
    `ask_tools` says how each tool stands, for the live page; it may take seconds.
    """
    interceptions = Interceptions(state or parts.folders.state)
    peers = Peers(None if bridges is not None else token, secret, machine=machine)
    live = LivePageLater(parts, peers, ask_tools)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[dict[str, Connects | LivePageLater]]:
        await parts.start()
        requests = InterceptedRequests(parts)
        try:
            # A CONNECT has no path, and never comes as far as here (`intercepting.taken`). Whoever
            # looks at the live page does so until he is told that this ends (`server`).
            connects = Connects(interceptions, requests, parts.client.roots.context)
            yield {"connects": connects, "live": live} if alone else {}
        finally:
            await live.aclose()
            await parts.stop()

    mounts: list[tuple[str, Ecosystem]] = sorted(
        ((prefix, each) for each in parts.ecosystems for prefix in each.prefixes),
        key=lambda mount: (-len(mount[0]), mount[0]),
    )
    beginning = Beginning(interceptions, machine=machine)
    alone = bridges is None and serving is None
    own: dict[str, App] = {
        "/healthz": _Health(secret),
        "/status": _OwnPage(parts, peers, views.status),
        "/metrics": _OwnPage(parts, peers, views.exposition),
        "/explain": _OwnPage(parts, peers, views.explain),
        "/measurements": _OwnPage(parts, peers, measurements),
        "/interception": _OwnPage(parts, peers, beginning),
    }
    below: list[tuple[str, App]] = [
        (f"{prefix.rstrip('/')}/", _EcosystemEndpoint(parts, each)) for prefix, each in mounts
    ]
    if serving is not None:
        own = _served_pages(parts, serving, own["/healthz"])
    if alone:  # containers, whose root the kernel calls root, have no such page
        below.append((LIVE, live))
    routes = _Routes(own, below, _Nothing())
    guard = Guard(routes, parts, token, mounts, bridges=bridges, serving=serving)
    return _Application(guard, lifespan)


class _Application:
    """All that the server sees (ASGI): the lifespan, and each request."""

    def __init__(
        self, app: App, lifespan: Callable[[], AbstractAsyncContextManager[Mapping[str, Any]]]
    ) -> None:
        """`lifespan` is entered before the first request and left after the last; what it gives
        every request finds in its ``state``.
        """
        self._app = app
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or all that is between the server's start and its end."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        part = "startup"
        await receive()
        try:
            async with self._lifespan() as state:
                scope["state"].update(state)
                await send({"type": "lifespan.startup.complete"})
                part = "shutdown"
                await receive()
        except BaseException:
            await send({"type": f"lifespan.{part}.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})


class _Routes:
    """Leads a request to who answers its path. What a path may be the guard has seen to."""

    def __init__(
        self, exact: Mapping[str, App], below: Sequence[tuple[str, App]], otherwise: App
    ) -> None:
        """`exact` are whole paths; `below` are prefixes with a final slash, the first that fits
        counts.
        """
        self._exact = exact
        self._below = below
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        path = scope["path"]
        found = self._exact.get(path)
        if found is None:
            fitting = (app for prefix, app in self._below if path.startswith(prefix))
            found = next(fitting, self._otherwise)
        await found(scope, receive, send)


class _EcosystemEndpoint:
    """One prefix of an ecosystem."""

    def __init__(self, parts: Components, ecosystem: Ecosystem) -> None:
        self._parts = parts
        self._ecosystem = ecosystem
        self._documents = DocumentHandler(parts, ecosystem)
        self._learns = ecosystem if isinstance(ecosystem, Learns) else None
        self._for_everybody = isinstance(ecosystem, AllowsAnonymous) and ecosystem.for_everybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        exchange: Exchange = scope["headrace.exchange"]
        plan: Plan | None = None
        FELLOW_ASKS.set(exchange.from_replica)
        try:
            plan = self._ecosystem.plan(exchange.request)
            page = plan.named_by if isinstance(plan, ServeArtifact) else plan
            if isinstance(page, ServeDocument | PassThrough) and exchange.hidden(
                page.origin, page.url
            ):
                await exchange.text(403, f"headrace: {page.origin.name} is not for this client")
                return
            await self._perform(exchange, plan)
        except ClientDisconnect:
            raise
        except asyncio.CancelledError:
            # The gateway ends, and this one has waited too long for it: the origin is there.
            if not exchange.started:
                await self._to_origin(exchange, plan, "headrace ends just now")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the origin is the answer
            await self._rescue(exchange, plan, error)
        finally:
            self._parts.activity.answered(self._ecosystem.name, exchange.status or 0)

    async def _perform(self, exchange: Exchange, plan: Plan) -> None:
        match plan:
            case ServeDocument():
                await self._documents.serve(exchange, plan)
            case ServeArtifact():
                ASKER.set(asker_of(exchange.request.headers))
                self._parts.variant_pages.taken(exchange.request, plan)
                page = plan.named_by
                form = self._documents.form(exchange.request, page) if page else ""
                learning = _Learning(self._parts.small_files, self._learns, plan)
                artifact = await self._parts.artifacts.serve(
                    exchange, self._ecosystem, plan, form, on_others=learning.read
                )
                if artifact is not None and exchange.status in {200, 206}:
                    self._parts.activity.builds.given(artifact.name)
                    await self._parts.notice.given(artifact.name)
                if artifact is not None and not artifact.mirrored and plan.named_by is None:
                    await self._follow(exchange.request, plan, artifact)
                if artifact is not None and artifact.names_others:
                    await learning.afterwards(artifact)
            case Reply():
                known = plan.response
                if known.status >= 500:
                    raise UnsendableError(f"{known.status} is for servers that fail")
                await exchange.whole(known.status, known.headers, known.body)
            case PassThrough():
                await self._pass(exchange, plan)
            case Refuse():
                # An ecosystem's word, but not a way to a 5xx of our own making.
                status = plan.status if 400 <= plan.status < 500 else 404
                await exchange.text(status, f"headrace: {plan.reason}")

    async def _follow(self, request: Request, plan: ServeArtifact, artifact: Artifact) -> None:
        """Read ahead from a small artifact that is a page itself."""
        content = await self._parts.small_files.cached(artifact)
        if content is not None:
            page = Document(artifact.url, content, artifact.content_type)
            self._parts.read_ahead.follow(self._ecosystem, plan, page, request)

    async def _pass(self, exchange: Exchange, plan: PassThrough) -> None:
        """Let the origin answer for itself; with the user's credential where that is needed."""
        if not plan.relay and not self._parts.origin.is_private(plan.origin, plan.url):
            await exchange.redirect(for_files(plan.url), "headrace: the origin answers this itself")
            return
        accept = {"accept": exchange.request.headers.get("accept", "*/*")}
        try:
            answer = await self._parts.origin.fetch(plan.origin, plan.url, headers=accept)
        except UpstreamError as error:
            if plan.relay:
                await exchange.text(404, f"headrace: {error.message}")
            elif not await tell_limit(exchange, error):
                await self._parts.hand_back.document(exchange, plan.origin, plan.url, error)
            return
        if plan.relay:
            await self._relay(exchange, plan, answer)
            return
        if wrong := answer.error():
            await self._parts.hand_back.document(exchange, plan.origin, plan.url, wrong)
            return
        kind = answer.headers.get("content-type", "application/octet-stream")
        if answer.status in response_head.NO_BODY or not 200 <= answer.status <= 203:
            why = f"{plan.origin.name} answers {answer.status}, which was not asked"
            await exchange.redirect(for_files(plan.url), f"headrace: {why}")
            return
        await exchange.whole(answer.status, {"content-type": kind}, answer.body)

    async def _relay(self, exchange: Exchange, plan: PassThrough, answer: UpstreamResponse) -> None:
        """Give the origin's own answer, also its own "no such thing": its clients know what to make
        of that. What it refuses is not for everybody, nor, where everybody may ask here, what it
        tells to those with a credential only.
        """
        hidden = self._for_everybody and self._parts.origin.is_private(plan.origin, plan.url)
        if (hidden and not plan.origin.private) or answer.status not in (200, 404, 410):
            # Whoever has a credential of its own asks the origin itself after this.
            await exchange.text(404, f"headrace: {plan.origin.name} does not tell this to anybody")
            return
        told = {name: answer.headers[name] for name in plan.keep if name in answer.headers}
        if link := answer.headers.get("link"):
            told |= relayed_link(link, exchange.request, answer.url)
        await exchange.whole(answer.status, told, answer.body)

    async def _rescue(self, exchange: Exchange, plan: Plan | None, error: Exception) -> None:
        """Answer for a bug of ours, or of a plugin."""
        reference = self._parts.incident(error, exchange.request.path)
        if exchange.started:
            return
        await self._to_origin(
            exchange, plan, f"headrace failed here; its log says why at {reference}"
        )

    async def _to_origin(self, exchange: Exchange, plan: Plan | None, words: str) -> None:
        url = None
        with contextlib.suppress(UnreadableError), foreign("the origin's address"):
            url = self._parts.origin_redirect(plan)
        if url is not None:
            await exchange.redirect(url, words)
        else:
            # Not 404, which would send a resolver to its next index for a name of this one.
            await exchange.text(403, words)


class _Health:
    """Alive, and who: for everybody, so that nobody shows a token to a stranger."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        exchange: Exchange = scope["headrace.exchange"]
        # Where this socket listens: a client's own words, as Host, would prove nothing.
        kind, body = views.health(exchange.request, self._secret, scope.get("server"))
        await exchange.whole(200, {"content-type": kind, "cache-control": "no-store"}, body)


class _OwnPage:
    """What the gateway tells of what it does: of each what he may see (`peers`)."""

    def __init__(
        self,
        parts: Components,
        peers: Peers,
        make: Callable[[Components, Request, Sight], Made | Awaitable[Made]],
    ) -> None:
        self._parts = parts
        self._peers = peers
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        exchange: Exchange = scope["headrace.exchange"]
        shown = request_head.join_headers(scope["headers"]).get("authorization")
        sight = await self._peers.sight(scope, shown)
        if sight is Sight.NONE:
            await exchange.text(403, "headrace: this is for the user whose gateway it is")
            return
        made = self._make(self._parts, exchange.request, sight)
        kind, body = made if isinstance(made, tuple) else await made
        await exchange.whole(200, {"content-type": kind, "cache-control": "no-store"}, body)


class _Served:
    """A page of a gateway that others reach, where the guard has let somebody through."""

    def __init__(self, make: Callable[[Request], Awaitable[tuple[int, str, bytes]]]) -> None:
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        exchange: Exchange = scope["headrace.exchange"]
        status, kind, body = await self._make(exchange.request)
        await exchange.whole(status, {"content-type": kind, "cache-control": "no-store"}, body)


def _served_pages(parts: Components, serving: Serving, health: App) -> dict[str, App]:
    async def ready(_: Request) -> tuple[int, str, bytes]:
        status, body = serving.ready()
        return status, "application/json", body

    async def metrics(_: Request) -> tuple[int, str, bytes]:
        return (200, *serving.metrics.exposition())

    async def status(request: Request) -> tuple[int, str, bytes]:
        return (200, *views.status(parts, request))

    async def explain(request: Request) -> tuple[int, str, bytes]:
        return (200, *await views.explain(parts, request))

    return {
        "/healthz": health,
        "/readyz": _Served(ready),
        "/metrics": _Served(metrics),
        "/status": _Served(status),
        "/explain": _Served(explain),
    }


class _Learning:
    """Lets an ecosystem read what a page that is an artifact says of others."""

    def __init__(self, small_files: SmallFiles, able: Learns | None, plan: ServeArtifact) -> None:
        self._small_files = small_files
        self._able = able
        self._plan = plan
        self._done = able is None

    async def read(self, artifact: Artifact, body: bytes) -> None:
        """Read what a client is about to have whole: it may ask for the others at once."""
        if not self._done and artifact.digest is not None and artifact.digest.is_of(body):
            await self._learn(artifact, body)

    async def afterwards(self, artifact: Artifact) -> None:
        """Read what a client has a part of, or had already: the store has it a moment later."""
        for _ in range(_MOMENTS):
            if self._done:
                return
            if (content := await self._small_files.cached(artifact)) is not None:
                await self._learn(artifact, content)
                return
            await asyncio.sleep(_MOMENT)

    async def _learn(self, artifact: Artifact, content: bytes) -> None:
        assert self._able is not None
        self._done = True
        page = Document(artifact.url, content, artifact.content_type)
        with contextlib.suppress(UnreadableError), foreign("the page"):
            await asyncio.to_thread(self._able.learn, page, self._plan)


class _Nothing:
    """Everything that is nobody's, and the way to the live page for a browser that asks for `/`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        exchange: Exchange = scope["headrace.exchange"]
        if exchange.request.path == "/" and "text/html" in exchange.request.headers.get(
            "accept", ""
        ):
            await exchange.text(302, "headrace: the live page is there", {"location": LIVE})
            return
        await exchange.text(404, "headrace: no ecosystem here has such a path")
