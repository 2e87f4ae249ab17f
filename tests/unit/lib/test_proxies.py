from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path

import pytest

from lib.serving.certificates import authority
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer
from lib.waiting import HANG


def fetch(url: str, *, proxy: str | None = None, trust: Path | None = None) -> bytes:
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    ]
    if trust:
        context = ssl.create_default_context(cafile=str(trust))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(url, timeout=HANG) as answer:
        body: bytes = answer.read()
        return body


def test_own_authority_is_believed_by_those_who_are_told_of_it(tmp_path: Path) -> None:
    made = authority(tmp_path)
    with RecordingServer({"/file": b"x" * 100_000}, tls=made.server) as server:
        assert server.url.startswith("https://")
        assert fetch(server.url + "/file", trust=made.certificate) == b"x" * 100_000
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(server.url + "/file")


def test_proxy_passes_both_ways_and_records(tmp_path: Path) -> None:
    made = authority(tmp_path)
    with (
        RecordingProxy() as proxy,
        RecordingServer({"/file": b"secure"}, tls=made.server) as secure,
        RecordingServer({"/file": b"plain"}) as plain,
    ):
        assert fetch(plain.url + "/file", proxy=proxy.url) == b"plain"
        assert fetch(secure.url + "/file", proxy=proxy.url, trust=made.certificate) == b"secure"
        assert [(p.method, p.target) for p in proxy.passed] == [
            ("GET", f"{plain.url}/file"),
            ("CONNECT", f"127.0.0.1:{secure.port}"),
        ]
