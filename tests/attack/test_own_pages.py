"""What one user fetches is not told to another: the gateway's own pages, with two real users."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.gateway.peers import Peers, Sight
from headrace.system.service.own_pages import shown_for
from lib import wheels
from lib.app import App
from lib.capabilities import lacks
from lib.index import JSON, Index
from lib.serving.servers import RecordingServer

SIX = wheels.wheel("six", "1.0", size=3000)
OTHER = 43_210
PAGES = ("/status", "/metrics", "/explain?what=six")
ASK = """
import json, os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
told = []
for path in sys.argv[3:]:
    # Nothing may have to be imported any more: this user may not read the interpreter's folder.
    with socket.socket() as live:
        live.connect(("127.0.0.1", int(sys.argv[2])))
        head = f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1:{sys.argv[2]}\\r\\n"
        live.sendall(f"{head}Connection: close\\r\\n\\r\\n".encode())
        data = b""
        while part := live.recv(65536):
            data += part
    told.append(data.decode())
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingServer]:
    index = Index()
    index.add(SIX)
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made


def asked_by(uid: int, port: int, *paths: str) -> list[tuple[int, str]]:
    """Ask as another user; give status and body of each."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip(lacks("system", "there is no /proc/net/tcp"))
    if os.geteuid() != 0:
        pytest.skip(lacks("root", "two users are needed"))
    argv = [sys.executable, "-I", "-S", "-c", ASK, str(uid), str(port), *paths]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/")
    told = [each.partition("\r\n\r\n") for each in json.loads(done.stdout)]
    return [(int(head.split()[1]), body) for head, _, body in told]


def used(app: App) -> None:
    """Have something to tell."""
    page = app.page("six").json()
    assert app.ask(page["files"][0]["url"].partition("#")[0]).body == SIX.data
    app.parts.incident(RuntimeError("odd"), "/simple/secret-project/")


def test_another_user_is_told_nothing_and_root_and_the_user_all(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        used(app)
        for status, body in asked_by(OTHER, app.port, *PAGES):
            assert status == 403
            assert "six" not in body
            assert "secret" not in body
        assert [status for status, _ in asked_by(OTHER, app.port, "/healthz")] == [200]
        assert [app.ask(path).status for path in PAGES] == [200] * 3
        assert [status for status, _ in asked_by(0, app.port, *PAGES)] == [200] * 3
        assert "secret-project" in app.ask("/status").body.decode()


def test_the_machine_s_gateway_tells_every_user_what_is_no_user_s_alone(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple", machine=True) as app:
        used(app)
        told = asked_by(OTHER, app.port, *PAGES)
        assert [status for status, _ in told] == [200] * 3
        status = json.loads(told[0][1])
        assert status["transfers"]["finished"] == 1
        assert status["transfers"]["recent"] == []
        assert (status["incidents"], status["builds"]) == ([], [])
        assert SIX.name not in told[0][1] + told[1][1]
        explained = json.loads(told[2][1])
        assert not any(each["kept"] for each in explained["documents"])
        assert not any(each["stored"] for each in explained["artifacts"])
        assert app.status()["incidents"]
        assert app.ask(PAGES[2]).json()["documents"][0]["kept"]


def test_token_opens_what_it_opened(tmp_path: Path, origin: RecordingServer) -> None:
    with App(tmp_path, f"{origin.url}/simple", token="t0k") as app:
        assert [status for status, _ in asked_by(OTHER, app.port, *PAGES)] == [401] * 3
        right = {"Authorization": "Basic " + base64.b64encode(b"x:t0k").decode()}
        assert app.ask("/status", right).status == 200
        assert app.ask("/simple/six/", {"Accept": JSON, **right}).status == 200


# ------------------------------------------------------------------ as the tables have it

CLIENT, SERVER = ("127.0.0.1", 50_000), ("127.0.0.1", 17_223)


def table(uid: int, state: str = "01", inode: int = 7) -> list[str]:
    ends = "0100007F:C350 0100007F:4347"
    if sys.byteorder == "big":
        ends = "7F000001:C350 7F000001:4347"
    return [f"   0: {ends} {state} 0:0 0:0 0 {uid} 0 {inode} 1 0 100 0 0 10 0\n"]


def sight(tables: list[str], shown: str | None = None, **more: Any) -> Sight:
    token, secret = more.pop("token", None), more.pop("secret", None)
    peers = Peers(token, secret, own=1000, tables=lambda: tables, **more)
    basic = shown and "Basic " + base64.b64encode(f"headrace:{shown}".encode()).decode()
    scope = {"client": CLIENT, "server": SERVER}
    return asyncio.run(peers.sight(scope, basic))


def test_the_system_s_word_decides_where_it_gives_one() -> None:
    assert sight(table(1000)) is Sight.ALL
    assert sight(table(0)) is Sight.ALL
    assert sight(table(1001)) is Sight.NONE
    assert sight(table(1001), machine=True) is Sight.COMMON
    assert sight(table(65534)) is Sight.NONE
    # An end that its program has given up, or shut down, is nobody's, and shows as root's.
    for state, inode in (("06", 0), ("01", 0), ("05", 7), ("04", 7)):
        assert sight(table(0, state, inode)) is Sight.NONE
    assert sight(["a heading\n"]) is Sight.NONE


def test_where_the_system_does_not_tell_the_secret_of_the_state_folder_does() -> None:
    assert sight([], secret="s") is Sight.NONE
    assert sight([], shown="s", secret="s") is Sight.NONE
    assert sight([], shown=shown_for("s"), secret="s") is Sight.ALL
    assert sight([], shown=shown_for("t"), secret="s") is Sight.NONE
    assert sight([], secret="s", machine=True) is Sight.COMMON
    assert sight([], machine=True) is Sight.COMMON
    # A gateway without a secret has nothing to compare with, as one of before.
    assert sight([]) is Sight.ALL
    assert sight(table(1001), shown=shown_for("s"), secret="s") is Sight.ALL
    assert sight(table(1001), token="t") is Sight.ALL  # the guard has seen it


def test_user_s_own_command_line_goes_on_working(tmp_path: Path, origin: RecordingServer) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        connection = http.client.HTTPConnection("localhost", app.port)
        connection.request("GET", "/status", headers={"Accept": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
