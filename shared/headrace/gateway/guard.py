"""What every request meets first: only what an honest client on this machine sends gets further."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from headrace.gateway import request_head
from headrace.gateway.exchange import ClientDisconnect, Exchange, Receive, Scope, Send
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import AllowsAnonymous, Ecosystem, FormatsRefusals
from headrace.models import Request

__all__ = ["Guard"]

_CHALLENGE = {"www-authenticate": 'Basic realm="headrace", charset="UTF-8"'}


class _Refused(Exception):  # noqa: N818 - an answer, no error
    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.words = f"headrace: {words}"
        self.headers = headers


@dataclass(frozen=True, slots=True)
class _Mount:
    """A path prefix, with what its ecosystem can do: asked once, because it is slow."""

    prefix: str
    refusals: FormatsRefusals | None
    anonymous: AllowsAnonymous | None

    @classmethod
    def of(cls, prefix: str, ecosystem: Ecosystem) -> _Mount:
        return cls(
            prefix,
            ecosystem if isinstance(ecosystem, FormatsRefusals) else None,
            ecosystem if isinstance(ecosystem, AllowsAnonymous) else None,
        )


class Guard:
    """Lets in what an honest client sends, and catches everything that escapes."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        parts: Components,
        token: str | None,
        mounts: Sequence[tuple[str, Ecosystem]],
    ) -> None:
        """`mounts` are the ecosystems' path prefixes, the longest first; `token` None: not asked
        for.
        """
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
        exchange = Exchange(Request(str(scope["method"]), "/", "", headers), receive, send)
        try:
            self._look(scope, exchange)
            await self._app(scope, receive, send)
        except _Refused as no:
            await exchange.text(no.status, no.words, no.headers)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - the last net; the endpoints have their own
            reference = self._parts.incident(error, exchange.request.path)
            if not exchange.started:
                await exchange.text(403, f"headrace failed here; its log says why at {reference}")

    def _look(self, scope: Scope, exchange: Exchange) -> None:
        """Read the request into `exchange` and `scope`, or refuse it."""
        method, headers = exchange.request.method, exchange.request.headers
        try:
            raw = scope.get("raw_path") or str(scope["path"]).encode()
            path = request_head.read_target(raw)
        except request_head.BadTarget as error:
            raise _Refused(400, str(error)) from None
        query = bytes(scope.get("query_string", b""))[: request_head.MAX_TARGET].decode("latin-1")
        # What the client proves to us is for nobody else, so it goes no further than this.
        kept = {name: value for name, value in headers.items() if name != "authorization"}
        exchange.request = Request(method, path, query, kept)
        below = f"{path}/"
        mount = next((each for each in self._mounts if below.startswith(each.prefix)), None)
        if mount is not None and mount.refusals is not None:
            exchange.phrased = mount.refusals.phrased
        if sum(len(k) + len(v) for k, v in scope["headers"]) > request_head.MAX_HEADERS:
            raise _Refused(431, "more headers than any client of ours sends")
        server = scope.get("server")
        if not request_head.host_is_ours(headers.get("host"), server[1] if server else None):
            raise _Refused(421, "this is a gateway on loopback, no proxy")
        if method not in ("GET", "HEAD"):
            raise _Refused(405, "only GET and HEAD", {"allow": "GET, HEAD"})
        if not self._let_in(path, mount, headers.get("authorization")):
            raise _Refused(401, "the token is missing or wrong", _CHALLENGE)
        scope["headrace.exchange"] = exchange
        scope["path"] = path

    def _let_in(self, path: str, mount: _Mount | None, shown: str | None) -> bool:
        free = mount is not None and mount.anonymous is not None and mount.anonymous.for_everybody
        return free or path == "/healthz" or request_head.authorised(shown, self._token)
