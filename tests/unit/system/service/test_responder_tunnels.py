"""While no worker answers, who is led is tunnelled by the holder's stand-in, and nobody else."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.system.service import responder
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

TOKEN = "secret-token"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a responder that knows one token, of a command that runs."""
    runners = tmp_path / "runners"
    (tmp_path / f"{hashlib.sha256(TOKEN.encode()).hexdigest()}.json").write_text(
        json.dumps({"environment": {}, "runners": str(runners)})
    )
    with runners.open("w") as running, socket.create_server(("127.0.0.1", 0)) as listener:
        fcntl.flock(running, fcntl.LOCK_SH)
        listener.set_inheritable(True)
        words = ["--redirect", f"CONNECT={tmp_path}", "--fd", str(listener.fileno())]
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(responder.__file__), *words],
            pass_fds=[listener.fileno()],
        )
        yield int(listener.getsockname()[1])
        child.send_signal(signal.SIGTERM)
        assert child.wait(HANG) == 0


def ask(port: int, target: str, token: str, then: bytes = b"") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as sock:
        pair = base64.b64encode(f"headrace:{token}".encode()).decode()
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {pair}"
        sock.sendall(f"{head}\r\n\r\n".encode() + then)
        got = b""
        while data := sock.recv(65536):
            got += data
        return got


def test_whoever_shows_the_token_is_led_through(port: int) -> None:
    with RecordingServer({"/x": b"own"}) as server:
        then = f"GET /x HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
        got = ask(port, f"127.0.0.1:{server.port}", TOKEN, then.encode())
        assert got.startswith(b"HTTP/1.1 200 ")
        assert got.endswith(b"own")


def test_nobody_else_is_and_nobody_to_the_port_itself(port: int) -> None:
    assert ask(port, f"127.0.0.1:{port}", "wrong").startswith(b"HTTP/1.1 407 ")
    assert ask(port, f"127.0.0.1:{port}", "../x").startswith(b"HTTP/1.1 407 ")
    assert ask(port, f"127.0.0.1:{port}", TOKEN).startswith(b"HTTP/1.1 403 ")
    assert ask(port, "127.0.0.1:1", TOKEN).startswith(b"HTTP/1.1 502 ")


def test_token_is_worth_nothing_when_its_command_has_ended(port: int, tmp_path: Path) -> None:
    runners = tmp_path / "runners"
    runners.unlink()
    assert ask(port, "127.0.0.1:1", TOKEN).startswith(b"HTTP/1.1 407 ")
    # As after a kill: it lies there, and nobody has it locked.
    runners.touch()
    assert ask(port, "127.0.0.1:1", TOKEN).startswith(b"HTTP/1.1 407 ")


def test_users_own_proxy_is_gone_through(port: int, tmp_path: Path) -> None:
    with RecordingServer({"/x": b"own"}) as server, RecordingProxy() as proxy:
        [file] = tmp_path.glob("*.json")
        environment = {"HTTPS_PROXY": proxy.url.replace("//", "//me:pass@"), "NO_PROXY": "x.test"}
        told = json.loads(file.read_text())
        file.write_text(json.dumps({**told, "environment": environment}))
        then = f"GET /x HTTP/1.1\r\nHost: y.test:{server.port}\r\nConnection: close\r\n\r\n"
        assert ask(port, f"y.test:{server.port}", TOKEN, then.encode()).endswith(b"own")
        [passed] = proxy.passed
        assert passed.target == f"y.test:{server.port}"
        assert passed.authorization == "Basic bWU6cGFzcw=="
