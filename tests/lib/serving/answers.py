"""One connection of a `RecordingServer`: what is said to each request, and how it goes wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, NoReturn, cast
from urllib.parse import unquote, urlsplit

from lib.serving import heads
from lib.serving.modes import Kind, Mode
from lib.waiting import HANG

if TYPE_CHECKING:
    from lib.serving.servers import Listener

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNK = 32 * 1024
_PAGE = b"<!DOCTYPE html><html><body><h1>Please sign in to this network</h1></body></html>"


@dataclass(slots=True)
class Seen:
    """One request as a server saw it, and what it answered. Grows while the answer goes out."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    target: str
    """As it stood in the request line."""
    headers: Mapping[str, str]
    """Lower-case names."""
    range: tuple[int | None, int | None] | None
    """First and last byte of a single range as asked; None where that side was left out."""
    connection: int
    """Number of the connection, from 1."""
    started: float
    """Monotonic seconds, as `ended`."""
    status: int = 0
    """0: no answer was given."""
    sent: int = 0
    """Bytes of the body that were handed to the socket."""
    ended: float | None = None
    """None: still going on."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What stands at a path."""

    body: bytes = field(default=b"", repr=False)
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[str, Mapping[str, str]], Reply]
"""(decoded path, lower-case headers) to reply."""
NOT_FOUND = Reply(b"not here\n", 404, "text/plain")


class Gone(Exception):  # noqa: N818 - not an error: the connection is to be dropped
    """End this connection without another word."""


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener
    _now: Seen

    def setup(self) -> None:
        self.owner = self.server.owner
        if self.owner.tls is not None:
            self.request.settimeout(HANG)
            self.request = self.owner.tls.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        self._raw: socket.socket = self.request
        self._number = self.owner.connected(self._raw)
        super().setup()

    def finish(self) -> None:
        self.owner.disconnected(self._raw)
        with contextlib.suppress(OSError):
            super().finish()
        with contextlib.suppress(OSError):
            self.request.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Keep the test's output clean; `seen` has all."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer()

    def _answer(self) -> None:
        started = time.monotonic()
        path = unquote(urlsplit(self.path).path)
        headers: dict[str, str] = {}
        for key, value in self.headers.items():
            name = key.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        asked = _single(headers.get("range"))
        self._now = Seen(self.command, path, self.path, headers, asked, self._number, started)
        self.owner.record(self._now)
        try:
            self._respond(path, headers)
        except (Gone, OSError):
            self.close_connection = True
        finally:
            self._now.ended = time.monotonic()

    # -------------------------------------------------------------- what to say

    def _respond(self, path: str, headers: dict[str, str]) -> None:
        mode = self.owner.mode_for(self.command, path)
        if self.owner.delay and self.owner.closing.wait(self.owner.delay):
            raise Gone
        if mode.kind is Kind.SILENT:
            self._wait_for_hang_up()
        if mode.kind is Kind.HELD and not mode.at:
            self._wait_for(mode)
        if mode.kind is Kind.HANG_UP:
            self._drop(mode)
        if mode.kind is Kind.GARBAGE:
            self.wfile.write(b"\x16\x03\x01 this is not the protocol\r\n\r\n")
            raise Gone
        reply = self._surprise(path, mode) or self._refusal(headers)
        if reply is None:
            reply = self.owner.find(path, headers)
            reply = _bent(reply, mode) if reply.status == 200 else reply
        self._send(reply, headers, mode)

    def _surprise(self, path: str, mode: Mode) -> Reply | None:
        if mode.kind is Kind.STATUS:
            extra = {"Retry-After": mode.retry_after} if mode.retry_after else {}
            return Reply(f"status {mode.status}\n".encode(), mode.status, "text/plain", extra)
        if mode.kind is Kind.HTML:
            return Reply(_PAGE, 200, "text/html; charset=utf-8")
        if mode.kind is Kind.REDIRECT:
            target = self.path if path else "/"
            return Reply(b"", 302, "text/plain", {"Location": mode.to + target})
        return None

    def _refusal(self, headers: Mapping[str, str]) -> Reply | None:
        if self.owner.credential is None:
            return None
        wanted = base64.b64encode(":".join(self.owner.credential).encode()).decode()
        if headers.get("authorization") == f"Basic {wanted}":
            return None
        challenge = {"WWW-Authenticate": 'Basic realm="test"'}
        return Reply(b"who are you?\n", 401, "text/plain", challenge)

    def _send(self, reply: Reply, headers: Mapping[str, str], mode: Mode) -> None:
        owner, body = self.owner, reply.body
        extra = dict(reply.headers)
        extra.setdefault("Content-Type", reply.content_type)
        if mode.kind is Kind.GZIP or (
            owner.compress
            and re.match(r"text/|application/(vnd\.pypi|json$)", reply.content_type)
            and "gzip" in headers.get("accept-encoding", "")
        ):
            body = gzip.compress(body, 1, mtime=0)
            extra["Content-Encoding"] = "gzip"
        code, first = reply.status, 0
        if code == 200:
            if owner.cache_control:
                extra.setdefault("Cache-Control", owner.cache_control)
            if owner.etags:
                extra.setdefault("ETag", _etag(body))
            if _unchanged(headers, extra):
                code, body = 304, b""
            elif owner.ranges and mode.kind not in (Kind.NO_RANGES, Kind.HTML, Kind.GZIP):
                extra["Accept-Ranges"] = "bytes"
                parts = _several(headers, body, extra) if owner.several else None
                code, first, body = parts or _ranged(headers, body, extra)
            body = heads.bend(mode, code, extra, body)
        if code != 304 and mode.kind is not Kind.NO_LENGTH:
            extra.setdefault("Content-Length", str(len(body)))
        self._now.status = code
        self.send_response(code)
        for key, value in extra.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body, first, mode)

    def _send_body(self, body: bytes, first: int, mode: Mode) -> None:
        limit = len(body)
        if mode.kind in (Kind.CUT, Kind.STALL):
            at = mode.at - first if mode.of_file else mode.at
            limit = max(0, min(limit, limit + at if at < 0 and not mode.of_file else at))
        elif mode.kind in (Kind.TRUNCATE, Kind.NO_LENGTH):
            limit = limit // 2
        started, rate = time.monotonic(), mode.rate if mode.kind is Kind.SLOW else 0.0
        # A drip is one, too: a byte at a time.
        step = max(1 if rate else 1024, min(_CHUNK, int((rate or self.owner.rate or 1e9) / 20)))
        view = memoryview(body)
        sent = 0
        while sent < limit:
            if mode.kind is Kind.HELD and sent == mode.at:
                self._wait_for(mode)
            # What is held is held at its very byte.
            end = mode.at if mode.kind is Kind.HELD and sent < mode.at else limit
            piece = view[sent : min(limit, end, sent + step)]
            sent += len(piece)
            self.owner.pace(len(piece), started, sent, rate)
            # Counted first: a client that has the last byte may look at once.
            self._now.sent = sent
            self.wfile.write(piece)
        if limit == len(body) and mode.kind not in (Kind.TRUNCATE, Kind.NO_LENGTH):
            return
        if mode.kind is Kind.STALL:
            self._wait_for_hang_up()
        self._drop(mode)

    def _drop(self, mode: Mode) -> NoReturn:
        if mode.reset:
            linger = struct.pack("ii", 1, 0)
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise Gone

    def _wait_for(self, mode: Mode) -> None:
        while mode.until is not None and not mode.until.wait(0.05):
            if self.owner.closing.is_set():
                raise Gone

    def _wait_for_hang_up(self) -> None:
        sock = cast("socket.socket", self.request)
        sock.settimeout(0.1)
        while not self.owner.closing.is_set():
            try:
                if not sock.recv(1):
                    break
            except TimeoutError:
                continue
        raise Gone


def _single(header: str | None) -> tuple[int | None, int | None] | None:
    match = _RANGE.fullmatch(header or "")
    if not match or match[0] == "bytes=-":
        return None
    return (int(match[1]) if match[1] else None, int(match[2]) if match[2] else None)


def _unchanged(headers: Mapping[str, str], extra: Mapping[str, str]) -> bool:
    """Say whether the client has it already; the ETag counts where both are asked for."""
    if "if-none-match" in headers:
        return headers["if-none-match"] == extra.get("ETag", "")
    return "Last-Modified" in extra and headers.get("if-modified-since") == extra["Last-Modified"]


def _ranged(
    headers: Mapping[str, str], body: bytes, extra: dict[str, str]
) -> tuple[int, int, bytes]:
    """Give status, first offset and the part (RFC 9110 section 14); several ranges: the whole."""
    asked = _single(headers.get("range"))
    named = (extra.get("ETag"), extra.get("Last-Modified"))
    if asked is None or ("if-range" in headers and headers["if-range"] not in named):
        return 200, 0, body
    size = len(body)
    first, last = asked
    if first is None:
        first, last = max(0, size - (last or 0)), size - 1
    last = size - 1 if last is None else min(last, size - 1)
    if first > last:
        extra["Content-Range"] = f"bytes */{size}"
        return 416, 0, b""
    extra["Content-Range"] = f"bytes {first}-{last}/{size}"
    return 206, first, body[first : last + 1]


def _several(
    headers: Mapping[str, str], body: bytes, extra: dict[str, str]
) -> tuple[int, int, bytes] | None:
    """Give several parts (RFC 9110 section 14.6) where several closed ranges are asked for."""
    asked = re.findall(r"(\d+)-(\d+)", headers.get("range", ""))
    if len(asked) < 2:
        return None
    kind, lines = extra["Content-Type"], []
    for first, last in asked:
        about = f"Content-Type: {kind}\r\nContent-Range: bytes {first}-{last}/{len(body)}\r\n\r\n"
        lines += [b"--PART\r\n", about.encode(), body[int(first) : int(last) + 1], b"\r\n"]
    extra["Content-Type"] = "multipart/byteranges; boundary=PART"
    return 206, 0, b"".join([*lines, b"--PART--\r\n"])


def _bent(reply: Reply, mode: Mode) -> Reply:
    """Change the content itself, before ranges are cut from it."""
    if mode.kind is Kind.SWAPPED:
        return replace(reply, body=mode.body)
    if mode.kind is Kind.WRONG_LENGTH:
        return replace(reply, body=reply.body + b"\0" * mode.at)
    if mode.kind is Kind.CORRUPT and reply.body:
        return replace(reply, body=_with_a_bit_turned(reply.body, mode.at))
    return reply


# Large files are asked for in many parts; hashing and copying them each time would be the test's
# own bottleneck.
@lru_cache(maxsize=8)
def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:20]}"'


@lru_cache(maxsize=4)
def _with_a_bit_turned(body: bytes, at: int) -> bytes:
    bent = bytearray(body)
    bent[at % len(bent)] ^= 0x10
    return bytes(bent)
