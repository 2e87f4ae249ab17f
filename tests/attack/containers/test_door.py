"""The door for containers: who may pass, and what is to be had behind it."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from headrace.errors import LocalError
from headrace.system.service import door as door_module
from headrace.system.service.door import Door
from lib.capabilities import lacks
from lib.waiting import HANG

SHOWN = "Basic " + base64.b64encode(b"headrace:token").decode()
CONNECT = b"CONNECT a.example:443 HTTP/1.1\r\nProxy-Authorization: %s\r\n\r\n" % SHOWN.encode()

TWICE = CONNECT.replace(b"\r\n\r\n", b"\r\nProxy-Authorization: Basic eDp5\r\n\r\n")


class Behind:
    """Stands for the gateway: says what came to it."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                with client:
                    self.came.append(client.recv(65536))
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.fixture
def behind() -> Iterator[Behind]:
    made = Behind()
    yield made
    made.listening.close()


def door(behind: Behind, network: str = "127.0.0.0/8", host: str = "127.0.0.1") -> Door:
    return Door(host, network, behind.listening.getsockname(), SHOWN)


def said(made: Door, request: bytes, source: str = "127.0.0.2") -> bytes:
    """Return what somebody at an address is answered."""
    with socket.create_connection(made.address, HANG, (source, 0)) as client:
        client.sendall(request)
        with contextlib.suppress(ConnectionError):
            return client.recv(65536)
    return b""


def test_a_connect_with_the_token_passes(behind: Behind) -> None:
    made = door(behind)
    assert said(made, CONNECT).startswith(b"HTTP/1.1 200 ")
    assert behind.came == [CONNECT]
    made.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /status HTTP/1.1\r\nHost: localhost\r\nProxy-Authorization: %s\r\n\r\n", b"403"),
        (b"GET http://localhost/status HTTP/1.1\r\nProxy-Authorization: %s\r\n\r\n", b"403"),
        (b"CONNECT a.example:443 HTTP/1.1\r\n\r\n", b"407"),
        (b"CONNECT a.example:443 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n", b"407"),
        (b"CONNECT a.example:443 HTTP/1.1\r\nAuthorization: %s\r\n\r\n", b"407"),
        (TWICE, b"407"),
    ],
)
def test_nothing_else_reaches_the_gateway(behind: Behind, request_: bytes, status: bytes) -> None:
    made = door(behind)
    told = said(made, request_.replace(b"%s", SHOWN.encode()))
    assert told.split(b" ", 2)[1] == status
    assert not behind.came
    made.close()


def test_whoever_does_not_come_from_the_bridge_hears_nothing(behind: Behind) -> None:
    made = door(behind, "127.0.0.2/32")
    assert said(made, CONNECT, "127.0.0.3") == b""
    assert said(made, CONNECT, "127.0.0.2") != b""
    assert len(behind.came) == 1
    made.close()


def test_this_machine_itself_hears_nothing(behind: Behind) -> None:
    made = door(behind)
    assert said(made, CONNECT, "127.0.0.1") == b""
    assert not behind.came
    made.close()


def test_who_says_nothing_keeps_nobody_out(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are: the first of them goes."""
    monkeypatch.setattr(door_module, "_MOST", 4)
    made = door(behind)
    with contextlib.ExitStack() as held:
        held.callback(made.close)
        silent = [socket.create_connection(made.address, HANG, ("127.0.0.2", 0)) for _ in range(8)]
        for each in silent:
            held.enter_context(each)
        assert said(made, CONNECT, "127.0.0.3").startswith(b"HTTP/1.1 200 ")
        with contextlib.suppress(ConnectionError):
            assert silent[0].recv(1) == b""


ASK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
with socket.socket() as client:
    client.settimeout(60)
    try:
        client.connect(("127.0.0.1", int(sys.argv[2])))
        client.sendall(sys.stdin.buffer.read())
        sys.stdout.buffer.write(client.recv(100))
    except ConnectionError:
        pass
"""


@pytest.mark.root
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason=lacks("root", "two real users")
)
def test_another_user_hears_nothing_where_this_machine_connects_for_containers(
    behind: Behind,
) -> None:
    """Nor with the token: they are containers of another user's."""
    made = door(behind, "127.0.0.1/32")
    told = {}
    for user in ("0", "54321"):
        words = [sys.executable, "-c", ASK, user, str(made.address[1])]
        told[user] = subprocess.run(words, input=CONNECT, capture_output=True, check=True).stdout
    made.close()
    assert told == {"0": b"HTTP/1.1 200 OK\r\n\r\n", "54321": b""}
    assert len(behind.came) == 1


def test_a_head_that_never_ends_is_no_head(behind: Behind) -> None:
    made = door(behind)
    with socket.create_connection(made.address, HANG, ("127.0.0.2", 0)) as client:
        sent = b"x" * 8192 * 20
        try:
            client.sendall(sent)
            assert client.recv(10) == b""
        except ConnectionError:
            pass
    assert not behind.came
    made.close()


def test_a_bridge_of_another_machine_is_told(behind: Behind) -> None:
    with pytest.raises(LocalError, match="no address of this machine"):
        door(behind, "192.0.2.0/24", "192.0.2.77")
