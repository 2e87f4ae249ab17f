"""What stands before a real registry: Docker Hub's door (TLS, tokens), or a mirror's (neither).

A script, so that it can run in a network namespace: ``registry_front.py OPTIONS.json``. Tokens are
given as Hub does it (distribution-spec's token authentication): to strangers for pulls of public
repositories, to those with the password for everything. Each request is a line of JSON in the log.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import re
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Options"]

_NAME = re.compile(r"/v2/(?P<name>.+)/(?:manifests|blobs|tags|referrers)/")
_PART = 64 << 10
_HOP = {"connection", "transfer-encoding", "content-length", "authorization", "date", "server"}


@dataclass(frozen=True, slots=True)
class Options:
    """How it is started; a JSON object with these names."""

    port: int
    upstream: int
    """Port of the registry behind it, on loopback."""
    log: str
    mood: str
    """A file; what is in it: ``{"rate": bytes per second, "status": code for all of /v2/}``."""
    certificate: str = ""
    key: str = ""
    realm: str = ""
    """Where tokens are had; empty: nobody needs one."""
    private: tuple[str, ...] = ()
    login: str = ""
    """``user:password`` that opens everything."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    options: Options

    def log_message(self, *_: object) -> None:
        pass

    def _mood(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(Path(self.options.mood).read_text())
        return found

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        if path == "/token":
            self._token()
        elif status := self._mood().get("status"):
            self._tell(int(status), {"errors": [{"code": "TOOMANYREQUESTS"}]})
        elif self.options.realm and not self._let_in(path):
            scope = f"repository:{self._repository(path)}:pull"
            shown = f',scope="{scope}"' if self._repository(path) else ""
            challenge = f'Bearer realm="{self.options.realm}",service="hub"{shown}'
            self._tell(401, {"errors": [{"code": "UNAUTHORIZED"}]}, {"WWW-Authenticate": challenge})
        else:
            self._pass_on()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - its names

    def _repository(self, path: str) -> str:
        match = _NAME.match(path)
        return match["name"] if match else ""

    def _who(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ").partition("-")[0]

    def _let_in(self, path: str) -> bool:
        who, name = self._who(), self._repository(path)
        if who == "stranger":
            public = name not in self.options.private and self.command in ("GET", "HEAD")
            return bool(name) and public
        return who == "user"

    def _token(self) -> None:
        shown = self.headers.get("Authorization", "")
        pair = base64.b64encode(self.options.login.encode()).decode()
        if shown and shown != f"Basic {pair}":
            self._tell(401, {"errors": [{"code": "UNAUTHORIZED"}]})
            return
        scope = ",".join(parse_qs(urlsplit(self.path).query).get("scope", []))
        who = "user" if shown else "stranger"
        self._tell(200, {"token": f"{who}-{scope}", "expires_in": 300})

    def _tell(self, status: int, table: object, headers: dict[str, str] | None = None) -> None:
        for _ in self._body():  # else the next request would begin with it
            pass
        body = json.dumps(table).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self._note(status, 0)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (part := self.rfile.read(min(_PART, left))):
            left -= len(part)
            yield part

    def _pass_on(self) -> None:
        behind = http.client.HTTPConnection("127.0.0.1", self.options.upstream)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _HOP and k != "Accept"}
        # Engines send one line for each type that they take; what is behind reads them all.
        if accepts := self.headers.get_all("Accept"):
            kept["Accept"] = ", ".join(accepts)
        if self.options.certificate:
            kept["X-Forwarded-Proto"] = "https"
        if self.command in ("PUT", "POST", "PATCH"):
            behind.request(self.command, self.path, b"".join(self._body()), kept)
        else:
            behind.request(self.command, self.path, headers=kept)
        answer, sent = behind.getresponse(), 0
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or "0")
        self.end_headers()
        try:
            if self.command != "HEAD":
                sent = self._flow(answer)
        finally:
            behind.close()
            self._note(answer.status, sent)

    def _flow(self, answer: http.client.HTTPResponse) -> int:
        sent, began = 0, time.monotonic()
        while part := answer.read(_PART):
            self.wfile.write(part)
            sent += len(part)
            if rate := self._mood().get("rate"):
                time.sleep(max(0.0, sent / float(rate) - (time.monotonic() - began)))
        return sent

    def _note(self, status: int, sent: int) -> None:
        line = {
            "method": self.command,
            "host": self.headers.get("Host", ""),
            "path": self.path,
            "status": status,
            "sent": sent,
            "who": self._who(),
            "shown": self.headers.get("Authorization", "").partition(" ")[0],
            "agent": self.headers.get("User-Agent", ""),
        }
        with Path(self.options.log).open("a") as log:
            log.write(json.dumps(line) + "\n")


def main(path: str) -> None:
    """Serve until it is ended."""
    _Handler.options = Options(**json.loads(Path(path).read_text()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", _Handler.options.port), _Handler)
    if _Handler.options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_Handler.options.certificate, _Handler.options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
