"""Servers on this machine's loopback, for the cases that need no lines."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import Tree
from benchmarks.lab.nginx import Nginx
from benchmarks.lab.tls import Certificate
from benchmarks.stage import scratch

__all__ = ["Served", "free_port", "served"]


@dataclass(frozen=True, slots=True)
class Served:
    """An nginx that serves a corpus here."""

    url: str
    root: Path


@contextlib.contextmanager
def served(
    corpus: Tree, *, rate: int = 0, proxy_of: str = "", certificate: Certificate | None = None
) -> Iterator[Served]:
    """Serve a corpus; `rate` limits each connection, in bytes per second. With a `certificate`,
    which is for ``localhost``, by TLS alone.

    `proxy_of` is the base URL of another server to which everything below ``/pass`` is handed on.
    """
    port = free_port()
    extra = ""
    if proxy_of:
        extra = (
            f"location /pass/ {{ proxy_pass {proxy_of}/; proxy_http_version 1.1; "
            'proxy_set_header Connection ""; proxy_max_temp_file_size 0; }'
        )
    listen, url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    if certificate is not None:
        listen, url = f"{listen} ssl", f"https://localhost:{port}"
        extra += f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
    with scratch() as folder:
        server = Nginx(
            folder / "nginx",
            corpus.root,
            corpus.wrong,
            listen=listen,
            rate=rate,
            extra=extra,
        )
        try:
            yield Served(url, corpus.root)
        finally:
            server.close()


def free_port() -> int:
    """Give a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
