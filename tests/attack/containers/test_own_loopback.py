"""A container that is led gets no tunnel to this machine's own loopback, however it writes that."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import json
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace.gateway.intercepting.tunnels import TunnelError, dial
from headrace.system.service import responder
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

#: Each is loopback to somebody who reads it (inet_aton(3), RFC 6761, /etc/hosts of Debian).
WRITTEN = (
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "0",
    "::1",
    "::ffff:127.0.0.1",
    "localhost",
    "a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
)


@pytest.mark.parametrize("host", WRITTEN)
def test_behind_the_users_proxy_too_which_may_stand_on_this_machine(host: str) -> None:
    with RecordingServer() as own, RecordingProxy() as proxy:
        with pytest.raises(TunnelError) as refused:
            asyncio.run(
                dial((host, own.port), proxy.url, (), ssl.create_default_context, here=False)
            )
        assert not proxy.passed
    assert refused.value.status == 403


def test_nor_by_a_name_whose_address_is_another_one_at_the_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no worker answers: the holder's stand-in looks, and connects."""
    real, looks = socket.getaddrinfo, iter(["192.0.2.1"])

    def changing(host: Any, *rest: Any, **named: Any) -> Any:
        return real(next(looks, "127.0.0.1") if host == "a.example" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    runners = tmp_path / "runners"
    table = {"environment": {}, "runners": str(runners), "elsewhere": True}
    name = hashlib.sha256(b"token").hexdigest()
    (tmp_path / f"{name}.json").write_text(json.dumps(table))
    pair = base64.b64encode(b"headrace:token").decode()
    with RecordingServer() as own, runners.open("w") as running:
        fcntl.flock(running, fcntl.LOCK_SH)
        head = f"CONNECT a.example:{own.port} HTTP/1.1\r\nProxy-Authorization: Basic {pair}"
        listening = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listening.getsockname(), timeout=HANG)
        served, _ = listening.accept()
        asking = (served, f"{head}\r\n\r\n".encode(), [str(tmp_path)])
        thread = threading.Thread(target=responder.tunnelled, args=asking)
        thread.start()
        with client, listening:
            answer = client.recv(65536)
        thread.join()
        served.close()
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 502 "))
