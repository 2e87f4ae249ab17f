"""A daemon of a test: reads a JSON file at its start and on SIGHUP, and shows it at /info."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import signal
import socket
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["NAME", "Small", "running"]

NAME = "smalld"


@dataclass
class Small:
    """One that runs."""

    config: Path
    socket: Path
    pid_file: Path
    process: subprocess.Popen[bytes]

    def mirrors(self) -> list[str]:
        """What it has read."""
        found: list[str] = self._ask("/info")["Config"]["Mirrors"]
        return found

    def signals(self) -> int:
        """How often it was told to read."""
        return int(self._ask("/signals")["Signals"])

    def _ask(self, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.socket))
        with contextlib.closing(connection):
            connection.request("GET", path)
            found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found


@contextlib.contextmanager
def running(folder: Path, *, refuses: str = "", clings: bool = False) -> Iterator[Small]:
    """Run one that does not take a mirror with `refuses` in it; with `clings` one for which a file
    without mirrors says nothing of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / NAME
    program.symlink_to(Path(sys.executable).resolve())
    config, path, pid_file = folder / "config.json", folder / "socket", folder / "pid"
    process = subprocess.Popen([program, __file__, config, path, refuses, str(clings)])
    pid_file.write_text(f"{process.pid}\n")
    try:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield Small(config, path, pid_file, process)
    finally:
        process.terminate()
        process.wait()


def main(config: str, path: str, refuses: str, clings: str) -> None:
    """Serve until it is ended."""
    state: dict[str, Any] = {"Config": {"Mirrors": []}}
    count = {"Signals": 0}

    def read() -> None:
        try:
            mirrors = json.loads(Path(config).read_text("utf-8")).get("mirrors", [])
        except FileNotFoundError:
            mirrors = state["Config"]["Mirrors"] if clings == "True" else []
            mirrors = [each.rstrip("/") for each in mirrors]
        if not refuses or not any(refuses in each for each in mirrors):
            state["Config"]["Mirrors"] = [f"{each}/" for each in mirrors]

    def told(*_: object) -> None:
        count["Signals"] += 1
        read()

    class Handler(http.server.BaseHTTPRequestHandler):
        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = json.dumps(count if self.path == "/signals" else state).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    read()
    signal.signal(signal.SIGHUP, told)
    socketserver.UnixStreamServer(path, Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:5])
