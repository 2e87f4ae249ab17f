"""The downloader as a process: memory with a very large file, and SIGKILL in the middle."""

from __future__ import annotations

import hashlib
import http.server
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.waiting import HANG

MB = 1 << 20
SHARED = Path(__file__).parents[3] / "shared"

PROGRAM = """
import asyncio, hashlib, json, sys
from pathlib import Path
from headrace.config import Settings
from headrace.models import Artifact, Digest, Origin, Source
from headrace.upstream.client import Client
from headrace.download.downloader import Downloader
from headrace.system.storage.store import Store

folder, url, sha256, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024

async def main():
    client = Client({})
    store = Store(Path(folder), limit=1 << 40, reserve=0.0)
    downloader = Downloader(client, store, Settings(), report=lambda *a, **k: None,
                            observe=lambda e: None, headers_for=lambda a, s: {})
    origin = Origin("python", url)
    artifact = Artifact("python", "/f", "f", url + "/f", origin, Digest("sha256", sha256), size)
    sources = [Source("mirror", url.replace("127.0.0.1", "localhost") + "/f"),
               Source("origin", url + "/f", is_origin=True)]
    download = await downloader.open(artifact, sources)
    hasher, told = hashlib.sha256(), 0
    async for data in download.read():
        hasher.update(data)
        told += len(data)
        print(told, flush=True)
    while download.path is None:  # it is put in the store behind the reader's back
        await asyncio.sleep(0.01)
    download.release()
    await downloader.aclose()
    await client.aclose()
    print(json.dumps({"right": hasher.hexdigest() == sha256, "peak": peak()}), flush=True)

asyncio.run(main())
"""


class Endless(http.server.BaseHTTPRequestHandler):
    """Serves a file that is made as it goes: block n is the noise with n in front."""

    protocol_version = "HTTP/1.1"
    url = ""
    noise = random.Random(1).randbytes(MB)
    size = 0
    rate = 0.0
    sent = 0

    @classmethod
    def block(cls, number: int) -> bytes:
        return number.to_bytes(8, "big") + cls.noise[8:]

    def do_GET(self) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, self.size
        if match:
            start = int(match[1])
            end = min(int(match[2]) + 1, self.size) if match[2] else self.size
        self.send_response(206 if match else 200)
        self.send_header("Content-Length", str(end - start))
        if match:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{self.size}")
        self.end_headers()
        while start < end:
            number, low = divmod(start, MB)
            part = self.block(number)[low : low + end - start]
            self.wfile.write(part)
            start += len(part)
            type(self).sent += len(part)
            if self.rate:
                time.sleep(len(part) / self.rate)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that is killed is no news."""


@pytest.fixture
def endless() -> Iterator[type[Endless]]:
    class One(Endless):
        """What one test orders is no other's."""

    handler = One
    server = Server(("127.0.0.1", 0), handler)
    handler.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def digest(size: int) -> str:
    hasher = hashlib.sha256()
    for number in range(size // MB):
        hasher.update(Endless.block(number))
    return hasher.hexdigest()


def begin(folder: Path, served: type[Endless], sha256: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, folder, served.url, sha256, str(served.size)]
    return subprocess.Popen(
        [str(part) for part in command],
        env={"PYTHONPATH": str(SHARED), "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "reads /proc"))
@pytest.mark.parametrize("size", [256, pytest.param(1024, marks=pytest.mark.nightly)])
def test_a_file_larger_than_the_memory_allowed_takes_less_than_150_megabytes(
    tmp_path: Path, endless: type[Endless], size: int
) -> None:
    endless.size = size * MB
    process = begin(tmp_path, endless, digest(endless.size))
    out, _ = process.communicate(timeout=HANG)
    told = json.loads(out.splitlines()[-1])
    assert told["right"]
    assert told["peak"] < 150 * MB


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "SIGKILL"))
def test_a_killed_process_leaves_bytes_that_the_next_one_uses_and_proves(
    tmp_path: Path, endless: type[Endless]
) -> None:
    endless.size, endless.rate = 64 * MB, 20e6
    sha256 = digest(endless.size)
    process = begin(tmp_path, endless, sha256)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > 40 * MB:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not [p for p in tmp_path.glob("sha256/**/*") if p.is_file()]

    endless.rate, endless.sent = 0.0, 0
    out, _ = begin(tmp_path, endless, sha256).communicate(timeout=HANG)
    assert json.loads(out.splitlines()[-1])["right"]
    assert endless.sent < 44 * MB
    (stored,) = [p for p in (tmp_path / "sha256").rglob("*") if p.is_file()]
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == sha256
    assert not list((tmp_path / "partial").glob("*.part"))
