"""What every request meets first: only what an honest client on this machine sends gets further."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from headrace.config import EnvVars
from headrace.errors import SettingsError
from headrace.gateway import request_head
from headrace.gateway.browsers import sent_by_a_page
from headrace.gateway.exchange import ClientDisconnect, Exchange, Receive, Scope, Send
from headrace.gateway.serving.refusal import Refusal
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import (
    AllowsAnonymous,
    DescribesHosts,
    Ecosystem,
    FormatsRefusals,
)
from headrace.models import Origin, Request
from headrace.system.service.bridges import Bridges
from headrace.system.service.own_pages import LIVE, LIVE_CODES
from headrace.values import dataclass
from headrace.variants import host_paths, tables
from headrace.variants.target import parse_target

if TYPE_CHECKING:
    from headrace.gateway.serving.visits import Serving, Visit

__all__ = ["Guard"]

_CHALLENGE = {"www-authenticate": 'Basic realm="headrace", charset="UTF-8"'}


#: The gateway's own pages that start nothing: a person may look at them in a browser.
_FOR_BROWSERS = frozenset({"/", "/healthz", "/status", "/metrics"})
#: What alone is posted: each looks for itself whether it may be (`live.endpoints`).
_POSTED = frozenset({LIVE_CODES, f"{LIVE}enter", f"{LIVE}store"})
#: All of them that the gateway of containers has.
_OWN = frozenset({"/healthz", "/status", "/metrics"})


@dataclass(frozen=True, slots=True)
class _Mount:
    """A path prefix, with what its ecosystem can do: asked once, because it is slow."""

    prefix: str
    ecosystem: str
    refusals: FormatsRefusals | None
    anonymous: AllowsAnonymous | None
    described: DescribesHosts | None

    @classmethod
    def of(cls, prefix: str, ecosystem: Ecosystem) -> _Mount:
        return cls(
            prefix,
            ecosystem.name,
            ecosystem if isinstance(ecosystem, FormatsRefusals) else None,
            ecosystem if isinstance(ecosystem, AllowsAnonymous) else None,
            ecosystem if isinstance(ecosystem, DescribesHosts) else None,
        )


class Guard:
    """Lets in what an honest client sends, and catches everything that escapes."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        parts: Components,
        token: str | None,
        mounts: Sequence[tuple[str, Ecosystem]],
        *,
        bridges: Bridges | None = None,
        serving: Serving | None = None,
    ) -> None:
        """`mounts` are the ecosystems' path prefixes, the longest first; `token` None: not asked
        for. With `bridges` it is the gateway of containers: what is for them is on their bridges
        alone, its own pages are on loopback alone. With `serving` others reach it, by whatever name
        of its host, and that says who is let in.
        """
        self._serving = serving
        self._bridges = bridges
        self._app = app
        self._parts = parts
        self._token = token
        self._mounts = [_Mount.of(prefix, ecosystem) for prefix, ecosystem in mounts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = request_head.join_headers(scope["headers"])
        request = Request(str(scope["method"]), "/", "", headers)
        visit = None if self._serving is None else self._serving.begin(scope, headers, send)
        exchange = Exchange(
            request,
            receive,
            send if visit is None else visit.send,
            scope.get("headrace.hang_up"),
            scope.get("headrace.resumed"),
        )
        try:
            mount = self._look(scope, exchange)
            if visit is not None and self._serving is not None:
                await self._serving.admit(
                    visit,
                    scope,
                    headers,
                    exchange.request.path,
                    mount.ecosystem if mount is not None else "",
                    never_401=mount is not None and mount.anonymous is not None,
                )
                exchange.hidden = partial(self._hides, visit)
                exchange.from_replica = visit.grant is not None and visit.grant.replica
            paced = visit is not None and visit.paced
            exchange.takes_files = bool(scope.get("headrace.files")) and not paced
            await self._app(scope, receive, send)
        except Refusal as no:
            await exchange.text(no.status, no.words, no.headers)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - the last net; the endpoints have their own
            reference = self._parts.incident(error, exchange.request.path)
            if not exchange.started:
                await exchange.text(403, f"headrace failed here; its log says why at {reference}")
        finally:
            if visit is not None:
                visit.end(exchange, str(scope["path"]))

    def _hides(self, visit: Visit, origin: Origin, url: str) -> bool:
        assert self._serving is not None
        private = origin.private or self._parts.origin.is_private(origin, url)
        return self._serving.hides(visit.grant, origin, private=private)

    def _look(self, scope: Scope, exchange: Exchange) -> _Mount | None:
        """Read the request into `exchange` and `scope`, or refuse it; return whose it is."""
        method, headers = exchange.request.method, exchange.request.headers
        try:
            target = request_head.parse_target(method, _target_of(scope))
            path = request_head.read_target(target.path)
        except request_head.BadTarget as error:
            raise Refusal(error.status, str(error)) from None
        split = self._described(path) or host_paths.split(path)
        if split is None:
            raise Refusal(404, "no host is described in this way")
        base, path = split
        query = target.query.decode("latin-1")
        # What the client proves to us is for nobody else, so it goes no further than this.
        kept = {name: value for name, value in headers.items() if name != "authorization"}
        exchange.request = Request(method, path, query, kept, base, _ends(scope))
        below = f"{path}/"
        mount = next((each for each in self._mounts if below.startswith(each.prefix)), None)
        if mount is not None and mount.refusals is not None:
            exchange.phrased = mount.refusals.phrased
        bridge = self._on_bridge(scope)
        _check_head(scope, headers, target, bridge, anywhere=self._serving is not None)
        posted = method == "POST" and path in _POSTED and self._bridges is None
        if method not in ("GET", "HEAD") and not posted:
            raise Refusal(405, "only GET and HEAD", {"allow": "GET, HEAD"})
        if scope.get("headrace.body"):
            raise Refusal(413, "no request that is served here has a body")
        server = scope.get("server")
        port = server[1] if server else None
        named = headers.get("host") if self._serving is not None else None
        own_page = path in _FOR_BROWSERS or path.startswith(LIVE)
        if sent_by_a_page(headers, port, own_page=own_page, named=named):
            raise Refusal(403, "this is for installers, not for pages in a browser")
        # Whatever page of its own it may have one day: on a bridge are packages alone.
        wrong = path not in _OWN if bridge is None else mount is None
        if self._bridges is not None and wrong:
            raise Refusal(403, "this is the gateway of containers, on their bridges")
        if self._serving is None:
            if not self._let_in(path, mount, headers.get("authorization")):
                raise Refusal(401, "the token is missing or wrong", _CHALLENGE)
            exchange.showed_token = self._token is not None and "authorization" in headers
        scope["headrace.exchange"] = exchange
        scope["path"] = path
        return mount

    def _described(self, path: str) -> tuple[str, str] | None:
        """Split a path that describes a host in words, as `host_paths.split` does; None: it does
        not.
        """
        for each in self._mounts:
            if each.described is None or not path.startswith(each.prefix):
                continue
            if (found := each.described.described_in(path)) is None:
                continue
            try:
                parse_target(found[0], tables.load())
            except SettingsError as error:
                raise Refusal(404, f"no such host: {error.message}") from None
            return host_paths.base_of({EnvVars.HEADRACE_TARGET: found[0]}), found[1]
        return None

    def _on_bridge(self, scope: Scope) -> Bridges | None:
        server = scope.get("server")
        on = self._bridges is not None and server is not None and server[0] in self._bridges.hosts
        return self._bridges if on else None

    def _let_in(self, path: str, mount: _Mount | None, shown: str | None) -> bool:
        if self._bridges is not None:
            return path in _OWN or request_head.authorised(shown, self._token)
        free = mount is not None and mount.anonymous is not None and mount.anonymous.for_everybody
        # The live page has its own way to know a browser, which has no token.
        free = free or path == "/healthz" or path.startswith(LIVE)
        return free or request_head.authorised(shown, self._token)


def _ends(scope: Scope) -> tuple[tuple[str, int], tuple[str, int]] | None:
    client, server = scope.get("client"), scope.get("server")
    # A socket that is no port has a path, and nobody's number.
    if client is None or server is None or server[1] is None:
        return None
    return (str(client[0]), int(client[1])), (str(server[0]), int(server[1]))


def _target_of(scope: Scope) -> bytes:
    """Return the target as it was written, where the server says so (`connection`)."""
    if "headrace.target" in scope:
        return bytes(scope["headrace.target"])
    path = bytes(scope.get("raw_path") or str(scope["path"]).encode())
    query = bytes(scope.get("query_string", b""))
    return path + b"?" + query if query else path


def _check_head(
    scope: Scope,
    headers: Mapping[str, str],
    target: request_head.RequestTarget,
    bridge: Bridges | None,
    *,
    anywhere: bool,
) -> None:
    """Refuse what no honest client sends, and what is for another host."""
    pairs = scope["headers"]
    version = scope.get("http_version", "1.1")
    host = headers.get("host")
    server = scope.get("server")
    named = host if target.authority is None else target.authority
    port = server[1] if server else None
    names = () if bridge is None else (bridge.names,)
    ours = named is not None if anywhere else request_head.host_is_ours(named, port, *names)
    large = "headrace.large" in scope or len(pairs) > request_head.MAX_LINES
    if ours and host and "," not in host and version == "1.1" and not large:
        return
    if large:
        raise Refusal(431, "more headers than any client of ours sends")
    if version not in ("1.0", "1.1"):
        raise Refusal(400, "HTTP/1.1 is spoken here, and HTTP/1.0")
    # Several of one name are joined with a comma, which no host has.
    if (host is None and version == "1.1") or (host is not None and "," in host):
        raise Refusal(400, "one Host, not none or several (RFC 9112 section 3.2)")
    if not ours:
        raise Refusal(421, "this is a gateway on loopback, no proxy")
