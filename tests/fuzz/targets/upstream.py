"""What upstreams answer: heads, codings, places to go on to, tokens."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from fuzz.model import BrokenLaw, Run, Target
from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream import responses
from headrace.upstream.auth import bearer
from headrace.upstream.document_stream import DocumentStream
from headrace.upstream.proxies import Proxies
from headrace.upstream.responses import UpstreamResponse
from headrace.upstream.sent_request import SentRequest, redirect_of
from headrace.upstream.tls import TrustStore

_URL = "https://files.example/a/b/x-1.0.whl"


def _headers(data: bytes) -> dict[str, str]:
    lines = (line.decode("latin-1").partition(":") for line in data.split(b"\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _head(data: bytes) -> object:
    """A status and fields, for one who wanted bytes 0 to 100."""
    first, _, rest = data.partition(b"\n")
    status = int(first) if first.isdigit() and len(first) == 3 else 206
    headers = _headers(rest)
    word: list[object] = []
    for wanted in ((0, 100), (0, None), None):
        try:
            span = responses.judge_artifact(status, headers, _URL, wanted)
        except UpstreamError as error:
            word.append(error.fault.value)
        else:
            word.append((span.ranged, span.total is None, span.end is None))
            if wanted and span.end is not None and span.ranged and span.start != 0:
                raise BrokenLaw(f"{span} for {wanted}")
    return tuple(word)


async def _body(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _translate(error: Exception) -> UpstreamError:
    return UpstreamError(Fault.PROTOCOL, str(error))


async def _decoded(data: bytes) -> object:
    """A coded body, coded here where the first byte says so; what comes out comes in pieces."""
    head, _, body = data.partition(b"\n")
    coding = head.decode("latin-1")
    if coding.startswith("!"):
        coding = coding[1:]
        body = gzip.compress(body, 1, mtime=0) if "gzip" in coding else zlib.compress(body, 1)
    headers = {"content-encoding": coding, "content-length": str(len(body))}
    total = largest = 0
    stream = DocumentStream(
        200, _URL, headers, rtt=0.1, body=_body(body, 500), translate=_translate
    )
    async for piece in stream:
        total += len(piece)
        largest = max(largest, len(piece))
    if largest > 1 << 20:
        raise BrokenLaw(f"{largest} bytes in one piece")
    return coding, stream.coded, min(total, 3)


def _redirect(data: bytes) -> object:
    """Where an answer over TLS leads."""
    location = data.decode("latin-1")
    exchange = SentRequest("https://files.example/a/x", None, TrustStore({}))
    exchange.response = SimpleNamespace(status_code=302)
    exchange.headers = {"location": location}
    target = redirect_of(exchange)
    if target is not None and not target.lower().startswith("https://"):
        raise BrokenLaw(f"leads to {target[:60]!r}")
    return target is None


async def _token(data: bytes) -> object:
    """A challenge, and what its realm answers, behind an empty line."""
    challenge, _, body = data.partition(b"\n\n")

    async def fetch(
        url: str, headers: Mapping[str, str], seconds: float, largest: int
    ) -> UpstreamResponse:
        del headers, seconds, largest
        return UpstreamResponse(200, url, {}, body)

    tokens = bearer.BearerTokens(fetch, clock=lambda: 1.0)
    url = "https://registry.example/v2/library/alpine/manifests/latest"
    shown = await tokens.answer(url, challenge.decode("latin-1"))
    for value in shown.values():
        if not value.isascii() or not value.isprintable():
            raise BrokenLaw("a token that cannot be sent")
    tokens.headers(url)
    return bool(shown), bearer.parse(challenge.decode("latin-1")) is None


def _proxies(data: bytes) -> object:
    """Proxies, and hosts that are reached without: the user's own words."""
    lines = data.decode("utf-8", "replace").replace("\0", "").splitlines()
    env = {name: value for name, _, value in (line.partition("=") for line in lines)}
    found = Proxies(env)
    return [
        found.choose(url)
        for url in ("https://a.example/x", "http://127.0.0.1:1/", "https://[::1]/")
    ]


def _run(asked: Callable[[bytes], Coroutine[Any, Any, object]]) -> Callable[[], Any]:
    @contextlib.contextmanager
    def opened() -> Iterator[Run]:
        with asyncio.Runner() as runner:
            yield lambda data: runner.run(asked(data))

    return opened


TARGETS = [
    Target(
        "response-head",
        _head,
        words=(
            b"content-range: bytes 0-99/100",
            b"content-length: ",
            b"content-encoding: ",
            b"content-type: text/html",
            b"retry-after: ",
            b"transfer-encoding: chunked",
            b"206\n",
            b"200\n",
            b"429\n",
            b"Wed, 21 Oct 2015 07:28:00 GMT",
        ),
    ),
    Target(
        "coded-body",
        words=(
            b"gzip\n",
            b"!gzip\n",
            b"!deflate\n",
            b"deflate\n",
            b"\x1f\x8b\x08\x00",
            b"gzip, gzip\n",
        ),
        opened=_run(_decoded),
    ),
    Target(
        "redirect",
        _redirect,
        words=(b"https://", b"//", b"../", b"http://", b"@", b"[::1]", b":99999"),
    ),
    Target(
        "token",
        words=(
            b'Bearer realm="https://',
            b'service="',
            b'scope="',
            b'"token":"',
            b'"expires_in":',
            b'"access_token":"',
            b"\n\n",
            b"auth.example",
        ),
        allowed=(),
        opened=_run(_token),
    ),
    Target(
        "proxies",
        _proxies,
        words=(
            b"HTTPS_PROXY=http://",
            b"NO_PROXY=",
            b"all_proxy=http://",
            b"*.example",
            b"10.0.0.0/8",
            b"user:pw@",
            b":3128",
        ),
    ),
]
