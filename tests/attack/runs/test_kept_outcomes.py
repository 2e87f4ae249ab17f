"""Who stands at the port of a kept outcome is told apart before anything is shown to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace import __version__
from headrace.cli.runs.kept import outcome
from headrace.ownership import proving
from lib.capabilities import lacks
from lib.waiting import HANG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "kept on Linux"))

SECRET = "the secret of the state folder"
Answer = Callable[[str, int], dict[str, object]]


def right(nonce: str, port: int) -> dict[str, object]:
    return {"headrace": __version__, "proof": proving.proof(SECRET, nonce, "127.0.0.1", port)}


def connect(port: int) -> None:
    from headrace.cli.runs.kept.contact import ProvenGateway  # noqa: PLC0415 - Linux has it

    contact = ProvenGateway("127.0.0.1", port, "the-token", SECRET)
    try:
        assert contact.ask("/status", HANG) == {"it": "is me"}
    finally:
        contact.close()


def heard_by(answer: Answer | bytes) -> tuple[str, bool]:
    """Stand at a port; return all that was said to who is there, and whether it was believed."""
    said = b""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            nonlocal said
            taken, _ = server.accept()
            with taken:
                while piece := taken.recv(65536):
                    said += piece
                    if not said.endswith(b"\r\n\r\n"):
                        continue
                    if isinstance(answer, bytes):
                        taken.sendall(answer)
                        return
                    nonce = said.decode().partition(f"{proving.NONCE}: ")[2].split("\r\n")[0]
                    told = {"it": "is me"} if b"/status" in said else answer(nonce, port)
                    body = json.dumps(told).encode()
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                    taken.sendall(head.encode() + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            connect(port)
        except OSError:
            believed = False
        else:
            believed = True
        thread.join(HANG)
    return said.decode(), believed


def test_who_proves_itself_is_shown_the_token() -> None:
    said, believed = heard_by(right)
    assert believed
    assert "Authorization: Basic" in said


@pytest.mark.parametrize(
    "answer",
    [
        lambda nonce, port: {**right(nonce, port), "proof": "0" * 64},
        lambda nonce, port: right(nonce, port + 1),
        lambda nonce, port: {**right(nonce, port), "headrace": "99"},
        lambda nonce, port: {**right(nonce, port), "headrace": "redirecting"},
        lambda *_: {"headrace": __version__},
        lambda *_: {"headrace": __version__, "proof": "é"},
        b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"nothing of the kind\r\n\r\n",
        b"",
    ],
)
def test_who_does_not_is_shown_nothing(answer: Answer | bytes) -> None:
    said, believed = heard_by(answer)
    assert not believed
    assert "Authorization" not in said


@pytest.mark.root
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason=lacks("root", "another user")
)
def test_another_user_who_listens_is_not_even_asked() -> None:
    program = (
        "import os, socket\nos.setgid(65533)\nos.setuid(65533)\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "print(server.getsockname()[1], flush=True)\n"
        "taken, _ = server.accept()\nprint(taken.recv(100), flush=True)\n"
    )
    command = [sys.executable, "-I", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        with pytest.raises(OSError, match="somebody else"):
            connect(int(stranger.stdout.readline()))
        assert stranger.stdout.readline() == "b''\n"


@pytest.mark.parametrize("way", ["mode", "link", "folder", "pipe"])
def test_what_others_could_have_written_is_no_outcome(tmp_path: Path, way: str) -> None:
    path = tmp_path / "key.json"
    told = {"made": time.time(), "looked": {}, "there": {}}
    path.write_text(json.dumps(told))
    path.chmod(0o600)
    assert outcome.load(str(tmp_path), "key") == told
    if way == "mode":
        path.chmod(0o620)
    else:
        path.rename(tmp_path / "other")
        if way == "link":
            path.symlink_to(tmp_path / "other")
        elif way == "folder":
            path.mkdir()
        else:
            os.mkfifo(path, 0o600)
    assert outcome.load(str(tmp_path), "key") is None


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_what_others_could_have_put_in_its_place_is_no_outcome(tmp_path: Path, mode: int) -> None:
    """A file of this user's that lies elsewhere may be moved, or linked, to where this one was."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(told := {"made": time.time(), "looked": {}, "there": {}}))
    path.chmod(0o600)
    assert outcome.load(str(tmp_path), "key") == told
    tmp_path.chmod(mode)
    assert outcome.load(str(tmp_path), "key") is None


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '{"made": "x"}', '{"made": 1e999, "looked": [], "there": {}}']
)
def test_what_is_broken_is_no_outcome(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    (tmp_path / "key.json").chmod(0o600)
    assert outcome.load(str(tmp_path), "key") is None
